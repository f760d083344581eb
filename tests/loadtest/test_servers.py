"""What engines count: their metrics read, as differences, from texts and from a real engine."""

from __future__ import annotations

import asyncio
from importlib.util import find_spec

import pytest

from crossover.loadtest import servers
from crossover.loadtest.conduct import calibrated
from crossover.loadtest.drive import Limits, Log, drive
from crossover.loadtest.prompts import Synthetic
from crossover.loadtest.targets import Direct
from crossover.loadtest.words import Load, ServerSide
from crossover.providers.faulty import FaultyServer
from crossover.transport import Transport, endpoint
from tests.loadtest.test_prompts import tokens
from tests.loadtest.test_targets import backend, work

VLLM = """
# HELP vllm:num_requests_running x
vllm:num_requests_running{engine="0",model_name="m"} 3.0
vllm:generation_tokens_total{engine="0",model_name="m"} 100.0
vllm:generation_tokens_total{engine="1",model_name="m"} 10.0
vllm:time_to_first_token_seconds_sum{engine="0",model_name="m"} 2.0
vllm:time_to_first_token_seconds_count{engine="0",model_name="m"} 10.0
vllm:time_to_first_token_seconds_bucket{engine="0",le="0.1",model_name="m"} 5.0
vllm:prefix_cache_queries_total{engine="0"} 1000.0
vllm:prefix_cache_hits_total{engine="0"} 0.0
"""
LATER = (
    VLLM.replace("100.0", "400.0")
    .replace(" 2.0", " 5.0")
    .replace('_count{engine="0",model_name="m"} 10.0', '_count{engine="0",model_name="m"} 40.0')
    .replace("1000.0", "2000.0")
    .replace(" 0.0", " 250.0")
)


def test_every_figure_has_its_source_and_its_unit() -> None:
    assert {row.engine for row in servers.known()} == {"vllm", "sglang", "llamacpp"}
    for row in servers.known():
        assert row.source
        assert row.name.startswith(row.engine)
        assert bool(row.other) == (row.how == "ratio")
    keys = [(row.engine, row.key) for row in servers.known()]
    assert len(set(keys)) == len(keys)


def test_growth_is_what_counts() -> None:
    assert servers.engine_of(VLLM) == "vllm"
    before, after = servers.read(VLLM, "vllm"), servers.read(LATER, "vllm")
    found = servers.server_side("vllm", before, after, {"vllm:num_requests_running": 7.0})
    assert found is not None
    assert found.values == {
        "output_tokens": 300.0, "ttft_s": pytest.approx(0.1), "cache_hits": 0.25, "running": 7.0,
    }  # fmt: skip


def test_a_restart_and_an_unknown_server_say_nothing() -> None:
    after = servers.read(VLLM, "vllm")
    assert servers.server_side("vllm", servers.read(LATER, "vllm"), after, {}) is None
    assert servers.engine_of("up 1\n") == ""
    assert servers.server_side("", {}, {}, {}) is None


def test_a_server_without_metrics_has_no_server_side() -> None:
    async def one(transport: Transport) -> None:
        async with FaultyServer("openai", script="not_found") as server:
            watch = servers.Watch(transport, endpoint(server.url))
            await watch.begin()
            assert await watch.end() is None

    work(one)


def test_peaks_are_seen_on_the_way() -> None:
    async def one(transport: Transport) -> None:
        watch = servers.Watch(transport, endpoint("http://127.0.0.1:9"))
        watch._engine = "vllm"
        for running in (1.0, 5.0, 2.0):
            watch._see({"vllm:num_requests_running": running})
        assert watch._peaks == {"vllm:num_requests_running": 5.0}

    work(one)


@pytest.mark.skipif(find_spec("xllamacpp") is None, reason="the embedded engine is not installed")
def test_the_embedded_engine_counts_what_it_was_asked() -> None:
    from crossover.engines import embedded

    async def one(transport: Transport) -> None:
        with await asyncio.to_thread(embedded.start, embedded.default_model()) as running:
            watch = servers.Watch(transport, endpoint(running.url))
            target = Direct(backend(transport, running.url), extra={"ignore_eos": True})
            source, scale = await calibrated(target, Synthetic(tokens(30, out=6), seed=1))
            assert scale.measured
            load = Load(concurrency=2)
            await watch.begin()
            run = await drive(target, source, load, Limits(requests=6), Log(load))
            found = await watch.end()
            assert isinstance(found, ServerSide)
            assert found.engine == "llamacpp"
            assert [shot.error for shot in run.shots] == [""] * 6
            assert found.values["output_tokens"] == sum(shot.output for shot in run.shots) == 36
            cached = found.values["cached_tokens"]
            assert found.values["input_tokens"] + cached == sum(shot.input for shot in run.shots)
            assert 0 < found.values["decode_s_per_token"] < 1

    work(one)
