"""The chain of the audit: what an entry says of a request, and how each entry holds the hash of the one before it.

An entry is JSON text; its hash covers the text, its number, its time and the hash before it. So nobody can change,
take out or swap an entry without making anew every hash after it, and whoever noted a later hash elsewhere sees that.
Entries hold names, kinds and counts: never a value, never a text of a request. Pure but for :func:`add_audit`.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from crossover.ledger.schema import UNKNOWN_NAME
from crossover.ledger.words import AttemptRow, Record

FIRST = "0" * 64  # what the first entry names as the hash before it
MICRO = 1_000_000
CUT = "audit cut"  # the action of an entry that says which entries before it were forgotten
OFF = frozenset({"", "off"})  # profiles under which nobody looked
STOPPED = frozenset({"block", "failed"})
LONGEST = 200  # characters of one name in an entry

Row = tuple[Any, ...]


class Went(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One deployment that was called. ``left``: bytes went to a place that is not the user's own.

    ``action`` is ``allow`` or ``redact``, ``redacted`` how many findings were replaced before they went, ``accepted``
    whether it may have read them, ``outcome`` is ``ok`` or how the call failed.
    """

    deployment: str
    provider: str = ""
    party: str = ""
    zone: str = ""
    left: bool = False
    action: str = ""
    redacted: int = 0
    accepted: bool = False
    outcome: str = ""


class Entry(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="action", tag="request", gc=False):
    """What the audit says of one request; its time, beside it in the chain, is that of the request's arrival.

    ``counts`` are findings by (category, kind, tier), ``labels`` categories that were only stated from outside.
    ``profile`` is empty where nobody looked. ``decision`` is what the policy decided (``allow``, ``redact``,
    ``local_only``, ``block``, ``failed``) by ``rule``. ``to`` holds every call, in order.
    """

    request: str
    door: str = ""
    asked: str = ""
    key: str = ""
    status: str = ""
    error: str = ""
    profile: str = ""
    detector: str = ""
    counts: tuple[tuple[str, str, str, int], ...] = ()
    labels: tuple[str, ...] = ()
    opaque: str = ""
    decision: str = ""
    rule: str = ""
    to: tuple[Went, ...] = ()

    @property
    def left(self) -> bool:
        """Whether bytes of the request went to a place that is not the user's own."""
        return any(went.left for went in self.to)

    @property
    def classified(self) -> bool:
        """Whether a detector looked at the request, and did not fail."""
        return self.profile not in OFF and self.decision != "failed"

    @property
    def found(self) -> int:
        """How many findings there were."""
        return sum(count for *_, count in self.counts)

    @property
    def categories(self) -> tuple[str, ...]:
        """What it held, as found or as stated from outside."""
        return tuple(sorted({*(category for category, *_ in self.counts), *self.labels}))


_ENCODE = msgspec.json.Encoder().encode
_DECODE = msgspec.json.Decoder(Entry).decode
_START = '{"action":"request"'


def left(record: Record, attempt: AttemptRow) -> bool:
    """Whether bytes of this attempt left; an answer from a place that is not the user's own proves that they did."""
    return attempt.left or (attempt.outcome == "ok" and not record.local and attempt.deployment == record.deployment)


def unsaid(record: Record) -> bool:
    """Whether it was answered from outside, and no attempt says so."""
    if record.status != "ok" or record.local or not record.deployment:
        return False
    for attempt in record.attempts:
        if attempt.outcome == "ok" and (attempt.left or attempt.deployment == record.deployment):
            return False
    return True


def needs_entry(record: Record) -> bool:
    """Whether the audit keeps this request: it left, something was found in it, nobody could read it, or it stopped."""
    privacy = record.privacy
    if privacy is not None and (privacy.counts or privacy.opaque or privacy.action in STOPPED):
        return True
    if record.status == "ok" and not record.local and record.deployment:
        return True
    for attempt in record.attempts:  # noqa: SIM110 - this runs for every request, and a generator takes twice as long
        if attempt.left or (not record.local and left(record, attempt)):
            return True
    return False


def entry_of(record: Record) -> str:
    """The entry of a request, as JSON text."""
    own, privacy, labels = record.deployment, record.privacy, record.categories
    unknown = record.http_status == 404 and not own  # then the name is a text that the client made up
    asked = UNKNOWN_NAME if unknown else record.asked[:LONGEST]
    went = [
        Went(
            attempt.deployment, attempt.provider or (record.provider if attempt.deployment == own else ""),
            attempt.party, attempt.zone or (record.zone if attempt.deployment == own else ""), left(record, attempt),
            attempt.action, attempt.redacted, attempt.accepted, attempt.outcome,
        )
        for attempt in record.attempts
    ]  # fmt: skip
    if unsaid(record):
        went.append(Went(own, record.provider, zone=record.zone, left=True, accepted=True, outcome="ok"))
    if privacy is None:
        entry = Entry(
            record.id, record.door, asked, record.key, record.status, record.error[:LONGEST], labels=labels,
            to=tuple(went),
        )  # fmt: skip
        return _ENCODE(entry).decode()
    if labels and privacy.counts:
        found = [row[0] for row in privacy.counts]
        labels = tuple([label for label in labels if label not in found])
    entry = Entry(
        record.id, record.door, asked, record.key, record.status, record.error[:LONGEST], privacy.profile[:LONGEST],
        privacy.detector[:LONGEST], privacy.counts, labels, privacy.opaque[:LONGEST], privacy.action,
        privacy.rule[:LONGEST], tuple(went),
    )  # fmt: skip
    return _ENCODE(entry).decode()


def from_outside(entry: Entry) -> bool:
    """Whether the answer came from a place that is not the user's own."""
    return entry.status == "ok" and any(went.left and went.outcome == "ok" for went in entry.to)


def read_entry(text: str) -> Entry | None:
    """The entry of a request; None for entries about other things, and for what no version knows."""
    if not text.startswith(_START):
        return None
    try:
        return _DECODE(text)
    except msgspec.MsgspecError:
        return None


def action_of(text: str) -> str:
    """What an entry is about: ``request``, ``key created`` …; empty for what is no entry at all."""
    try:
        facts = msgspec.json.decode(text)
    except msgspec.MsgspecError:
        return ""
    return str(facts.get("action", "")) if isinstance(facts, dict) else ""


def audit_hash(number: int, at: int, previous: str, entry: str) -> str:
    """SHA-256 over the entry, its place, its time (microseconds) and the hash before it."""
    return hashlib.sha256(f"{number}\n{at}\n{previous}\n{entry}".encode()).hexdigest()


def link(entries: Iterable[tuple[int, str]], number: int, previous: str) -> list[Row]:
    """Rows of table ``audit`` for entries (time in microseconds, text) after the entry ``number``, hashed in turn."""
    rows: list[Row] = []
    for at, entry in entries:
        number += 1
        digest = hashlib.sha256(f"{number}\n{at}\n{previous}\n{entry}".encode()).hexdigest()
        rows.append((number, at, previous, digest, entry))
        previous = digest
    return rows


def head(connection: sqlite3.Connection) -> tuple[int, str]:
    """Number and hash of the last entry; what stands before the first one where there is none."""
    last: Sequence[Any] | None = connection.execute(
        "SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1"
    ).fetchone()
    return (int(last[0]), str(last[1])) if last else (0, FIRST)


def add_audit(connection: sqlite3.Connection, action: str, facts: Mapping[str, str | int], now: float) -> str:
    """Append to the chain inside the caller's transaction; the hash of the entry, which covers all before it."""
    number, previous = head(connection)
    entry = json.dumps({"action": action, **facts}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    (row,) = link([(round(now * MICRO), entry)], number, previous)
    connection.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?)", row)
    return str(row[3])
