from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossover.chat import Media
from crossover.errors import UpstreamError
from crossover.usage import MAX_TOKENS
from crossover.wire import counts, media, tree, vectors

COUNT = st.integers(-5, 2 * MAX_TOKENS)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b'{"a":"\xff"}', b"[" * 100_000, b'"\\ud800"', b"nan"])
def test_what_is_no_json_is_nothing(data: bytes) -> None:
    assert tree.parse(data) is None


@pytest.mark.parametrize("data", [b"", b"  ", b"[]", b"3", b"{", b"null"])
def test_a_body_that_is_no_object(data: bytes) -> None:
    with pytest.raises(UpstreamError) as caught:
        tree.body_of(data)
    assert caught.value.upstream == ("malformed" if data.strip() else "empty")


@pytest.mark.parametrize(
    ("value", "count"), [(3, 3), (3.0, 3), (0, 0), (-1, None), (1.5, None), ("3", None), (True, None), (None, None)]
)
def test_a_count_is_a_whole_number(value: Any, count: int | None) -> None:
    assert tree.count(value) == count


@given(st.text())
def test_arguments_survive_the_way_through_an_object(text: str) -> None:
    again = tree.text_of_arguments(tree.arguments_of(text))
    assert again == text or tree.parse(again) == (tree.parse(text) if text.strip() else {})


@given(COUNT, COUNT, COUNT, COUNT, COUNT, COUNT)
def test_no_figures_of_a_server_break_the_bill(
    prompt: int, output: int, read: int, five: int, hour: int, think: int
) -> None:
    fields = {"a": prompt, "b": output, "c": read, "d": five, "e": hour, "f": think}
    a, b, c, d, e, f = (counts.count(fields, name) for name in "abcdef")
    usage = counts.usage(prompt=a, output=b, cached_read=c, cache_write_5m=d, cache_write_1h=e, reasoning=f)
    assert usage.input >= usage.cached_read + usage.cache_write_5m + usage.cache_write_1h
    assert usage.output >= usage.reasoning


@pytest.mark.parametrize(
    ("given_", "held"),
    [
        (Media("image", data="iVBORw0KGgoA"), ("image/png", "iVBORw0KGgoA")),
        (Media("image", data="/9j/A"), ("image/jpeg", "/9j/A")),
        (Media("image", data="QQ", mime="image/x"), ("image/x", "QQ")),
        (Media("image", data="QQ"), ("image/png", "QQ")),
        (Media("image", url="data:image/webp;base64,QQ"), ("image/webp", "QQ")),
        (Media("image", url="data:image/png;charset=x;base64,QQ"), ("image/png", "QQ")),
        (Media("image", url="data:;base64,R0lGODQQ"), ("image/gif", "R0lGODQQ")),
        (Media("image", url="data:image/svg+xml,<svg/>"), None),
        (Media("image", url="https://x,y"), None),
        (Media("file"), None),
    ],
)
def test_what_came_with_the_request(given_: Media, held: tuple[str, str] | None) -> None:
    assert media.inline(given_) == held


def test_vectors_in_base64() -> None:
    assert vectors.floats_of("AACAPwAAAEA=") == (1.0, 2.0)
    assert vectors.floats_of((1.0,)) == (1.0,)
    for wrong in ("AAAA", "!"):
        with pytest.raises(UpstreamError):
            vectors.floats_of(wrong)


@pytest.mark.parametrize("value", [None, "x", [1, "x"], [True], {}])
def test_what_is_no_vector_is_empty(value: Any) -> None:
    assert vectors.floats(value) == ()
