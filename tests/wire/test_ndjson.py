"""Lines of JSON: however a stream is cut into reads, the same lines come out."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossover.errors import UpstreamError
from crossover.wire.ndjson import Framer


def lines(*reads: bytes, most: int = 1000) -> list[bytes]:
    framer = Framer(most)
    found = [event.data for read in reads for event in framer.feed(read)]
    return found + [event.data for event in framer.eof()]


def test_the_usual_read_is_one_line() -> None:
    event = Framer().feed(b'{"a":1}\n')[0]
    assert (event.data, event.raw) == (b'{"a":1}', b'{"a":1}\n')


@pytest.mark.parametrize(
    ("stream", "data"),
    [(b"1\n2\n3", [b"1", b"2", b"3"]), (b"1\r\n2\r\n", [b"1", b"2"]), (b"\n1\n", [b"", b"1"]), (b"", [])],
)
def test_every_spelling_of_a_line(stream: bytes, data: list[bytes]) -> None:
    assert lines(stream) == data
    assert lines(*(bytes([byte]) for byte in stream)) == data


@given(
    texts=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=20), max_size=6),
    cuts=st.lists(st.integers(0, 200)),
)
def test_where_a_read_ends_does_not_matter(texts: list[str], cuts: list[int]) -> None:
    stream = b"".join(text.encode() + b"\n" for text in texts)
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    framer = Framer()
    events = [event for a, b in pairwise(places) for event in framer.feed(stream[a:b])]
    assert framer.eof() == []
    assert b"".join(event.raw for event in events) == stream
    assert len(events) == len(texts)


@pytest.mark.parametrize("reads", [(b"x" * 60 + b"\n",), (b"x" * 30, b"y" * 30), (b"x" * 30, b"y" * 30 + b"\n")])
def test_a_line_that_never_ends_is_refused(reads: tuple[bytes, ...]) -> None:
    with pytest.raises(UpstreamError, match="longer than 50 bytes") as caught:
        lines(*reads, most=50)
    assert caught.value.upstream == "malformed"
