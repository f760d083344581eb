"""Samples: what is asked and what would be right, read from the formats that people keep them in."""
