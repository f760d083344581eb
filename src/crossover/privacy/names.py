"""Names of people and postal addresses: a small network looks at the few words that could belong to one.

:func:`load` gives the shipped model, :meth:`Names.find` the findings of a text, :func:`train` a model refitted on a
user's own labelled texts. What it knows and what it misses is told in ``docs/models/privacy.md``.
"""

from __future__ import annotations

import array
import math
import re
import threading
import zipfile
from collections.abc import Iterable, Sequence
from importlib import resources
from operator import add, length_hint
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import numpy.typing as npt

from crossover.errors import FileError
from crossover.privacy import addresses, honoured, network, tokens
from crossover.privacy.network import MODES, NEAR, PERSON, SHAPES, SIDE, WINDOW, Floats, Network
from crossover.privacy.tokens import CANDIDATE, CUE, GAPS, NAMER, QUIET, SHOUTED, STRANGE, STREET
from crossover.privacy.words import Finding

if TYPE_CHECKING:
    from crossover.privacy.learning import Labelled

SURE, MAYBE = 0.75, 0.25  # a name has a word this likely and goes on over words that likely
SURE_SMALL = 0.95  # the same of one in small letters where others have capitals
_HONOURED = 0.9  # the score of a name that a word of respect tells
_FEW = 12  # candidates up to which plain Python is quicker than numpy
_NUMPY = 16  # words from which on numpy tells quicker where they begin
_CACHED = 4096  # words kept with what they add to the network's hidden layer
_SAFE = 60_000  # words kept as uninteresting
_BATCH = 256  # candidates judged at once
_SHORT = 400  # bytes of a text in which a strange word may be a name in small letters
_PROSE = frozenset(b" ,.?!:;'\"\n-")  # what stands beside words of prose
_MANY = 32_768  # bytes of a text looked at in one go
_JOINS = frozenset((tokens.SPACE, tokens.HYPHEN, tokens.APOSTROPHE, tokens.TIGHT, tokens.POINT))
_PARTICLES = frozenset(
    b"van von der den de del della di da dos das du la le al el bin ibn ben ter ten zu af av y e".split()
)
_TITLES = frozenset(b"mr mrs ms miss mx dr prof sir herr frau".split())
_FIRMS = frozenset(
    b"ltd limited inc incorporated llc llp corp corporation company gmbh ag plc group holdings partners associates"
    b" university college hospital clinic foundation institute bank airlines motors brothers bros".split()
)
_FIELD = re.compile(r"name|addr|street|contact|person|author|owner|patient|customer|client|user|zip|postal", re.I)
# Of a candidate's words and gaps into the table of what is added.
_WORDS, _GAPS = [*range(WINDOW)], [MODES + place * GAPS for place in range(NEAR)]
_ROWS = WINDOW + NEAR + 1
_ONES = np.ones(_ROWS, np.float32)
_NAMED = tokens.GIVEN | tokens.FAMILY | tokens.RARE_FAMILY
_NOTHING = [1.0, 0.0, 0.0, 0.0, 0.0]
_PIECES = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")


_Span = tuple[int, int, str, float]  # from one byte to another, what, how sure


class Seen(msgspec.Struct, frozen=True):
    """A text cut into words, and which of them the network has to judge. ``starts`` are byte offsets into ``raw``."""

    raw: bytes
    words: list[bytes]
    starts: Sequence[int]
    mode: int
    kinds: dict[bytes, int]
    chosen: list[int]
    streets: list[int]

    def gap(self, at: int) -> int:
        """The class of the gap before word ``at``."""
        if at <= 0 or at >= len(self.words):
            return tokens.EDGE
        return tokens.gap_class(self.raw[self.starts[at - 1] + len(self.words[at - 1]) : self.starts[at]])


class _Memory:
    """What was worked out about words. Bounded; a full one is replaced by an empty one."""

    def __init__(self, model: Network) -> None:
        self.safe: dict[int, set[bytes]] = {}  # by the kinds that are asked for, words that are none of them
        self.kinds: dict[bytes, int] = {}
        self.gaps: dict[bytes, int] = {}
        self.beside: dict[bytes, bool] = {}
        self.behind: tuple[dict[bytes, bool], dict[bytes, bool]] = {}, {}
        self.rows: dict[bytes, int] = {}
        fixed = model.fixed()
        # One table, so that all that is known of a candidate is twelve of its rows: first gaps and case, then words.
        self.added = np.zeros((len(fixed) + (_CACHED + 1) * WINDOW, network.HIDDEN), np.float32)
        self.added[: len(fixed)] = fixed
        self.begin = len(fixed)
        self.used = 0
        self.spread = model.spread()
        self.put(b"", model.projected([tokens.UNKNOWN], self.spread))
        self.lock = threading.Lock()
        self.room = _SAFE

    def put(self, word: bytes, added: Floats) -> int:
        """Keeps what a word adds; the row where that begins."""
        row = self.begin + self.used * WINDOW
        self.added[row : row + WINDOW] = added
        self.used += 1
        self.rows[word] = row
        return row

    def full(self) -> bool:
        """Whether a batch could find no place any more."""
        return self.used + _BATCH * WINDOW > _CACHED


class Names:
    """Finds names of people and postal addresses. One object may be used by several threads."""

    def __init__(self, model: Network, table: tokens.Words) -> None:
        self.model = model
        self.table = table
        self._memory = _Memory(model)

    def find(self, text: str, field: str = "") -> list[Finding]:
        """The names (kind ``person``) and addresses (kind ``address``) of a text, in the order in which they stand.

        ``field`` is the name under which the text stood; ``customer_name`` makes a name of what might be none.
        """
        lead = " ".join(_PIECES.findall(field)) + ": " if field and _FIELD.search(field) else ""
        raw = (lead + text).encode("utf-8", "surrogatepass")
        if len(raw) <= _MANY:
            found = self._find(raw, 0)
        else:
            found = [span for start, end in _slices(raw) for span in self._find(raw[start:end], start)]
        people = _in_text(found, raw, len(lead), len(text)) if found else []
        if not text.isascii():
            people += [_finding("person", start, end, _HONOURED) for start, end in honoured.spans(text)]
            people.sort(key=lambda one: (one.start, one.end))
        return people

    def see(self, raw: bytes) -> Seen | None:
        """Which words of a text could belong to a name or an address; None where there is no such word."""
        memory = self._memory
        if memory.room < 0:
            memory = self._memory = _Memory(self.model)
        mode = 1 if raw.islower() else 2 if raw.isupper() else 0
        loose = mode == 1 or len(raw) < _SHORT  # where a name may well be written in small letters
        always = CANDIDATE | (0, QUIET, SHOUTED)[mode] | (STRANGE if len(raw) < _SHORT else 0)
        wanted = always | STREET | NAMER | (CUE if loose else 0)
        flat = tokens.blank(raw)
        words = flat.split()
        kinds: dict[bytes, int] = {}
        places = self._telling(words, wanted, memory, kinds)
        if not places:
            return None
        strange = [word for word, kind in kinds.items() if kind == STRANGE]
        if len(strange) > 2 and len(strange) * 4 > len(words):  # another language
            kinds = {word: kind for word, kind in kinds.items() if kind != STRANGE}
            places = [at for at in places if words[at] in kinds]
        chosen = self._choose(words, kinds, places, always)
        if not chosen and not any(kinds[words[at]] & STREET and _numbered(words, at) for at in places):
            return None
        starts = _starts(flat, words)
        kept = [at for at in sorted(chosen) if _capital(words[at]) or _in_prose(raw, starts[at], words[at])]
        streets = [at for at in places if kinds[words[at]] & STREET]
        return Seen(raw, words, starts, mode, kinds, kept, streets) if kept or streets else None

    def _telling(self, words: list[bytes], wanted: int, memory: _Memory, kinds: dict[bytes, int]) -> list[int]:
        """Where words of the ``wanted`` kinds stand; what they are is put into ``kinds``."""
        safe = memory.safe.get(wanted)
        if safe is None:
            safe = memory.safe.setdefault(wanted, set())
        known = memory.kinds
        places: list[int] = []
        last = len(words) - 1
        left = iter(words)
        while not safe.issuperset(left):  # which stops behind the first word that is not in there
            at = last - length_hint(left)
            word = words[at]
            kind = known.get(word)
            if kind is None:
                kind = tokens.gate(word, self.table)
                memory.room -= 1
                if kind:
                    known[word] = kind
            if kind & wanted:
                kinds[word] = kind
                places.append(at)
            else:
                safe.add(word)
        return places

    def _choose(self, words: list[bytes], kinds: dict[bytes, int], places: list[int], always: int) -> set[int]:
        """The words to judge: candidates, the capitalised words beside them, and what follows a cue."""
        chosen: set[int] = set()
        last = len(words) - 1
        for at in places:
            kind = kinds[words[at]]
            if kind & always:
                chosen.add(at)
                if kind & CANDIDATE:
                    chosen.update(near for near in (at - 1, at + 1) if 0 <= near <= last and self._beside(words[near]))
            if kind & CUE:
                sure = bool(kind & NAMER)
                chosen.update(near for near in (at + 1, at + 2) if near <= last and self._may_follow(words[near], sure))
            if kind & STREET:
                around = range(max(at - 3, 0), min(at + 4, last + 1))
                if _numbered(words, at):
                    chosen.update(other for other in around if other == at or self._beside(words[other]))
                elif at and _capital(words[at]):
                    chosen.update((at - 1, at))
        return chosen

    def _beside(self, word: bytes) -> bool:
        """Whether a word beside a candidate may be a part of the same name."""
        known = self._memory.beside.get(word)
        if known is None:
            known = _name_like(word) and not self.table.known(tokens.lowered(word)) & tokens.NEVER
            self._memory.beside[word] = known
            self._memory.room -= 1
        return known

    def _may_follow(self, word: bytes, sure: bool) -> bool:
        """Whether a word after a cue may be a name; after a ``sure`` one any capitalised word may."""
        memory = self._memory
        follows = memory.behind[sure].get(word)
        if follows is None:
            follows = memory.behind[sure][word] = self._follows(word, sure)
            memory.room -= 1
        return follows

    def _follows(self, word: bytes, sure: bool) -> bool:
        known = self.table.known(tokens.lowered(word))
        if _capital(word):
            return _name_like(word) and (sure or not known & tokens.COMMON or bool(known & _NAMED))
        if len(word) < 3 or not word.isalpha():
            return False
        return not known & tokens.WORD or bool(known & tokens.GIVEN)

    def windows(self, seen: Seen, chosen: Sequence[int]) -> tuple[list[bytes], list[int]]:
        """What stands around each chosen word: seven words (empty beyond the edges) and the classes of four gaps."""
        around: list[bytes] = []
        gaps: list[int] = []
        raw, words, starts, count = seen.raw, seen.words, seen.starts, len(seen.words)
        known = self._memory.gaps
        for at in chosen:
            if at >= SIDE and at + SIDE < count:
                around += words[at - SIDE : at + SIDE + 1]
            else:
                around += [words[other] if 0 <= other < count else b"" for other in range(at - SIDE, at + SIDE + 1)]
            for place in range(at - 1, at + 3):
                if 0 < place < count:
                    gap = raw[starts[place - 1] + len(words[place - 1]) : starts[place]]
                    found = known.get(gap)
                    if found is None:
                        found = tokens.gap_class(gap)
                        if len(gap) < 8:
                            known[gap] = found
                            self._memory.room -= 1
                    gaps.append(found)
                else:
                    gaps.append(tokens.EDGE)
        return around, gaps

    def judge(self, seen: Seen) -> list[list[float]]:
        """For each chosen word the probability of each label."""
        judged: list[list[float]] = []
        for at in range(0, len(seen.chosen), _BATCH):
            around, gaps = self.windows(seen, seen.chosen[at : at + _BATCH])
            memory = self._memory
            rows = list(map(memory.rows.get, around))
            if None in rows:
                if memory.full():
                    memory = self._memory = _Memory(self.model)
                rows = [self._row(memory, word) for word in around]
            if len(rows) == WINDOW:
                places = [*map(add, rows, _WORDS), *map(add, gaps, _GAPS), seen.mode]
                scores = self.model.scores(_ONES.dot(memory.added.take(places, axis=0)))
                judged.append(_shares(scores.tolist()))
                continue
            places = []
            for one in range(len(gaps) // NEAR):
                places += map(add, rows[one * WINDOW : (one + 1) * WINDOW], _WORDS)
                places += map(add, gaps[one * NEAR : (one + 1) * NEAR], _GAPS)
                places.append(seen.mode)
            parts = memory.added.take(places, axis=0).reshape(-1, _ROWS, network.HIDDEN)
            scores = self.model.scores(_ONES @ parts)
            if len(scores) > _FEW:
                judged += network.shares(scores).tolist()
            else:
                judged += [_shares(one) for one in scores.tolist()]
        return judged

    def _row(self, memory: _Memory, word: bytes) -> int:
        with memory.lock:
            row = memory.rows.get(word)
            if row is None:
                row = memory.put(word, self.model.projected(tokens.features(word, self.table), memory.spread))
        return row

    def _find(self, raw: bytes, offset: int) -> list[_Span]:
        seen = self.see(raw)
        if seen is None:
            return []
        shares = dict(zip(seen.chosen, self.judge(seen), strict=True))
        taken = addresses.find(seen, shares)
        spans = [("address", *span) for span in taken]
        spans += [
            ("person", *span)
            for span in _people(seen, shares, taken, self.table)
            if not self._only_a_word(seen, *span[:2])
        ]
        starts, words = seen.starts, seen.words
        return [
            (offset + starts[first], offset + starts[last] + len(words[last]), kind, score)
            for kind, first, last, score in spans
        ]

    def _only_a_word(self, seen: Seen, first: int, last: int) -> bool:
        """Whether a name is a single ordinary word that nothing before it calls a name."""
        if last > first:
            return False
        known = self.table.known(tokens.lowered(seen.words[first]))
        return (
            bool(known & tokens.WORD)
            and not known & _NAMED
            and not (first and seen.words[first - 1].lower() in tokens.CUES)
        )


def _capital(word: bytes) -> bool:
    first = word[0]
    if first < 128:
        return 65 <= first <= 90
    return word.decode("utf-8", "replace")[0].isupper()


def _starts(flat: bytes, words: list[bytes]) -> Sequence[int]:
    """Where the words of a blanked text begin."""
    if len(words) > _NUMPY:
        marks = np.frombuffer(b" " + flat, np.uint8) != 32
        found: npt.NDArray[np.int64] = (marks[1:] > marks[:-1]).nonzero()[0]
        return array.array("q", found.tobytes())  # of which few are asked for: a list of all takes twice as long
    starts, at = [], 0
    for word in words:
        at = flat.index(word, at)
        starts.append(at)
        at += len(word)
    return starts


def _numbered(words: list[bytes], at: int) -> bool:
    """Whether a number stands near a word."""
    return any(48 <= word[-1] <= 57 or 48 <= word[0] <= 57 for word in words[max(at - 3, 0) : at + 4])


def _name_like(word: bytes) -> bool:
    """Whether a word is written as a name may be: Ann, ANN, McCann, but not openFile, SHA256 or MAX_PATH."""
    return _capital(word) and tokens.shape(word) not in (8, 9, 10, 26)


def _in_prose(raw: bytes, start: int, word: bytes) -> bool:
    """Whether a word stands as words do in prose, not as a part of code."""
    end = start + len(word)
    return (not start or raw[start - 1] in _PROSE) and (end == len(raw) or raw[end] in _PROSE)


def _shares(scores: list[float]) -> list[float]:
    """Probabilities from scores."""
    if scores[0] - 4 > max(scores[1:]):
        return _NOTHING
    most = max(scores)
    powers = [math.exp(score - most) for score in scores]
    total = sum(powers)
    return [power / total for power in powers]


def _slices(raw: bytes) -> Iterable[tuple[int, int]]:
    """Pieces of a text of at most 32 KiB, cut at white space where there is some."""
    at = 0
    while len(raw) - at > _MANY:
        cut = max(raw.rfind(b" ", at + _MANY // 2, at + _MANY), raw.rfind(b"\n", at + _MANY // 2, at + _MANY))
        end = cut if cut > 0 else at + _MANY
        while raw[end] & 0xC0 == 0x80:  # never inside a character
            end -= 1
        yield at, end
        at = end
    yield at, len(raw)


def _people(
    seen: Seen, shares: dict[int, list[float]], taken: Sequence[tuple[int, int, float]], table: tokens.Words
) -> list[tuple[int, int, float]]:
    """Runs of words that are a name: first word, last word, how sure."""
    inside = {at for first, last, _ in taken for at in range(first, last + 1)}
    likely = {}
    for at, share in shares.items():
        sure = share[PERSON]
        if sure < SURE and _titled(seen, at) and _could_be(table.known(tokens.lowered(seen.words[at]))):
            sure = SURE
        if sure >= MAYBE and at not in inside:
            likely[at] = sure
    found: list[tuple[int, int, float]] = []
    done = -1
    for at in sorted(likely):
        if at <= done or seen.words[at] in _PARTICLES:
            continue
        last, best = at, likely[at]
        while (further := _next(seen, likely, last)) > last:
            last, best = further, max(best, likely.get(further, 0.0))
        done = last
        words = seen.words[at : last + 1]
        bar = SURE_SMALL if seen.mode == 0 and b"".join(words).islower() else SURE
        if best >= bar and not _firm(seen, last) and any(len(word) > 1 for word in words):
            found.append((at - 1 if _titled(seen, at) else at, last, best))
    return found


def _next(seen: Seen, likely: dict[int, float], last: int) -> int:
    """The next word of a name that goes on after ``last``, or ``last``."""
    words = seen.words
    further = last + 1
    while further < len(words) and further - last < 3 and words[further] in _PARTICLES:
        further += 1
    if further >= len(words):
        return last
    goes_on = further in likely and (further == last + 1 or seen.mode == 1 or _capital(words[further]))
    if not goes_on:
        joined = further - last > 1 or seen.gap(further) == tokens.HYPHEN
        if not (joined and _name_like(words[further])):
            return last
    for step in range(last + 1, further + 1):
        gap = seen.gap(step)
        if gap not in _JOINS or (step == further and gap == tokens.POINT and len(words[further - 1]) > 3):
            return last  # another mark, or the end of a sentence
    return further


def _titled(seen: Seen, at: int) -> bool:
    """Whether Mr., Dr. or the like stands before a word."""
    return (
        at > 0
        and seen.words[at - 1].lower() in _TITLES
        and _name_like(seen.words[at])
        and seen.gap(at) in (tokens.SPACE, tokens.POINT)
    )


def _could_be(known: int) -> bool:
    """Whether a word of these bits may be somebody's name after a title."""
    return bool(known & _NAMED) or not known & (tokens.WORD | tokens.NEVER)


def _firm(seen: Seen, last: int) -> bool:
    """Whether the word behind says that the name before it is a firm's."""
    behind = last + 1
    return (
        behind < len(seen.words)
        and seen.words[behind].lower() in _FIRMS
        and seen.gap(behind) in (tokens.SPACE, tokens.COMMA)
    )


def _in_text(found: list[_Span], raw: bytes, lead: int, length: int) -> list[Finding]:
    """Spans of bytes as findings of characters, without those in the field's name."""
    found.sort()
    placed: list[Finding] = []
    plain, before, chars = raw.isascii(), 0, 0
    for first, last, kind, score in found:
        start, end = first, last
        if not plain:
            chars += len(raw[before:first].decode("utf-8", "surrogatepass"))
            start, end = chars, chars + len(raw[first:last].decode("utf-8", "surrogatepass"))
            before = first
        if end > lead:
            placed.append(_finding(kind, max(start - lead, 0), min(end - lead, length), round(score, 3)))
    return placed


def _finding(kind: str, start: int, end: int, score: float) -> Finding:
    return Finding(category="personal", kind=kind, tier="soft", start=start, end=end, score=score, rule="names")


def load(path: Path | None = None) -> Names:
    """The shipped model, or one that :func:`save` wrote. Raises FileError where the file is none."""
    place = path or Path(str(resources.files("crossover.privacy") / "models" / "names.npz"))
    try:
        with place.open("rb") as file, np.load(file) as held:
            arrays: dict[str, Any] = {name: held[name] for name in held.files}
    except (OSError, EOFError, ValueError, AttributeError, zipfile.BadZipFile) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise FileError(f"is no names model: {reason}", file=str(place)) from None
    try:
        table = tokens.table_of(arrays["hashes"], arrays["bits"])
        model = Network(**{name: _unpacked(arrays, name) for name in Network.__struct_fields__})
    except KeyError as error:
        raise FileError(f"is no names model: it has no {error}", file=str(place)) from None
    if any(held.shape != SHAPES[name] for name, held in model.arrays().items()):
        raise FileError("is a names model of another version", file=str(place), hint="Train it again") from None
    return Names(model, table)


def save(names: Names, path: Path) -> None:
    """Writes a model: the words' rows in eight bits, the rest in sixteen."""
    arrays: dict[str, Any] = {
        "hashes": np.frombuffer(names.table.hashes.tobytes(), np.uint32),
        "bits": np.frombuffer(names.table.bits, np.uint8),
    }
    for name, weights in names.model.arrays().items():
        if name == "words":
            scale = np.maximum(np.abs(weights).max(axis=0), 1e-6) / 127
            arrays["words"] = np.rint(weights / scale).astype(np.int8)
            arrays["words_scale"] = scale.astype(np.float32)
        else:
            arrays[name] = weights.astype(np.float16)
    with path.open("wb") as file:
        np.savez(file, **arrays)


def train(examples: Iterable[Labelled], start: Names | None = None) -> Names:
    """A model refitted on a user's own labelled texts, see :func:`crossover.privacy.learning.train`."""
    from crossover.privacy import learning  # learning stands on this module

    return learning.train(examples, start or load())


def _unpacked(arrays: dict[str, Any], name: str) -> Floats:
    packed = arrays[name]
    if packed.dtype == np.int8:
        widened: Floats = packed.astype(np.float32) * arrays[name + "_scale"]
        return widened
    full: Floats = packed.astype(np.float32)
    return full
