"""A stand-in for a hosted API, for demonstrations and tests: real wire format, made-up price and latency, no provider.

It speaks OpenAI's chat completions, embeddings and model list on a loopback port of its own and lets the larger of the
two tiny models answer, slowed down as a network and a busy provider would. Everything it sends says what it is: the
model is ``sandbox-large``, the header ``x-crossover-sandbox`` is 1, ``system_fingerprint`` is ``sandbox``. Requests
that the real API would refuse (an unknown parameter, an unknown model) are refused in its words.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias

import msgspec

from crossover.cost.request import PriceList, Step
from crossover.deployment import Timeouts
from crossover.engines import embedded
from crossover.errors import InputError, UpstreamError
from crossover.transport import Endpoint, Transport, endpoint, head
from crossover.wire.sse import Framer

MODEL = "sandbox-large"
BODY_LIMIT = 2**20
# Dollars per million tokens: 0.40 in, 0.10 cached, 1.60 out. Invented, of the size of a small hosted model's.
PRICE = PriceList(steps=(Step(0, 400_000, 100_000, 400_000, 400_000, 1_600_000, 1_600_000),), source="sandbox: made up")

_JSON = (b"content-type", b"application/json")
_EVENTS = (b"content-type", b"text/event-stream; charset=utf-8")
_WAITS = Timeouts(connect=5, first_byte=60, gap=60, total=120)
# What the chat API knows (its reference, checked 2026-11-27); anything else is "unrecognized", as there.
_KNOWN = frozenset(
    {"model", "messages", "max_tokens", "max_completion_tokens", "temperature", "top_p", "n", "stop", "seed", "stream"}
    | {"stream_options", "logprobs", "top_logprobs", "logit_bias", "presence_penalty", "frequency_penalty", "user"}
    | {"response_format", "tools", "tool_choice", "parallel_tool_calls", "reasoning_effort", "metadata", "store"}
    | {"service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "verbosity", "modalities"}
    | {"prediction", "audio", "web_search_options", "functions", "function_call"}
)
# Known there and meaningless here: taken off before the tiny model is asked.
_IGNORED = frozenset(
    {"user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"}
    | {"verbosity", "prediction", "reasoning_effort", "modalities", "max_completion_tokens"}
)
Send: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]
Receive: TypeAlias = Callable[[], Awaitable[dict[str, Any]]]


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds added before the first token and before each further one."""

    first_token: float = 0.25
    per_token: float = 0.01


DEFAULT_LATENCY = Latency()


class Sandbox:
    """A running sandbox in a thread of its own. ``url`` is its root; ``requests`` counts what reached it."""

    def __init__(self, model: embedded.Running, latency: Latency) -> None:
        import uvicorn

        listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.requests = 0
        self._model = model
        self._latency = latency
        self._ids = itertools.count(1)
        self._transport: Transport | None = None
        self._server = uvicorn.Server(
            uvicorn.Config(
                self._answer,
                interface="asgi3",
                lifespan="off",
                proxy_headers=False,
                log_config=None,
                access_log=False,
                server_header=False,
                ws="none",
                timeout_graceful_shutdown=1,
            )
        )
        self._thread = threading.Thread(target=self._serve, args=(listener,), name="sandbox", daemon=True)
        self._thread.start()

    def __repr__(self) -> str:
        return f"Sandbox({MODEL} at {self.url})"

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """Close the port and free the model; answers under way have a second to finish. May be called twice."""
        self._server.should_exit = True
        self._thread.join(timeout=10)
        self._model.stop()

    def _serve(self, listener: socket.socket) -> None:
        async def work() -> None:
            self._transport = Transport()
            try:
                await self._server.serve(sockets=[listener])
            finally:
                await self._transport.aclose()

        asyncio.run(work())

    async def _answer(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        self.requests += 1
        relay = _Relay(self._model, self._latency, f"{next(self._ids):08d}", send)
        try:
            body = await _body(receive)
        except InputError as error:
            await relay.refuse(413, error.message, "invalid_request_error", None)
            return
        assert self._transport is not None
        work = asyncio.ensure_future(relay.answer(self._transport, scope["method"], scope["path"], body))
        gone = asyncio.ensure_future(_gone(receive))  # a caller that leaves is not worked for
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            if not work.done():
                work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work


def start(path: str | Path | None = None, latency: Latency = DEFAULT_LATENCY) -> Sandbox:
    """Start a sandbox on the larger shipped model, or on another GGUF file. Raises as :func:`embedded.start`."""
    model = embedded.start(path or embedded.sandbox_model(), embedded.Options(alias=MODEL))
    return Sandbox(model, latency)


class _Relay:
    """One request on its way through."""

    def __init__(self, model: embedded.Running, latency: Latency, number: str, send: Send) -> None:
        self._model = model
        self._latency = latency
        self._send = send
        self._id = number
        self._began = time.monotonic()

    async def answer(self, transport: Transport, method: str, path: str, body: bytes) -> None:
        if (method, path) == ("GET", "/v1/models"):
            listed = {"id": MODEL, "object": "model", "created": 1, "owned_by": "sandbox"}
            await self._whole(200, {"object": "list", "data": [listed]})
        elif method != "POST" or path not in ("/v1/chat/completions", "/v1/embeddings"):
            await self.refuse(404, f"Invalid URL ({method} {path})", "invalid_request_error", None)
        else:
            await self._ask(transport, path, body)

    async def refuse(self, status: int, message: str, kind: str, code: str | None, param: str | None = None) -> None:
        """An error as the real API words it."""
        await self._whole(status, {"error": {"message": message, "type": kind, "param": param, "code": code}})

    async def _ask(self, transport: Transport, path: str, body: bytes) -> None:
        try:
            said = msgspec.json.decode(body, type=dict[str, Any])
        except (msgspec.DecodeError, RecursionError):
            await self.refuse(400, "We could not parse the JSON body of your request.", "invalid_request_error", None)
            return
        if said.get("model") != MODEL:
            text = f"The model `{said.get('model')}` does not exist or you do not have access to it."
            await self.refuse(404, text, "invalid_request_error", "model_not_found")
            return
        chat = path == "/v1/chat/completions"
        unknown = sorted(said.keys() - _KNOWN) if chat else []
        if unknown:
            text = f"Unrecognized request argument supplied: {unknown[0]}"
            await self.refuse(400, text, "invalid_request_error", None)
            return
        stream = chat and said.get("stream") is True
        asked = _asked(said) if chat else said
        place = endpoint(self._model.url)
        try:
            if stream:
                await self._stream(transport, place, path, asked, _wants_usage(said))
            else:
                await self._complete(transport, place, path, asked)
        except UpstreamError as error:
            await self.refuse(500, f"The sandbox's model failed: {error.message}", "server_error", None)

    async def _complete(self, transport: Transport, place: Endpoint, path: str, asked: dict[str, Any]) -> None:
        with await _post(transport, place, path, asked) as reply:
            status, said = reply.status, msgspec.json.decode(await reply.read())
        if status != 200:
            await self._model_refused(status, said)
            return
        usage = said.get("usage") or {}
        await asyncio.sleep(self._latency.first_token + self._latency.per_token * (usage.get("completion_tokens") or 0))
        await self._whole(200, _labelled(said, asked))

    async def _stream(
        self, transport: Transport, place: Endpoint, path: str, asked: dict[str, Any], usage: bool
    ) -> None:
        with await _post(transport, place, path, asked) as reply:
            if reply.status != 200:
                await self._model_refused(reply.status, msgspec.json.decode(await reply.read()))
                return
            await asyncio.sleep(self._latency.first_token)
            await self._head(200, _EVENTS)
            async for data in _events(reply):
                if data == b"[DONE]":
                    break
                said = msgspec.json.decode(data)
                if not said.get("choices") and not usage:
                    continue
                if any((choice.get("delta") or {}).get("content") for choice in said.get("choices", ())):
                    await asyncio.sleep(self._latency.per_token)
                await self._piece(b"data: " + msgspec.json.encode(_labelled(said, asked)) + b"\n\n")
            await self._piece(b"data: [DONE]\n\n", more=False)

    async def _model_refused(self, status: int, said: Any) -> None:
        error = said.get("error") if isinstance(said, dict) else None
        facts = error if isinstance(error, dict) else {}
        message = str(facts.get("message") or "The request could not be served.")
        if facts.get("type") == "exceed_context_size_error":
            length, most = facts.get("n_prompt_tokens"), facts.get("n_ctx")
            text = f"This model's maximum context length is {most} tokens. However, your messages resulted in {length}."
            await self.refuse(400, text, "invalid_request_error", "context_length_exceeded", "messages")
        else:
            kind = "invalid_request_error" if status < 500 else "server_error"
            await self.refuse(status, message, kind, None)

    async def _whole(self, status: int, said: dict[str, Any]) -> None:
        body = msgspec.json.encode(said)
        await self._head(status, _JSON, (b"content-length", str(len(body)).encode()))
        await self._piece(body, more=False)

    async def _head(self, status: int, *headers: tuple[bytes, bytes]) -> None:
        own = (
            (b"x-crossover-sandbox", b"1"),
            (b"x-request-id", f"req_sandbox_{self._id}".encode()),
            (b"openai-processing-ms", str(int((time.monotonic() - self._began) * 1000)).encode()),
        )
        await self._send({"type": "http.response.start", "status": status, "headers": [*headers, *own]})

    async def _piece(self, body: bytes, more: bool = True) -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": more})


def _asked(said: dict[str, Any]) -> dict[str, Any]:
    """The request as the tiny model understands it."""
    asked = {name: value for name, value in said.items() if name not in _IGNORED}
    limit = said.get("max_completion_tokens", said.get("max_tokens"))
    if limit is not None:
        asked["max_tokens"] = limit
    if said.get("stream") is True:
        asked["stream_options"] = {"include_usage": True}
    return asked


def _wants_usage(said: dict[str, Any]) -> bool:
    options = said.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def _labelled(said: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    """An answer or a chunk without llama.cpp's own fields and with the API's."""
    said.pop("timings", None)
    if "choices" in said:
        said["system_fingerprint"] = "sandbox"
        said["service_tier"] = "default"
        for choice in said["choices"]:
            choice["logprobs"] = _logprobs(choice.get("logprobs"), asked.get("top_logprobs") or 0)
            words = choice.get("message", choice.get("delta"))
            if isinstance(words, dict) and "role" in words:
                words.setdefault("refusal", None)
                if words.get("content") is None and "tool_calls" not in words:
                    words["content"] = ""
    usage = said.get("usage")
    if isinstance(usage, dict) and "completion_tokens" in usage:
        usage["prompt_tokens_details"] = {"cached_tokens": 0, "audio_tokens": 0}
        usage["completion_tokens_details"] = {"reasoning_tokens": 0, "audio_tokens": 0}
    said["model"] = MODEL
    return said


def _logprobs(said: Any, top: int) -> Any:
    """As many alternatives as were asked for (llama.cpp gives 20), without its ids and the end token."""
    if not isinstance(said, dict) or not isinstance(said.get("content"), list):
        return None
    named = ("token", "logprob", "bytes")
    content = [
        {
            **{name: one.get(name) for name in named},
            "top_logprobs": [{name: other.get(name) for name in named} for other in one.get("top_logprobs", ())][:top],
        }
        for one in said["content"]
        if one.get("token")
    ]
    return {"content": content, "refusal": None}


async def _post(transport: Transport, place: Endpoint, path: str, asked: dict[str, Any]) -> Any:
    start_line = head(place, "POST", path, [("content-type", "application/json")])
    return await transport.send(place, start_line, msgspec.json.encode(asked), _WAITS)


async def _events(reply: Any) -> AsyncIterator[bytes]:
    framer = Framer()
    while piece := await reply.piece():
        for event in framer.feed(piece):
            if event.data:
                yield event.data


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b""
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > BODY_LIMIT:
            raise InputError(f"The request is larger than {BODY_LIMIT} bytes.")
        if not message.get("more_body"):
            return b"".join(parts)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
