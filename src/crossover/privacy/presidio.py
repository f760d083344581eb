"""Presidio as one more detector, where somebody has installed it: https://microsoft.github.io/presidio/.

It brings a language model of its own, so a look takes milliseconds instead of microseconds; the deadline of a text may
then be too short for long ones, and what could not be looked at stays inside.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from typing import Any

from crossover.errors import InputError
from crossover.privacy.words import Find, Finding
from crossover.sensitivity import DEFAULT_TIER, Category

_LEAST = 0.5  # Presidio's own score; below, its documentation speaks of weak patterns
# Entities that say little by themselves, or that this product judges by its own rules.
_IGNORED = frozenset({"DATE_TIME", "URL", "NRP", "LOCATION", "ORGANIZATION"})
_KINDS: dict[str, tuple[Category, str]] = {
    "PERSON": ("personal", "person"),
    "CREDIT_CARD": ("financial", "payment_card"),
    "IBAN_CODE": ("financial", "iban"),
    "US_BANK_NUMBER": ("financial", "bank_account"),
    "CRYPTO": ("financial", "crypto_address"),
    "EMAIL_ADDRESS": ("identifiers", "email"),
    "PHONE_NUMBER": ("identifiers", "phone"),
    "IP_ADDRESS": ("identifiers", "ip_address"),
    "MEDICAL_LICENSE": ("identifiers", "medical_licence"),
}


def installed() -> bool:
    """Whether Presidio is here; it is not opened for that."""
    return importlib.util.find_spec("presidio_analyzer") is not None


def finder(engine: Any = None, language: str = "en") -> Find:
    """Presidio's analyser as a detector. ``engine`` is an ``AnalyzerEngine``; without one its default is made.

    Raises InputError where Presidio is not installed.
    """
    if engine is None:
        try:
            engine = importlib.import_module("presidio_analyzer").AnalyzerEngine()
        except ImportError:
            raise InputError(
                "Presidio is not installed here",
                hint="Install it (pip install presidio-analyzer), or leave privacy.presidio out",
                field="privacy.presidio",
            ) from None

    def find(text: str, field: str = "") -> Sequence[Finding]:
        del field
        return [
            _finding(one.entity_type, one.start, one.end, one.score)
            for one in engine.analyze(text=text, language=language)
            if one.score >= _LEAST and one.entity_type not in _IGNORED
        ]

    return find


def _finding(entity: str, start: int, end: int, score: float) -> Finding:
    category, kind = _KINDS.get(entity, ("identifiers", entity.lower()))
    return Finding(
        category=category, kind=kind, tier=DEFAULT_TIER[category], start=start, end=end, score=score,
        rule=f"presidio {entity}",
    )  # fmt: skip
