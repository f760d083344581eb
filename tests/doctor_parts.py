"""A healthy house for tests of the check-up, to be changed one fact at a time."""

from __future__ import annotations

from typing import Any

import msgspec

from crossover.doctor.checks import findings
from crossover.doctor.words import Config, Disk, Extra, Finding, House, LedgerState, Place, Port, Quick
from crossover.engines.words import Engine, EngineModel, Found
from crossover.hardware import GIB, Gpu, Machine

GPU = Gpu(name="RTX 4090", vendor="NVIDIA", memory_gib=24.0)
MACHINE = Machine(system="Linux", cpu="Some processor", cores=16, memory_gib=64.0, gpus=(GPU,))
OLLAMA = Found(
    kind="ollama", title="Ollama", url="http://127.0.0.1:11434", base_url="http://127.0.0.1:11434", dialect="ollama"
)  # fmt: skip
MODEL = EngineModel(name="llama3.1:8b", bytes=5 * GIB, context=16_384, max_context=131_072, loaded=True)
ENGINE = Engine(found=OLLAMA, models=(MODEL,), version="0.20.1")
QUICK = Quick(cold_s=0.05, ttft_s=0.04, tokens_per_s=80.0, n=4)
PLACE = Place(
    name="llama", model="llama3.1:8b", title="Ollama", url="http://127.0.0.1:11434/api", configured=True, engine=ENGINE,
    known=MODEL, health="ready", quick=QUICK, logprobs=True,
)  # fmt: skip


def house(*places: Place, **more: Any) -> House:
    facts: dict[str, Any] = {
        "python": (3, 11, 7),
        "machine": MACHINE,
        "config": Config(file="crossover.toml"),
        "ledger": LedgerState(path="ledger.db", exists=True, bytes=12_000_000, findings=()),
        "port": Port(host="127.0.0.1", port=4000),
        "extras": (Extra(name="embedded"),),
        "disks": (Disk(holds="the ledger", path="/", free=90 * GIB), Disk(holds="models", path="/", free=90 * GIB)),
        "engines": (ENGINE,),
        "places": places or (PLACE,),
    }
    return House(**{**facts, **more})


def place(**more: Any) -> Place:
    return msgspec.structs.replace(PLACE, **more)


def said(one: House, state: str | None = None) -> list[Finding]:
    """What is not well, or what is in one state."""
    return [row for row in findings(one) if (row.state != "ok" if state is None else row.state == state)]
