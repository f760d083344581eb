"""HTML made of values: every text is escaped unless it was made here, so nothing from a plan can become markup."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TypeAlias

VOID = frozenset({"meta", "link", "br", "hr"})


class Markup(str):
    """Text that is HTML already; only this module and the page itself make it."""

    __slots__ = ()


Child: TypeAlias = "str | Markup | None"


def escape(text: str) -> Markup:
    """Text as HTML; control characters other than line breaks are dropped, those that reorder text too."""
    kept = "".join(char for char in text if char in "\n\t" or not _unwanted(char))
    kept = kept.encode("utf-8", "replace").decode("utf-8")
    return Markup(html.escape(kept, quote=True))


def _unwanted(char: str) -> bool:
    return (
        unicodedata.category(char) in ("Cc", "Zl", "Zp") or "\u202a" <= char <= "\u202e" or "\u2066" <= char <= "\u2069"
    )


def join(parts: Iterable[Child]) -> Markup:
    """Children one after the other, plain text escaped, None left out."""
    return Markup("".join(part if isinstance(part, Markup) else escape(part) for part in parts if part is not None))


def tag(name: str, *children: Child, **attributes: str | bool | None) -> Markup:
    """One element. ``cls`` becomes ``class``, an underscore a hyphen; None and False leave an attribute out."""
    text = f"<{name}"
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        label = "class" if key == "cls" else key.rstrip("_").replace("_", "-")
        text += f" {label}" if value is True else f' {label}="{escape(value)}"'
    if name in VOID:
        return Markup(text + ">")
    return Markup(f"{text}>{join(children)}</{name}>")


def link(text: str) -> Markup:
    """The text; a web address (http or https only) that it is or ends with becomes a link."""
    before, space, last = text.rpartition(" ")
    if last.startswith(("https://", "http://")):
        return join([before, space, tag("a", last, href=last, rel="noopener noreferrer")])
    return escape(text)


def items(rows: Iterable[Child], *, name: str = "ul", cls: str = "plain") -> Markup:
    """A list."""
    return tag(name, *(tag("li", row) for row in rows), cls=cls)


class Column:
    """A column of a table: its heading, whether it holds figures, whether it takes a whole line on a phone."""

    def __init__(self, heading: str, *, number: bool = False, wide: bool = False) -> None:
        self.heading = heading
        self.number = number
        self.wide = wide


def table(
    caption: str,
    columns: Sequence[Column],
    rows: Iterable[Sequence[Child]],
    *,
    foot: Sequence[Child] | None = None,
    chosen: int | None = None,
    stack: bool = True,
) -> Markup:
    """A table with a caption and headings; the first cell of a row is its heading. ``stack``: cards on a phone."""
    head = tag(
        "tr", *(tag("th", column.heading, scope="col", cls="num" if column.number else None) for column in columns)
    )
    body = [_row(columns, row, "chosen" if number == chosen else None) for number, row in enumerate(rows)]
    parts: list[Child] = [tag("caption", caption), tag("thead", head), tag("tbody", *body)]
    if foot is not None:
        parts.append(tag("tfoot", _row(columns, foot, None)))
    made = tag("table", *parts, cls="stack" if stack else None)
    return tag("div", made, cls="scroll", tabindex="0", role="region", aria_label=caption)


def _row(columns: Sequence[Column], cells: Sequence[Child], cls: str | None) -> Markup:
    made: list[Markup] = []
    for number, (column, cell) in enumerate(zip(columns, cells, strict=True)):
        kinds = [
            name for name, on in (("num", column.number), ("wide", column.wide), ("empty", cell in ("", "–"))) if on
        ]
        label = " ".join(kinds) or None
        if number == 0:
            made.append(tag("th", cell, scope="row", cls=label))
        else:
            made.append(tag("td", cell, cls=label, data_label=column.heading))
    return tag("tr", *made, cls=cls)
