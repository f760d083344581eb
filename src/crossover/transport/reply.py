"""One answer: its status, its headers, and its body whole or in pieces."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol

from crossover.errors import UpstreamError, UpstreamKind

HEAD, PIECE, ALL = 1, 2, 3  # what a waiter waits for: the headers, anything of the body, the whole body
HIGH_WATER = 256 * 1024  # bytes of an answer held unread before reading pauses
INFLATE_STEP = 256 * 1024  # most bytes that one step of decompression may give

_CODINGS: dict[str, int] = {"gzip": 31, "x-gzip": 31, "deflate": 15}  # zlib's wbits


class Line(Protocol):
    """What a reply asks of the connection it comes on."""

    def resume(self) -> None:
        """Read on, where reading had paused."""

    def fail(self, kind: UpstreamKind, text: str) -> None:
        """Close it at once and end the reply with this error."""


class Reply:
    """An answer whose headers are complete.

    Whoever got one reads it to its end or closes it; ``with`` closes it on every way out. ``connect_s`` is how long its
    connection took to be made, in seconds (0: one that was there). The fields with an underscore are the connection's
    to fill.
    """

    __slots__ = (
        *(
            "_coding",
            "_done",
            "_error",
            "_headers",
            "_inflate",
            "_label",
            "_limit",
            "_line",
            "_loop",
            "_mark",
            "_parts",
        ),
        *("_raw", "_sink", "_size", "_untouched", "_waiter", "_want", "_wbits", "connect_s", "status"),
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, line: Line, label: str, limit: int) -> None:
        self.status = 0
        self.connect_s = 0.0
        self._loop = loop
        self._line: Line | None = line  # None once the answer is complete or failed
        self._label = label
        self._limit = limit
        self._raw: list[tuple[bytes, bytes]] = []
        self._headers: dict[str, str] | None = None
        self._parts: list[bytes] = []
        self._sink: Callable[[bytes], bool] | None = None  # takes pieces in place of _parts
        self._size = 0  # bytes in _parts, or given to the sink by the read that is under way
        self._mark = HIGH_WATER  # more than this is too much for now
        self._want = HEAD
        self._waiter: asyncio.Future[None] | None = None
        self._done = False
        self._error: UpstreamError | None = None
        self._untouched = False  # lost the keep-alive race: certain that no application saw the request
        self._coding = b""  # content-encoding, in lower case
        self._wbits: int | None = None  # zlib's wbits, 0 for a plain body, None before anyone looked
        self._inflate: Any = None  # a zlib decompressor, once a piece was inflated

    def __enter__(self) -> Reply:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def headers(self) -> dict[str, str]:
        """The headers by lower-case name; the values of repeated ones joined by a comma and a blank."""
        found = self._headers
        if found is None:
            found = self._headers = {}
            for raw_name, raw_value in self._raw:
                name = raw_name.decode("latin-1").lower()
                value = raw_value.decode("latin-1").strip(" \t")
                found[name] = f"{found[name]}, {value}" if name in found else value
        return found

    def header(self, name: bytes) -> str:
        """One header (lower-case name), the first of its kind; "" where there is none. Cheaper than all of them."""
        for raw_name, raw_value in self._raw:
            if len(raw_name) == len(name) and raw_name.lower() == name:
                return raw_value.decode("latin-1").strip(" \t")
        return ""

    async def read(self, limit: int | None = None) -> bytes:
        """The whole body (what ``piece`` has not given yet), at most ``limit`` bytes of it.

        Raises UpstreamError: ``malformed`` over the limit or where it cannot be decompressed; ``cut``,
        ``first_byte_timeout``, ``gap_timeout``, ``total_timeout`` where it ended before its end.
        """
        most = self._limit if limit is None else limit
        line = self._line
        if line is not None and self._size <= most:
            self._mark = most
            line.resume()
            await self._wait(ALL)
        if self._error is not None:
            raise self._error
        if self._size > most:
            raise self._give_up(f"over the limit of {most} bytes")
        wbits = self._wbits
        if wbits is None:
            wbits = self._look()
        body = self._take()
        return self._inflated(body, wbits, most) if wbits else body

    async def piece(self) -> bytes:
        """What has arrived since the last call, at least one byte; ``b""`` at the proper end of the body.

        Raises UpstreamError (``cut``, ``malformed``, ``first_byte_timeout``, ``gap_timeout``, ``total_timeout``) where
        the body ended before its end, once everything that did arrive was given.
        """
        wbits = self._wbits
        if wbits is None:
            wbits = self._look()
        while True:
            if wbits and (found := self._inflated_step(wbits)):
                return found
            if self._parts:
                if not wbits:
                    return self._take()
            elif self._error is not None:
                raise self._error
            elif self._done:
                if self._inflate is not None and not self._inflate.eof:
                    raise self._give_up("compressed data that ends too early")
                return b""
            else:
                await self._wait(PIECE)

    async def pour(self, sink: Callable[[bytes], bool]) -> bool:
        """Give ``sink`` every piece the moment it arrives, until it says True ("enough") or the body ends.

        No task is woken for a piece, so this costs a third less than ``piece`` and its moments are exact. ``sink`` must
        not raise, and nothing waits for it: it is for readers that are always quicker than the server. True: it had
        enough, and the body may go on. Raises UpstreamError as ``piece`` does.
        """
        wbits = self._look() if self._wbits is None else self._wbits
        while wbits or self._parts or self._line is None:
            data = await self.piece()
            if not data:
                return False
            if sink(data):
                return True
        self._sink = sink
        try:
            await self._wait(ALL)
        finally:
            self._sink = None
            self._size = 0
        if self._error is not None:
            raise self._error
        return not self._done

    def close(self) -> None:
        """Give up: where the answer is not complete, its connection is closed at once, so that the server sees it."""
        line = self._line
        if line is not None:
            line.fail("cut", "this side closed the connection before the answer was complete")

    async def _wait(self, want: int) -> None:
        """Until the headers, a piece or all is there, or the answer failed. Cancelled: gives up."""
        if self._waiter is not None:
            raise RuntimeError("two tasks wait for the same reply")
        if self._line is None:
            return
        self._want = want
        self._waiter = waiter = self._loop.create_future()
        try:
            await waiter
        except (asyncio.CancelledError, GeneratorExit):
            self._waiter = None
            self.close()
            raise

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)

    def _end(self) -> None:
        """All is there."""
        self._done = True
        self._line = None
        self._wake()

    def _fail(self, kind: UpstreamKind, text: str, untouched: bool) -> None:
        """No more will come."""
        self._error = UpstreamError(text, upstream=kind, accepted=not untouched, upstream_status=self.status or None)
        self._untouched = untouched
        self._line = None
        self._wake()

    def _take(self) -> bytes:
        parts = self._parts
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        self._size = 0
        if self._line is not None:
            self._line.resume()
        return data

    def _give_up(self, why: str) -> UpstreamError:
        """The body is of no use: closes the connection; returns the error, which stays."""
        text = f"{self._label} sent a body that is {why}"
        self.close()
        self._error = UpstreamError(text, upstream="malformed", upstream_status=self.status)
        self._inflate = None
        self._parts.clear()
        self._size = 0
        return self._error

    def _look(self) -> int:
        """How the body is compressed (zlib's wbits), 0 where it is not. Raises UpstreamError for other encodings."""
        said = self._coding.decode("latin-1")
        if said in ("", "identity"):
            self._wbits = 0
        elif said in _CODINGS:
            self._wbits = _CODINGS[said]
        else:
            raise self._give_up(f"encoded as {said[:40]!r}, which was not asked for")
        return self._wbits

    def _inflated(self, body: bytes, wbits: int, most: int) -> bytes:
        """A whole body inflated, never more than ``most`` bytes of it."""
        if not body and self._inflate is None:
            return body
        inflate = self._inflate or zlib.decompressobj(wbits)
        self._inflate = None
        try:
            data: bytes = inflate.decompress(inflate.unconsumed_tail + body, most + 1)
        except zlib.error:
            raise self._give_up("broken compressed data") from None
        if len(data) > most:
            raise self._give_up(f"over the limit of {most} bytes once decompressed")
        if not inflate.eof or inflate.unused_data:
            raise self._give_up("compressed data that ends too early or goes on after its end")
        return data

    def _inflated_step(self, wbits: int) -> bytes:
        """The next inflated bytes, at most INFLATE_STEP of them; empty where there is nothing to inflate yet."""
        if self._inflate is None:
            if not self._parts:
                return b""
            self._inflate = zlib.decompressobj(wbits)
        inflate = self._inflate
        data = inflate.unconsumed_tail or self._take()
        try:
            found: bytes = inflate.decompress(data, INFLATE_STEP)
        except zlib.error:
            raise self._give_up("broken compressed data") from None
        if inflate.unused_data or (inflate.eof and self._parts):
            raise self._give_up("compressed data that goes on after its end")
        return found
