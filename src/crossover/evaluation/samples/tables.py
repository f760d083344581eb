"""Tables as text: rows by the names of a header, each with its line; commas, semicolons or tabs between the cells."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator

from crossover.errors import InputError

_OTHERS = (";", "\t", "|")  # what stands between cells where programs of other countries wrote the file

Wrong = Callable[[int | None, InputError], None]


def delimiter_of(text: str, usual: str) -> str:
    """What stands between the cells: the usual sign, unless the header has none of it and one of the others."""
    header = text.lstrip("\r\n").partition("\n")[0]
    if usual in header:
        return usual
    return next((sign for sign in _OTHERS if sign in header), usual)


def table(text: str, usual: str, wrong: Wrong) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows with the number of their first line; rows of blank cells are none. Mistakes go to ``wrong``."""
    source = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_of(text, usual), strict=True)
    header: list[str] = []
    begun = 1
    try:
        for cells in source:
            number, begun = begun, source.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if not header:
                header = [cell.strip() for cell in cells]
                twice = next((name for name in header if name and header.count(name) > 1), None)
                if twice is not None:
                    wrong(number, InputError(f"two columns are called {twice!r}"))
                    return
                continue
            if len(cells) != len(header):
                said = f"it has {len(cells)} cells, the header has {len(header)}"
                wrong(number, InputError(said, hint="Put text with commas or line breaks in double quotes"))
                continue
            yield number, {name: cell for name, cell in zip(header, cells, strict=True) if name}
    except csv.Error as error:
        wrong(source.line_num, InputError(f"is no CSV: {error}"))
