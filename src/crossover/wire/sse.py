"""Server-sent events: bytes in as they come from a socket, whole events out. Bytes only, so no character is ever split.

Lines end with LF, CRLF or a lone CR (WHATWG HTML, section 9.2 "Server-sent events"); an event ends with a blank line.
"""

from __future__ import annotations

import re

import msgspec

from crossover.errors import UpstreamError

MAX_EVENT = 16 * 2**20  # bytes; images in base64 are the largest events that models send
_BOM = b"\xef\xbb\xbf"
# Two line ends in a row. Atomic groups: a CRLF must never be read as a CR and an LF.
_BLANK = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")


class Event(msgspec.Struct, frozen=True, gc=False):
    """One event. ``raw`` is all of it as it came, blank line included; ``data`` is its data lines, joined by LF.

    An event of comments only, or a stray blank line, has empty ``data``. All ``raw`` in a row are the stream.
    """

    raw: bytes
    data: bytes


class Framer:
    """Cuts one stream into events. ``most`` bytes is the largest event; a larger one is UpstreamError ``malformed``."""

    __slots__ = ("_most", "_pending", "_scanned")

    def __init__(self, most: int = MAX_EVENT) -> None:
        self._most = most
        self._pending = bytearray()
        self._scanned = 0

    def feed(self, data: bytes) -> list[Event]:
        """The events that ``data`` completes, in order."""
        # The usual read is one whole event.
        if data.endswith(b"\n\n") and not self._pending and b"\r" not in data and len(data) <= self._most:
            found = _usual(data)
            if found is not None:
                return [Event(data, found)]
        return self._cut(data)

    def eof(self) -> list[Event]:
        """What was left when the stream ended without its last blank line, completed with that line."""
        rest = bytes(self._pending)
        self._pending.clear()
        self._scanned = 0
        if not rest:
            return []
        rest += b"\n" if rest.endswith((b"\n", b"\n\r")) else b"\n\n"
        return [Event(rest, data_of(rest))]

    def _cut(self, data: bytes) -> list[Event]:
        text: bytes | bytearray = data
        if self._pending:
            self._pending += data
            text = self._pending
        events: list[Event] = []
        begin = 0
        plain = text.find(b"\r", self._scanned) < 0
        end = _end(text, self._scanned, plain)
        while end > 0:
            raw = bytes(text[begin:end])
            self._check(end - begin)
            found = _usual(raw) if plain and b"\r" not in raw else None
            events.append(Event(raw, data_of(raw) if found is None else found))
            begin = end
            end = _end(text, begin, plain)
        if text is self._pending:
            del self._pending[:begin]
        else:
            self._pending += data[begin:]
        self._check(len(self._pending))
        # The last three bytes may be the first part of a blank line.
        self._scanned = max(0, len(self._pending) - 3)
        return events

    def _check(self, size: int) -> None:
        if size > self._most:
            raise UpstreamError(f"one event of the stream is larger than {self._most} bytes", upstream="malformed")


def data_of(raw: bytes) -> bytes:
    """The data lines of one event, joined by LF; other fields and comments are left out."""
    found: list[bytes] = []
    for line in raw.removeprefix(_BOM).splitlines():
        if line.startswith(b"data:"):
            found.append(line[6:] if line.startswith(b"data: ") else line[5:])
        elif line == b"data":
            found.append(b"")
    return b"\n".join(found)


def _usual(raw: bytes) -> bytes | None:
    """The data of one data line, alone or after an ``event:`` line; None for any other event. No CR may be in it."""
    last = len(raw) - 2
    first = raw.find(b"\n")
    if first == last:
        return raw[6:last] if raw.startswith(b"data: ") else None
    if raw.startswith(b"event:") and raw.startswith(b"data: ", first + 1) and raw.find(b"\n", first + 1) == last:
        return raw[first + 7 : last]
    return None


def _end(text: bytes | bytearray, start: int, plain: bool) -> int:
    """Where the event that starts at or before ``start`` ends; 0: not yet. ``plain``: no CR from ``start`` on."""
    if plain:
        at = text.find(b"\n\n", start)
        return at + 2 if at >= 0 else 0
    match = _BLANK.search(text, start)
    if match is None:
        return 0
    # A CR that ends what was read may be half of a CRLF: worth a wait, unless every line here ends with a lone CR.
    if match.end() == len(text) and match.group() in {b"\r\n\r", b"\n\r"}:
        return 0
    return match.end()
