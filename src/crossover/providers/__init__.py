"""Sockets to models: a registry of rows, one backend over every dialect, and the fakes that ship."""
