"""Decides which deployments may answer a request, and in which order. Carries nothing out: that is ``dispatch``."""
