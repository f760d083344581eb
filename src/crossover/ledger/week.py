"""A period on one page: spend and savings, what went where, errors, privacy, and what to change next.

Everything is over whole hours in UTC. Money is picodollars; :func:`plain` gives exact dollars as text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from crossover.ledger import queries, savings
from crossover.ledger.export import iso
from crossover.ledger.queries import Fault, Group, Idle, Totals, usd_text
from crossover.ledger.savings import AtHome, Missed, Part
from crossover.ledger.store import Ledger
from crossover.ledger.words import PICO
from crossover.money import show

MEASURING = frozenset({"eval", "loadtest", "shadow"})  # doors through which Crossover itself asks
_IDLE_SHARE = 0.5  # of a machine's hours: more than that is worth a sentence
_ERROR_SHARE = 0.02
_CENT = PICO // 100


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """Requests to one name that one deployment answered. Empty deployment: nobody did."""

    asked: str
    deployment: str
    model: str
    zone: str
    local: bool
    requests: int
    tokens: int
    cost: int
    marginal: int


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """What one model did."""

    name: str
    local: bool
    requests: int
    input_tokens: int
    output_tokens: int
    cost: int
    marginal: int


class Tier(msgspec.Struct, frozen=True, kw_only=True):
    """Requests by how sensitive they were: how many left, stayed on own machines, or went nowhere."""

    tier: str
    requests: int
    left: int
    stayed: int
    nowhere: int
    categories: tuple[str, ...]


class Week(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of a period, Unix seconds. ``before`` is the period of the same length that ended where it begins."""

    since: float
    until: float
    total: Totals
    before: Totals
    local: Totals
    api: Totals
    routes: tuple[Group, ...]
    keys: tuple[Group, ...]
    key_names: dict[str, str]
    models: tuple[Model, ...]
    flows: tuple[Flow, ...]
    machines: tuple[Idle, ...]
    missed: tuple[Missed, ...]
    home: AtHome
    tiers: tuple[Tier, ...]
    faults: tuple[Fault, ...]
    measuring: int
    rows: int

    @property
    def machines_paid(self) -> int:
        """What the hours of the machines cost."""
        return sum(one.paid for one in self.machines)

    @property
    def idle(self) -> int:
        """What hours cost that no token paid for."""
        return sum(max(0, one.idle) for one in self.machines)

    @property
    def paid(self) -> int:
        """Everything: the bills of APIs, and the hours of machines where they have a price."""
        return self.total.marginal + self.machines_paid

    @property
    def all_api(self) -> int:
        """Everything by the cheapest permitted API, and no machine; what had none to compare stays as it was."""
        return self.total.all_api + self.total.marginal - self.total.compared_marginal

    @property
    def all_local(self) -> int | None:
        """Everything on own machines: idle hours take what fits, more is priced as more hours. None: no priced hour.

        What no own machine of its route could answer stays at its API.
        """
        if not self.machines:
            return None
        return self.machines_paid + max(0, self.home.share - self.idle) + self.home.others_paid


def gather(ledger: Ledger, since: float, until: float, hourly: Mapping[str, int]) -> Week:
    """The facts of a period, widened to whole hours. ``hourly``: picodollars an hour of machines by deployment."""
    since, until = savings.whole_hours(since, until)
    parts = savings.parts(ledger, since, until)
    places = queries.where(ledger, since, until)
    return Week(
        since=since,
        until=until,
        total=queries.total(ledger, since, until),
        before=queries.total(ledger, max(0.0, 2 * since - until), since),
        local=places[True],
        api=places[False],
        routes=tuple(queries.spend(ledger, since, until, "alias")),
        keys=tuple(queries.spend(ledger, since, until, "key")),
        key_names={str(id_): str(name) for id_, name in ledger.rows("SELECT id, name FROM keys")},
        models=_models(parts),
        flows=_flows(parts),
        machines=tuple(queries.idle(ledger, hourly, since, min(until, max(since, ledger.clock())))),
        missed=tuple(savings.missed(ledger, since, until)),
        home=savings.at_home(ledger, since, until),
        tiers=_tiers(parts),
        faults=tuple(queries.faults(ledger, since, until)),
        measuring=sum(part.requests for part in parts if part.told.door in MEASURING),
        rows=sum(part.requests for part in parts),
    )


def _models(parts: Iterable[Part]) -> tuple[Model, ...]:
    sums: dict[tuple[str, bool], list[int]] = {}
    for part in parts:
        if part.told.deployment:
            _add(sums, (part.told.model, part.told.local), part.requests, part.input_tokens, part.output_tokens,
                 part.cost, part.marginal)  # fmt: skip
    found = [
        Model(name=name, local=local, requests=each[0], input_tokens=each[1], output_tokens=each[2], cost=each[3],
              marginal=each[4])
        for (name, local), each in sums.items()
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda one: (-one.marginal, -one.requests, one.name)))


def _flows(parts: Iterable[Part]) -> tuple[Flow, ...]:
    sums: dict[tuple[str, str, str, str, bool], list[int]] = {}
    for part in parts:
        told = part.told
        place = (told.asked, told.deployment, told.model, told.zone, told.local)
        _add(sums, place, part.requests, part.input_tokens + part.output_tokens, part.cost, part.marginal)
    found = [
        Flow(asked=asked, deployment=name, model=model, zone=zone, local=local, requests=each[0], tokens=each[1],
             cost=each[2], marginal=each[3])
        for (asked, name, model, zone, local), each in sums.items()
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda one: (one.asked, -one.requests, one.deployment, one.model)))


def _tiers(parts: Iterable[Part]) -> tuple[Tier, ...]:
    sums: dict[str, list[int]] = {}
    held: dict[str, set[str]] = {}
    for part in parts:
        told = part.told
        left = part.requests if told.away or (told.deployment and not told.local) else 0
        stayed = part.requests - left if told.local and told.deployment else 0
        _add(sums, told.tier, part.requests, left, stayed, part.requests - left - stayed)
        held.setdefault(told.tier, set()).update(told.categories)
    order = {"hard": 0, "soft": 1, "none": 2}
    return tuple(
        Tier(tier=name, requests=each[0], left=each[1], stayed=each[2], nowhere=each[3],
             categories=tuple(sorted(held[name])))
        for name, each in sorted(sums.items(), key=lambda item: (order.get(item[0], 3), item[0]))
    )  # fmt: skip


def _add(sums: dict[Any, list[int]], place: object, *values: int) -> None:
    row = sums.setdefault(place, [0] * len(values))
    for number, value in enumerate(values):
        row[number] += value


# ------------------------------------------------------------------------------------------------- what to change next


def advice(week: Week) -> list[str]:
    """What to change next, one sentence each, the dearest first; empty where nothing stands out."""
    found = [said for rule in _RULES for said in rule(week)]
    return [text for _, text in sorted(found, key=lambda item: -item[0])][:6]


Said = list[tuple[int, str]]


def _about_missed(week: Week) -> Said:
    """The largest saving missed for each reason."""
    best: dict[str, Missed] = {}
    for one in week.missed:
        best.setdefault(one.reason, one)
    return [
        (one.amount, _CHANGES[one.reason].format(asked=one.asked, name=one.deployment, requests=f"{one.requests:,}",
                                                 amount=_dollars(one.amount)))
        for one in best.values()
        if one.reason in _CHANGES and one.amount >= _CENT
    ]  # fmt: skip


_CHANGES: dict[str, str] = {
    "policy": "Put {name} before the others for {asked}, with the policy local_first or cheapest, if its answers are "
    "proved good enough: {requests} requests would have cost {amount} less.",
    "health": "Find out why {name} failed or rested: {requests} requests for {asked} went elsewhere for {amount} more.",
    "capacity": "Give {name} more places, a longer queue or a second machine: {requests} requests for {asked} found it "
    "busy and cost {amount} more elsewhere.",
    "sensitivity": "Sign an agreement with the operator of {name}, or replace what is sensitive on the way out: the "
    "rules kept {requests} requests for {asked} from it, which cost {amount} more elsewhere.",
    "budget": "Raise the budget that {name} draws on: {requests} requests for {asked} cost {amount} more elsewhere.",
    "ability": "Give {name} what it lacks for {asked} (context, tools, a larger model): {requests} requests cost "
    "{amount} more elsewhere.",
}


def _about_idle(week: Week) -> Said:
    return [
        (one.idle, f"{one.deployment} stood idle for {one.idle / one.paid:.0%} of what its hours cost "
         f"({_dollars(one.idle)}): send it more, run it fewer hours, or give it up.")
        for one in week.machines
        if one.paid and one.idle / one.paid > _IDLE_SHARE and one.idle >= _CENT
    ]  # fmt: skip


def _about_machines(week: Week) -> Said:
    """Machines that cost more than the APIs they stand in for."""
    lost = week.machines_paid - week.local.saved
    if not week.machines or not week.local.compared or lost < _CENT:
        return []
    text = f"The machines cost {_dollars(lost)} more than the APIs they stood in for: plan again with what was seen "
    return [(lost, text + "(crossover plan --from-ledger), send them more, or keep them for what may not leave.")]


def _about_errors(week: Week) -> Said:
    total = week.total
    bad = total.errors + total.truncated
    if not total.requests or bad / total.requests <= _ERROR_SHARE:
        return []
    worst = next((one for one in week.faults if one.error not in ("cancelled", "refused")), None)
    where = f", most often {worst.error} at {worst.deployment or 'no deployment'}" if worst else ""
    return [(0, f"{bad / total.requests:.1%} of requests failed{where}: look at one with crossover explain.")]


def _about_prices(week: Week) -> Said:
    if not week.total.unpriced:
        return []
    return [(0, f"State a price for every deployment: {week.total.unpriced:,} requests have none, and no figure here "
             "holds them.")]  # fmt: skip


def _about_unread(week: Week) -> Said:
    """Sensitive requests that went nowhere at all."""
    lost = sum(one.nowhere for one in week.tiers if one.tier == "hard")
    if not lost:
        return []
    return [(0, f"{lost:,} sensitive requests found no place that may answer them: add an own machine to their route.")]


_RULES: tuple[Callable[[Week], Said], ...] = (
    _about_missed, _about_idle, _about_machines, _about_errors, _about_prices, _about_unread,
)  # fmt: skip


def _dollars(picodollars: int) -> str:
    return show(queries.usd(picodollars))


# -------------------------------------------------------------------------------------------------------- as plain data


def plain(week: Week) -> dict[str, Any]:
    """Everything as plain data: money as exact dollars in text, times as ISO 8601."""
    return {
        "since": iso(week.since),
        "until": iso(week.until),
        "total": totals(week.total),
        "before": totals(week.before),
        "local": totals(week.local),
        "api": totals(week.api),
        "paid_usd": usd_text(week.paid),
        "machines_usd": usd_text(week.machines_paid),
        "idle_usd": usd_text(week.idle),
        "all_api_usd": usd_text(week.all_api),
        "saved_all_api_usd": usd_text(week.all_api - week.paid),
        "all_local_usd": None if week.all_local is None else usd_text(week.all_local),
        "saved_all_local_usd": None if week.all_local is None else usd_text(week.all_local - week.paid),
        "realised_usd": usd_text(week.total.saved),
        "missed_usd": usd_text(sum(one.amount for one in week.missed)),
        "missed": [_exact(one) for one in week.missed],
        "routes": [{"name": one.name} | totals(one.totals) for one in week.routes],
        "keys": [{"name": one.name, "label": week.key_names.get(one.name)} | totals(one.totals) for one in week.keys],
        "models": [_exact(one) for one in week.models],
        "flows": [_exact(one) for one in week.flows],
        "machines": [
            {"deployment": one.deployment, "hours": round(one.hours, 2), "paid_usd": usd_text(one.paid),
             "priced_usd": usd_text(one.priced), "idle_usd": usd_text(one.idle)}
            for one in week.machines
        ],
        "privacy": [msgspec.to_builtins(one) for one in week.tiers],
        "errors": [msgspec.to_builtins(one) for one in week.faults],
        "measuring_requests": week.measuring,
        "next": advice(week),
    }  # fmt: skip


def totals(found: Totals) -> dict[str, Any]:
    """Sums as plain data."""
    exact = ("cost", "marginal", "all_api", "compared_marginal")
    facts: dict[str, Any] = {name: getattr(found, name) for name in found.__struct_fields__ if name not in exact}
    named = {"priced": found.cost, "paid": found.marginal, "all_api": found.all_api, "saved": found.saved}
    return facts | {f"{name}_usd": usd_text(amount) for name, amount in named.items()}


def _exact(one: msgspec.Struct) -> dict[str, Any]:
    facts: dict[str, Any] = msgspec.to_builtins(one)
    for name, word in (("cost", "priced"), ("marginal", "paid"), ("amount", "amount")):
        if name in facts:
            facts[f"{word}_usd"] = usd_text(facts.pop(name))
    return facts
