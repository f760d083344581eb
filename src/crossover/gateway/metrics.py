"""Prometheus metrics. Every figure of a request comes from its ledger record, so that the two never differ."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from crossover.dispatch import Plant
from crossover.ledger.words import PICO, Book, Budget, Record

_BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
_UNSEEN = ("unknown", "allow")  # category and action where nobody looked
CONTENT_TYPE = b"content-type: text/plain; version=0.0.4; charset=utf-8\r\n"


class Histogram:
    """Counts by upper bound (seconds) for one series."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(_BOUNDS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """Count one observation."""
        self.counts[bisect_left(_BOUNDS, seconds)] += 1
        self.total += seconds


class Series:
    """The sums of one deployment."""

    __slots__ = ("attempts", "cached", "cost", "first", "input", "output", "whole")

    def __init__(self) -> None:
        self.attempts: dict[str, int] = {}  # by outcome
        self.input = self.output = self.cached = 0  # tokens
        self.cost = 0  # picodollars
        self.first = Histogram()
        self.whole = Histogram()


class Metrics:
    """Counters since the start, by deployment and by asked name; names come from the configuration, so they are few."""

    def __init__(self) -> None:
        self.requests: dict[tuple[str, str, str], int] = {}  # (asked, deployment, status)
        self.refused: Counter[str] = Counter()  # by error code, before any attempt
        self.errors: Counter[int] = Counter()  # by HTTP status, those of the door's own included
        self.privacy: Counter[tuple[str, str]] = Counter()  # (category, action)
        self.replaced = 0  # findings, in what left
        self.deployments: dict[str, Series] = {}

    def count(self, record: Record, known: bool) -> None:
        """Count one record; a name nobody configured is counted as ``(unknown)`` so that clients make no series."""
        deployment = record.deployment
        name = (record.asked if known else "(unknown)", deployment, record.status)
        self.requests[name] = self.requests.get(name, 0) + 1
        known_of = record.privacy
        if known_of is None:
            self.privacy[_UNSEEN] = self.privacy.get(_UNSEEN, 0) + 1
        elif not known_of.counts and not known_of.opaque:
            self.privacy["none", known_of.action] += 1  # a label may have decided
        else:
            for category in {row[0] for row in known_of.counts} | ({"opaque"} if known_of.opaque else set()):
                self.privacy[category, known_of.action] += 1
        for attempt in record.attempts:
            outcomes = self.of(attempt.deployment).attempts
            outcomes[attempt.outcome] = outcomes.get(attempt.outcome, 0) + 1
            self.replaced += attempt.redacted
        if record.status == "refused":
            self.refused[record.error] += 1
            return
        if not deployment:
            return  # its client left while it waited: it is nobody's time
        series = self.of(deployment)
        series.input += record.input_tokens
        series.output += record.output_tokens
        series.cached += record.cached_read
        series.cost += record.cost
        if record.ttft_ms:
            series.first.add(record.ttft_ms / 1000)
        series.whole.add(record.total_ms / 1000)

    def of(self, deployment: str) -> Series:
        """The sums of one deployment, from zero where it is new."""
        found = self.deployments.get(deployment)
        if found is None:
            found = self.deployments[deployment] = Series()
        return found


class CountedBook:
    """A ledger whose records are counted on their way."""

    def __init__(self, book: Book, metrics: Metrics, names: Mapping[str, object]) -> None:
        self._book = book
        self._metrics = metrics
        self.names = names  # asked names in force; replaced by a reload

    def append(self, record: Record) -> None:
        """Count the row and pass it on."""
        self._metrics.count(record, record.asked in self.names)
        self._book.append(record)

    async def reserve(self, request_id: str, budgets: tuple[Budget, ...], amount: int, now: float) -> Budget | None:
        """Passed on."""
        return await self._book.reserve(request_id, budgets, amount, now)

    def release(self, request_id: str) -> None:
        """Passed on."""
        self._book.release(request_id)


def render(metrics: Metrics, plant: Plant, now: float) -> bytes:
    """The exposition text of everything, gauges of the moment included."""
    lines: list[str] = []
    rows = lines.extend
    rows(_family("requests_total", "counter", "requests by asked name, deployment and status", _requests(metrics)))
    series = sorted(metrics.deployments.items())
    attempts = [
        (_labels(deployment=name, outcome=outcome), float(count))
        for name, each in series
        for outcome, count in sorted(each.attempts.items())
    ]
    tokens = [
        (_labels(deployment=name, kind=kind), float(getattr(each, kind)))
        for name, each in series
        for kind in ("input", "output", "cached")
    ]
    rows(_family("attempts_total", "counter", "calls to models by outcome", attempts))
    rows(_family("tokens_total", "counter", "tokens by kind; cached ones are a part of the input", tokens))
    cost = [(_labels(deployment=name), each.cost / PICO) for name, each in series]
    rows(_family("cost_usd_total", "counter", "dollars; own machines at their share of the hour", cost))
    refusals = [(_labels(code=code), float(count)) for code, count in sorted(metrics.refused.items())]
    rows(_family("refused_total", "counter", "requests refused before any call", refusals))
    failed = [(_labels(status=str(status)), float(count)) for status, count in sorted(metrics.errors.items())]
    rows(_family("errors_total", "counter", "answers that are errors, by HTTP status", failed))
    found = [
        (_labels(category=category, action=action), float(count))
        for (category, action), count in sorted(metrics.privacy.items())
    ]
    rows(_family("privacy_total", "counter", "requests by what was found in them and what was decided", found))
    rows(_family("replaced_total", "counter", "findings replaced before they left", [("", float(metrics.replaced))]))
    rows(_histograms("first_token_seconds", "time to the first token", [(name, each.first) for name, each in series]))
    rows(_histograms("request_seconds", "time to the end of the answer", [(name, each.whole) for name, each in series]))
    flying = [(_labels(deployment=name), float(places.flying)) for name, places in sorted(plant.places.items())]
    waiting = [(_labels(deployment=name), float(places.waiting)) for name, places in sorted(plant.places.items())]
    resting = [
        (_labels(deployment=name), float(breaker.state(now) == "open"))
        for name, breaker in sorted(plant.health.breakers.items())
    ]
    watch = plant.watch
    if watch is not None:
        doubted = [
            (_labels(model=name), float(bool(watch.doubt(name))))
            for name, route in sorted(plant.routes.items())
            if route.watched
        ]
        rows(
            _family("rule_doubted", "gauge", "1 while the rule of a name is not trusted: it broke its promise", doubted)
        )
    rows(_family("in_flight", "gauge", "calls under way", flying))
    rows(_family("waiting", "gauge", "requests that wait for a place", waiting))
    rows(_family("resting", "gauge", "1 while the breaker is open", resting))
    return "".join(f"{line}\n" for line in lines).encode()


def _requests(metrics: Metrics) -> list[tuple[str, float]]:
    return [
        (_labels(model=asked, deployment=target, status=status), float(count))
        for (asked, target, status), count in sorted(metrics.requests.items())
    ]


def _family(name: str, kind: str, text: str, rows: Iterable[tuple[str, float]]) -> Iterator[str]:
    yield f"# HELP crossover_{name} {text}"
    yield f"# TYPE crossover_{name} {kind}"
    for labels, value in rows:
        yield f"crossover_{name}{labels} {value:.15g}"


def _histograms(name: str, text: str, family: Iterable[tuple[str, Histogram]]) -> Iterator[str]:
    yield f"# HELP crossover_{name} {text}"
    yield f"# TYPE crossover_{name} histogram"
    for target, histogram in family:
        running = 0
        for bound, count in zip((*map(str, _BOUNDS), "+Inf"), histogram.counts, strict=True):
            running += count
            yield f"crossover_{name}_bucket{_labels(deployment=target, le=bound)} {running}"
        yield f"crossover_{name}_sum{_labels(deployment=target)} {histogram.total:.15g}"
        yield f"crossover_{name}_count{_labels(deployment=target)} {running}"


def _labels(**pairs: str) -> str:
    """Label text with the escapes of the exposition format."""
    inside = ",".join(f'{name}="{_escaped(value)}"' for name, value in pairs.items())
    return f"{{{inside}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
