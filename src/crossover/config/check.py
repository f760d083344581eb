"""What must hold between the values of ``crossover.toml``: references, contradictions, places that are no place.

Every check gives its problems one after the other and never fails on what another one found; the loader says each at
its line. :func:`notes` holds what is allowed and still worth saying.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol, TypeAlias, get_args
from urllib.parse import urlsplit

import msgspec

from crossover import compliance, sensitivity
from crossover.config.learning import learning_problems
from crossover.config.privacy import privacy_problems
from crossover.config.secrets import ANY_KEY
from crossover.config.settings import DeploymentSettings, PriceSettings, Settings, ZoneSettings
from crossover.errors import InputError, UnknownNameError, nearest
from crossover.routing.words import Need
from crossover.transport.endpoint import Endpoint, endpoint, literal

IN_PROCESS = frozenset({"embedded", "sandbox"})  # answer inside this process: no address is needed
LOCAL_ONLY = "local_only"  # beside the labels: what may not leave own and rented machines, whatever was signed
LABELS = (*sensitivity.LABELS, LOCAL_ONLY)
ABILITIES: tuple[str, ...] = tuple(need for need in get_args(Need) if need != "unknown")  # no model can promise that
_KEEP_ALIVE = re.compile(r"-?(?:\d+(?:\.\d+)?(?:ms|s|m|h))+|0")  # durations of Ollama: "-1" without a unit is refused
_OLLAMA_PORT = 11434
_PER_TOKEN = ("like", "input", "output", "cached_read", "cache_write_5m", "cache_write_1h")
_Path: TypeAlias = tuple[str, ...]


class ProviderRow(Protocol):
    """What is asked of a row of the registry; :class:`crossover.providers.registry.Provider` is one."""

    @property
    def title(self) -> str:
        """Its name for people."""
        ...

    @property
    def base_url(self) -> str | None:
        """Its address; None where every user has an own one."""
        ...

    @property
    def url_shape(self) -> str:
        """What such an address looks like."""
        ...

    @property
    def auth(self) -> str:
        """The header of the key, or ``none``."""
        ...

    @property
    def key_env(self) -> str:
        """The variable that usually holds the key."""
        ...

    @property
    def engine(self) -> str | None:
        """``hosted``, or the engine."""
        ...

    @property
    def price_provider(self) -> str:
        """Its name in the price list."""
        ...

    @property
    def local(self) -> bool:
        """Whether users run it themselves."""
        ...


Known: TypeAlias = Mapping[str, ProviderRow]


class Problem(msgspec.Struct, frozen=True):
    """What is wrong with the value at ``path``, and what would be right."""

    path: _Path
    message: str
    hint: str | None = None


def problems(settings: Settings, known: Known) -> Iterator[Problem]:
    """Everything that cannot hold, in the order of the file's tables."""
    for check in _CHECKS:
        yield from check(settings, known)


def _unknown(what: str, name: str, names: Iterable[str], path: _Path, hint: str | None = None) -> Problem:
    names = tuple(names)
    near = nearest(name, names)
    known = f"Known: {', '.join(names)}" if names else None
    return Problem(path, f"unknown {what} {name!r}", f"Did you mean {' or '.join(near)}?" if near else hint or known)


def _said(error: InputError, path: _Path) -> Problem:
    return Problem(path, error.message, error.hint)


# -------------------------------------------------------------------------------------------------------- the server


def loopback(host: str) -> bool:
    """Whether only programs of this machine reach this address."""
    address = literal(host)
    return host.casefold() == "localhost" if address is None else address.is_loopback


def check_server(settings: Settings) -> None:
    """Raise InputError where the HTTP door cannot be opened like this; for flags that replace what the file says."""
    for problem in _server(settings, {}):
        raise InputError(problem.message, hint=problem.hint, field=".".join(problem.path))


def _server(settings: Settings, known: Known) -> Iterator[Problem]:
    del known
    server = settings.server
    if not loopback(server.host) and settings.require_keys is not True:
        yield Problem(
            ("server", "host"),
            f"{server.host} is reached from other machines, and keys are not required",
            'Write require_keys = true at the top of the file, or host = "127.0.0.1"',
        )
    for one, other in (("tls_cert", "tls_key"), ("tls_key", "tls_cert")):
        if getattr(server, one) is not None and getattr(server, other) is None:
            yield Problem(("server", one), f"needs {other} beside it", f"Write {other}, the other half of the pair")
    for number, host in enumerate(server.hosts):
        if "/" in host or "*" in host:
            yield Problem(("server", "hosts", str(number)), f"{host!r} is no host", 'Write it like "ai.example.org"')
    if server.hosts and settings.require_keys is None:
        yield Problem(
            ("server", "hosts"),
            "other names mean a proxy before the gateway, through which everybody comes from this machine",
            "Write require_keys = true at the top of the file (or false, if the proxy lets in only whom you trust)",
        )


def _dashboard(settings: Settings, known: Known) -> Iterator[Problem]:
    del known
    port = settings.dashboard.port
    if settings.dashboard.enabled and port and port == settings.server.port:
        yield Problem(("dashboard", "port"), f"{port} is the gateway's own port", "Write another one, or none")


def _law(settings: Settings, known: Known) -> Iterator[Problem]:
    del known
    for number, name in enumerate(settings.regimes):
        try:
            compliance.regime(name)
        except UnknownNameError as error:
            yield _said(error, ("regimes", str(number)))
    if settings.rules_confirmed is not None:
        try:
            dt.date.fromisoformat(settings.rules_confirmed)
        except ValueError:
            yield Problem(
                ("rules_confirmed",), f"{settings.rules_confirmed!r} is not a day", "Write it like 2026-11-23"
            )
    labels: list[tuple[str | None, _Path]] = [(settings.sensitivity, ("sensitivity",))]
    labels += [(alias.sensitivity, ("aliases", name, "sensitivity")) for name, alias in settings.aliases.items()]
    for label, path in labels:
        for word in map(str.strip, () if label is None else label.split(",")):
            try:
                if word != LOCAL_ONLY:
                    sensitivity.label(word)
            except InputError as error:
                yield Problem(path, error.message, error.hint or f"Known: {', '.join(LABELS)}")


def _zones(settings: Settings, known: Known) -> Iterator[Problem]:
    del known
    for name, zone in settings.zones.items():
        if zone.operator != "own" and zone.party == "own":
            yield Problem(
                ("zones", name), f"lacks party: a zone run by {_operator(zone)} has a name", 'Write party = "openai"'
            )
        try:
            compliance.check_agreements(zone.agreements)
        except UnknownNameError as error:
            at = zone.agreements.index(error.name) if error.name in zone.agreements else 0
            yield _said(error, ("zones", name, "agreements", str(at)))
        country = zone.country
        if country is not None and not re.fullmatch(r"[A-Za-z]{2}", country):
            names = {row.name.casefold(): row.name for row in compliance.countries()}
            if country.casefold() not in names:
                near = nearest(country, names.values())
                hint = f"Did you mean {near[0]}?" if near else "Write its two letters, such as DE or US"
                yield Problem(("zones", name, "country"), f"{country!r} is no country", hint)


def _operator(zone: ZoneSettings) -> str:
    return "a provider" if zone.operator == "provider" else "somebody who rents machines out"


# --------------------------------------------------------------------------------------------------------- deployments


def _deployments(settings: Settings, known: Known) -> Iterator[Problem]:
    for name, one in settings.deployments.items():
        path = ("deployments", name)
        row, zone = known.get(one.provider), settings.zones.get(one.zone)
        if row is None:
            yield _unknown("provider", one.provider, known, (*path, "provider"))
        if zone is None:
            hint = f'Declare it: [zones.{one.zone}] with operator = "own", "rented" or "provider"'
            yield _unknown("zone", one.zone, settings.zones, (*path, "zone"), hint)
        if row is not None:
            yield from _address(one, row, path)
            misplaced = () if zone is None else tuple(_place(one, row, zone, known, path))
            yield from misplaced
            if not misplaced:  # else another provider or another zone is meant, and with it another key
                yield from _key(one, row, path)
            if zone is not None:
                yield from _price(one.price, row, zone, path)
        yield from _details(one, path)


# How Ollama names what it sends to its maker's machines; through its OpenAI-compatible door nobody can ask it.
_CLOUD = {"ollama": re.compile(r"[-:]cloud$"), "openai-compatible": re.compile(r":(?:.*-)?cloud$")}


def _address(one: DeploymentSettings, row: ProviderRow, path: _Path) -> Iterator[Problem]:
    if one.base_url is None:
        if row.base_url is None and one.provider not in IN_PROCESS:
            yield Problem(path, f"lacks base_url: {row.title} has no address of its own", f"Like {row.url_shape}")
        return
    try:
        endpoint(one.base_url)
    except InputError as error:
        yield _said(error, (*path, "base_url"))


def _place(
    one: DeploymentSettings, row: ProviderRow, zone: ZoneSettings, known: Known, path: _Path
) -> Iterator[Problem]:
    """A zone is declared and checked: what somebody else runs cannot lie in a zone of one's own."""
    here = (*path, "zone")
    if zone.operator == "provider":
        if one.provider == "embedded":
            yield Problem(here, f"{one.zone} is a provider's zone, and {row.title} runs in this very process")
        return
    foreign = row if row.engine == "hosted" else _owner(one.base_url, known)
    if foreign is not None:
        hint = 'Declare a zone with operator = "provider" and name it'
        if foreign is row and one.base_url is not None:
            hint += '; a server of your own is provider = "openai-compatible"'
        yield Problem(here, f"{foreign.title} runs the model, and {one.zone} is declared as {zone.operator}", hint)
    elif (ending := _CLOUD.get(one.provider)) is not None and ending.search(one.model):
        hint = 'Declare a zone with operator = "provider" and name it, or take a model that runs here'
        yield Problem(here, f"Ollama sends {one.model} elsewhere, and {one.zone} is declared as {zone.operator}", hint)
    elif one.provider != "ollama" and (at := _endpoint(one.base_url)) is not None and at.port == _OLLAMA_PORT:
        why = (
            f"port {_OLLAMA_PORT} is Ollama's, and only its own dialect tells whether a model runs here or in its cloud"
        )
        yield Problem((*path, "provider"), why, 'Write provider = "ollama"')


def _owner(base_url: str | None, known: Known) -> ProviderRow | None:
    """The hosted provider whose own host an address names."""
    at = _endpoint(base_url)
    if at is None:
        return None
    hosted = (row for row in known.values() if row.engine == "hosted" and row.base_url is not None)
    return next((row for row in hosted if urlsplit(row.base_url or "").hostname == at.host), None)


def _endpoint(base_url: str | None) -> Endpoint | None:
    """Where an address leads; None where there is none, and where it is wrong, which :func:`_address` says."""
    try:
        return None if base_url is None else endpoint(base_url)
    except InputError:
        return None


def _key(one: DeploymentSettings, row: ProviderRow, path: _Path) -> Iterator[Problem]:
    if not one.enabled or row.local or row.auth == "none" or row.engine != "hosted":
        return
    if one.api_key is None and not any(name.casefold() in (row.auth, "authorization") for name in one.headers):
        name = row.key_env or "NAME"
        yield Problem(path, f"lacks api_key: {row.title} asks for one", f'Write api_key = "${{{name}}}"')
    elif one.api_key is not None and one.api_key.origin == ANY_KEY:
        yield Problem((*path, "api_key"), f"{row.title} asks for a real key", "Only an engine of your own takes any")


def _price(price: PriceSettings, row: ProviderRow, zone: ZoneSettings, path: _Path) -> Iterator[Problem]:
    here = (*path, "price")
    hourly = [name for name in ("per_hour", "tokens_per_hour") if getattr(price, name) is not None]
    per_token = [name for name in _PER_TOKEN if getattr(price, name) is not None]
    if hourly and zone.operator == "provider":
        yield Problem((*here, hourly[0]), "a provider bills by the token, not by the hour", "Write input and output")
    elif len(hourly) == 1:
        other = "tokens_per_hour" if hourly[0] == "per_hour" else "per_hour"
        yield Problem((*here, hourly[0]), f"needs {other}: the hour is shared out over the tokens of a busy hour")
    elif hourly and per_token:
        yield Problem((*here, per_token[0]), "is a price by the token beside one by the hour", "Keep one of them")
    elif per_token and price.like is None and (zone.operator != "provider" or not row.price_provider):
        missing = [name for name in ("input", "output") if getattr(price, name) is None]
        if missing:
            yield Problem((*here, per_token[0]), f"needs {' and '.join(missing)}: there is no list price to keep")
    if price.like is not None:
        from crossover.catalog import prices  # here: the price list is only opened where somebody names a row of it

        try:
            prices.resolve(price.like)
        except InputError as error:
            yield _said(error, (*here, "like"))


def _details(one: DeploymentSettings, path: _Path) -> Iterator[Problem]:
    for field in ("can", "cannot"):
        for number, name in enumerate(getattr(one, field)):
            if name not in ABILITIES:
                yield _unknown("ability", name, ABILITIES, (*path, field, str(number)))
    both = [name for name in one.can if name in one.cannot]
    if both:
        yield Problem((*path, "cannot"), f"{both[0]} stands in can as well", "Keep one of them")
    if one.queue and not one.concurrency:
        yield Problem((*path, "queue"), "needs concurrency: without a limit nobody waits", "Write concurrency = 4")
    if one.context is not None and one.max_output is not None and one.max_output > one.context:
        yield Problem((*path, "max_output"), f"is more than context, {one.context:,}", "An answer lies in the context")
    if one.keep_alive is not None:
        here = (*path, "keep_alive")
        if one.provider != "ollama":
            yield Problem(here, "is a word of Ollama, and this is none", "Leave it out")
        elif not _KEEP_ALIVE.fullmatch(one.keep_alive):
            yield Problem(here, f"{one.keep_alive!r} is no duration", 'Write it like "10m", or "-1m" for ever')


# ------------------------------------------------------------------------------------------------- aliases and budgets


def _aliases(settings: Settings, known: Known) -> Iterator[Problem]:
    del known
    for name, alias in settings.aliases.items():
        here = ("aliases", name, "deployments")
        if not alias.deployments:
            yield Problem(here, "names no deployment", 'Write deployments = ["name"]')
        for number, deployment in enumerate(alias.deployments):
            if deployment not in settings.deployments:
                hint = None if settings.deployments else f"Declare it: [deployments.{deployment}]"
                yield _unknown("deployment", deployment, settings.deployments, (*here, str(number)), hint)
        for path, message, hint in learning_problems(settings, name, alias):
            yield Problem(path, message, hint)


def _privacy(settings: Settings, known: Known) -> Iterator[Problem]:
    del known
    for path, message, hint in privacy_problems(settings):
        yield Problem(path, message, hint)


def _budgets(settings: Settings, known: Known) -> Iterator[Problem]:
    del known
    names = (*settings.aliases, *settings.deployments)
    for name, budget in settings.budgets.items():
        path = ("budgets", name)
        if name.startswith("key:"):
            yield Problem(path, "names that begin with key: are those of the keys' own budgets", "Choose another name")
        if not budget.usd:
            yield Problem((*path, "usd"), "0 permits nothing", "Write what may be spent, or take the budget out")
        for field in ("keys", "aliases"):
            if not getattr(budget, field):
                yield Problem((*path, field), "names nothing", 'Write ["*"] for all')
        for number, alias in enumerate(budget.aliases):
            if alias != "*" and alias not in names:
                yield _unknown("alias", alias, names, (*path, "aliases", str(number)), 'Write "*" for all')


def _rules(settings: Settings, known: Known) -> Iterator[Problem]:
    del known
    for table, less, more in (("retries", "backoff", "backoff_max"), ("breaker", "rest", "rest_max")):
        values = getattr(settings, table)
        if getattr(values, less) > getattr(values, more):
            yield Problem((table, less), f"is longer than {more}", f"Write at most {getattr(values, more):g} seconds")


_CHECKS: tuple[Callable[[Settings, Known], Iterator[Problem]], ...] = (
    _server, _dashboard, _law, _zones, _deployments, _aliases, _budgets, _rules, _privacy,
)  # fmt: skip


# --------------------------------------------------------------------------------------------------------------- notes


def notes(settings: Settings) -> Iterator[str]:
    """What is allowed and still worth saying to whoever starts the gateway."""
    server = settings.server
    if not loopback(server.host) and server.tls_cert is None:
        yield f"server: {server.host} is served without TLS: write tls_cert and tls_key, or put a TLS proxy before it"
    if not settings.aliases and settings.deployments:
        yield "aliases: there is none; clients can ask for deployments by name only"
    for name, alias in settings.aliases.items():
        if not any(settings.deployments[each].enabled for each in alias.deployments):
            yield f"aliases.{name}: all its deployments are disabled; requests to it are refused"
    for name, one in settings.deployments.items():
        url = urlsplit(one.base_url or "")
        if url.scheme == "http" and one.enabled and not _near(url.hostname or "") and (one.api_key or one.headers):
            yield f"deployments.{name}: its key travels to {url.hostname} without TLS"
    for place, waits in (
        ("timeouts", settings.timeouts),
        *((f"deployments.{name}.timeouts", one.timeouts) for name, one in settings.deployments.items()),
    ):
        for field in ("first_byte", "gap", "cold"):
            if waits is not None and getattr(waits, field) > waits.total:
                yield f"{place}.{field} is longer than total, which ends the wait after {waits.total:g} s"


def _near(host: str) -> bool:
    """Whether an address lies in a private network, as far as its text says so."""
    address = literal(host)
    if address is not None:
        return address.is_private
    return "." not in host or host.endswith((".local", ".internal", ".lan", ".home.arpa"))
