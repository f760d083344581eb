"""Capacity: memory, speed and load of a self-hosted model. Pure: no clock, no socket."""
