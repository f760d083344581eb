"""The planner: enumerate, filter, estimate, rank, explain. Pure: same inputs, same plan."""
