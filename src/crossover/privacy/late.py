"""Patterns of the standard library that are compiled when they are first needed: together they take some 20 ms."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

_METHODS = ("findall", "finditer", "fullmatch", "match", "search")
_Look = Callable[..., "re.Match[str] | None"]


class Late:
    """A pattern. Raises re.error at the first use where it is none."""

    __slots__ = ("_flags", "_pattern", *_METHODS)

    findall: Callable[..., list[str]]
    finditer: Callable[..., Iterator[re.Match[str]]]
    fullmatch: _Look
    match: _Look
    search: _Look

    def __init__(self, pattern: str, flags: int = 0) -> None:
        self._pattern = pattern
        self._flags = flags

    def __getattr__(self, name: str) -> Any:
        if name not in _METHODS:
            raise AttributeError(name)
        regex = re.compile(self._pattern, self._flags)
        for method in _METHODS:
            setattr(self, method, getattr(regex, method))
        return getattr(regex, name)
