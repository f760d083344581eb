"""Templates with everything escaped, and the ways figures are written on the pages."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import unicodedata
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import lru_cache
from importlib import resources
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from crossover.ledger.words import Key
from crossover.reports import figures

PICO = 10**12
_ROOM, _SHARED = "crossover.dashboard", "crossover.reports"
# What a browser loads beside the pages: the reports' look and their charting library are used here too.
ASSETS: dict[str, tuple[str, str]] = {
    "report.css": (_SHARED, "text/css"),
    "echarts.common.min.js": (_SHARED, "text/javascript"),
    "dashboard.css": (_ROOM, "text/css"),
    "htmx.min.js": (_ROOM, "text/javascript"),
    "charts.js": (_ROOM, "text/javascript"),
    "dashboard.js": (_ROOM, "text/javascript"),
    "login.js": (_ROOM, "text/javascript"),
    "icon.svg": (_ROOM, "image/svg+xml"),
}


@lru_cache(maxsize=len(ASSETS))
def asset(name: str) -> tuple[bytes, str]:
    """The bytes of an asset and its type. Raises KeyError for a name that is none."""
    package, kind = ASSETS[name]
    return resources.files(package).joinpath("assets", name).read_bytes(), kind


@lru_cache(maxsize=len(ASSETS))
def asset_url(name: str) -> str:
    """Where an asset is, with a part of its hash: it may be kept for ever, and a new version has another address."""
    return f"/static/{name}?{hashlib.sha256(asset(name)[0]).hexdigest()[:12]}"


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The templates. Every value is escaped, and loses characters that move the cursor or turn the line around."""
    made = Environment(
        loader=PackageLoader("crossover.dashboard"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_plain,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters.update(
        {
            "usd": usd, "dollars": figures.usd, "count": count, "ms": ms, "share": figures.share, "when": when,
            "moment": moment,
            "day": day, "ago": ago, "period": lasting, "data": data, "plural": figures.plural, "points": points,
            "path": lambda text: quote(str(text), safe=""), "query": query, "mtok": mtok, "short": short,
            "iso": iso, "full": full, "limits": limits, "exact": exact, "report_command": report_command,
        }
    )  # fmt: skip
    made.globals["asset"] = asset_url
    return made


def page(template: str, context: Mapping[str, Any]) -> str:
    """A template with its values."""
    return environment().get_template(template).render(context)


def _plain(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, str) and not isinstance(value, Markup) and not value.isprintable():
        kept = "".join(char for char in value if char in "\n\t" or unicodedata.category(char) not in _DROPPED)
        return kept.encode("utf-8", "replace").decode()
    return value


_DROPPED = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs"})


# -------------------------------------------------------------------------------------------------------------- figures


def usd(picodollars: float | None) -> str:
    """Picodollars for people."""
    return figures.usd(None if picodollars is None else picodollars / PICO)


def mtok(picodollars: float, tokens: int) -> str:
    """What a million tokens cost."""
    return figures.usd(picodollars / PICO / tokens * 1e6) if tokens else figures.NONE


def count(value: float | None) -> str:
    """A whole number with separators, millions in words."""
    if value is None:
        return figures.NONE
    return figures.count(value, exact=abs(value) < 1e6)


def ms(value: float | None) -> str:
    """Milliseconds as a time."""
    return figures.NONE if value is None else figures.seconds(value / 1000)


def when(time: float | None) -> str:
    """A moment in UTC to the second."""
    return figures.NONE if time is None else dt.datetime.fromtimestamp(time, dt.UTC).strftime("%Y-%m-%d %H:%M:%S")


def moment(time: float) -> str:
    """A moment of a list, without its year."""
    return dt.datetime.fromtimestamp(time, dt.UTC).strftime("%d %b %H:%M:%S")


def day(time: float | None) -> str:
    """A day in UTC."""
    return figures.NONE if time is None else dt.datetime.fromtimestamp(time, dt.UTC).strftime("%Y-%m-%d")


def lasting(seconds: float | None) -> str:
    """How long something lasts, roughly: ``12 s``, ``5 min``, ``3 h``, ``4 days``."""
    if seconds is None:
        return figures.NONE
    for size, unit in ((86_400 * 2, "days"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / (86_400 if unit == 'days' else size):.0f} {unit}"
    return f"{max(0, seconds):.0f} s"


def ago(seconds: float) -> str:
    """How long ago."""
    return "now" if seconds < 1 else f"{lasting(seconds)} ago"


def points(share: float | None) -> str:
    """A difference of shares in points, with its sign."""
    if share is None:
        return figures.NONE
    text = f"{abs(share) * 100:.1f}".removesuffix(".0")
    return text if text == "0" else f"{'−' if share < 0 else '+'}{text}"


def short(id_: str) -> str:
    """The end of a request's id, by which people know it apart."""
    return f"…{id_[-8:]}" if len(id_) > 12 else id_


def query(values: Mapping[str, Any], **changed: Any) -> str:
    """A query string of what is set, with some of it changed."""
    kept = {name: value for name, value in {**values, **changed}.items() if value not in ("", None)}
    return f"?{urlencode(kept)}" if kept else "?"


def data(value: object) -> str:
    """A value as JSON for an attribute; the template escapes it."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)


def iso(time: float) -> str:
    """A moment for machines."""
    return dt.datetime.fromtimestamp(time, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def full(ways: Iterable[Any]) -> float:
    """The longest bar of several that are drawn on one scale, never 0."""
    return max([way.total for way in ways if way.known], default=0.0) or 1.0


def exact(picodollars: int) -> str:
    """Dollars as a field of a form holds them."""
    text = f"{Decimal(picodollars).scaleb(-12):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def limits(key: Key) -> str:
    """What a key may do, in words."""
    parts = (
        f"{key.rpm:,} requests a minute" if key.rpm else "",
        f"{key.tpm:,} tokens a minute" if key.tpm else "",
        f"{usd(key.budget)} a {key.budget_period}" if key.budget and key.budget_period != "total" else "",
        f"{usd(key.budget)} in all" if key.budget and key.budget_period == "total" else "",
        f"only {', '.join(key.aliases)}" if key.aliases else "",
        f"policy {key.policy}" if key.policy else "",
        f"at least {key.sensitivity}" if key.sensitivity else "",
        f"until {day(key.expires)}" if key.expires else "",
    )
    return "; ".join(filter(None, parts)) or "none"


def report_command(source: str) -> str:
    """How to see in a terminal what an evaluation found."""
    folder = source.removeprefix("crossover eval ")
    return f"crossover eval report {folder} --html report.html" if folder != source else source
