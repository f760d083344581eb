"""Usage as every server that speaks OpenAI's dialect reports it: one reading, whole figures, never an exception."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import CompletionUsage
from openai.types.responses import ResponseUsage

from crossover.errors import UpstreamError
from crossover.usage import MAX_TOKENS, Usage
from crossover.wire.openai_usage import read_finish, read_usage, write_finish, write_responses_usage, write_usage


@pytest.mark.parametrize(
    ("host", "usage", "expected"),
    [
        (
            "openai",
            {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "total_tokens": 150,
                "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 20},
                "completion_tokens_details": {"reasoning_tokens": 30},
            },
            Usage(input=100, output=50, cached_read=60, cache_write_5m=20, reasoning=30),
        ),
        (
            "responses",
            {
                "input_tokens": 100,
                "output_tokens": 50,
                "total_tokens": 150,
                "input_tokens_details": {"cached_tokens": 60},
                "output_tokens_details": {"reasoning_tokens": 30},
            },
            Usage(input=100, output=50, cached_read=60, reasoning=30),
        ),
        (
            "deepseek",
            {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "total_tokens": 150,
                "prompt_cache_hit_tokens": 64,
                "prompt_cache_miss_tokens": 36,
            },
            Usage(input=100, output=50, cached_read=64),
        ),
        (
            "moonshot",
            {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "cached_tokens": 8},
            Usage(input=10, output=5, cached_read=8),
        ),
        (
            "xai counts reasoning beside the completion",
            {
                "prompt_tokens": 32,
                "completion_tokens": 9,
                "total_tokens": 135,
                "completion_tokens_details": {"reasoning_tokens": 94},
            },
            Usage(input=32, output=103, reasoning=94),
        ),
        (
            "openrouter",
            {
                "prompt_tokens": 194,
                "completion_tokens": 2,
                "total_tokens": 196,
                "cost": 0.95,
                "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 100},
            },
            Usage(input=194, output=2, cache_write_5m=100),
        ),
        ("embeddings", {"prompt_tokens": 8, "total_tokens": 8}, Usage(input=8)),
        ("whole numbers as floats", {"prompt_tokens": 8.0, "completion_tokens": 2.0}, Usage(input=8, output=2)),
        (
            "null details",
            {"prompt_tokens": 8, "completion_tokens": 2, "prompt_tokens_details": None},
            Usage(input=8, output=2),
        ),
        ("no prompt", {"completion_tokens": 2}, Usage(output=2, input_basis="estimated")),
        ("no completion", {"prompt_tokens": 2}, Usage(input=2, output_basis="estimated")),
        ("nothing generated", {"prompt_tokens": 2, "completion_tokens": 0}, Usage(input=2)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_usage_of_every_host(host: str, usage: dict[str, Any], expected: Usage) -> None:
    assert read_usage(usage) == expected


@pytest.mark.parametrize("usage", [None, {}, [], "many", {"prompt_tokens": None}, {"prompt_tokens": "8"}, {"cost": 1}])
def test_absent_usage_is_none_and_never_zero(usage: Any) -> None:
    assert read_usage(usage) is None


def test_zeros_are_what_servers_send_that_do_not_count() -> None:
    assert read_usage({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}) is None


def test_llama_cpp_says_it_in_timings() -> None:
    timings = {"cache_n": 290, "prompt_n": 120, "predicted_n": 40}
    assert read_usage(None, timings) == Usage(input=410, output=40, cached_read=290)
    assert read_usage({"prompt_tokens": 410, "completion_tokens": 40}, timings) == Usage(
        input=410, output=40, cached_read=290
    )


counts = st.one_of(st.none(), st.integers(-5, 10**20), st.floats(), st.text(max_size=3), st.booleans())


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "prompt_tokens": counts,
            "completion_tokens": counts,
            "total_tokens": counts,
            "cached_tokens": counts,
            "prompt_tokens_details": st.one_of(counts, st.fixed_dictionaries({"cached_tokens": counts})),
            "completion_tokens_details": st.one_of(counts, st.fixed_dictionaries({"reasoning_tokens": counts})),
        },
    ),
    st.one_of(counts, st.fixed_dictionaries({"prompt_n": counts, "cache_n": counts})),
)
def test_no_figures_of_a_server_raise(usage: dict[str, Any], timings: Any) -> None:
    found = read_usage(usage, timings)
    assert found is None or found.input + found.output <= 2 * MAX_TOKENS


def test_parts_larger_than_the_whole_keep_every_token() -> None:
    usage = {
        "prompt_tokens": 5,
        "completion_tokens": 3,
        "prompt_tokens_details": {"cached_tokens": 9},
        "completion_tokens_details": {"reasoning_tokens": 7},
    }
    assert read_usage(usage) == Usage(input=9, output=7, cached_read=9, reasoning=7)


def test_what_is_written_is_what_the_sdk_reads() -> None:
    usage = Usage(input=100, output=50, cached_read=60, cache_write_5m=10, cache_write_1h=5, reasoning=30)
    chat = CompletionUsage.model_validate(write_usage(usage))
    assert chat.prompt_tokens_details is not None
    assert (chat.total_tokens, chat.prompt_tokens_details.cache_write_tokens) == (150, 15)
    answer = ResponseUsage.model_validate(write_responses_usage(usage))
    assert (answer.input_tokens_details.cached_tokens, answer.output_tokens_details.reasoning_tokens) == (60, 30)
    assert read_usage(write_usage(usage)) == Usage(
        input=100, output=50, cached_read=60, cache_write_5m=15, reasoning=30
    )


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("tool_calls", "tool_calls"),
        ("function_call", "tool_calls"),
        ("content_filter", "content_filter"),
        ("model_length", "length"),
        ("eos_token", "stop"),
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("a reason of tomorrow", "length"),
        (None, None),
        ("", None),
    ],
)
def test_finish_reasons(reason: str | None, finish: str | None) -> None:
    assert read_finish(reason) == finish


@pytest.mark.parametrize("reason", ["error", "network_error", "ERROR", "abort", "cancelled"])
def test_a_failure_is_never_an_end(reason: str) -> None:
    with pytest.raises(UpstreamError) as caught:
        read_finish(reason)
    assert caught.value.upstream == "server_error"


def test_a_full_machine_is_overload() -> None:
    with pytest.raises(UpstreamError) as caught:
        read_finish("insufficient_system_resource")
    assert caught.value.upstream == "overloaded"


def test_stop_after_calls_is_tool_calls() -> None:
    assert read_finish("stop", called=True) == "tool_calls"
    assert read_finish("length", called=True) == "length"
    assert write_finish("pause") == "length"
