"""The HTTP door: thin routes over a dispatcher that is handed in."""
