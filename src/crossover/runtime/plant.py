"""From settings to a plant: zones, prices, abilities and backends of every deployment, routes, budgets.

Everything is built before anything is used: a configuration that cannot be built changes nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import get_args

import msgspec

from crossover.catalog.prices import DEFAULT_TIER, PriceOverride, rate_card, resolve
from crossover.chat import Backend, Caller
from crossover.config.check import IN_PROCESS
from crossover.config.defaults import EMBEDDED
from crossover.config.learning import strong_of
from crossover.config.secrets import TEXT
from crossover.config.settings import AliasSettings, DeploymentSettings, PriceSettings, Secret, Settings, ZoneSettings
from crossover.cost.request import PICO, UNKNOWN, UNSTATED, PriceList, Step, price_list
from crossover.deployment import Billing, Deployment, ModelId, PerHour, PerToken, Zone
from crossover.dispatch import Plant
from crossover.egress import Guard
from crossover.errors import InputError
from crossover.ledger.words import Budget, Key
from crossover.privacy.clearance import Desk
from crossover.providers.http import HttpBackend
from crossover.providers.registry import Provider, base_url, profile, providers
from crossover.routing.asked import labelled
from crossover.routing.eligibility import Laws
from crossover.routing.health import Health
from crossover.routing.places import Places
from crossover.routing.words import Need, Route, Target
from crossover.runtime.rules import by_prompt, cascade_of, learned_of, simple_or_not
from crossover.sensitivity import NOT_SENSITIVE, Sensitivity, label
from crossover.transport import Transport, endpoint

Keys = Callable[[str], Key | None]  # a key by its id
_NEEDS: frozenset[Need] = frozenset(get_args(Need))


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """What stands on this machine for the plant: sockets, in-process engines, the key ring, the day.

    ``address`` gives the URL of a deployment that answers inside this process; ``cold`` whether an engine still has to
    load its model; ``renewed`` what a secret is now, where it lies in a file (None: it cannot be read). ``inner_key``
    opens the embedded engines. ``desk`` makes the desk for privacy.
    """

    transport: Transport
    address: Callable[[DeploymentSettings], str]
    keys: Keys
    today: Callable[[], dt.date]
    cold: Callable[[str], bool] = lambda _target: False
    renewed: Callable[[Secret], str | None] = lambda _secret: None
    inner_key: str = ""
    desk: Callable[[Settings], Desk | None] = lambda _settings: None


def build(settings: Settings, site: Site, before: Plant | None = None) -> Plant:
    """The plant of these settings. What ``before`` knew of deployments that stay (health, places) is kept.

    Raises InputError where a deployment cannot be built.
    """
    rows = providers()
    live = {name: one for name, one in settings.deployments.items() if one.enabled}
    zones = {name: zone(name, one) for name, one in settings.zones.items()}
    targets = {
        name: target(name, one, rows[one.provider], zones[one.zone], settings, site) for name, one in live.items()
    }
    health = Health(targets, settings.breaker)
    places = {name: Places(one.concurrency, one.queue) for name, one in live.items()}
    if before is not None:
        health.keep(before.health)
        places = {name: _kept(before.places.get(name), fresh) for name, fresh in places.items()}
    sensitivity, local_only = _labelled(settings.sensitivity)
    guard = Guard()
    return Plant(
        targets=targets,
        routes=routes(settings, targets, local_only=local_only),
        backends={name: backend(name, one, rows[one.provider], settings, site, guard) for name, one in live.items()},
        places=places,
        health=health,
        law=Laws(confirmed(settings), site.today),
        retries=settings.retries,
        budgets=Budgets(settings, site.keys),
        sensitivity=sensitivity,
        regimes=settings.regimes,
        reserve_output=settings.reserve.output_tokens,
        desk=site.desk(settings),
        guard=guard,
    )


def _kept(old: Places | None, fresh: Places) -> Places:
    """Calls under way hold places of the old object: it goes on, with the new limits."""
    if old is None:
        return fresh
    old.change(fresh.limit, fresh.queue)
    return old


# ---------------------------------------------------------------------------------------------------------- deployments


def zone(name: str, settings: ZoneSettings) -> Zone:
    """A declared place."""
    return Zone(
        name=name,
        operator=settings.operator,
        party=settings.party,
        country=settings.country,
        agreements=frozenset(settings.agreements),
    )


def target(name: str, one: DeploymentSettings, row: Provider, place: Zone, settings: Settings, site: Site) -> Target:
    """One deployment as routing sees it."""
    can = {need for need in _NEEDS if need in row.can or need in one.can} - set(one.cannot)
    return Target(
        deployment=Deployment(
            id=name,
            model=ModelId(name=one.model, engine=row.engine),
            zone=place,
            billing=billing(one, row, place),
        ),
        provider=row.name,
        can=frozenset(need for need in _NEEDS if need in can),
        price=price(one, row, place, site.today()),
        timeouts=one.timeouts or settings.timeouts,
        context=one.context,
        max_output=one.max_output,
        concurrency=one.concurrency,
        queue=one.queue,
        queue_wait=one.queue_wait,
        quality=one.quality,
        wire_model=one.model,
        dialect=row.dialect,
    )


def billing(one: DeploymentSettings, row: Provider, place: Zone) -> Billing:
    """How the deployment is billed: by the token at a provider, by the hour on own and rented machines."""
    if place.operator == "provider":
        return PerToken(provider=row.price_provider or row.name, model=one.model)
    return PerHour(cloud=place.party, instance=row.name, usd_per_hour=one.price.per_hour or Decimal(0))


def price(one: DeploymentSettings, row: Provider, place: Zone, today: dt.date) -> PriceList:
    """What a token costs there: the user's price, else the list price of the day, else unknown."""
    said = one.price
    if said.per_hour is not None and said.tokens_per_hour:
        share = int(said.per_hour * PICO / Decimal(str(said.tokens_per_hour)))
        source = f"${said.per_hour}/h over {said.tokens_per_hour:,.0f} tokens an hour (stated)"
        return PriceList(steps=(Step(0, *(share,) * 6),), source=source)
    if said.like is not None:
        return price_list(rate_card(resolve(said.like), today, overrides=_overrides(said, said.like)))
    if said.input is not None and said.output is not None:
        return _stated(said)
    if place.operator != "provider":
        return UNSTATED
    if not row.price_provider:
        return UNKNOWN
    try:
        model = resolve(one.model, row.price_provider)
    except InputError:
        return UNKNOWN
    tier = str(one.options.get("service_tier", DEFAULT_TIER))
    return price_list(rate_card(model, today, service_tier=tier, overrides=_overrides(said, model.id)))


def _overrides(said: PriceSettings, model: str) -> tuple[PriceOverride, ...]:
    return (
        PriceOverride(
            model=model,
            input=said.input,
            output=said.output,
            cached_read=said.cached_read,
            cache_write_5m=said.cache_write_5m,
            cache_write_1h=said.cache_write_1h,
            source="crossover.toml",
        ),
    )


def _stated(said: PriceSettings) -> PriceList:
    """A price that the user wrote whole; parts of the prompt without a price cost what other input costs."""

    def per_token(amount: Decimal | None) -> int:
        return int((amount if amount is not None else said.input or Decimal(0)) * (PICO // 10**6))

    output = int((said.output or Decimal(0)) * (PICO // 10**6))
    step = Step(
        above=0,
        input=per_token(said.input),
        cached_read=per_token(said.cached_read),
        cache_write_5m=per_token(said.cache_write_5m),
        cache_write_1h=per_token(said.cache_write_1h),
        output=output,
        reasoning=output,
    )
    return PriceList(steps=(step,), source="crossover.toml")


def backend(
    name: str, one: DeploymentSettings, row: Provider, settings: Settings, site: Site, guard: Guard
) -> Backend:  # fmt: skip
    """What calls the deployment; where it is a provider's, only with a pass of this guard."""
    outside = settings.zones[one.zone].operator == "provider"
    inside = one.provider in IN_PROCESS and one.base_url is None
    url = site.address(one) if inside else base_url(row, one.base_url)
    limits, key = one.timeouts or settings.timeouts, one.api_key
    own = {"authorization": f"Bearer {site.inner_key}"} if inside and row.name == EMBEDDED and site.inner_key else {}
    sent = {**own, **{header: secret.value for header, secret in one.headers.items()}}
    tier = () if row.local else ("service_tier",)  # a client's own: only the configured one is priced
    return HttpBackend(
        row,
        profile(
            row,
            one.model,
            context=one.context,
            max_output=one.max_output,
            keep_alive=one.keep_alive,
            options=dict(one.options),
            drops=(*one.drops, *tier),
            reasoning_field=one.reasoning_field,
        ),
        endpoint(url, ca_file=one.tls_ca),
        site.transport,
        secret=None if key is None else key.value,
        timeouts=limits,
        headers=tuple(sent.items()),
        hidden=tuple(
            word
            for secret in one.headers.values()
            if secret.origin != TEXT
            for word in (secret.value, secret.value.rpartition(" ")[2])  # behind "Bearer", or whatever stands before it
        ),
        cold=(lambda: site.cold(name)) if row.local else None,
        renew=None if key is None else lambda: site.renewed(key),
        guard=guard if outside else None,
        place=name,
    )


# --------------------------------------------------------------------------------------------------------------- routes


def routes(settings: Settings, targets: Mapping[str, Target], *, local_only: bool) -> dict[str, Route]:
    """Every name that may be asked for: aliases, deployments, and models where just one deployment has them."""
    found: dict[str, Route] = {}
    for name, alias in settings.aliases.items():
        found[name] = _route(settings, targets, name, alias, local_only=local_only)
    models: dict[str, list[str]] = {}
    for name, one in targets.items():
        models.setdefault(one.wire_model, []).append(name)
        found.setdefault(name, Route(name=name, targets=(name,), policy="pinned", local_only=local_only))
    for model, names in models.items():
        if len(names) == 1:
            found.setdefault(model, Route(name=model, targets=(names[0],), policy="pinned", local_only=local_only))
    return found


def _route(
    settings: Settings, targets: Mapping[str, Target], name: str, alias: AliasSettings, *, local_only: bool
) -> Route:  # fmt: skip
    """An alias as routing sees it. Raises an error where what it has learned cannot be read."""
    sensitivity, only = _labelled(alias.sensitivity)
    route = Route(
        name=name,
        targets=tuple(one for one in alias.deployments if one in targets),
        policy=alias.policy or settings.policy,
        sensitivity=sensitivity,
        local_only=only or local_only,
        overflow=alias.overflow,
        shadow=alias.watch.shadow if alias.watch.shadow in targets and alias.watch.shadow is not None else "",
        shadow_share=alias.watch.shadow_share if alias.watch.shadow in targets else 0.0,
    )
    strong = strong_of(settings, alias).intersection(targets)
    if not strong or strong.issuperset(route.targets):
        return route
    learned = learned_of(alias)
    return msgspec.structs.replace(
        route,
        strong=strong,
        complexity=simple_or_not,
        learned=by_prompt(learned) if learned is not None and learned.kind == "route" else None,
        cascade=cascade_of(alias, learned if learned is not None and learned.kind == "cascade" else None),
        explore=alias.watch.explore,
    )


def _labelled(text: str | None) -> tuple[Sensitivity, bool]:
    """(sensitivity, local only) of a label or several, separated by commas."""
    return labelled(NOT_SENSITIVE, False, text, None, label)


def confirmed(settings: Settings) -> dt.date | None:
    """The day on which the user last compared the rules with their sources."""
    return None if settings.rules_confirmed is None else dt.date.fromisoformat(settings.rules_confirmed)


class Budgets:
    """Which budgets a request counts against: those of the configuration, and its key's own."""

    def __init__(self, settings: Settings, keys: Keys) -> None:
        self._keys = keys
        self._rows = tuple(
            (
                frozenset(row.keys),
                frozenset(row.aliases),
                Budget(name=name, limit=int(row.usd * PICO), period=row.period),
            )
            for name, row in settings.budgets.items()
        )

    def __call__(self, caller: Caller, route: Route) -> tuple[Budget, ...]:
        """The budgets of this caller for this name."""
        key = self._keys(caller.key) if caller.key else None
        own = key is not None and key.budget > 0
        if not own and not self._rows:
            return ()
        found = [budget for keys, names, budget in self._rows if _hit(keys, caller.key) and _hit(names, route.name)]
        if key is not None and own:
            found.append(Budget(name=f"key:{key.id}", limit=key.budget, period=key.budget_period))
        return tuple(found)


def _hit(names: frozenset[str], name: str) -> bool:
    return "*" in names or name in names
