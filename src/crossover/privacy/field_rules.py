"""A user's rules about fields: whatever stands under this name is sensitive, such as ``metadata.case_id``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from crossover.privacy.words import Find, Finding
from crossover.sensitivity import DEFAULT_TIER, Category


class FieldRule(NamedTuple):
    """A text that stands under ``field``, and which ``holds`` accepts, is a finding of kind ``name``."""

    name: str
    field: str
    holds: Callable[[str], bool]
    category: Category


def by_field(rules: Sequence[FieldRule]) -> Find:
    """A detector by the name of the field alone; names are compared whole, whatever their case."""
    known: dict[str, list[FieldRule]] = {}
    for rule in rules:
        known.setdefault(_plain(rule.field), []).append(rule)

    def find(text: str, field: str = "") -> Sequence[Finding]:
        if not field or not text:
            return ()
        return [
            Finding(
                category=rule.category,
                kind=rule.name,
                tier=DEFAULT_TIER[rule.category],
                start=0,
                end=len(text),
                rule=rule.name,
            )
            for rule in known.get(_plain(field), ())
            if rule.holds(text)
        ]

    return find


def _plain(name: str) -> str:
    return name.rpartition(".")[2].casefold()
