from __future__ import annotations

import io

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from crossover.errors import UnknownNameError
from crossover.evidence import Band
from crossover.planner.words import Plan
from crossover.reports import terminal
from crossover.reports.paper import cost_bar, span_bar
from tests.reports import plans


def shown(plan: Plan, width: int = 80, *, top: int = 8) -> str:
    out = io.StringIO()
    terminal.render(plan, Console(file=out, width=width, color_system=None), top=top)
    return out.getvalue()


def in_encoding(plan: Plan, encoding: str) -> bytes:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, errors="strict", newline="")
    terminal.render(plan, Console(file=stream, width=80, color_system=None))
    stream.flush()
    return raw.getvalue()


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 160, 240])
def test_no_line_is_wider_than_the_console(width: int) -> None:
    assert max(cell_len(line) for line in shown(plans.sample(), width).splitlines()) <= width


def test_the_first_screen_says_what_to_do_and_why() -> None:
    plan = plans.sample()
    first = " ".join("\n".join(shown(plan, 120).splitlines()[:40]).split())
    for text in (plan.verdict.headline, *plan.verdict.reasons, plan.verdict.caveat):
        assert text in first
    assert "$40,000" in first
    assert "GPT-4o (OpenAI)" in first


@pytest.mark.parametrize("width", [80, 120])
def test_every_section_is_there(width: int) -> None:
    text = shown(plans.sample(), width)
    for heading in (
        "Options",
        "Break-even",
        "What would change the answer",
        "Budgets in reach",
        "Refused",
        "Rules applied",
        "Biggest uncertainties",
        "Notes",
    ):
        assert f" {heading} " in text
    flat = " ".join(text.split())
    assert "A month is 30 days (720 h)" in flat
    assert "312 options: 41 refused, 205 bounded by arithmetic, 66 simulated" in flat
    assert "last checked more than 90 days ago" in flat
    assert "1 more between" in flat


def test_ascii_only_where_the_encoding_has_no_more() -> None:
    raw = in_encoding(plans.sample(), "ascii")
    assert b"####" in raw
    lines = raw.decode("ascii").splitlines()
    assert max(map(len, lines)) <= 80
    assert "█" in in_encoding(plans.sample(), "utf-8").decode()


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_hostile_text_neither_moves_the_cursor_nor_becomes_markup(encoding: str) -> None:
    text = in_encoding(plans.hostile(), encoding).decode(encoding)
    assert "\x1b" not in text
    assert "[bold red]x[/]" in " ".join(text.split())


def test_lone_surrogates_do_not_break_the_output() -> None:
    plan = msgspec.structs.replace(plans.sample(), notes=("broken \ud800 text \u202e reversed",))
    text = in_encoding(plan, "utf-8").decode()
    assert "broken ? text  reversed" in text


def test_a_plan_with_nothing_but_one_option() -> None:
    text = shown(plans.smallest())
    assert "Llama 3.3 70B on Groq" in text
    assert "Break-even" not in text


def test_colour_is_used_where_the_console_has_it() -> None:
    out = io.StringIO()
    terminal.render(plans.sample(), Console(file=out, width=80, force_terminal=True, color_system="standard"))
    assert "\x1b[" in out.getvalue()


@pytest.mark.parametrize("width", [50, 80, 140])
def test_explain_shows_every_line_of_the_bill_with_its_basis(width: int) -> None:
    plan = plans.sample()
    out = io.StringIO()
    terminal.explain(plan, plans.HYBRID, Console(file=out, width=width, color_system=None))
    text = out.getvalue()
    assert max(cell_len(line) for line in text.splitlines()) <= width
    flat = " ".join(text.split())
    option = next(option for option in plan.options if option.id == plans.HYBRID)
    if width >= 80:
        for line in option.lines:
            assert line.name in flat
            assert line.note in flat or len(line.note) > 20
    assert "$19,800" in flat
    assert "rank 4 of 11" in flat
    assert "11 % of requests to Llama 3.3 70B on Groq" in flat
    assert "ttft_p95<1s: met, reached 580 ms" in flat
    assert "unverified, stale" in flat


@pytest.mark.parametrize("name", ["5", "#5", plans.OWN, plans.OWN.upper().replace("_", "-")])
def test_an_option_is_found_by_rank_and_id(name: str) -> None:
    out = io.StringIO()
    terminal.explain(plans.sample(), name, Console(file=out, width=100, color_system=None))
    assert "rank 5 of 11" in out.getvalue()


def test_every_option_can_be_explained() -> None:
    for plan in (plans.sample(), plans.hostile()):
        for option in plan.options:
            out = io.StringIO()
            terminal.explain(plan, option.id, Console(file=out, width=80))
            assert out.getvalue().strip()


@pytest.mark.parametrize("name", ["openai/gpt-4oo", "0", "99", "", "²"])
def test_an_unknown_option_names_the_nearest(name: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        terminal.explain(plans.sample(), name, Console(file=io.StringIO()))
    assert caught.value.exit_code == 2
    if name.startswith("openai"):
        assert "Did you mean openai/gpt-4o" in caught.value.sentence()


amounts = st.floats(0, 1e12)


@settings(max_examples=100)
@given(st.lists(amounts, min_size=3, max_size=3).map(sorted), amounts, st.integers(4, 40))
def test_a_bar_has_its_width_and_its_marks_in_order(values: list[float], full: float, width: int) -> None:
    text = cost_bar(Band(*values), full, width, "red").plain
    assert len(text) == width
    assert text.count("┼") <= 1
    if "┤" in text:
        assert text.index("┤") > text.find("┼")


@settings(max_examples=100)
@given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9), st.integers(4, 40))
def test_a_span_has_its_width(first: float, second: float, width: int) -> None:
    low, high = min(first, second, 0.0), max(first, second, 0.0)
    text = span_bar(first, second, low, high, width)
    assert len(text.plain) == width
    assert "━" in text.plain or "┼" in text.plain
