"""The words of a load test: the load that was offered, one row per request, and the figures made of the rows.

Times are seconds. Those of a :class:`Shot` count from the start of its stage, on a monotonic clock.

Definitions, printed beside the numbers (:data:`DEFINITIONS`): other tools mean other things by the same names.
"""

from __future__ import annotations

from array import array
from typing import Literal, TypeAlias

import msgspec

from crossover.usage import Basis

Style = Literal["constant", "poisson", "gamma", "trace"]

DEFINITIONS: dict[str, str] = {
    "ttft": "request sent → first token, reasoning included; connecting included where a connection had to be made",
    "visible": "request sent → first token that is not reasoning",
    "itl": "gaps between the pieces of an answer after the first; all gaps of all answers count alike",
    "tpot": "(end to end − TTFT) / (output tokens − 1), one figure an answer",
    "e2e": "request sent → end of the answer",
    "send_delay": "request sent − time it was scheduled for: how late this harness was",
    "rates": "counted while the load was on, by when tokens arrived and answers ended; warm-up requests fill the "
    "server, and their tokens count where they arrive in that time",
    "goodput": "requests a second that met every limit of the SLO; a failed one met none",
    "interval": "95 %, of the sampling within this run; from order statistics, for gaps by whole answers",
}


class Load(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is offered. ``concurrency`` above 0: a closed loop, so many requests in flight, each answer asks anew.

    Otherwise an open loop: requests are sent when they are due, whatever the answers do. ``rate_rps`` requests a
    second, ``to_rate_rps`` the rate at the end of a ramp; ``burstiness`` is the coefficient of variation of the gaps
    (1: Poisson) of style ``gamma``; ``time_scale`` how much faster than recorded a trace is replayed.
    """

    concurrency: int = 0
    style: Style = "poisson"
    rate_rps: float = 0.0
    to_rate_rps: float | None = None
    burstiness: float = 1.0
    time_scale: float = 1.0
    trace: str = ""

    @property
    def closed(self) -> bool:
        """Whether the answers set the pace."""
        return self.concurrency > 0

    @property
    def label(self) -> str:
        """For people: ``8 at once``, ``12/s Poisson``, ``1 → 20/s constant``."""
        if self.closed:
            return f"{self.concurrency} at once"
        if self.style == "trace":
            return f"trace {self.trace} × {self.time_scale:g}"
        style = {"poisson": "Poisson", "constant": "constant", "gamma": f"gamma, burstiness {self.burstiness:g}"}
        rate = f"{self.rate_rps:.4g}" if self.to_rate_rps is None else f"{self.rate_rps:.4g} → {self.to_rate_rps:.4g}"
        return f"{rate}/s {style[self.style]}"


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """What one request asks. ``messages`` are (role, text); ``output_tokens`` is the most that may be answered.

    ``input_tokens`` is what the prompt was made to have, an estimate until the server counts. ``synthetic``: the text
    is made of this room's own words and holds nothing of anybody.
    """

    messages: tuple[tuple[str, str], ...]
    input_tokens: int
    output_tokens: int
    synthetic: bool = True


class Shot(msgspec.Struct, frozen=True, kw_only=True):
    """One request as it went. ``error`` is "" for an answer, else how it failed (:data:`ErrorKind`).

    ``scheduled`` and ``sent`` differ by the harness's own delay. ``times`` holds the arrival of every piece that
    carried tokens, reasoning included; ``visible`` the first that was no reasoning. ``connect_s`` is the part spent on
    a new connection, ``server_s`` what the server says it needed until it answered. Token counts are the server's
    (``measured``), else the length asked for and the number of pieces (``estimated``).
    """

    number: int
    warmup: bool
    scheduled: float
    sent: float
    ended: float
    times: array[float]
    visible: float | None = None
    connect_s: float = 0.0
    server_s: float | None = None
    asked_input: int = 0
    asked_output: int = 0
    input: int = 0
    output: int = 0
    cached: int = 0
    reasoning: int = 0
    input_basis: Basis = "estimated"
    output_basis: Basis = "estimated"
    finish: str = ""
    error: str = ""
    message: str = ""
    deployment: str = ""

    @property
    def ok(self) -> bool:
        """Whether a whole answer came."""
        return not self.error

    @property
    def ttft(self) -> float:
        """Seconds to the first token; NaN without one."""
        return self.times[0] - self.sent if self.times else float("nan")

    @property
    def e2e(self) -> float:
        """Seconds to the end of the answer."""
        return self.ended - self.sent

    @property
    def tpot(self) -> float:
        """Seconds per output token after the first; NaN where there is no second one."""
        if self.output < 2 or not self.times:
            return float("nan")
        return (self.e2e - self.ttft) / (self.output - 1)


ErrorKind: TypeAlias = str  # an UpstreamKind, a code of a RequestError, "no_target", or UNFINISHED
UNFINISHED = "unfinished"  # still under way when the run ended: no failure of the server, and no answer

StopReason = Literal["", "errors", "saturated", "budget", "interrupted"]


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A load as it was carried out. ``stop`` says why it ended early, in ``why`` as a sentence.

    ``load_end`` is when the last request was sent (or, in a closed loop, when no more were taken).
    """

    load: Load
    shots: tuple[Shot, ...]
    load_end: float
    stop: StopReason = ""
    why: str = ""


class Quantile(msgspec.Struct, frozen=True):
    """The value at a share (0..1) with its 95 % interval; an end that these few values cannot bound is None."""

    share: float
    value: float
    low: float | None
    high: float | None


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """How a figure varies: ``n`` values, their mean, and quantiles (p50, p90, p95, p99)."""

    n: int
    mean: float
    least: float
    most: float
    quantiles: tuple[Quantile, ...]

    def at(self, share: float) -> Quantile:
        """The quantile of this share. Raises KeyError where it was not computed."""
        for one in self.quantiles:
            if abs(one.share - share) < 1e-12:
                return one
        raise KeyError(share)


class Rate(msgspec.Struct, frozen=True):
    """Something per second with its 95 % interval, from ten parts of the time; None where it was too short."""

    value: float
    low: float | None = None
    high: float | None = None


class SloCheck(msgspec.Struct, frozen=True, kw_only=True):
    """One limit of the SLO: what was reached at its percentile (failed requests count as never) and whether it held."""

    label: str
    limit_s: float
    reached_s: float | None
    met: bool


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What a run comes to; warm-up requests are in none of the latencies.

    ``errors`` counts failures by kind. ``window_s`` is the time the rates are counted over. Latencies are those of
    whole answers; None where there were none. ``visible`` is None where nothing was reasoned. ``pieces`` is output
    tokens per piece: above 1 the gaps are between pieces, not between tokens. ``in_flight`` is the mean.
    """

    requests: int
    warmup: int
    ok: int
    errors: dict[str, int]
    unfinished: int
    window_s: float
    requests_per_s: Rate
    output_tokens_per_s: Rate
    input_tokens_per_s: Rate
    in_flight: float
    ttft: Spread | None
    visible: Spread | None
    itl: Spread | None
    tpot: Spread | None
    e2e: Spread | None
    send_delay: Spread | None
    input_tokens: float
    output_tokens: float
    cached_share: float
    pieces: float
    measured_tokens: bool
    good: int | None = None
    goodput_rps: float | None = None
    slo: tuple[SloCheck, ...] = ()
    connect: Spread | None = None
    server: Spread | None = None
    notes: tuple[str, ...] = ()

    @property
    def failed(self) -> int:
        """Requests that failed."""
        return sum(self.errors.values())

    @property
    def met(self) -> bool:
        """Whether every limit of the SLO held."""
        return all(check.met for check in self.slo)


# -------------------------------------------------------------------------------------------------- what is kept of it


class Subject(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was tested: ``label`` for people, ``id`` for evidence. ``url`` never holds credentials.

    ``known_as`` is the name under which the planner looks for its speed or latency, where that is certain: evidence is
    then filed under both.

    ``deployment`` is a name of crossover.toml; ``engine`` what answers there, where it is known (a row of the registry,
    or what an engine says of itself); ``outside``: it is a provider's. ``digest`` is a fingerprint of the weights that
    answered, where that can be told: another model may stand behind the name tomorrow.
    """

    id: str
    label: str
    model: str
    known_as: str = ""
    url: str = ""
    deployment: str = ""
    engine: str = ""
    outside: bool = False
    digest: str = ""


class ServerSide(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the engine counted during a stage, from its own metrics: sums over the time, means, and peaks of gauges.

    ``values`` by name (:data:`crossover.loadtest.servers.TITLES`), in seconds, tokens or shares.
    """

    engine: str
    values: dict[str, float]


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """One load and what the engine said meanwhile. ``begun`` is Unix time in seconds."""

    run: Run
    begun: float
    server: ServerSide | None = None


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One load test: what was tested, how its requests were made, and its stages.

    ``asked`` says in words what requests ask; ``per_word`` is how many tokens the target makes of a word, where that
    was measured. ``round_trip_s`` is the time of making a TCP connection, about one way to the target and back;
    ``tls_s`` what TLS takes on top.
    """

    subject: Subject
    asked: str
    seed: int
    product: str
    stages: tuple[Stage, ...] = ()
    per_word: float | None = None
    round_trip_s: float | None = None
    tls_s: float | None = None
