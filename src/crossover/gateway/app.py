"""The HTTP door: bytes in, words to the dispatcher, bytes out. Thin: what it decides is who may come in.

A bare ASGI application. Each route is a row of a table; a further dialect is one more row. Everything it needs is
handed in; it opens nothing.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any

import msgspec

from crossover.chat import Caller, ChatChunk, ChatRequest, EmbedRequest, Served
from crossover.dispatch import Dispatcher
from crossover.errors import CrossoverError, RequestError, ServingError, UpstreamError
from crossover.gateway.hosts import Hosts
from crossover.gateway.keyring import KeyRing, presented
from crossover.gateway.metrics import CONTENT_TYPE as METRICS_TYPE
from crossover.gateway.metrics import Metrics, render
from crossover.gateway.openapi import description
from crossover.ledger.words import Key
from crossover.routing.limits import Limits
from crossover.wire import openai

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

_JSON: Headers = [(b"content-type", b"application/json")]
_SSE: Headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]
_DECODE = msgspec.json.Decoder()
_LOG = logging.getLogger("crossover.gateway")


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """What the configuration lets clients say in headers, and the keys and hosts in force."""

    keys: KeyRing
    hosts: Hosts
    policy_header: bool = True
    sensitivity_header: bool = True


class Gateway:
    """The ASGI application. ``access`` and the dispatcher's plant are replaced as wholes by a reload."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        access: Access,
        *,
        metrics: Metrics,
        tick: Callable[[], float],
        ready: Callable[[], tuple[bool, dict[str, Any]]],
        started: int,
    ) -> None:
        self.dispatcher = dispatcher
        self.access = access
        self._metrics = metrics
        self._tick = tick
        self._ready = ready
        self._started = started
        self._limits = Limits()
        self._routes: dict[tuple[str, str], Callable[[Scope, Receive, Send], Awaitable[None]]] = {
            ("POST", "/v1/chat/completions"): self._chat,
            ("POST", "/v1/embeddings"): self._embeddings,
            ("GET", "/v1/models"): self._models,
            ("GET", "/health"): self._health,
            ("GET", "/ready"): self._readiness,
            ("GET", "/metrics"): self._metrics_page,
            ("GET", "/openapi.json"): self._description,
        }
        self._paths = {path for _, path in self._routes}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. Whatever goes wrong becomes an answer in the dialect's own shape."""
        if scope["type"] != "http":
            return
        path, method = scope["path"], scope["method"]
        route = self._routes.get((method, path))
        try:
            if route is None:
                route = self._other(method, path)
            self.access.hosts.check(scope["headers"])
            await route(scope, receive, send)
        except CrossoverError as error:
            await self._error(error, send)
        except asyncio.CancelledError:
            return  # the client has left, or the server ends: there is nobody to answer
        except Exception as error:  # the outermost door of a request: its text stays out of the log
            _LOG.error("unexpected %s at %s", type(error).__name__, _place(error))
            await self._error(ServingError("something unexpected went wrong here; it is in the gateway's log"), send)

    def _other(self, method: str, path: str) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
        """A model by its name, else 404 or 405."""
        if path.startswith("/v1/models/") and method in ("GET", "HEAD"):
            return self._model
        if method == "HEAD" and ("GET", path) in self._routes:
            return self._routes["GET", path]
        if path in self._paths:
            allowed = ", ".join(sorted(verb for verb, known in self._routes if known == path))
            raise RequestError(
                f"{method} is not served here", status=405, code="method_not_allowed", hint=f"Use {allowed}"
            )
        raise RequestError(f"nothing is served at {path[:200]}", status=404, code="not_found", hint="See /openapi.json")

    # ---------------------------------------------------------------------------------------------------- the models

    async def _chat(self, scope: Scope, receive: Receive, send: Send) -> None:
        key, headers = self._admit(scope)
        request = openai.read_request(await _tree(receive), self._caller(key, headers, "openai"))
        self._may_ask(key, request.model)
        if request.stream:
            await self._stream(request, send)
            return
        response = await self.dispatcher.complete(request)
        assert response.served is not None
        self._spend(key, 0 if response.usage is None else response.usage.input + response.usage.output)
        await _answer(send, 200, openai.write_response(response, request), [*_JSON, *_told(response.served)])

    async def _stream(self, request: ChatRequest, send: Send) -> None:
        """Nothing is sent before the first piece of an answer: until then an error is an HTTP status."""
        stream = self.dispatcher.stream(request)
        writer = openai.StreamWriter(request)
        try:
            first = await anext(stream)
            assert first.served is not None
            await send({"type": "http.response.start", "status": 200, "headers": [*_SSE, *_told(first.served)]})
            await self._pieces(first, stream, writer, send)
        finally:
            await stream.aclose()

    async def _pieces(
        self, first: ChatChunk, stream: AsyncGenerator[ChatChunk, None], writer: openai.StreamWriter, send: Send
    ) -> None:
        served = first.served
        try:
            await _piece(send, writer.write(first))
            async for chunk in stream:
                if chunk.served is not None:
                    served = chunk.served
                data = writer.write(chunk)
                if data:
                    await _piece(send, data)
        except ServingError as error:
            await _piece(send, writer.error(error), last=True)
            return
        await _piece(send, writer.end(served), last=True)

    async def _embeddings(self, scope: Scope, receive: Receive, send: Send) -> None:
        key, headers = self._admit(scope)
        request: EmbedRequest = openai.read_embed(await _tree(receive), self._caller(key, headers, "openai"))
        self._may_ask(key, request.model)
        response = await self.dispatcher.embed(request)
        assert response.served is not None
        self._spend(key, 0 if response.usage is None else response.usage.input)
        await _answer(send, 200, openai.write_embedded(response, request), [*_JSON, *_told(response.served)])

    async def _models(self, scope: Scope, _receive: Receive, send: Send) -> None:
        key, _ = self._admit(scope)
        await _answer(send, 200, openai.write_models(self._model_rows(key)), _JSON)

    async def _model(self, scope: Scope, _receive: Receive, send: Send) -> None:
        key, _ = self._admit(scope)
        wanted = scope["path"].removeprefix("/v1/models/")
        for row in self._model_rows(key):
            if row["id"] == wanted:
                await _answer(send, 200, msgspec.json.encode(row), _JSON)
                return
        raise RequestError(f"no model {wanted[:200]!r} here", status=404, code="model_not_found", field="model")

    def _model_rows(self, key: Key) -> list[dict[str, Any]]:
        """Every name that this key may ask for."""
        return [
            {"id": name, "object": "model", "created": self._started, "owned_by": "crossover"}
            for name in self.dispatcher.plant.routes
            if not key.aliases or name in key.aliases
        ]

    # ------------------------------------------------------------------------------------------------- who may come in

    def _admit(self, scope: Scope) -> tuple[Key, dict[bytes, bytes]]:
        """The key behind a request, and its headers by name."""
        headers = dict(scope["headers"])
        client = scope["client"]
        key = self.access.keys.admit(presented(headers), "" if client is None else client[0])
        if key.rpm or key.tpm:
            wait = self._limits.admit(key.id, key.rpm, key.tpm, 1, self._tick())
            if wait:
                raise RequestError(
                    f"this key is limited to {key.rpm or key.tpm} {'requests' if key.rpm else 'tokens'} a minute",
                    status=429,
                    code="rate_limit_exceeded",
                    retry_after_s=wait,
                )
        return key, headers

    def _may_ask(self, key: Key, model: str) -> None:
        if key.aliases and model not in key.aliases:
            raise RequestError(f"this key may not ask for {model!r}", status=403, code="model_forbidden", field="model")

    def _spend(self, key: Key, tokens: int) -> None:
        if key.tpm and tokens > 1:
            self._limits.correct(key.id, tokens - 1, self._tick())

    def _caller(self, key: Key, headers: Mapping[bytes, bytes], door: str) -> Caller:
        """Who asks, with what the headers say. Labels of key and header add up: they can only raise."""
        access = self.access
        label = key.sensitivity
        policy = key.policy
        if access.sensitivity_header and (said := headers.get(b"x-crossover-sensitivity")):
            label = f"{label},{_text(said)}" if label else _text(said)
        if access.policy_header and (wanted := headers.get(b"x-crossover-policy")):
            policy = _text(wanted)
        retries = headers.get(b"x-stainless-retry-count", b"0")
        deadline = headers.get(b"x-crossover-deadline")
        return Caller(
            request_id=f"req_{secrets.token_hex(12)}",
            key=key.id,
            policy=policy,
            sensitivity=label,
            deadline_s=None if deadline is None else _seconds(deadline),
            retries_by_client=int(retries) if retries.isdigit() and len(retries) < 4 else 0,
            door=door,
        )

    # --------------------------------------------------------------------------------------------------- the machine

    async def _health(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await _answer(send, 200, b'{"status":"ok"}', _JSON)

    async def _readiness(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        ready, facts = self._ready()
        await _answer(send, 200 if ready else 503, msgspec.json.encode(facts), _JSON)

    async def _metrics_page(self, scope: Scope, _receive: Receive, send: Send) -> None:
        self._admit(scope)
        body = render(self._metrics, self.dispatcher.plant, self._tick())
        await _answer(send, 200, body, [(b"content-type", METRICS_TYPE)])

    async def _description(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await _answer(send, 200, description(), _JSON)

    async def _error(self, error: CrossoverError, send: Send) -> None:
        """An error in the dialect's shape. The client is told whether trying again is any use."""
        status, body = openai.write_error(error)
        headers = list(_JSON)
        wait = getattr(error, "retry_after_s", None)
        if wait is not None:
            headers.append((b"retry-after", b"%d" % max(1, round(wait))))
        if isinstance(error, UpstreamError) and wait is None:
            headers.append((b"x-should-retry", b"false"))  # retries have been made here; do not multiply them
        await _answer(send, status, body, headers)


async def _tree(receive: Receive) -> dict[str, Any]:
    """The JSON object in the body. The server hands over whole bodies within its cap."""
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    try:
        tree = _DECODE.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RequestError(f"the body is not JSON: {str(error)[:200]}", code="invalid_json") from None
    except RecursionError:
        raise RequestError("the body is nested too deeply", code="invalid_json") from None
    if not isinstance(tree, dict):
        raise RequestError("the body must be a JSON object", code="invalid_json")
    return tree


async def _answer(send: Send, status: int, body: bytes, headers: Headers) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [*headers, (b"content-length", b"%d" % len(body))],
        }
    )
    await send({"type": "http.response.body", "body": body})


async def _piece(send: Send, data: bytes, *, last: bool = False) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": not last})


def _told(served: Served) -> Headers:
    """Where it went and why, in headers."""
    told: Headers = [
        (b"x-crossover-request-id", served.request_id.encode()),
        (b"x-crossover-deployment", _header(served.deployment)),
        (b"x-crossover-decision", _header(served.reason)),
    ]
    if served.cost is not None:
        told.append((b"x-crossover-cost-usd", f"{served.cost:f}".encode()))
    if served.attempts > 1:
        told.append((b"x-crossover-attempts", b"%d" % served.attempts))
    if served.dropped:
        told.append((b"x-crossover-dropped-params", _header(",".join(served.dropped))))
    return told


def _place(error: BaseException) -> str:
    """Where an error arose: file and line, no values."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "nowhere" if trace is None else f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"


def _header(text: str) -> bytes:
    """Text as a header value: printable ASCII only."""
    return text.encode("ascii", "replace") if text.isprintable() else ascii(text).encode()


def _text(value: bytes) -> str:
    return value[:200].decode("latin-1")


def _seconds(value: bytes) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < 86_400:
        raise RequestError("x-crossover-deadline must be seconds above 0", code="invalid_header")
    return seconds
