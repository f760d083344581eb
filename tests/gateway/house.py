"""A gateway on a real socket with everything behind it, and a client that sends whatever bytes it likes."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any, cast

import msgspec
import uvloop

from crossover.config import Paths
from crossover.config.load import Loaded, load
from crossover.gateway.app import Gateway
from crossover.gateway.http import Connection, Handler, Limits, Request
from crossover.gateway.server import Server
from crossover.ledger import queries
from crossover.ledger.store import open_ledger
from crossover.ledger.words import Record
from crossover.providers.faulty import FaultyServer
from crossover.runtime.serve import Open, serve
from crossover.runtime.station import Station

LONGEST_S = 20.0  # no test takes so long; one that waits for ever fails instead


def run(work: Coroutine[Any, Any, None], *, loop: str = "uvloop") -> None:
    """A test's work on the loop that serves in earnest, or on asyncio's own."""

    async def limited() -> None:
        await asyncio.wait_for(work, LONGEST_S)

    if loop == "uvloop":
        uvloop.run(limited())
    else:
        asyncio.run(limited())


async def until(condition: Callable[[], bool]) -> None:
    """Let others run until it holds."""
    while not condition():
        await asyncio.sleep(0.002)


# ------------------------------------------------------------------------------------------------------------- a client


class Answer(msgspec.Struct, frozen=True):
    """One answer; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def tree(self) -> Any:
        """Its body parsed."""
        return msgspec.json.decode(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The error in it, as OpenAI writes one."""
        found: dict[str, Any] = self.tree["error"]
        assert set(found) == {"message", "type", "param", "code"}
        return found

    @property
    def events(self) -> list[Any]:
        """The events of a stream, ``[DONE]`` as text; comments are left out."""
        lines = [line for line in self.body.decode().split("\n\n") if line]
        datas = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
        return [data if data == "[DONE]" else msgspec.json.decode(data) for data in datas]

    @property
    def text(self) -> str:
        """What was said, streamed or not."""
        if not self.headers["content-type"].startswith("text/event-stream"):
            return str(self.tree["choices"][0]["message"]["content"])
        rows = [row for row in self.events if isinstance(row, dict)]
        return "".join(choice["delta"].get("content") or "" for row in rows for choice in row.get("choices", ()))


class Client:
    """A socket, and answers read from it one by one."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(data)

    def ask(self, method: str, path: str, body: bytes = b"", /, **headers: str) -> None:
        """Send a proper request; ``x_api_key="k"`` is the header x-api-key."""
        self.send(request(method, path, body, **headers))

    async def answer(self, *, head: bool = False) -> Answer:
        """The next answer, whole. Raises IncompleteReadError or ConnectionResetError where it is not."""
        start = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = start.removesuffix("\r\n\r\n").split("\r\n")
        pairs = [line.partition(": ") for line in lines]
        headers = {name.lower(): value for name, _, value in pairs}
        assert len(headers) == len(lines), f"a header came twice: {lines}"
        version, status = first.split(" ")[:2]
        assert version == "HTTP/1.1"
        if head or int(status) < 200:
            return Answer(int(status), headers, b"")
        return Answer(int(status), headers, await self._body(headers))

    async def _body(self, headers: Mapping[str, str]) -> bytes:
        if "content-length" in headers:
            assert "transfer-encoding" not in headers
            return await self.reader.readexactly(int(headers["content-length"]))
        if "transfer-encoding" not in headers:
            return await self.reader.read()
        parts: list[bytes] = []
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            parts.append(await self.reader.readexactly(size))
            assert await self.reader.readexactly(2) == b"\r\n"
        assert await self.reader.readexactly(2) == b"\r\n"
        return b"".join(parts)

    async def closed(self) -> bool:
        """Whether the server ends the connection and says nothing more; waits for it."""
        try:
            return await self.reader.read() == b""
        except ConnectionError:
            return True

    def close(self) -> None:
        """Leave."""
        self.writer.close()


def request(method: str, path: str, body: bytes = b"", /, **headers: str) -> bytes:
    """A proper request as bytes."""
    said = {"host": "localhost", **{name.replace("_", "-"): value for name, value in headers.items()}}
    if body:
        said["content-length"] = str(len(body))
    lines = "".join(f"{name}: {value}\r\n" for name, value in said.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


def chat(model: str = "auto", *, stream: bool = False, said: str = "hello", **more: Any) -> bytes:
    """The body of a chat completion."""
    body = {"model": model, "messages": [{"role": "user", "content": said}], **more}
    return msgspec.json.encode({**body, "stream": True} if stream else body)


@contextlib.asynccontextmanager
async def connected(url: str, context: ssl.SSLContext | None = None) -> AsyncIterator[Client]:
    """A client of this address, ``http://HOST:PORT``."""
    host, port = url.split("://")[1].rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port), ssl=context, limit=2**24)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()


class Paper:
    """What a handler writes, instead of a connection: for many requests without sockets."""

    def __init__(self) -> None:
        self.status = 0
        self.head = b""
        self.body = b""
        self.started = self.ended = self.broken = False

    def answer(self, status: int, headers: bytes, body: bytes) -> None:
        """A whole answer."""
        self.start(status, headers, body)
        self.ended = True

    def start(self, status: int, headers: bytes, first: bytes) -> None:
        """The begin of a stream."""
        assert not self.started
        self.started, self.status, self.head, self.body = True, status, headers, first

    async def piece(self, data: bytes) -> None:
        """A further piece."""
        assert self.started
        self.body += data

    def end(self, data: bytes = b"") -> None:
        """The end of a stream."""
        assert self.started
        self.body += data
        self.ended = True

    def abort(self) -> None:
        """Broken off."""
        self.broken = True

    def read(self) -> Answer:
        """It as an answer."""
        lines = self.head.decode("latin-1").splitlines()
        return Answer(self.status, dict(line.split(": ", 1) for line in lines), self.body)


async def handed(gateway: Gateway, method: str, path: str, body: bytes = b"", /, **headers: str) -> Answer:
    """One request handed to a gateway without a socket; ``client`` is the address it came from."""
    asked, paper = Request(headers.pop("client", "127.0.0.1")), Paper()
    asked.method, asked.path, asked.body = method.encode(), path.encode(), body
    said = {"host": "localhost", **{name.replace("_", "-"): value for name, value in headers.items()}}
    asked.headers = {name.encode(): value.encode() for name, value in said.items()}
    await gateway(asked, cast(Connection, paper))
    assert paper.ended or paper.broken
    return paper.read()


async def asked(url: str, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
    """One request on a connection of its own."""
    async with connected(url) as client:
        client.ask(method, path, body, **headers)
        return await client.answer(head=method == "HEAD")


# ------------------------------------------------------------------------------------------------------------- a server


@contextlib.asynccontextmanager
async def door(
    handler: Handler, limits: Limits | None = None, context: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[Server, str]]:
    """An HTTP door with a handler of the test's own, and its address."""
    import socket

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(100)
    listener.setblocking(False)
    server = Server(handler, limits or Limits())
    with listener:
        await server.open(listener, context)
        scheme = "http" if context is None else "https"
        try:
            yield server, f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            await server.close(0.0)
    assert not server.connections


def only(server: Server) -> Connection:
    """The one connection that is open."""
    (connection,) = server.connections
    return connection


# -------------------------------------------------------------------------------------------------------------- a house


class House(msgspec.Struct, frozen=True):
    """A running gateway: its address, its insides, and the place of its ledger."""

    url: str
    station: Station
    ledger: Path

    async def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        """One request on a connection of its own."""
        return await asked(self.url, method, path, body, **headers)

    async def chat(self, body: bytes, **headers: str) -> Answer:
        """One chat completion."""
        return await self.ask("POST", "/v1/chat/completions", body, **headers)


@contextlib.asynccontextmanager
async def house(
    config: str | Loaded,
    folder: Path,
    *,
    environ: Mapping[str, str] | None = None,
    loader: Callable[[Path], Loaded] | None = None,
    stop: asyncio.Event | None = None,
) -> AsyncIterator[House]:
    """A gateway with this configuration; its ledger lies in ``folder``. At the end it is stopped in order."""
    loaded = load(config, environ or {}) if isinstance(config, str) else config
    opened: asyncio.Future[Open] = asyncio.get_running_loop().create_future()
    stop = stop or asyncio.Event()
    ledger = folder / "ledger.db"
    paths = Paths(config=folder, data=folder, models=folder)
    task = asyncio.create_task(serve(loaded, paths, ledger=ledger, loader=loader, on_open=opened.set_result, stop=stop))
    task.add_done_callback(lambda _task: opened.done() or opened.cancel())  # it could not be opened
    try:
        await asyncio.wait({opened})
        if opened.cancelled():
            await task
        yield House(opened.result().url, opened.result().station, ledger)
    finally:
        stop.set()
        await task


def records(ledger: Path) -> list[Record]:
    """Every row of a ledger, oldest first. Read it when the gateway has ended."""
    with open_ledger(ledger, readonly=True) as opened:
        return list(queries.records(opened, 0, 4e9))


def configured(*deployments: str, top: str = "", alias: str = "", drain: float = 2.0) -> str:
    """A configuration on a free port with the alias ``auto`` over these deployments (rows of :func:`deployed`)."""
    names = [row.strip().split("]", 1)[0].removeprefix("[deployments.").strip('"') for row in deployments]
    listed = ", ".join(f'"{name}"' for name in names)
    return f"""
{top}
[server]
port = 0
drain = {drain}
[zones.here]
operator = "own"
[zones.away]
operator = "provider"
party = "somebody"
{"".join(deployments)}
[aliases.auto]
deployments = [{listed}]
{alias}
"""


def deployed(name: str, server: FaultyServer | str, *, zone: str = "away", more: str = "") -> str:
    """One deployment at this fake (or address); what runs ``here`` is own, what runs ``away`` costs money."""
    url = server if isinstance(server, str) else server.url
    dialect = "openai" if isinstance(server, str) else server.dialect
    price = "price.input = 1.0\nprice.output = 2.0\n" if zone == "away" else ""
    provider = _PROVIDERS[dialect] if zone == "away" else "openai-compatible"
    key = "" if zone == "here" else 'api_key = "${KEY}"\n'
    return f"""
[deployments."{name}"]
provider = "{provider}"
model = "model-of-{name}"
zone = "{zone}"
base_url = "{url}{_PATHS[dialect]}"
{key}{price}{more}
"""


_PROVIDERS = {"openai": "openai-compatible", "anthropic": "anthropic", "gemini": "gemini", "ollama": "ollama"}
_PATHS = {"openai": "/v1", "anthropic": "", "gemini": "", "ollama": ""}


# ----------------------------------------------------------------------------------------- for clients without asyncio


class Beside(msgspec.Struct, frozen=True):
    """A gateway and its fakes in a thread of their own."""

    url: str
    servers: tuple[FaultyServer, ...]


@contextlib.contextmanager
def beside(
    config: Callable[..., str] | Loaded, folder: Path, *servers: FaultyServer, environ: Mapping[str, str] | None = None
) -> Iterator[Beside]:
    """These fakes and a gateway before them in a thread. ``config`` is given the fakes when they have addresses."""
    ready: Future[Beside] = Future()
    ends: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def work() -> None:
        stop = asyncio.Event()
        ends.append((asyncio.get_running_loop(), stop))
        async with contextlib.AsyncExitStack() as stack:
            for server in servers:
                await stack.enter_async_context(server)
            text = config(*servers) if callable(config) else config
            at = await stack.enter_async_context(house(text, folder, environ=environ))
            ready.set_result(Beside(at.url, servers))
            await stop.wait()

    def all_of_it() -> None:
        try:
            uvloop.run(work())
        except BaseException as error:
            if ready.done():
                raise
            ready.set_exception(error)

    thread = threading.Thread(target=all_of_it)
    thread.start()
    try:
        yield ready.result(LONGEST_S)
    finally:
        for loop, stop in ends:
            loop.call_soon_threadsafe(stop.set)
        thread.join()
