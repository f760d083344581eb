"""How many units a verdict takes: before the first call, and from what a look has shown so far.

A sample is thought of as units that are won, lost or equal, with the mean (``gap``) and the mean square (``spread``,
the discordance where scores are right or wrong) of the real one; what a further look will show is predicted by the
normal distribution. These are forecasts. The verdict does not rest on them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from crossover.errors import InputError
from crossover.evaluation.sequential import TYPICAL_DISCORDANCE, ZERO_MARGIN, Floats, Stakes, log_sum, stakes_for
from crossover.evaluation.words import Need, PowerRow, Verdict
from crossover.stats import normal_quantile

MOST = 1_000_000  # units; what would need more is not worth asking for
SAFE = 0.95
_SIGNS = np.array([-1.0, 0.0, 1.0])
_HORIZONS = 48
_BELIEF = 2.0  # units of weight of the belief held before: a typical discordance


def needed(*, n: int, gap: float, spread: float, margin: float, alpha: float = 0.05, power: float = 0.8) -> Need:
    """How many more than ``n`` units it takes, after ``n`` of them with mean ``gap`` and mean square ``spread``.

    Before the data the true gap is believed to lie around 0 with the margin as its standard deviation (a candidate that
    is worth a look), and the discordance to be typical. Raises InputError for shares outside 0 to 1.
    """
    check_margin(margin)
    for name, value in (("alpha", alpha), ("power", power)):
        check_share(name, value)
    steps = further(n, gap, spread, margin=margin, alpha=alpha, powers=(power, 0.5, SAFE), stakes=stakes_for(margin))
    more, even, safe = (rounded_up(float(step)) for step in steps)
    return Need(power=power, more=more, even=even, safe=safe)


def further(
    n: ArrayLike,
    gap: ArrayLike,
    spread: ArrayLike,
    *,
    margin: float,
    alpha: float,
    powers: Sequence[float],
    stakes: Stakes,
) -> list[Floats]:
    """As :func:`needed`, for each chance of ``powers``, of many samples at once and not rounded.

    Infinite where a million will not do.
    """
    seen = np.asarray(n, dtype=np.float64)
    known = seen + _BELIEF
    square = (np.asarray(spread) * seen + _BELIEF * TYPICAL_DISCORDANCE) / known
    middle = np.asarray(gap) * seen / known
    variance = np.maximum(square - middle**2, 1e-9)
    precision = known / variance + (margin or ZERO_MARGIN) ** -2  # of what is known of the true gap
    belief = middle * (known / variance) / precision
    more = _horizons(np.maximum(seen * 0.02, 3.0))
    column = (..., None)
    chance = _conclusive(
        seen[column] + more,
        np.asarray(gap)[column] * seen[column] + belief[column] * more,
        np.sqrt(more * variance[column] + more**2 / precision[column]),
        square[column],
        margin=margin,
        alpha=alpha,
        stakes=stakes,
    )
    return [_first_reaching(chance, more, power) for power in powers]


def power_table(
    margins: Sequence[float],
    discordances: Sequence[float],
    gaps: Sequence[float] = (0.0,),
    *,
    alpha: float = 0.05,
    power: float = 0.8,
) -> list[PowerRow]:
    """A row for every margin, discordance and true gap that can be (no gap is larger than its discordance).

    Raises InputError for a value outside its range, and where no combination can be.
    """
    check_share("alpha", alpha)
    check_share("power", power)
    for margin in margins:
        check_margin(margin)
    for discordance in discordances:
        if not 0 < discordance <= 1:
            raise InputError(f"a discordance is a share above 0, up to 1, not {discordance:g}", field="discordance")
    rows = [
        _row(margin, discordance, gap, alpha, power)
        for margin in margins
        for discordance in discordances
        for gap in gaps
        if abs(gap) <= discordance
    ]
    if not rows:
        raise InputError("a gap cannot be larger than the share of prompts that differ", field="gap")
    return rows


def fixed_size(margin: float, discordance: float, gap: float, *, alpha: float = 0.05, power: float = 0.8) -> int | None:
    """The prompts that a test looked at once needs, one-sided at ``alpha``: for "not worse" or for "worse", whichever
    takes fewer. The textbook's formula by the normal distribution; None where neither has a chance."""
    factor = (normal_quantile(1 - alpha) + normal_quantile(power)) ** 2 * max(discordance - gap**2, 0.0)
    distances = [distance for distance in (gap + margin, -gap) if distance > 0]
    return math.ceil(factor / max(distances) ** 2) if distances else None


def decisive_sum(n: ArrayLike, spread: ArrayLike, null: float, alpha: float, stakes: Stakes) -> Floats:
    """The smallest sum of ``n`` differences that refutes "the mean is at most ``null``"; infinite where none does.

    ``spread`` is the mean square of the differences.
    """
    size, square = np.broadcast_arrays(np.asarray(n, dtype=np.float64), np.asarray(spread, dtype=np.float64))
    lost, equal, won = np.log1p(stakes.shares * (_SIGNS[:, None] - null) / (1 + null))
    slope = (won - lost) / 2
    active = (size * square)[..., None]
    start = size[..., None] * equal + active * ((won + lost) / 2 - equal) + stakes.log_weights
    wanted = -math.log(alpha)
    # The logarithm of the fortune is convex in the sum: Newton's steps from the right do not pass the root.
    total: Floats = ((wanted - start) / slope).min(axis=-1)
    for _ in range(6):
        terms = start + total[..., None] * slope
        value = log_sum(terms)
        total = total - (value - wanted) / (np.exp(terms - value[..., None]) @ slope)
    return np.where(total <= active[..., 0] + 1e-9, total, np.inf)


def rounded_up(amount: float) -> int | None:
    """A number that people say: to the next 10, 50 or 100, then to two digits; None beyond a million."""
    if not amount <= MOST:
        return None
    step = next((step for limit, step in ((200, 10), (1000, 50), (10_000, 100)) if amount <= limit), 0)
    step = step or 10 ** (int(math.log10(amount)) - 1)
    return max(math.ceil(amount / step - 1e-9), 1) * step


def check_margin(margin: float) -> None:
    """Raise InputError unless a margin is a number from 0 to below 1."""
    if not 0 <= margin < 1:
        hint = f"Five points are 0.05; did you mean {margin / 100:g}?" if 1 <= margin < 100 else "Five points are 0.05"
        raise InputError(f"a margin lies from 0 to below 1, not {margin:g}", hint=hint, field="margin")


def _row(margin: float, discordance: float, gap: float, alpha: float, power: float) -> PowerRow:
    stakes = stakes_for(margin)
    sizes = _horizons(np.asarray(3.0))
    variance = max(discordance - gap**2, 1e-9)
    chance = _conclusive(
        sizes,
        sizes * gap,
        np.sqrt(sizes * variance),
        np.asarray(discordance),
        margin=margin,
        alpha=alpha,
        stakes=stakes,
    )
    n, even = (rounded_up(float(_first_reaching(chance, sizes, wanted))) for wanted in (power, 0.5))
    return PowerRow(
        margin=margin,
        discordance=discordance,
        gap=gap,
        power=power,
        likely=_likely(margin, gap),
        n=n,
        even=even,
        fixed=fixed_size(margin, discordance, gap, alpha=alpha, power=power),
    )


def _likely(margin: float, gap: float) -> Verdict:
    """The first verdict that a growing sample reaches: the nearer of the two nulls is not the one refuted first."""
    if gap + margin == 0 == gap:
        return "inconclusive"
    return "not_worse" if gap + margin >= -gap else "worse"


def _horizons(first: Floats) -> Floats:
    """Numbers of units from ``first`` to a million, close together where most answers lie."""
    steps = np.linspace(0, 1, _HORIZONS)
    sizes: Floats = first[..., None] * (MOST / first[..., None]) ** steps
    return sizes


def _conclusive(
    size: Floats, middle: Floats, deviation: Floats, spread: Floats, *, margin: float, alpha: float, stakes: Stakes
) -> Floats:
    """The chance that a sum of ``size`` differences, normal around ``middle``, refutes either null."""
    high = decisive_sum(size, spread, -margin, alpha, stakes)
    low = -decisive_sum(size, spread, 0.0, alpha, stakes)
    chance = _normal((middle - high) / deviation) + _normal((low - middle) / deviation)
    return np.where(high <= low, 1.0, chance)


def _first_reaching(chance: Floats, sizes: Floats, wanted: float) -> Floats:
    """The first size at which a chance is reached, interpolated; infinite where none is."""
    reached = chance >= wanted
    after = np.maximum(reached.argmax(axis=-1), 1)[..., None]
    (y0, x0), (y1, x1) = (
        (np.take_along_axis(chance, at, -1)[..., 0], np.take_along_axis(np.log(sizes), at, -1)[..., 0])
        for at in (after - 1, after)
    )
    part = np.clip((wanted - y0) / np.maximum(y1 - y0, 1e-12), 0, 1)
    return np.where(reached.any(axis=-1), np.exp(x0 + part * (x1 - x0)), np.inf)


def check_share(name: str, value: float) -> None:
    """Raise InputError unless a value lies strictly between 0 and 1."""
    if not 0 < value < 1:
        raise InputError(f"{name} is a share between 0 and 1, not {value:g}", field=name)


def _normal(x: Floats) -> Floats:
    return np.asarray(0.5 * (1 + _erf(x / math.sqrt(2))), dtype=np.float64)


_erf = np.vectorize(math.erf, otypes=[np.float64])
