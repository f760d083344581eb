"""What a hosted model costs a month: the workload's tokens times the price as of a date.

Exact (``Decimal``) where lengths are constant or recorded; where they are a distribution and the price steps with the
size of the prompt, the shares above each step are the closed-form partial expectations of the distribution, taking
prompt and answer lengths as independent.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from statistics import NormalDist

import msgspec

from crossover.catalog.prices import (
    DEFAULT_TIER,
    NO_CACHED_PRICE,
    NO_WRITE_PRICE,
    Contract,
    PricedModel,
    PriceOverride,
    Processing,
    Provisioned,
    RateCard,
    hourly_cards,
    rate_card,
)
from crossover.cost.lines import Line, assumed, exact, line, total
from crossover.money import DAYS_PER_MONTH, HOURS_PER_DAY, TOKENS_PER_MTOK, Usd
from crossover.workload import Lengths, Trace, Workload

_NORMAL = NormalDist()
_MINUTES_PER_DAY = 1440


class TokenRatio(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of one model for one token of the workload, because tokenizers, verbosity and reasoning differ.

    ``input`` and ``output`` multiply the workload's tokens. ``low`` and ``high`` are the 80 % range of the *bill*
    around that, as factors (0.8: 20 % less): assumed until both models were measured on the same prompts.
    """

    input: float = 1.0
    output: float = 1.0
    low: float = 1.0
    high: float = 1.0
    source: str = "assumed"


SAME_MODEL = TokenRatio(source="same model")


def assumed_ratio(*, same_family: bool, reasoning: bool = False) -> TokenRatio:
    """The default ratio of another model to the one the workload was counted with; ``reasoning``: it thinks aloud.

    Figures and their reasons stand in ``data/assumptions.csv``.
    """
    spread = assumed("token_ratio_same_family" if same_family else "token_ratio_other_family")
    thinking = assumed("token_ratio_reasoning_output") if reasoning else None
    high = float(spread.high / spread.value)
    if thinking is not None:
        high *= float(thinking.high / thinking.value)
    return TokenRatio(
        input=1.0,
        output=1.0 if thinking is None else float(thinking.value),
        low=float(spread.low / spread.value) * (1.0 if thinking is None else float(thinking.low / thinking.value)),
        high=high,
        source="assumed",
    )


class TokenCost(msgspec.Struct, frozen=True, kw_only=True):
    """A month of tokens. Lines add up to ``usd_month``; ``low`` and ``high`` carry the range of the token ratio.

    ``usd_per_request`` is the mean price of one more request; ``usd_per_input_mtok`` and ``usd_per_output_mtok`` are
    blended over cached, batch, tiers and discount, so that any part of the workload can be priced by its tokens.
    ``linear`` says that the bill is ``usd_per_request`` times requests, never less than ``minimum_usd_month``.
    """

    lines: tuple[Line, ...]
    usd_month: Usd
    low: Usd
    high: Usd
    usd_per_request: Usd
    usd_per_input_mtok: Usd
    usd_per_output_mtok: Usd
    requests_month: Decimal
    input_tokens_month: Decimal
    output_tokens_month: Decimal
    minimum_usd_month: Usd
    linear: bool
    source: str
    as_of: dt.date | None
    dated: bool
    notes: tuple[str, ...]

    def at(self, requests_per_day: float) -> float:
        """Estimated dollars a month (30 days) of the same requests at another volume, for a linear bill."""
        return max(float(self.minimum_usd_month), requests_per_day * DAYS_PER_MONTH * float(self.usd_per_request))


class _Part(msgspec.Struct, frozen=True, kw_only=True):
    """Mean tokens of one request that fall into one step of a tiered price (already scaled to this model's tokens).

    ``share`` of requests fall into it; ``at`` is a prompt size inside the step.
    """

    at: float
    share: Decimal
    input: Decimal
    output: Decimal


class _Bill(msgspec.Struct, frozen=True, kw_only=True):
    """Dollars of one mean request by line."""

    input: Usd = Decimal(0)
    cached: Usd = Decimal(0)
    written: Usd = Decimal(0)
    output: Usd = Decimal(0)
    fee: Usd = Decimal(0)

    @property
    def prompt(self) -> Usd:
        return self.input + self.cached + self.written

    @property
    def all(self) -> Usd:
        return self.prompt + self.output + self.fee


class _Bills(msgspec.Struct, frozen=True, kw_only=True):
    """The mean request at list price and as paid under the contract, at once and in a batch."""

    listed: _Bill
    listed_batch: _Bill
    paid: _Bill
    paid_batch: _Bill


def monthly(
    workload: Workload,
    model: PricedModel,
    date: dt.date,
    *,
    ratio: TokenRatio = SAME_MODEL,
    service_tier: str = DEFAULT_TIER,
    overrides: Sequence[PriceOverride] = (),
    contract: Contract | None = None,
    cache_write_share: float = 0.0,
    days: float = DAYS_PER_MONTH,
) -> TokenCost:
    """A month of ``workload`` on ``model`` at the prices of ``date``.

    ``cache_write_share`` is the share of input tokens written to a cache at the 5-minute price. A price that changes
    with the hour of the day is weighted by the workload's profile, read as UTC. Raises InputError for numbers that
    cannot be.
    """
    volume = exact(workload.requests_per_day, "requests_per_day") * exact(days, "days", high=3660)
    batch = exact(workload.batch_share, "batch_share", high=1)
    shares = (
        exact(workload.cached_share, "cached_share", high=1),
        exact(cache_write_share, "cache_write_share", high=1 - workload.cached_share),
    )

    def mean_request(processing: Processing, terms: Contract | None) -> tuple[_Bill, RateCard]:
        cards = hourly_cards(
            model, date, processing=processing, service_tier=service_tier, overrides=overrides, contract=terms
        )
        return _hourly(workload, cards, ratio, shares), cards[0]

    listed, card = mean_request("standard", None)
    listed_batch, batch_card = mean_request("batch", None) if batch else (listed, card)
    bills = _Bills(
        listed=listed,
        listed_batch=listed_batch,
        paid=mean_request("standard", contract)[0] if contract else listed,
        paid_batch=mean_request("batch", contract)[0] if contract and batch else listed_batch,
    )
    beyond, lines = _monthly_lines(workload, bills, ratio, contract, days, volume, batch, shares)
    usd_month = total(lines)
    into, out = _means(workload, ratio)
    return TokenCost(
        lines=tuple(lines),
        usd_month=usd_month,
        low=usd_month * Decimal(str(ratio.low)),
        high=usd_month * Decimal(str(ratio.high)),
        usd_per_request=bills.paid.all * (1 - batch) * beyond + bills.paid_batch.all * batch,
        usd_per_input_mtok=_blend(bills.paid.prompt, bills.paid_batch.prompt, batch, into),
        usd_per_output_mtok=_blend(bills.paid.output, bills.paid_batch.output, batch, out),
        requests_month=volume,
        input_tokens_month=volume * into,
        output_tokens_month=volume * out,
        minimum_usd_month=contract.minimum_usd_month if contract else Decimal(0),
        linear=contract is None or contract.provisioned is None,
        source=card.source,
        as_of=card.as_of,
        dated=card.dated,
        notes=_notes(workload, card, batch_card if batch else None, shares, date),
    )


def per_request(
    model: PricedModel,
    date: dt.date,
    *,
    input_tokens: int,
    output_tokens: int,
    cached_share: float = 0.0,
    processing: Processing = "standard",
) -> Usd:
    """Exact dollars of one request of this size at list price; ``cached_share`` of its input is read from the cache."""
    part = _Part(at=input_tokens, share=Decimal(1), input=Decimal(input_tokens), output=Decimal(output_tokens))
    cached = exact(cached_share, "cached_share", high=1)
    return _priced([part], rate_card(model, date, processing=processing), (cached, Decimal(0))).all


# ------------------------------------------------------------------------------------------------------ one request


def _hourly(
    workload: Workload, cards: tuple[RateCard, ...], ratio: TokenRatio, shares: tuple[Decimal, Decimal]
) -> _Bill:
    """The mean request's bill, over the hours of the day where the price has hours."""
    distinct = {id(card): card for card in cards}
    bills = {key: _priced(_parts(workload, card.thresholds, ratio), card, shares) for key, card in distinct.items()}
    if len(distinct) == 1:
        return next(iter(bills.values()))
    weights = [Decimal(str(sum(workload.profile[hour::HOURS_PER_DAY]))) for hour in range(HOURS_PER_DAY)]
    whole = sum(weights, Decimal(0)) or Decimal(1)

    def mean(field: str) -> Usd:
        parts = (w * getattr(bills[id(card)], field) for w, card in zip(weights, cards, strict=True))
        return sum(parts, Decimal(0)) / whole

    return _Bill(**{field: mean(field) for field in ("input", "cached", "written", "output", "fee")})


def _priced(parts: list[_Part], card: RateCard, shares: tuple[Decimal, Decimal]) -> _Bill:
    cached, written = shares
    bill = _Bill()
    for part in parts:
        prices = card.at(part.at)
        bill = _Bill(
            input=bill.input + prices.input * part.input * (1 - cached - written) / TOKENS_PER_MTOK,
            cached=bill.cached + prices.cached_read * part.input * cached / TOKENS_PER_MTOK,
            written=bill.written + prices.cache_write_5m * part.input * written / TOKENS_PER_MTOK,
            output=bill.output + prices.output * part.output / TOKENS_PER_MTOK,
            fee=bill.fee + prices.per_request * part.share,
        )
    return bill


def _means(workload: Workload, ratio: TokenRatio) -> tuple[Decimal, Decimal]:
    """Mean input and output tokens of one request, in this model's tokens."""
    part = _parts(workload, (), ratio)[0]
    return part.input, part.output


def _parts(workload: Workload, thresholds: tuple[int, ...], ratio: TokenRatio) -> list[_Part]:
    """The mean request cut at the price steps; without steps it is one part and exact."""
    into, out = Decimal(str(ratio.input)), Decimal(str(ratio.output))
    edges = [threshold / ratio.input for threshold in thresholds] if ratio.input > 0 else []
    if workload.trace is not None and workload.trace.requests:
        raw = _trace_parts(workload.trace, edges)
    else:
        mean_output = Decimal(str(workload.output.mean))
        raw = [(share, tokens, mean_output * share) for share, tokens in _above(workload.input, edges)]
    sizes = [0.0, *(math.nextafter(threshold, math.inf) for threshold in thresholds)]
    return [
        _Part(at=size, share=share, input=tokens * into, output=output * out)
        for size, (share, tokens, output) in zip(sizes, raw, strict=False)
    ]


def _trace_parts(trace: Trace, edges: list[float]) -> list[tuple[Decimal, Decimal, Decimal]]:
    """(share of requests, mean input, mean output) per step, from the recorded rows."""
    import numpy as np

    count = Decimal(trace.requests)
    step = np.searchsorted(np.asarray(edges), trace.input_tokens, side="left")
    return [
        (
            Decimal(int((step == index).sum())) / count,
            Decimal(int(trace.input_tokens[step == index].sum())) / count,
            Decimal(int(trace.output_tokens[step == index].sum())) / count,
        )
        for index in range(len(edges) + 1)
    ]


def _above(lengths: Lengths, edges: list[float]) -> list[tuple[Decimal, Decimal]]:
    """(share of requests, E[tokens; inside]) for each step between ``edges``; all of it where there are none."""
    mean = Decimal(str(lengths.mean))
    tails = [(Decimal(1), mean), *(_tail(lengths, edge) for edge in edges), (Decimal(0), Decimal(0))]
    return [(a - c, b - d) for (a, b), (c, d) in pairwise(tails)]


def _tail(lengths: Lengths, edge: float) -> tuple[Decimal, Decimal]:
    """(P[X > edge], E[X; X > edge]) of a length distribution."""
    mean = Decimal(str(lengths.mean))
    if lengths.kind == "constant" or (lengths.kind == "lognormal" and lengths.sigma == 0) or edge <= 0:
        return (Decimal(1), mean) if lengths.mean > edge else (Decimal(0), Decimal(0))
    if lengths.kind == "lognormal":
        if lengths.mean / edge <= 0:
            return Decimal(0), Decimal(0)
        distance = (math.log(lengths.mean / edge) - lengths.sigma**2 / 2) / lengths.sigma
        share = _NORMAL.cdf(distance)
        inside = _NORMAL.cdf(distance + lengths.sigma)
        return Decimal(str(share)), mean * Decimal(str(inside))
    points = [(0.0, lengths.points[0][1]), *lengths.points, (1.0, lengths.points[-1][1])]
    share = inside = 0.0
    for (a, x), (b, y) in pairwise(points):
        if y <= edge or b <= a:
            continue
        start = a if x >= edge else a + (b - a) * (edge - x) / (y - x)
        share += b - start
        inside += (b - start) * (max(x, edge) + y) / 2
    return Decimal(str(share)), min(mean, Decimal(str(inside)))


def _blend(standard: Usd, batch: Usd, batch_share: Decimal, tokens: Decimal) -> Usd:
    if not tokens:
        return Decimal(0)
    return (standard * (1 - batch_share) + batch * batch_share) * TOKENS_PER_MTOK / tokens


# ------------------------------------------------------------------------------------------------------------ lines


def _lines(bill: _Bill, requests: Decimal, cached: bool, written: bool) -> list[Line]:
    lines = [line("input tokens", "tokens", bill.input * requests)]
    if cached:
        lines.append(line("cached input tokens", "tokens", bill.cached * requests))
    if written:
        lines.append(line("cache writes", "tokens", bill.written * requests))
    lines.append(line("output tokens", "tokens", bill.output * requests))
    if bill.fee:
        lines.append(line("price per request", "tokens", bill.fee * requests))
    return lines


def _monthly_lines(
    workload: Workload,
    bills: _Bills,
    ratio: TokenRatio,
    contract: Contract | None,
    days: float,
    volume: Decimal,
    batch: Decimal,
    shares: tuple[Decimal, Decimal],
) -> tuple[Decimal, list[Line]]:
    """(share of standard requests that are billed by token, all lines of the month)."""
    beyond, reservation = Decimal(1), None
    if contract is not None and contract.provisioned is not None:
        beyond, reservation = _provisioned(workload, contract.provisioned, ratio, float(batch), days)
    kept = (1 - batch) * beyond
    lines = _lines(bills.listed, volume * (kept + batch), bool(shares[0]), bool(shares[1]))
    if batch:
        saved = (bills.listed_batch.all - bills.listed.all) * batch * volume
        note = f"{float(batch):.0%} of requests" if saved else "no batch price"
        lines.append(line("batch discount", "tokens", saved, note=note))
    if contract is not None and contract.discount_percent:
        at_once, later = bills.paid.all - bills.listed.all, bills.paid_batch.all - bills.listed_batch.all
        note = f"{contract.discount_percent} % ({contract.source})"
        lines.append(line("contract discount", "tokens", (at_once * kept + later * batch) * volume, note=note))
    if reservation is not None:
        lines.append(reservation)
    return beyond, lines + _minimum(lines, contract)


def _minimum(lines: list[Line], contract: Contract | None) -> list[Line]:
    minimum = contract.minimum_usd_month if contract else Decimal(0)
    missing = minimum - total(lines)
    if missing <= 0:
        return []
    return [line("unused minimum spend", "tokens", missing, note=f"commitment of ${minimum:,} a month")]


def _provisioned(
    workload: Workload, reserved: Provisioned, ratio: TokenRatio, batch: float, days: float
) -> tuple[Decimal, Line]:
    """(share of requests beyond the reservation, line of the reservation); by the hours of the workload's week."""
    tokens_in, tokens_out = _means(workload, ratio)
    per_minute = workload.requests_per_day * (1 - batch) / _MINUTES_PER_DAY
    mean = per_minute * (float(tokens_in) + reserved.output_weight * float(tokens_out))
    busiest = mean * max(workload.peak_factor, *workload.profile)
    units = reserved.units
    if units is None:
        units = max(reserved.minimum_units, math.ceil(busiest / reserved.tokens_per_minute - 1e-9))
    carried = units * reserved.tokens_per_minute
    beyond = sum(max(0.0, mean * hour - carried) for hour in workload.profile) / len(workload.profile)
    hours = Decimal(str(days)) * HOURS_PER_DAY
    price = f"{units} units × ${reserved.usd_per_unit_hour}/h × {float(hours):g} h"
    note = f"{price}; {beyond / mean if mean else 0:.1%} of tokens beyond them"
    amount = units * reserved.usd_per_unit_hour * hours
    overflow = Decimal(str(beyond / mean)) if mean and carried < busiest else Decimal(0)
    return overflow, line("provisioned throughput", "tokens", amount, note=note)


def _notes(
    workload: Workload,
    card: RateCard,
    batch_card: RateCard | None,
    shares: tuple[Decimal, Decimal],
    date: dt.date,
) -> tuple[str, ...]:
    beside = {NO_CACHED_PRICE: not shares[0], NO_WRITE_PRICE: not shares[1]}  # says nothing about this workload
    told = [note for note in card.notes if not beside.get(note)]
    notes = [f"price of {card.provider}/{card.model} as of {date.isoformat()}: {note}" for note in told]
    if batch_card is not None:
        notes += [f"batch: {note}" for note in batch_card.notes if note not in card.notes]
    if shares[0] and not shares[1] and (card.cache_write or card.cache_write_5m):
        notes.append("cached input is priced as reads only; this seller also charges for writing the cache")
    tiered = card.thresholds and workload.trace is None and workload.input.kind != "constant"
    if tiered:
        notes.append("the price steps with the prompt; prompt and answer lengths are taken as independent")
    return tuple(notes)
