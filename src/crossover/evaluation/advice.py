"""What a comparison means, in sentences for people: the verdict, its promise, and what to do next."""

from __future__ import annotations

from crossover.evaluation.words import Comparison, Need


def sentences(comparison: Comparison) -> str:
    """The advice of a comparison: two or three short sentences."""
    if comparison.verdict == "inconclusive":
        return f"{_finding(comparison)} {further(comparison)}{_groups(comparison)}"
    more = f" More {comparison.unit} can tell which." if comparison.verdict == "worse" else ""
    return f"{_finding(comparison)} {promise(comparison)}{more}{_groups(comparison)}"


def promise(comparison: Comparison) -> str:
    """What stands behind a verdict, and on which condition."""
    among = f" among {comparison.family} candidates" if comparison.family > 1 else ""
    return (
        f"Guaranteed: a false word of this kind{among} comes up in at most {_percent(comparison.alpha)} of "
        "evaluations, however often you look or top up, "
        f"if the {comparison.unit} are an independent sample of the task."
    )


def points(gap: float, *, signed: bool = False) -> str:
    """A gap in points, the hundredth part of the scale: ``5 points``, ``+1.2 points``."""
    text = _plain(gap) if signed else _plain(gap).removeprefix("+")
    return f"{text} point" if text in ("1", "+1", "-1") else f"{text} points"


def _finding(comparison: Comparison) -> str:
    margin = points(comparison.margin)
    if comparison.gap is None:
        return "Inconclusive: nothing was compared yet."
    low, high = comparison.interval.low, comparison.interval.high
    gap = points(comparison.gap, signed=True)
    measured = f"the gap is {gap} ({_plain(low)} to {_plain(high)})"
    heads = {
        "better": "Better:",
        "equivalent": f"Equivalent within {margin}:",
        "not_worse": f"Not worse by more than {margin}:",
        "worse_than_margin": f"Worse by more than {margin}:",
        "worse": f"Worse, by less or by more than {margin}:",
        "inconclusive": f"Inconclusive after {comparison.units:,} {_unit(comparison)}:",
    }
    return f"{heads[comparison.verdict]} {measured}."


def further(comparison: Comparison) -> str:
    """What it takes to settle what is open."""
    need = comparison.need
    unit = comparison.unit
    if need is None or need.more is None:
        if comparison.margin == 0:
            return f"No number of {unit} is likely to tell equals apart: declare a margin above 0."
        return f"A million {unit} more are not likely to settle it: declare a wider margin."
    return f"{_forecast(need, unit)} Looking at any time, and topping up, costs nothing of the promise."


def _forecast(need: Need, unit: str) -> str:
    text = f"About {need.more:,} more {unit} settle it with a chance of {_percent(need.power)}"
    if need.even is not None and need.more is not None and need.even < need.more:
        text += f" ({need.even:,} with an even chance)"
    return f"{text}; this is estimated."


def _groups(comparison: Comparison) -> str:
    if comparison.unit != "groups":
        return ""
    return " Prompts of one group count together, and groups count alike: top up with whole new groups."


def _unit(comparison: Comparison) -> str:
    return comparison.unit.removesuffix("s") if comparison.units == 1 else comparison.unit


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"


def _plain(gap: float) -> str:
    text = f"{gap * 100:+.1f}".removesuffix(".0")
    return "0" if text in ("-0", "+0") else text
