from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossover.errors import UpstreamError
from crossover.wire.gemini.framing import ArrayFramer, Framer

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=30)
@given(st.lists(st.dictionaries(st.text(max_size=4), JSON, max_size=3), max_size=4), st.integers(1, 40), st.booleans())
def test_every_element_comes_out_once_and_whole(rows: list[dict[str, object]], size: int, pretty: bool) -> None:
    data = json.dumps(rows, indent=1 if pretty else None, ensure_ascii=False).encode()
    framer = ArrayFramer()
    found = []
    for start in range(0, len(data), size):
        found += framer.feed(data[start : start + size])
    assert [json.loads(event.data) for event in found] == rows
    assert [json.loads(event.raw.removeprefix(b"data: ")) for event in found] == rows
    assert all(event.raw.count(b"\n") == 2 for event in found), "one line of data each"


def test_a_piece_without_end_is_refused() -> None:
    framer = ArrayFramer(most=100)
    with pytest.raises(UpstreamError):
        framer.feed(b'[{"a":"' + b"x" * 200)


def test_what_is_between_the_pieces_is_forgotten() -> None:
    framer = ArrayFramer(most=100)
    for _ in range(50):
        assert framer.feed(b"   ,   " * 10) == []
    assert len(framer.feed(b'{"a":1}')) == 1


def test_events_are_events() -> None:
    framer = Framer()
    assert framer.feed(b"\n") == []
    (event,) = framer.feed(b'data: {"a":1}\n\n')
    assert event.data == b'{"a":1}'
