"""A plan's option as artefacts for existing engines: what starts them, the gateway before them, and how they grow."""
