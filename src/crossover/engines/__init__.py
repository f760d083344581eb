"""Engines on own machines: discover, inspect, and the embedded llama.cpp."""
