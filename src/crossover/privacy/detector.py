"""The whole detector: rules, secrets, names, health, the user's own, and the views of a text, under one deadline.

A text is looked at as it stands by every part; then its views are (:mod:`crossover.privacy.views`), where something was
written another way: what was decoded by the rules and the secrets, and by the models too where it is long enough to be
prose; what was put together by the rules alone. Places are always those of the text as it was handed in.

Whatever goes wrong in here ends as a DetectionError: a part that raises, one that is too slow, a text that is too long.
So a caller that has findings knows that all parts have looked at all of the text; a caller that has none sends nothing.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import msgspec

from crossover.errors import DetectionError
from crossover.privacy.extract import MOST
from crossover.privacy.gate import Engine, readable
from crossover.privacy.merge import merge
from crossover.privacy.views import View, Views
from crossover.privacy.words import Find, Finding, Rule

BASE_S, PER_CHARACTER_S = 0.020, 1e-6  # seconds a step may take: 20 ms and 1 ms for each thousand characters
WINDOW, OVERLAP = 8_192, 1_024  # characters looked at in one step; no value that is found is longer than the overlap
_WORD = 128  # characters of a word that no step divides
_SMALL = 4_096  # characters up to which the clock is asked only once at the end
_KINDS = frozenset(
    {"person", "address", "health", "password", "secret", "token", "private_key"}
)  # found without a rule
_CERTAIN = frozenset({"payment_card", "iban", "email", "phone", "social_security_number", "crypto_address"})
_OF_A_VENDOR = 0.8  # the score of a key whose form is somebody's; "word_" and a random row may meet by chance
_BY_SHAPE = ("documents.",)  # checks that know a form only: what was put together could have it by chance


class Part(NamedTuple):
    """One detector. ``values``: it looks at decoded pieces too; else (a model) only where they read as prose."""

    name: str
    find: Find
    values: bool = True


_WARMING = (  # a bit of everything that waits for its first need; nothing in it is anybody's
    "My mother was diagnosed with diabetes and takes insulin. Patient: MRN 00000000, DOB 01/01/1970, phone +1 212 555 "
    "0100. api_key = 'abcdefghijklmnopqrstuvwxyz0123456789', password: hunter2, AKIAIOSFODNN7EXAMPLE, taxFileNumber "
    "123 456 782, IBAN DE89 3704 0044 0532 0130 00, card 4111 1111 1111 1111, postgres://user:secret@host/db, "
    "Maria Keller, 12 Main Street, Springfield. &#52;&#49; %34%31 \u0034\u0031 aGVsbG8gd29ybGQsIGhvdyBhcmUgeW91"
)


class Detector:
    """Looks at texts. One object may be used by several threads; it remembers nothing of what it saw."""

    def __init__(
        self,
        parts: Sequence[Part],
        *,
        views: Views | None = None,
        joinable: Mapping[str, float] = {},
        version: str = "",
        by_field: bool = False,
        clock: Callable[[], float] = time.thread_time,
        quick: Callable[[], float] | None = None,
    ) -> None:
        """``parts`` in their order, the rules first; ``joinable`` says which may find in what was put together.

        ``by_field``: a part may find by the name of any field, so none counts as saying nothing.

        Clocks give seconds. The ``quick`` one is asked first, and where a text is late by it, the text is looked at
        again by ``clock``, twice at most. That of a thread counts only the work done in it: a busy machine makes no
        text unreadable.
        """
        self._parts = tuple(parts)
        self._of_values = tuple(part for part in parts if part.values)
        self._views: Callable[[str], Iterable[View]] = views if views is not None else _no_views
        self._joinable = joinable
        self._clocks = (quick or clock, clock, clock)
        self.version = version
        self.by_field = by_field

    def scan(self, text: str, field: str = "") -> tuple[Finding, ...]:
        """Every finding in a text, merged, in order; ``field`` is the name under which the text stands.

        Raises DetectionError where a part fails, the deadline passes, or the text holds more than ``MOST`` characters.
        """
        if len(text) <= WINDOW:
            found = self._seen(text, field)
            return tuple(merge(found)) if found else ()
        return tuple(merge([finding for step in self.steps(text, field) for finding in step]))

    def warm(self) -> None:
        """Make what is made when first needed, by a text that needs much of it; for a thread beside the first texts."""
        for _ in range(2):
            with suppress(DetectionError):
                self.scan(_WARMING, "diagnosis")

    def steps(self, text: str, field: str = "") -> Iterator[list[Finding]]:
        """The findings of a long text, one window after the other: each step is its own piece of work.

        They overlap where windows do: :func:`crossover.privacy.merge.merge` all of them in the end.
        """
        if len(text) > MOST:
            raise DetectionError(f"a text of {len(text):,} characters is longer than any that is looked at")
        for start, end in windows(text):
            found = self._seen(text[start:end], field)
            yield [_moved(finding, finding.start + start, finding.end + start) for finding in found]

    def _seen(self, text: str, field: str) -> list[Finding]:
        """The findings of one window. What is late is looked at again, twice at most.

        For parts make some things when first needed, and the quick clock counts what other threads did meanwhile.
        """
        for clock in self._clocks:
            found = self._look(text, field, clock)
            if found is not None:
                return found
        raise DetectionError("looking at a text took too long")

    def _look(self, text: str, field: str, clock: Callable[[], float]) -> list[Finding] | None:
        """The findings of one window; None where the deadline passed by that clock."""
        limit = clock() + BASE_S + PER_CHARACTER_S * len(text)
        small = len(text) <= _SMALL
        if not text.isascii():
            text = readable(text)
        found: list[Finding] = []
        closed = _Closed()
        with closed:
            for part in self._parts:
                closed.name = part.name
                found += part.find(text, field)
                if not small and clock() > limit:
                    return None
            closed.name = "views"
            for view in self._views(text):
                self._see(view, found)
                if clock() > limit:
                    return None
        return found if clock() <= limit else None

    def _see(self, view: View, found: list[Finding]) -> None:
        """What a view shows and the text did not."""
        if view.joined:
            parts: Sequence[Part] = self._parts[:1]
        else:
            parts = self._parts if view.prose else self._of_values
        for part in parts:
            for finding in part.find(view.text, ""):
                if view.joined and finding.score < self._joinable.get(finding.rule, 2):
                    continue
                span = view.span(finding.start, finding.end)
                if span is not None:
                    found.append(_moved(finding, *span))


def windows(text: str) -> Iterator[tuple[int, int]]:
    """Where the steps of a text begin and end: between words, where there are any."""
    start = 0
    while start + WINDOW < len(text):
        end = start + WINDOW
        end = max(text.rfind(blank, end - _WORD, end) for blank in " \n") + 1 or end
        yield start, end
        start = end - OVERLAP
        begins = [at + 1 for blank in " \n" if (at := text.find(blank, start - 1, start + _WORD)) >= 0]
        start = min(begins, default=start)
    yield start, len(text)


class _Closed:
    """Turns whatever a part raises into a DetectionError: a detector that was plugged in may raise anything.

    The message names the part and the sort of error, never its words, which may hold the text.
    """

    __slots__ = ("name",)

    def __init__(self) -> None:
        self.name = ""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: TracebackType | None) -> None:
        if isinstance(error, Exception) and not isinstance(error, DetectionError):
            raise DetectionError(f"the detector {self.name} failed: {type(error).__name__}") from None


def _no_views(_text: str) -> Iterable[View]:
    return ()


def _moved(finding: Finding, start: int, end: int) -> Finding:
    return Finding(
        category=finding.category, kind=finding.kind, tier=finding.tier, start=start, end=end,
        score=finding.score, rule=finding.rule,
    )  # fmt: skip


def joinable(rules: Sequence[Rule]) -> dict[str, float]:
    """The rules that may find in what was put together, with the least score that counts.

    Those whose check few numbers pass by chance, keys, the user's own; with another check (one letter of 23, one digit
    of ten) only where a word beside the value speaks for it, which raises the score.
    """
    found: dict[str, float] = {}
    for rule in rules:
        if rule.kind in _CERTAIN or rule.category == "custom":
            found[rule.id] = 0.0
        elif rule.category == "secrets":
            found[rule.id] = _OF_A_VENDOR
        elif rule.verify and not rule.verify.startswith(_BY_SHAPE):
            found[rule.id] = rule.score if rule.needs_context else rule.score + 0.001
    return found


def shipped(
    *,
    names: bool = True,
    health: bool = True,
    rules: Sequence[Rule] = (),
    more: Mapping[str, Find] = {},
    models: str | None = None,
    engine: Engine = "re2",
    clock: Callable[[], float] = time.thread_time,
) -> Detector:
    """The shipped detector, with or without its models, with the user's ``rules``, and with ``more`` detectors by name.

    ``models`` is a folder whose models take the place of the shipped ones of the same name.
    ``engine`` ``stdlib`` does without RE2: slower, and with the same findings. Takes some 100 ms and reads the data
    files of this package: build it once. Raises InputError where a rule of the user or a model cannot be used.
    """
    from crossover.privacy import rules as book
    from crossover.privacy import secrets, views

    chosen = (*book.load(*book.BOOKS), *rules)
    parts = [
        Part("rules", book.finder(book.rulebook(chosen, engine=engine))),
        Part("secrets", secrets.find),
    ]
    if names:
        from crossover.privacy import names as people

        parts.append(Part("names", people.load(_own(models, "names")).find, values=False))
    if health:
        from crossover.privacy import health as stories

        parts.append(Part("health", stories.load(_own(models, "health"), engine=engine).find, values=False))
    parts += [Part(name, find, values=False) for name, find in more.items()]
    return Detector(
        parts,
        views=views.shipped(engine),
        joinable=joinable(chosen),
        version=_version([part.name for part in parts], rules, models),
        by_field=bool(more),
        clock=clock,
        quick=time.perf_counter if clock is time.thread_time else None,
    )


def _own(models: str | None, name: str) -> Path | None:
    """The user's own model of that name; None where there is none."""
    found = sorted(Path(models).glob(f"{name}.*")) if models is not None else []
    return found[0] if found else None


@cache  # every load of a configuration asks, and reading the data files takes some 30 ms
def kinds() -> frozenset[str]:
    """Every kind of finding that the shipped detector has, for matrices that name some."""
    from crossover.privacy import rules as book

    return frozenset(rule.kind for rule in book.load(*book.BOOKS)) | _KINDS


def _version(parts: Sequence[str], rules: Sequence[Rule], models: str | None) -> str:
    """A name for all that decides what is found: code, data, models, the parts that look, and the user's rules."""
    state = hashlib.sha256(" ".join(parts).encode())
    here = Path(__file__).parent
    for folder in (here, here / "verify", here / "data", here / "models", *(() if models is None else (Path(models),))):
        for path in sorted(folder.iterdir()):
            if path.suffix != ".pyc" and path.is_file():
                state.update(path.name.encode() + path.read_bytes())
    state.update(msgspec.json.encode(rules))
    return f"d-{state.hexdigest()[:12]}"
