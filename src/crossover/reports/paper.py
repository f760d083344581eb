"""The paper a terminal report is written on: lines and sections that survive any width, no colour and any encoding.

Text of a plan comes from outside (model names, notes of a user): it is never read as markup, and control characters,
which could move the cursor or reorder the line, are dropped on the way out.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable
from typing import Literal

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from crossover.evidence import Band
from crossover.planner.words import OptionKind

NARROW = 110
COLOURS: dict[OptionKind, str] = {"api": "cyan", "hosted": "green", "self": "yellow", "hybrid": "magenta"}
# One character for one, so that columns stay aligned.
ASCII = str.maketrans(
    {
        "─": "-", "━": "=", "│": "|", "├": "|", "┤": "|", "┼": "+", "█": "#", "▌": "|", "▶": ">", "●": "*", "•": "*",
        "·": "|", "–": "-", "—": "-", "−": "-", "×": "x", "…": ".", "≥": ">", "≤": "<", "≈": "~", "→": ">", "±": "~",
        "’": "'", "‘": "'", "“": '"', "”": '"', "\u00a0": " ", "\u202f": " ", "½": "?", "µ": "u", "é": "e",
    }
)  # fmt: skip


class Safe:
    """Any renderable, with control characters dropped and characters that the encoding lacks replaced."""

    def __init__(self, inner: RenderableType) -> None:
        self.inner = inner

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render the inner one and clean its text; widths do not change."""
        encoding = console.encoding or "ascii"
        plain = not can_draw(encoding)
        for segment in console.render(self.inner, options):
            if segment.control:
                yield segment
                continue
            text = segment.text.translate(ASCII) if plain else segment.text
            text = "".join(char for char in text if char == "\n" or unicodedata.category(char) not in ("Cc", "Cf"))
            text = text.encode(encoding, "replace").decode(encoding, "replace")
            yield Segment(text, segment.style)


def can_draw(encoding: str) -> bool:
    """Whether this encoding has the characters that the drawings are made of."""
    try:
        "─━│├┤┼█▌▶●•·–−×…≥→".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


class Paper:
    """Writes lines and sections on one console."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.width = max(console.width, 40)
        self.narrow = self.width < NARROW

    def put(self, renderable: RenderableType) -> None:
        """Print one renderable, cleaned."""
        self.console.print(Safe(renderable), markup=False, highlight=False, emoji=False)

    def piece(self, text: str, style: str = "") -> None:
        """A part of a line, shown at once; ``blank`` ends the line."""
        self.console.print(Safe(Text(text, style=style, end="")), end="", markup=False, highlight=False, emoji=False)

    def blank(self) -> None:
        """An empty line."""
        self.console.print()

    def section(self, title: str, aside: str = "") -> None:
        """An empty line, then a heading with a rule to the right edge; the remark beside it, or below."""
        self.blank()
        text = Text(f" {title} ", style="bold")
        beside = bool(aside) and len(title) + len(aside) + 8 < self.width
        if beside:
            text.append(f"· {aside} ", style="dim not bold")
        text.append("─" * max(self.width - text.cell_len - 1, 0), style="dim not bold")
        self.put(text)
        if aside and not beside:
            self.line(aside, style="dim")

    def line(self, text: str | Text, *, lead: str | Text = " ", style: str = "", bar: bool = False) -> None:
        """One paragraph, wrapped, with ``lead`` before its first line (``bar``: before each) and a hanging indent."""
        body = Text(text, style=style) if isinstance(text, str) else text
        head = Text(lead) if isinstance(lead, str) else lead
        indent = Text(" " * head.cell_len)
        rows = body.wrap(self.console, max(self.width - head.cell_len - 1, 10))
        for number, row in enumerate(rows):
            row.rstrip()
            self.put(Text().append_text(head if bar or number == 0 else indent).append_text(row))

    def indented(self, renderable: RenderableType, left: int = 1) -> None:
        """A renderable moved to the right."""
        self.put(Padding(renderable, (0, 0, 0, left)))


def plain_table(*columns: tuple[str, str], ratio: str = "") -> Table:
    """A table without lines: pairs of heading and justification; the column headed ``ratio`` takes the room left."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading, justify in columns:
        side: Literal["left", "right"] = "right" if justify == "right" else "left"
        wide = heading == ratio
        table.add_column(
            Text(heading),
            justify=side,
            overflow="fold",
            no_wrap=not wide and side == "right",
            ratio=1 if wide else None,
        )
    return table


def cost_bar(band: Band, full: float, width: int, colour: str) -> Text:
    """A bar from zero to P10, whiskers to P90, a cross at P50; ``full`` dollars fill ``width`` characters."""

    def place(value: float) -> int:
        if math.isnan(value) or value <= 0 or full <= 0:
            return 0
        return round(min(value / full, 2.0) * (width - 1))

    low, middle, high = place(band.p10), place(band.p50), place(band.p90)
    text = Text()
    for cell in range(width):
        if cell == min(max(middle, low), width - 1) and middle < width:
            text.append("┼", style=f"bold {colour}")
        elif low < cell < high or (cell == low and cell < middle):
            text.append("├" if cell == low else "─", style=colour)
        elif cell == high and high > middle:
            text.append("┤", style=colour)
        else:
            text.append("█" if cell < low else " ", style=colour)
    if high >= width:
        text = text[: width - 1] + Text("▶", style=colour)
    return text


def span_bar(first: float, second: float, low: float, high: float, width: int) -> Text:
    """A bar from ``first`` to ``second`` on an axis from ``low`` to ``high``; zero, where in view, as a line."""
    reach = high - low

    def place(value: float) -> int:
        return min(width - 1, max(0, round((value - low) / reach * (width - 1)))) if reach > 0 else 0

    start, end = sorted((place(first), place(second)))
    zero = place(0.0) if low < 0 < high else -1
    text = Text()
    for cell in range(width):
        inside = start <= cell <= end
        if cell == zero:
            text.append("┼" if inside else "│", style="bold" if inside else "dim")
        else:
            text.append("━" if inside else " ", style="green" if cell > zero else "red")
    return text


def joined(parts: Iterable[tuple[str, str]], separator: str = " · ") -> Text:
    """Styled parts on one line, empty ones left out."""
    text = Text()
    for body, style in parts:
        if body:
            text.append(separator if text else "", style="dim")
            text.append(body, style=style)
    return text
