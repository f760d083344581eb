"""Scorers: how good an answer is, from 0 (bad) to 1 (good). One file per family; ``registry`` has them by name."""
