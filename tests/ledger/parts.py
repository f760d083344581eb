"""Records to write, and ways to hold a ledger, for the tests of this room."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from crossover.ledger.store import Ledger, open_ledger
from crossover.ledger.words import Alternative, AttemptRow, Privacy, Record
from crossover.ledger.writer import Writer

NOON = 1_794_916_800.0  # 2026-11-17 12:00 UTC
HOUR, DAY = 3600.0, 86_400.0


def record(id_: str = "req_1", **facts: Any) -> Record:
    """A request that a hosted model answered."""
    usual: dict[str, Any] = {
        "time": NOON, "door": "openai", "asked": "support", "policy": "cheapest", "status": "ok", "deployment": "mini",
        "provider": "openai", "model": "gpt-4o-mini", "zone": "us", "input_tokens": 100, "output_tokens": 20,
        "total_ms": 800.0, "ttft_ms": 90.0, "cost": 27_000_000, "marginal": 27_000_000, "price_source": "list",
        "decision": "the cheapest of two",
        "attempts": (AttemptRow(deployment="mini", outcome="ok", start_ms=1.0, duration_ms=799.0, cost=27_000_000),),
    }  # fmt: skip
    return Record(**{"id": id_, **usual, **facts})


def local(id_: str = "req_1", **facts: Any) -> Record:
    """A request that an own machine answered; the API would have cost 27 millionths of a dollar."""
    usual: dict[str, Any] = {
        "deployment": "box", "provider": "ollama", "model": "qwen", "zone": "home", "local": True,
        "cost": 9_000_000, "marginal": 0, "alternatives": (Alternative("mini", 27_000_000),),
    }  # fmt: skip
    return record(id_, **{**usual, **facts})


def judged(action: Any = "allow", *counts: tuple[str, str, str, int], **facts: Any) -> Privacy:
    """What privacy knew: a profile, a detector, findings."""
    usual: dict[str, Any] = {"profile": "balanced", "detector": "2026.11.1", "rule": f"balanced: {action}"}
    return Privacy(action=action, counts=counts, **{**usual, **facts})


def call(deployment: str = "mini", party: str = "openai", **facts: Any) -> AttemptRow:
    """A call to a hosted model, which got the request."""
    usual: dict[str, Any] = {
        "outcome": "ok", "start_ms": 1.0, "duration_ms": 799.0, "left": True, "zone": "us", "provider": party,
        "action": "allow",
    }  # fmt: skip
    return AttemptRow(deployment=deployment, party=party, **{**usual, **facts})


PERSON = ("personal", "person", "soft", 2)
ILLNESS = ("health", "diagnosis", "hard", 1)


def away(id_: str = "req_1", **facts: Any) -> Record:
    """A request in which nothing was found, and which left."""
    return record(id_, **{"privacy": judged(), "attempts": (call(),), "key": "key_1", **facts})


def redacted(id_: str = "req_1", **facts: Any) -> Record:
    """A request that left with two names replaced."""
    usual: dict[str, Any] = {
        "privacy": judged("redact", PERSON), "attempts": (call(action="redact", redacted=2),), "tier": "soft",
        "categories": ("personal",),
    }  # fmt: skip
    return away(id_, **{**usual, **facts})


def stayed(id_: str = "req_1", **facts: Any) -> Record:
    """A request with a diagnosis, which an own machine answered."""
    usual: dict[str, Any] = {
        "privacy": judged("local_only", ILLNESS), "tier": "hard", "categories": ("health",), "key": "key_1",
        "attempts": (call("box", "own", left=False, zone="home", provider="ollama", action=""),),
    }  # fmt: skip
    return local(id_, **{**usual, **facts})


def stopped(id_: str = "req_1", **facts: Any) -> Record:
    """A request with a diagnosis that nobody answered."""
    usual: dict[str, Any] = {
        "privacy": judged("block", ILLNESS), "status": "error", "http_status": 503, "error": "no_target",
        "deployment": "", "provider": "", "model": "", "zone": "", "attempts": (), "key": "key_1",
    }  # fmt: skip
    return record(id_, **{**usual, **facts})


def ticking(now: float = NOON) -> Callable[[], float]:
    """A clock that stands."""
    return lambda: now


@contextlib.contextmanager
def opened(path: Path, now: float = NOON) -> Iterator[Ledger]:
    with open_ledger(path, clock=ticking(now)) as ledger:
        yield ledger


@contextlib.contextmanager
def writing(ledger: Ledger, **options: Any) -> Iterator[Writer]:
    writer = ledger.writer(**options)
    try:
        yield writer
    finally:
        writer.close()


def write(ledger: Ledger, records: Iterable[Record]) -> None:
    """Commit records."""
    with writing(ledger) as writer:
        for each in records:
            writer.append(each)


_TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
_NAME = st.sampled_from(["", "mini", "box", "ümläut", "x'); DROP TABLE records--"])
_TOKENS = st.integers(0, 10**6)
_MONEY = st.integers(0, 10**12)
_MS = st.floats(0, 10**6, allow_nan=False)
ATTEMPTS = st.builds(
    AttemptRow, deployment=_NAME, outcome=st.sampled_from(["ok", "reset", "rate_limited"]), start_ms=_MS,
    duration_ms=_MS, upstream_status=st.integers(0, 599), accepted=st.booleans(), input_tokens=_TOKENS,
    output_tokens=_TOKENS, cost=_MONEY, left=st.booleans(), zone=_NAME, provider=_NAME, party=_NAME,
    action=st.sampled_from(["", "allow", "redact"]), redacted=st.integers(0, 9),
)  # fmt: skip
PRIVACY = st.builds(
    Privacy, profile=_NAME, detector=_NAME, opaque=_TEXT, rule=_TEXT,
    counts=st.lists(st.tuples(_NAME, _NAME, st.sampled_from(["soft", "hard"]), st.integers(1, 99)), max_size=2).map(
        tuple
    ),
    action=st.sampled_from(["allow", "redact", "local_only", "block", "failed"]),
)  # fmt: skip
ALTERNATIVES = st.builds(
    Alternative, deployment=_NAME, cost=_MONEY, permitted=st.booleans(), local=st.booleans()
)  # fmt: skip
BASES = st.sampled_from(["measured", "estimated"])
RECORDS = st.builds(
    Record,
    id=st.uuids().map(str),
    time=st.integers(0, 10**7).map(lambda n: NOON - 5 * DAY + n / 8),  # over two months, exact in microseconds
    door=st.sampled_from(["openai", "python"]), asked=_NAME | _TEXT, policy=st.just("cheapest"),
    status=st.sampled_from(["ok", "error", "truncated", "cancelled", "refused"]),
    http_status=st.sampled_from([200, 404, 429, 500]), error=_TEXT, key=_NAME, deployment=_NAME, provider=_NAME,
    model=_TEXT, zone=_NAME, local=st.booleans(), tier=st.sampled_from(["none", "hard"]),
    categories=st.lists(st.sampled_from(["health", "secrets"]), max_size=2).map(tuple), streamed=st.booleans(),
    queue_ms=_MS, ttft_ms=_MS, total_ms=_MS, input_tokens=_TOKENS, cached_read=_TOKENS, cache_write_5m=_TOKENS,
    cache_write_1h=_TOKENS, output_tokens=_TOKENS, reasoning=_TOKENS, images=st.integers(0, 9), input_basis=BASES,
    output_basis=BASES, cost=_MONEY, cost_known=st.booleans(), marginal=_MONEY, price_source=_TEXT, decision=_TEXT,
    refused=st.lists(st.tuples(_NAME, _TEXT), max_size=2).map(tuple),
    alternatives=st.lists(ALTERNATIVES, max_size=3).map(tuple), dropped=st.lists(_TEXT, max_size=2).map(tuple),
    attempts=st.lists(ATTEMPTS, max_size=3).map(tuple), reserved=st.booleans(), kind=st.sampled_from(["chat", "embed"]),
    privacy=st.none() | PRIVACY,
)  # fmt: skip
