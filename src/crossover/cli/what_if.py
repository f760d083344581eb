"""What of a question could be different, as people write it: ``volume=x2``, ``price:openai=-30%``, ``model=NAME``."""

from __future__ import annotations

import math

from crossover.errors import InputError
from crossover.money import usd
from crossover.planner.question import Change
from crossover.traffic.facts import check_growth, check_requests

MAX_USD_MTOK = 1_000_000  # a dollar a token; more is a typing error
WHAT_IF = "--what-if"
_WHAT_IF_HINT = "Write volume=x2, volume=200000, growth=5%, price:openai=-30%, price:openai/gpt-4o=1,4 or model=NAME"


def change(text: str) -> Change:
    """Read one thing that could be different. Raises InputError naming --what-if."""
    what, separator, said = (part.strip() for part in text.partition("="))
    kind, _, name = what.partition(":")
    if (
        not separator
        or not said
        or kind not in ("volume", "growth", "price", "model")
        or bool(name) != (kind == "price")
    ):
        raise InputError(f"{text!r} changes nothing that a plan knows", hint=_WHAT_IF_HINT, field=WHAT_IF)
    if kind == "model":
        return Change(words=text, kind="model", name=said)
    if kind == "growth":
        percent = _percent(said)
        return Change(
            words=text, kind="growth", value=check_growth(_plain(said) if percent is None else percent, WHAT_IF)
        )
    if kind == "price" and "," in said:
        parts = said.split(",")
        if len(parts) != 2:
            raise InputError(f"{text!r} is not a price", hint=_WHAT_IF_HINT, field=WHAT_IF)
        into, out = (usd(part.strip(), field=WHAT_IF) for part in parts)
        if not (0 <= into <= MAX_USD_MTOK and 0 <= out <= MAX_USD_MTOK):
            raise InputError(f"a price in {text!r} is out of range", hint=_WHAT_IF_HINT, field=WHAT_IF)
        return Change(words=text, kind="price", name=name, prices=(into, out))
    factor = _factor(said)
    if factor is None:
        if kind == "price":
            raise InputError(f"{text!r} is not a change of a price", hint=_WHAT_IF_HINT, field=WHAT_IF)
        return Change(words=text, kind="volume", value=check_requests(_plain(said), WHAT_IF))
    if not 0 < factor <= 1e6:
        raise InputError(f"{text!r} is out of range", hint=_WHAT_IF_HINT, field=WHAT_IF)
    return Change(words=text, kind="volume" if kind == "volume" else "price", name=name, factor=factor)


def _factor(said: str) -> float | None:
    """``x2`` and ``+50%`` as a factor; None for anything else."""
    if said[:1] in "x×" and said[1:]:
        return _plain(said[1:])
    percent = _percent(said)
    return None if percent is None else 1 + percent


def _percent(said: str) -> float | None:
    return _plain(said[:-1]) / 100 if said.endswith("%") else None


def _plain(said: str) -> float:
    try:
        value = float(said)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{said!r} is not a number", hint=_WHAT_IF_HINT, field=WHAT_IF)
    return value
