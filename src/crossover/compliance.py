"""The one law that planning and routing obey: may data of this kind go to that place, under these regimes?

Rules are data (``catalog/data/regimes.csv``): regime, whom it binds, what it requires, what proves it, source and day
of the last check. What the user did not declare as signed is not signed; a rule nobody looked at for 90 days is
unknown; both mean *not permitted*. Law narrows the list of places, it does not name one. A permit means "permitted
under the declared agreements; verify with counsel", never more.
"""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal

import msgspec

from crossover.deployment import Operator, Zone
from crossover.errors import UnknownNameError, fold
from crossover.evidence import Source
from crossover.sensitivity import Sensitivity

_DATA = Path(__file__).with_name("catalog") / "data"
_COUNTRY = "@country"
HOUSE_RULE = "sensitive"
COUNSEL = "verify with counsel"


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One requirement of a regime on places run by ``operators``.

    ``applies_to`` says whether it binds only sensitive data or all. One of ``needs_any`` must be declared
    (``@country``: the place lies where data may go); an empty list requires nothing but leaves ``remains`` to do.
    """

    regime: str
    title: str
    applies_to: Literal["sensitive", "all"]
    operators: tuple[Operator, ...]
    needs_any: tuple[str, ...]
    requirement: str
    rule: str
    evidence: str
    remains: str
    source: Source


class Country(msgspec.Struct, frozen=True, kw_only=True):
    """Whether personal data may go to a country without further clauses; ``adequate_if`` asks for ``needs`` as well."""

    code: str
    name: str
    status: Literal["eea", "adequate", "adequate_if"]
    needs: str
    source: Source


class Permit(msgspec.Struct, frozen=True, kw_only=True):
    """Permitted under what was declared. ``grounds``: what each rule was met by; ``remains``: what is still to do."""

    grounds: tuple[str, ...] = ()
    remains: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """One line for people."""
        if not self.grounds:
            return f"permitted: no declared rule stands against it; {COUNSEL}"
        return f"permitted under the declared agreements ({'; '.join(self.grounds)}); {COUNSEL}"


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Not permitted: which rule, because of which missing fact, from which source, checked when."""

    reason: str
    rule: str
    source: str
    url: str
    checked: dt.date
    regime: str

    @property
    def sentence(self) -> str:
        """One line for people."""
        return f"blocked by {self.rule}: {self.reason} ({self.source}, checked {self.checked.isoformat()}); {COUNSEL}"


def permit(
    zone: Zone,
    sensitivity: Sensitivity | None,
    regimes: Sequence[str],
    today: dt.date,
    *,
    confirmed: dt.date | None = None,
    rules: Sequence[Rule] | None = None,
    house: bool = True,
) -> Permit | Refusal:
    """Whether data of this sensitivity may be processed in ``zone`` under these regimes, on ``today``.

    ``sensitivity`` None means that nobody looked, and counts as sensitive. ``confirmed`` is the day on which the user
    (or counsel) last compared the rules with their sources; it renews rules that were checked longer than 90 days ago.
    Without ``house`` this product's own rule for sensitive data is left out: a policy matrix speaks in its place.
    Raises UnknownNameError for a regime or an agreement that no list holds.
    """
    book = shipped_rules() if rules is None else tuple(rules)
    named = {_regime(name, book) for name in regimes}
    check_agreements(zone.agreements)
    sensitive = sensitivity is None or sensitivity.tier != "none"
    grounds: list[str] = []
    remains: list[str] = []
    for rule in book:
        asked = rule.regime in named or (rule.regime == HOUSE_RULE and sensitive and house)
        if not asked or zone.operator not in rule.operators or (rule.applies_to == "sensitive" and not sensitive):
            continue
        if rule.needs_any and rule.regime != HOUSE_RULE and _expired(rule.source, today, confirmed):
            return _refusal(rule, f"the rule was last checked more than 90 days before {today.isoformat()}: unknown")
        if rule.needs_any:
            met = _met(rule, zone, today, confirmed)
            if met is None:
                return _refusal(rule, _missing(rule, zone))
            grounds.append(f"{rule.title}: {met}")
        if rule.remains:
            remains.append(f"{rule.title}: {rule.remains}")
    if grounds:
        remains.append("the declared agreements are taken at your word: they must cover this very service")
    return Permit(grounds=tuple(grounds), remains=tuple(remains))


def regime_names() -> tuple[str, ...]:
    """The regimes a user can name."""
    return tuple(dict.fromkeys(rule.regime for rule in shipped_rules() if rule.regime != HOUSE_RULE))


def regime(name: str) -> str:
    """A regime's own name from what people type (``SOC 2``, ``PCI``); raises UnknownNameError with the nearest."""
    return _regime(name, shipped_rules())


def agreement_names() -> dict[str, str]:
    """What a user can declare as signed or in force: name and title."""
    return dict(_agreements())


def check_agreements(names: Iterable[str]) -> None:
    """Raise UnknownNameError, with the nearest names, for an agreement that no rule knows."""
    known = dict(_agreements())
    for name in sorted(names):
        if name not in known:
            error = UnknownNameError("agreement", name, known, field="agreements")
            error.hint = error.hint or f"Known: {', '.join(known)}"
            raise error


@lru_cache(maxsize=1)
def shipped_rules() -> tuple[Rule, ...]:
    """The rules that ship with the product."""
    return tuple(
        Rule(
            regime=row["regime"],
            title=row["title"],
            applies_to=msgspec.convert(row["applies_to"], Literal["sensitive", "all"]),
            operators=msgspec.convert(_list(row["operators"]), tuple[Operator, ...]),
            needs_any=_list(row["needs_any"]),
            requirement=row["requirement"],
            rule=row["rule"],
            evidence=row["evidence"],
            remains=row["remains"],
            source=_source(row, verified=row["verified"] == "true"),
        )
        for row in _rows("regimes.csv")
    )


@lru_cache(maxsize=1)
def countries() -> tuple[Country, ...]:
    """The countries to which personal data may go under the GDPR without further clauses."""
    return tuple(
        Country(
            code=row["code"],
            name=row["name"],
            status=msgspec.convert(row["status"], Literal["eea", "adequate", "adequate_if"]),
            needs=row["needs"],
            source=_source(row, verified=True),
        )
        for row in _rows("countries.csv")
    )


@lru_cache(maxsize=1)
def _agreements() -> tuple[tuple[str, str], ...]:
    return tuple((row["name"], row["title"]) for row in _rows("agreements.csv"))


def _rows(name: str) -> list[dict[str, str]]:
    with (_DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _source(row: dict[str, str], *, verified: bool) -> Source:
    return Source(text=row["source"], url=row["url"], checked=dt.date.fromisoformat(row["checked"]), verified=verified)


def _list(text: str) -> tuple[str, ...]:
    return tuple(part for part in text.split(";") if part)


def _regime(name: str, book: Sequence[Rule]) -> str:
    """A regime by the name people type: ``SOC 2``, ``pci_dss`` and ``PCI`` are known."""
    known = {rule.regime: rule.title for rule in book if rule.regime != HOUSE_RULE}
    wanted = fold(name)
    for regime, title in known.items():
        if wanted in (fold(regime), fold(title), fold(regime.partition("-")[0])):
            return regime
    error = UnknownNameError("regime", name, known, field="regime")
    error.hint = error.hint or f"Known: {', '.join(known)}"
    raise error


def _expired(source: Source, today: dt.date, confirmed: dt.date | None) -> bool:
    """Whether nobody compared the datum with its source in the 90 days before ``today``; a future check counts not."""
    looked = (
        source
        if confirmed is None or confirmed > today
        else msgspec.structs.replace(source, checked=max(source.checked, confirmed))
    )
    return looked.stale(today)


def _met(rule: Rule, zone: Zone, today: dt.date, confirmed: dt.date | None) -> str | None:
    """What meets the rule, in words; None where nothing does."""
    titles = dict(_agreements())
    for need in rule.needs_any:
        if need == _COUNTRY:
            place = _country(zone.country)
            if place is None or _expired(place.source, today, confirmed):
                continue
            if place.status != "adequate_if" or place.needs in zone.agreements:
                basis = "European Economic Area" if place.status == "eea" else "adequacy decision"
                return f"processed in {place.name} ({basis})"
        elif need in zone.agreements:
            return f"{titles[need]} with {zone.party}"
    return None


def _country(name: str | None) -> Country | None:
    if name is None:
        return None
    wanted = name.strip().casefold()
    return next((row for row in countries() if wanted in (row.code.casefold(), row.name.casefold())), None)


def _missing(rule: Rule, zone: Zone) -> str:
    """Which fact is missing."""
    named = " or ".join(need for need in rule.needs_any if need != _COUNTRY)
    text = f"no {named} with {zone.party} is declared; the rule asks for {rule.requirement}"
    if _COUNTRY not in rule.needs_any:
        return text
    place = _country(zone.country)
    if zone.country is None:
        where = "the country of processing is not declared"
    elif place is None:
        where = f"{zone.country} has no adequacy decision"
    else:
        where = f"{place.name} is adequate only with {place.needs}, which is not declared"
    return f"{where} and {text}"


def _refusal(rule: Rule, reason: str) -> Refusal:
    return Refusal(
        reason=reason,
        rule=rule.rule,
        source=rule.source.text,
        url=rule.source.url,
        checked=rule.source.checked,
        regime=rule.regime,
    )
