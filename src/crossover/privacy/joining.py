"""Values taken apart: digits and letters one by one, odd separators, line ends, mark-up, digits as words.

A join invents something that nobody wrote, so each is asked for more than a decoded piece: where only digits remain
they must pass the check of what they would be (Luhn, ISO 7064), or stand in a shape of their own. Every function gives
small sets of edits; each is looked at alone, with the words around it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain, pairwise

import msgspec

from crossover.privacy.folding import Edit


class Join(msgspec.Struct, frozen=True):
    """One sort of join: the trigger (in the syntax that RE2 and ``re`` share) and the edits of each place."""

    trigger: str
    literal: str
    places: Callable[[str], Iterator[tuple[Edit, ...]]]


# -------------------------------------------------------------------------------------------------------- one by one

_BETWEEN = r" \t\r\n.\-_/,:;|*~@+()"
_ONES = re.compile(rf"(?<![A-Za-z0-9])[A-Za-z0-9](?:[{_BETWEEN}]{{1,5}}[A-Za-z0-9](?![A-Za-z0-9])){{7,}}")
_GAP = re.compile(rf"[{_BETWEEN}]+")
_MOST_GAPS = 256
_LEAD = re.compile(r"(?<![A-Za-z0-9])\+[ \t.\-_/,:;|*~]{1,5}\Z")


def _one_by_one(text: str) -> Iterator[tuple[Edit, ...]]:
    """``4 1 1 1 …``, ``j.o.h.n. .@``: what stands between most of them goes, what is left over stays."""
    for hit in _ONES.finditer(text):
        run, start = hit.group(), hit.start()
        counts = Counter(gaps := _GAP.findall(run))
        usual = max(counts, key=lambda gap: (counts[gap], -len(gap)))
        if counts[usual] * 2 < len(gaps):
            continue
        kept = {gap: _kept(gap, usual) for gap in counts}
        if len(gaps) > _MOST_GAPS:  # no value is that long: the whole is one change, which is quicker made
            pairs = zip(_GAP.split(run), [*map(kept.__getitem__, gaps), ""], strict=True)
            yield ((start, hit.end(), "".join(chain.from_iterable(pairs))),)
            continue
        edits = [(start + gap.start(), start + gap.end(), kept[gap.group()]) for gap in _GAP.finditer(run)]
        lead = _LEAD.search(text, max(0, start - 6), start)
        if lead is not None:
            edits.insert(0, (lead.start(), start, "+"))
        yield tuple(edits)


def _kept(gap: str, usual: str) -> str:
    """What of a gap belongs to the value: all but the usual separator before and behind it."""
    if gap == usual:
        return ""
    rest = gap.removeprefix(usual).removesuffix(usual)
    return rest.strip("\r\n\t") if len(rest) < len(gap) else gap


# ------------------------------------------------------------------------------------------------------------- groups

_ODD = r" \t\r\n.\-_/,:;|*~>+\"'"
_DIGITS = re.compile(rf"(?<![A-Za-z0-9])[0-9](?:[{_ODD}]{{0,8}}[0-9]){{11,}}(?![A-Za-z0-9])")
_ACCOUNT = re.compile(rf"(?<![A-Za-z0-9])[A-Z]{{2}}[{_ODD}]{{0,8}}[0-9](?:[{_ODD}]{{0,8}}[A-Z0-9]){{12,31}}(?![a-z])")
_GROUP = re.compile(r"[A-Z0-9]+")
_LONG_ROW = re.compile(rf"[0-9](?:[{_ODD}]{{0,8}}[0-9]){{11}}")  # asked first: re skips to the first digit
_COUNTRY = re.compile(rf"[A-Z][A-Z][{_ODD}]{{0,8}}[0-9](?:[{_ODD}]{{0,8}}[A-Z0-9]){{12}}")
_CARD_LENGTHS = frozenset(range(13, 20))
_CARD_SHAPES = frozenset({(4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3), (4, 4, 5), (6, 7), (8, 8), (4, 4, 4, 1)})
_LISTED = frozenset(",;|\n\t")  # what also stands between the numbers of a list or of a table
_MOST_GROUPS = 40


def _groups(text: str) -> Iterator[tuple[Edit, ...]]:
    """Card and account numbers with separators that nobody uses, or over the end of a line."""
    for hit in _DIGITS.finditer(text) if _LONG_ROW.search(text) is not None else ():
        spans = [group.span() for group in _GROUP.finditer(text, hit.start(), hit.end())]
        for first, last in _cards(text, spans):
            start, end = spans[first][0], spans[last][1]
            if _is_usual(text, spans[first : last + 1]):
                continue
            yield ((start, end, "".join(text[low:high] for low, high in spans[first : last + 1])),)
    for hit in _ACCOUNT.finditer(text) if _COUNTRY.search(text) is not None else ():
        spans = [group.span() for group in _GROUP.finditer(text, hit.start(), hit.end())]
        for last in range(len(spans) - 1, 0, -1):
            number = "".join(text[low:high] for low, high in spans[: last + 1])
            if 15 <= len(number) <= 34 and _mod97(number):
                if not _is_usual(text, spans[: last + 1]) and _is_even(text, spans[: last + 1]):
                    yield ((spans[0][0], spans[last][1], number),)
                break


def _cards(text: str, spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """First and last group of what may be a card: evenly separated, of a card's length, right by Luhn."""
    first = 0
    while first < len(spans) - 1:
        gap = text[spans[first][1] : spans[first + 1][0]]
        last = first + 1
        while last + 1 < len(spans) and text[spans[last][1] : spans[last + 1][0]] == gap:
            last += 1
        if last - first < _MOST_GROUPS and _is_card(text, spans[first : last + 1], gap):
            yield first, last
        elif first == 0 and len(spans) <= 8 and _split_once(text, spans):
            yield 0, len(spans) - 1
            return
        first = last


def _is_even(text: str, spans: list[tuple[int, int]]) -> bool:
    """Whether a number's groups are separated in one way, but for one line end: cells of a table are not."""
    gaps = [text[high:low] for (_, high), (low, _) in pairwise(spans)]
    broken = [gap for gap in gaps if "\n" in gap]
    spaced = all(gap.strip(" .-") == "" for gap in gaps)
    return len(set(gaps)) <= 1 + spaced or (len(broken) == 1 and len(set(gaps)) == 2)


def _is_usual(text: str, spans: list[tuple[int, int]]) -> bool:
    """Whether a number stands in groups of four with one space or dash each: then every rule reads it as it is."""
    gaps = {text[high:low] for (_, high), (low, _) in pairwise(spans)}
    return gaps in ({" "}, {"-"}) and all(high - low == 4 for low, high in spans[:-1])


def _is_card(text: str, spans: list[tuple[int, int]], gap: str) -> bool:
    sizes = tuple(high - low for low, high in spans)
    even = len(set(sizes[:-1])) == 1 and sizes[-1] <= sizes[0]
    if sum(sizes) not in _CARD_LENGTHS or not (sizes in _CARD_SHAPES or (even and _LISTED.isdisjoint(gap))):
        return False
    return text[spans[0][0]] in "23456" and luhn("".join(text[low:high] for low, high in spans))


def _split_once(text: str, spans: list[tuple[int, int]]) -> bool:
    """Whether a card number in any of its usual writings was broken by the end of a line."""
    gaps = [text[high:low] for (_, high), (low, _) in pairwise(spans)]
    broken = [gap for gap in gaps if "\n" in gap]
    usual = {gap for gap in gaps if "\n" not in gap}
    number = "".join(text[low:high] for low, high in spans)
    if len(broken) != 1 or len(usual) > 1 or not usual <= {" ", "-", "."} or len(number) not in _CARD_LENGTHS:
        return False
    return number[0] in "23456" and luhn(number)


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others (ISO/IEC 7812-1)."""
    total = sum(map(int, digits[-1::-2])) + sum(sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return total % 10 == 0


def _mod97(number: str) -> bool:
    """Whether an account number is right by ISO 7064, as an IBAN is."""
    return int("".join(str(int(char, 36)) for char in number[4:] + number[:4])) % 97 == 1


# ------------------------------------------------------------------------------------------------------------- shapes

_STRANGE = r" ?[._/*~] ?| - | {2,6}|[-. ]?\r?\n[ \t>]{0,8}[-. ]?"
_SHAPE = re.compile(
    r"(?<![A-Za-z0-9])(?:(\+?[0-9]{1,3})(S))?([0-9]{3})(S)([0-9]{2,3})(S)([0-9]{4})(?![A-Za-z0-9])".replace(
        "S", f"{_STRANGE}|[-. ]"
    )
)


_SHAPED = r" \t\r\n.\-_/*~>+"
_SHORT_ROW = re.compile(r"[0-9][0-9][0-9][^A-Za-z0-9]{1,12}[0-9][0-9][0-9]?[^A-Za-z0-9]{1,12}[0-9]{4}")


def _shapes(text: str) -> Iterator[tuple[Edit, ...]]:
    """A social security or phone number whose groups are right and whose separators are not, or the other way round."""
    for hit in _SHAPE.finditer(text) if _SHORT_ROW.search(text) is not None else ():
        gaps = [hit.span(number) for number in (2, 4, 6) if hit[number] is not None]
        said = [text[start:end] for start, end in gaps]
        odd = [gap for gap in said if gap not in ("-", ".", " ")]
        broken = len(odd) == 1 and "\n" in odd[0] and len(said) > 1  # by one line end; more are a list
        if broken or (odd and len(set(said)) == 1 and "\n" not in odd[0]):
            yield tuple((start, end, "-") for start, end in gaps)
    yield from _regrouped(text)


_REGROUPED = re.compile(r"(?<![A-Za-z0-9])[0-9]{2,4}([ ._/*~-])[0-9]{2,4}(?:\1[0-9]{1,4}){2,7}(?![A-Za-z0-9])")
_LONGEST_NUMBER = 16
_LETTER = re.compile(r"[^\W\d_]")


def _regrouped(text: str) -> Iterator[tuple[Edit, ...]]:
    """``53.69.04.39.9``: the digits of a number in even groups that are not its own, behind some word."""
    for hit in _REGROUPED.finditer(text):
        start, end = hit.span()
        sizes = [len(group) for group in hit.group().split(hit[1])]
        even = len(set(sizes[:-1])) == 1 and sizes[-1] <= sizes[0]
        if not even or not _FEWEST_WORDS <= sum(sizes) <= _LONGEST_NUMBER or (sizes[0] == 3 and hit[1] in " ."):
            continue  # thousands
        if _LETTER.search(text, max(0, start - _REACH), start) is not None:
            yield ((start, end, hit.group().replace(hit[1], "")),)


# --------------------------------------------------------------------------------------------------------- line ends

_NEXT = re.compile(r"\n[ \t]*(?:[>|#*/]{1,3}[ \t]+)?")
_PIECE = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@._+/=-"
_ADDRESS = re.compile(r"[A-Za-z0-9]@[A-Za-z0-9-]+\.[A-Za-z]{2,}")
_AT = re.compile(r"[A-Za-z0-9._+/=-]{0,48}@")
_RIGHT = re.compile(r"[A-Za-z0-9@._+/=-]{2,}")
_DIGIT = re.compile(r"[0-9]")
_NUMBER = re.compile(r"[+(]?[0-9][0-9 .()-]*")
_OWN_LINE = re.compile(r"[A-Z][A-Z0-9_]*=[^=\s]|[0-9]{4}-[0-9]{2}-[0-9]{2}(?![0-9-])")  # a setting; a line of a log
_REACH = 48
_WORD_MORE = r"[A-Za-z0-9@._+/=-]*"
_NEXT_LINE = r"[ \t\r\\]*\n[ \t]*(?:[>|#*/]{1,3}[ \t]+)?"
_TELLS = re.compile(r"[0-9_]|[a-z@._+/=-][A-Z]|[A-Z][A-Z]")
_HALF = rf"{_WORD_MORE}(?:{_TELLS.pattern}){_WORD_MORE}"  # of a key or of a number


def _lines(text: str) -> Iterator[tuple[Edit, ...]]:
    """An address, a key or a number that goes on in the next line."""
    for hit in _NEXT.finditer(text):
        end = hit.end()
        line = text[max(0, hit.start() - _REACH) : hit.start()].rstrip(" \t\r\\")
        before = line[len(line.rstrip(_PIECE)) :]
        if len(before) < 2 or not (_mixed(before) or "@" in before or _AT.match(text, end) is not None):
            continue
        right = _RIGHT.match(text, end, min(len(text), end + _REACH))
        if right is None or _OWN_LINE.match(text, end) is not None:
            continue
        after = right.group()
        both = _mixed(before) and _mixed(after) and (_DIGIT.search(before) or _DIGIT.search(after)) is not None
        if not both and "@" not in before and "@" not in after:
            continue
        if _ADDRESS.search(before) is not None or _ADDRESS.search(after) is not None:
            continue  # one side is an address already
        if after[0] == "@" and line.rpartition("\n")[2].lstrip().startswith("@"):
            continue  # a row of decorators
        start = text.rindex(before, 0, hit.start()) + len(before)
        yield ((start, end, ""),)
        if before[-1].isdigit() and after[0].isdigit():
            whole = _NUMBER.search(text, max(0, start - 24), start)
            usual = next((char for char in "- ." if whole is not None and char in whole.group().strip()), "")
            if usual:
                yield ((start, end, usual),)


def _mixed(word: str) -> bool:
    """Whether it could be a piece of a key or of a number: with a digit, or with capitals where no name has them."""
    return _TELLS.search(word) is not None


# ------------------------------------------------------------------------------------------------------------ mark-up

_WORD = r"[A-Za-z0-9@._+-]"
_BESIDE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@._+-")
_MARK = r"<(?:[/!?]?[A-Za-z][^<>]{0,120}|!--[^<>]{0,120}--)>|\*\*?\*?|``?`?|~~|\|\||\[/[a-z]{1,8}\]"
_MARKS = f"(?:{_MARK})(?:{_MARK})*"  # alternatives begin with a character of their own: re skips ahead
_MARKUP = re.compile(f"{_MARKS}(?:[ _.@-](?:{_MARK})+)?")
_INNER = re.compile(_MARK)
_UNDERLINE = re.compile(r"__?_?")
_TWO_DIGITS = re.compile(r"[0-9]{2}")
_AFTER_LINE = re.compile(r"[A-Z]{0,2}[0-9]{2}")
_UNDERLINED = re.compile(r"__?([A-Za-z0-9][A-Za-z0-9_-]{14,})__?(?![A-Za-z0-9_])")
_WORDS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")


def _markup(text: str) -> Iterator[tuple[Edit, ...]]:
    """Tags, stars, backticks and underlines in the middle of a value or around it. Near ones are looked at together."""
    found: list[Edit] = []
    tells: set[int] = set()  # where something speaks for a value
    for hit in _MARKUP.finditer(text):
        start, end = hit.span()
        if _beside(text, start, end):
            found.append((start, end, _INNER.sub("", hit.group())))
            if _tells(text, start, end):
                tells.add(start)
    if "_" in text:
        lines = list(_underlines(text))
        tells.update(start for start, _, _ in lines)
        found = sorted(found + lines)
    near: list[Edit] = []
    for edit in found:
        if near and edit[0] - near[-1][1] > _REACH:
            if not tells.isdisjoint(start for start, _, _ in near):
                yield tuple(near)
            near = []
        near.append(edit)
    if not tells.isdisjoint(start for start, _, _ in near):
        yield tuple(near)


def _underlines(text: str) -> Iterator[Edit]:
    """Underscores that are mark-up before or behind a number or around a key, and no piece of a name.

    The change takes in the value's own first or last character, so that what is found there was changed.
    """
    for hit in _UNDERLINE.finditer(text):
        start, end = hit.span()
        before, after = text[start - 1 : start], text[end : end + 1]
        if not before or before not in _BESIDE:
            if _AFTER_LINE.match(text, end) is not None:
                yield start, end + 1, f" {after}"
        elif (not after or after not in _BESIDE) and _TWO_DIGITS.fullmatch(text, max(0, start - 2), start) is not None:
            yield start - 1, end, f"{before} "
    for hit in _UNDERLINED.finditer(text):
        if (
            not hit[1].isalpha()
            and _DIGIT.search(hit[1]) is not None
            and text[hit.start() - 1 : hit.start()] not in _WORDS
        ):
            yield hit.start(), hit.end(), f" {hit[1]} "


def _beside(text: str, start: int, end: int) -> bool:
    """Whether a value could go on over what stands from ``start`` to ``end``."""
    before, after = text[start - 1 : start], text[end : end + 1]
    if before in _BESIDE and after in _BESIDE:
        return bool(before and after)
    if before in (" ", "-"):
        before = text[start - 2 : start - 1]
    elif after in (" ", "-"):
        after = text[end + 1 : end + 2]
    return _TWO_DIGITS.fullmatch(before + after) is not None


def _tells(text: str, start: int, end: int) -> bool:
    """Whether what stands on both sides, read as one, could be a piece of a value: no two words, no ``2*3``."""
    ahead = text[max(0, start - _REACH) : start].rstrip(" -")
    before = ahead[len(ahead.rstrip(_PIECE)) :]
    right = _RIGHT.search(text, end, end + _REACH)
    after = "" if right is None else right.group()
    if before.isdigit() and after.isdigit() and len(before) + len(after) > 4:
        return True
    return len(before) + len(after) > 6 and ("@" in before or "@" in after or _mixed(before) or _mixed(after))


# -------------------------------------------------------------------------------------------- values glued to a name

_GLUED = re.compile(
    r"(?<=[A-Za-z0-9])_([A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}|[0-9](?:[ -]?[0-9]){8,18})(?=[^A-Za-z0-9]|\Z)"
    r"|(?<![A-Za-z0-9_])([A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}|[0-9](?:[ -]?[0-9]){8,18})(?=_[A-Za-z0-9])"
)


def _glued(text: str) -> Iterator[tuple[Edit, ...]]:
    """``card_4111111111111111``, ``4111111111111111_old.pdf``: a long number that an underscore ties to a name."""
    for hit in _GLUED.finditer(text):
        if hit[1] is not None:
            yield ((hit.start(), hit.end(), f" {hit[1]} "),)
        else:
            yield ((hit.start(), hit.end(), f"{hit[2]} "),)


# ------------------------------------------------------------------------------------------------- strings in pieces

_QUOTE = r"\\{0,2}[\"'`]"
_OPERATOR = r"(?:[+&~|*]{1,2}|\.{1,2}|<>|\\)"
_BETWEEN_STRINGS = rf"{_QUOTE}S(?:{_OPERATOR}S(?:{_OPERATOR}S)?)?[fFrRbBuU@$]{{0,2}}{_QUOTE}"  # S: white space
_PIECES = re.compile(_BETWEEN_STRINGS.replace("S", r"[ \t\r\n]{0,24}"))
_BETWEEN_ANYWHERE = _BETWEEN_STRINGS.replace("S", r"[ \t\r\n]*")
_LISTED_PIECES = re.compile(rf"{_QUOTE}[ \t\r\n]{{0,24}},[ \t\r\n]{{0,24}}{_QUOTE}")
_CALL = r"(?i:concat|join|strcat|paste)"
_PUT_TOGETHER = re.compile(_CALL)
_CALL_REACH = 96


def _strings(text: str) -> Iterator[tuple[Edit, ...]]:
    """``"4111" + "1111"``, with any operator that puts strings together or none, and ``concat("4111", "1111")``."""
    found = [hit.span() for hit in _PIECES.finditer(text)]
    if _PUT_TOGETHER.search(text) is not None:
        listed = (hit.span() for hit in _LISTED_PIECES.finditer(text))
        found = sorted(found + [span for span in listed if _is_in_call(text, *span)])
    near: list[Edit] = []
    told = False
    for start, end in found:
        if near and start - near[-1][1] > _REACH:
            if told:
                yield tuple(near)
            near, told = [], False
        if _beside(text, start, end):
            near.append((start, end, ""))
            told = told or _tells(text, start, end)
    if near and told:
        yield tuple(near)


def _is_in_call(text: str, start: int, end: int) -> bool:
    return _PUT_TOGETHER.search(text, max(0, start - _CALL_REACH), end + _CALL_REACH) is not None


# ------------------------------------------------------------------------------------------------------ digits as words

_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_VALUES = {name: str(value) for value, name in enumerate(_NAMES)} | {"oh": "0"}
_NAMED = "|".join(_VALUES)
_SPOKEN = re.compile(rf"\b(?:{_NAMED})(?:[ ,.-]{{1,3}}(?:{_NAMED}))+\b", re.IGNORECASE)
_SPOKEN_ROW = re.compile(rf"(?:{_NAMED})[ ,.-]{{1,3}}(?:{_NAMED})[ ,.-]{{1,3}}(?:{_NAMED})")
_NAME = re.compile(r"[A-Za-z]+")
_FEWEST_WORDS = 9


def _spoken(text: str) -> Iterator[tuple[Edit, ...]]:
    """``four one one one …``"""
    for hit in _SPOKEN.finditer(text) if _SPOKEN_ROW.search(text.lower()) is not None else ():
        digits = "".join(_VALUES[name.lower()] for name in _NAME.findall(hit.group()))
        if len(digits) < _FEWEST_WORDS or digits in "0123456789012":
            continue
        said = f"{digits[:3]}-{digits[3:5]}-{digits[5:]}" if len(digits) == 9 else digits
        before = text[max(0, hit.start() - 8) : hit.start()].rstrip(" ")
        plus = before.endswith("+")
        start = text.rindex("+", 0, hit.start()) if plus else hit.start()
        yield ((start, hit.end(), f"+{said}" if plus else said),)


# Runs are counted from their beginning only: an automaton that may begin anywhere in them has a state for every way.
JOINS = (
    Join(rf"[A-Za-z0-9](?:[{_BETWEEN}]{{1,5}}[A-Za-z0-9]){{7}}", "", _one_by_one),
    Join(
        rf"(?:^|[^0-9{_ODD}])[{_ODD}]*[0-9][0-9{_ODD}]{{12}}"
        rf"|(?:^|[^A-Za-z0-9])[A-Z]{{2}}[{_ODD}]{{0,8}}[0-9][A-Z0-9{_ODD}]{{12}}",
        "",
        _groups,
    ),
    Join(rf"(?:^|[^0-9{_SHAPED}])[{_SHAPED}]*[0-9][0-9{_SHAPED}]{{10}}", "", _shapes),
    Join(
        rf"[0-9]{_WORD_MORE}{_NEXT_LINE}{_HALF}|{_HALF}{_NEXT_LINE}{_WORD_MORE}[0-9]"
        rf"|[A-Za-z0-9@._+/=-]{{2}}{_NEXT_LINE}{_WORD_MORE}@|@{_WORD_MORE}{_NEXT_LINE}[A-Za-z0-9@._+/=-]{{2}}",
        "\n",
        _lines,
    ),
    Join(
        rf"{_WORD}(?:<[/!?A-Za-z]|(?:\*{{1,3}}|`{{1,3}}|~~|\|\||\[/[a-z]{{1,8}}\])[A-Za-z0-9@._+<*`~-])"
        r"|[0-9][ -]?(?:<[/!?A-Za-z]|[*`~|\[]{1,3}[ -]?[*`~|0-9a-z\]<])"
        r"|(?:^|[^A-Za-z0-9_])_{1,3}[A-Z]{0,2}[0-9]{2}|[0-9]{2}_{1,3}(?:[^A-Za-z0-9_]|$)"
        r"|(?:^|[^A-Za-z0-9_])__?[A-Za-z0-9][A-Za-z0-9_-]{14,}_(?:[^A-Za-z0-9_]|$)",
        "",
        _markup,
    ),
    Join(r"[A-Za-z0-9]_[A-Z]{0,2}[0-9][0-9A-Z -]{8}|[0-9A-Z]{8}[ -]?[0-9]_[A-Za-z0-9]", "_", _glued),
    Join(rf"{_WORD} ?{_BETWEEN_ANYWHERE} ?{_WORD}|{_CALL}", "", _strings),
    Join(rf"(?:(?i:{_NAMED})[ ,.-]{{1,3}}){{8}}", "", _spoken),
)
