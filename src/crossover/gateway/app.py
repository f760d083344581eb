"""The HTTP door: bytes in, words to the dispatcher, bytes out. Thin: what it decides is who may come in.

Each route is a row of a table; a further dialect is one more row. Everything it needs is handed in; it opens nothing.
"""

from __future__ import annotations

import itertools
import logging
import math
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias
from urllib.parse import unquote_to_bytes

import msgspec

from crossover.chat import Caller, ChatRequest, Served
from crossover.dispatch import Dispatcher
from crossover.errors import CrossoverError, InputError, RequestError, ServingError, UpstreamError
from crossover.gateway.hosts import Hosts
from crossover.gateway.http import Connection, Request
from crossover.gateway.keyring import KeyRing, presented
from crossover.gateway.labels import HeaderRule, labels
from crossover.gateway.metrics import CONTENT_TYPE as METRICS_TYPE
from crossover.gateway.metrics import Metrics, render
from crossover.gateway.openapi import description
from crossover.ledger.words import Key
from crossover.providers.estimate import estimate_embed, estimate_request
from crossover.routing.limits import Limits
from crossover.usage import Usage
from crossover.wire import openai

Route: TypeAlias = Callable[[Request, Connection], Awaitable[None]]

_SAID = frozenset(  # headers that say something of the request
    {b"x-crossover-sensitivity", b"x-crossover-policy", b"x-crossover-deadline", b"x-stainless-retry-count"}
)
_JSON = b"content-type: application/json\r\n"
_SSE = b"content-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n"
_MODEL = b"/v1/models/"
_PROBES = frozenset({b"/health", b"/ready"})  # whoever looks after the process asks by its address
_DECODE = msgspec.json.Decoder()
_LOG = logging.getLogger("crossover.gateway")


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """What the configuration lets clients say in headers, and the keys and hosts in force."""

    keys: KeyRing
    hosts: Hosts
    policy_header: bool = True
    sensitivity_header: bool = True
    labels: tuple[HeaderRule, ...] = ()


class Gateway:
    """Answers HTTP requests. ``access`` and the dispatcher's plant are replaced as wholes by a reload."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        access: Access,
        *,
        metrics: Metrics,
        tick: Callable[[], float],
        ready: Callable[[], tuple[bool, dict[str, Any]]],
        started: int,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.dispatcher = dispatcher
        self.access = access
        self._metrics = metrics
        self._tick = tick
        self._ready = ready
        self._started = started
        self._wall = wall
        self._limits = Limits()
        self._routes: dict[tuple[bytes, bytes], Route] = {
            (b"POST", b"/v1/chat/completions"): self._chat,
            (b"POST", b"/v1/embeddings"): self._embeddings,
            (b"GET", b"/v1/models"): self._models,
            (b"GET", b"/health"): self._health,
            (b"GET", b"/ready"): self._readiness,
            (b"GET", b"/metrics"): self._metrics_page,
            (b"GET", b"/openapi.json"): self._description,
        }
        process = secrets.token_hex(6)
        self._ids = (f"req_{process}{number:08x}" for number in itertools.count(1))

    async def __call__(self, request: Request, out: Connection) -> None:
        """Serve one request. Whatever goes wrong becomes an answer in the dialect's own shape."""
        try:
            if request.path not in _PROBES:
                self.access.hosts.check(request.headers)
            route = self._routes.get((request.method, request.path)) or self._other(request)
            await route(request, out)
        except CrossoverError as error:
            self._error(error, request, out)
        except Exception as error:  # the outermost door of a request: its text stays out of the log
            _LOG.error("unexpected %s at %s", type(error).__name__, _place(error))
            unexpected = ServingError("something unexpected went wrong here; the gateway's log says where")
            self._error(unexpected, request, out)

    def _other(self, request: Request) -> Route:
        """A model by its name, HEAD of what can be got; else 404 or 405."""
        method, path = request.method, request.path
        if method in (b"GET", b"HEAD"):
            if path.startswith(_MODEL):
                return self._model
            if (b"GET", path) in self._routes:
                return self._routes[b"GET", path]
        if allowed := self._allowed(path):
            said, hint = method.decode("latin-1"), f"Use {' or '.join(allowed)}"
            raise RequestError(f"{said} is not served here", status=405, code="method_not_allowed", hint=hint)
        shown = path[:200].decode("latin-1")
        raise RequestError(f"nothing is served at {shown}", status=404, code="not_found", hint="See /openapi.json")

    def _allowed(self, path: bytes) -> list[str]:
        """The methods that are served at this path."""
        verbs = [verb.decode() for verb, known in self._routes if known == path]
        if path.startswith(_MODEL) or "GET" in verbs:
            return ["GET", "HEAD"]
        return verbs

    # ---------------------------------------------------------------------------------------------------- the models

    async def _chat(self, request: Request, out: Connection) -> None:
        key = self._admit(request)
        asked = openai.read_request(_tree(request.body), self._caller(key, request, "openai"))
        self._may_ask(key, asked.model)
        if asked.stream:
            await self._stream(key, asked, out)
            return
        response = await self.dispatcher.complete(asked)
        served = response.served
        assert served is not None
        if key.tpm:
            used = response.usage
            self._spend(key, estimate_request(asked) if used is None else used.input + used.output)
        if not response.created and response.dialect != "openai":
            response = msgspec.structs.replace(response, created=int(self._wall()))
        out.answer(200, _JSON + _told(served), openai.write_response(response, asked))

    async def _stream(self, key: Key, asked: ChatRequest, out: Connection) -> None:
        """Nothing is sent before the first piece of an answer: until then an error is an HTTP status."""
        stream = self.dispatcher.stream(asked)
        writer = openai.StreamWriter(asked, int(self._wall()))
        served: Served | None = None
        usage: Usage | None = None
        pieces = 0
        try:
            async for chunk in stream:
                served = chunk.served or served
                usage = chunk.usage or usage
                data = writer.write(chunk)
                if not pieces:
                    assert served is not None
                    out.start(200, _SSE + _told(served), data)
                elif data:
                    await out.piece(data)
                pieces += 1
                if chunk.last:  # the client need not wait for the end of the connection behind the answer
                    out.end(_priced(served) + writer.end(served))
        except ServingError as error:
            if not pieces:
                raise
            self._metrics.errors[error.status] += 1
            out.end(writer.error(error))
        finally:
            if key.tpm and pieces:  # also of a stream that broke or was left, as far as it was seen
                self._spend(key, usage.input + usage.output if usage else estimate_request(asked) + pieces)
            await stream.aclose()

    async def _embeddings(self, request: Request, out: Connection) -> None:
        key = self._admit(request)
        asked = openai.read_embed(_tree(request.body), self._caller(key, request, "openai"))
        self._may_ask(key, asked.model)
        response = await self.dispatcher.embed(asked)
        assert response.served is not None
        if key.tpm:
            self._spend(key, estimate_embed(asked) if response.usage is None else response.usage.input)
        out.answer(200, _JSON + _told(response.served), openai.write_embedded(response, asked))

    async def _models(self, request: Request, out: Connection) -> None:
        key = self._admit(request)
        out.answer(200, _JSON, openai.write_models(self._model_rows(key)))

    async def _model(self, request: Request, out: Connection) -> None:
        key = self._admit(request)
        wanted = unquote_to_bytes(request.path.removeprefix(_MODEL)).decode("utf-8", "replace")
        for row in self._model_rows(key):
            if row["id"] == wanted:
                out.answer(200, _JSON, msgspec.json.encode(row))
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

    def _admit(self, request: Request) -> Key:
        """The key behind a request; raises RequestError 401, 403 or, over its limits, 429."""
        key = self.access.keys.admit(presented(request.headers), request.client)
        if key.rpm or key.tpm:
            wait = self._limits.admit(key.id, key.rpm, key.tpm, 1, self._tick())
            if wait:
                limits = [f"{key.rpm:,} requests"] * bool(key.rpm) + [f"{key.tpm:,} tokens"] * bool(key.tpm)
                raise RequestError(
                    f"this key is limited to {' and '.join(limits)} a minute",
                    status=429,
                    code="rate_limit_exceeded",
                    retry_after_s=wait,
                )
        return key

    def _may_ask(self, key: Key, model: str) -> None:
        if key.aliases and model not in key.aliases:
            raise RequestError(f"this key may not ask for {model!r}", status=403, code="model_forbidden", field="model")

    def _spend(self, key: Key, tokens: int) -> None:
        self._limits.correct(key.id, tokens - 1, self._tick())  # one was taken when it was admitted

    def _caller(self, key: Key, request: Request, door: str) -> Caller:
        """Who asks, with what the headers say. Labels of key and header add up: they can only raise."""
        access, headers = self.access, request.headers
        request.id = next(self._ids)
        label, policy, deadline, retries = key.sensitivity, key.policy, None, 0
        if not access.labels and _SAID.isdisjoint(headers):  # as nearly always
            return Caller(request.id, key.id, policy, label, door=door)
        if (said := headers.get(b"x-crossover-sensitivity")) and access.sensitivity_header:
            told = said.decode("latin-1")  # whole: what is cut off a label would count as none
            label = f"{label},{told}" if label else told
        if access.labels and (own := labels(access.labels, headers)):
            label = f"{label},{own}" if label else own
        if (wanted := headers.get(b"x-crossover-policy")) and access.policy_header:
            policy = _text(wanted)
        if (waits := headers.get(b"x-crossover-deadline")) is not None:
            deadline = _seconds(waits)
        if (tries := headers.get(b"x-stainless-retry-count")) is not None and tries.isdigit():
            retries = int(tries[:3])
        return Caller(request.id, key.id, policy, label, (), deadline, retries, None, door)

    # --------------------------------------------------------------------------------------------------- the machine

    async def _health(self, _request: Request, out: Connection) -> None:
        out.answer(200, _JSON, b'{"status":"ok"}')

    async def _readiness(self, request: Request, out: Connection) -> None:
        """Whether it can answer, for anybody; how each deployment stands, for those who may come in."""
        ready, facts = self._ready()
        try:
            self.access.hosts.check(request.headers)
            self.access.keys.admit(presented(request.headers), request.client)
        except RequestError:
            facts = {"status": facts["status"]}
        out.answer(200 if ready else 503, _JSON, msgspec.json.encode(facts))

    async def _metrics_page(self, request: Request, out: Connection) -> None:
        self._admit(request)
        out.answer(200, METRICS_TYPE, render(self._metrics, self.dispatcher.plant, self._tick()))

    async def _description(self, _request: Request, out: Connection) -> None:
        out.answer(200, _JSON, description())

    def _error(self, error: CrossoverError, request: Request, out: Connection) -> None:
        """An error in the dialect's shape. The client is told whether trying again is any use."""
        if out.started:
            out.abort()
            return
        if isinstance(error, InputError):  # a word of a header or a label that no list holds
            error = RequestError(error.message, hint=error.hint, field=error.field)
        status, body = openai.write_error(error)
        self._metrics.errors[status] += 1
        head = _JSON
        if request.id:
            head += b"x-crossover-request-id: %b\r\n" % request.id.encode()
        wait = getattr(error, "retry_after_s", None)
        if wait is not None:
            head += b"retry-after: %d\r\n" % math.ceil(max(1.0, wait))
        if isinstance(error, UpstreamError):
            head += f"x-crossover-upstream: {error.upstream}\r\n".encode()  # a model server said it, not this gateway
        if wait is None and (isinstance(error, UpstreamError) or status == 429):
            head += b"x-should-retry: false\r\n"  # retries were made here, and a budget is not filled by asking again
        if status == 405:
            head += f"allow: {', '.join(self._allowed(request.path))}\r\n".encode()
        out.answer(status, head, body)


def _tree(body: bytes) -> dict[str, Any]:
    """The JSON object in a body."""
    try:
        tree = _DECODE.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RequestError(f"the body is not JSON: {str(error)[:200]}", code="invalid_json") from None
    except RecursionError:
        raise RequestError("the body is nested too deeply", code="invalid_json") from None
    if not isinstance(tree, dict):
        raise RequestError("the body must be a JSON object", code="invalid_json")
    return tree


def _told(served: Served) -> bytes:
    """Where it went and why, as header lines."""
    told = (
        f"x-crossover-request-id: {served.request_id}\r\n"
        f"x-crossover-deployment: {served.deployment}\r\n"
        f"x-crossover-model: {served.model}\r\n"
        f"x-crossover-zone: {served.zone}\r\n"
        f"x-crossover-decision: {served.reason}\r\n"
    )
    if served.local:
        told += "x-crossover-local: 1\r\n"
    if served.cost is not None:
        told += f"x-crossover-cost-usd: {served.cost.normalize():f}\r\n"
    if served.attempts > 1:
        told += f"x-crossover-attempts: {served.attempts}\r\n"
    if served.redacted:
        told += f"x-crossover-redacted: {served.redacted}\r\n"
    if served.dropped:
        told += f"x-crossover-dropped-params: {','.join(served.dropped)}\r\n"
    # Names are checked where they are configured: no line ends in them.
    return told.replace("×", "x").encode("ascii", "replace")


def _priced(served: Served | None) -> bytes:
    """The price of a stream, known only at its end: a comment of the event stream, which clients skip."""
    if served is None or served.cost is None:
        return b""
    return f": crossover cost_usd={served.cost.normalize():f} attempts={served.attempts}\n\n".encode()


def _place(error: BaseException) -> str:
    """Where an error arose: file and line, no values."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "nowhere" if trace is None else f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"


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
