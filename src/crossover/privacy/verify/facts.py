"""The public facts that checks ask for, read once from ``data/numbers.toml`` and ``data/tlds.txt``."""

from __future__ import annotations

import functools
import tomllib
from importlib import resources
from typing import Any


def _text(name: str) -> str:
    return resources.files("crossover.privacy").joinpath("data", name).read_text(encoding="utf-8")


@functools.cache
def numbers() -> dict[str, Any]:
    """The whole of ``numbers.toml``."""
    return tomllib.loads(_text("numbers.toml"))


@functools.cache
def top_level_domains() -> frozenset[str]:
    """Every top-level domain of the Internet, in lower case."""
    lines = _text("tlds.txt").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())


@functools.cache
def iban_lengths() -> dict[str, int]:
    """The length of an IBAN by the country's two letters."""
    return {country: int(size) for size, row in numbers()["iban"]["lengths"].items() for country in row.split()}


@functools.cache
def calling_codes() -> dict[str, frozenset[int]]:
    """How many digits may follow, by calling code."""
    return {
        code: frozenset(map(int, sizes.split()))
        for sizes, row in numbers()["calling_codes"]["lengths"].items()
        for code in row.split()
    }


@functools.cache
def card_prefixes(table: str) -> dict[str, frozenset[int]]:
    """The lengths that a card number may have, by its first digits; ``table`` is ``strict`` or ``loose``."""
    lengths: dict[str, frozenset[int]] = {}
    for brand in numbers()["cards"][table].values():
        for part in brand["ranges"].split():
            first, _, last = part.partition("-")
            for prefix in range(int(first), int(last or first) + 1):
                lengths[str(prefix)] = lengths.get(str(prefix), frozenset()) | frozenset(brand["lengths"])
    return lengths
