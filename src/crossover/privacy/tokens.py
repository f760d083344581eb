"""Words of a text as the names model sees them: cut, looked up, and turned into features.

The text is handled as UTF-8 bytes. Everything that is no letter, digit or ``_`` becomes a space of the same length, so
that a split by spaces gives the words and every word keeps its place. What stood between two words is one of a few
dozen classes. Knowledge of a word (is it a given name, a place, an ordinary word?) is one byte in a sorted table of
hashes; the words themselves are not shipped.
"""

from __future__ import annotations

import re
import zlib
from array import array
from bisect import bisect_left

import msgspec
import numpy as np
import numpy.typing as npt

# What a word may be; the bits of a byte in the table.
GIVEN, FAMILY, RARE_FAMILY, PLACE = 1, 2, 4, 8
WORD, COMMON, PROPER, NEVER = 16, 32, 64, 128

# What the gate makes of a word; several bits may be set. Nothing set: no finding ever starts here.
CANDIDATE, CUE, SHOUTED, STREET, QUIET, STRANGE, NAMER = 1, 2, 4, 8, 16, 32, 64

BUCKETS = 1 << 15  # rows of hashed features; 256 rows for what a word may be and 32 for its shape follow
ROWS = BUCKETS + 256 + 32
UNKNOWN = ROWS  # the row of a word that is not there (before the first, after the last)

_WORD_BYTES = bytes(
    byte if byte >= 128 or chr(byte).isalnum() or byte == ord("_") else 32 for byte in range(256)
)  # UTF-8 of anything outside ASCII counts as letters ...
_OUTSIDE = "\u00a0«»¿¡·…–—‐‑‒―‘’‚“”„•‹›、。「」（），：；？！\u2028\u2029\u200b\ufeff"
_SYMBOLS = re.compile(
    rb"\xf0\x9f[\x80-\xbf]{2}|\xe2[\x84-\x9e][\x80-\xbf]|\xef\xb8[\x80-\xbf]"
)  # emoji, arrows, dingbats
_PUNCTUATION = tuple((char.encode(), b" " * len(char.encode())) for char in _OUTSIDE)  # ... but for these

NAMERS = frozenset(b"mr mrs ms miss mx dr prof professor sir herr frau name surname lastname firstname dear".split())
CUES = NAMERS | frozenset(
    b"madam names named hi hello hey thanks regards sincerely cheers"
    b" called contact attn signed patient client customer employee manager author spouse husband wife nee alias"
    b" herr frau monsieur madame senor senora don dona guardian beneficiary tenant plaintiff defendant cc owner".split()
)
_STREETS = (
    "street st avenue ave road rd boulevard blvd lane ln drive dr court ct place pl square sq terrace way highway hwy"
    " parkway pkwy route close crescent cres apt apartment suite ste unit floor box pobox postfach apo fpo dpo psc"
    " strasse straße str gasse weg platz allee rue impasse chemin via viale piazza corso calle avenida carrera plaza"
    " paseo rua travessa praca praça straat laan plein weg gate gata gatan vej gade veien katu tie ulica ul utca ulice"
    " zip zipcode postcode postal plz cap pincode pob corner address addr cours quai largo vicolo strada ulitsa"
)
STREETS = frozenset(_STREETS.encode().split())
_PREFIXES = tuple(b"Mc Mac De Di Du La Le Van Fitz O Da Del El Al Ben St".split())


class Words(msgspec.Struct, frozen=True):
    """What is known of words: ``hashes`` sorted, ``bits`` beside them."""

    hashes: array[int]
    bits: bytes

    def known(self, lower: bytes) -> int:
        """The bits of a word in lower case; 0 for one that nobody knows."""
        key = zlib.crc32(lower)
        at = bisect_left(self.hashes, key)
        return self.bits[at] if at < len(self.bits) and self.hashes[at] == key else 0


def words_of(bits: dict[bytes, int]) -> Words:
    """The table of a dictionary from words in lower case to their bits."""
    merged: dict[int, int] = {}
    for word, value in bits.items():
        key = zlib.crc32(word)
        merged[key] = merged.get(key, 0) | value
    keys = sorted(merged)
    return Words(array("I", keys), bytes(merged[key] for key in keys))


def blank(raw: bytes) -> bytes:
    """The same bytes with a space for each byte that belongs to no word."""
    flat = raw.translate(_WORD_BYTES)
    if not raw.isascii():
        for char, spaces in _PUNCTUATION:
            if char in flat:
                flat = flat.replace(char, spaces)
        flat = _SYMBOLS.sub(lambda found: b" " * len(found[0]), flat)
    return flat


def lowered(word: bytes) -> bytes:
    """A word in lower case, whatever its script."""
    return word.lower() if word.isascii() else word.decode("utf-8", "replace").lower().encode()


def shape(word: bytes) -> int:
    """How a word is written, 0 to 31: digits by their number, letters by their case and roughly their length."""
    if word.isdigit():
        return min(len(word), 7)
    text: bytes | str = word if word.isascii() else word.decode("utf-8", "replace")
    if not text.isalpha():
        if b"_" in word:
            return 10
        if not word.isascii() and not any(char.isdigit() for char in word.decode("utf-8", "replace")):
            return 24
        return 8 if text[:1].isdigit() else 9
    size = min(len(text), 4) - 1
    if text.islower():
        return 11 + size
    if text.isupper():
        return 15 + size
    if text[:1].isupper() and text[1:].islower():
        return 19 + size
    if text.lower() == text.upper():
        return 24  # a script without case
    return 25 if word.startswith(_PREFIXES) else 26


def gate(word: bytes, table: Words) -> int:
    """What the gate makes of a word, as bits.

    CANDIDATE: to be judged wherever it stands. SHOUTED: only where all is in capitals. QUIET: a name that is an
    ordinary word too, only where all is in small letters. STRANGE: in letters of one size and known to nobody, only in
    a short text.
    CUE: a name may follow. NAMER: whatever follows with a capital may be a name. STREET: a part of addresses.
    """
    lower = lowered(word)
    bits = (CUE if lower in CUES else 0) | (NAMER if lower in NAMERS else 0) | (STREET if lower in STREETS else 0)
    form = shape(word)
    if form < 11 or form == 26 or len(word) > 40:
        return bits
    known = table.known(lower)
    if known & NEVER:
        return bits
    named = known & (GIVEN | FAMILY)
    if form < 15 or form == 24:  # lower case, or no case: only names that are no ordinary words
        if form < 13 and len(word) < 3:
            return bits
        if named:
            if not known & WORD or (known & GIVEN and not known & COMMON):
                return bits | CANDIDATE
            return bits | (QUIET if known & GIVEN or not known & COMMON else 0)
        return bits if known & (WORD | PLACE | PROPER) or form == 24 else bits | STRANGE
    if form < 19:
        if form == 15:
            return bits
        if named and not known & COMMON:
            return bits | CANDIDATE
        if known & WORD and not named:
            return bits
        return bits | (SHOUTED if known or form < 18 else SHOUTED | STRANGE)
    if form == 19 or (known & WORD and not named):
        return bits
    return bits | CANDIDATE


def features(word: bytes, table: Words, *, blind: bool = False) -> list[int]:
    """The rows of the features of a word. ``blind`` leaves out what is known of it: a name that nobody has seen."""
    lower = lowered(word)
    form = shape(word)
    known = 0 if blind else table.known(lower)
    rows = [BUCKETS + known, BUCKETS + 256 + form, zlib.crc32(b"%d|%d" % (form, known)) % BUCKETS]
    if not blind:
        rows.append(zlib.crc32(lower, 1) % BUCKETS)
    if form < 11:
        return rows
    rows.append(zlib.crc32(lower[-3:], 2) % BUCKETS)
    if known & WORD and not known & (GIVEN | FAMILY) and form < 15:
        return rows
    ends = b"^" + lower + b"$"
    rows += [zlib.crc32(ends[:size], 3) % BUCKETS for size in (2, 3, 4, 5)]
    rows += [zlib.crc32(ends[-size:], 3) % BUCKETS for size in (2, 3, 5)]
    rows += [zlib.crc32(ends[at : at + 3], 4) % BUCKETS for at in range(1, min(len(ends) - 3, 9))]
    return rows


GAPS = 32
EDGE, SPACE, COMMA, POINT, LINE, BLANK_LINE, HYPHEN, APOSTROPHE = 0, 1, 2, 3, 7, 8, 9, 11
SLASH, TIGHT, HASH, COMMA_LINE = 15, 16, 18, 28
_MARKS: tuple[tuple[bytes, int], ...] = (
    (b"\n\n", 8), (b"\n", 7), (b"@", 17), (b"#", 18), (b"=", 19), (b"|", 21), (b"\t", 21), (b"(", 13), (b")", 14),
    (b'"', 12), (b":", 5), (b";", 6), (b"!", 4), (b"?", 4), (b"/", 15), (b"\\", 15), (b"{", 20), (b"}", 20), (b"[", 20),
    (b"]", 20), (b"<", 22), (b">", 22), (b"&", 23), (b"+", 23), (b"*", 23), (b"$", 23), (b"%", 23), (b",", 2),
    (b"\xe2\x80\x9c", 12), (b"\xe2\x80\x9d", 12), (b"\xe2\x80\x94", 10), (b"\xe2\x80\x93", 10), (b"\xe2\x80\x99", 11),
)  # fmt: skip


def gap_class(gap: bytes) -> int:
    """The class of what stands between two words, 0 to 31."""
    known = _FREQUENT.get(gap)
    return _gap_class(gap) if known is None else known


def _gap_class(gap: bytes) -> int:
    line = gap.count(b"\n")
    if line:
        if b":" in gap:
            return 25
        if b"." in gap or b"!" in gap or b"?" in gap:
            return 24
        if b"-" in gap or b"*" in gap:
            return 26
        if b"," in gap:
            return 28
        return 8 if line > 1 else LINE
    for mark, found in _MARKS:
        if mark in gap:
            return found
    if b"." in gap:
        return TIGHT if len(gap) == 1 else POINT
    if b"-" in gap:
        return HYPHEN if len(gap) == 1 else 10
    if b"'" in gap:
        return APOSTROPHE if len(gap) == 1 else 27
    return SPACE if gap.isspace() else 31


_FREQUENT = {
    gap: _gap_class(gap)
    for gap in (
        b" ", b", ", b",", b". ", b".", b"\n", b"\n\n", b",\n", b".\n", b": ", b":", b"; ", b";", b"-", b" - ", b"'",
        b"\xe2\x80\x99", b"/", b" (", b") ", b"), ", b"? ", b"! ", b' "', b'" ', b'", "', b" & ",
        b" @", b"@", b"=", b" | ",
    )
}  # fmt: skip


def table_of(hashes: npt.NDArray[np.uint32], bits: npt.NDArray[np.uint8]) -> Words:
    """The table as it was stored."""
    held = array("I")
    held.frombytes(hashes.tobytes())
    return Words(held, bits.tobytes())
