"""The audit walked: is the chain whole, does it agree with the records, and forgetting its beginning.

A chain without a secret proves that nothing *in* it was changed, taken out or swapped. That its *end* is still there,
or that it was not made anew from some entry on, only a hash noted elsewhere proves (``expect``). Everything here reads
in portions: memory does not grow with the chain.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import msgspec

from crossover.errors import InputError
from crossover.ledger.chain import (
    CUT,
    FIRST,
    MICRO,
    Entry,
    Row,
    action_of,
    add_audit,
    audit_hash,
    from_outside,
    head,
    read_entry,
)
from crossover.ledger.schema import AUDITED_SINCE, month_of
from crossover.ledger.store import Ledger

AT_ONCE = 500  # rows of one portion
MOST_SHOWN = 10
_CUT_AT_ONCE = 5_000  # entries forgotten in one transaction: nobody has to wait for all of them
_NEAR = 64  # how far away an entry that stands at a wrong place is looked for
_LOWEST, _HIGHEST = -(2**62), 2**62
_COLUMNS = "number, time, previous, hash, entry"
_HASH_LENGTH = 64
REPAIRED = "ledger repaired"  # the action of an entry that `crossover ledger repair` writes


class Mark(msgspec.Struct, frozen=True):
    """A place in the chain: the number of an entry and its hash."""

    number: int
    hash: str

    def __str__(self) -> str:
        return f"{self.hash}@{self.number}"


ORIGIN = Mark(0, FIRST)  # before the first entry


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """The first entry that is not as it must be; ``time`` in Unix seconds where it says one, ``line`` in a file."""

    kind: Literal["edited", "missing", "out of order", "cut", "unreadable"]
    number: int
    text: str
    time: float | None = None
    line: int | None = None

    def sentence(self) -> str:
        """Where the chain breaks and how, in one sentence."""
        when = "" if self.time is None else f" of {iso(self.time)}"
        line = "" if self.line is None else f"line {self.line}: "
        return f"{line}entry {self.number:,}{when}: {self.kind}: {self.text}"


class Walk(msgspec.Struct, kw_only=True):
    """How far a walk has come: ``at`` is the last good entry. Times are Unix seconds of the first and the last."""

    at: Mark
    begin: Mark
    expect: Mark | None = None
    cut: Mark | None = None  # the last entry that was forgotten, as an entry further on says
    entries: int = 0
    first: float | None = None
    last: float | None = None
    fault: Fault | None = None


def iso(time: float) -> str:
    """A moment in UTC to the second: ``2026-11-05 12:00:00 UTC``."""
    return dt.datetime.fromtimestamp(time, dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def expected(text: str) -> Mark:
    """A noted place in the chain, written ``HASH@NUMBER``. Raises InputError."""
    digest, at, number = text.strip().partition("@")
    digest = digest.lower()
    if not at or not number.isascii() or not number.isdigit() or len(number) > 18:
        raise InputError(f"{text!r} is not HASH@NUMBER", hint="Write it as `verify` printed it", field="--expect")
    if len(digest) != _HASH_LENGTH or set(digest) - set("0123456789abcdef"):
        raise InputError(
            f"a hash has {_HASH_LENGTH} hexadecimal digits, and {digest!r} is none",
            hint="Write it as `verify` printed it",
            field="--expect",
        )
    return Mark(int(number), digest)


# --------------------------------------------------------------------------------------------------------- the walk


def follow(rows: Iterable[Row], walk: Walk) -> Iterator[Row]:
    """The good entries, one after the other, until the first bad one, which is put down in ``walk.fault``."""
    known = {}
    if walk.cut is not None:
        known[walk.cut.number] = (walk.cut.hash, "it is not what was cut")
    if walk.expect is not None:
        known[walk.expect.number] = (walk.expect.hash, "its hash is not the one that was noted")
    for row in rows:
        number, at, previous, digest, entry = row
        if (
            number != walk.at.number + 1
            or previous != walk.at.hash
            or digest != audit_hash(number, at, previous, entry)
        ):  # fmt: skip
            walk.fault = _wrong(row, walk.at)
            return
        if number in known and known[number][0] != digest:
            walk.fault = Fault(kind="edited", number=number, time=moment(at), text=known[number][1])
            return
        walk.at = Mark(number, digest)
        walk.entries += 1
        walk.last = at / MICRO
        if walk.first is None:
            walk.first = walk.last
        yield row


def _wrong(row: Row, before: Mark) -> Fault:
    """What is wrong with an entry that does not follow."""
    number, at, previous, digest, entry = row
    time, wanted = moment(at), before.number + 1
    if not isinstance(number, int):
        return Fault(kind="unreadable", number=wanted, text="it has no number")
    if number > wanted:
        gone = f"entry {wanted:,} is" if number == wanted + 1 else f"entries {wanted:,} to {number - 1:,} are"
        return Fault(kind="missing", number=wanted, text=f"{gone} gone: the next one there is {number:,}")
    if number < wanted:
        return Fault(kind="out of order", number=number, time=time, text=f"it stands after entry {before.number:,}")
    if digest == audit_hash(number, at, previous, entry):
        text = "it does not follow from the entry before it, which was changed together with its hash, or it was itself"
        return Fault(kind="edited", number=number, time=time, text=text)
    for place in range(max(1, number - _NEAR), number + _NEAR + 1):
        if digest == audit_hash(place, at, previous, entry):
            text = f"what stands here was entry {place:,}: entries were swapped, or one was taken out"
            return Fault(kind="out of order", number=number, time=time, text=text)
    return Fault(
        kind="edited", number=number, time=time, text="what it says, or its time, is not what its hash was made of"
    )


def moment(at: Any) -> float | None:
    """Unix seconds of a time in the chain (microseconds); None for what is no time."""
    return at / MICRO if isinstance(at, int) and 0 <= at < 2**53 else None


def settle_end(walk: Walk) -> None:
    """At the end of a walk: a noted place that was not passed is a fault."""
    noted = walk.expect
    if walk.fault is not None or noted is None or noted.number == walk.begin.number == 0:
        return
    if noted.number > walk.at.number:
        text = f"the chain ends at entry {walk.at.number:,}, and entry {noted.number:,} was there when it was noted"
        walk.fault = Fault(kind="cut", number=walk.at.number + 1, text=text)
    elif noted.number == walk.begin.number and noted.hash != walk.begin.hash:
        text = "the hash before the first entry is not the one that was noted"
        walk.fault = Fault(kind="edited", number=noted.number, text=text)
    elif noted.number < walk.begin.number:
        text = f"what was noted is older than all entries here, which begin at {walk.begin.number + 1:,}"
        walk.fault = Fault(kind="cut", number=noted.number, text=text)


def rows_of(ledger: Ledger, after: int = _LOWEST, until: int = _HIGHEST) -> Iterator[Row]:
    """Rows of the chain in portions: (number, time, hash before, hash, entry) after one number up to another."""
    while True:
        found = ledger.rows(
            f"SELECT {_COLUMNS} FROM audit WHERE number > ? AND number <= ? ORDER BY number LIMIT ?",
            (after, until, AT_ONCE),
        )
        yield from found
        if len(found) < AT_ONCE:
            return
        after = found[-1][0]


def begin_walk(ledger: Ledger, *, after: int | None = None, expect: Mark | None = None) -> Walk:
    """A walk from the beginning that there is, or from behind one entry (or the last before it that is there).

    Where the beginning was cut, from there.
    """
    if after is not None:
        there = ledger.rows("SELECT number, hash FROM audit WHERE number <= ? ORDER BY number DESC LIMIT 1", (after,))
        if there:
            mark = Mark(*there[0])
            return Walk(at=mark, begin=mark, expect=expect)
    first = ledger.rows(f"SELECT {_COLUMNS} FROM audit ORDER BY number LIMIT 1")
    cut = last_cut(ledger)
    begin = ORIGIN
    if first and cut is not None and 1 < first[0][0] <= cut.number + 1:
        begin = Mark(first[0][0] - 1, first[0][2])
        if begin.number == cut.number:
            begin = cut  # what comes first must follow from what was cut
    return Walk(at=begin, begin=begin, expect=expect, cut=cut)


def _row(ledger: Ledger, number: int) -> Row | None:
    found = ledger.rows(f"SELECT {_COLUMNS} FROM audit WHERE number = ?", (number,))
    return found[0] if found else None


def last_cut(ledger: Ledger) -> Mark | None:
    """The last entry that was forgotten by :func:`cut`, as the chain says; None where none was."""
    found = ledger.rows("SELECT value FROM meta WHERE name = 'audit_cut'")
    row = _row(ledger, int(found[0][0])) if found and str(found[0][0]).isdigit() else None
    if row is None:
        return None
    try:
        facts = msgspec.json.decode(row[4], type=_Cut)
    except msgspec.MsgspecError:
        return None
    return Mark(facts.through, facts.hash)


class _Cut(msgspec.Struct, frozen=True, tag_field="action", tag=CUT):
    through: int
    hash: str


# ------------------------------------------------------------------------------------------------------ verification


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What a verification found. ``fault`` breaks the chain; ``differences`` are where chain and records disagree.

    ``requests`` of the ``entries`` are about requests, of which ``left`` left. ``months`` still have their records and
    were compared. ``begin`` is what stands before the first entry. ``differing`` counts all differences, of which the
    first few are told; ``repaired`` is when a damaged file was last read into a new one, which may have lost records.
    """

    entries: int
    requests: int
    left: int
    first: float | None
    last: float | None
    begin: Mark
    head: Mark
    fault: Fault | None = None
    differing: int = 0
    differences: tuple[str, ...] = ()
    months: tuple[str, ...] = ()
    repaired: float | None = None

    @property
    def good(self) -> bool:
        """Whether nothing at all is wrong."""
        return self.fault is None and not self.differing


class _Tally(msgspec.Struct):
    """What is counted along the way. ``answers`` from outside by hour, ``months`` entries by month."""

    requests: int = 0
    left: int = 0
    answers: dict[int, int] = {}
    months: dict[str, int] = {}
    differing: int = 0
    differences: list[str] = []
    repaired: float | None = None

    def differ(self, text: str, count: int = 1) -> None:
        """Note a difference; only the first few are kept."""
        self.differing += count
        if len(self.differences) < MOST_SHOWN:
            self.differences.append(text)


def walk_all(ledger: Ledger) -> Walk:
    """Walk the whole chain and nothing else: is it whole?"""
    walk = begin_walk(ledger)
    for _ in follow(rows_of(ledger), walk):
        pass
    return walk


def verify(ledger: Ledger, expect: Mark | None = None) -> Checked:
    """Walk the whole chain and compare it with the records of the months that are still held, both ways.

    Answers from outside are also counted against the roll-ups, which outlive their rows. Raises StoreError where the
    ledger cannot be read.
    """
    with ledger.at_once():  # from here on others may write: what they add lies behind this end
        end = ledger.rows("SELECT coalesce(max(number), 0) FROM audit")[0][0]
        months = [month for (month,) in ledger.rows("SELECT month FROM segments ORDER BY month")]
        sums = answers_by_hour(ledger)
    walk, tally = begin_walk(ledger, expect=expect), _Tally()
    waiting: list[tuple[int, int, Entry]] = []
    for number, at, _, _, text in follow(rows_of(ledger, until=end), walk):
        entry = read_entry(text)
        if entry is None:
            if action_of(text) == REPAIRED and '"damaged":1' in text:
                tally.repaired = at / MICRO
            continue
        waiting.append((number, at, entry))
        if len(waiting) >= AT_ONCE:
            _compare(ledger, waiting, months, tally)
            waiting.clear()
    _compare(ledger, waiting, months, tally)
    settle_end(walk)
    if walk.fault is None:
        _without_entry(ledger, months, walk, tally)
        _too_few(sums, walk, tally)
    return Checked(
        entries=walk.entries, requests=tally.requests, left=tally.left, first=walk.first, last=walk.last,
        begin=walk.begin, head=walk.at, fault=walk.fault, differing=tally.differing,
        differences=tuple(tally.differences), months=tuple(months), repaired=tally.repaired,
    )  # fmt: skip


def _compare(ledger: Ledger, found: Sequence[tuple[int, int, Entry]], months: Sequence[str], tally: _Tally) -> None:
    """Entries against their records, where these are still held."""
    by_month: dict[str, dict[str, tuple[int, Entry]]] = {}
    for number, at, entry in found:
        tally.requests += 1
        tally.left += entry.left
        if from_outside(entry):
            hour = at // (3600 * MICRO)
            tally.answers[hour] = tally.answers.get(hour, 0) + 1
        by_month.setdefault(month_of(at / MICRO), {})[entry.request] = (number, entry)
    for month, entries in by_month.items():
        if month not in months:
            continue
        tally.months[month] = tally.months.get(month, 0) + len(entries)
        rows = ledger.rows(
            f"SELECT r.id, r.audit, r.key, r.status, d.away FROM records_{month} r LEFT JOIN decisions_{month} d "
            f"ON d.id = r.decision WHERE r.id IN ({', '.join('?' * len(entries))})",
            list(entries),
        )
        for id_, place, key, status, away in rows:
            number, entry = entries.pop(id_)
            calls = sum(went.left for went in entry.to)
            if place != number:
                tally.differ(
                    f"entry {number:,}: the record of {id_} names " + (f"entry {place:,}" if place else "none")
                )
            elif (key, status) != (entry.key, entry.status) or away not in (None, calls):
                tally.differ(f"entry {number:,}: the record of {id_} says otherwise")
        for id_, (number, _) in entries.items():
            tally.differ(f"entry {number:,}: {id_} has no record")


def _without_entry(ledger: Ledger, months: Sequence[str], walk: Walk, tally: _Tally) -> None:
    """Records that left, or that name an entry, of which the chain knows nothing."""
    for month in months:
        where = (
            f"FROM records_{month} r LEFT JOIN decisions_{month} d ON d.id = r.decision LEFT JOIN audit a "
            "ON a.number = r.audit WHERE (r.audit = 0 AND d.away > 0) OR (r.audit > ? AND a.number IS NULL)"
        )
        count = ledger.rows(f"SELECT count(*) {where}", (walk.begin.number,))[0][0]
        if count:
            found = ledger.rows(
                f"SELECT r.id, r.audit {where} ORDER BY r.number LIMIT ?", (walk.begin.number, MOST_SHOWN)
            )
            for id_, place in found:
                gone = f"the record of {id_} names entry {place:,}, which is gone"
                tally.differ(gone if place else f"{id_} left without an entry")
            tally.differing += count - len(found)
        named = ledger.rows(
            f"SELECT count(*) FROM records_{month} WHERE audit > ? AND audit <= ?", (walk.begin.number, walk.at.number)
        )[0][0]
        entries = tally.months.get(month, 0)
        if named != entries and not tally.differing:
            tally.differ(f"{month.replace('_', '-')}: {named:,} records name an entry, and {entries:,} are there")


def answers_by_hour(ledger: Ledger, key: str = "") -> dict[int, int]:
    """Answers from outside (to one key) by hour, as the roll-ups know them, from the audit's first whole hour on."""
    return dict(
        ledger.rows(
            "SELECT hour, sum(ok) FROM rollups WHERE local = 0 AND deployment <> '' AND hour > ? "
            "AND (? = '' OR key = ?) GROUP BY hour",
            (int(audited_since(ledger) // 3600), key, key),
        )
    )


def _too_few(sums: dict[int, int], walk: Walk, tally: _Tally) -> None:
    """Days on which more answers came from outside than the audit knows of."""
    begin = 0 if walk.begin.number == 0 or walk.first is None else int(walk.first // 3600) + 24
    days: dict[int, tuple[int, int]] = {}
    for hour, answers in sums.items():
        if hour >= begin:
            said, known = days.get(hour // 24, (0, 0))
            days[hour // 24] = (said + answers, known + tally.answers.get(hour, 0))
    for day, (said, known) in sorted(days.items()):
        if said > known:
            date = dt.date(1970, 1, 1) + dt.timedelta(day)
            tally.differ(f"{date}: {said:,} answers came from outside, and the audit knows {known:,}")


def audited_since(ledger: Ledger) -> float:
    """The Unix second from which on requests that leave are in the audit."""
    found = ledger.rows("SELECT applied FROM migrations WHERE number = ?", (AUDITED_SINCE,))
    return float(found[0][0]) if found else 0.0


# -------------------------------------------------------------------------------------------------------- forgetting


def cut(ledger: Ledger, keep_days: int, *, dry_run: bool = False) -> int:
    """Forget the beginning of the chain, up to the first entry of the last ``keep_days`` days; how many entries.

    An entry is written first that holds the number and the hash of the last one that goes, so that the rest can still
    be verified. 0 days: nothing is forgotten. The gateway may run meanwhile; what breaks off goes on the next time.
    """
    if keep_days <= 0:
        return 0
    limit = round((ledger.clock() - keep_days * 86_400) * MICRO)
    kept = ledger.rows("SELECT min(number) FROM audit WHERE time >= ?", (limit,))[0][0]
    kept = _HIGHEST if kept is None else kept
    old = (kept, f'{{"action":"{CUT}"%')  # what earlier cuts left is no reason for another one
    going = ledger.rows("SELECT count(*) FROM audit WHERE number < ? AND entry NOT LIKE ?", old)[0][0]
    if dry_run:
        return int(going)
    with ledger.change() as connection:
        if going:
            last = connection.execute(
                "SELECT number, hash FROM audit WHERE number < ? ORDER BY number DESC LIMIT 1", (kept,)
            ).fetchone()
            add_audit(connection, CUT, {"through": last[0], "hash": last[1]}, ledger.clock())
            connection.execute(
                "INSERT INTO meta VALUES ('audit_cut', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                (str(head(connection)[0]),),
            )
    mark = last_cut(ledger)
    first = ledger.rows("SELECT min(number) FROM audit")[0][0]
    count = 0
    while mark is not None and first is not None and first <= mark.number:
        first += _CUT_AT_ONCE
        with ledger.change() as connection:
            done = connection.execute("DELETE FROM audit WHERE number <= ?", (min(first - 1, mark.number),))
            count += max(0, done.rowcount)
    return count
