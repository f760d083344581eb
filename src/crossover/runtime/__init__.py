"""Puts objects together: the planner with the catalog it reads, the station with everything that serves, the pages.

The planner is loaded on first use: who serves or shows pages needs none.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crossover.runtime.planning import catalog_for, plan_for

__all__ = ["catalog_for", "plan_for"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("crossover.runtime.planning"), name)
    raise AttributeError(f"module 'crossover.runtime' has no attribute {name!r}")
