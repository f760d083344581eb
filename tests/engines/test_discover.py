"""Engines are found by what they say, wherever they listen; strange servers are no engines and no errors."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from crossover.engines.discover import discover, fetch, identify, rows
from crossover.engines.embedded import Running
from crossover.engines.words import Found
from crossover.transport import Transport
from tests.engines.servers import Answer, Said, serving

VLLM = {"object": "list", "data": [{"id": "m", "object": "model", "owned_by": "vllm", "max_model_len": 2048}]}
SGLANG = {"object": "list", "data": [{"id": "m", "object": "model", "owned_by": "sglang"}]}
LLAMACPP = {"object": "list", "data": [{"id": "m", "object": "model", "owned_by": "llamacpp"}]}
MLX = {"object": "list", "data": [{"id": "mlx-community/m", "object": "model", "created": 1}]}
OPENAI = {"object": "list", "data": [{"id": "gpt-4o", "object": "model", "created": 1, "owned_by": "openai"}]}
LOADING = {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}}
OLLAMA = Said(200, b"Ollama is running")
PAGE = Said(200, b"<!doctype html><title>Jenkins</title>", {"content-type": "text/html"})


def found_at(*ports: int, patience: float = 5.0) -> tuple[Found, ...]:
    async def look() -> tuple[Found, ...]:
        transport = Transport()
        try:
            return await discover(transport, ports=ports, patience=patience)
        finally:
            await transport.aclose()

    return asyncio.run(look())


@pytest.mark.parametrize(
    ("kind", "answers", "server"),
    [
        ("ollama", {"/": Said(200, b"Ollama is running")}, "test"),
        ("lmstudio", {"/lmstudio-greeting": Said(200, {"lmstudio": True}), "/v1/models": Said(200, OPENAI)}, "test"),
        ("vllm", {"/v1/models": Said(200, VLLM)}, "uvicorn"),
        ("sglang", {"/v1/models": Said(200, SGLANG)}, "uvicorn"),
        ("llamacpp", {"/v1/models": Said(200, LLAMACPP)}, "llama.cpp"),
        ("llamacpp", {"/v1/models": Said(200, LLAMACPP)}, "a proxy"),
        ("mlx", {"/v1/models": Said(200, MLX)}, "BaseHTTP/0.6 Python/3.12.1"),
        ("mlx", {"/v1/models": Said(200, {"object": "list", "data": []})}, "BaseHTTP/0.6 Python/3.12.1"),
    ],
)
def test_each_engine_is_told_by_its_answer(kind: str, answers: Mapping[str, Said], server: str) -> None:
    with serving(answers, server) as one:
        (found,) = found_at(one.port)
    row = next(row for row in rows() if row.kind == kind)
    assert found == Found(
        kind=row.kind, title=row.title, url=one.url, base_url=one.url + row.base, dialect=row.dialect, loading=False
    )
    assert all(asked.method == "GET" for asked in one.asked)


def test_the_real_llama_cpp_is_found(engine: Running) -> None:
    (found,) = found_at(int(engine.url.rpartition(":")[2]))
    assert (found.kind, found.base_url) == ("llamacpp", f"{engine.url}/v1")


def test_llama_cpp_is_known_while_it_loads() -> None:
    with serving(lambda _: Said(503, LOADING), "llama.cpp") as one:
        (found,) = found_at(one.port)
    assert found.loading


def bodies() -> Iterator[tuple[str, Answer]]:
    yield "a page for everything", lambda _: PAGE
    yield "nothing anywhere", lambda _: Said(404)
    yield "a hosted API's list", lambda _: Said(200, OPENAI)
    yield "errors", lambda _: Said(500, {"error": "x"})
    yield "a login", lambda _: Said(302, b"", {"location": "https://login.example/"})
    yield "a wrong greeting", lambda _: Said(200, {"lmstudio": "true"})
    yield "odd lists", lambda _: Said(200, {"data": [None, 1, ["vllm"], {"owned_by": ["vllm"]}]})
    yield "no list", lambda _: Said(200, {"data": {"owned_by": "vllm"}})
    yield "deep nesting", lambda _: Said(200, b"[" * 100_000)
    yield "not utf-8", lambda _: Said(200, b"\xff\xfe\x00")
    yield "an infinite answer", lambda _: Said(200, b"Ollama is running" * 400_000)
    yield "words around it", lambda _: Said(200, b"<p>Ollama is running</p>")


@pytest.mark.parametrize("answer", [answer for _, answer in bodies()], ids=[name for name, _ in bodies()])
@pytest.mark.parametrize("server", ["nginx", "BaseHTTP/0.6 Python/3.12.1"])
def test_other_servers_are_no_engines(answer: Answer, server: str) -> None:
    with serving(answer, server) as one:
        assert found_at(one.port) == ()


@contextlib.contextmanager
def raw(reply: bytes | None) -> Iterator[int]:
    """A socket that says these bytes to whoever connects; None: says nothing and keeps the line open."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        kept: list[socket.socket] = []

        def work() -> None:
            with contextlib.suppress(OSError):
                while True:
                    line, _ = listener.accept()
                    kept.append(line)
                    if reply is not None:
                        line.sendall(reply)
                        line.shutdown(socket.SHUT_RDWR)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        for line in kept:
            line.close()


@pytest.mark.parametrize(
    "reply", [b"", b"SSH-2.0-OpenSSH_9.6\r\n", b"\x15\x03\x01\x00\x02\x02\x16", b"HTTP/1.1 200 OK\r\n"]
)
def test_what_does_not_speak_http_is_no_engine(reply: bytes) -> None:
    with raw(reply) as port:
        assert found_at(port) == ()


def test_a_silent_server_is_not_waited_for() -> None:
    with raw(None) as port, serving({"/": Said(200, b"Ollama is running")}) as ollama:
        began = time.monotonic()
        (found,) = found_at(port, ollama.port, patience=0.3)
        assert found.kind == "ollama"
        assert time.monotonic() - began < 30  # and not the minute of a time-out for models


def test_no_server_no_engine_and_the_order_is_the_tables() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        with (
            serving({"/v1/models": Said(200, VLLM)}) as vllm,
            serving({"/": Said(200, b"Ollama is running")}) as ollama,
        ):
            found = found_at(closed.getsockname()[1], vllm.port, ollama.port)
    assert [one.kind for one in found] == ["ollama", "vllm"]


def test_one_address_is_identified_with_or_without_its_v1() -> None:
    async def look(url: str) -> Any:
        transport = Transport()
        try:
            return await identify(transport, url)
        finally:
            await transport.aclose()

    with serving({"/v1/models": Said(200, VLLM)}) as one:
        for url in (one.url, f"{one.url}/", f"{one.url}/v1", f"{one.url}/v1/"):
            assert asyncio.run(look(url)).url == one.url
    assert asyncio.run(look("http://169.254.169.254")) is None
    assert asyncio.run(look("no url")) is None


def test_fetch_posts_json_and_gives_no_answer_for_any_failure() -> None:
    async def both(url: str) -> Any:
        transport = Transport()
        try:
            told = await fetch(transport, url, "/api/show", patience=5, body={"model": "m"})
            return told, await fetch(transport, url, "/big", patience=5, limit=10)
        finally:
            await transport.aclose()

    with serving({"/api/show": Said(200, {"a": 1}), "/big": Said(200, b"x" * 100)}) as one:
        told, big = asyncio.run(both(one.url))
    assert told.json() == {"a": 1}
    assert (one.asked[0].method, one.asked[0].body) == ("POST", b'{"model":"m"}')
    assert big.status == 0


def test_every_row_has_a_source_and_a_day() -> None:
    assert {row.kind for row in rows()} == {"ollama", "lmstudio", "vllm", "sglang", "llamacpp", "mlx"}
    for row in rows():
        assert row.source.startswith("https://")
        assert row.checked
