"""The engines on this machine while a gateway runs: those inside this process, and what the others say of themselves.

An engine is believed only after it was asked: an Ollama *cloud* model is served through localhost and runs elsewhere,
so a deployment of Ollama in a zone of one's own is barred until the engine has said that the model is here.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from crossover.config.settings import DeploymentSettings, Settings
from crossover.engines import gguf
from crossover.engines.embedded import Options, Running, default_model, start
from crossover.engines.inspect import health, inspect
from crossover.engines.words import Engine, EngineModel, Found, Health
from crossover.errors import FileError, InputError
from crossover.providers.registry import base_url, provider
from crossover.transport import Transport

if TYPE_CHECKING:
    from crossover.engines.sandbox import Sandbox

EMBEDDED, SANDBOX = "embedded", "sandbox"
SHIPPED = "crossover-tiny"
_ASKED = frozenset({"ollama", "vllm", "sglang", "llamacpp"})  # engines that can be asked how they are
_PARALLEL = 4
_MIB = 2**20
_LOG = logging.getLogger("crossover")


class Inside:
    """Engines that run in this process: one server per model file, started when a configuration first names it."""

    def __init__(self, models: Path) -> None:
        self._models = models
        self._running: dict[str, Running] = {}
        self._options: dict[str, Options] = {}  # with which each was started
        self._sandbox: Sandbox | None = None
        self.api_key = secrets.token_urlsafe(24)  # of the embedded engines: nobody passes the gateway by

    async def start(self, settings: Settings) -> None:
        """Start what these settings name and does not run yet. Raises FileError, MissingExtraError."""
        for name, one in settings.deployments.items():
            if not one.enabled:
                continue
            if one.provider == EMBEDDED and one.base_url is None:
                options = Options(alias=one.model, parallel=one.concurrency or _PARALLEL, context=one.context or 0)
                if one.model not in self._running:
                    self._running[one.model] = await asyncio.to_thread(
                        start, self._file(name, one), options, api_key=self.api_key
                    )
                    self._options[one.model] = options
                elif options != self._options[one.model]:
                    _LOG.warning("deployments.%s: its engine runs on as it was started, until a restart", name)
            elif one.provider == SANDBOX and one.base_url is None and self._sandbox is None:
                from crossover.engines import sandbox

                self._sandbox = await asyncio.to_thread(sandbox.start)

    def address(self, one: DeploymentSettings) -> str:
        """The base URL of a deployment that runs in here."""
        if one.provider == EMBEDDED and one.model in self._running:
            return f"{self._running[one.model].url}/v1"
        if one.provider == SANDBOX and self._sandbox is not None:
            return f"{self._sandbox.url}/v1"
        raise InputError(f"{one.provider} {one.model} does not run in this process")

    def context(self, one: DeploymentSettings) -> int | None:
        """The context of an embedded model, in tokens."""
        running = self._running.get(one.model)
        return None if running is None or one.provider != EMBEDDED else running.context

    def mark(self, name: str, one: DeploymentSettings) -> str:
        """A fingerprint of an embedded model's file, quickly: its size, its first and its last MiB; "" of others."""
        if one.provider != EMBEDDED or one.base_url is not None:
            return ""
        return fingerprint(self._file(name, one))

    def format(self, name: str, one: DeploymentSettings) -> str:
        """In which format the weights of an embedded model are; "" of others."""
        if one.provider != EMBEDDED or one.base_url is not None:
            return ""
        return gguf.read(self._file(name, one)).quantisation

    async def stop(self) -> None:
        """End every engine in here."""
        if self._sandbox is not None:
            await asyncio.to_thread(self._sandbox.stop)
            self._sandbox = None
        for running in self._running.values():
            await asyncio.to_thread(running.stop)
        self._running.clear()
        self._options.clear()

    def _file(self, name: str, one: DeploymentSettings) -> Path:
        """The model file a deployment names: the shipped one, a path, or a file in the folder of models."""
        found = weights_of(one.model, self._models)
        if found is not None:
            return found
        raise FileError(
            f"deployment {name}: no model file of this name, also not in {self._models}",
            file=one.model,
            hint=f'Write {SHIPPED}, a path, or a file that "crossover models pull" brought',
        )


def weights_of(model: str, models: Path) -> Path | None:
    """The model file of a name: the shipped one, a path, or a file in the folder of models; None where there is none.

    Raises FileError where the shipped one is missing.
    """
    if model == SHIPPED:
        return default_model()
    places = (Path(model).expanduser(), models / model, models / f"{model}.gguf")
    return next((place for place in places if place.is_file()), None)


def fingerprint(path: Path) -> str:
    """Of a model file, quickly: its size, its first and its last MiB."""
    with path.open("rb") as file:
        seen = hashlib.sha256(file.read(_MIB))
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - _MIB, 0))
        seen.update(file.read(_MIB))
    return f"{size}:{seen.hexdigest()[:16]}"


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What the engines said last: health by deployment, what bars one, which must still load, their models' digests."""

    health: dict[str, Health] = {}
    barred: dict[str, str] = {}
    cold: frozenset[str] = frozenset()
    context: dict[str, int] = {}
    digest: dict[str, str] = {}


async def look(settings: Settings, transport: Transport) -> Seen:
    """Ask every engine of one's own that can be asked, all at once. An engine that does not answer is ``dead``."""
    asked = {
        name: one
        for name, one in settings.deployments.items()
        if one.enabled and one.provider in _ASKED and settings.zones[one.zone].operator != "provider"
    }
    urls = {name: base_url(provider(one.provider), one.base_url) for name, one in asked.items()}
    states = await asyncio.gather(*(_state(transport, asked[name], url) for name, url in urls.items()))
    health_of = dict(zip(asked, states, strict=True))
    engines = await _ollamas(transport, {urls[name] for name, one in asked.items() if one.provider == "ollama"})
    barred: dict[str, str] = {}
    cold: set[str] = set()
    context: dict[str, int] = {}
    digest: dict[str, str] = {}
    for name, one in asked.items():
        if one.provider != "ollama":
            continue
        model = _model(engines.get(urls[name]), one.model)
        if model is None:
            barred[name] = f"Ollama has not said where {one.model} runs"
        elif model.cloud:
            barred[name] = f"Ollama sends {one.model} elsewhere, and {one.zone} is a zone of one's own"
        else:
            if model.loaded is False:
                cold.add(name)
            if model.context:
                context[name] = model.context
            if model.digest:
                digest[name] = model.digest
    return Seen(health=health_of, barred=barred, cold=frozenset(cold), context=context, digest=digest)


async def _state(transport: Transport, one: DeploymentSettings, url: str) -> Health:
    kind = provider(one.provider).name
    return await health(transport, _KINDS[kind], url.removesuffix("/api"))


_KINDS: Mapping[str, Any] = {"ollama": "ollama", "vllm": "vllm", "sglang": "sglang", "llamacpp": "llamacpp"}


async def _ollamas(transport: Transport, urls: set[str]) -> dict[str, Engine]:
    """What each Ollama says of its models, by base URL."""

    async def one(url: str) -> Engine:
        root = url.removesuffix("/api")
        found = Found(kind="ollama", title="Ollama", url=root, base_url=url, dialect="ollama")
        return await inspect(transport, found)

    listed = sorted(urls)
    return dict(zip(listed, await asyncio.gather(*(one(url) for url in listed)), strict=True))


def _model(engine: Engine | None, name: str) -> EngineModel | None:
    """A model by its name; without a tag Ollama means ``latest``."""
    if engine is None:
        return None
    wanted = {name, f"{name}:latest"}
    return next((model for model in engine.models if model.name in wanted), None)
