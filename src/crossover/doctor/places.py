"""What is looked at of everything that answers: its engine, its model, its context, its speed."""

from __future__ import annotations

import csv
import functools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

from crossover.doctor.words import Finding, House, Place, State
from crossover.hardware import GIB

DATA = Path(__file__).with_name("data")
SMALL_CONTEXT = 4096  # Ollama's default below 24 GiB of video memory: docs.ollama.com/context-length
ROOM = 1.1  # weights alone are not all that a model needs
SLOW = 5.0  # tokens a second: about as fast as people read
COLD_S, COLD_TIMES = 2.0, 4.0  # a first answer so late, and so much later than the others, was loading
WARM_S = 3.0  # a first token later than this, of a prompt of some sixty tokens


class Old(msgspec.Struct, frozen=True, kw_only=True):
    """Versions of an engine that are worth a word, from ``data/versions.csv``."""

    engine: str
    below: str
    state: Literal["note", "warning", "broken"]
    says: str
    fix: str
    source: str
    checked: str


@functools.cache
def old_versions() -> tuple[Old, ...]:
    """The rows of the data file."""
    text = (DATA / "versions.csv").read_text(encoding="utf-8")
    return tuple(msgspec.convert(row, Old) for row in csv.DictReader(text.splitlines()))


def answers(place: Place) -> Iterator[Finding]:
    """Whether it answers, and how fast."""
    quick = place.quick
    if place.health == "dead" or quick.failed:
        why = quick.failed or f"nothing answers at {place.url}"
        state: State = "broken" if place.configured or place.embedded else "warning"
        fix = "Start it, or correct its base_url and model" if place.configured else "Restart the engine; read its log"
        yield _found("answers", state, place, why, fix)
    elif place.health == "loading":
        yield _found("answers", "warning", place, "it is still loading its model", "Wait, and ask again")
    elif quick.skipped:
        yield _found("answers", "note" if place.outside else "ok", place, quick.skipped)
    elif quick.ttft_s is not None:
        yield _found("answers", "ok", place, _speed(place))


def _speed(place: Place) -> str:
    quick = place.quick
    assert quick.ttft_s is not None
    rate = "" if quick.tokens_per_s is None else f", then {quick.tokens_per_s:,.0f} tokens/s"
    if quick.tokens_per_s is not None and quick.tokens_per_s < 10:
        rate = f", then {quick.tokens_per_s:.1f} tokens/s"
    first = f"{quick.ttft_s * 1000:,.0f} ms" if quick.ttft_s < 1 else f"{quick.ttft_s:.1f} s"
    if quick.ttft_s < 0.01:
        first = f"{quick.ttft_s * 1000:.1f} ms"
    spent = "" if quick.spent_usd is None else f"; about ${quick.spent_usd:.5f} spent"
    return f"first token after {first}{rate} (one at a time, {quick.n} answers){spent}"


def slow(place: Place) -> Iterator[Finding]:
    """Speeds that people notice."""
    quick = place.quick
    if quick.tokens_per_s is not None and quick.tokens_per_s < SLOW:
        said = f"{quick.tokens_per_s:.1f} tokens/s is slower than people read"
        yield _found("speed", "warning", place, said, "A smaller model or a quantised one is faster: `crossover fit`")
    if quick.ttft_s is not None and quick.ttft_s > WARM_S:
        said = f"{quick.ttft_s:.1f} s to the first token of a short prompt"
        fix = "See whether it is busy or runs on the processor; `crossover loadtest` shows where the time goes"
        yield _found("speed", "warning", place, said, fix)
    if quick.n and quick.late:
        yield _found("speed", "warning", place, quick.late, "See whether it is busy with others' requests")
    if quick.n and not quick.counts:
        fix = "Costs and budgets are estimated for it; a newer version of the server may count"
        yield _found("usage", "note", place, "it does not count its tokens", fix)


def unlisted(place: Place) -> Iterator[Finding]:
    """A model that the engine does not name: some answer with another one, others not at all."""
    if not place.configured or place.engine is None or not place.engine.models or place.known is not None:
        return
    names = ", ".join(model.name for model in place.engine.models[:4])
    more = f" and {len(place.engine.models) - 4} more" if len(place.engine.models) > 4 else ""
    said = f"{place.engine.found.title} does not list {place.model}; it lists {names}{more}"
    yield _found("model", "warning", place, said, f"Correct deployments.{place.name}.model, or have the engine load it")


def cold(place: Place) -> Iterator[Finding]:
    """The first answer had to load the model."""
    quick = place.quick
    if quick.cold_s is None or quick.ttft_s is None or quick.cold_s < max(COLD_S, COLD_TIMES * quick.ttft_s):
        return
    kind = "" if place.engine is None else place.engine.found.kind
    fix = {
        "ollama": "OLLAMA_KEEP_ALIVE=-1 keeps models in memory; it unloads them after five minutes otherwise",
        "lmstudio": "Load the model for good in LM Studio, or raise its idle time",
    }.get(kind, "Send a request now and then, or have the engine load its model when it starts")
    yield _found("cold", "warning", place, f"the first answer took {quick.cold_s:.1f} s, to load the model", fix)


def context(place: Place) -> Iterator[Finding]:
    """Ollama answers from 4,096 tokens of context unless it is told otherwise, and cuts longer prompts off silently."""
    if place.engine is None or place.engine.found.kind != "ollama" or place.known is None or place.known.cloud:
        return
    now, most = place.context or place.known.context, place.known.max_context
    if now is None or now > SMALL_CONTEXT or most is None or most <= now:
        return
    said = f"it keeps {now:,} tokens of context of the {most:,} that the model can, and drops what is longer silently"
    fix = (
        "Raise deployments.NAME.context in crossover.toml, which is sent along" if place.configured
        else "Start Ollama with OLLAMA_CONTEXT_LENGTH=16384, or name its context in crossover.toml"
    )  # fmt: skip
    yield _found("context", "warning", place, said, fix.replace("NAME", place.name))


def away(place: Place) -> Iterator[Finding]:
    """A cloud model of Ollama is served through this machine and runs elsewhere."""
    if place.known is not None and place.known.cloud:
        said = f"Ollama sends it elsewhere{f' ({place.known.remote})' if place.known.remote else ''}: it is not local"
        yield _found(
            "cloud", "warning", place, said, "OLLAMA_NO_CLOUD=1 turns such models off; pull one that runs here"
        )


def logprobs(place: Place) -> Iterator[Finding]:
    """Cascades and evaluations use them."""
    if place.logprobs is False:
        fix = "A newer engine, vLLM, llama.cpp or Ollama from 0.12.11 on gives them"
        yield _found(
            "logprobs", "note", place, "it gives no log-probabilities, so no cascade can trust its doubts", fix
        )


def age(place: Place) -> Iterator[Finding]:
    """Versions of engines that are known for something."""
    if place.engine is None or not place.engine.version:
        return
    for row in old_versions():
        if row.engine == place.engine.found.kind and _older(place.engine.version, row.below):
            said = f"{place.engine.found.title} {place.engine.version}: {row.says}"
            yield _found("version", row.state, place, said, f"{row.fix} to {row.below} or newer")


def memory(house: House, place: Place) -> Iterator[Finding]:
    """Models that are larger than what they must fit into."""
    size = None if place.known is None or place.known.cloud else place.known.bytes
    if size is None:
        return
    cards = sum(gpu.memory_gib for gpu in house.machine.gpus)
    room = (cards or house.machine.memory_gib) * GIB
    need = size * ROOM
    if not room or need <= room:
        return
    where = "its GPUs" if cards else "this machine"
    said = (
        f"its weights are {size / GIB:.1f} GiB, more than {where} can hold ({room / GIB:.1f} GiB) beside anything else"
    )
    worse = "Layers that do not fit run on the processor, many times slower" if cards else "It will swap, or not load"
    yield _found("memory", "warning", place, said, f"{worse}: take a smaller quantisation or model (`crossover fit`)")


def _older(version: str, than: str) -> bool:
    """Whether a version is below another; one that says no numbers is not."""
    one = [int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:3]]
    other = [int(part) for part in re.findall(r"\d+", than)]
    return bool(one) and one < other


def _found(check: str, state: State, place: Place, says: str, fix: str = "") -> Finding:
    return Finding(check=check, state=state, subject=place.name, says=says, fix=fix)


CHECKS: tuple[Callable[[Place], Iterator[Finding]], ...] = (answers, unlisted, slow, cold, context, away, logprobs, age)
