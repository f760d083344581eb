"""Gathers what a check-up looks at: asks engines, opens the ledger to read, measures a few short requests.

Nothing is changed, nothing of the user's is sent, and nothing that costs money is asked unless ``paid`` says so.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata, util
from pathlib import Path
from typing import get_args

import msgspec
import numpy as np

from crossover import hardware
from crossover.chat import ChatRequest, Message, Text
from crossover.config import Paths
from crossover.config.check import IN_PROCESS
from crossover.config.defaults import EMBEDDED, default_settings
from crossover.config.load import Loaded, find, load
from crossover.config.settings import DeploymentSettings
from crossover.doctor.words import Config, Disk, Extra, House, LedgerState, Place, Port, Quick
from crossover.engines.discover import fetch, identify
from crossover.engines.inspect import health, inspect
from crossover.engines.words import Engine, EngineKind, EngineModel, Health
from crossover.errors import CrossoverError, FileError, RequestError, UnknownNameError, UpstreamError
from crossover.ledger import care
from crossover.ledger.store import open_ledger, outdated
from crossover.loadtest.conduct import SETTLE_S
from crossover.loadtest.drive import Limits, Log, Purse, drive
from crossover.loadtest.measure import figures
from crossover.loadtest.prompts import Synthetic, drawn
from crossover.loadtest.targets import Direct, Through
from crossover.loadtest.words import UNFINISHED, Load
from crossover.providers.registry import base_url, providers
from crossover.runtime.aim import Aim, at_deployment, purse
from crossover.runtime.found import found_engines, models_of
from crossover.runtime.rivals import everything
from crossover.transport import Transport
from crossover.workload import constant

PACKAGE = "crossover-llm"
FOR_PEOPLE = ("embedded", "eval", "notebook", "dashboard")  # extras that a user may want; others are for developers
INPUT, OUTPUT, ANSWERS = 64, 32, 4  # tokens and requests of a quick look
PATIENCE_S = 60.0  # for all of them at one place, loading the model included
PAID_USD = 0.05  # the most at one place
LOOKED_AT = 64 * 2**20  # bytes of a ledger that is checked in passing
_KINDS: Mapping[str, EngineKind] = {kind: kind for kind in get_args(EngineKind)}
_REQUIRED = re.compile(r"^([A-Za-z0-9._-]+).*extra == ['\"]([a-z-]+)['\"]")


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked at: ``names`` are deployments (none: all), ``measure`` asks models, ``paid`` also providers'."""

    config: Path | None = None
    ledger: Path | None = None
    names: tuple[str, ...] = ()
    measure: bool = True
    paid: bool = False


Told = Callable[[str], None]


async def checkup(
    wanted: Wanted, places: Paths, environ: Mapping[str, str], *, told: Told = lambda _text: None
) -> House:
    """Everything that the checks are about. Raises UnknownNameError for a name that nothing has."""
    config, loaded = _config(wanted, environ)
    told("looking for engines")
    engines = await found_engines()
    models = models_of(engines)
    if loaded is None:
        loaded = default_settings(models, environ)
    whole = everything(loaded, models)
    names = _names(wanted, whole, loaded, engines)
    looked = []
    for name in names:
        told(name)
        looked.append(await _place(name, whole, loaded, places, engines, wanted))
    server = whole.settings.server
    return House(
        python=sys.version_info[:3],
        machine=hardware.detect(),
        config=config,
        ledger=_ledger(wanted.ledger or places.data / "ledger.db"),
        port=await _port(server.host, server.port),
        extras=extras(),
        disks=_disks(places),
        engines=engines,
        places=tuple(looked),
    )


def _config(wanted: Wanted, environ: Mapping[str, str]) -> tuple[Config, Loaded | None]:
    """What the file is like, and its settings where it is sound."""
    file = find(wanted.config, environ, Path.cwd())
    if file is None:
        return Config(), None
    if wanted.config is not None and not file.exists():
        raise FileError("no such file", file=str(file), field="--config")
    try:
        loaded = load(file, environ)
    except CrossoverError as error:
        return Config(file=str(file), error=error.sentence()), None
    return Config(file=str(file), notes=loaded.notes), loaded


def _names(wanted: Wanted, whole: Loaded, loaded: Loaded, engines: Sequence[Engine]) -> list[str]:
    """Which deployments are looked at: all of the configuration, one model of every other engine, the embedded one."""
    rows = whole.settings.deployments
    if wanted.names:
        for name in wanted.names:
            if name not in rows:
                raise UnknownNameError("deployment", name, rows, field="NAME")
        return list(dict.fromkeys(wanted.names))
    stated = [name for name, one in loaded.settings.deployments.items() if one.enabled] if loaded.file else []
    first: dict[str, str] = {}
    for engine in engines:
        covered = any(_of(rows[name], engine) for name in stated)
        offers = [name for name, one in rows.items() if name not in stated and _of(one, engine) and not one.cannot]
        best = min(offers, key=lambda name: _weight(engine, rows[name].model), default=None)
        if best is not None and not covered:
            first[engine.found.url] = best
    inside = [name for name, one in rows.items() if one.provider == EMBEDDED and name not in stated]
    if util.find_spec("xllamacpp") is None:
        inside = []  # the check of extras says what is missing
    return [*stated, *first.values(), *inside[:1]]


def _of(one: DeploymentSettings, engine: Engine) -> bool:
    """Whether a deployment is served by this engine."""
    if one.provider != engine.found.kind:
        return False
    return _url(one) == base_url(providers()[one.provider], engine.found.base_url)


def _url(one: DeploymentSettings) -> str:
    row = providers().get(one.provider)
    return "" if row is None or (one.base_url is None and row.base_url is None) else base_url(row, one.base_url)


def _weight(engine: Engine, model: str) -> tuple[bool, int]:
    """Loaded models first, then small ones."""
    known = next((one for one in engine.models if one.name == model), None)
    return (True, 0) if known is None else (not known.loaded, known.bytes or 0)


# ---------------------------------------------------------------------------------------------------------- one place


async def _place(
    name: str, whole: Loaded, loaded: Loaded, places: Paths, engines: Sequence[Engine], wanted: Wanted
) -> Place:  # fmt: skip
    one = whole.settings.deployments[name]
    row = providers()[one.provider]
    outside = whole.settings.zones[one.zone].operator == "provider"
    inside = one.provider in IN_PROCESS and one.base_url is None
    engine, state = (None, None) if outside or inside else await _engine(one, engines)
    place = Place(
        name=name,
        model=one.model,
        title=row.title,
        url="" if inside else _url(one),
        outside=outside,
        configured=loaded.file is not None and name in loaded.settings.deployments,
        embedded=inside,
        engine=engine,
        known=_known(engine, one.model),
        health=state,
    )
    why = _skipped(place, wanted, one)
    if why or state == "dead":
        return msgspec.structs.replace(place, quick=Quick(skipped=why))
    quick, logprobs = await _measured(name, whole, places)
    after = await _again(engine, one.model)
    return msgspec.structs.replace(
        place, quick=quick, logprobs=logprobs, context=None if after is None else after.context
    )  # fmt: skip


def _skipped(place: Place, wanted: Wanted, one: DeploymentSettings) -> str:
    if "chat" in one.cannot:
        return "it does not chat: not measured"
    if not wanted.measure:
        return "not measured (--no-measure)"
    if place.known is not None and place.known.cloud and not wanted.paid:
        return "not measured: it runs elsewhere; --paid asks it all the same"
    if place.outside and not wanted.paid:
        return f"not measured, because {place.title} is paid for; --paid sends {ANSWERS + 1} short requests"
    return ""


async def _engine(one: DeploymentSettings, engines: Sequence[Engine]) -> tuple[Engine | None, Health | None]:
    """The engine behind a deployment, and how it is."""
    found = next((engine for engine in engines if _of(one, engine)), None)
    if found is not None:
        return found, "loading" if found.found.loading else "ready"
    transport = Transport()
    try:
        url = _url(one)
        seen = await identify(transport, url.removesuffix("/api"))
        if seen is not None:
            return await inspect(transport, seen), "loading" if seen.loading else "ready"
        kind = _KINDS.get(one.provider)
        if kind is not None:
            return None, await health(transport, kind, url.removesuffix("/api"))
    finally:
        await transport.aclose()
    return None, None


def _known(engine: Engine | None, model: str) -> EngineModel | None:
    wanted = {model, f"{model}:latest"}
    return None if engine is None else next((one for one in engine.models if one.name in wanted), None)


async def _again(engine: Engine | None, model: str) -> EngineModel | None:
    """What an engine says of a model now that it has answered."""
    if engine is None:
        return None
    transport = Transport()
    try:
        return _known(await inspect(transport, engine.found), model)
    finally:
        await transport.aclose()


async def _measured(name: str, whole: Loaded, places: Paths) -> tuple[Quick, bool | None]:
    try:
        aim = await at_deployment(name, whole, places, limit_s=PATIENCE_S, ignore_eos=None)
    except CrossoverError as error:
        return Quick(failed=error.sentence()), None
    try:
        quick = await quickly(aim, purse(aim, PAID_USD))
        logprobs = None if aim.subject.outside or not quick.n else await _logprobs(aim)
    finally:
        await aim.close()
    return quick, logprobs


async def quickly(aim: Aim, money: Purse | None = None, *, patience_s: float = PATIENCE_S) -> Quick:
    """A few short requests, one after the other; the first one alone, because it may have to load the model.

    After it a moment is waited: a server that ends connections behind its answers has done so by then, and is known.
    """
    lengths = drawn(constant(INPUT), constant(OUTPUT), np.random.default_rng(0), count=ANSWERS + 1)
    source = Synthetic(
        lengths, seed=int.from_bytes(os.urandom(4), "big")
    )  # texts that no cache of an earlier look holds
    alone = Load(concurrency=1)
    first, rest = Log(alone, money), Log(alone, money)
    late = ""
    try:
        async with asyncio.timeout(patience_s):
            await drive(aim.target, source, alone, Limits(requests=1, drain_s=1.0), first)
            await asyncio.sleep(SETTLE_S)
            if first.shots and first.shots[0].ok:
                await drive(aim.target, source.later(1), alone, Limits(requests=ANSWERS, drain_s=1.0), rest)
    except TimeoutError:
        late = f"{ANSWERS + 1} short answers did not come within {patience_s:.0f} s"
    except CrossoverError as error:
        late = error.sentence()
    shots = [*first.shots, *rest.shots]
    failed = [shot.message or shot.error for shot in shots if shot.error and shot.error != UNFINISHED]
    made = figures(rest.run() if any(shot.ok for shot in rest.shots) else first.run())
    spent = None if money is None else money.spent_usd
    if not made.ok:
        return Quick(failed=failed[0] if failed else late or "no answer came", spent_usd=spent)
    if failed:
        late = f"{len(failed)} of {len(shots)} requests failed: {failed[0]}"
    pace = None if made.tpot is None else made.tpot.at(0.5).value
    return Quick(
        cold_s=first.shots[0].ttft if first.shots[0].times else None,
        ttft_s=None if made.ttft is None else made.ttft.at(0.5).value,
        tokens_per_s=1 / pace if pace else None,
        n=made.ok,
        counts=made.measured_tokens,
        late=late,
        spent_usd=spent,
    )


async def _logprobs(aim: Aim) -> bool | None:
    """Whether one token comes with its probability; None where that cannot be told."""
    if not isinstance(aim.target, Direct | Through):
        return None
    request = ChatRequest(
        model=aim.subject.model, messages=(Message("user", (Text("Say yes."),)),), max_tokens=2, logprobs=True,
        top_logprobs=2,
    )  # fmt: skip
    try:
        async with asyncio.timeout(PATIENCE_S):
            answer = await aim.target.backend.complete(request)
    except RequestError:
        return False
    except (UpstreamError, TimeoutError):
        return None
    return any(choice.logprobs for choice in answer.choices)


# --------------------------------------------------------------------------------------------------------- the house


def extras(package: str = PACKAGE) -> tuple[Extra, ...]:
    """The optional parts that users want, with what of each is not installed; none where the package says nothing."""
    try:
        required = metadata.requires(package) or []
    except metadata.PackageNotFoundError:
        return ()
    wanted: dict[str, list[str]] = {}
    for line in required:
        found = _REQUIRED.match(line)
        if found is not None and found[2] in FOR_PEOPLE:
            wanted.setdefault(found[2], []).append(found[1])
    return tuple(
        Extra(name=name, missing=tuple(one for one in parts if not _installed(one))) for name, parts in wanted.items()
    )


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _ledger(path: Path) -> LedgerState:
    """How the ledger is, without changing anything of it."""
    try:
        exists = path.is_file()
        size = path.stat().st_size if exists else 0
    except OSError as error:
        return LedgerState(path=str(path), error=f"{path} cannot be looked at: {error.strerror or error}")
    folder = _there(path.parent)
    state = LedgerState(
        path=str(path), exists=exists, bytes=size,
        writable=os.access(path if exists else folder, os.W_OK) and os.access(folder, os.W_OK),
    )  # fmt: skip
    if not exists:
        return state
    try:
        if outdated(path):
            return msgspec.structs.replace(state, outdated=True)
        with open_ledger(path, readonly=True) as ledger:
            found = None if size > LOOKED_AT else tuple(one.text for one in care.check(ledger))
    except CrossoverError as error:
        return msgspec.structs.replace(state, error=error.message, hint=error.hint or "")
    return msgspec.structs.replace(state, findings=found)


def _there(folder: Path) -> Path:
    """The folder, or the nearest above it that exists."""
    return next((place for place in (folder, *folder.absolute().parents) if place.is_dir()), Path("/"))


def _disks(places: Paths) -> tuple[Disk, ...]:
    found = []
    for holds, path in (("the ledger", places.data), ("models", places.models)):
        there = _there(path)
        try:
            found.append(Disk(holds=holds, path=str(path), free=shutil.disk_usage(there).free))
        except OSError:
            continue  # a disk that nobody may ask: the ledger's own check says what matters
    return tuple(found)


async def _port(host: str, port: int) -> Port:
    """Who has the gateway's address."""
    shown = host
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - asked, not listened on
    state = Port(host=shown, port=port)
    if not port:
        return state
    try:
        async with asyncio.timeout(1.0):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return state
    writer.close()
    transport = Transport()
    try:
        label = f"[{host}]" if ":" in host else host
        said = (await fetch(transport, f"http://{label}:{port}", "/health", patience=1.0)).json()
    finally:
        await transport.aclose()
    return msgspec.structs.replace(state, held_by="gateway" if said == {"status": "ok"} else "other")
