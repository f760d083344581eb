"""The verdict on a candidate against a reference, from the scores of both on the same prompts.

Everything a verdict says is a bet won (:mod:`crossover.evaluation.sequential`), so a false word comes up in at most
``alpha`` of all evaluations however often somebody looks, tops up, or follows the advice to do so. With interval [L, U]
and margin m: L > 0 better; -m < L and U < m equivalent; L > -m not worse by more than the margin; U < -m worse by more
than the margin; U < 0 worse but of open size; else inconclusive.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from crossover.errors import InputError
from crossover.evaluation import advice
from crossover.evaluation.bootstrap import bootstrap
from crossover.evaluation.holm import holm
from crossover.evaluation.power import check_margin, check_share, needed
from crossover.evaluation.sequential import Floats, Stakes, log_wealth, lower_bound, stakes_for
from crossover.evaluation.units import Units, units_of
from crossover.evaluation.words import Claims, Comparison, Interval, Pair, Verdict
from crossover.stats import mcnemar, tango

METHOD = "confidence sequence by betting"


def compare(
    pairs: Iterable[Pair], *, margin: float = 0.05, alpha: float = 0.05, power: float = 0.8, seed: int = 0
) -> Comparison:
    """What the pairs say about the candidate. ``alpha`` is the chance of a false word in each direction.

    Give all pairs of the evaluation so far, in any order; nothing has to be remembered of earlier looks. ``power`` is
    the chance that the need for more promises, ``seed`` that of the bootstrap beside the verdict. Raises InputError for
    a score outside 0 to 1, a margin outside 0 to below 1, an alpha or power outside 0 to 1.
    """
    check_margin(margin)
    check_share("alpha", alpha)
    check_share("power", power)
    units = units_of(pairs)
    return _comparison(units, claims_of(units, margin), margin, alpha, power, seed, family=1)


def compare_all(
    candidates: Mapping[str, Iterable[Pair]],
    *,
    margin: float = 0.05,
    alpha: float = 0.05,
    power: float = 0.8,
    seed: int = 0,
) -> dict[str, Comparison]:
    """As :func:`compare`, for several candidates against one reference: ``alpha`` holds for all of them together.

    Each kind of claim ("not worse", "better", ...) is a family of its own, adjusted by Holm; the intervals hold
    together (Bonferroni), so that now and then a verdict says more than its interval. Looking at many candidates and
    reporting the best would otherwise find some "better" one by chance alone.
    """
    check_margin(margin)
    check_share("alpha", alpha)
    check_share("power", power)
    units = {name: units_of(pairs) for name, pairs in candidates.items()}
    if not units:
        raise InputError("there is no candidate to compare", field="candidates")
    return {
        name: _comparison(units[name], claims, margin, alpha, power, seed, family=len(units))
        for name, claims in _together(units, margin).items()
    }


def verdicts_of(
    candidates: Mapping[str, Iterable[Pair]], *, margin: float = 0.05, alpha: float = 0.05
) -> dict[str, Verdict]:
    """The verdicts of :func:`compare_all` alone, which are quick to look at while a run is under way."""
    units = {name: units_of(pairs) for name, pairs in candidates.items()}
    return {name: verdict_of(claims, alpha) for name, claims in _together(units, margin).items()}


def _together(units: Mapping[str, Units], margin: float) -> dict[str, Claims]:
    """The claims of several candidates, each kind adjusted by Holm."""
    single = [claims_of(sample, margin) for sample in units.values()]
    adjusted = [holm([getattr(claims, name) for claims in single]) for name in Claims.__struct_fields__]
    return {
        name: Claims(**dict(zip(Claims.__struct_fields__, row, strict=True)))
        for name, row in zip(units, zip(*adjusted, strict=True), strict=True)
    }


def claims_of(units: Units, margin: float) -> Claims:
    """The p-value of everything that the verdict could say; each is valid at every look."""
    stakes = stakes_for(margin)
    values, counts = units.values, units.counts
    return Claims(
        ahead=float(p_above(values, counts, 0.0, stakes)),
        above=float(p_above(values, counts, -margin, stakes)),
        within=float(p_above(-values, counts, -margin, stakes)),
        behind=float(p_above(-values, counts, 0.0, stakes)),
        below=float(p_above(-values, counts, margin, stakes)),
    )


def p_above(values: ArrayLike, counts: ArrayLike, null: float, stakes: Stakes) -> Floats:
    """The p-value, valid at every look, against "the mean is at most ``null``": 1 over the fortune won.

    Of one sample, or of many: ``counts`` may have leading axes.
    """
    return np.exp(-np.maximum(log_wealth(values, counts, null, stakes), 0.0))


def verdict_of(claims: Claims, alpha: float) -> Verdict:
    """The strongest thing that can be said with an error of at most ``alpha`` in each direction."""
    if claims.ahead <= alpha:
        return "better"
    if claims.above <= alpha:
        return "equivalent" if claims.within <= alpha else "not_worse"
    if claims.below <= alpha:
        return "worse_than_margin"
    return "worse" if claims.behind <= alpha else "inconclusive"


def _comparison(
    units: Units, claims: Claims, margin: float, alpha: float, power: float, seed: int, *, family: int
) -> Comparison:
    verdict, share = verdict_of(claims, alpha), alpha / family
    need = None
    if verdict == "inconclusive":
        need = needed(n=units.size, gap=units.mean, spread=units.spread, margin=margin, alpha=share, power=power)
    plain = Comparison(
        verdict=verdict,
        margin=margin,
        alpha=alpha,
        n=units.n,
        units=units.size,
        unit=units.unit,
        gap=units.mean if units.n else None,
        candidate=units.candidate,
        reference=units.reference,
        wins=units.wins,
        losses=units.losses,
        ties=units.n - units.wins - units.losses,
        discordance=(units.wins + units.losses) / units.n if units.n else None,
        spread=units.spread if units.n else None,
        interval=_anytime(units, share, stakes_for(margin)),
        at_this_look=_at_this_look(units, alpha, seed),
        mcnemar=mcnemar(units.wins, units.losses) if units.signs and units.n else None,
        claims=claims,
        need=need,
        family=family,
        method=METHOD if family == 1 else f"{METHOD}, Holm over {family} candidates",
        advice="",
    )
    return msgspec.structs.replace(plain, advice=advice.sentences(plain))


def _anytime(units: Units, alpha: float, stakes: Stakes) -> Interval:
    low = lower_bound(units.values, units.counts, alpha, stakes)
    high = -lower_bound(-units.values, units.counts, alpha, stakes)
    return Interval(low=low, high=high, alpha=alpha, method=METHOD, promise="guaranteed")


def _at_this_look(units: Units, alpha: float, seed: int) -> Interval | None:
    if not units.n:
        return None
    if units.signs:
        low, high = tango(units.wins, units.losses, units.n, 1 - 2 * alpha)
        return Interval(low=low, high=high, alpha=alpha, method="Tango's score interval", promise="estimated")
    low, high = bootstrap(units.values, units.counts, alpha, seed=seed)
    what = "bootstrap of whole groups" if units.unit == "groups" else "paired bootstrap"
    return Interval(low=low, high=high, alpha=alpha, method=what, promise="estimated")
