"""Under which name a measured speed anchors the planner: model, format, device and engine, where all four are known."""

from __future__ import annotations

from pathlib import Path

from crossover import hardware
from crossover.capacity.calibration import deployment_key
from crossover.catalog import match
from crossover.catalog.items import Catalog
from crossover.config import paths
from crossover.engines import gguf
from crossover.engines.discover import identify
from crossover.engines.gguf import Gguf
from crossover.engines.inspect import inspect
from crossover.errors import UnknownNameError
from crossover.hardware import Found, Machine
from crossover.loadtest.words import Subject
from crossover.runtime.engines import SHIPPED, fingerprint, weights_of
from crossover.transport import Transport

_ENGINES = frozenset({"vllm", "sglang", "llamacpp", "ollama"})


async def speed_subject(
    subject: Subject, catalog: Catalog, machine: Machine | None = None, models: Path | None = None
) -> str | None:
    """The planner's name of an engine on this machine; None where one of the four is not certain.

    The device is certain where the machine has one that the catalog knows and no other: which of several an engine
    uses it does not say. ``models`` is the folder of model files, which the engine inside this process reads (it
    answers nobody who asks what it has); None: that of this installation.
    """
    if subject.engine not in _ENGINES or subject.outside or not subject.url:
        return None
    device = _only(hardware.devices(catalog, machine or hardware.detect()))
    if device is None:
        return None
    weights = _embedded(subject, models or paths().models)
    if weights is not None:
        if device.accelerator.kind != "cpu":  # whether it was built for the card nobody says
            return None
        said: str | None = weights.quantisation
        name = subject.model if subject.model == SHIPPED else weights.name or Path(weights.path).stem
        return _key(catalog, name, said, device, subject.engine)
    transport = Transport()
    try:
        found = await identify(transport, subject.url)
        engine = None if found is None else await inspect(transport, found)
    finally:
        await transport.aclose()
    offered = () if engine is None else engine.models
    said = next((one.quantisation for one in offered if subject.model in (one.name, one.name.partition(":")[0])), None)
    return _key(catalog, subject.model.replace(":", " "), said, device, subject.engine)


def _embedded(subject: Subject, models: Path) -> Gguf | None:
    """The head of the file that answered inside this process: the one whose fingerprint the subject carries."""
    path = weights_of(subject.model, models) if subject.digest else None
    return gguf.read(path) if path is not None and fingerprint(path) == subject.digest else None


def _key(catalog: Catalog, name: str, said: str | None, device: Found, engine: str) -> str | None:
    """The planner's name; None where the catalog does not know the model or its format."""
    if said is None:
        return None
    try:
        model = match.model(catalog, name)
        quantisation = match.quantisation(catalog, said.partition(" ")[0])
    except UnknownNameError:
        return None
    return deployment_key(model, quantisation, device.accelerator, device.count, engine)


def _only(devices: tuple[Found, ...]) -> Found | None:
    """The one device an engine can be on: the only accelerator, or the processor where there is none."""
    cards = [one for one in devices if one.accelerator.kind != "cpu"]
    if not cards:
        return devices[0] if len(devices) == 1 else None
    return cards[0] if len(cards) == 1 and cards[0].count == 1 else None
