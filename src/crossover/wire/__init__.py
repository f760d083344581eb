"""Dialects and framings: pure functions both ways, no IO. One file per dialect; see :mod:`crossover.wire.words`."""
