"""Server-sent events: however a stream is cut into reads, the same events come out and no byte is lost."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossover.errors import UpstreamError
from crossover.wire.sse import Framer, data_of


def frames(*reads: bytes, most: int = 1000) -> list[bytes]:
    framer = Framer(most)
    found = [event.data for read in reads for event in framer.feed(read)]
    return found + [event.data for event in framer.eof()]


def test_the_usual_read_is_one_event() -> None:
    event = Framer().feed(b'data: {"a":1}\n\n')[0]
    assert (event.data, event.raw) == (b'{"a":1}', b'data: {"a":1}\n\n')


@pytest.mark.parametrize(
    ("stream", "data"),
    [
        (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
        (b"data:a\n\n", [b"a"]),
        (b"data:  a \n\n", [b" a "]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"]),
        (b"data: a\r\rdata: b\r\r", [b"a", b"b"]),
        (b"data: a\r\n\ndata: b\n\r\n", [b"a", b"b"]),
        (b"event: delta\ndata: a\n\nevent: delta\ndata:b\n\n", [b"a", b"b"]),
        (b"event: delta\ndata: a\ndata: b\n\n", [b"a\nb"]),
        (b"event: delta\n\n", [b""]),
        (b"\ndata: a\n\n", [b"a"]),
        (b"event: delta\nid: 7\nretry: 10\ndata: a\n\n", [b"a"]),
        (b": ping\n\ndata: a\n\n", [b"", b"a"]),
        (b": ping\ndata: a\n\n", [b"a"]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b"data\n\n", [b""]),
        (b"database: a\ndata: b\n\n", [b"b"]),
        (b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
        (b"data: a", [b"a"]),
        (b"data: a\n", [b"a"]),
        (b"", []),
    ],
)
def test_every_spelling_of_an_event(stream: bytes, data: list[bytes]) -> None:
    assert frames(stream) == data
    assert frames(*(bytes([byte]) for byte in stream)) == data


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@given(
    texts=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=20), max_size=6),
    cuts=st.lists(st.integers(0, 200)),
)
def test_where_a_read_ends_does_not_matter(end: bytes, texts: list[str], cuts: list[int]) -> None:
    stream = b"".join(b"data: " + text.encode() + end + end for text in texts)
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    framer = Framer()
    events = [event for a, b in pairwise(places) for event in framer.feed(stream[a:b])]
    events += framer.eof()
    assert [event.data.decode() for event in events if event.data] == [text for text in texts if text]
    assert b"".join(event.raw for event in events) == stream


def test_a_cut_inside_a_character_is_no_matter() -> None:
    stream = 'data: {"a":"日本é🙂"}\n\n'.encode()
    assert frames(*(bytes([byte]) for byte in stream)) == [stream[6:-2]]


def test_crlf_is_one_line_end_even_between_two_reads() -> None:
    assert frames(b"data: a\r", b"\ndata: b\r\n\r", b"\n") == [b"a\nb"]


def test_line_ends_of_two_kinds_in_one_event() -> None:
    assert frames(b"data: a\rdata: b", b"\n\n") == [b"a\nb"]


def test_an_event_without_its_blank_line_is_completed_so_that_another_can_follow() -> None:
    for rest in (b"data: a", b"data: a\n", b"data: a\r\n", b"data: a\r\n\r"):
        framer = Framer()
        assert framer.feed(rest) == []
        (event,) = framer.eof()
        assert event.raw.startswith(rest)
        assert [one.data for one in Framer().feed(event.raw + b"data: b\n\n")] == [b"a", b"b"]
        assert framer.eof() == []


@pytest.mark.parametrize("reads", [(b"data: " + b"x" * 60 + b"\n\n",), (b"data: ", b"x" * 60), (b"x" * 30, b"y" * 30)])
def test_an_event_that_never_ends_is_refused(reads: tuple[bytes, ...]) -> None:
    with pytest.raises(UpstreamError, match="larger than 50 bytes") as caught:
        frames(*reads, most=50)
    assert caught.value.upstream == "malformed"


@given(st.binary(max_size=200))
def test_any_bytes_are_framed(stream: bytes) -> None:
    framer = Framer()
    events = framer.feed(stream) + framer.eof()
    assert b"".join(event.raw for event in events).startswith(stream)
    assert all(data_of(event.raw) == event.data for event in events)
