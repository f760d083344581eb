"""What one request costs, fast and exact: integer picodollars (10⁻¹² USD) per token, as of a price list.

A :class:`PriceList` is a rate card boiled down to whole picodollars a token; a price of up to six decimals per million
tokens is exact. Local deployments have a price per token from their hourly cost, marked as an average.
"""

from __future__ import annotations

import msgspec

from crossover.catalog.prices import RateCard
from crossover.money import Usd
from crossover.usage import Usage

PICO = 10**12
_PICO_PER_MTOK_DOLLAR = 10**6  # one dollar per million tokens is 10⁶ picodollars a token


class Step(msgspec.Struct, frozen=True, gc=False):
    """Picodollars a token for prompts of more than ``above`` tokens."""

    above: int
    input: int
    cached_read: int
    cache_write_5m: int
    cache_write_1h: int
    output: int
    reasoning: int


class PriceList(msgspec.Struct, frozen=True, kw_only=True):
    """Prices by size of the prompt, rising. ``per_request`` picodollars a call. ``known`` False: nobody has a price."""

    steps: tuple[Step, ...]
    per_request: int = 0
    source: str = ""
    known: bool = True

    def cost(self, usage: Usage) -> int:
        """Picodollars of one request with this usage; see :meth:`crossover.catalog.prices.RateCard.cost`."""
        step = self.steps[0] if len(self.steps) == 1 else self.at(usage.input)
        if not (usage.cached_read or usage.cache_write_5m or usage.cache_write_1h or usage.reasoning):
            return step.input * usage.input + step.output * usage.output + self.per_request
        fresh = usage.input - usage.cached_read - usage.cache_write_5m - usage.cache_write_1h
        return (
            step.input * fresh
            + step.cached_read * usage.cached_read
            + step.cache_write_5m * usage.cache_write_5m
            + step.cache_write_1h * usage.cache_write_1h
            + step.output * (usage.output - usage.reasoning)
            + step.reasoning * usage.reasoning
            + self.per_request
        )

    def at(self, input_tokens: int) -> Step:
        """The step of a prompt of this size."""
        chosen = self.steps[0]
        for step in self.steps[1:]:
            if input_tokens > step.above:
                chosen = step
        return chosen


# An own machine whose hour has no stated price: a request adds nothing to a bill, and what it costs nobody knows.
UNSTATED = PriceList(steps=(Step(0, 0, 0, 0, 0, 0, 0),), source="own machine: no hourly price stated", known=False)
UNKNOWN = PriceList(steps=(Step(0, 0, 0, 0, 0, 0, 0),), source="no price known", known=False)


def price_list(card: RateCard) -> PriceList:
    """A rate card as whole picodollars a token; finer prices are rounded half to even."""
    sizes = (0, *card.thresholds)
    return PriceList(
        steps=tuple(_step(card, size) for size in sizes),
        per_request=_whole(card.per_request * PICO),
        source=f"{card.source} {card.provider}/{card.model}",
    )


def _step(card: RateCard, above: int) -> Step:
    prices = card.at(above + 1 if above else 0)
    fields = ("input", "cached_read", "cache_write_5m", "cache_write_1h", "output", "reasoning")
    return Step(above, *(_whole(getattr(prices, field) * _PICO_PER_MTOK_DOLLAR) for field in fields))


def _whole(amount: Usd) -> int:
    return int(amount.to_integral_value())
