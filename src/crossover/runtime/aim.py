"""What a load test is aimed at: an address, a deployment, or a name with its whole policy; built, and closed again.

A deployment is called directly, without retries, fallback, queue or record: what is measured is the deployment. An
alias goes through the dispatcher, in this process: what is measured is the policy, and its requests are rows of the
ledger like any other. A place outside is called directly with synthetic text only, under a guard of the load test's
own; so is an Ollama that has not said that a model runs here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from crossover.config import Paths
from crossover.config.check import IN_PROCESS
from crossover.config.load import Loaded
from crossover.config.settings import DeploymentSettings, Settings
from crossover.cost.request import PICO, PriceList
from crossover.deployment import Timeouts
from crossover.egress import Guard
from crossover.engines.discover import MOST_BYTES, identify
from crossover.errors import InputError, UnknownNameError
from crossover.loadtest.drive import Purse
from crossover.loadtest.servers import Watch
from crossover.loadtest.targets import Direct, Target, Through
from crossover.loadtest.words import Shot, Subject
from crossover.providers.http import HttpBackend
from crossover.providers.registry import Provider, profile, providers
from crossover.runtime.engines import Inside, look
from crossover.runtime.plant import Site, backend, price, zone
from crossover.transport import Endpoint, Transport, endpoint, head
from crossover.transport.endpoint import literal
from crossover.usage import Usage

GENERATES_ON = frozenset({"vllm", "sglang", "llamacpp"})  # engines that know ignore_eos
_CONNECT_S = 10.0


class Aim(msgspec.Struct, frozen=True, kw_only=True):
    """A target, ready to be asked. ``watch`` reads the engine's own metrics, ``endpoint`` is where it is (None: many).

    ``prices`` is None where nothing is paid per token. ``close`` ends everything that was opened.
    """

    target: Target
    subject: Subject
    close: Callable[[], Awaitable[None]]
    endpoint: Endpoint | None = None
    watch: Watch | None = None
    prices: PriceList | None = None


def waits(limit_s: float) -> Timeouts:
    """Time-outs of a load test: one limit for all of an answer."""
    return Timeouts(
        connect=min(_CONNECT_S, limit_s), first_byte=limit_s, whole=limit_s, gap=limit_s, total=limit_s, cold=limit_s
    )


async def at_url(
    url: str, model: str, *, api_key: str | None, limit_s: float, ignore_eos: bool | None
) -> Aim:  # fmt: skip
    """A server of OpenAI's dialect at an address. Only on this machine it is asked what it is.

    Raises InputError for what is no address.
    """
    row = providers()["openai-compatible"]
    place = endpoint(url)
    if not place.base:
        place = msgspec.structs.replace(place, base="/v1")  # where nearly all of them answer
    outside = not _loopback(place.host)
    transport = Transport()
    engine = ""
    if not outside:
        found = await identify(transport, f"{place.scheme}://{place.label}")
        engine = "" if found is None else found.kind
    guard = Guard() if outside else None
    made = HttpBackend(
        row, profile(row, model), place, transport, secret=api_key, timeouts=waits(limit_s), guard=guard,
        place=place.label,
    )  # fmt: skip
    headers = (("authorization", f"Bearer {api_key}"),) if api_key else ()
    return Aim(
        target=Direct(made, guard=guard, extra=_extra(engine, ignore_eos)),
        subject=Subject(
            id=f"{model} at {place.scheme}://{place.label}{place.base}",
            label=f"{model} at {place.scheme}://{place.label}{place.base}",
            model=model,
            url=f"{place.scheme}://{place.label}{place.base}",
            engine=engine,
            outside=outside,
        ),
        close=transport.aclose,
        endpoint=place,
        watch=None if outside else Watch(transport, msgspec.structs.replace(place, base=""), headers),
    )


async def offered(url: str, wanted: str | None, api_key: str | None) -> str:
    """The model to ask for at an address: the one wanted, else the only one that it lists. Raises InputError."""
    if wanted is not None:
        return wanted
    place = endpoint(url)
    transport = Transport()
    headers = [("accept", "application/json"), *([("authorization", f"Bearer {api_key}")] if api_key else [])]
    try:
        start = head(place, "GET", "/models" if place.base else "/v1/models", headers)
        with await transport.send(place, start, b"", waits(_CONNECT_S)) as reply:
            said = _listed(await reply.read(MOST_BYTES))
    finally:
        await transport.aclose()
    if len(said) != 1:
        hint = f"Name one with --model: {', '.join(said[:8])}" if said else "Name it with --model"
        raise InputError(f"{place.label} lists {len(said) or 'no'} models", hint=hint, field="--model")
    return said[0]


def _listed(body: bytes) -> list[str]:
    """The ids of a list of models in OpenAI's shape; empty where it is none."""
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return []
    rows = said.get("data") if isinstance(said, dict) else None
    return (
        [row["id"] for row in rows if isinstance(row, dict) and isinstance(row.get("id"), str)]
        if (isinstance(rows, list))
        else []
    )


async def at_deployment(
    name: str, loaded: Loaded, paths: Paths, *, limit_s: float, ignore_eos: bool | None
) -> Aim:  # fmt: skip
    """A deployment of the configuration, called directly. Engines of this process are started for it.

    Raises UnknownNameError where there is none of this name.
    """
    one = loaded.settings.deployments.get(name)
    if one is None or not one.enabled:
        known = [key for key, row in loaded.settings.deployments.items() if row.enabled]
        raise UnknownNameError("deployment", name, known, field="TARGET")
    alone = msgspec.structs.replace(
        loaded.settings,
        deployments={name: msgspec.structs.replace(one, timeouts=waits(limit_s))},
        aliases={},
        budgets={},
    )
    transport, inside = Transport(), Inside(paths.models)

    async def close() -> None:
        await transport.aclose()
        await inside.stop()

    aimed = False
    try:
        await inside.start(alone)
        seen = await look(alone, transport)
        made = _direct(name, alone, inside, transport, limit_s, ignore_eos, close, barred=name in seen.barred)
        digest = seen.digest.get(name) or inside.mark(name, one)
        made = msgspec.structs.replace(made, subject=msgspec.structs.replace(made.subject, digest=digest))
        aimed = True
    finally:
        if not aimed:
            await close()
    return made


def _direct(
    name: str,
    settings: Settings,
    inside: Inside,
    transport: Transport,
    limit_s: float,
    ignore_eos: bool | None,
    close: Callable[[], Awaitable[None]],
    *,
    barred: bool,
) -> Aim:
    one = settings.deployments[name]
    row, place = providers()[one.provider], zone(one.zone, settings.zones[one.zone])
    site = Site(
        transport=transport, address=inside.address, keys=lambda _id: None, today=_today, inner_key=inside.api_key
    )  # fmt: skip
    outside = place.operator == "provider"
    guard = Guard()
    made = backend(name, one, row, settings, site, guard)
    assert isinstance(made, HttpBackend)
    seal = guard if outside or barred else None
    engine = row.engine if row.engine not in (None, "hosted") else ""
    extra = _extra(engine or "", ignore_eos) if row.dialect == "openai" else None
    target: Target = (
        Direct(made, guard=seal, extra=extra)
        if row.dialect == "openai"
        else Through(made, one.model, limit_s=limit_s, guard=seal, place=name)
    )
    return Aim(
        target=target,
        subject=Subject(
            id=name,
            known_as=_hosted_id(one, row) if outside else "",
            label=f"{name} ({_shown(one.model)} on {row.title}, called directly)",
            model=one.model,
            url=f"{made.endpoint.scheme}://{made.endpoint.label}{made.endpoint.base}",
            deployment=name,
            engine=engine or "",
            outside=outside or barred,
        ),
        close=close,
        endpoint=made.endpoint,
        watch=None if outside or not engine else _watch(transport, made.endpoint, one, inside),
        prices=price(one, row, place, _today()) if outside else None,
    )


async def at_name(name: str, loaded: Loaded, paths: Paths, *, ledger: Path | None, limit_s: float) -> Aim:
    """A name of the configuration with its policy, through a dispatcher in this process.

    Raises UnknownNameError where nothing of this name is served.
    """
    from crossover.runtime.station import open_station

    limits = waits(limit_s)
    settings = msgspec.structs.replace(
        loaded.settings,
        timeouts=limits,
        deployments={
            key: msgspec.structs.replace(row, timeouts=limits) for key, row in loaded.settings.deployments.items()
        },
    )
    station = await open_station(msgspec.structs.replace(loaded, settings=settings), paths, ledger=ledger)
    route = station.dispatcher.plant.routes.get(name)
    if route is None:
        known = tuple(station.dispatcher.plant.routes)
        await station.aclose()
        raise UnknownNameError("alias, deployment or model", name, known, field="TARGET")
    paid = [station.dispatcher.plant.targets[one] for one in route.targets]
    return Aim(
        target=Through(station.dispatcher, name, limit_s=limit_s),
        subject=Subject(
            id=name,
            label=f"{name} ({route.policy}: {', '.join(route.targets)}, through the dispatcher)",
            model=name,
            deployment=name,
            outside=any(one.deployment.zone.operator == "provider" for one in paid),
        ),
        close=station.aclose,
        prices=max(
            (one.price for one in paid if one.deployment.zone.operator == "provider"),
            key=lambda row: row.cost(Usage(input=1000, output=1000)),
            default=None,
        ),
    )


def purse(aim: Aim, limit_usd: float) -> Purse | None:
    """What the test may cost; None where nothing is paid per token, and where no price is known.

    A request through a policy is priced as the dearest deployment it may reach.
    """
    prices = aim.prices
    if prices is None or not prices.known:
        return None

    def usd(shot: Shot) -> float:
        cached = min(shot.cached, shot.input)
        return prices.cost(Usage(input=shot.input, output=shot.output, cached_read=cached)) / PICO

    return Purse(limit_usd, usd)


def _extra(engine: str, ignore_eos: bool | None) -> dict[str, Any] | None:
    """Answers as long as was asked for, where the engine can be told so (or the user says that it can)."""
    wanted = engine in GENERATES_ON if ignore_eos is None else ignore_eos
    return {"ignore_eos": True} if wanted else None


def _watch(transport: Transport, place: Endpoint, one: DeploymentSettings, inside: Inside) -> Watch:
    key = one.api_key.value if one.api_key is not None else ""
    if one.provider in IN_PROCESS and one.base_url is None:
        key = inside.api_key
    return Watch(
        transport, msgspec.structs.replace(place, base=""), (("authorization", f"Bearer {key}"),) if key else ()
    )  # fmt: skip


def _hosted_id(one: DeploymentSettings, row: Provider) -> str:
    """What the planner calls a hosted model; "" where the price list does not know it."""
    from crossover.catalog.prices import resolve

    try:
        found = resolve(one.model, row.price_provider) if row.price_provider else None
    except InputError:
        return ""
    return "" if found is None else f"api:{found.provider}/{found.model}"


def _shown(model: str) -> str:
    """A model for people: of a file its name."""
    return Path(model).name if model.casefold().endswith(".gguf") else model


def _loopback(host: str) -> bool:
    address = literal(host)
    return host == "localhost" if address is None else address.is_loopback


def _today() -> dt.date:
    return dt.datetime.now(dt.UTC).date()
