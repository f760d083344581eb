"""Texts from which the health model learns."""
