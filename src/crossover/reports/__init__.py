"""Reports: rendering only, no arithmetic."""
