"""Estimates of tokens: never negative, never wildly off, cheap to reason about."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from crossover.chat import (
    ChatRequest,
    EmbedRequest,
    Media,
    Message,
    OutputFormat,
    Part,
    Refused,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    Unknown,
)
from crossover.providers.estimate import (
    IMAGE,
    LOW_IMAGE,
    PER_MESSAGE,
    PER_REQUEST,
    count_images,
    estimate_embed,
    estimate_output,
    estimate_request,
    estimate_text,
    looks_truncated,
)


def ask(*parts: Part, tools: tuple[Tool, ...] = (), output: OutputFormat | None = None) -> ChatRequest:
    return ChatRequest(model="m", messages=(Message("user", parts),), tools=tools, output=output)


# The true counts are of the tokenizer o200k_base.
@pytest.mark.parametrize(
    ("text", "true", "most_off"),
    [
        ("", 0, 0),
        ("a", 1, 0),
        ("The quick brown fox jumps over the lazy dog. " * 10, 101, 0.2),
        ("Alle Menschen sind frei und gleich an Würde und Rechten geboren.", 14, 0.3),
        ("人人生而自由,在尊严和权利上一律平等。他们赋有理性和良心,并应以兄弟关系的精神相对待。", 37, 0.2),
        ("1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30", 59, 0.5),
    ],
)
def test_text_is_close_to_what_a_tokenizer_says(text: str, true: int, most_off: float) -> None:
    assert abs(estimate_text(text) - true) <= true * most_off


@given(st.text())
def test_any_text_has_a_count(text: str) -> None:
    tokens = estimate_text(text)
    assert (tokens == 0) == (text == "")
    assert tokens <= len(text.encode()) or tokens <= 1


def test_half_a_character_does_not_hurt() -> None:
    assert estimate_text("\ud83d") == 1


@given(st.text(), st.text())
def test_longer_prompts_are_not_cheaper(first: str, second: str) -> None:
    assert estimate_request(ask(Text(first), Text(second))) >= estimate_request(ask(Text(first)))


def test_output_is_a_token_per_four_characters_rounded_up() -> None:
    assert [estimate_output(chars) for chars in (0, 1, 4, 5)] == [0, 1, 1, 2]


def test_a_request_counts_every_part_that_is_sent() -> None:
    empty = estimate_request(ask())
    assert empty == PER_REQUEST + PER_MESSAGE
    words = Text("word " * 100)
    for part in (
        words,
        Thinking(text=words.text),
        Thinking(redacted="x" * 400),
        Refused(text=words.text),
        ToolCall(id="1", name="f", arguments=words.text),
        ToolResult(id="1", parts=(words,)),
        Unknown(kind="new", data={"deep": [words.text]}),
    ):
        assert estimate_request(ask(part)) >= empty + 100, part
    schema = {"type": "object", "properties": {f"field_{i}": {"type": "string"} for i in range(20)}}
    assert estimate_request(ask(tools=(Tool(name="f", parameters=schema),))) > empty + 100
    assert estimate_request(ask(output=OutputFormat(kind="schema", schema=schema))) > empty + 100


def test_images_count_by_the_stated_rule_wherever_they_are() -> None:
    image, low = Media(kind="image", url="https://x/y.png"), Media(kind="image", data="AAAA", detail="low")
    request = ask(image, low, ToolResult(id="1", parts=(image,)))
    assert count_images(request) == 3
    assert estimate_request(ask(image)) - estimate_request(ask()) == IMAGE
    assert estimate_request(ask(low)) - estimate_request(ask()) == LOW_IMAGE


def test_sound_and_files_count_by_their_size() -> None:
    empty = estimate_request(ask())
    small = estimate_request(ask(Media(kind="audio", data="A" * 40_000))) - empty
    assert 50 <= small <= 70
    assert estimate_request(ask(Media(kind="file", data="A" * 80_000))) - empty > 1000


def test_token_ids_count_as_what_they_are() -> None:
    assert estimate_embed(EmbedRequest(model="m", inputs=("four", (1, 2, 3)))) == 4


@pytest.mark.parametrize(
    ("estimated", "reported", "context", "cut"),
    [
        (20_000, 4_000, 4_096, True),  # the window of an engine that nobody told how long prompts are
        (20_000, 4_000, None, True),
        (20_000, 18_000, 32_768, False),
        (20_000, 9_000, 32_768, False),  # a language whose tokenizer needs few tokens
        (20_000, 1_000, 131_072, False),  # only what was not cached is counted
        (100, 0, 4_096, False),  # not said
        (20_000, 5_000, 4_096, False),  # more than the window: the window is not what we think
    ],
)
def test_a_silent_cut_is_noticed(estimated: int, reported: int, context: int | None, cut: bool) -> None:
    assert looks_truncated(estimated, reported, context) is cut
