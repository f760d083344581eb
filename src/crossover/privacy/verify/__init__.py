"""What a shape alone cannot say: check digits, ranges, entropy, placeholders.

One file per group; a rule names a function as ``group.function`` (``cards.payment_card``). Each takes the value as it
stands in the text, separators and all, and says yes or no. Those of ``around`` take the text, and where the value
stands in it. A group is imported when the first rule names it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, TypeAlias

from crossover.errors import InputError

Verify: TypeAlias = Callable[[str], bool]
Around: TypeAlias = Callable[[str, int, int], bool]


def function(name: str) -> Verify:
    """The function that ``group.function`` names. Raises InputError where there is none."""
    checked: Verify = _named(name)
    return checked


def surroundings(name: str) -> Around:
    """The function of the group ``around`` of that name. Raises InputError where there is none."""
    checked: Around = _named(f"around.{name}")
    return checked


def _named(name: str) -> Any:
    group, _, own = name.partition(".")
    if not (group.isidentifier() and own.isidentifier()) or own.startswith("_"):
        raise InputError(f"{name!r} names no check", hint="Write group.function, like cards.payment_card")
    try:
        module = importlib.import_module(f"{__name__}.{group}")
    except ModuleNotFoundError as error:
        if error.name != f"{__name__}.{group}":
            raise
        raise InputError(f"there is no group of checks {group!r} (in {name!r})") from None
    found = vars(module).get(own)
    if not callable(found):
        raise InputError(f"the group {group!r} has no check {own!r}")
    return found
