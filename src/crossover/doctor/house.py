"""What is looked at on the machine itself: Python, hardware, disks, the configuration, the ledger, the port."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from crossover.doctor.words import Finding, House, State

GIB = 2**30
LEDGER_LEAST = 200 * 2**20  # bytes free below which a ledger may soon stop
MODELS_LEAST = 10 * GIB  # room for one ordinary model file
GOOD_MEMORY_GIB = 8.0  # below, only small models fit beside anything else


def python(house: House) -> Iterator[Finding]:
    """The interpreter and the system."""
    version = ".".join(str(part) for part in house.python)
    yield _found("python", "ok", "Python", f"{version} on {house.machine.system}")


def processor(house: House) -> Iterator[Finding]:
    """Whether models run on a graphics card."""
    machine = house.machine
    said = f"{machine.cpu or 'processor'}, {machine.cores} cores, {machine.memory_gib:.0f} GiB of memory"
    if machine.gpus:
        cards = ", ".join(f"{gpu.name} ({gpu.memory_gib:.0f} GiB)" for gpu in machine.gpus)
        yield _found("gpu", "ok", "Hardware", f"{cards}; {said}")
    else:
        fix = "Small models only: `crossover fit` says which, and how fast; a GPU is seen where its driver is installed"
        yield _found("gpu", "warning", "Hardware", f"no GPU found, so models run on the processor: {said}", fix)
    for note in machine.notes:
        yield _found("driver", "warning", "Hardware", note, "Install the driver anew, then ask `nvidia-smi`")
    if 0 < machine.memory_gib < GOOD_MEMORY_GIB and not machine.gpus:
        fix = "Models of a few hundred million parameters fit; larger ones belong on another machine or an API"
        yield _found("memory", "warning", "Hardware", f"only {machine.memory_gib:.1f} GiB of memory", fix)


def extras(house: House) -> Iterator[Finding]:
    """Optional parts that are not installed."""
    for one in house.extras:
        if one.missing:
            fix = f"pip install 'crossover-llm[{one.name}]'"
            said = f"not installed ({', '.join(one.missing)})"
            state: State = "warning" if one.name == "embedded" and not house.engines else "note"
            yield _found("extras", state, f"Extra {one.name}", said, fix)
    whole = [one.name for one in house.extras if not one.missing]
    if whole:
        yield _found("extras", "ok", "Extras", f"installed: {', '.join(whole)}")


def configuration(house: House) -> Iterator[Finding]:
    """The file, its mistakes, and what it says that is worth knowing."""
    config = house.config
    if config.error:
        yield _found(
            "config", "broken", "crossover.toml", config.error, f"Mend it, then: crossover config check {config.file}"
        )
        return
    if not config.file:
        fix = "`crossover init` writes one from what is found here"
        yield _found("config", "note", "crossover.toml", "there is none; what runs on this machine is served", fix)
    else:
        yield _found("config", "ok", "crossover.toml", f"{config.file} is sound")
    for note in config.notes:
        yield _found("config", "note", "crossover.toml", note)


def ledger(house: House) -> Iterator[Finding]:
    """The ledger can be read and written, and is whole."""
    state = house.ledger
    if not state.exists and not state.error:
        yield _found("ledger", "ok", "Ledger", f"none yet; the first request makes {state.path}")
    elif state.error:
        yield _found("ledger", "broken", "Ledger", state.error, state.hint or "See `crossover ledger check`")
    elif state.outdated:
        said = f"{state.path} is of an older format; whoever writes next brings it up to date"
        yield _found("ledger", "note", "Ledger", said, "`crossover ledger repair` does it now")
    elif state.findings:
        said = f"{len(state.findings)} things are not as they must be, first: {state.findings[0]}"
        yield _found("ledger", "broken", "Ledger", said, "`crossover ledger repair` mends what can be mended")
    else:
        looked = "whole" if state.findings is not None else "readable; too large to be checked in passing"
        yield _found("ledger", "ok", "Ledger", f"{state.path}, {_size(state.bytes)}, {looked}")
    if not state.writable:
        fix = "Give yourself the folder, or name another with CROSSOVER_DATA"
        yield _found("ledger", "broken", "Ledger", f"nothing can be written to {state.path}", fix)


def disks(house: House) -> Iterator[Finding]:
    """Room for the ledger and for models."""
    for disk in house.disks:
        said = f"{_size(disk.free)} free for {disk.holds} at {disk.path}"
        if disk.holds == "the ledger" and disk.free < LEDGER_LEAST:
            yield _found("disk", "broken", "Disk", said, "Make room, or move the ledger with CROSSOVER_DATA")
        elif disk.holds == "models" and disk.free < MODELS_LEAST:
            yield _found("disk", "warning", "Disk", said, "Make room, or put models elsewhere with CROSSOVER_MODELS")
        else:
            yield _found("disk", "ok", "Disk", said)


def port(house: House) -> Iterator[Finding]:
    """Whether `crossover serve` could listen where it is told to."""
    at = f"{house.port.host}:{house.port.port}"
    held = house.port.held_by
    if held == "other":
        fix = "Write another server.port, or `crossover serve --port`"
        yield _found("port", "warning", "Gateway", f"another program has {at}, so no gateway can listen there", fix)
    elif held == "gateway":
        yield _found("port", "ok", "Gateway", f"one answers at {at}")
    else:
        yield _found("port", "ok", "Gateway", f"none runs; {at} is free for `crossover serve`")


def nothing(house: House) -> Iterator[Finding]:
    """Where no engine answers, what to do."""
    if house.engines or any(place.configured for place in house.places):
        return
    fix = (
        "Start one (`ollama serve`, `vllm serve MODEL`, `llama-server -m FILE`), or pull a file for the embedded "
        "engine: `crossover models pull`; `crossover fit` says what this machine can run"
    )
    only = "; only the tiny embedded model answers" if any(place.embedded for place in house.places) else ""
    yield _found("engines", "note", "Engines", f"none answers on its usual port on this machine{only}", fix)


def _found(check: str, state: State, subject: str, says: str, fix: str = "") -> Finding:
    return Finding(check=check, state=state, subject=subject, says=says, fix=fix)


def _size(count: int) -> str:
    return f"{count / GIB:,.1f} GiB" if count >= GIB else f"{count / 2**20:,.1f} MiB"


CHECKS: tuple[Callable[[House], Iterator[Finding]], ...] = (
    python, processor, disks, extras, configuration, ledger, port, nothing,
)  # fmt: skip
