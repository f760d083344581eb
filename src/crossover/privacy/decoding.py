"""What escapes and encodings say: entities, percent signs, backslashes, quoted-printable, base64, base32, hex.

Each function gives the edits of one sort: where an encoded piece stands and what it says. Nothing is decoded that does
not come out as text. All of it is linear: a run is decoded once, a long run only after its first bytes read as text.
A long run may be a piece of a longer one: it may begin and end anywhere in what was encoded.
"""

from __future__ import annotations

import binascii
import codecs
import html
import re
from collections.abc import Callable, Iterator
from urllib.parse import unquote

import msgspec

from crossover.privacy.folding import Edit

_FIRST = 64  # characters of a long run that must read as text before the rest is decoded
_SAMPLE = 256  # characters of data that tell whether the rest reads as text
_FEWEST = 6  # bytes: less says nothing that would be found
_PRINTED = (b"%PDF", b"%!PS", b"{\\rtf")  # documents that may be ASCII and break up what they say
# What Python calls unprintable and texts are full of: white space, no-break spaces, marks of order and direction.
_UNSEEN = str.maketrans(
    "",
    "",
    "\t\n\v\f\r\u0085\u00a0\u00ad\u061c\u180e\u2028\u2029\u202f\u205f\u3000\ufeff"
    + "".join(map(chr, (*range(0x2000, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x206A)))),
)


class Sort(msgspec.Struct, frozen=True):
    """One sort of encoding: the trigger (in the syntax that RE2 and ``re`` share), what every hit holds, and the edits.

    ``literal`` is a character without which there is no hit; empty where there is none.
    """

    trigger: str
    literal: str
    edits: Callable[[str], Iterator[Edit]]


# ----------------------------------------------------------------------------------------------------------- escapes

_BACKSLASH = re.compile(
    r"\\{1,64}(?:u([dD][89abAB][0-9a-fA-F]{2})\\{1,64}u([dD][c-fC-F][0-9a-fA-F]{2})"  # two halves of one character
    r"|u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]{1,6})\}|x([0-9a-fA-F]{2})|U([0-9a-fA-F]{8})"
    r"|([0-7]{3})|(/)|([nrt])([A-Z0-9+(]|[a-z](?=[a-z]{1,11}[_.\-][A-Za-z0-9_\-]{12}))|(?<=\\\\)([\"'][A-Za-z0-9+]?))"
)  # others stand beside no value that they could hide; a value's first letter is taken in, so that it was changed
_SPOKEN = {"n": "\n", "r": "\r", "t": "\t"}


def _backslashes(text: str) -> Iterator[Edit]:
    """Escapes, however often the text was escaped again: JSON in JSON doubles its backslashes each time."""
    for hit in _BACKSLASH.finditer(text):
        high, low, four, braces, two, eight, octal, slash, blank, first, quote = hit.groups()
        if high:
            said = chr(0x10000 + ((int(high, 16) & 0x3FF) << 10) + (int(low, 16) & 0x3FF))
        elif code := four or braces or two or eight:
            said = _char(int(code, 16))
        elif octal:
            said = _char(int(octal, 8))
        else:
            said = _SPOKEN[blank] + first if blank else slash or quote
        yield hit.start(), hit.end(), said


def _char(code: int) -> str:
    return chr(code) if code < 0xD800 or 0xE000 <= code < 0x110000 else "\ufffd"


_ENTITY = re.compile(r"&(?:#[0-9]{1,7};?|#[xX][0-9a-fA-F]{1,6};?|[A-Za-z][A-Za-z0-9]{1,31};)")


def _entities(text: str) -> Iterator[Edit]:
    for hit in _ENTITY.finditer(text):
        said = html.unescape(hit.group())
        if said != hit.group():
            yield hit.start(), hit.end(), said


_PERCENT = re.compile(r"%u([0-9a-fA-F]{4})|%[0-7][0-9a-fA-F]|(?:%[89a-fA-F][0-9a-fA-F])+")


def _percents(text: str) -> Iterator[Edit]:
    for hit in _PERCENT.finditer(text):
        yield hit.start(), hit.end(), _char(int(hit[1], 16)) if hit[1] else unquote(hit.group())


_QUOTED = re.compile(r"=(?:([0-9A-F]{2}(?:=[0-9A-F]{2}){2,})|(40|2E|2D)|(2B|20)(?=[0-9])|\r?\n)")
_QUOTED_NUMBER = r"=2B[0-9]|[0-9]=20[0-9]{1,8}=20[0-9]"  # a calling code, or spaces between groups
_HAS_NUMBER = re.compile(_QUOTED_NUMBER)
_WORD = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")


def _quoted_printable(text: str) -> Iterator[Edit]:
    numbers = _HAS_NUMBER.search(text) is not None
    for hit in _QUOTED.finditer(text):
        start, end = hit.span()
        run, single, digit = hit.groups()
        if run:
            yield start, end, bytes.fromhex(run.replace("=", "")).decode("utf-8", "replace")
        elif single:  # one sign of an address
            if text[start - 1 : start] in _WORD and text[end : end + 1] in _WORD:
                yield start, end, chr(int(single, 16))
        elif digit:  # one sign of a number
            if numbers and (digit == "2B" or text[start - 1 : start].isdigit()):
                yield start, end, chr(int(digit, 16))
        elif start and not text[start - 1].isspace() and text[end : end + 1] not in ("", "\r", "\n"):
            yield start, end, ""


_BRACKETED = re.compile(r"[\[({<][ \t]?(?:(at|@)|dot|\.)[ \t]?[\])}>]", re.IGNORECASE)
_SPELT = re.compile(
    r"[a-z0-9._+-]{1,64}(?: dot [a-z0-9._+-]{1,64}){0,3} at [a-z0-9-]{1,63}(?: dot [a-z0-9-]{1,63}){1,4}", re.IGNORECASE
)
_SPOKEN_SIGN = re.compile(r" (?:(at)|dot) ", re.IGNORECASE)


def _written_out(text: str) -> Iterator[Edit]:
    """``[at]`` and ``(dot)`` anywhere; ``at`` and ``dot`` as words only where the whole reads as an address."""
    for hit in _BRACKETED.finditer(text):
        start, end = hit.span()
        while start and text[start - 1] in " \t" and hit.start() - start < 2:
            start -= 1
        while text[end : end + 1] in (" ", "\t") and end - hit.end() < 2:
            end += 1
        yield start, end, "@" if hit[1] else "."
    if " dot " in text.lower():
        for address in _SPELT.finditer(text):
            for hit in _SPOKEN_SIGN.finditer(text, address.start(), address.end()):
                yield hit.start(), hit.end(), "@" if hit[1] else "."


# --------------------------------------------------------------------------------------------------------- encodings

_RUN = re.compile(r"[A-Za-z0-9+/_-]{14,}={0,6}")
_NEXT_LINE = re.compile(r"\r?\n([A-Za-z0-9+/]{4,}={0,2})")
_LINE = 40  # characters from which on a run may go on in the next line
_HEX = re.compile(r"[0-9a-fA-F]+")
_BASE32 = re.compile(r"[A-Z2-7]+=*")
_PIECE = re.compile(r"[A-Za-z0-9+]{14,}={0,6}")
_HALF = {2: (1,), 4: (1,), 8: (1, 3, 6)}  # so many characters of a group hold half a byte at their end
_JOINTS = frozenset("/-_")
_WORDS = re.compile(r"[a-z_/=-]+")  # names and paths: an encoding has capitals or digits


def _runs(text: str) -> Iterator[Edit]:
    """Runs of letters and digits that are base64 (either alphabet), base32 or hex of something readable."""
    done = 0
    for hit in _RUN.finditer(text):
        start, end = hit.span()
        block = hit.group()
        if start < done or _WORDS.fullmatch(block) is not None:
            continue
        if end - start >= _LINE:
            while (line := _NEXT_LINE.match(text, end)) is not None:
                block, end = block + line[1], line.end()
        said = _said(block) if end > hit.end() else None
        if said is None:
            end, said = hit.end(), _said(hit.group())
        if said is not None:
            done = end
            yield start, end, said
        elif not _JOINTS.isdisjoint(hit.group()):  # a path: each of its pieces
            for piece in _PIECE.finditer(text, start, hit.end()):
                if piece.end() - piece.start() < hit.end() - start:
                    said = _said(piece.group())
                    if said is not None:
                        yield piece.start(), piece.end(), said


def _said(run: str) -> str | None:
    """The text that a run encodes; None where it encodes none."""
    long = len(run) > _FIRST
    digits = run[2:] if run[:2] in ("0x", "0X") else run
    if _HEX.fullmatch(digits) is not None and (long or len(digits) % 2 == 0):
        said = _piece(digits, 2, bytes.fromhex) if long else _text(bytes.fromhex(digits))
        if said is not None:
            return said
    bare = run.rstrip("=")
    if bare.islower() or bare.isdigit():
        return None  # a word, a name in snake_case, a number
    if bare.isupper() and len(bare) >= 16 and _BASE32.fullmatch(run) is not None:
        if long:
            said = _piece(bare, 8, _base32)
            if said is not None:
                return said
        elif len(bare) % 8 not in (1, 3, 6):
            return _text(_base32(bare))
    plain = bare.replace("-", "+").replace("_", "/")
    if long:
        return _piece(plain, 4, _base64)
    return _text(_base64(plain)) if len(plain) % 4 != 1 else None


def _piece(run: str, group: int, decode: Callable[[str], bytes]) -> str | None:
    """What a long run says from the first place on at which its groups of characters begin; None where nowhere."""
    for start in range(group):
        size = min(_FIRST, len(run) - start) // group * group  # whole groups: half a byte is none
        if _text(decode(run[start : start + size]), cut=True) is not None:
            over = (len(run) - start) % group in _HALF[group]  # the first character of one more byte
            return _text(decode(run[start : len(run) - over]), cut=True)
    return None


def _base64(text: str) -> bytes:
    return binascii.a2b_base64(text + "=" * (-len(text) % 4))


def _base32(text: str) -> bytes:
    import base64

    try:
        return base64.b32decode(text + "=" * (-len(text) % 8))
    except binascii.Error:
        return b""


def _text(data: bytes, *, cut: bool = False) -> str | None:
    """Bytes as text, where they are text: UTF-8 or UTF-16 that can be seen. ``cut``: out of the middle of a text."""
    if len(data) < _FEWEST:
        return None
    if data[1::2].count(0) * 2 > len(data) - 2 and (cut or len(data) % 2 == 0):
        said = data[: len(data) // 2 * 2].decode("utf-16-le", "replace")
    elif cut and data[::2].count(0) * 2 > len(data) - 2:
        said = data[1 : (len(data) - 1) // 2 * 2 + 1].decode("utf-16-le", "replace")
    elif data.isascii():
        said = data.decode("ascii")
    else:
        begin = next((at for at in range(3) if data[at] & 0xC0 != 0x80), 3) if cut else 0
        try:
            said, _ = codecs.utf_8_decode(data[begin:], "strict", not cut)
        except UnicodeDecodeError:
            return None
    return said if said.translate(_UNSEEN).isprintable() else None


_CODES = re.compile(r"[0-9a-fA-F][0-9a-fA-FxX]{1,7}(?:[ :,;-]{1,2}[0-9a-fA-FxX]{2,8}){6,}")
_CODE = re.compile(r"[0-9a-fA-FxX]+")


def _codes(text: str) -> Iterator[Edit]:
    """Characters by their codes, one after another: hexadecimal, binary, decimal."""
    for hit in _CODES.finditer(text):
        codes = _CODE.findall(hit.group())
        readings = [_by_codes(codes, base, sizes) for base, sizes in ((16, (2, 4)), (2, (8,)), (10, (2, 3)))]
        said = "\n".join(filter(None, readings))  # 52 49 may be "RI" or "41": both are looked at
        if said:
            yield hit.start(), hit.end(), said


def _by_codes(codes: list[str], base: int, sizes: tuple[int, ...]) -> str | None:
    """What the codes say in one way of writing them; None where they are no printable ASCII."""
    if not all(len(code) in sizes and (len(code) < 4 or base != 16 or code[:2] in ("0x", "0X")) for code in codes):
        return None
    try:
        values = [int(code, base) for code in codes]
    except ValueError:
        return None
    return "".join(map(chr, values)) if all(31 < value < 127 for value in values) else None


SORTS = (
    Sort(
        r"\\(?:u\{?[0-9a-fA-F]|x[0-9a-fA-F]{2}|U[0-9a-fA-F]{8}|[0-7]{3}|\\[\"']|/"
        r"|[nrt](?:[A-Z0-9+(]|[a-z]{2,12}[_.\-][A-Za-z0-9_\-]{12}))",
        "\\",
        _backslashes,
    ),
    Sort(r"&(?:#[0-9xX]|[A-Za-z][A-Za-z0-9]{1,31};)", "&", _entities),
    Sort(r"%(?:[0-9a-fA-F]{2}|u[0-9a-fA-F]{4})", "%", _percents),
    Sort(
        rf"(?:=[0-9A-F]{{2}}){{3}}|[A-Za-z0-9]=(?:40|2E|2D)[A-Za-z0-9]|[^ \t\r\n]=\r?\n[^\r\n]|{_QUOTED_NUMBER}",
        "=",
        _quoted_printable,
    ),
    Sort(r"[\[({<][ \t]?(?i:at|dot|@|\.)[ \t]?[\])}>]| (?i:dot) [A-Za-z0-9-]", "", _written_out),
    Sort(r"[A-Za-z0-9+/_-]{14}", "", _runs),
    Sort(r"[0-9a-fA-F][0-9a-fA-FxX]{1,7}(?:[ :,;-]{1,2}[0-9a-fA-FxX]{2,8}){6}", "", _codes),
)


def reads_as_text(data: str) -> bool:
    """Whether base64 (in lines or not) encodes text, all of it: then who decodes it piece by piece misses nothing."""
    bare = data.replace("\r", "").replace("\n", "").rstrip("=").replace("-", "+").replace("_", "/")
    try:
        if not bare or _text(_base64(bare[:_SAMPLE]), cut=True) is None:
            return not bare
        whole = _base64(bare)
    except binascii.Error:
        return False
    return _text(whole) is not None and not any(head in whole[:1024] for head in _PRINTED)
