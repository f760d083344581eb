"""What left, to whom, under which rule: the audit asked about a period, in figures and in one sentence.

Only the section of the chain that speaks of the period is read, in portions, and each of its entries is verified, with
the one behind it. What the audit cannot know is said beside what it knows: who was not looked at, what nobody can read,
what lies before its beginning.
"""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Iterator, Mapping
from itertools import islice

import msgspec

from crossover.ledger import queries
from crossover.ledger.audit import Walk, answers_by_hour, audited_since, begin_walk, follow, iso, rows_of
from crossover.ledger.chain import MICRO, OFF, STOPPED, Entry, Row, Went, action_of, from_outside, read_entry
from crossover.ledger.store import Ledger

UNNAMED = "(not named)"  # a party or rule that nobody wrote down
HOUR = 3600
DAY = 24 * HOUR


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked: a period (Unix seconds, its end not included), of whom, and what of it is shown.

    ``key`` (an id) and ``to`` (a party, zone, provider or deployment) narrow every figure; ``left``, ``stopped`` and
    ``category`` only choose what is listed. ``latest``: so many single requests as well.
    """

    since: float
    until: float
    key: str = ""
    to: str = ""
    left: bool = False
    stopped: bool = False
    category: str = ""
    latest: int = 0


class Group(msgspec.Struct, kw_only=True):
    """Requests that went the same way: to whom, what was found, what was done, by which rule."""

    party: str  # empty: it stayed
    zone: str
    found: str
    done: str
    rule: str
    requests: int = 0
    redacted: int = 0
    first: float = 0.0
    last: float = 0.0


class Held(msgspec.Struct):
    """Requests that held one category: how many left, of these with every finding replaced, stayed, were stopped."""

    left: int = 0
    replaced: int = 0
    stayed: int = 0
    stopped: int = 0


class Survey(msgspec.Struct, kw_only=True):
    """The figures of a period. ``requests`` are those the audit keeps: they left, or something was found in them.

    ``parties`` counts requests by who got them, ``held`` by category. Of those that left, nobody looked at
    ``unclassified``, and ``opaque`` held what nobody can read; ``looks`` counts (profile, detector). ``redacted``
    findings were replaced. ``all_requests`` is what the roll-ups count, None where they cannot tell; ``unknown`` are
    answers from outside that only they know of. ``kept_since`` is when the audit begins, ``cut_until`` the time of its
    first entry where older ones were forgotten. ``events`` counts the other entries. ``names`` are all that could be
    asked for with ``to``.
    """

    requests: int = 0
    left: int = 0
    parties: dict[str, int] = {}
    held: dict[str, Held] = {}
    unclassified: int = 0
    opaque: int = 0
    looks: dict[tuple[str, str], int] = {}
    redacted: int = 0
    stayed: int = 0
    stopped: int = 0
    all_requests: int | None = None
    unknown: int = 0
    kept_since: float = 0.0
    cut_until: float | None = None
    events: dict[str, int] = {}
    groups: list[Group] = []
    latest: list[tuple[float, int, Entry]] = []  # Unix seconds, number in the chain, entry
    names: set[str] = set()
    keys: set[str] = set()
    walk: Walk


def survey(ledger: Ledger, wanted: Wanted) -> Survey:
    """Answer for a period. Where the chain breaks in it, ``walk.fault`` says so and the figures end there."""
    begin, end = round(wanted.since * MICRO), round(wanted.until * MICRO)
    walk, rows = section(ledger, begin, end)
    found = Survey(walk=walk, kept_since=audited_since(ledger))
    groups: dict[tuple[str, ...], Group] = {}
    latest: deque[tuple[float, int, Entry]] = deque(maxlen=wanted.latest)
    answers: dict[int, int] = {}
    for number, at, _, _, text in follow(rows, walk):
        if not begin <= at < end:
            continue
        entry = read_entry(text)
        if entry is None:
            name = action_of(text)
            found.events[name] = found.events.get(name, 0) + 1
            continue
        found.keys.add(entry.key)
        if wanted.key and entry.key != wanted.key:
            continue
        if from_outside(entry):
            answers[at // (HOUR * MICRO)] = answers.get(at // (HOUR * MICRO), 0) + 1
        found.names.update(name for went in entry.to if went.left for name in _names(went))
        if wanted.to and not _gone(entry, wanted.to):
            continue
        _count(found, entry, wanted.to)
        if _is_shown(entry, wanted):
            _group(groups, entry, at / MICRO, wanted.to)
            latest.append((at / MICRO, number, entry))
    found.groups = sorted(groups.values(), key=lambda group: (group.party == "", -group.requests, group.party))
    found.latest = list(latest)
    _complete(ledger, wanted, found, answers)
    return found


def section(ledger: Ledger, begin: int, end: int) -> tuple[Walk, Iterator[Row]]:
    """The entries of a period (microseconds), whatever stands between them, and the one behind: it must follow too."""
    low, high = ledger.rows("SELECT min(number), max(number) FROM audit WHERE time >= ? AND time < ?", (begin, end))[0]
    if low is None:  # none: then the entries around the gap must follow from each other
        before = ledger.rows("SELECT max(number) FROM audit WHERE time < ?", (begin,))[0][0]
        walk = begin_walk(ledger, after=before)
        return walk, islice(rows_of(ledger, walk.at.number), 1)
    behind = ledger.rows("SELECT min(number) FROM audit WHERE number > ?", (high,))[0][0]
    return begin_walk(ledger, after=low - 1), rows_of(ledger, low - 1, behind or high)


def _names(went: Went) -> set[str]:
    return {went.party, went.zone, went.provider, went.deployment} - {""}


def _gone(entry: Entry, to: str) -> list[Went]:
    return [went for went in entry.to if went.left and (not to or to in _names(went))]


def stopped(entry: Entry) -> bool:
    """Whether nobody answered because of what was, or might have been, in the request."""
    return not entry.left and entry.status != "ok" and (entry.decision in STOPPED or entry.decision == "local_only")


def _replaced(entry: Entry, gone: list[Went]) -> bool:
    """Whether every finding was replaced wherever it went; what was only stated from outside cannot be."""
    if entry.labels or entry.opaque or not entry.counts:
        return False
    return all(went.action == "redact" and went.redacted >= entry.found for went in gone)


def _count(found: Survey, entry: Entry, to: str) -> None:
    gone, is_stopped = _gone(entry, to), stopped(entry)
    found.requests += 1
    if gone:
        found.left += 1
        for party in {went.party or UNNAMED for went in gone}:
            found.parties[party] = found.parties.get(party, 0) + 1
        found.unclassified += not entry.classified
        found.opaque += bool(entry.opaque)
        found.redacted += sum(went.redacted for went in gone)
        if entry.classified:
            look = (entry.profile, entry.detector)
            found.looks[look] = found.looks.get(look, 0) + 1
    else:
        found.stopped += is_stopped
        found.stayed += not is_stopped
    replaced = bool(gone) and _replaced(entry, gone)
    for category in entry.categories:
        held = found.held.setdefault(category, Held())
        held.left += bool(gone)
        held.replaced += replaced
        held.stopped += is_stopped
        held.stayed += not gone and not is_stopped


def _is_shown(entry: Entry, wanted: Wanted) -> bool:
    if wanted.left and not entry.left:
        return False
    if wanted.stopped and not (stopped(entry) or entry.decision == "failed"):
        return False
    return not wanted.category or wanted.category in entry.categories


def found_in(entry: Entry) -> str:
    """What an entry says was in the request, in a few words."""
    words = list(entry.categories)
    if entry.opaque:
        words.append("unreadable parts")
    if not entry.classified:
        words.append("not looked at" if entry.profile in OFF else "detection failed")
    return ", ".join(words) or "nothing"


def done_with(entry: Entry, went: Went | None = None) -> str:
    """What was done with a request, in a word: ``allow``, ``redact``, ``stayed``, or why it was stopped."""
    if went is not None:
        return went.action or entry.decision or "allow"
    if not stopped(entry):
        return "stayed"
    return "nobody at home" if entry.decision == "local_only" else entry.decision


def _group(groups: dict[tuple[str, ...], Group], entry: Entry, at: float, to: str) -> None:
    """Put an entry where those like it are; one that went to two places is in two groups."""
    gone = _gone(entry, to)
    rule = entry.rule or (entry.profile if entry.classified else "")
    places: dict[tuple[str, str, str], int] = {}
    for went in gone:
        place = (went.party or UNNAMED, went.zone, done_with(entry, went))
        places[place] = places.get(place, 0) + went.redacted
    if not gone:
        zones = sorted({went.zone for went in entry.to if went.zone})
        places["", ", ".join(zones), done_with(entry)] = 0
    for (party, zone, done), redacted in places.items():
        key = (party, zone, found_in(entry), done, rule)
        group = groups.get(key)
        if group is None:
            group = groups[key] = Group(
                party=party, zone=zone, found=key[2], done=done, rule=rule, first=at, last=at
            )  # fmt: skip
        group.requests += 1
        group.redacted += redacted
        group.first, group.last = min(group.first, at), max(group.last, at)


def _complete(ledger: Ledger, wanted: Wanted, found: Survey, answers: Mapping[int, int]) -> None:
    """What the roll-ups know of the same period, and where the audit begins."""
    first = ledger.rows("SELECT number, time FROM audit ORDER BY number LIMIT 1")
    if first and first[0][0] > 1:
        found.cut_until = first[0][1] / MICRO
    if wanted.to:
        return
    if not wanted.since % HOUR and not wanted.until % HOUR:
        found.all_requests = queries.total(ledger, wanted.since, wanted.until).requests if not wanted.key else None
    since = wanted.since if found.cut_until is None else max(wanted.since, found.cut_until + DAY)
    for hour, said in answers_by_hour(ledger, wanted.key).items():
        if since <= hour * HOUR and (hour + 1) * HOUR <= wanted.until and said > answers.get(hour, 0):
            found.unknown += said - answers.get(hour, 0)


# ---------------------------------------------------------------------------------------------------------- in words


def sentence(found: Survey, wanted: Wanted, now: float, who: str = "") -> str:
    """The answer in one sentence: how much left, to whom, and what was in it."""
    text = f"{period(wanted.since, wanted.until, now)}{who}: "
    if not found.left:
        return text + "no request left" + (f" to {wanted.to}" if wanted.to else "")
    parties = sorted(found.parties.items(), key=lambda item: (-item[1], item[0]))
    if len(parties) == 1:
        names = parties[0][0]
    else:
        names = f"{len(parties)} parties ({', '.join(f'{name} {count:,}' for name, count in parties)})"
    return f"{text}{_many(found.left, 'request')} left to {names}; {_held(found, wanted.category)}"


def _held(found: Survey, category: str) -> str:
    """What was in the requests that left."""
    looked, them = found.left - found.unclassified, "it" if found.left == 1 else "them"
    if not looked:
        return f"nobody looked at {them}"
    whom = them if found.left == 1 else "any of them"
    if looked < found.left:
        whom = "the one that was looked at" if looked == 1 else f"any of the {looked:,} that were looked at"
    held = {name: each for name, each in found.held.items() if each.left}
    if category:
        each = held.get(category)
        if each is None:
            return f"no {category} data was found in {whom}"
        if each.replaced == each.left:
            return f"{each.left:,} held {category} data, and every finding was replaced before they left"
        return f"{each.left:,} held {category} data ({each.replaced:,} with every finding replaced before they left)"
    if held:
        parts = ", ".join(
            f"{name} data in {each.left:,} ({each.replaced:,} with every finding replaced)"
            for name, each in sorted(held.items())
        )
        return f"found: {parts}"
    return f"nothing sensitive was found in {whom}"


def remarks(found: Survey, wanted: Wanted) -> list[tuple[str, str]]:
    """What belongs to the sentence, most important first: a word and a text each."""
    lines = [*_limits(found, wanted), *_details(found, wanted)]
    if found.walk.fault is None:
        lines.append(("Verified", _verified(found.walk)))
    if found.looks:
        text = "what a detector misses is in no audit; how much that is, the page on privacy says for each category"
        lines.append(("Not proved", text))
    return lines


def _limits(found: Survey, wanted: Wanted) -> Iterator[tuple[str, str]]:
    """What the audit does not know of the period."""
    if found.walk.fault is not None:
        yield "Broken", f"{found.walk.fault.sentence()}. No figure here proves anything"
    if wanted.since < found.kept_since:
        yield "Before", f"the audit is kept since {iso(found.kept_since)}: of the time before nothing is known"
    if found.cut_until is not None and wanted.since < found.cut_until:
        yield "Forgotten", f"older entries were dropped: those that are left begin {iso(found.cut_until)}"
    if found.unknown:
        text = f"the roll-ups count {_many(found.unknown, 'answer')} from outside of which the audit knows nothing"
        yield "Missing", text
    if found.unclassified:
        yield "Not looked at", f"{_many(found.unclassified, 'request')} left unclassified: nobody knows what they held"
    if found.opaque:
        yield "Unreadable", f"{_many(found.opaque, 'request')} left with parts that no detector can read"


def _details(found: Survey, wanted: Wanted) -> Iterator[tuple[str, str]]:
    """What else the audit knows of the period."""
    if found.looks:
        looks = [
            f"{profile} with detector {detector or UNNAMED} ({count:,})"
            for (profile, detector), count in sorted(found.looks.items(), key=lambda item: (-item[1], item[0]))
        ]
        yield "Judged by", "; ".join(looks)
    if found.redacted:
        yield "Replaced", f"{_many(found.redacted, 'finding')} before they left"
    if sum(found.parties.values()) > found.left:
        yield "Twice", "a request that went to more than one party, after a failure, counts for each"
    held = found.held.get(wanted.category) if wanted.category else Held(stayed=found.stayed, stopped=found.stopped)
    if held is not None and (held.stayed or held.stopped):
        what = (
            f"that held {wanted.category} data"
            if wanted.category
            else "in which something was found, or could not be read,"
        )
        yield "Kept back", f"{_many(held.stayed, 'request')} {what} stayed, {held.stopped:,} went nowhere"
    if found.all_requests is not None:
        yield "In all", f"{_many(found.all_requests, 'request')} by the roll-ups"
    if found.events:
        yield "Beside them", ", ".join(f"{name or 'unknown'} {count:,}" for name, count in sorted(found.events.items()))


def _verified(walk: Walk) -> str:
    if not walk.entries:
        return "the chain holds no entry of this time and none behind it"
    first = walk.begin.number + 1
    numbers = f"entry {first:,} of the chain holds"
    if walk.entries > 1:
        numbers = f"entries {first:,} to {walk.at.number:,} of the chain hold"
    return f"{numbers}; `crossover audit verify` checks all of it, and the records"


def period(since: float, until: float, now: float) -> str:
    """A period in words: ``In 2026-03``, ``On 2026-03-05``, or from when to when."""
    begin, end = (dt.datetime.fromtimestamp(time, dt.UTC) for time in (since, until))
    so_far = " (so far)" if until > now else ""
    if begin.time() == end.time() == dt.time():
        if begin.day == 1 and end == (begin + dt.timedelta(days=32)).replace(day=1):
            return f"In {begin:%Y-%m}{so_far}"
        if end - begin == dt.timedelta(days=1):
            return f"On {begin:%Y-%m-%d}{so_far}"
    return f"From {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC{so_far}"


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"
