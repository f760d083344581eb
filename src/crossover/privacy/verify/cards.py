"""Payment cards: Luhn's check digit and the ranges of numbers that issuers hold."""

from __future__ import annotations

from crossover.privacy.verify.arithmetic import digits, luhn
from crossover.privacy.verify.facts import card_prefixes


def payment_card(value: str) -> bool:
    """A number of a range that is in wide use, of its usual length, with its check digit."""
    number = digits(value)
    return bool(number) and _of_range(number, "strict") and luhn(number)


def possible_card(value: str) -> bool:
    """A number of any range and length, with its check digit: only where a word says that it is a card."""
    number = digits(value)
    return bool(number) and (_of_range(number, "strict") or _of_range(number, "loose")) and luhn(number)


def _of_range(number: str, table: str) -> bool:
    prefixes = card_prefixes(table)
    return any(len(number) in prefixes.get(number[:size], ()) for size in range(1, 7))
