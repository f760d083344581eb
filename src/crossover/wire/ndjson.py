"""Newline-delimited JSON: bytes in as they come from a socket, whole lines out."""

from __future__ import annotations

from crossover.errors import UpstreamError
from crossover.wire.sse import MAX_EVENT, Event


class Framer:
    """Cuts one stream into lines. ``most`` bytes is the longest line; a longer one is UpstreamError ``malformed``.

    An event's ``raw`` is the line with its end, ``data`` the line without it and without spaces around.
    """

    __slots__ = ("_most", "_pending")

    def __init__(self, most: int = MAX_EVENT) -> None:
        self._most = most
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[Event]:
        """The lines that ``data`` completes, in order."""
        # The usual read is one whole line.
        if not self._pending and data.find(b"\n") == len(data) - 1 and 0 < len(data) <= self._most:
            return [Event(data, data.strip())]
        end = data.find(b"\n") + 1
        if not end:
            self._pending += data
            self._check(len(self._pending))
            return []
        first = bytes(self._pending) + data[:end]
        self._pending.clear()
        events = [self._event(first)]
        while True:
            begin = end
            end = data.find(b"\n", begin) + 1
            if not end:
                break
            events.append(self._event(data[begin:end]))
        self._pending += data[begin:]
        self._check(len(self._pending))
        return events

    def eof(self) -> list[Event]:
        """The last line where the stream ended without its line end, completed with one."""
        rest = bytes(self._pending)
        self._pending.clear()
        return [Event(rest + b"\n", rest.strip())] if rest else []

    def _event(self, raw: bytes) -> Event:
        self._check(len(raw))
        return Event(raw, raw.strip())

    def _check(self, size: int) -> None:
        if size > self._most:
            raise UpstreamError(f"one line of the stream is longer than {self._most} bytes", upstream="malformed")
