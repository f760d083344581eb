"""A ledger with a week of traffic, a gateway that is not there, a plan: what the pages are shown with in tests."""

from __future__ import annotations

import asyncio
import datetime as dt
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import msgspec

from crossover.dashboard.words import Choice, Curve, House, Limit, Live, Place, Planned, Scheme, Turn
from crossover.evidence import Evidence
from crossover.ledger import keys
from crossover.ledger.facts import add_evidence
from crossover.ledger.grades import Grade, add_grades
from crossover.ledger.store import Ledger, open_ledger
from crossover.ledger.words import PICO, Alternative, AttemptRow, Budget, Health, Privacy, Record
from crossover.runtime.dashboard import Book

NOW = 1_795_780_800.0  # 2026-11-27 12:00 UTC
DAY = 86_400.0
WEEK = 7 * DAY
NOON_BEFORE = NOW - 8 * WEEK
HOSTILE = "<script>alert(1)</script>\"'{{7*7}}\u202e"
_MINI_IN, _MINI_OUT = 2_000_000, 8_000_000  # picodollars a token
_BOX = 300_000
PER_HOUR = 6 * PICO // 100


def traffic(
    count: int, seed: int = 1, now: float = NOW, span: float = WEEK, keys_: tuple[str, ...] = ("key_a",)
) -> Iterator[Record]:
    """Requests of a week, more by day than by night: most stay on an own machine, some fail, some must not leave."""
    chance = random.Random(seed)
    times = sorted(_time(chance, now, span) for _ in range(count))
    for number, time in enumerate(times):
        yield _record(number, time, chance, chance.choice(keys_))


def _time(chance: random.Random, now: float, span: float) -> float:
    while True:
        time = now - chance.random() * span
        hour = time % DAY / 3600
        if chance.random() < (1.0 if 7 <= hour <= 19 else 0.25):
            return time


def _record(number: int, time: float, chance: random.Random, key: str) -> Record:
    read, wrote = int(chance.lognormvariate(8.9, 0.7)), int(chance.lognormvariate(5.4, 0.6))
    mini = read * _MINI_IN + wrote * _MINI_OUT
    large = mini * 4
    box = (read + wrote) * _BOX
    kind = chance.random()
    asked = "support" if kind < 0.6 else "drafts" if kind < 0.85 else "patients"
    usual: dict[str, Any] = {
        "id": f"req_{number:012x}{chance.randrange(16**8):08x}",
        "time": time,
        "door": "openai",
        "asked": asked,
        "policy": "local_first",
        "status": "ok",
        "key": key,
        "streamed": kind < 0.8,
        "input_tokens": read,
        "output_tokens": wrote,
        "queue_ms": round(chance.expovariate(1 / 12), 1),
    }
    if kind < 0.62:
        return _local(
            usual, chance, box, mini, large, Privacy(profile="balanced", detector="2026.11.1", rule="balanced")
        )
    if kind >= 0.85:
        counts = (("health", "diagnosis", "hard", 1), ("personal", "person", "soft", 2))
        held = Privacy(
            profile="balanced",
            detector="2026.11.1",
            counts=counts,
            rule="balanced: health/diagnosis local_only",
            action="local_only",
        )
        facts = {
            "tier": "hard",
            "categories": ("health", "personal"),
            "refused": (
                ("mini", "health data stays at home: mini is not local (balanced: health/diagnosis local_only)"),
                ("large", "health data stays at home: large is not local (balanced: health/diagnosis local_only)"),
            ),
        }
        return _local({**usual, **facts}, chance, box, mini, large, held)
    if kind < 0.65:
        return Record(
            **{**usual, "status": "error"},
            http_status=503,
            error="upstream_unavailable",
            decision="local_first: box rests; nobody else may answer",
            total_ms=30.0,
            refused=(("box", "box rests: it does not answer its health check"),),
        )
    return _api(usual, chance, box, mini, large)


def _local(usual: dict[str, Any], chance: random.Random, box: int, mini: int, large: int, held: Privacy) -> Record:
    first, total = _times(usual, chance, 90.0)
    return Record(
        **usual,
        deployment="box",
        provider="vllm",
        model="qwen3-32b",
        zone="cellar",
        local=True,
        cost=box,
        marginal=0,
        ttft_ms=first,
        total_ms=total,
        price_source="$0.06/h over 200,000 tokens an hour (stated)",
        decision=f"local_first: box is local, {chance.randrange(4)} calls under way",
        alternatives=(
            Alternative("mini", mini, permitted=held.action == "allow"),
            Alternative("large", large, permitted=held.action == "allow"),
        ),
        attempts=(
            AttemptRow(
                deployment="box",
                outcome="ok",
                start_ms=usual["queue_ms"],
                duration_ms=total - usual["queue_ms"],
                input_tokens=usual["input_tokens"],
                output_tokens=usual["output_tokens"],
                cost=box,
                zone="cellar",
                provider="vllm",
                party="own",
            ),
        ),
        privacy=held,
    )


def _api(usual: dict[str, Any], chance: random.Random, box: int, mini: int, large: int) -> Record:
    first, total = _times(usual, chance, 320.0)
    redacted = chance.random() < 0.3
    counts = (("personal", "person", "soft", 2), ("identifiers", "email", "hard", 1)) if redacted else ()
    began = 420.0
    failed = chance.random() < 0.3
    attempts = (
        [
            AttemptRow(
                deployment="box",
                outcome="reset",
                start_ms=usual["queue_ms"],
                duration_ms=began - 20.0,
                accepted=False,
                zone="cellar",
                provider="vllm",
                party="own",
            )
        ]
        if failed
        else []
    )
    start = began if failed else usual["queue_ms"]
    first, total = (first + start, total + start) if first else (0.0, total + start)
    attempts.append(
        AttemptRow(
            deployment="mini",
            outcome="ok",
            start_ms=start,
            duration_ms=total - start,
            upstream_status=200,
            input_tokens=usual["input_tokens"],
            output_tokens=usual["output_tokens"],
            cost=mini,
            left=True,
            zone="openai-eu",
            provider="openai",
            party="openai",
            action="redact" if redacted else "allow",
            redacted=3 if redacted else 0,
        )
    )
    return Record(
        **usual,
        deployment="mini",
        provider="openai",
        model="gpt-4.1",
        zone="openai-eu",
        cost=mini,
        marginal=mini,
        ttft_ms=first,
        total_ms=total,
        price_source="list price, checked 2026-11-20",
        tier="hard" if redacted else "none",
        categories=("identifiers", "personal") if redacted else (),
        decision="local_first: box, then mini" if failed else "local_first: box is full, 6 of 6 places taken; so mini",
        alternatives=(Alternative("large", large), Alternative("box", box, local=True)),
        attempts=tuple(attempts),
        refused=(("box", "the connection was reset before the first byte"),) if failed else (),
        privacy=Privacy(
            profile="balanced",
            detector="2026.11.1",
            counts=counts,
            action="redact" if redacted else "allow",
            rule="balanced: identifiers/email redact" if redacted else "balanced",
        ),
    )


def _times(usual: dict[str, Any], chance: random.Random, typical: float) -> tuple[float, float]:
    first = typical * chance.lognormvariate(0.0, 0.45) + usual["queue_ms"]
    return (round(first, 1) if usual["streamed"] else 0.0), round(first + usual["output_tokens"] * 11.0, 1)


def proofs() -> list[Evidence]:
    """Two candidates against one reference, one of them measured three times."""
    rows = []
    for day, gap, low, high, verdict in (
        (40, -0.021, -0.071, 0.029, "inconclusive"),
        (12, -0.008, -0.034, 0.018, "not_worse"),
        (2, -0.012, -0.036, 0.012, "not_worse"),
    ):
        rows += _proof("box", day, gap, low, high, verdict)
    return [*rows, *_proof("tiny", 2, -0.184, -0.221, -0.147, "worse_than_margin")]


def _proof(name: str, ago: int, gap: float, low: float, high: float, verdict: str) -> list[Evidence]:
    when = dt.datetime.fromtimestamp(NOW - ago * DAY, dt.UTC).date()
    context: dict[str, float | str] = {
        "reference": "large",
        "verdict": verdict,
        "margin": 0.05,
        "alpha": 0.05,
        "low": low,
        "high": high,
        "scorer": "normalised",
        "samples": "support.jsonl",
        "identity": "abc",
    }
    usual: dict[str, Any] = {
        "unit": "score",
        "kind": "measured",
        "source": f"crossover eval runs/support-{ago}",
        "when": when,
        "n": 412,
        "expires": when + dt.timedelta(days=90),
    }
    return [
        Evidence(subject=name, metric="quality_gap", value=gap, low=low, high=high, context=context, **usual),
        Evidence(
            subject=name,
            metric="quality",
            value=0.871 + gap,
            low=0.85 + gap,
            high=0.89 + gap,
            context={"scorer": "normalised", "samples": "support.jsonl", "usd_per_1000": 0.21, "seconds_p50": 0.9},
            **usual,
        ),
    ]


def comparisons() -> list[Grade]:
    """Two months of a rule that was checked by chance, and a shadow."""
    chance = random.Random(3)
    rules: tuple[tuple[str, Literal["audit", "shadow"], float], ...] = (
        ("support", "audit", 0.03), ("drafts", "shadow", 0.11)
    )  # fmt: skip
    return [
        Grade(
            request=f"req_g{number}",
            time=NOON_BEFORE + number * DAY / 6,
            route=route,
            kind=kind,
            weak="box",
            strong="large",
            probability=0.02,
            kept=chance.random() < 0.7,
            loss=float(chance.random() < bad),
            grader="agreement",
            weak_cost=4 * 10**9,
            strong_cost=9 * 10**10,
        )
        for route, kind, bad in rules
        for number in range(330)
    ]


def fill(ledger: Ledger, records: list[Record]) -> None:
    """Commit records."""
    writer = ledger.writer(flush_s=0.0, capacity=10**6)
    try:
        for each in records:
            writer.append(each)
    finally:
        writer.close()


async def spend(ledger: Ledger) -> None:
    """Use two budgets."""
    writer = ledger.writer(flush_s=0.0)
    try:
        for name, limit, amount in (("all", 100, 81), ("key:key_a", 20, 4), ("drafts", 10, 9)):
            budget = Budget(name=name, limit=limit * PICO, period="month")
            await writer.reserve(f"res_{name}", (budget,), amount * PICO, NOW - WEEK - DAY)
            writer.append(
                Record(
                    id=f"res_{name}",
                    time=NOW - WEEK - 3600,
                    door="openai",
                    asked="support",
                    policy="cheapest",
                    status="ok",
                    deployment="mini",
                    provider="openai",
                    model="gpt-4.1",
                    zone="openai-eu",
                    key="key_a",
                    cost=amount * PICO,
                    marginal=amount * PICO,
                    reserved=True,
                    total_ms=400.0,
                )
            )
    finally:
        await writer.aclose()


def ledger_of_a_week(path: Path, count: int = 1500) -> Path:
    """A ledger with traffic, keys, proofs, and names that are markup."""
    with open_ledger(path, clock=lambda: NOW - WEEK - DAY) as ledger:
        with ThreadPoolExecutor(1) as beside:  # a test in a browser has a loop in its own thread
            beside.submit(lambda: asyncio.run(spend(ledger))).result()
        made = [
            keys.create(ledger, "support desk", rpm=600, budget=20 * PICO)[0],
            keys.create(ledger, "batch jobs", aliases=("drafts",), expires=NOW + 82 * DAY)[0],
            keys.create(ledger, "intern")[0],
        ]
        keys.revoke(ledger, made[2].id)
        records = list(traffic(count, keys_=(made[0].id, made[0].id, made[1].id)))
        records[-3] = msgspec.structs.replace(
            records[-3],
            asked=HOSTILE,
            error=HOSTILE,
            decision=HOSTILE,
            refused=((HOSTILE, HOSTILE),),
            status="error",
            dropped=(HOSTILE,),
        )
        fill(ledger, records)
        add_evidence(ledger, proofs())
        add_grades(ledger, comparisons())
    return path


def empty_ledger(path: Path) -> Path:
    """A ledger in which nothing was asked yet."""
    with open_ledger(path, clock=lambda: NOW):
        pass
    return path


def house(**facts: Any) -> House:
    """What is known of the place."""
    usual = {"ledger": "ledger.db", "hourly": {"box": PER_HOUR}, "writable": True, "live": True}
    return House(**{**usual, **facts})


def live(**facts: Any) -> Live:
    """A gateway that runs: an own machine at work, an API, one that rests, one that is drained."""
    usual: dict[str, Any] = {
        "url": "http://127.0.0.1:4000",
        "since": NOW - DAY,
        "places": (
            Place(
                name="box",
                provider="vllm",
                model="qwen3-32b",
                zone="cellar",
                operator="own",
                local=True,
                state="up",
                flying=5,
                limit=6,
                waiting=0,
                queue=50,
                answer_s=0.12,
                per_hour=PER_HOUR,
            ),
            Place(
                name="mini",
                provider="openai",
                model="gpt-4.1",
                zone="openai-eu",
                operator="provider",
                local=False,
                state="up",
                flying=2,
                answer_s=0.4,
            ),
            Place(
                name="large",
                provider="openai",
                model="o3",
                zone="openai-eu",
                operator="provider",
                local=False,
                state="resting",
                why="429: too many requests",
                rests_s=12.0,
            ),
            Place(
                name="spare",
                provider="llamacpp",
                model="qwen3-8b",
                zone="cellar",
                operator="own",
                local=True,
                state="drained",
                limit=2,
                queue=4,
            ),
        ),
        "ledger": Health(healthy=True, queued=3, lag_s=0.05, written=1500, spilled=0, lost=0, mended=0),
        "aliases": {"support": ("local_first", ("box", "mini")), "drafts": ("cheapest", ("box", "mini", "large"))},
        "budgets": (Limit(name="all", period="month", limit=100 * PICO), Limit(name="week", period="week", limit=PICO)),
        "doubts": {"support": "audits show that 11 % are lost, and 5 % were promised"},
        "profile": "balanced",
        "keys_needed": True,
    }
    return Live(**{**usual, **facts})


def _curve(kind: str, title: str, fixed: float, each: float) -> Curve:
    points = []
    for step in range(41):
        volume = 10 ** (1 + step / 8)
        middle = fixed * (1 + int(volume / 90_000)) + each * volume * 30
        points.append((volume, middle * 0.8, middle, middle * 1.25))
    return Curve(kind=kind, title=title, points=tuple(points))


def scheme() -> Scheme:
    """A plan."""
    return Scheme(
        headline="Keep the API for now: own machines pay from about 88,000 requests a day",
        action="Serve with gpt-4.1; look again when the volume has doubled.",
        reasons=(
            "At 210 requests a day the API costs $1.10 a month.",
            "A machine costs $1,433 a month whatever it does.",
            "Nothing in the traffic forbids the API.",
        ),
        caveat="Prove that qwen3-32b is as good for your own task before you rely on the ranking.",
        made="2026-11-27",
        source="7 days of the ledger, 1,502 requests",
        volume=215.0,
        curves=(
            _curve("api", "API: gpt-4.1", 0.0, 0.00054),
            _curve("self", "Own machine: qwen3-32b on an L40S", 1433.0, 0.0),
            _curve("hybrid", "Hybrid: own first, gpt-4.1 beyond", 1250.0, 0.00004),
        ),
        crossings=("qwen3-32b on an L40S costs less than gpt-4.1 above 88,000/day",),
        turns=(
            Turn(lever="volume", now="215/day", needed="88,000/day", then="then own machines are cheapest"),
            Turn(
                lever="price of the API", now="$0.15 per million", needed="$61 per million", then="then the hybrid wins"
            ),
        ),
        choices=(
            Choice(rank=1, kind="api", title="gpt-4.1", usd=3.48, low=2.8, high=4.3, cheapest=1.0, today=True),
            Choice(rank=2, kind="hosted", title="qwen3-32b at a provider", usd=5.2, low=3.9, high=6.6, cheapest=0.0),
            Choice(rank=3, kind="self", title="qwen3-32b on one L40S", usd=1433.0, low=1290, high=1580, cheapest=0.0),
        ),
    )


class Standing:
    """A gate whose gateway stands still, and remembers what it was told."""

    def __init__(self, found: Live | None) -> None:
        self.found = found
        self.told: list[tuple[str, bool]] = []

    async def look(self) -> Live | None:
        return self.found

    async def drain(self, deployment: str, on: bool) -> str:
        if self.found is None or all(place.name != deployment for place in self.found.places):
            return f"there is no deployment {deployment!r}"
        self.told.append((deployment, on))
        return ""


def book(path: Path, **facts: Any) -> Book:
    """A ledger as a source, at noon."""
    planned = facts.pop("planned", Planned(scheme=scheme()))
    return Book(path, house(**facts), clock=lambda: NOW, plan=lambda: planned)
