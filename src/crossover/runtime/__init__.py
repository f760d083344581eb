"""Runtime: where objects are put together. Opens the catalog for the planner, and the plant for the gateway."""

from crossover.runtime.planning import catalog_for, plan_for

__all__ = ["catalog_for", "plan_for"]
