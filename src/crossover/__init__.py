"""Crossover decides, proves and runs the split between hosted LLM APIs and local models.

The calculators of ``crossover plan`` are plain functions: ``from crossover import plan, api_cost, memory``. ``Client``
and ``AsyncClient`` ask models. All are loaded on first use, so that ``import crossover`` stays cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

__all__ = [
    "AsyncClient",
    "Client",
    "__version__",
    "api_cost",
    "as_dict",
    "as_frame",
    "as_html",
    "break_even",
    "hosting_cost",
    "make_workload",
    "memory",
    "owning_cost",
    "plan",
    "simulate",
    "tco",
    "throughput",
    "write_report",
]
CLIENTS = frozenset({"AsyncClient", "Client"})
CALCULATORS = frozenset(__all__) - CLIENTS - {"__version__"}


def __getattr__(name: str) -> Any:
    if name in CALCULATORS:
        return getattr(import_module("crossover.calculators"), name)
    if name in CLIENTS:
        return getattr(import_module("crossover.client"), name)
    raise AttributeError(f"module 'crossover' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
