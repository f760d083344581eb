"""Learned routing: signals of prompts and answers, a model of the gain, thresholds with a promise, drift.

Nothing here asks a model or opens a store; ``artifact`` reads and writes one small file. Whoever only serves a request
needs ``signals``, ``complexity``, ``model`` and ``artifact``, which do without numpy.
"""
