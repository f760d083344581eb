"""What the split between places saved, what more it could have saved, and what stood in the way.

*Realised* is what the cheapest permitted API would have cost, less what was paid (:attr:`queries.Totals.saved`).
*Missed* is what a request that was paid for would have cost less at a cheaper deployment of its route: nothing at an
own machine that runs anyway, its price at another API. A permitted cheaper one counts before a forbidden one, and the
cheapest of them alone; requests whose route knew no cheaper price missed nothing. Money is picodollars.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from crossover.ledger import rows
from crossover.ledger.schema import CHILDREN, bounds_of
from crossover.ledger.store import Ledger

Reason = Literal["policy", "health", "capacity", "sensitivity", "budget", "ability", "unknown"]
# The code of a refusal, and what it was about. A deployment that nobody refused was passed over by the policy.
REASONS: dict[str, Reason] = {
    "local_only": "sensitivity",
    "privacy": "sensitivity",
    "law": "sensitivity",
    "ability": "ability",
    "dialect": "ability",
    "context": "ability",
    "max_output": "ability",
    "pinned": "policy",
    "unpriced": "policy",
    "escalated": "policy",
    "resting": "health",
    "drained": "health",
    "failed": "health",
    "ledger": "health",
    "deadline": "health",
    "busy": "capacity",
    "overflow": "capacity",
    "budget": "budget",
}
TITLES: dict[Reason, str] = {
    "policy": "the policy preferred another",
    "health": "it failed or rested",
    "capacity": "it was busy",
    "sensitivity": "privacy or law forbade it",
    "budget": "a budget was used up",
    "ability": "it could not do what was asked",
    "unknown": "not noted (rows of an earlier version)",
}
_PICO_SPLIT = rows.MICRO  # sums of money are taken as microdollars and rest: a bigint ends at 9.2 million dollars
_HERE = "CASE WHEN a.local = 1 THEN 0 ELSE a.cost END"  # what a request adds to a bill there
_CHILD = f"a.number BETWEEN r.number * {CHILDREN} AND r.number * {CHILDREN} + {CHILDREN - 1}"


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What requests of one decision share. ``refused`` holds deployment, reason and, where it was noted, the code."""

    door: str = ""
    asked: str = ""
    policy: str = ""
    deployment: str = ""
    provider: str = ""
    model: str = ""
    zone: str = ""
    local: bool = False
    tier: str = "none"
    categories: tuple[str, ...] = ()
    refused: tuple[tuple[str, ...], ...] = ()
    away: int = 0


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Requests of one decision, added up."""

    told: Told
    requests: int
    ok: int
    input_tokens: int
    cached_read: int
    output_tokens: int
    cost: int
    marginal: int


class Missed(msgspec.Struct, frozen=True, kw_only=True):
    """Requests to ``asked`` that ``deployment`` would have answered for ``amount`` less, and why it did not."""

    reason: Reason
    asked: str
    deployment: str
    local: bool
    requests: int
    amount: int


class AtHome(msgspec.Struct, frozen=True, kw_only=True):
    """Requests that APIs answered. ``could`` of them had an own machine on their route: they were ``paid``, and are
    priced at ``share`` of its hours. The ``others`` had none, or one whose hour has no price.
    """

    could: int = 0
    paid: int = 0
    share: int = 0
    others: int = 0
    others_paid: int = 0


def parts(ledger: Ledger, since: float, until: float) -> list[Part]:
    """Sums by decision, from the rows of the period."""
    found = []
    for month in months(ledger, since, until):
        told = _told(ledger, month)
        for number, *sums in ledger.rows(
            "SELECT r.decision, count(*), sum(CASE WHEN r.status = 'ok' THEN 1 ELSE 0 END), sum(r.input_tokens), "
            f"sum(r.cached_read), sum(r.output_tokens), {_money('r.cost')}, {_money('r.marginal')} "
            f"FROM records_{month} r WHERE r.time >= ? AND r.time < ? GROUP BY r.decision",
            _span(since, until),
        ):
            requests, ok, prompt, cached, answer, *money = sums
            found.append(
                Part(
                    told=told.get(number, Told()), requests=requests, ok=ok, input_tokens=prompt, cached_read=cached,
                    output_tokens=answer, cost=_joined(money[:2]), marginal=_joined(money[2:]),
                )
            )  # fmt: skip
    return found


def missed(ledger: Ledger, since: float, until: float) -> list[Missed]:
    """What more could have been saved, the most first."""
    sums: dict[tuple[Reason, str, str, bool], list[int]] = {}
    for month in months(ledger, since, until):
        told = _told(ledger, month)
        for number, name, is_local, count, *money in ledger.rows(_missed_in(month), _span(since, until)):
            one = told.get(number, Told())
            place = (why_not(one.refused, name), one.asked, name, bool(is_local))
            row = sums.setdefault(place, [0, 0])
            row[0] += count
            row[1] += _joined(money)
    found = [
        Missed(reason=reason, asked=asked, deployment=name, local=local, requests=count, amount=amount)
        for (reason, asked, name, local), (count, amount) in sums.items()
    ]
    return sorted(found, key=lambda one: (-one.amount, one.reason, one.asked, one.deployment))


def _missed_in(month: str) -> str:
    """Per decision and cheaper deployment: how many requests, and how much less they would have cost there."""
    return (
        f"SELECT m.decision, m.deployment, m.local, count(*), {_money('m.gain')} FROM ("
        f"SELECT r.decision AS decision, a.deployment AS deployment, a.local AS local, r.marginal - {_HERE} AS gain, "
        f"row_number() OVER (PARTITION BY r.number ORDER BY a.permitted DESC, {_HERE}, a.number) AS place "
        f"FROM records_{month} r JOIN alternatives_{month} a ON {_CHILD} "
        f"WHERE r.time >= ? AND r.time < ? AND r.marginal > {_HERE}) m "
        "WHERE m.place = 1 GROUP BY m.decision, m.deployment, m.local"
    )


def why_not(refused: Sequence[Sequence[str]], deployment: str) -> Reason:
    """Why a cheaper deployment did not answer, by the code of its refusal."""
    for name, _, *code in refused:
        if name == deployment:
            return REASONS.get(code[0], "policy") if code else "unknown"
    return "policy"


def at_home(ledger: Ledger, since: float, until: float) -> AtHome:
    """What own machines would have taken of that which was paid for elsewhere."""
    sums = [0] * 7
    for month in months(ledger, since, until):
        (row,) = ledger.rows(
            "SELECT count(h.share), coalesce(sum(CASE WHEN h.share IS NULL THEN 0 ELSE h.marginal / 1000000 END), 0), "
            "coalesce(sum(CASE WHEN h.share IS NULL THEN 0 ELSE h.marginal % 1000000 END), 0), "
            "coalesce(sum(h.share), 0), count(*), coalesce(sum(h.marginal / 1000000), 0), "
            f"coalesce(sum(h.marginal % 1000000), 0) FROM (SELECT r.marginal AS marginal, (SELECT min(a.cost) "
            f"FROM alternatives_{month} a WHERE {_CHILD} AND a.local = 1) AS share FROM records_{month} r "
            "WHERE r.time >= ? AND r.time < ? AND r.marginal > 0) h",
            _span(since, until),
        )
        sums = [before + each for before, each in zip(sums, row, strict=True)]
    could, paid, rest, share, count, all_paid, all_rest = sums
    whole, mine = _joined((all_paid, all_rest)), _joined((paid, rest))
    return AtHome(could=could, paid=mine, share=share, others=count - could, others_paid=whole - mine)


def whole_hours(since: float, until: float) -> tuple[float, float]:
    """A period widened to whole hours, as roll-ups are."""
    return math.floor(since / 3600) * 3600.0, math.ceil(until / 3600) * 3600.0


def months(ledger: Ledger, since: float, until: float) -> list[str]:
    """The months whose rows may lie in the period, oldest first."""
    found = [str(month) for (month,) in ledger.rows("SELECT month FROM segments ORDER BY month")]
    return [month for month in found if bounds_of(month)[0] < until and bounds_of(month)[1] > since]


def _told(ledger: Ledger, month: str) -> dict[int, Told]:
    """The decisions of a month by their number."""
    columns = "id, door, asked, policy, deployment, provider, model, zone, local, tier, categories, refused, away"
    found = {}
    for number, *facts in ledger.rows(f"SELECT {columns} FROM decisions_{month}"):
        door, asked, policy, deployment, provider, model, zone, local, tier, categories, refused, away = facts
        found[number] = Told(
            door=door, asked=asked, policy=policy, deployment=deployment, provider=provider, model=model, zone=zone,
            local=bool(local), tier=tier, categories=_list(categories, tuple[str, ...]),
            refused=_list(refused, tuple[tuple[str, ...], ...]), away=away,
        )  # fmt: skip
    return found


def _list(text: str, kind: Any) -> Any:
    """A list as it stands in a decision; empty where damage took it."""
    try:
        return msgspec.json.decode(text or "[]", type=kind)
    except msgspec.MsgspecError:
        return ()


def _money(column: str) -> str:
    return f"sum({column} / {_PICO_SPLIT}), sum({column} % {_PICO_SPLIT})"


def _joined(found: Sequence[Any]) -> int:
    whole, rest = found
    return int(whole or 0) * _PICO_SPLIT + int(rest or 0)


def _span(since: float, until: float) -> tuple[int, int]:
    return round(since * rows.MICRO), round(until * rows.MICRO)
