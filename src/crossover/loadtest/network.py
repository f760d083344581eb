"""How far away a target is: the time of a TCP connection, about one way there and back, and what TLS takes on top."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from typing import cast

import msgspec

from crossover.errors import UpstreamError
from crossover.transport import Endpoint
from crossover.transport.dial import dial, trust

TRIES = 3
PATIENCE_S = 5.0


class Distance(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds: the quickest of a few connections. ``tls_s`` is None without TLS."""

    round_trip_s: float
    tls_s: float | None = None


async def distance(endpoint: Endpoint, *, clock: Callable[[], float] = time.perf_counter) -> Distance | None:
    """Measure it; None where no connection can be made, or only through a proxy, which would be measured instead."""
    if endpoint.proxy is not None or endpoint.uds is not None:
        return None
    context = await asyncio.to_thread(trust, endpoint.ca_file) if endpoint.scheme == "https" else None
    plain = msgspec.structs.replace(endpoint, scheme="http", ca_file=None)
    try:
        trips = [await _took(plain, None, clock) for _ in range(TRIES)]
        secured = [await _took(endpoint, context, clock) for _ in range(TRIES)] if context is not None else []
    except (UpstreamError, TimeoutError):
        return None
    tls = max(min(secured) - min(trips), 0.0) if secured else None
    return Distance(round_trip_s=min(trips), tls_s=tls)


async def _took(endpoint: Endpoint, context: ssl.SSLContext | None, clock: Callable[[], float]) -> float:
    """Seconds of one connection, names looked up included; the first lookup is usually remembered."""
    begun = clock()
    async with asyncio.timeout(PATIENCE_S):
        made = await dial(endpoint, _Silent, context, PATIENCE_S)
    took = clock() - begun
    made.transport.abort()
    return took


class _Silent(asyncio.Protocol):
    """A connection that is only made."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Kept, to be closed at once."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
