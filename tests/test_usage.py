"""Usage: parts stay within the whole, and adding keeps every token."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossover.errors import InputError
from crossover.usage import MAX_TOKENS, Basis, Usage, add

COUNTS = ("input", "output", "cached_read", "cache_write_5m", "cache_write_1h", "reasoning", "images")


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    read, short, long, plain = (draw(st.integers(0, 10**9)) for _ in range(4))
    thought, said = draw(st.integers(0, 10**9)), draw(st.integers(0, 10**9))
    basis = st.sampled_from(get_args(Basis))
    into: Basis = draw(basis)
    out: Basis = draw(basis)
    return Usage(
        input=read + short + long + plain,
        output=thought + said,
        cached_read=read,
        cache_write_5m=short,
        cache_write_1h=long,
        reasoning=thought,
        images=draw(st.integers(0, 100)),
        input_basis=into,
        output_basis=out,
    )


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("value", [-1, MAX_TOKENS + 1, float("nan"), float("inf")])
def test_absurd_counts_are_refused(name: str, value: float) -> None:
    with pytest.raises(InputError, match="a count of tokens cannot be") as caught:
        Usage(**{name: value})  # type: ignore[arg-type]
    assert caught.value.field == name


def test_cached_tokens_are_a_part_of_the_input() -> None:
    assert Usage(input=10, cached_read=4, cache_write_5m=3, cache_write_1h=3).cached_read == 4
    with pytest.raises(InputError, match="parts of the input"):
        Usage(input=10, cached_read=8, cache_write_5m=3)


def test_reasoning_is_a_part_of_the_output() -> None:
    with pytest.raises(InputError, match="part of the output"):
        Usage(output=3, reasoning=4)


@given(usages(), usages())
def test_adding_keeps_every_token_and_does_not_mind_the_order(first: Usage, second: Usage) -> None:
    total = add(first, second)
    assert total == add(second, first)
    assert all(getattr(total, name) == getattr(first, name) + getattr(second, name) for name in COUNTS)
    assert (total.input_basis == "measured") == (first.input_basis == second.input_basis == "measured")
    assert (total.output_basis == "measured") == (first.output_basis == second.output_basis == "measured")


@given(usages())
def test_nothing_added_changes_nothing(usage: Usage) -> None:
    assert add(usage, Usage()) == usage


def test_a_sum_beyond_belief_is_refused() -> None:
    with pytest.raises(InputError, match="cannot be"):
        add(Usage(input=MAX_TOKENS), Usage(input=1))
