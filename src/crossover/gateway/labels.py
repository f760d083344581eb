"""Labels that a request gets for its headers: the user's own rules, such as "what the legal department sends"."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec


class HeaderRule(msgspec.Struct, frozen=True):
    """A request whose header ``name`` (lower case) holds a value that ``holds`` accepts has this label."""

    name: bytes
    holds: Callable[[str], bool]
    label: str


def labels(rules: Sequence[HeaderRule], headers: Mapping[bytes, bytes]) -> str:
    """The labels for these headers, separated by commas; empty where no rule fits."""
    found = [
        rule.label
        for rule in rules
        if rule.name in headers and rule.holds(headers[rule.name].decode("utf-8", "replace"))
    ]
    return ",".join(found)
