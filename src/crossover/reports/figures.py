"""Figures as people read them: dollars, times, volumes, shares. One way to write each, used by every report."""

from __future__ import annotations

import math

from crossover.evidence import Band
from crossover.money import show

NONE = "–"


def usd(value: float | None) -> str:
    """Dollars: ``$1,275``, ``$7.65``, ``$0.0043``; a dash where there is no figure."""
    if value is None or not math.isfinite(value):
        return NONE
    if abs(value) >= 1e9:
        return short_usd(value)
    return _tiny_usd(value) if 0 < abs(value) < 1e-4 else show(value)


def _tiny_usd(value: float) -> str:
    """Three significant digits without an exponent, down to a billionth of a dollar."""
    size = abs(value)
    if size < 1e-9:
        return show(value)
    digits = f"{size:.{2 - math.floor(math.log10(size))}f}".rstrip("0")
    return f"−${digits}" if value < 0 else f"${digits}"


def short_usd(value: float) -> str:
    """Dollars in few characters: ``$950``, ``$12.3k``, ``$4.5M``, ``$2B``."""
    if not math.isfinite(value):
        return NONE
    sign, size = ("−" if value < 0 else ""), abs(value)
    for limit, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if size >= limit * 0.9995:
            return f"{sign}${size / limit:.3g}{unit}"
    return show(value)


def rough_usd(value: float) -> str:
    """Dollars of an estimate: three significant digits, ``$15,400``."""
    return usd(float(f"{value:.3g}")) if math.isfinite(value) and abs(value) >= 100 else usd(value)


def usd_range(low: float, high: float) -> str:
    """Two estimated amounts as one range: ``$4,390–5,710``."""
    return _joined_range(rough_usd(low), rough_usd(high), low)


def short_usd_range(low: float, high: float) -> str:
    """Two estimated amounts in few characters: ``$4.39k–5.71k``."""
    return _joined_range(short_usd(low), short_usd(high), low)


def _joined_range(first: str, second: str, low: float) -> str:
    if first == second:
        return first
    return f"{first}–{second.removeprefix('$')}" if low >= 0 else f"{first} to {second}"


def usd_band(band: Band) -> str:
    """An 80 % interval with its middle: ``$4,390 / 5,020 / 5,710``."""
    first, *rest = (rough_usd(value) for value in (band.p10, band.p50, band.p90))
    return " / ".join([first, *(text.removeprefix("$") for text in rest)])


def seconds(value: float | None) -> str:
    """A time: ``1.2 s``, ``45 ms``, ``0.4 ms``, ``3 min``."""
    if value is None or not math.isfinite(value):
        return NONE
    size = abs(value)
    if size >= 600:
        return f"{count(value / 60)} min"
    if size >= 9.95:
        return f"{value:,.0f} s"
    if size >= 0.9995:
        return f"{value:.1f} s"
    if size >= 9.95e-3:
        return f"{value * 1000:.0f} ms"
    return f"{value * 1000:.1f} ms" if value else "0 s"


def per_day(value: float, *, exact: bool = False) -> str:
    """A volume: ``94,700/day``; three significant digits unless ``exact``, since a break-even is an estimate."""
    return f"{count(value, exact=exact)}/day"


def count(value: float, *, exact: bool = False) -> str:
    """A number of things: ``313,725`` when exact, else three significant digits; millions in words."""
    if not math.isfinite(value):
        return NONE
    size = abs(value)
    if size >= 1e9:
        return f"{value / 1e9:,.3g} billion"
    if exact or size < 1:
        return f"{value:,.0f}" if value == round(value) or size >= 100 else f"{value:,.3g}"
    if size >= 1e6:
        return f"{value / 1e6:.3g} million"
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if size >= 100 else f"{rounded:g}"


def count_range(low: float, high: float) -> str:
    """Two numbers as one range: ``88,000–151,000``, ``1–1.1 million``."""
    first, second = count(low), count(high)
    unit = second.rpartition(" ")[2] if " " in second else ""
    if unit and first.endswith(unit):
        first = first.removesuffix(unit).strip()
    return f"{first}–{second}"


def share(value: float | None) -> str:
    """A share of 0..1 as percent: ``62 %``, ``<1 %``; a dash where unknown."""
    if value is None or not math.isfinite(value):
        return NONE
    if value <= 0:
        return "0 %"
    if value < 0.01:
        return "<1 %"
    if 0.99 < value < 1:
        return ">99 %"
    return f"{value * 100:.0f} %"


def months(value: float | None) -> str:
    """A time in months: ``1.8 months``, ``14 months``, ``6 years``; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return NONE
    if value >= 1200:
        return "100+ years"
    if value >= 48:
        return f"{value / 12:,.0f} years"
    if value >= 9.95:
        return f"{value:.0f} months"
    return f"{value:.1f} months"


def tokens(value: float) -> str:
    """A count of tokens without a decimal: ``1,024``."""
    return f"{value:,.0f}" if math.isfinite(value) else NONE


def rate(value: float) -> str:
    """Requests per second: ``10.9/s``."""
    return f"{value:.3g}/s" if math.isfinite(value) and value < 1000 else f"{count(value)}/s"


def plural(number: int, noun: str) -> str:
    """A number with its noun: ``1 replica``, ``6 replicas``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def replicas(serving: int, spare: int) -> str:
    """Replicas that serve, and those that stand by: ``6 + 1 spare``."""
    if not serving:
        return NONE
    return f"{serving} + {spare} spare" if spare else f"{serving}"
