"""Characters that stand for others: digits and letters of other shapes and scripts, and what takes no room on a page.

The table is ``data/lookalikes.txt``. Folding looks only where it could hide something: at shapes that nobody types by
accident, and at look-alikes, invisible characters and odd separators that touch ASCII letters or digits. So Russian,
Greek or Arabic prose stays as it is, and emoji and typographic quotes cost nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from crossover.errors import FileError

Edit: TypeAlias = tuple[int, int, str]  # from, to, and what stands there instead

DATA = Path(__file__).with_name("data") / "lookalikes.txt"
_SECTIONS = ("same", "accented", "alike", "mark", "nothing")
_MARKS = frozenset(" -._@/:+=,()")  # quotes and brackets of typography hide nothing
_CONTROLS = "".join(map(chr, (*range(9), 11, 12, *range(14, 32), 127)))
_REACH = 64  # characters to each side that belong to the same word at most
_FAR = "\U00010000"
_DIGITS = frozenset("0123456789")
_ALNUM = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_CORE = _ALNUM | frozenset("@._+-")
_NAME, _LINK = _ALNUM | frozenset("@_"), frozenset(".+-")
_EDGE = _DIGITS | frozenset("@_")
_BEFORE, _AFTER = re.compile(r"@[A-Za-z0-9.-]*\Z"), re.compile(r"[A-Za-z0-9.-]{0,30}@")
_TAGS, _FIRST_TAG, _TAG_TEXT = (
    0xE0000,
    "\U000e0000",
    re.compile("[\U000e0020-\U000e007e]{8,}"),
)  # a whole ASCII that nobody sees


class Folds:
    """What each character stands for, and where that matters."""

    def __init__(self, table: dict[str, dict[str, str]]) -> None:
        marks = {char: target for char, target in table["mark"].items() if target in _MARKS}
        empty = table["nothing"] | dict.fromkeys(_CONTROLS, "")
        self._map = str.maketrans(table["same"] | table["accented"] | table["alike"] | marks | empty)
        self._strong = frozenset(table["same"])
        self._accent = frozenset(table["accented"])
        self._alike = frozenset(table["alike"])
        self._quiet = frozenset(empty)
        self._thin = frozenset(char for char, target in marks.items() if target in " -")
        self._other = frozenset(marks) - self._thin
        self._joining = self._accent | self._thin
        strong, accent, alike = _ranges(self._strong), _ranges(self._accent), _ranges(self._alike)
        quiet, thin, other = _ranges(self._quiet), _ranges(self._thin), _ranges(self._other)
        core, word = "[A-Za-z0-9@._+-]", "[A-Za-z0-9.-]{0,30}"
        self.trigger = "|".join(
            (
                f"[{strong}]",
                f"{core}[{quiet}]",
                f"[{quiet}]{core}",
                f"[A-Za-z0-9@_][.+-]?[{alike}]",
                f"[{alike}][.+-]?[A-Za-z0-9@_]",
                f"[0-9] ?[{thin}]+ ?[0-9]",
                f"[A-Za-z0-9] ?[{other}]+ ?[A-Za-z0-9]",
                f"[0-9@_][{accent}]",
                f"[{accent}][0-9@_]",
                f"@{word}[{accent}{thin}]",
                f"[{accent}{thin}]{word}@",
                "[\U000e0020-\U000e007e]{8}",
            )
        )  # for RE2; what it says of a text is what edits() finds, which is slower
        near = frozenset(char for char in map(chr, self._map) if char < _FAR)
        self._odd = re.compile(f"[{_ranges(near)}{_FAR}-\U0010ffff]+")  # far out one range: re would try many in turn

    def edits(self, text: str) -> Iterator[Edit]:
        """Every run of characters that stands for others, in the words where one matters."""
        done = 0
        mail = "@" in text
        for hit in self._odd.finditer(text):
            start, end = hit.span()
            if start < done or not self._matters(text, start, end, mail):
                continue
            low, high = _word(text, start, end, done)
            for run in self._odd.finditer(text, low, high):
                folded = self._folded(run.group())
                if folded != run.group():  # emoji and the like stand for nothing else
                    yield run.start(), run.end(), folded
            done = high

    def _matters(self, text: str, start: int, end: int, mail: bool) -> bool:
        """Whether a run could hide something where it stands: the trigger, said for one run."""
        first, last = text[start], text[end - 1]
        before, after = text[start - 1 : start] or " ", text[end : end + 1] or " "
        if first in self._strong or (end - start > 1 and not self._strong.isdisjoint(text[start:end])):
            return True
        if (first in self._quiet and before in _CORE) or (last in self._quiet and after in _CORE):
            return True
        if first in self._alike and (before in _NAME or (before in _LINK and text[start - 2 : start - 1] in _NAME)):
            return True
        if last in self._alike and (after in _NAME or (after in _LINK and text[end + 1 : end + 2] in _NAME)):
            return True
        if (first in self._accent and before in _EDGE) or (last in self._accent and after in _EDGE):
            return True
        if mail and (first in self._joining or last in self._joining) and _in_address(text, start, end):
            return True
        if before == " " and start:
            before = text[start - 2 : start - 1] or " "
        if after == " ":
            after = text[end + 1 : end + 2] or " "
        run = text[start:end]
        if (before in _DIGITS or before in self._strong) and (after in _DIGITS or after in self._strong):
            return self._thin.issuperset(run) or self._other.issuperset(run)
        if before in _ALNUM and after in _ALNUM and self._other.issuperset(run):
            return True
        return first >= _FIRST_TAG and _TAG_TEXT.search(run) is not None

    def _folded(self, run: str) -> str:
        hidden = _TAG_TEXT.search(run)
        if hidden is None:
            return run.translate(self._map)
        said = "".join(chr(ord(char) - _TAGS) for char in hidden.group())
        return f"{run[: hidden.start()].translate(self._map)}{said}{run[hidden.end() :].translate(self._map)}"


def _in_address(text: str, start: int, end: int) -> bool:
    return _BEFORE.search(text, max(0, start - 31), start) is not None or _AFTER.match(text, end) is not None


def _word(text: str, start: int, end: int, done: int) -> tuple[int, int]:
    """The characters around a hit up to the next ASCII white space, at most ``_REACH`` to each side."""
    low, high = max(done, start - _REACH), min(len(text), end + _REACH)
    before, after = text[low:start], text[end:high]
    cut = max(before.rfind(char) for char in " \n\t\r")
    stops = [at for char in " \n\t\r" if (at := after.find(char)) >= 0]
    return low + cut + 1, end + min(stops, default=len(after))


def _ranges(chars: frozenset[str]) -> str:
    """The inside of a character class, neighbours as ranges, in characters that need no escape in either syntax."""
    parts: list[str] = []
    codes = sorted(map(ord, chars))
    start = 0
    for index, code in enumerate(codes):
        if index + 1 == len(codes) or codes[index + 1] != code + 1:
            parts.append(f"{_literal(codes[start])}-{_literal(code)}" if start < index else _literal(code))
            start = index + 1
    return "".join(parts)


def _literal(code: int) -> str:
    return f"\\x{code:02x}" if code < 128 else chr(code)


def load(path: Path = DATA) -> Folds:
    """The folds of a file. Raises FileError with the line that is none."""
    table: dict[str, dict[str, str]] = {name: {} for name in _SECTIONS}
    section = table["same"]
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("#") or not line:
            continue
        if line.startswith("["):
            section = table[line[1:-1]]
            continue
        target, *rest = line.split()
        try:
            stands = "" if target == "-" else chr(int(target, 16))
            for part in rest:
                first, _, last = part.partition("-")
                section.update(dict.fromkeys(map(chr, range(int(first, 16), int(last or first, 16) + 1)), stands))
        except ValueError:
            raise FileError("is no row of characters", file=path.name, line=number) from None
    return Folds(table)
