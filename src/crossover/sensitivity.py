"""Sensitive data: categories, tiers, and "the stricter of two".

Two tiers, not one flag: *hard* identifiers can be detected almost perfectly and are a rule; *soft* ones (names,
addresses, health narrative) are a policy choice. A label from outside may only raise what is known already.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

import msgspec

from crossover.errors import UnknownNameError

Category = Literal["secrets", "financial", "health", "identifiers", "personal", "custom"]
Tier = Literal["none", "soft", "hard"]

CATEGORIES: tuple[Category, ...] = get_args(Category)
TIERS: tuple[Tier, ...] = get_args(Tier)
LABELS: tuple[str, ...] = (*TIERS, *CATEGORIES)
DEFAULT_TIER: dict[Category, Tier] = {
    "secrets": "hard",
    "financial": "hard",
    "health": "hard",
    "identifiers": "hard",
    "personal": "soft",
    "custom": "hard",
}


class Sensitivity(msgspec.Struct, frozen=True, cache_hash=True):
    """What is known of a request or of a share of traffic: its tier and the categories found.

    ``unnamed`` is the tier that was said beside the categories without a word about what it is; a tier alone says it.
    """

    tier: Tier = "none"
    categories: frozenset[Category] = frozenset()
    unnamed: Tier = "none"


NOT_SENSITIVE = Sensitivity()


def of(categories: Iterable[Category]) -> Sensitivity:
    """The sensitivity of data that holds these categories."""
    found = frozenset(categories)
    tiers: list[Tier] = ["none", *(DEFAULT_TIER[category] for category in found)]
    return Sensitivity(max(tiers, key=TIERS.index), found)


def stricter(first: Sensitivity, second: Sensitivity) -> Sensitivity:
    """The stricter of two: the higher tier and all categories; so a second opinion can only raise."""
    tier = max(first.tier, second.tier, key=TIERS.index)
    categories = first.categories | second.categories
    unnamed = max(unspecified(first), unspecified(second), key=TIERS.index) if categories else "none"
    return Sensitivity(tier, categories, unnamed)


def unspecified(one: Sensitivity) -> Tier:
    """The tier of what nobody named: data of any category may be meant. ``none`` where every category is known."""
    return one.unnamed if one.categories else one.tier


def label(text: str, *, field: str | None = None) -> Sensitivity:
    """What a label from outside says: a tier (``none``, ``soft``, ``hard``) or a category (``health``).

    Raises UnknownNameError (an InputError) with the nearest labels; ``field`` names where the label stood.
    """
    word = text.strip().casefold()
    if word in TIERS:
        return Sensitivity(next(tier for tier in TIERS if tier == word))
    if word in CATEGORIES:
        return of(category for category in CATEGORIES if category == word)
    error = UnknownNameError("sensitivity label", text, LABELS, field=field)
    error.hint = error.hint or f"Known: {', '.join(LABELS)}"
    raise error
