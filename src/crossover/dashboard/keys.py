"""Keys and budgets: who may ask and for how much; keys are made, limited and revoked here where that is allowed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import msgspec

from crossover.dashboard.overview import Burn, burns
from crossover.dashboard.render import PICO
from crossover.dashboard.words import Live, Source
from crossover.errors import InputError
from crossover.ledger.hours import HOUR
from crossover.ledger.words import Key, Period
from crossover.money import usd
from crossover.routing.words import PolicyName
from crossover.sensitivity import LABELS

PERIODS: tuple[str, ...] = get_args(Period)
POLICIES: tuple[str, ...] = get_args(PolicyName)
MONTH = 30 * 24 * HOUR
_MOST_USD = 4 * 10**6
_MOST_DAYS = 3650


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A key as people see it. ``requests`` and ``spent`` (picodollars) are those of the last thirty days."""

    key: Key
    state: str
    requests: int
    spent: int
    burn: Burn | None


def keys(source: Source, asked: Mapping[str, str], live: Live | None) -> dict[str, Any]:
    """Everything the page shows."""
    now = source.now()
    used = source.by_key(now - MONTH, now)
    found = burns(source.standings(), live, now)
    own = {one.name: one for one in found}
    rows = [
        Row(
            key=key,
            state=state(key, now),
            requests=used[key.id].requests if key.id in used else 0,
            spent=used[key.id].marginal if key.id in used else 0,
            burn=own.get(f"key:{key.id}"),
        )
        for key in source.every_key()
    ]
    everything = asked.get("all") == "1"
    order = {"in force": 0, "expired": 1, "revoked": 2}
    rows.sort(key=lambda row: (order[row.state], -row.key.created))
    return {
        "rows": [row for row in rows if everything or row.state == "in force"],
        "hidden": 0 if everything else sum(row.state != "in force" for row in rows),
        "burns": [one for one in found if not one.name.startswith("key:")],
        "names": sorted(live.aliases) if live is not None else [],
        "writable": source.house.writable,
        "periods": PERIODS,
        "policies": POLICIES,
        "labels": LABELS,
        "live": live,
        "now": now,
        "nobody": next((one for name, one in used.items() if not name), None),
    }


def state(key: Key, now: float) -> str:
    """``in force``, ``expired`` or ``revoked``."""
    if key.revoked is not None:
        return "revoked"
    return "expired" if key.expires is not None and now >= key.expires else "in force"


def wanted(form: Mapping[str, str], now: float) -> dict[str, Any]:
    """What a form says of a key's limits. Raises InputError naming the field."""
    amount = usd(form.get("budget") or "0", field="budget")
    if not 0 <= amount <= _MOST_USD:
        raise InputError("this budget is out of range", hint="Write dollars from 0 to 4 million", field="budget")
    period = form.get("period") or "month"
    if period not in PERIODS:
        raise InputError(f"unknown period {period!r}", field="period")
    policy = form.get("policy") or None
    if policy is not None and policy not in POLICIES:
        raise InputError(f"unknown policy {policy!r}", field="policy")
    sensitivity = form.get("sensitivity") or None
    if sensitivity is not None and sensitivity not in LABELS:
        raise InputError(f"unknown label {sensitivity!r}", field="sensitivity")
    days = _whole(form, "days", _MOST_DAYS)
    return {
        "rpm": _whole(form, "rpm", 10**9),
        "tpm": _whole(form, "tpm", 10**9),
        "budget": int(amount * PICO),
        "budget_period": period,
        "policy": policy,
        "sensitivity": sensitivity,
        "aliases": tuple(filter(None, (word.strip() for word in form.get("aliases", "").split(",")))),
        "expires": now + days * 86_400.0 if days else None,
    }


def _whole(form: Mapping[str, str], field: str, most: int) -> int:
    text = form.get(field, "").strip().replace(",", "") or "0"
    if not (text.isascii() and text.isdecimal()) or len(text) > 12 or int(text) > most:
        raise InputError(f"{text!r} is no whole number from 0 to {most:,}", field=field)
    return int(text)
