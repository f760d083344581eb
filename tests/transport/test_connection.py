"""The parsing half alone, without sockets: whatever comes, in whatever pieces."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from crossover.errors import UpstreamError
from crossover.transport import Endpoint, Reply
from crossover.transport.connection import Connection

PLACE = Endpoint(scheme="http", host="a.example", port=80)


class Wire:
    """A transport that keeps what was written; also the pool that the connection reports to."""

    def __init__(self) -> None:
        self.open = True
        self.paused = False
        self.released = 0
        self.forgotten = 0

    def write(self, data: bytes) -> None: ...

    def is_closing(self) -> bool:
        return not self.open

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: str) -> Any:
        return self if name == "socket" else None

    def fileno(self) -> int:
        return 0

    def getsockopt(self, *_: int) -> bytes:
        raise OSError("this is no socket")

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def abort(self) -> None:
        self.open = False

    def release(self, connection: Connection) -> None:
        self.released += 1

    def forget(self, connection: Connection) -> None:
        self.forgotten += 1

    def left(self, connection: Connection) -> None: ...


def asked(wire: Wire) -> tuple[Connection, Reply]:
    loop: Any = None  # only a reply that is waited for needs one
    connection = Connection(PLACE, wire, loop, lambda: 0.0, 65536, 10**6)
    connection.connection_made(cast(asyncio.BaseTransport, wire))
    return connection, connection.ask(b"GET / HTTP/1.1\r\n", b"", 1.0, 1.0, 1.0)


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in itertools.pairwise(places)]


NAMES = st.from_regex(r"x-[a-z0-9!#$%&'*+.^_`|~-]{0,12}", fullmatch=True)
VALUES = st.from_regex(r"([!-~]([ -~]{0,20}[!-~])?)?", fullmatch=True)
CHUNKS = st.lists(st.binary(min_size=1, max_size=40), max_size=6)


@given(st.dictionaries(NAMES, VALUES, max_size=6), CHUNKS, st.booleans(), st.lists(st.integers(0, 4000), max_size=30))
def test_an_answer_is_the_same_however_it_is_cut(
    headers: dict[str, str], chunks: list[bytes], chunked: bool, cuts: list[int]
) -> None:
    lines = [f"{name}: {value}" for name, value in headers.items()]
    lines.append("transfer-encoding: chunked" if chunked else f"content-length: {sum(map(len, chunks))}")
    body = b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in chunks) + b"0\r\n\r\n" if chunked else b"".join(chunks)
    wire = Wire()
    connection, reply = asked(wire)
    for piece in split("\r\n".join(("HTTP/1.1 200 OK", *lines, "", "")).encode() + body, cuts):
        connection.data_received(piece)
    assert reply._done
    assert {name: value for name, value in reply.headers.items() if name.startswith("x-")} == headers
    assert b"".join(reply._parts) == b"".join(chunks)
    assert (wire.released, wire.forgotten) == (1, 0)


ALPHABET = [
    b"HTTP/1.1 ",
    b"HTTP/1.0 ",
    b"200 OK",
    b"100 Continue",
    b"101 X",
    b"204 No",
    b"\r\n",
    b"\n",
    b"\r",
    b": ",
    b" ",
]
ALPHABET += [b"content-length", b"transfer-encoding", b"chunked", b"content-encoding", b"gzip", b"connection", b"close"]
ALPHABET += [
    b"upgrade",
    b"keep-alive",
    b"0",
    b"5",
    b"hello",
    b"ffff",
    b";x=y",
    b"\x00",
    b"\xff",
    b"\r\n\r\n",
    b"a",
    b"-1",
]


@given(st.lists(st.sampled_from(ALPHABET) | st.binary(max_size=6), max_size=40), st.booleans())
def test_no_bytes_are_too_strange(pieces: list[bytes], orderly: bool) -> None:
    """Whatever comes, the reply ends, in one way, and the connection is either given back or closed, once."""
    wire = Wire()
    connection, reply = asked(wire)
    for piece in pieces:
        connection.data_received(piece)
    if orderly:
        connection.eof_received()
    connection.connection_lost(None if orderly else ConnectionResetError())
    assert reply._done != isinstance(reply._error, UpstreamError)
    assert reply._line is None
    assert wire.forgotten == 1
    assert wire.released <= 1
    assert not wire.open
    for value in reply.headers.values():
        assert "\r" not in value
        assert "\n" not in value
        assert "\x00" not in value


def test_a_folded_header_never_carries_a_line_break() -> None:
    wire = Wire()
    connection, reply = asked(wire)
    connection.data_received(b"HTTP/1.1 200 OK\r\na: b\r\n c\r\n\td\r\ncontent-length: 0\r\n\r\n")
    assert reply._error is not None or not set(reply.headers.get("a", "")) & set("\r\n")
