"""Who can be evaluated: every name of ``crossover.toml`` through the dispatcher, or the names behind a gateway's URL.

The dispatcher is asked as any client would ask it, so privacy, policies, limits and prices count as they do in service.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from crossover.chat import ChatRequest, EmbedRequest
from crossover.config.load import Loaded
from crossover.config.places import Paths
from crossover.config.settings import AliasSettings, Settings
from crossover.cost.request import PICO
from crossover.dispatch import Plant
from crossover.errors import InputError, RequestError, UnknownNameError
from crossover.evaluation.calls import Candidate
from crossover.providers.estimate import estimate_embed, estimate_request
from crossover.routing.asked import route_of
from crossover.routing.policy import POLICIES
from crossover.routing.words import Route, Target
from crossover.runtime.station import Station, open_station
from crossover.usage import Usage

_NO_RULES = frozenset({"deployments", "policy", "watch"})  # said elsewhere, or no part of an answer
LOGPROBS = ("logprobs", "top_logprobs")  # parameters of a request that ask for them
_NAMED = 12  # names in a message
_ESTIMATE_MARGIN = 1.25  # what a prompt may hold more than it is estimated to
# What of a deployment decides what it answers.
_ANSWERS = ("provider", "model", "base_url", "context", "max_output", "options", "drops", "reasoning_field")


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """What candidates are made from: a dispatcher with its settings, or the URL of a gateway."""

    backend: Any
    plant: Plant | None = None
    settings: Settings | None = None
    url: str = ""
    station: Station | None = None

    def candidate(self, name: str, options: Mapping[str, Any], field: str = "--candidate") -> Candidate:
        """The candidate of a name, or of ``name@policy``.

        Log-probabilities are asked for only where all deployments behind it give some. Raises UnknownNameError, which
        speaks of ``field``, for a name that nobody serves.
        """
        model, policy = parted(name)
        if self.plant is None or self.settings is None:
            return Candidate(
                name=name, backend=self.backend, model=model, identity=f"{self.url}|{model}|{policy or ''}",
                policy=policy, highest=lambda _request: None, paid=True, options=options,
            )  # fmt: skip
        return _candidate(name, model, policy, options, self, field)

    def digest(self, deployment: str) -> str:
        """What is known of the very weights behind a deployment; "" for nothing."""
        if self.station is None or self.settings is None:
            return ""
        said = self.station.seen.digest.get(deployment)
        return said or self.station.inside.mark(deployment, self.settings.deployments[deployment])

    def format(self, name: str) -> str:
        """The format of the weights behind a name, where one embedded model answers; "" where nobody can tell."""
        if self.station is None or self.settings is None or self.plant is None:
            return ""
        route = self.plant.routes.get(parted(name)[0])
        if route is None or len(route.targets) != 1:
            return ""
        return self.station.inside.format(route.targets[0], self.settings.deployments[route.targets[0]])


@asynccontextmanager
async def open_room(loaded: Loaded, paths: Paths, *, ledger: Path | None = None) -> AsyncIterator[Room]:
    """The dispatcher of a configuration, opened and closed again."""
    station = await open_station(loaded, paths, ledger=ledger)
    try:
        yield Room(
            backend=station.dispatcher, plant=station.dispatcher.plant, settings=station.settings, station=station
        )
    finally:
        await station.aclose()


@asynccontextmanager
async def open_gateway(url: str, api_key: str | None, patience_s: float) -> AsyncIterator[Room]:
    """A gateway as a room. Raises InputError for an address that is none."""
    from crossover.deployment import Timeouts
    from crossover.providers.gateway import GatewayBackend, gateway_url
    from crossover.transport import Transport

    address, transport = gateway_url(url), Transport()
    try:
        waits = Timeouts(first_byte=patience_s, gap=patience_s, total=patience_s)
        yield Room(backend=GatewayBackend(address, transport, api_key=api_key, timeouts=waits), url=address)
    finally:
        await transport.aclose()


def parted(name: str) -> tuple[str, str | None]:
    """(name, policy) of ``name@policy``; what stands behind an @ and is no policy is a part of the name."""
    model, _, policy = name.rpartition("@")
    return (model, policy) if model and policy in POLICIES else (name, None)


def _candidate(
    name: str, model: str, policy: str | None, options: Mapping[str, Any], room: Room, field: str
) -> Candidate:  # fmt: skip
    plant, settings = room.plant, room.settings
    assert plant is not None
    assert settings is not None
    try:
        route = route_of(plant.routes, model, policy)
    except RequestError:
        raise _unknown(model, plant.routes, field) from None
    targets = [plant.targets[one] for one in route.targets]
    if not targets:
        raise InputError(f"{model} has no deployment that is enabled", field=field)
    if not all("logprobs" in target.can for target in targets):
        options = {key: value for key, value in options.items() if key not in LOGPROBS}
    return Candidate(
        name=name,
        backend=room.backend,
        model=model,
        identity=identity(route, settings, room.digest),
        limits=tuple((target.id, target.concurrency) for target in targets),
        policy=policy,
        highest=_Highest(targets, plant.reserve_output),
        paid=any(not target.local for target in targets),
        options=options,
    )


def _unknown(model: str, known: Iterable[str], field: str) -> UnknownNameError:
    """A name that nobody serves, with those that are served where none is near."""
    names = sorted(known)
    error = UnknownNameError("model", model, names, field=field)
    if not error.nearest:
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        error.hint = f"There are {', '.join(names[:_NAMED])}{more}" if names else "crossover.toml names no deployment"
    return error


def identity(route: Route, settings: Settings, digest: Callable[[str], str] = lambda _name: "") -> str:
    """What answers behind a name: its deployments with their weights, and the policy where there is a choice.

    What else an alias says of its choice (the stronger ones, how a cascade judges, what was learned) is a part of it.
    """
    parts = []
    for name in route.targets:
        one = settings.deployments[name]
        parts.append({**{field: getattr(one, field) for field in _ANSWERS}, "digest": digest(name)})
    policy = route.policy if len(parts) > 1 else ""
    rules = _rules(settings.aliases.get(route.name)) if len(parts) > 1 else {}
    said = (policy, parts, rules) if rules else (policy, parts)
    return msgspec.json.encode(said, order="deterministic").decode()


def _rules(alias: AliasSettings | None) -> dict[str, Any]:
    """What of an alias decides who answers, as far as it is not the usual; of a file what it holds."""
    if alias is None:
        return {}
    usual = type(alias)(deployments=())
    found = {
        name: msgspec.to_builtins(value)
        for name in alias.__struct_fields__
        if name not in _NO_RULES and (value := getattr(alias, name)) != getattr(usual, name)
    }
    if isinstance(file := found.get("learned"), str):
        with contextlib.suppress(OSError):  # it could not be opened at the start either: its name will do
            found["learned"] = hashlib.blake2b(Path(file).read_bytes(), digest_size=16).hexdigest()
    return found


class _Highest:
    """The most that a call can cost: every deployment that is paid for is asked in vain but the last."""

    def __init__(self, targets: Sequence[Target], reserve_output: int) -> None:
        self._targets = [target for target in targets if not target.local]
        self._reserve = reserve_output

    def __call__(self, request: ChatRequest | EmbedRequest) -> Decimal | None:
        """Dollars; None where nobody knows the price of one of them."""
        chat = isinstance(request, ChatRequest)
        tokens = estimate_request(request) if isinstance(request, ChatRequest) else estimate_embed(request)
        prompt = int(tokens * _ESTIMATE_MARGIN)
        total = 0
        for target in self._targets:
            if not target.price.known:
                return None
            output = 0
            if chat:
                output = request.max_tokens or min(self._reserve, target.max_output or self._reserve)  # type: ignore[union-attr]
            total += target.price.cost(Usage(input=prompt, output=output))
        return Decimal(total) / PICO
