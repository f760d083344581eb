"""Every row of the table: what it finds, how bad that is, and that it says how to mend it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
import pytest

from crossover.doctor import places
from crossover.doctor.words import Config, Disk, Extra, House, LedgerState, Place, Port, Quick, worst
from crossover.engines.words import Engine
from crossover.hardware import GIB
from tests.doctor_parts import ENGINE, MACHINE, MODEL, OLLAMA, QUICK, house, place, said


def test_a_healthy_house_has_nothing_to_mend() -> None:
    assert said(house()) == []
    assert worst(()) == "ok"


def changed(struct: Any, **more: Any) -> Any:
    return msgspec.structs.replace(struct, **more)


@pytest.mark.parametrize(
    ("one", "check", "state", "words"),
    [
        (house(machine=changed(MACHINE, gpus=())), "gpu", "warning", "models run on the processor"),
        (house(machine=changed(MACHINE, gpus=(), memory_gib=4.0)), "memory", "warning", "only 4.0 GiB"),
        (house(machine=changed(MACHINE, notes=("the driver does not answer",))), "driver", "warning", "the driver"),
        (house(extras=(Extra(name="eval", missing=("sacrebleu",)),)), "extras", "note", "sacrebleu"),
        (house(extras=(Extra(name="embedded", missing=("x",)),), engines=()), "extras", "warning", "not installed"),
        (house(config=Config()), "config", "note", "there is none"),
        (house(config=Config(file="c.toml", error="c.toml:3: wrong")), "config", "broken", "c.toml:3: wrong"),
        (house(config=Config(file="c.toml", notes=("odd",))), "config", "note", "odd"),
        (house(ledger=LedgerState(path="l", exists=True, error="damaged")), "ledger", "broken", "damaged"),
        (house(ledger=LedgerState(path="l", exists=True, findings=("a", "b"))), "ledger", "broken", "2 things"),
        (house(ledger=LedgerState(path="l", exists=True, outdated=True)), "ledger", "note", "older format"),
        (house(ledger=LedgerState(path="l", writable=False)), "ledger", "broken", "nothing can be written"),
        (house(disks=(Disk(holds="the ledger", path="/d", free=2**20),)), "disk", "broken", "1.0 MiB free"),
        (house(disks=(Disk(holds="models", path="/d", free=GIB),)), "disk", "warning", "1.0 GiB free"),
        (house(port=Port(host="127.0.0.1", port=4000, held_by="other")), "port", "warning", "another program"),
        (house(place(configured=False, embedded=True), engines=()), "engines", "note", "tiny embedded model"),
        (house(place(health="dead", quick=Quick())), "answers", "broken", "nothing answers at"),
        (house(place(health="dead", quick=Quick(), configured=False)), "answers", "warning", "nothing answers at"),
        (house(place(quick=Quick(failed="it says 401"))), "answers", "broken", "it says 401"),
        (house(place(health="loading", quick=Quick())), "answers", "warning", "still loading"),
        (house(place(outside=True, quick=Quick(skipped="paid for"))), "answers", "note", "paid for"),
        (house(place(quick=changed(QUICK, tokens_per_s=2.0))), "speed", "warning", "2.0 tokens/s is slower"),
        (house(place(quick=changed(QUICK, ttft_s=4.0, cold_s=4.0))), "speed", "warning", "4.0 s to the first token"),
        (house(place(quick=changed(QUICK, late="5 did not come"))), "speed", "warning", "5 did not come"),
        (house(place(quick=changed(QUICK, counts=False))), "usage", "note", "does not count"),
        (house(place(quick=changed(QUICK, cold_s=12.5))), "cold", "warning", "took 12.5 s"),
        (house(place(context=4096)), "context", "warning", "4,096 tokens of context of the 131,072"),
        (house(place(known=changed(MODEL, cloud=True))), "cloud", "warning", "sends it elsewhere"),
        (house(place(logprobs=False)), "logprobs", "note", "no log-probabilities"),
        (house(place(known=None, model="other")), "model", "warning", "does not list other; it lists llama3.1:8b"),
        (house(place(engine=changed(ENGINE, version="0.12.9"))), "version", "warning", "no log-probabilities"),
        (house(place(known=changed(MODEL, bytes=40 * GIB))), "memory", "warning", "more than its GPUs can hold"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_found(one: House, check: str, state: str, words: str) -> None:
    found = [row for row in said(one) if row.check == check]
    assert found, said(one)
    assert found[0].state == state
    assert words in found[0].says
    assert found[0].fix or state == "note"
    assert not found[0].fix.endswith(".")


def test_only_what_stands_in_the_configuration_is_broken_by_silence() -> None:
    """An engine that was found and does not answer is nobody's promise."""
    assert worst(tuple(said(house(place(configured=False, quick=Quick(failed="x")))))) == "warning"


@pytest.mark.parametrize(
    ("now", "most", "warned"), [(4096, 131_072, True), (2048, 8192, True), (4096, 4096, False), (None, 8192, False)]
)
def test_a_small_context_is_told_where_the_model_can_more(now: int | None, most: int, *, warned: bool) -> None:
    known = changed(MODEL, context=now, max_context=most)
    assert bool(list(places.context(place(known=known)))) is warned


def test_vllm_has_the_context_it_was_started_with() -> None:
    vllm = Engine(found=changed(OLLAMA, kind="vllm", title="vLLM"), models=(MODEL,), version="0.8.5")
    one = place(engine=vllm, context=4096)
    assert list(places.context(one)) == []
    assert "CVE-2025-47277" in next(places.age(one)).says
    assert list(places.age(place(engine=changed(vllm, version="0.11.0rc1")))) == []
    assert list(places.age(place(engine=changed(vllm, version="unknown")))) == []


def test_versions_have_a_source_and_a_day() -> None:
    for row in places.old_versions():
        assert row.source.startswith("https://")
        assert dt.date.fromisoformat(row.checked)


def test_a_quick_look_says_how_fast() -> None:
    def of(**more: Any) -> str:
        one: Place = place(quick=changed(QUICK, **more))
        return next(places.answers(one)).says

    assert of() == "first token after 40 ms, then 80 tokens/s (one at a time, 4 answers)"
    assert "2.5 s, then 3.2 tokens/s" in of(ttft_s=2.5, tokens_per_s=3.2)
    assert "4.0 ms" in of(ttft_s=0.004)
    assert "about $0.00012 spent" in of(spent_usd=0.00012)
    assert "tokens/s" not in of(tokens_per_s=None)
