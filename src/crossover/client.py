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
import secrets
import threading
from collections.abc import AsyncGenerator, Coroutine, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import msgspec

from crossover.chat import (
    Backend,
    Caller,
    ChatChunk,
    ChatRequest,
    ChatResponse,
    EmbedRequest,
    EmbedResponse,
    Message,
    Text,
)
from crossover.errors import InputError

if TYPE_CHECKING:
    from crossover.runtime.station import Station

Messages: TypeAlias = str | Sequence[Message | Mapping[str, Any]]
T = TypeVar("T")


class AsyncClient:
    """Asks models. Without ``url`` this process decides and calls, by ``config`` or the usual configuration.

    Close it with ``aclose`` or use it as an async context manager. ``policy`` and ``sensitivity`` hold for every
    request of this client; a label can only raise what the configuration says.
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
        timeout_s: float = 600.0,
    ) -> None:
        self._url = url
        self._api_key = api_key
        self._config = None if config is None else Path(config)
        self._ledger = None if ledger is None else Path(ledger)
        self._policy = policy
        self._sensitivity = sensitivity
        self._timeout_s = timeout_s
        self._backend: Backend | None = None
        self._station: Station | None = None
        self._transport: Any = None
        self._opening = asyncio.Lock()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.aclose()

    async def chat(self, model: str, messages: Messages, **options: Any) -> ChatResponse:
        """The whole answer. ``options`` are those of OpenAI's chat completions (``tools``, ``max_tokens`` …)."""
        backend = await self._open()
        return await backend.complete(self._request(model, messages, stream=False, options=options))

    async def stream(self, model: str, messages: Messages, **options: Any) -> AsyncGenerator[ChatChunk, None]:
        """The answer in pieces; the first says where it comes from (``served``), the last what it cost."""
        backend = await self._open()
        source = backend.stream(self._request(model, messages, stream=True, options=options))
        try:
            async for chunk in source:
                yield chunk
        finally:
            await source.aclose()

    async def embed(self, model: str, inputs: str | Sequence[str], **options: Any) -> EmbedResponse:
        """Vectors, in the order of the inputs."""
        from crossover.wire import openai

        backend = await self._open()
        tree = {"model": model, "input": inputs if isinstance(inputs, str) else list(inputs), **options}
        return await backend.embed(openai.read_embed(tree, self._caller()))

    async def aclose(self) -> None:
        """End it: connections are closed, engines of this process stopped, every row committed."""
        if self._station is not None:
            await self._station.aclose()
        if self._transport is not None:
            await self._transport.aclose()
        self._backend = self._station = self._transport = None

    def _request(self, model: str, messages: Messages, *, stream: bool, options: Mapping[str, Any]) -> ChatRequest:
        """The request in words, read by the same reader as a client's bytes."""
        from crossover.wire import openai

        if isinstance(messages, str):
            messages = [{"role": "user", "content": messages}]
        given = [one for one in messages if isinstance(one, Message)]
        if given and len(given) < len(messages):
            raise InputError("messages are either Message words or plain dicts, not both", field="messages")
        plain: list[Any] = [{"role": "user", "content": "-"}] if given else list(messages)
        tree = {"model": model, "messages": plain, **options}
        if stream:
            tree |= {"stream": True, "stream_options": {"include_usage": True}}
        request = openai.read_request(tree, self._caller())
        if given:
            return msgspec.structs.replace(request, messages=tuple(given), tree=None, dialect=None)
        return request

    def _caller(self) -> Caller:
        return Caller(
            request_id=f"req_{secrets.token_hex(10)}",
            policy=self._policy,
            sensitivity=self._sensitivity,
            door="python",
        )

    async def _open(self) -> Backend:
        """The backend behind this client, opened by the first request."""
        async with self._opening:
            if self._backend is None:
                self._backend = self._remote() if self._url is not None else await self._here()
            return self._backend

    async def _here(self) -> Backend:
        from crossover.config import environment, paths
        from crossover.config.load import find, load
        from crossover.runtime.found import defaults
        from crossover.runtime.station import open_station

        environ = environment()
        file = find(self._config, environ, Path.cwd())
        loaded = await defaults() if file is None else load(file, environ)
        self._station = await open_station(loaded, paths(), ledger=self._ledger)
        return self._station.dispatcher

    def _remote(self) -> Backend:
        from crossover.deployment import Timeouts
        from crossover.providers.gateway import GatewayBackend
        from crossover.transport import Transport

        assert self._url is not None
        self._transport = Transport()
        waits = Timeouts(first_byte=self._timeout_s, gap=self._timeout_s, total=self._timeout_s)
        return GatewayBackend(self._url, self._transport, api_key=self._api_key, timeouts=waits)


class Client:
    """:class:`AsyncClient` for programs without an event loop: the same calls, blocking. A thread runs the loop."""

    def __init__(self, url: str | None = None, **options: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="crossover-client", daemon=True)
        self._thread.start()
        self._client = self._do(_made(url, options))

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def chat(self, model: str, messages: Messages, **options: Any) -> ChatResponse:
        """See :meth:`AsyncClient.chat`."""
        return self._do(self._client.chat(model, messages, **options))

    def stream(self, model: str, messages: Messages, **options: Any) -> Iterator[ChatChunk]:
        """See :meth:`AsyncClient.stream`. Leaving the loop early cancels the call."""
        source = self._client.stream(model, messages, **options)
        try:
            while (chunk := self._do(_next(source))) is not None:
                yield chunk
        finally:
            self._do(source.aclose())

    def embed(self, model: str, inputs: str | Sequence[str], **options: Any) -> EmbedResponse:
        """See :meth:`AsyncClient.embed`."""
        return self._do(self._client.embed(model, inputs, **options))

    def close(self) -> None:
        """End it; may be called twice."""
        if self._loop.is_closed():
            return
        self._do(self._client.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except KeyboardInterrupt:
            future.cancel()
            raise


async def _made(url: str | None, options: Mapping[str, Any]) -> AsyncClient:
    return AsyncClient(url, **options)


async def _next(source: AsyncGenerator[ChatChunk, None]) -> ChatChunk | None:
    return await anext(source, None)


def say(text: str) -> Message:
    """A user's message."""
    return Message(role="user", parts=(Text(text),))


__all__ = ["AsyncClient", "Client", "EmbedRequest", "say"]
