"""Counts what records hold: by state, category and kind, and by what each privacy profile would do with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import BinaryIO

from crossover.errors import FileError
from crossover.privacy.policy import Action, Place, Profile, knowing, verdict
from crossover.privacy.words import NOTHING_FOUND, Classified
from crossover.sensitivity import NOT_SENSITIVE, Category, Tier
from crossover.traffic.scan.formats import Reader
from crossover.traffic.scan.sources import NotTextError, Source, opened
from crossover.traffic.scan.words import FileCount, Form, Hit, KindCount, Look, Note, Seen, State, Survey

OUTSIDE = Place(zone="", local=False)  # somewhere at a provider's
MOST_NOTES = 500
Keep = Callable[[str, Hit], None]  # a file's name and a finding in it


class Surveyor:
    """One scan under way: :meth:`run` does it, :meth:`survey` says what was seen so far, at any time."""

    def __init__(
        self,
        look: Look,
        profiles: Mapping[str, Profile],
        *,
        keep: Keep,
        per_file: int | None = None,
        by_line: bool = False,
        skipped: Mapping[str, int] | None = None,
    ) -> None:
        """``keep`` is handed each finding, at most ``per_file`` of a file; ``skipped`` is what was left out before."""
        self._look = look
        self._profiles = profiles
        self._keep = keep
        self._per_file = per_file
        self._by_line = by_line
        self._skipped = Counter(skipped or {})
        self._files = 0
        self._bytes = 0
        self._unreadable = 0
        self._failed = 0
        self._findings = 0
        self._records = 0
        self._states: Counter[State] = Counter()
        self._categories: Counter[Category] = Counter()
        self._kinds: dict[tuple[Category, str, Tier], list[int]] = {}
        self._verdicts: dict[str, Counter[Action]] = {name: Counter() for name in profiles}
        self._opaque: Counter[str] = Counter()
        self._notes: list[Note] = []
        self._complete = False

    def run(self, sources: Iterable[Source], stdin: BinaryIO) -> Iterator[tuple[Source, int, FileCount | None]]:
        """Looks at each source; yields it with the bytes read so far now and then, and with its count at its end."""
        for source in sources:
            yield source, 0, None
            try:
                yield from self._one(source, stdin)
            except NotTextError as what:
                if source.named:
                    self._note(Note(source.name, f"not looked at: it is {what}"))
                else:
                    self._skipped[str(what).removeprefix("a ").removeprefix("an ")] += 1
            except FileError as error:
                self._unreadable += 1
                self._note(Note(source.name, error.message, error.line))
        self._complete = True

    def _one(self, source: Source, stdin: BinaryIO) -> Iterator[tuple[Source, int, FileCount | None]]:
        with opened(source, stdin) as stream:
            reader = Reader(source.name, stream, self._look, by_line=self._by_line)
            counting = _Counting(source.name, self, self._per_file)
            damage: FileError | None = None
            try:
                for number, seen in enumerate(reader.records()):
                    counting.take(seen)
                    if not number % 64:
                        yield source, stream.done, None
            except FileError as error:
                damage = error
            finally:  # also where it is interrupted
                self._note(*reader.notes, *counting.notes)
                count = counting.counted(reader.form, stream.done)
                self._files += 1
                self._bytes += count.bytes
            yield source, count.bytes, count
            if damage is not None:
                raise damage

    def survey(self) -> Survey:
        """All that was seen so far."""
        kinds = [
            KindCount(category=category, kind=kind, tier=tier, findings=count, records=records)
            for (category, kind, tier), (count, records) in self._kinds.items()
        ]
        return Survey(
            files=self._files,
            records=self._records,
            findings=self._findings,
            bytes=self._bytes,
            states=dict(self._states),
            categories=dict(self._categories),
            kinds=tuple(sorted(kinds, key=lambda one: (one.tier != "hard", -one.records, one.category, one.kind))),
            profiles={name: dict(counts) for name, counts in self._verdicts.items()},
            failed=self._failed,
            unreadable=self._unreadable,
            opaque=dict(self._opaque.most_common()),
            notes=tuple(self._notes),
            skipped=dict(self._skipped),
            complete=self._complete,
        )

    def _note(self, *notes: Note) -> None:
        self._notes += notes[: max(MOST_NOTES - len(self._notes), 0)]

    def hand_on(self, name: str, hits: Iterable[Hit]) -> int:
        """Hands findings on; how many there were."""
        count = 0
        for hit in hits:
            self._keep(name, hit)
            count += 1
        return count

    def record(self, known: Classified, records: int) -> State:
        """Counts a record, or several that are alike."""
        state = _state(known)
        self._records += records
        self._states[state] += records
        if known.failed:
            self._failed += records
        for category in known.sensitivity.categories:
            self._categories[category] += records
        for category, kind, tier, count in known.counts:
            row = self._kinds.setdefault((category, kind, tier), [0, 0])
            row[0] += count
            row[1] += 1
            self._findings += count
        if known.opaque:
            self._opaque[known.opaque] += records
        for name, profile in self._profiles.items():
            self._verdicts[name][action(known, profile)] += records
        return state


class _Counting:
    """The counts of one file."""

    def __init__(self, name: str, whole: Surveyor, most: int | None) -> None:
        self._name = name
        self._whole = whole
        self._left = most
        self._records = 0
        self._findings = 0
        self._states: Counter[State] = Counter()
        self._troubles: dict[str, list[int]] = {}

    def take(self, seen: Seen) -> None:
        if self._left is None:
            self._whole.hand_on(self._name, seen.hits)
        elif self._left > 0:
            self._left -= self._whole.hand_on(self._name, islice(seen.hits, self._left))
        if seen.trouble:
            self._troubles.setdefault(seen.trouble, []).append(seen.line)
        if seen.known is not None:
            known = seen.known
            self._records += seen.records
            self._findings += sum(count for *_, count in known.counts)
            self._states[self._whole.record(known, seen.records)] += seen.records

    def counted(self, form: Form, size: int) -> FileCount:
        return FileCount(
            name=self._name, form=form, bytes=size, records=self._records, findings=self._findings,
            states=dict(self._states),
        )  # fmt: skip

    @property
    def notes(self) -> list[Note]:
        """What could not be looked at, a sentence for each reason."""
        return [
            Note(self._name, f"line {lines[0]:,}{_more(len(lines) - 1)}: {what}; nothing is known of it", lines[0])
            for what, lines in self._troubles.items()
        ]


def _more(count: int) -> str:
    return f" and {count:,} more" if count else ""


def _state(known: Classified) -> State:
    tier = known.sensitivity.tier
    if tier != "none":
        return "hard" if tier == "hard" else "soft"
    return "unread" if known.failed or known.opaque else "clean"


def action(known: Classified, profile: Profile) -> Action:
    """What a place outside would get of a record under a profile."""
    if known is NOTHING_FOUND:
        return "allow"
    return verdict(knowing(known, NOT_SENSITIVE, (profile,)), OUTSIDE).action
