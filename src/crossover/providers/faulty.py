"""A model server that answers on a real socket and fails on command.

::

    async with FaultyServer("openai", script=["rate_limited", Answer(text="hello")]) as server:
        ...                            # requests to server.url: first 429, then an answer, then the default answer
        server.journal[0].body         # the bytes that arrived

It speaks the OpenAI, Anthropic, Gemini and Ollama formats well enough to chat (whole and streamed) and to embed. A
script is one fault or answer for every request, a list of them used one by one, or a function of the request. Nothing
sleeps: what is slow or hangs waits until :meth:`FaultyServer.release`, or until the server closes.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias, cast

import msgspec

from crossover.errors import InputError
from crossover.providers.answers import (
    Answer,
    FakeDialect,
    buffered,
    embedded,
    error_body,
    error_event,
    error_tree,
    streamed,
)

FaultKind = Literal[
    "refuse",  # nobody listens (for the whole server)
    "tls",  # the URL says https, the server speaks plain HTTP (for the whole server)
    "reset",  # the connection is reset before any answer
    "close",  # it is closed in good order before any answer
    "hang",  # no answer until release, then the connection closes
    "slow_first_byte",  # no answer until release, then a good one
    "stall",  # silence in the middle of the body until release, then the rest
    "cut",  # the connection ends in the middle of the body
    "unfinished",  # a stream ends in good order without saying that it is complete
    "malformed",  # a stream with one broken event in it; a body that is not JSON
    "inband_error",  # status 200 and an error in the stream or the body
    "empty",  # status 200 and nothing
    "oversized",  # a body without end
    "html",  # status 200 and a web page
    "redirect",
    "bad_request",
    "context_length",
    "auth",
    "quota",
    "forbidden",
    "not_found",
    "rate_limited",
    "server_error",
    "bad_gateway",
    "overloaded",  # 529
    "unavailable",  # 503
]

# Status, the dialects' short word, and what is said.
_STATUS: dict[str, tuple[int, str, str]] = {
    "bad_request": (400, "invalid_request_error", "temperature must be between 0 and 2"),
    "context_length": (400, "context_length_exceeded", "This model's maximum context length is 8 tokens."),
    "auth": (401, "authentication_error", "invalid key"),
    "quota": (402, "insufficient_quota", "no credit left"),
    "forbidden": (403, "permission_error", "this key may not use this model"),
    "not_found": (404, "not_found_error", "no such model"),
    "rate_limited": (429, "rate_limit_error", "too many requests"),
    "server_error": (500, "api_error", "something broke"),
    "bad_gateway": (502, "api_error", "bad gateway"),
    "unavailable": (503, "unavailable", "loading model"),
    "overloaded": (529, "overloaded_error", "overloaded"),
}
_REASONS = {200: "OK", 307: "Temporary Redirect"}
_WHOLE_SERVER = frozenset({"refuse", "tls"})
_BROKEN_EVENT = b'data: {"choices": [{"delta": {"content": \n\n'
_BROKEN_LINE = b'{"message": {"content": \n'
_RELEASED_BY_THE_KERNEL = struct.pack("ii", 1, 0)  # SO_LINGER of 0 seconds: close sends a reset
_STUFFING = b"x" * 65536


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One way to fail. ``after``: pieces of the answer sent before it; ``retry_after``: the header, as written."""

    kind: FaultKind
    after: int = 1
    retry_after: str | None = None
    answer: Answer = Answer()


class Seen:
    """One request that arrived. ``gone`` is set when its client leaves before the answer is complete."""

    def __init__(self, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body
        self.gone = asyncio.Event()
        self.answered = False

    @property
    def tree(self) -> Any:
        """The body parsed."""
        return msgspec.json.decode(self.body)


Step: TypeAlias = Answer | Fault | FaultKind
Script: TypeAlias = Step | Sequence[Step] | Callable[[Seen], Step]


class FaultyServer:
    """See the module. ``tls`` is a server's TLS context where it should speak TLS in earnest."""

    def __init__(self, dialect: FakeDialect = "openai", script: Script = (), tls: ssl.SSLContext | None = None) -> None:
        self.dialect: FakeDialect = dialect
        self.journal: list[Seen] = []
        self.connections = 0
        self._script = script if isinstance(script, Answer | Fault | str) or callable(script) else list(script)
        self._tls = tls
        self._released = asyncio.Event()
        self._arrived = asyncio.Condition()
        self._open: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._socket: socket.socket | None = None
        self._server: asyncio.Server | None = None
        kinds = [_kind(step) for step in self._script] if isinstance(self._script, list) else []
        if _WHOLE_SERVER.intersection(kinds):
            raise InputError("refuse and tls hold for a whole server", hint='Write script="refuse"', field="script")

    async def __aenter__(self) -> FaultyServer:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        if self._whole != "refuse":  # a bound socket that does not listen refuses, and keeps its port
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(lambda: _Connection(self), sock=self._socket, ssl=self._tls)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._released.set()
        if self._server is not None:
            self._server.close()
        for connection in list(self._open):
            connection.abort()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._socket is not None:
            self._socket.close()

    @property
    def _whole(self) -> str:
        step = self._script
        kind = _kind(step) if isinstance(step, Answer | Fault | str) else ""
        return kind if kind in _WHOLE_SERVER else ""

    @property
    def url(self) -> str:
        """The address, without a path: ``http://127.0.0.1:PORT``."""
        assert self._socket is not None, "enter the server first"
        scheme = "https" if self._tls is not None or self._whole == "tls" else "http"
        return f"{scheme}://127.0.0.1:{self._socket.getsockname()[1]}"

    def release(self) -> None:
        """Lets everything go on that waits now, and everything after it."""
        self._released.set()

    async def arrived(self, count: int) -> list[Seen]:
        """The journal, as soon as it holds ``count`` requests."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: len(self.journal) >= count)
        return self.journal

    def next_step(self, seen: Seen) -> Step:
        """What the script says for this request."""
        script = self._script
        if isinstance(script, Answer | Fault | str):
            return script
        if callable(script):
            return script(seen)
        return script.pop(0) if script else Answer()

    async def note(self, seen: Seen) -> None:
        """Writes a request into the journal."""
        async with self._arrived:
            self.journal.append(seen)
            self._arrived.notify_all()

    async def wait(self) -> None:
        """Until :meth:`release`."""
        await self._released.wait()


def _kind(step: object) -> str:
    return step.kind if isinstance(step, Fault) else step if isinstance(step, str) else ""


class _Connection(asyncio.Protocol):
    """Reads requests one after the other; a client that leaves ends the answer that is under way."""

    def __init__(self, server: FaultyServer) -> None:
        self.server = server
        self.data = bytearray()
        self.task: asyncio.Task[None] | None = None
        self.seen: Seen | None = None
        self.drained = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        self.drained.set()
        self.server.connections += 1
        self.server._open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.server._open.discard(self)
        self.drained.set()
        if self.seen is not None and not self.seen.answered:
            self.seen.gone.set()
        if self.task is not None:
            self.task.cancel()

    def pause_writing(self) -> None:
        self.drained.clear()

    def resume_writing(self) -> None:
        self.drained.set()

    def data_received(self, data: bytes) -> None:
        self.data += data
        if self.data.startswith(b"\x16"):  # a TLS handshake, to which a plain server says what it says to any nonsense
            self.transport.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            self.transport.close()
            return
        if self.task is None or self.task.done():
            self._next()

    def abort(self) -> None:
        """Ends the connection with a reset."""
        sock = self.transport.get_extra_info("socket")
        if sock is not None and sock.fileno() >= 0:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RELEASED_BY_THE_KERNEL)
        self.transport.abort()

    def _next(self) -> None:
        end = self.data.find(b"\r\n\r\n")
        if end < 0:
            return
        first, *lines = bytes(self.data[:end]).decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        size = int(headers.get("content-length", "0"))
        if len(self.data) < end + 4 + size:
            return
        body = bytes(self.data[end + 4 : end + 4 + size])
        del self.data[: end + 4 + size]
        method, path, *_ = [*first.split(" "), "", ""]
        self.seen = Seen(method, path, headers, body)
        self.task = asyncio.get_running_loop().create_task(self._answer(self.seen))
        self.server._tasks.add(self.task)
        self.task.add_done_callback(self._answered)

    def _answered(self, task: asyncio.Task[None]) -> None:
        self.server._tasks.discard(task)
        if not task.cancelled():
            task.result()  # a mistake in a script is raised where everybody sees it
            if not self.transport.is_closing():
                self._next()

    async def _answer(self, seen: Seen) -> None:
        await self.server.note(seen)
        step = self.server.next_step(seen)
        if isinstance(step, Answer):
            step = Fault(kind="slow_first_byte", answer=step)
        else:
            step = Fault(kind=step) if isinstance(step, str) else step
            if step.kind in {"hang", "slow_first_byte"}:
                await self.server.wait()
        await self._play(step, seen)
        seen.answered = True

    async def _play(self, fault: Fault, seen: Seen) -> None:
        kind, dialect = fault.kind, self.server.dialect
        if kind in _STATUS:
            status, word, said = _STATUS[kind]
            self._whole(status, error_body(dialect, status, word, said), retry_after=fault.retry_after)
        elif kind == "reset":
            self.abort()
        elif kind in {"close", "hang"}:
            self.transport.close()
        elif kind == "redirect":
            self._whole(307, b"", more="location: http://127.0.0.1:1/elsewhere\r\n")
        elif kind == "html":
            self._whole(200, b"<html><body>Please log in.</body></html>", content_type="text/html")
        elif kind == "oversized":
            await self._without_end(seen)
        elif _wants_stream(dialect, seen):
            await self._stream(fault, seen)
        else:
            await self._body(fault, seen)

    def _whole(
        self,
        status: int,
        body: bytes,
        content_type: str = "application/json",
        retry_after: str | None = None,
        more: str = "",
    ) -> None:
        if retry_after is not None:
            more += f"retry-after: {retry_after}\r\n"
        self._head(status, content_type, f"content-length: {len(body)}\r\n{more}")
        self.transport.write(body)

    def _head(self, status: int, content_type: str, more: str) -> None:
        reason = _REASONS.get(status, "Error")
        self.transport.write(f"HTTP/1.1 {status} {reason}\r\ncontent-type: {content_type}\r\n{more}\r\n".encode())

    def _chunk(self, data: bytes) -> None:
        self.transport.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    async def _body(self, fault: Fault, seen: Seen) -> None:
        """A whole answer, spoilt where the fault says so."""
        body = self._content(fault.answer, seen)
        if fault.kind == "inband_error":
            status, word, said = _STATUS["server_error"]
            body = msgspec.json.encode(error_tree(self.server.dialect, status, word, said))
        elif fault.kind == "malformed":
            body = body[: len(body) // 2]
        elif fault.kind == "empty":
            body = b""
        if fault.kind not in {"stall", "cut"}:
            self._whole(200, body)
            return
        half = len(body) // 2
        self._head(200, "application/json", f"content-length: {len(body)}\r\n")
        self.transport.write(body[:half])
        if fault.kind == "cut":
            self.transport.close()
            return
        await self.server.wait()
        self.transport.write(body[half:])

    def _content(self, answer: Answer, seen: Seen) -> bytes:
        dialect, tree = self.server.dialect, seen.tree if seen.body else {}
        model = str(tree.get("model", "fake"))
        if not _is_embedding(seen):
            return buffered(dialect, answer, model)
        inputs = tree.get("input", tree.get("requests", [""]))
        return embedded(dialect, answer, model, len(inputs) if isinstance(inputs, list) else 1)

    async def _stream(self, fault: Fault, seen: Seen) -> None:
        """A streamed answer, spoilt where the fault says so. Every event is a chunk of its own."""
        dialect, kind = self.server.dialect, fault.kind
        include_usage = bool((seen.tree.get("stream_options") or {}).get("include_usage"))
        events = streamed(dialect, fault.answer, str(seen.tree.get("model", "fake")), include_usage)
        self._head(200, _STREAM_TYPE[dialect], "transfer-encoding: chunked\r\n")
        before, rest = events.head + events.pieces[: fault.after], events.pieces[fault.after :] + events.tail
        if kind == "empty":
            before, rest = [], []
        elif kind == "unfinished":
            before, rest = events.head + events.pieces, []
        elif kind == "malformed":
            before.append(_BROKEN_LINE if dialect == "ollama" else _BROKEN_EVENT)
        elif kind == "inband_error":
            before, rest = [*before, error_event(dialect, *_STATUS["server_error"])], []
        for event in before:
            self._chunk(event)
        if kind == "cut":
            self.transport.close()
            return
        if kind == "stall":
            await self.server.wait()
        for event in rest:
            self._chunk(event)
            await self.drained.wait()
        self.transport.write(b"0\r\n\r\n")

    async def _without_end(self, seen: Seen) -> None:
        stream = _wants_stream(self.server.dialect, seen)
        kind = _STREAM_TYPE[self.server.dialect] if stream else "application/json"
        self._head(200, kind, "transfer-encoding: chunked\r\n")
        self._chunk(b'data: {"id": "' if stream and self.server.dialect != "ollama" else b'{"id": "')
        while not self.transport.is_closing():
            self._chunk(_STUFFING)
            await self.drained.wait()
            await asyncio.sleep(0)


_STREAM_TYPE: dict[str, str] = {
    "openai": "text/event-stream",
    "anthropic": "text/event-stream; charset=utf-8",
    "gemini": "text/event-stream",
    "ollama": "application/x-ndjson",
}


def _is_embedding(seen: Seen) -> bool:
    return seen.path.partition("?")[0].endswith(("/embeddings", "/embed", ":embedContent", ":batchEmbedContents"))


def _wants_stream(dialect: str, seen: Seen) -> bool:
    if _is_embedding(seen) or not seen.body:
        return False
    if dialect == "gemini":
        return ":streamGenerateContent" in seen.path
    return bool(seen.tree.get("stream", dialect == "ollama"))
