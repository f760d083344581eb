"""Plain data as YAML: mappings, lists, texts, numbers, truth. Texts that could be read as anything else are quoted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

Yaml: TypeAlias = "str | int | float | bool | Sequence[Yaml] | Mapping[str, Yaml]"
# A word that no version of YAML takes for a number, a date, truth or null, and in which nothing has a meaning.
_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./-]*")
_BREAKS = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")  # what YAML takes for line ends, or not at all
_READ_OTHERWISE = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n", ".inf", ".nan"})


def document(value: Mapping[str, Yaml], comment: str = "") -> str:
    """One YAML document; ``comment`` stands before it, each line behind a ``#``."""
    head = "".join(f"# {line}".rstrip() + "\n" for line in comment.splitlines())
    return head + "\n".join(_lines(value, "")) + "\n"


def documents(values: Sequence[Mapping[str, Yaml]], comment: str = "") -> str:
    """Several YAML documents in one file."""
    first, *rest = values
    return "---\n".join([document(first, comment), *(document(value) for value in rest)])


def _lines(value: Yaml, indent: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _entry(f"{indent}{_scalar(key)}:", each, indent + "  ")
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for each in value:
            inner = list(_lines(each, indent + "  ")) if _nested(each) else [f"{indent}  {_scalar(each)}"]
            yield f"{indent}- {inner[0][len(indent) + 2 :]}"
            yield from inner[1:]


def _entry(head: str, value: Yaml, indent: str) -> Iterator[str]:
    if _nested(value):
        yield head
        yield from _lines(value, indent)
    elif isinstance(value, str) and "\n" in value and _is_text(value):
        yield f"{head} {'|' if value.endswith(chr(10)) else '|-'}"
        yield from (f"{indent}{line}" if line else "" for line in value.rstrip("\n").split("\n"))
    else:
        yield f"{head} {_scalar(value)}"


def _is_text(value: str) -> bool:
    """Whether the lines can stand as they are: the first decides how far all of them are moved in."""
    fine = all(char == "\n" or char.isprintable() for char in value) and not _BREAKS.search(value)
    return fine and value[0] not in " \n" and not value.endswith("\n\n")


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _nested(value: Yaml) -> bool:
    return isinstance(value, Mapping | Sequence) and not isinstance(value, str) and bool(value)


def _scalar(value: Yaml) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        plain = _PLAIN.fullmatch(value) and value.lower() not in _READ_OTHERWISE
        return (
            value
            if plain
            else _BREAKS.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))
        )
    if isinstance(value, int | float):
        return str(value)
    return "{}" if isinstance(value, Mapping) else "[]"
