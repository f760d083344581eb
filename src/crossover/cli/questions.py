"""Turns the flags of ``crossover plan`` into a Question; every value is checked here and errors name the flag."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

from crossover.catalog.prices import Contract, PriceOverride, Provisioned
from crossover.cli.what_if import change
from crossover.deployment import Purchase
from crossover.errors import ContradictionError, InputError, UnknownNameError
from crossover.money import usd
from crossover.planner.question import ALL_KINDS, Capability, Costs, Preferences, Question, RateLimits, Scope, Team
from crossover.planner.words import OptionKind

if TYPE_CHECKING:
    from crossover.planner.words import Plan
    from crossover.runtime.observing import Seen

Flags = dict[str, Any]
ENGINES = ("vllm", "llamacpp", "ollama")
FIRST_DAY = dt.date(2020, 1, 1)
MAX_DRAWS = 200_000
MAX_PROVISIONED = 1e9  # of anything that is reserved; more is a typing error
MAX_USD_MTOK = 1_000_000  # a dollar a token; more is a typing error


def question_from(flags: Flags, today: dt.date) -> Question:
    """The question these flags ask. Raises InputError, ContradictionError or UnknownNameError naming the flag."""
    from crossover.traffic.flags import demand_from_flags

    seen = _recorded(flags, today)
    stated = demand_from_flags(
        slo=flags["slo"] or None,
        regimes=regimes(flags["regime"] or ()),
        requests_per_day=flags["requests_per_day"],
        input_tokens=flags["input_tokens"],
        output_tokens=flags["output_tokens"],
        peak_factor=flags["peak_factor"],
        cached_share=flags["cached_share"],
        batch_share=flags["batch_share"],
        sensitive_share=flags["sensitive_share"],
        burstiness=flags["burstiness"],
        growth=flags["growth"],
        models=tuple(flags["model"] or ()),
        trace=flags["trace"],
        columns=flags["columns"],
        usage=flags["usage_export"],
        workload=flags["workload"],
        preset=flags["preset"],
        record=None if seen is None else seen.facts,
    )
    if flags["no_evidence"] and flags["ledger"] is not None and seen is None:
        raise ContradictionError("--no-evidence reads no ledger", hint="Keep one of them", field="--ledger")
    question = Question(
        workload=stated.workload,
        today=today,
        as_of=_day(flags["date"], today, "--date", today + dt.timedelta(days=366)) or today,
        slo=stated.slo,
        regimes=regimes(stated.regimes),
        agreements=agreements(flags["agreement"] or ()),
        preferences=_preferences(flags),
        costs=_costs(flags),
        limits=RateLimits(
            requests_per_minute=_number(flags, "requests_per_minute", low=1e-6),
            tokens_per_minute=_number(flags, "tokens_per_minute", low=1e-6),
        ),
        scope=_scope(flags),
        evidence=_evidence(flags["evidence"]),
        recorded=() if seen is None or flags["no_evidence"] else seen.evidence,
        record=None if seen is None else seen.record,
        what_if=tuple(change(text) for text in flags["what_if"] or ()),
        rules_confirmed=_day(flags["rules_confirmed"], None, "--rules-confirmed"),
        spare=int(_number(flags, "reserve", low=0, high=100) or 0),
        draws=int(_number(flags, "draws", low=1, high=MAX_DRAWS) or 1),
        seed=int(_number(flags, "seed", low=0, high=2**31) or 0),
    )
    if flags["no_evidence"]:
        return question
    from crossover.runtime.planning import with_recorded

    return with_recorded(question, flags["ledger"])


def regimes(names: Iterable[str]) -> tuple[str, ...]:
    """Regimes by their canonical name."""
    from crossover.compliance import regime

    return tuple(dict.fromkeys(regime(name) for name in names))


def agreements(rows: Iterable[str]) -> tuple[tuple[str, frozenset[str]], ...]:
    """Read ``openai=baa,dpa`` rows; two rows for one party add up."""
    signed: dict[str, set[str]] = {}
    for row in rows:
        party, separator, names = row.partition("=")
        if not separator or not party.strip() or not names.strip():
            raise InputError(f"{row!r} names no agreement", hint="Write it like openai=baa,dpa", field="--agreement")
        signed.setdefault(party.strip().lower(), set()).update(name.strip().lower() for name in names.split(","))
    return tuple((party, frozenset(names)) for party, names in signed.items())


def _number(flags: Flags, name: str, *, low: float = 0.0, high: float = 1e12) -> float | None:
    value = flags[name]
    if value is None:
        return None
    if not math.isfinite(value) or not low <= value <= high:
        flag = "--" + name.replace("_", "-")
        raise InputError(
            f"{value:g} is out of range", hint=f"Write a number from {plain(low)} to {plain(high)}", field=flag
        )
    return float(value)


def plain(number: float) -> str:
    """A number without exponent, as people write it: ``0.000001``, ``1,000,000``."""
    return f"{number:,.6f}".rstrip("0").rstrip(".")


def _day(text: str | None, default: dt.date | None, flag: str, latest: dt.date | None = None) -> dt.date | None:
    if text is None:
        return default
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        raise InputError(f"{text!r} is not a day", hint="Write it like 2026-11-23", field=flag) from None
    if day < FIRST_DAY:
        raise InputError(
            f"{day} lies before any price of a language model", hint="Write it like 2026-11-23", field=flag
        )
    if latest is not None and day > latest:
        raise InputError(f"{day} lies more than a year ahead: nobody knows its prices", field=flag)
    return day


Choice = TypeVar("Choice", bound=str)


def _choice(value: str, known: tuple[Choice, ...], flag: str) -> Choice:
    wanted = value.strip().lower().replace("-", "_")
    for row in known:
        if row.replace("-", "_") == wanted:
            return row
    error = UnknownNameError(flag.removeprefix("--").replace("-", " "), value, known, field=flag)
    error.hint = error.hint or f"Known: {', '.join(known)}"
    raise error


def _preferences(flags: Flags) -> Preferences:
    capability, team = flags["capability"], flags["team"]
    return Preferences(
        capability=None if capability is None else _choice(capability, get_args(Capability), "--capability"),
        quality_floor=_number(flags, "quality_floor", high=100),
        team=_choice(team, get_args(Team), "--team"),
        fine_tuning=flags["fine_tuning"],
        colocate=flags["colocate"],
        proof=flags["require_proof"],
    )


def _costs(flags: Flags) -> Costs:
    discount = _number(flags, "discount", high=100) or 0.0
    minimum = _number(flags, "commitment_usd", high=1e9) or 0.0
    reserved = provisioned(flags["provisioned"]) if flags["provisioned"] else None
    contract = None
    if discount or minimum or reserved is not None:
        if not flags["model"]:
            raise ContradictionError(
                "a discount, a commitment or reserved throughput needs the model it holds for",
                hint="Add --model",
                field="--discount",
            )
        contract = Contract(
            discount_percent=Decimal(str(discount)), minimum_usd_month=Decimal(str(minimum)), provisioned=reserved
        )
    return Costs(
        fte=_number(flags, "fte", high=1000),
        fte_cost_month=_number(flags, "fte_cost", high=1e6),
        migration_usd=_number(flags, "migration_usd", high=1e9) or 0.0,
        monitoring_usd_month=_number(flags, "monitoring_usd", high=1e9),
        target_usd_month=_number(flags, "target_usd", low=0.01, high=1e12),
        usd_per_kwh=_number(flags, "usd_per_kwh", high=100),
        price_overrides=tuple(price_override(row) for row in flags["price"] or ()),
        contract=contract,
        service_tier=flags["service_tier"],
        life_months=int(_number(flags, "life_months", low=1, high=240) or 36),
        colocation_usd_month=_number(flags, "colocation_usd", high=1e7) or 0.0,
        pue=_number(flags, "pue", low=1, high=10),
        residual_share=_number(flags, "residual_share", high=1),
        here_usd_hour=_number(flags, "this_machine", high=1e4),
    )


def provisioned(text: str) -> Provisioned:
    """Read ``usd_per_unit_hour=10,tokens_per_minute=50000[,output_weight=3][,units=2]``."""
    known = ("usd_per_unit_hour", "tokens_per_minute", "output_weight", "units")
    hint = "Write it like usd_per_unit_hour=10,tokens_per_minute=50000"
    values: dict[str, float] = {}
    for part in text.split(","):
        name, separator, value = (piece.strip() for piece in part.partition("="))
        if name not in known:
            error = UnknownNameError("part of --provisioned", name, known, field="--provisioned")
            error.hint = error.hint or hint
            raise error
        try:
            values[name] = float(value)
        except ValueError:
            separator = ""
        if not separator or not math.isfinite(values[name]):
            raise InputError(f"{part.strip()!r} holds no number", hint=hint, field="--provisioned")
        least = 0.0 if name in {"usd_per_unit_hour", "output_weight"} else 1.0
        if not least <= values[name] <= MAX_PROVISIONED:
            between = f"{plain(least)} to {plain(MAX_PROVISIONED)}"
            raise InputError(f"{part.strip()!r} is out of range", hint=f"Write {between}", field="--provisioned")
    if not {"usd_per_unit_hour", "tokens_per_minute"} <= values.keys():
        raise InputError("a price per unit and hour and tokens per minute are needed", hint=hint, field="--provisioned")
    return Provisioned(
        usd_per_unit_hour=Decimal(str(values["usd_per_unit_hour"])),
        tokens_per_minute=values["tokens_per_minute"],
        output_weight=values.get("output_weight", 1.0),
        units=int(values["units"]) if "units" in values else None,
    )


def price_override(row: str) -> PriceOverride:
    """Read ``openai/gpt-4o=2.5,10``: dollars per million input and output tokens."""
    from crossover.catalog.prices import resolve

    name, separator, amounts = row.partition("=")
    parts = amounts.split(",")
    if not separator or len(parts) != 2:
        raise InputError(f"{row!r} is not a price", hint="Write it like openai/gpt-4o=2.5,10", field="--price")
    found = resolve(name)
    into, out = (usd(part, field="--price") for part in parts)
    if not (0 <= into <= MAX_USD_MTOK and 0 <= out <= MAX_USD_MTOK):
        raise InputError(
            f"a price in {row!r} is out of range",
            hint=f"Write dollars per million tokens from 0 to {MAX_USD_MTOK:,}",
            field="--price",
        )
    return PriceOverride(model=f"{found.provider}/{found.model}", input=into, output=out)


def _scope(flags: Flags) -> Scope:
    kinds: tuple[OptionKind, ...] = tuple(_choice(row, ALL_KINDS, "--kind") for row in flags["kind"] or ())
    bought: tuple[Literal["owned"], ...] = ("owned",)
    ways = tuple(_choice(row, (*get_args(Purchase), *bought), "--purchase") for row in flags["purchase"] or ())
    rented: tuple[Purchase, ...] = tuple(way for way in get_args(Purchase) if way in ways)
    hours = _number(flags, "spot_hours_per_day", low=0.1, high=24)
    return Scope(
        kinds=kinds or ALL_KINDS,
        models=tuple(flags["open_model"] or ()),
        devices=tuple(flags["device"] or ()),
        engines=tuple(_choice(row, ENGINES, "--engine") for row in flags["engine"] or ()),
        clouds=tuple(row.lower() for row in flags["cloud"] or ()),
        quantisations=tuple(flags["quantisation"] or ()),
        purchases=rented if ways else get_args(Purchase),
        owned="owned" in ways if ways else True,
        spot_hours_per_day=24.0 if hours is None else hours,
        spot_interruptions_per_day=_number(flags, "spot_interruptions", high=1000),
    )


def _evidence(path: Path | None) -> tuple[Any, ...]:
    if path is None:
        return ()
    from crossover.traffic.measured import read_evidence

    return read_evidence(path)


def _recorded(flags: Flags, today: dt.date) -> Seen | None:
    """The traffic of the ledger, where it is asked for; flags that speak of it only go with it."""
    if not flags["from_ledger"]:
        for name in ("since", "until", "key", "route", "against"):
            if flags[name] is not None:
                flag = f"--{name}"
                raise ContradictionError(f"{flag} narrows recorded traffic", hint="Add --from-ledger", field=flag)
        return None
    for name in ("trace", "usage_export", "workload", "preset"):
        if flags[name] is not None:
            flag = "--" + name.replace("_", "-")
            raise ContradictionError(
                f"{flag} and --from-ledger each bring the traffic", hint="Keep one of them", field=flag
            )
    import time

    from crossover.config import paths
    from crossover.ledger.periods import period
    from crossover.runtime.observing import seen

    earlier = None if flags["against"] is None else _plan_of(flags["against"])
    begin, end = period(flags["since"] or "30d", flags["until"] or "now", time.time())
    return seen(
        flags["ledger"] or paths().data / "ledger.db",
        begin,
        end,
        key=flags["key"],
        route=flags["route"],
        today=today,
        earlier=earlier,
    )


def _plan_of(path: Path) -> Plan:
    """An earlier plan from its JSON. Raises FileError."""
    import msgspec

    from crossover.errors import FileError
    from crossover.planner.words import Plan

    try:
        return msgspec.json.decode(path.read_bytes(), type=Plan)
    except OSError as error:
        raise FileError(f"cannot be read: {error.strerror}", file=str(path)) from None
    except msgspec.DecodeError as error:
        hint = "crossover plan … --json > plan.json writes one"
        raise FileError(f"is no plan: {error}", hint=hint, file=str(path), field="--against") from None
