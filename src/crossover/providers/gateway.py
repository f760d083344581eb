"""Another Crossover gateway as a backend: what it says of its answers in headers and comments becomes ``Served``."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping
from decimal import Decimal, InvalidOperation
from typing import get_args

import msgspec

from crossover.chat import ChatChunk, ChatRequest, ChatResponse, EmbedRequest, EmbedResponse, Served
from crossover.deployment import Timeouts
from crossover.errors import InputError, NoTargetError, RequestError, ServingError, UpstreamError, UpstreamKind
from crossover.providers.http import HttpBackend
from crossover.providers.registry import base_url, profile, provider
from crossover.transport import Transport, endpoint

_ANSWERED = re.compile(r"^the target answered \d+: ")
_COMMENT = re.compile(rb"^: crossover cost_usd=([0-9.]{1,40}) attempts=(\d{1,4})\n", re.MULTILINE)


class GatewayBackend:
    """Asks a gateway at ``url``. Implements :class:`crossover.chat.Backend` for every name the gateway serves.

    The caller's policy, sensitivity and deadline travel as headers; the gateway may refuse to hear them.
    """

    def __init__(self, url: str, transport: Transport, *, api_key: str | None, timeouts: Timeouts) -> None:
        self._row = provider("crossover")
        self._endpoint = endpoint(base_url(self._row, url))
        self._transport = transport
        self._api_key = api_key
        self._timeouts = timeouts

    async def complete(self, request: ChatRequest) -> ChatResponse:
        """The whole answer."""
        heard = _Heard()
        try:
            response = await self._backend(request, heard).complete(request)
        except UpstreamError as error:
            raise _meant(error) from None
        return msgspec.structs.replace(response, served=heard.served(request.caller.request_id))

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatChunk, None]:
        """The answer in pieces: ``served`` on the first, and with the cost on the last."""
        heard = _Heard()
        source = self._backend(request, heard).stream(request)
        first, last = True, ChatChunk(last=True)
        try:
            async for chunk in source:
                if chunk.last:
                    last = chunk  # the price may still come
                elif first:
                    yield msgspec.structs.replace(chunk, served=heard.served(request.caller.request_id, final=False))
                else:
                    yield chunk
                first = False
        except UpstreamError as error:
            raise _meant(error) from None
        finally:
            await source.aclose()
        yield msgspec.structs.replace(last, served=heard.served(request.caller.request_id))

    async def embed(self, request: EmbedRequest) -> EmbedResponse:
        """Vectors."""
        heard = _Heard()
        try:
            response = await self._backend(request, heard).embed(request)
        except UpstreamError as error:
            raise _meant(error) from None
        return msgspec.structs.replace(response, served=heard.served(request.caller.request_id))

    def _backend(self, request: ChatRequest | EmbedRequest, heard: _Heard) -> HttpBackend:
        caller = request.caller
        said = {
            "x-crossover-policy": caller.policy,
            "x-crossover-sensitivity": caller.sensitivity,
            "x-crossover-deadline": None if caller.deadline_s is None else f"{caller.deadline_s:g}",
        }
        return HttpBackend(
            self._row,
            profile(self._row, request.model),
            self._endpoint,
            self._transport,
            secret=self._api_key,
            timeouts=self._timeouts,
            headers=tuple((name, value) for name, value in said.items() if value is not None),
            overhear=heard,
        )


class _Heard:
    """What a gateway said of one answer, collected while it is read."""

    def __init__(self) -> None:
        self._headers: Mapping[str, str] = {}
        self._cost: Decimal | None = None
        self._attempts = 1
        self._tail = b""

    def headers(self, headers: Mapping[str, str]) -> None:
        """The headers of the answer."""
        self._headers = headers
        self._cost = _money(headers.get("x-crossover-cost-usd"))
        tries = headers.get("x-crossover-attempts", "1")
        self._attempts = int(tries) if tries.isdigit() else 1

    def data(self, data: bytes) -> None:
        """A piece of a stream; the comment with the price may be cut anywhere."""
        self._tail = (self._tail + data)[-4096:]
        if b": crossover" in self._tail and (found := _COMMENT.search(self._tail)):
            self._cost, self._attempts, self._tail = _money(found[1].decode()), int(found[2]), b""

    def served(self, request_id: str, *, final: bool = True) -> Served | None:
        """Where the answer came from; None where the other side is no Crossover gateway. The price is ``final``."""
        headers = self._headers
        deployment = headers.get("x-crossover-deployment")
        if deployment is None:
            return None
        reason = headers.get("x-crossover-decision", "")
        dropped = headers.get("x-crossover-dropped-params", "")
        replaced = headers.get("x-crossover-redacted", "")
        return Served(
            request_id=headers.get("x-crossover-request-id", request_id),
            deployment=deployment,
            model=headers.get("x-crossover-model", ""),
            zone=headers.get("x-crossover-zone", ""),
            policy=reason.partition(":")[0],
            reason=reason,
            attempts=self._attempts,
            cost=self._cost if final else None,
            dropped=tuple(filter(None, dropped.split(","))),
            local=headers.get("x-crossover-local") == "1",
            redacted=int(replaced) if replaced.isdigit() else 0,
        )


def _meant(error: UpstreamError) -> ServingError:
    """The gateway's own error, as its status and code tell it: a wrong request, nobody who may answer, or a failure.

    What a model says against a request (status 4xx) cannot be told from what the gateway says against it.
    """
    status = error.upstream_status
    if status is None or status < 400:
        return error
    message = _ANSWERED.sub("", error.message)
    if error.code == NoTargetError.kind:
        return NoTargetError(message, status=status, retry_after_s=error.retry_after_s)
    if status < 500:
        code = error.code or "invalid_request"
        return RequestError(message, status=status, code=code, retry_after_s=error.retry_after_s)
    return UpstreamError(
        message,
        upstream=next((kind for kind in get_args(UpstreamKind) if kind == error.code), error.upstream),
        accepted=error.accepted,
        upstream_status=status,
        provider=error.provider,
        retry_after_s=error.retry_after_s,
        code=error.code,
    )


def _money(text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        return None
    return amount if amount.is_finite() else None


def gateway_url(text: str) -> str:
    """A gateway's address from what a person types (``localhost:4000``). Raises InputError."""
    url = text if "://" in text else f"http://{text}"
    try:
        endpoint(url)
    except InputError as error:
        raise InputError(error.message, hint=error.hint or "Write it like http://127.0.0.1:4000", field="url") from None
    return url
