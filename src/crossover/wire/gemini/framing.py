"""The two ways a Gemini stream is cut into pieces: server-sent events, or one JSON array where ``alt=sse`` was missing.

An error in a stream of events may come bare, as lines of JSON without ``data:``.
"""

from __future__ import annotations

import re

from crossover.errors import UpstreamError
from crossover.wire import sse
from crossover.wire.sse import MAX_EVENT, Event

_STEP = re.compile(rb'["\\{}\[\]]')
_SPACE = b" \t\r\n"


class Framer:
    """Cuts one stream into pieces of JSON, whichever way it comes. ``raw`` is always a server-sent event."""

    def __init__(self) -> None:
        self._events = sse.Framer()
        self._array: ArrayFramer | None = None
        self._begun = False

    def feed(self, data: bytes) -> list[Event]:
        """The pieces that ``data`` completes."""
        if not self._begun:
            head = data.lstrip(_SPACE)
            if not head:
                return []
            self._begun = True
            if head.startswith((b"[", b"{")):
                self._array = ArrayFramer()
        if self._array is not None:
            return self._array.feed(data)
        return [_bare(event) for event in self._events.feed(data)]

    def eof(self) -> list[Event]:
        """What the stream ended with."""
        return [] if self._array is not None else [_bare(event) for event in self._events.eof()]


def _bare(event: Event) -> Event:
    """An event without data that is JSON all the same."""
    if event.data:
        return event
    text = event.raw.strip()
    return Event(event.raw, text) if text.startswith((b"{", b"[")) else event


class ArrayFramer:
    """Cuts the elements out of one JSON array (or objects in a row), however it is spread over reads."""

    def __init__(self, most: int = MAX_EVENT) -> None:
        self._most = most
        self._pending = bytearray()
        self._scanned = 0
        self._depth = 0
        self._start = 0
        self._quoted = False

    def feed(self, data: bytes) -> list[Event]:
        """The objects that ``data`` completes."""
        self._pending += data
        found: list[Event] = []
        place = self._scanned
        while (step := _STEP.search(self._pending, place)) is not None:
            place = step.end()
            mark = step[0]
            if self._quoted:
                if mark == b"\\":
                    place += 1
                elif mark == b'"':
                    self._quoted = False
            elif mark == b'"':
                self._quoted = True
            elif mark == b"{":
                if self._depth == 0:
                    self._start = place - 1
                self._depth += 1
            elif mark == b"}" and self._depth:
                self._depth -= 1
                if self._depth == 0:
                    piece = bytes(self._pending[self._start : place])
                    found.append(Event(b"data: " + _line(piece) + b"\r\n\r\n", piece))
        # An escape at the very end leaves the letter after it to the next read.
        self._scanned = max(place, len(self._pending))
        self._forget()
        return found

    def _forget(self) -> None:
        cut = self._start if self._depth else len(self._pending)
        if self._depth == 0 and self._quoted:
            cut = len(self._pending)
        del self._pending[:cut]
        self._scanned -= cut
        self._start = 0
        if len(self._pending) > self._most:
            raise UpstreamError(f"one piece of the stream is larger than {self._most} bytes", upstream="malformed")


def _line(piece: bytes) -> bytes:
    """JSON on one line: line ends stand only between its tokens."""
    return piece.replace(b"\r", b"").replace(b"\n", b"")
