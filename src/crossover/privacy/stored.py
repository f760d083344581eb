"""The shipped rules as they were read once: a start needs not read 200 kB of TOML again, which takes some 25 ms.

    python -m crossover.privacy.stored

writes them. What was stored counts only for the very files it was made of, byte by byte; where it is absent or of other
files, the TOML is read. So the TOML stays the source, and what is stored may be missing or old, never wrong.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from crossover.privacy.words import Rule

_FORMAT = 1
_LISTS = ("context", "unless")  # a few lists of many words, each kept once
_TUPLES = tuple(info.name for info in msgspec.structs.fields(Rule) if info.type == tuple[str, ...])
_DEFAULTS = {info.name: info.default for info in msgspec.structs.fields(Rule)}


class _Stored(msgspec.Struct, frozen=True):
    format: int
    made_of: str
    lists: list[list[str]]
    rules: dict[str, list[dict[str, Any]]]


def place() -> Path:
    """Where the shipped rules are stored."""
    return Path(str(resources.files("crossover.privacy"))) / "cache" / "rules.msgpack"


def digest(files: Mapping[str, bytes]) -> str:
    """Names the contents of the files of rules, each by its name."""
    state = hashlib.sha256()
    for name, content in sorted(files.items()):
        state.update(f"{name} {len(content)} ".encode())
        state.update(content)
    return state.hexdigest()


def read(made_of: str, names: Sequence[str], path: Path) -> tuple[Rule, ...] | None:
    """The rules of the books of those ``names``; None where nothing was stored, or of other files than ``made_of``."""
    try:
        stored = msgspec.msgpack.decode(path.read_bytes(), type=_Stored)
    except (OSError, msgspec.DecodeError):
        return None
    if stored.format != _FORMAT or stored.made_of != made_of or not stored.rules.keys() >= set(names):
        return None
    lists = [tuple(words) for words in stored.lists]
    found: list[Rule] = []
    for row in (row for name in names for row in stored.rules[name]):
        for field in _TUPLES:
            if field in row:
                row[field] = lists[row[field]] if field in _LISTS else tuple(row[field])
        found.append(Rule(**row))
    return tuple(found)


def write(made_of: str, books: Mapping[str, Sequence[Rule]], path: Path) -> None:
    """Stores the rules of some books. Raises OSError where they cannot be written."""
    lists: dict[tuple[str, ...], int] = {}

    def packed(rule: Rule) -> dict[str, Any]:
        row = {name: value for name in Rule.__struct_fields__ if (value := getattr(rule, name)) != _DEFAULTS[name]}
        return row | {name: lists.setdefault(row[name], len(lists)) for name in _LISTS if name in row}

    rules = {name: [packed(rule) for rule in book] for name, book in books.items()}
    path.parent.mkdir(exist_ok=True)
    content = msgspec.msgpack.encode(_Stored(_FORMAT, made_of, [list(words) for words in lists], rules))
    path.write_bytes(content)


def main() -> None:
    """Store the shipped rules, unless they are."""
    from crossover.privacy import rules

    rules.store()


if __name__ == "__main__":
    main()
