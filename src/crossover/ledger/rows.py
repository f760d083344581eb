"""Records as rows of tables, rows as records again, and the sums of a batch. Pure: no database, no clock."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

import msgspec

from crossover.ledger.chain import left, needs_entry, unsaid
from crossover.ledger.schema import (
    ATTEMPT_COLUMNS,
    CHILDREN,
    DECISION_COLUMNS,
    INPUT_ESTIMATED,
    OUTPUT_ESTIMATED,
    RESERVED,
    STREAMED,
    SUM_COLUMNS,
    UNKNOWN_NAME,
    UNPRICED,
    month_of,
)
from crossover.ledger.words import Alternative, AttemptRow, Privacy, Record

MICRO = 1_000_000
HOUR_US = 3600 * MICRO
LARGEST = 10**15  # of a figure that had to be mended: a thousand dollars, and thousands of them fit one bigint
LAST_TIME = 4e9  # the year 2096; later is a clock gone wrong
NAME_LENGTH = 200  # characters of a name that a client made up
ERROR_LENGTH = 500

Row = tuple[Any, ...]
Sums = list[int]
_ENCODE = msgspec.json.Encoder().encode
_WENT = ("left", "zone", "provider", "party", "action", "redacted")
_COUNTS = msgspec.json.Decoder(tuple[tuple[str, str, str, int], ...]).decode
_PLACE = {"ok": 1, "error": 2, "refused": 3, "cancelled": 4, "truncated": 5}  # of a status in SUM_COLUMNS


class Rows(msgspec.Struct):
    """What one segment gets from one batch."""

    records: list[Row] = []
    attempts: list[Row] = []
    alternatives: list[Row] = []
    decisions: dict[Row, int] = {}  # content → id, in the order they came


class Batch(msgspec.Struct):
    """What a transaction writes: rows by month, sums by GROUP_COLUMNS in the order of SUM_COLUMNS, who is audited."""

    months: dict[str, Rows] = {}
    sums: dict[Row, Sums] = {}
    audited: list[Record] = []  # those that the audit keeps, in the order of their entries


def best_of(record: Record) -> int | None:
    """What the cheapest permitted API would have cost: an alternative, or what answered where that was an API.

    None where no API was permitted or none has a price: then nothing was saved by staying, and nothing lost.
    """
    best = record.cost if record.deployment and not record.local and record.cost_known else None
    for other in record.alternatives:
        if other.permitted and not other.local and (best is None or other.cost < best):
            best = other.cost
    return best


def decision_of(record: Record) -> Row:
    """What a record shares with many others: the columns of ``decisions`` after the id, as a hashable row."""
    privacy, away = record.privacy, 0
    went: Row = ()
    for attempt in record.attempts:
        if left(record, attempt):
            away += 1
        went += (
            (attempt.left, attempt.zone, attempt.provider, attempt.party, attempt.action, attempt.redacted),
        )  # fmt: skip
    if unsaid(record):
        away += 1
    if went and not went[0][1] and not any(map(any, went)):
        went = ()  # nobody said where
    return (
        record.kind, record.door, record.asked[:NAME_LENGTH], record.policy, record.deployment, record.provider,
        record.model, record.zone, record.local, record.tier, record.categories, record.price_source, record.decision,
        _refused(record), record.dropped,
        () if privacy is None
        else (privacy.profile, privacy.detector, privacy.opaque, privacy.rule, privacy.action),
        went, away,
    )  # fmt: skip


def _refused(record: Record) -> Row:
    """Who was refused and why; with the code of each where somebody noted them."""
    if len(record.codes) != len(record.refused):
        return record.refused
    return tuple([(name, reason, code) for (name, reason), code in zip(record.refused, record.codes, strict=True)])


def decision_id(content: Row) -> int:
    """63 bits of the hash of a decision's content: the same content has the same id in every process.

    Where privacy and the audit have nothing to say, it is the id that earlier versions gave.
    """
    known = content if content[-1] or content[-2] or content[-3] else content[:-3]
    return int.from_bytes(hashlib.sha256(_ENCODE(known)).digest()[:8], "big") >> 1


def decision_row(number: int, content: Row) -> Row:
    """The row of table ``decisions``."""
    kind, door, asked, policy, deployment, provider, model, zone, local, tier, categories, source, *rest = content
    reason, refused, dropped, privacy, went, away = rest
    return (
        number, kind, door, asked, policy, deployment, provider, model, zone, int(local), tier, text_of(categories),
        source, reason, text_of(refused), text_of(dropped), text_of(privacy) if privacy else "",
        text_of(went) if went else "", away,
    )  # fmt: skip


def decision_holds(row: Sequence[Any]) -> bool:
    """Whether a row of table ``decisions`` (DECISION_COLUMNS) still is what its id, a hash, was made of."""
    facts = dict(zip(DECISION_COLUMNS, row, strict=True))
    try:
        facts |= {name: msgspec.json.decode(facts[name]) for name in ("categories", "refused", "dropped")}
        facts |= {name: msgspec.json.decode(facts[name] or "[]") for name in ("privacy", "went")}
    except msgspec.MsgspecError:
        return False
    facts["local"] = bool(facts["local"])
    return decision_id(tuple(facts[name] for name in DECISION_COLUMNS[1:])) == int(facts["id"])


def text_of(value: object) -> str:
    """A value as compact JSON text."""
    return _ENCODE(value).decode()


def batch_of(
    records: Iterable[Record], after: Callable[[str], int], known: Mapping[str, Mapping[Row, int]], audited: int = 0
) -> Batch:
    """Every row that a batch needs. ``after`` gives the last number used in a month's segment.

    ``audited`` is the number of the audit's last entry. ``known`` holds, by month, the decisions that the file has;
    others come back in ``Rows.decisions``. Raises ValueError, TypeError, OverflowError or KeyError for a record that
    no database takes; see :func:`mend`.
    """
    batch = Batch()
    numbers: dict[str, int] = {}
    month, hour, begin, until, number = "", 0, 0.0, 0.0, 0
    rows, decisions = Rows(), known.get(month, {})
    for record in records:
        time = record.time
        if not begin <= time < until:  # months begin at hours: within one nothing has to be looked up again
            if not 0 <= time < LAST_TIME:
                raise ValueError("a time that is none")
            if month:
                numbers[month] = number
            month, hour = month_of(time), int(time // 3600)
            begin, until = hour * 3600.0, hour * 3600.0 + 3600.0
            if month not in batch.months:
                batch.months[month], numbers[month] = Rows(), after(month)
            rows, number, decisions = batch.months[month], numbers[month], known.get(month, {})
        number += 1
        content = decision_of(record)
        decision = decisions.get(content) or rows.decisions.get(content)
        if decision is None:
            decision = rows.decisions[content] = decision_id(content)
        best = best_of(record)
        entry = 0
        if needs_entry(record):
            batch.audited.append(record)
            entry = audited + len(batch.audited)
        _add(record, number, decision, best, entry, rows)
        _count(record, hour, best, batch.sums)
    return batch


def _add(record: Record, number: int, decision: int, best: int | None, entry: int, rows: Rows) -> None:
    flags = (
        (STREAMED if record.streamed else 0)
        | (INPUT_ESTIMATED if record.input_basis == "estimated" else 0)
        | (OUTPUT_ESTIMATED if record.output_basis == "estimated" else 0)
        | (0 if record.cost_known else UNPRICED)
        | (RESERVED if record.reserved else 0)
    )
    rows.records.append((
        number, record.id, round(record.time * MICRO), decision, record.key, record.status, record.http_status,
        record.error[:ERROR_LENGTH], flags, record.queue_ms, record.ttft_ms, record.total_ms, record.input_tokens,
        record.cached_read, record.cache_write_5m, record.cache_write_1h, record.output_tokens, record.reasoning,
        record.images, record.cost, record.marginal, best,
        text_of(record.privacy.counts) if record.privacy is not None and record.privacy.counts else "", entry,
    ))  # fmt: skip
    place = number * CHILDREN
    for attempt in record.attempts[:CHILDREN]:
        rows.attempts.append((
            place, attempt.deployment, attempt.outcome, attempt.start_ms, attempt.duration_ms,
            attempt.upstream_status, 1 if attempt.accepted else 0, attempt.input_tokens, attempt.output_tokens,
            attempt.cost,
        ))  # fmt: skip
        place += 1
    place = number * CHILDREN
    for other in record.alternatives[:CHILDREN]:
        rows.alternatives.append(
            (place, other.deployment, other.cost, 1 if other.permitted else 0, 1 if other.local else 0)
        )
        place += 1


def _count(record: Record, hour: int, best: int | None, sums: dict[Row, Sums]) -> None:
    """Add a record to the sums of its group; most requests leave most of them alone."""
    unknown = record.http_status == 404 and not record.deployment
    group = (
        hour, record.key, UNKNOWN_NAME if unknown else record.asked[:NAME_LENGTH], record.deployment, record.provider,
        record.zone, 1 if record.local else 0,
    )  # fmt: skip
    row = sums.get(group)
    if row is None:
        row = sums[group] = [0] * len(SUM_COLUMNS)
    row[0] += 1
    row[_PLACE[record.status]] += 1
    row[6] += len(record.attempts)
    if record.input_basis == "estimated" or record.output_basis == "estimated":
        row[7] += 1
    if not record.cost_known:
        row[8] += 1
    row[9] += record.input_tokens
    row[12] += record.output_tokens
    row[14] += record.cost
    marginal = record.marginal
    if record.cached_read or record.cache_write_5m or record.cache_write_1h:
        row[10] += record.cached_read
        row[11] += record.cache_write_5m + record.cache_write_1h
    if record.reasoning:
        row[13] += record.reasoning
    if marginal:
        row[15] += marginal
    if best is not None:
        row[16] += 1
        row[17] += best
        row[18] += marginal


def short_of(sums: Mapping[Row, Sums]) -> dict[str, dict[Row, Sums]]:
    """The same sums by the groups of the short roll-ups (SHORT_COLUMNS)."""
    hours: dict[Row, Sums] = {}
    days: dict[Row, Sums] = {}
    for group, row in sums.items():
        hour, key, _, *place = group
        for found, at in ((hours, (hour, *place)), (days, (hour // 24, key))):
            there = found.get(at)
            found[at] = list(row) if there is None else [one + more for one, more in zip(there, row, strict=True)]
    return {"hours": hours, "days": days}


def within(value: int) -> int | float:
    """A sum as a database takes it: beyond a bigint as a float."""
    return value if -(2**63) <= value < 2**63 else float(value)


# ---------------------------------------------------------------------------------------------------------- mending


def mend(record: Record, now: float) -> Record:
    """A record that any database takes: text that is no text, numbers out of range and impossible times are replaced.

    Only rows that were refused come here. A wrong figure in a ledger is bad; a request without a row is worse.
    """
    fields: dict[str, Any] = {}
    for field in msgspec.structs.fields(Record):
        value = getattr(record, field.name)
        fields[field.name] = _mended(value, field.default)
    if not isinstance(record.time, (int, float)) or not 0 <= record.time < LAST_TIME:
        fields["time"] = now
    fields["status"] = record.status if record.status in _PLACE else "error"
    fields["attempts"] = tuple(_mended_struct(row) for row in record.attempts if isinstance(row, AttemptRow))
    fields["alternatives"] = tuple(_mended_struct(row) for row in record.alternatives if isinstance(row, Alternative))
    fields["privacy"] = _mended_struct(record.privacy) if isinstance(record.privacy, Privacy) else None
    return Record(**fields)


def _mended_struct(row: Any) -> Any:
    fields = msgspec.structs.fields(type(row))
    return type(row)(**{field.name: _mended(getattr(row, field.name), field.default) for field in fields})


def _mended(value: Any, default: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return max(-LARGEST, min(LARGEST, value))
    if isinstance(value, float):
        return value if math.isfinite(value) else 0.0
    if isinstance(value, tuple):
        return tuple(_mended(each, None) for each in value)
    if value is None or isinstance(value, msgspec.Struct):
        return ("" if default is msgspec.NODEFAULT else default) if value is None else value
    return str(value)


# ---------------------------------------------------------------------------------------------------------- reading

RECORD_SELECT = (
    "time_us", "number", "id", "key", "status", "http_status", "error", "flags", "queue_ms", "ttft_ms", "total_ms",
    "input_tokens", "cached_read", "cache_write_5m", "cache_write_1h", "output_tokens", "reasoning", "images", "cost",
    "marginal", "best", "counts", *DECISION_COLUMNS[1:],
)  # fmt: skip


def attempt_of(row: Sequence[Any], went: Sequence[Any] = ()) -> AttemptRow:
    """An attempt from a row of the view ``attempts`` (ATTEMPT_COLUMNS after the number) and where it went."""
    facts = dict(zip(ATTEMPT_COLUMNS[1:], row, strict=True)) | dict(zip(_WENT, went, strict=False))
    facts["accepted"] = bool(facts["accepted"])
    return AttemptRow(**facts)


def record_of(row: Sequence[Any], attempts: Iterable[Row] = (), others: Iterable[Alternative] = ()) -> Record:
    """A record from a row of the view ``records`` (columns RECORD_SELECT) and its children.

    ``attempts`` are rows of the view of that name (ATTEMPT_COLUMNS after the number).
    """
    facts = dict(zip(RECORD_SELECT, row, strict=True))
    flags = facts.pop("flags")
    for name in ("number", "best", "away"):
        facts.pop(name)
    lists = {name: msgspec.json.decode(facts.pop(name) or "[]") for name in ("categories", "refused", "dropped")}
    privacy = _privacy_of(facts.pop("privacy"), facts.pop("counts"))
    went = msgspec.json.decode(facts.pop("went") or "[]")
    return Record(
        time=facts.pop("time_us") / MICRO,
        streamed=bool(flags & STREAMED),
        input_basis="estimated" if flags & INPUT_ESTIMATED else "measured",
        output_basis="estimated" if flags & OUTPUT_ESTIMATED else "measured",
        cost_known=not flags & UNPRICED,
        reserved=bool(flags & RESERVED),
        local=bool(facts.pop("local")),
        decision=facts.pop("reason"),
        categories=tuple(lists["categories"]),
        refused=tuple((name, reason) for name, reason, *_ in lists["refused"]),
        codes=tuple(code for _, _, code in lists["refused"]) if all(len(row) == 3 for row in lists["refused"]) else (),
        dropped=tuple(lists["dropped"]),
        attempts=tuple(attempt_of(one, where) for one, where in zip_longest(attempts, went, fillvalue=()) if one),
        alternatives=tuple(others),
        privacy=privacy,
        **facts,
    )


def _privacy_of(decided: str | None, counts: str) -> Privacy | None:
    """What privacy knew: the part that repeats is kept with the decision, the counts with the record."""
    if not decided and not counts:
        return None
    found = _COUNTS(counts) if counts else ()
    if not decided:  # damage took it
        return Privacy(counts=found)
    profile, detector, opaque, rule, action = msgspec.json.decode(decided)
    return Privacy(profile=profile, detector=detector, counts=found, opaque=opaque, rule=rule, action=action)
