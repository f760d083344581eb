"""The Python client: one call and one answer type for every model, in this process or through a gateway.

>>> from crossover import Client
>>> with Client() as client:                                     # in this process, by crossover.toml  # doctest: +SKIP
...     answer = client.chat("auto", "classify: the invoice is wrong")
...     print(answer.text, answer.usage, answer.served.deployment, answer.served.cost)

``Client("http://127.0.0.1:4000", api_key="xo-…")`` speaks to a gateway instead. Switching the provider is one argument:
the model's name. Errors are ``RequestError``, ``NoTargetError`` and ``UpstreamError``.
"""

from __future__ import annotations

import asyncio
import atexit
import secrets
import sys
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias, TypeVar

import msgspec

from crossover.chat import Backend, Caller, ChatChunk, ChatRequest, ChatResponse, EmbedResponse, Message
from crossover.errors import ContradictionError, CrossoverError, InputError, RequestError, UnknownNameError

GATEWAY_WAIT_S = 600.0
MOST_WAIT_S = 86_400.0
_OWN_OPTIONS = ("policy", "sensitivity")  # of every call, beside those of OpenAI

Messages: TypeAlias = str | Sequence[Message | Mapping[str, Any]]
T = TypeVar("T")


class AsyncClient:
    """Asks models. Without ``url`` this process decides and calls, by ``config`` or the usual configuration.

    ``url`` is a gateway's address; ``api_key`` its key, else the one in ``CROSSOVER_API_KEY``. ``ledger`` is the file
    that requests of this process are written to. ``policy`` and ``sensitivity`` hold for every request of this client;
    a label can only raise what the configuration says. ``timeout_s``: the longest wait for an answer, in seconds; a
    gateway is waited for 600 s where nothing is said, in this process the time-outs of the configuration count.

    Opened by its first request; close it with ``aclose`` or use it as an async context manager. Raises
    ContradictionError for ``url`` with ``config`` or ``ledger``, InputError for an address that is none.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        config: str | Path | None = None,
        ledger: str | Path | None = None,
        policy: str | None = None,
        sensitivity: str | None = None,
        timeout_s: float | None = None,
    ) -> None:
        if url is not None and (config is not None or ledger is not None):
            raise ContradictionError(
                "a gateway has its own configuration and ledger", hint="Keep url alone", field="url"
            )
        if timeout_s is not None and not 0 < timeout_s < MOST_WAIT_S:
            raise InputError(f"{timeout_s} is out of range", hint="Write seconds above 0", field="timeout_s")
        self._url = url if url is None else _gateway_url(url)
        self._api_key = api_key
        self._config = None if config is None else Path(config)
        self._ledger = None if ledger is None else Path(ledger)
        self._policy = policy
        self._sensitivity = sensitivity
        self._timeout_s = timeout_s
        self._backend: Backend | None = None
        self._close: Callable[[], Awaitable[None]] | None = None
        self._opening = asyncio.Lock()
        self._closed = False

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.aclose()

    async def chat(
        self,
        model: str,
        messages: Messages,
        *,
        policy: str | None = None,
        sensitivity: str | None = None,
        **options: Any,
    ) -> ChatResponse:
        """The whole answer. ``options`` are those of OpenAI's chat completions (``tools``, ``max_tokens`` …).

        ``model`` is an alias, a deployment or a model. ``policy`` replaces the client's; ``sensitivity`` comes on top
        of it. Options of a server's own go to it as they are. Raises UnknownNameError for an option that is nearly one
        of OpenAI's, RequestError, NoTargetError, UpstreamError.
        """
        request = _request(model, messages, options, self._caller(policy, sensitivity), stream=False)
        return await (await self._open()).complete(request)

    async def stream(
        self,
        model: str,
        messages: Messages,
        *,
        policy: str | None = None,
        sensitivity: str | None = None,
        **options: Any,
    ) -> AsyncGenerator[ChatChunk, None]:
        """The answer in pieces; the first says where it comes from (``served``), the last also what it cost.

        Ends with a chunk marked ``last`` or raises. Closing it (``aclose``) cancels the call.
        """
        request = _request(model, messages, options, self._caller(policy, sensitivity), stream=True)
        source = (await self._open()).stream(request)
        try:
            async for chunk in source:
                yield chunk
        finally:
            await source.aclose()

    async def embed(
        self,
        model: str,
        inputs: str | Sequence[str],
        *,
        policy: str | None = None,
        sensitivity: str | None = None,
        **options: Any,
    ) -> EmbedResponse:
        """Vectors, in the order of the inputs. ``options`` are those of OpenAI's embeddings (``dimensions`` …)."""
        from crossover.wire import openai, openai_names

        _check_options(options, openai_names.EMBED)
        backend = await self._open()
        tree = {"model": model, "input": inputs if isinstance(inputs, str) else list(inputs), **options}
        _check_sendable(tree)
        return await backend.embed(openai.read_embed(tree, self._caller(policy, sensitivity)))

    async def aclose(self) -> None:
        """End it: connections are closed, engines of this process stopped, every row committed. May be called twice."""
        self._closed = True
        close, self._close, self._backend = self._close, None, None
        if close is not None:
            await close()

    def _caller(self, policy: str | None, sensitivity: str | None) -> Caller:
        labels = [one for one in (self._sensitivity, sensitivity) if one]
        return Caller(
            request_id=f"req_{secrets.token_hex(10)}",
            policy=policy or self._policy,
            sensitivity=",".join(labels) or None,
            deadline_s=self._timeout_s,
            door="python",
        )

    async def _open(self) -> Backend:
        """The backend behind this client, opened by the first request."""
        async with self._opening:
            if self._closed:
                raise CrossoverError("this client is closed", hint="Make a new one")
            if self._backend is None:
                self._backend = await self._here() if self._url is None else self._remote(self._url)
            return self._backend

    async def _here(self) -> Backend:
        from crossover.config import environment, paths
        from crossover.config.load import find, load
        from crossover.runtime.found import defaults
        from crossover.runtime.station import open_station

        environ = environment()
        file = find(self._config, environ, Path.cwd())
        loaded = await defaults() if file is None else load(file, environ)
        station = await open_station(loaded, paths(), ledger=self._ledger)
        rows = station.writer.close
        atexit.register(rows)  # whoever forgets to close loses no row

        async def close() -> None:
            atexit.unregister(rows)
            await station.aclose()

        self._close = close
        return station.dispatcher

    def _remote(self, url: str) -> Backend:
        from crossover.config import api_key
        from crossover.deployment import Timeouts
        from crossover.providers.gateway import GatewayBackend
        from crossover.transport import Transport

        transport = Transport()
        self._close = transport.aclose
        patience = self._timeout_s or GATEWAY_WAIT_S
        waits = Timeouts(first_byte=patience, gap=patience, total=patience)
        return GatewayBackend(url, transport, api_key=self._api_key or api_key(), timeouts=waits)


class Client:
    """:class:`AsyncClient` for programs without an event loop: the same calls, blocking. A thread runs the loop.

    One client may be used by several threads at once.
    """

    def __init__(self, url: str | None = None, **options: Any) -> None:
        self._client = AsyncClient(url, **options)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="crossover-client", daemon=True)
        self._thread.start()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def chat(self, model: str, messages: Messages, **options: Any) -> ChatResponse:
        """See :meth:`AsyncClient.chat`."""
        return self._do(self._client.chat(model, messages, **options))

    def stream(self, model: str, messages: Messages, **options: Any) -> Generator[ChatChunk, None, None]:
        """See :meth:`AsyncClient.stream`. Leaving the loop early cancels the call."""
        source = self._client.stream(model, messages, **options)
        try:
            while (chunk := self._do(_next(source))) is not None:
                yield chunk
        finally:
            if (
                threading.current_thread() is self._thread
            ):  # the collector found it there: the loop cannot wait for itself
                asyncio.run_coroutine_threadsafe(_end(source), self._loop)
            elif not (self._loop.is_closed() or sys.is_finalizing()):  # a closed client has ended its streams
                self._do(source.aclose())

    def embed(self, model: str, inputs: str | Sequence[str], **options: Any) -> EmbedResponse:
        """See :meth:`AsyncClient.embed`."""
        return self._do(self._client.embed(model, inputs, **options))

    def close(self) -> None:
        """End it, and the streams that were left open; may be called twice."""
        if self._loop.is_closed():
            return
        try:
            self._do(self._loop.shutdown_asyncgens())
            self._do(self._client.aclose())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        if self._loop.is_closed():
            work.close()
            raise CrossoverError("this client is closed", hint="Make a new one")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except KeyboardInterrupt:  # the call is not left running
            future.cancel()
            raise


def _gateway_url(url: str) -> str:
    from crossover.providers.gateway import gateway_url

    return gateway_url(url)


async def _end(source: AsyncGenerator[ChatChunk, None]) -> None:
    await source.aclose()


async def _next(source: AsyncGenerator[ChatChunk, None]) -> ChatChunk | None:
    return await anext(source, None)


def _request(
    model: str, messages: Messages, options: Mapping[str, Any], caller: Caller, *, stream: bool
) -> ChatRequest:
    """The request in words, read by the same reader as a client's bytes."""
    from crossover.wire import openai, openai_names

    _check_options(options, openai_names.CHAT)
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    given = [one for one in messages if isinstance(one, Message)]
    if given and len(given) < len(messages):
        raise InputError("messages are either Message words or plain dicts, not both", field="messages")
    plain: list[Any] = [{"role": "user", "content": "-"}] if given else list(messages)
    tree = {"model": model, "messages": plain, **options}
    if stream:
        tree |= {"stream": True, "stream_options": {"include_usage": True}}
    _check_sendable((tree, given))
    request = openai.read_request(tree, caller)
    if given:
        return msgspec.structs.replace(request, messages=tuple(given), tree=None, dialect=None)
    return request


def _check_sendable(said: Any) -> None:
    """Raise RequestError for what no JSON can hold: half of a surrogate pair, an object of Python's own."""
    try:
        msgspec.json.encode(said)
    except UnicodeEncodeError:
        raise RequestError("the request holds text that is not valid Unicode", code="invalid_body") from None
    except (TypeError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise RequestError(f"the request cannot be written as JSON: {why}", code="invalid_body") from None


def _check_options(options: Iterable[str], known: frozenset[str]) -> None:
    """Raise UnknownNameError for a slip of the pen: no server would say a word about a parameter it does not know."""
    from crossover.wire.openai_names import slip

    for name in options:
        if (meant := slip(name, (*known, *_OWN_OPTIONS))) is not None:
            raise UnknownNameError("option", name, (meant,), field=name)


__all__ = ["AsyncClient", "Client"]
