"""Load tests: what an endpoint really does under a stated load, measured so that the harness does not flatter it."""
