"""Calls one model over HTTP: one class for every dialect and every provider.

What differs between dialects is in :mod:`crossover.wire`, what differs between providers in a row of the registry, and
sockets are the transport's. This file joins them: a request is written by its dialect, sent behind a head that is
built once, and the answer is read by the same dialect.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any, NoReturn, Protocol

import msgspec

from crossover.chat import ChatChunk, ChatRequest, ChatResponse, EmbedRequest, EmbedResponse, substance
from crossover.deployment import Timeouts
from crossover.egress import Guard
from crossover.errors import UpstreamError
from crossover.providers.registry import Provider
from crossover.transport import Endpoint, Reply, Transport, head
from crossover.wire import anthropic, gemini, ollama, openai
from crossover.wire.words import Headers, Outgoing, Profile

ERROR_BODY = 64 * 1024  # bytes of an error that are read; the rest says nothing new
_LINGER = 0.25  # seconds for a server to end the response after the answer's own end, so that its connection is kept
_KEY_HEADERS = {
    "bearer": "authorization",
    "x-api-key": "x-api-key",
    "x-goog-api-key": "x-goog-api-key",
    "api-key": "api-key",
}
_PAGES = ("text/html", "application/xhtml", "text/xml", "application/xml")  # log-in pages, proxies, wrong addresses


class Reader(Protocol):
    """Reads one stream of a dialect."""

    def feed(self, data: bytes) -> list[ChatChunk]:
        """The chunks that ``data`` completes."""
        ...

    def eof(self) -> list[ChatChunk]:
        """What is left at the end. UpstreamError ``cut`` where the answer did not say that it is complete."""
        ...


class Upstream(Protocol):
    """The face of a dialect file that speaks to targets; see :mod:`crossover.wire.words`."""

    StreamReader: Callable[[], Reader]

    def write_request(self, request: ChatRequest, profile: Profile) -> Outgoing: ...  # noqa: D102

    def read_response(self, body: bytes) -> ChatResponse: ...  # noqa: D102

    def read_error(self, status: int, headers: Headers, body: bytes) -> UpstreamError: ...  # noqa: D102


_WIRE: dict[str, Any] = {"openai": openai, "anthropic": anthropic, "gemini": gemini, "ollama": ollama}


class Overhear(Protocol):
    """Listens to what a target says beside its answers."""

    def headers(self, headers: Headers) -> None:
        """The headers of an answer."""
        ...

    def data(self, data: bytes) -> None:
        """A piece of a stream, as it came."""
        ...


class HttpBackend:
    """One model at one address. Implements :class:`crossover.chat.Backend`.

    ``secret`` goes into the header that the row names, and nowhere else: not into errors, logs or ``repr``. ``renew``
    gives the secret anew (a token in a file that something else renews); it is asked once where the target answers
    401, and where it gives another secret the request is sent once more: a refused key accepted nothing. ``hidden`` are
    other secrets, those in ``headers``, which are kept out of errors like it. ``cold`` says
    whether the model still has to be loaded: then ``timeouts.cold`` is the wait for the first byte. ``headers`` are
    sent beside the row's own and win over them. The transport is shared and belongs to whoever made it. ``guard`` is
    given for a place outside, with the deployment's name as ``place``: then a request without its pass is an
    EgressError, before anything is written or opened.

    Every failure is an UpstreamError with the row's name as its ``provider``.
    """

    def __init__(
        self,
        row: Provider,
        profile: Profile,
        endpoint: Endpoint,
        transport: Transport,
        *,
        secret: str | None = None,
        timeouts: Timeouts | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        cold: Callable[[], bool] | None = None,
        renew: Callable[[], str | None] | None = None,
        overhear: Overhear | None = None,
        hidden: tuple[str, ...] = (),
        guard: Guard | None = None,
        place: str = "",
    ) -> None:
        self.row = row
        self.profile = profile
        self.endpoint = endpoint
        self._transport = transport
        self._secret = secret
        self._timeouts = timeouts or Timeouts()
        self._patient = msgspec.structs.replace(self._timeouts, first_byte=self._timeouts.whole)
        self._headers = headers
        self._cold = cold
        self._renew = renew
        self._overhear = overhear
        self._hidden = hidden
        self.guard = guard
        self.place = place
        self._wire: Upstream = _WIRE[row.dialect]
        self._heads: dict[tuple[str, tuple[tuple[str, str], ...]], bytes] = {}
        self._head(("/", ()))  # a header that cannot be sent is an InputError here, not a failure of the first request

    def __repr__(self) -> str:
        return f"HttpBackend({self.row.name} {self.profile.model} at {self.endpoint.label})"

    async def complete(self, request: ChatRequest) -> ChatResponse:
        """The whole answer."""
        self._admit(request)
        try:
            outgoing = self._wire.write_request(_asked(request, stream=False), self.profile)
            with await self._send(outgoing) as reply:
                response = self._wire.read_response(await reply.read())
        except UpstreamError as error:
            self._fail(error)
        return msgspec.structs.replace(response, dropped=outgoing.dropped) if outgoing.dropped else response

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatChunk, None]:
        """The answer in pieces, as they come. Closing the generator closes the connection to the model at once."""
        self._admit(request)
        reply: Reply | None = None
        try:
            outgoing = self._wire.write_request(_asked(request, stream=True), self.profile)
            dropped, heard, said, ended = outgoing.dropped, False, False, False
            reply = await self._send(outgoing, streamed=True)
            reader = self._wire.StreamReader()
            while not ended:
                data = await (reply.piece() if self._overhear is None else self._overheard(reply))
                heard = heard or bool(data)
                self._ended(heard)
                for chunk in reader.feed(data) if data else reader.eof():
                    if not said:
                        said = chunk.semantic or _says_enough(chunk)
                    if dropped:
                        chunk, dropped = msgspec.structs.replace(chunk, dropped=dropped), ()  # noqa: PLW2901
                    if chunk.last:
                        ended = True
                        self._ended(said)
                    yield chunk
                if not data:
                    break
                if b"error" in data:
                    reader.feed(b"")  # an error behind chunks of the same read is raised by the next call
            self._ended(said)
            if ended:
                await _drain(reply)
            else:
                raise UpstreamError("the stream stopped without saying that it is complete", upstream="cut")
        except UpstreamError as error:
            self._fail(error)
        finally:
            if reply is not None:
                reply.close()

    async def open(self, request: ChatRequest) -> Reply:
        """The stream of an answer as bytes, for a reader that wants less of it than the dialect's does.

        Whoever got it closes it. Raises UpstreamError where the target refuses or answers with anything but a stream.
        """
        self._admit(request)
        try:
            outgoing = self._wire.write_request(_asked(request, stream=True), self.profile)
            return await self._send(outgoing, streamed=True)
        except UpstreamError as error:
            self._fail(error)

    async def embed(self, request: EmbedRequest) -> EmbedResponse:
        """Vectors. UpstreamError ``unsupported`` where the dialect has no embeddings."""
        self._admit(request)
        write: Callable[[EmbedRequest, Profile], Outgoing] | None = getattr(self._wire, "write_embed", None)
        read: Callable[[bytes], EmbedResponse] | None = getattr(self._wire, "read_embedded", None)
        try:
            if write is None or read is None:
                raise UpstreamError(f"{self.row.title} has no embeddings", upstream="unsupported", accepted=False)
            outgoing = write(request, self.profile)
            with await self._send(outgoing) as reply:
                response = read(await reply.read())
        except UpstreamError as error:
            self._fail(error)
        return msgspec.structs.replace(response, dropped=outgoing.dropped) if outgoing.dropped else response

    async def aclose(self) -> None:
        """Nothing to close: the transport is not this backend's own."""

    # ------------------------------------------------------------------------------------------------------- sending

    def _admit(self, request: ChatRequest | EmbedRequest) -> None:
        """The last lock: nothing goes outside that nobody has let out."""
        if self.guard is not None:
            self.guard.check(request.clearance, self.place, substance(request))

    async def _overheard(self, reply: Reply) -> bytes:
        data = await reply.piece()
        if self._overhear is not None:
            self._overhear.data(data)
        return data

    async def _send(self, outgoing: Outgoing, streamed: bool = False) -> Reply:
        """The reply, where it is an answer. Raises UpstreamError where it is anything else."""
        cold = self._cold is not None and self._cold()
        waits = self._timeouts if streamed or cold else self._patient
        key = (outgoing.path, outgoing.headers)
        start = self._heads.get(key) or self._head(key)
        reply = await self._transport.send(self.endpoint, start, outgoing.body, waits, cold=cold)
        if reply.status == 401 and self._renewed():
            reply.close()
            reply = await self._transport.send(self.endpoint, self._head(key), outgoing.body, waits, cold=cold)
        answered = False
        try:
            if not 200 <= reply.status < 300:
                await self._refused(reply)
            kind = reply.header(b"content-type").lower()
            if kind.startswith(_PAGES) or (streamed and kind.startswith("application/json")):
                await self._not_an_answer(reply, kind)
            if self._overhear is not None:
                self._overhear.headers(reply.headers)
            answered = True
        finally:
            if not answered:
                reply.close()
        return reply

    def _head(self, key: tuple[str, tuple[tuple[str, str], ...]]) -> bytes:
        path, more = key
        headers = {"content-type": "application/json", **self.row.headers, **dict(more)}
        if self._secret and self.row.auth != "none":
            value = f"Bearer {self._secret}" if self.row.auth == "bearer" else self._secret
            headers[_KEY_HEADERS[self.row.auth]] = value
        headers.update((name.lower(), value) for name, value in self._headers)  # what the user says counts last
        start = self._heads[key] = head(self.endpoint, "POST", path, tuple(headers.items()))
        return start

    def _renewed(self) -> bool:
        """Whether there is another secret now; heads with the old one are forgotten."""
        secret = self._renew() if self._renew is not None else None
        if secret is None or secret == self._secret:
            return False
        self._secret = secret
        self._heads.clear()
        return True

    # ------------------------------------------------------------------------------------------------------ failures

    async def _refused(self, reply: Reply) -> NoReturn:
        status = reply.status
        if 300 <= status < 400:
            raise UpstreamError(
                f"{self.endpoint.label} answered with a redirect ({status}), which is not followed: check base_url",
                upstream="malformed",
                accepted=False,
                upstream_status=status,
            )
        raise self._wire.read_error(status, reply.headers, await _some(reply))

    async def _not_an_answer(self, reply: Reply, kind: str) -> NoReturn:
        """Status 200 with a page, or with one document where a stream was asked: perhaps an error in disguise."""
        if kind.startswith("application/json"):
            self._wire.read_response(await reply.read())  # raises what an error in disguise means
        raise UpstreamError(
            f"{self.endpoint.label} answered with {kind.partition(';')[0]}, not as a model does: check base_url",
            upstream="malformed",
            upstream_status=reply.status,
        )

    def _ended(self, said: bool) -> None:
        if not said:
            raise UpstreamError(f"{self.endpoint.label} sent an empty answer", upstream="empty", upstream_status=200)

    def _fail(self, error: UpstreamError) -> NoReturn:
        """Raise an error with its provider, and without any secret, should the target have repeated one."""
        error.provider = self.row.name
        hidden = [word for word in self._hidden if len(word) > 5]  # what is shorter may be a word of the sentence
        for secret in filter(None, (self._secret, *hidden)):
            clean = _without(error.message, secret)
            if clean != error.message or (error.code is not None and secret in error.code):
                error.message, error.args, error.code = clean, (clean,), None
        raise error


def _without(text: str, secret: str) -> str:
    """A text in which the secret is blotted out, also where the text was shortened in the middle of it."""
    text = text.replace(secret, "[secret]")
    shortened = text.removesuffix("…")
    if shortened != text:
        for size in range(len(secret) - 1, 3, -1):
            if shortened.endswith(secret[:size]):
                return f"{shortened[:-size]}[secret]…"
    return text


def _says_enough(chunk: ChatChunk) -> bool:
    """Whether a chunk without words is of an answer all the same: hidden reasoning, or words withheld."""
    if chunk.usage is not None and chunk.usage.output > 0:
        return True
    return any(delta.finish in ("length", "content_filter") for delta in chunk.deltas)


def _asked(request: ChatRequest, stream: bool) -> ChatRequest:
    """The request as a stream or not: what is called counts, whatever the request was made for."""
    if request.stream is stream:
        return request
    tree = request.tree
    if tree is not None and request.dialect != "gemini":  # Gemini says it in the path
        tree = {**tree, "stream": stream}
    return msgspec.structs.replace(request, stream=stream, tree=tree)


async def _some(reply: Reply) -> bytes:
    """The first bytes of a body that says what went wrong; what came of it where it broke off."""
    parts: list[bytes] = []
    size = 0
    try:
        while size < ERROR_BODY and (piece := await reply.piece()):
            parts.append(piece)
            size += len(piece)
    except UpstreamError:
        pass  # the status is known, and it says more than how its text broke off
    reply.close()
    return b"".join(parts)[:ERROR_BODY]


async def _drain(reply: Reply) -> None:
    """Wait a moment for the end of the response after the answer's own end: a connection at its end is used again."""
    try:
        async with asyncio.timeout(_LINGER):
            while await reply.piece():
                pass
    except (UpstreamError, TimeoutError):
        pass  # the answer is complete: how its connection ends is nobody's loss
