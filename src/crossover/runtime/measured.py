"""Under which name a measured speed anchors the planner: model, format, device and engine, where all four are known."""

from __future__ import annotations

from crossover import hardware
from crossover.capacity.calibration import deployment_key
from crossover.catalog import match
from crossover.catalog.items import Catalog
from crossover.engines.discover import identify
from crossover.engines.inspect import inspect
from crossover.errors import UnknownNameError
from crossover.hardware import Found, Machine
from crossover.loadtest.words import Subject
from crossover.transport import Transport

_ENGINES = frozenset({"vllm", "sglang", "llamacpp", "ollama"})


async def speed_subject(subject: Subject, catalog: Catalog, machine: Machine | None = None) -> str | None:
    """The planner's name of an engine on this machine; None where one of the four is not certain.

    The device is certain where the machine has one that the catalog knows and no other: which of several an engine
    uses it does not say.
    """
    if subject.engine not in _ENGINES or subject.outside or not subject.url:
        return None
    device = _only(hardware.devices(catalog, machine or hardware.detect()))
    if device is None:
        return None
    transport = Transport()
    try:
        found = await identify(transport, subject.url)
        engine = None if found is None else await inspect(transport, found)
    finally:
        await transport.aclose()
    offered = () if engine is None else engine.models
    said = next((one.quantisation for one in offered if subject.model in (one.name, one.name.partition(":")[0])), None)
    if said is None:
        return None
    try:
        model = match.model(catalog, subject.model.replace(":", " "))
        quantisation = match.quantisation(catalog, said.partition(" ")[0])
    except UnknownNameError:
        return None
    return deployment_key(model, quantisation, device.accelerator, device.count, subject.engine)


def _only(devices: tuple[Found, ...]) -> Found | None:
    """The one device an engine can be on: the only accelerator, or the processor where there is none."""
    cards = [one for one in devices if one.accelerator.kind != "cpu"]
    if not cards:
        return devices[0] if len(devices) == 1 else None
    return cards[0] if len(cards) == 1 and cards[0].count == 1 else None
