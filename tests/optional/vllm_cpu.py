"""A real vLLM behind the gateway. Run by ``make test-vllm``, which installs it; not a part of the usual tests."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from crossover.chat import ChatRequest, Message, OutputFormat, Text
from crossover.config import Paths
from crossover.config.load import load
from crossover.engines.discover import identify
from crossover.engines.inspect import health, inspect
from crossover.engines.inspect import load as load_of
from crossover.errors import UpstreamError
from crossover.providers.http import HttpBackend
from crossover.runtime.station import Station, open_station
from crossover.transport import Transport

SETTINGS = """
[zones.house]
operator = "own"
[deployments.tiny]
provider = "vllm"
base_url = "{url}/v1"
model = "tiny"
zone = "house"
price = {{ per_hour = 1, tokens_per_hour = 1000000 }}
"""
HELLO = (Message("user", (Text("hello"),)),)


def asked(**more: Any) -> ChatRequest:
    """A short question that is always answered alike."""
    return ChatRequest(**{"model": "tiny", "messages": HELLO, "max_tokens": 8, "temperature": 0.0, **more})


@pytest.fixture(scope="module")
def vllm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a vLLM on this machine's processor."""
    python, model = os.environ["CROSSOVER_TEST_VLLM"], os.environ["CROSSOVER_TEST_VLLM_MODEL"]  # noqa: TID251
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("vllm") / "log"
    words = [python, "-m", "vllm.entrypoints.openai.api_server", "--model", model, "--served-model-name", "tiny"]
    words += ["--host", "127.0.0.1", "--port", str(port), "--dtype", "float32", "--enforce-eager"]
    words += ["--max-model-len", "512"]
    env = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1"}  # noqa: TID251
    with log.open("w") as out, subprocess.Popen(words, stdout=out, stderr=out, env=env) as server:
        try:
            _wait(f"http://127.0.0.1:{port}/health", server, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(timeout=30)


def _wait(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 240
    while time.monotonic() < until:
        assert server.poll() is None, log.read_text()[-3000:]
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(1)
    raise AssertionError(f"vLLM was not ready in time: {log.read_text()[-3000:]}")


def with_station(url: str, folder: Path, use: Callable[[Station], Awaitable[Any]]) -> Any:
    async def work() -> Any:
        settings = load(SETTINGS.format(url=url), {})
        station = await open_station(settings, Paths(config=folder, data=folder, models=folder))
        try:
            return await use(station)
        finally:
            await station.aclose()

    return asyncio.run(work())


def test_it_is_found_asked_and_watched(vllm: str) -> None:
    async def work() -> None:
        transport = Transport()
        try:
            found = await identify(transport, vllm)
            assert found is not None
            assert found.kind == "vllm"
            engine = await inspect(transport, found)
            assert [(model.name, model.context) for model in engine.models] == [("tiny", 512)]
            assert engine.version
            assert (await load_of(transport, found)).running == 0
            assert await health(transport, "vllm", vllm) == "ready"
        finally:
            await transport.aclose()

    asyncio.run(work())


def test_a_whole_answer_with_usage_price_and_log_probabilities(vllm: str, tmp_path: Path) -> None:
    async def use(station: Station) -> None:
        request = ChatRequest(
            model="tiny", messages=HELLO, max_tokens=8, logprobs=True, top_logprobs=2, temperature=0.0
        )
        answer = await station.dispatcher.complete(request)
        assert answer.usage is not None
        assert 0 < answer.usage.output <= 8
        assert answer.usage.input > 0
        assert answer.choices[0].logprobs["content"]
        assert answer.served is not None
        assert answer.served.cost is not None
        assert answer.served.cost > 0

    with_station(vllm, tmp_path, use)


def test_a_stream_says_its_usage_and_its_end(vllm: str, tmp_path: Path) -> None:
    async def use(station: Station) -> None:
        request = asked(stream=True)
        chunks = [chunk async for chunk in station.dispatcher.stream(request)]
        assert chunks[0].served is not None
        assert chunks[-1].last
        assert any(chunk.usage is not None and chunk.usage.output for chunk in chunks)
        whole = await station.dispatcher.complete(asked())
        assert "".join(delta.text for chunk in chunks for delta in chunk.deltas) == whole.text

    with_station(vllm, tmp_path, use)


def test_a_schema_is_heard(vllm: str, tmp_path: Path) -> None:
    async def use(station: Station) -> None:
        schema = {"type": "object", "properties": {"a": {"enum": ["x", "y"]}}, "required": ["a"]}
        wanted = OutputFormat(kind="schema", schema={**schema, "additionalProperties": False})
        answer = await station.dispatcher.complete(asked(max_tokens=60, output=wanted))
        assert answer.text.startswith("{")  # random weights may go on with blanks, which the grammar allows

    with_station(vllm, tmp_path, use)


def test_a_prompt_that_does_not_fit_is_said_so(vllm: str, tmp_path: Path) -> None:
    async def use(station: Station) -> None:
        backend = station.dispatcher.plant.backends["tiny"]
        assert isinstance(backend, HttpBackend)
        long = ChatRequest(model="tiny", messages=(Message("user", (Text("word " * 400),)),))
        with pytest.raises(UpstreamError) as caught:
            await backend.complete(long)
        assert caught.value.upstream == "context_length"
        assert not caught.value.accepted or caught.value.upstream_status == 400

    with_station(vllm, tmp_path, use)


def test_a_client_that_leaves_frees_the_engine(vllm: str, tmp_path: Path) -> None:
    async def use(station: Station) -> None:
        found = await identify(station.transport, vllm)
        assert found is not None
        stream = station.dispatcher.stream(asked(max_tokens=480, stream=True))
        await anext(stream)
        await stream.aclose()
        until = time.monotonic() + 20
        while (await load_of(station.transport, found)).running:
            assert time.monotonic() < until, "vLLM still works for a client that has left"

    with_station(vllm, tmp_path, use)
