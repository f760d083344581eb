"""An evaluation in a terminal: the verdict first, on any width, without colour, in any encoding."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from crossover.evaluation.controls import Agreement, Control, Controls, Length
from crossover.evaluation.findings import Findings, findings
from crossover.evaluation.log import Answer
from crossover.evaluation.power import power_table
from crossover.evaluation.run import Outcome
from crossover.evaluation.scorers.words import Score
from crossover.evaluation.summary import points
from crossover.money import show
from crossover.reports.evaluation import render, render_power
from crossover.reports.evaluation_axis import interval
from crossover.reports.evaluation_many import plot
from crossover.reports.evaluation_words import apart, named, remarks
from tests.evaluation.parts import changed, samples
from tests.reports.evaluations import many


def found(wrong: int, count: int = 60, **more: Any) -> Findings:
    rows = [changed(row, tags=(f"tag{number % 20}",)) for number, row in enumerate(samples(count))]
    outcomes = {}
    for number, row in enumerate(rows):
        for name in ("ours", "theirs"):
            score = Score(float(name == "theirs" or number >= wrong))
            answer = Answer(key=f"{name}{number}", asked=name, text="[bold]odd\x1b[31m text[/]", seconds=0.5)
            outcomes[row.id, name] = Outcome(sample=row.id, candidate=name, state="scored", score=score, answer=answer)
    facts: dict[str, Any] = {"file": "f", "scorer": "exact", "margin": 0.05, "errors": "as-wrong"}
    return findings(rows, outcomes, ["ours", "theirs"], "theirs", **{**facts, **more})


def printed(one: Findings, width: int = 100, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding=encoding, errors="strict", newline="")
    render(one, Console(file=out, width=width, highlight=False, legacy_windows=False))
    out.flush()
    return raw.getvalue().decode(encoding)


def test_the_verdict_is_the_first_thing_after_the_heading() -> None:
    lines = [line for line in printed(found(30)).splitlines() if line.strip()]
    assert lines[1].strip() == "▌ ours against theirs: worse by more than the margin"


@pytest.mark.parametrize("width", [40, 60, 80, 200])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_any_width_and_encoding(width: int, encoding: str) -> None:
    text = printed(found(30), width, encoding)
    assert all(len(line) <= width for line in text.splitlines())
    assert "\x1b" not in text
    assert "[bold]odd" in text


def test_nothing_is_scored() -> None:
    text = printed(found(0, 1, ended="the budget is spent"))
    assert "inconclusive" in text
    assert "the budget is spent" in text


@pytest.mark.parametrize("wrong", [0, 3, 30, 60])
@pytest.mark.parametrize("margin", [0.0, 0.05, 0.9])
def test_the_gap_is_drawn_inside_the_axis(wrong: int, margin: float) -> None:
    drawn, axis = interval(found(wrong, margin=margin).versus[0].comparison, 50, "red")
    assert drawn.cell_len == 50
    assert drawn.plain.count("●") == 1
    assert "0" in axis.plain


def test_many_candidates_share_an_axis_and_the_dominated_are_named() -> None:
    text = printed(many().findings, 110)
    lines = [line for line in text.splitlines() if line.strip()]
    assert lines[1].strip() == "▌ 1 of 5 candidates can stand in for large-api: frontier-api"
    rows = {line.split()[0]: line for line in lines if "●" in line}
    assert set(rows) == {"small-q4", "small-q8", "small-f16", "middle", "frontier-api"}
    assert rows["small-q4"].index("●") < rows["middle"].index("●") < rows["frontier-api"].index("●")
    assert text.count("Guaranteed:") == 1
    assert "middle: About 1,600 more prompts settle it" in " ".join(text.split())
    (beaten,) = [line for line in lines if line.rstrip().endswith("small-q8") and "small-f16" in line]
    assert "$0.30" in beaten
    assert "dollars per 1,000 answers (log scale)" in text
    assert "Where they differ" not in text


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_many_candidates_fit_any_width(width: int) -> None:
    text = printed(many().findings, width, "ascii")
    assert all(len(line) <= width for line in text.splitlines())
    if 60 <= width < 90:
        assert "#4" in text, "who beats whom is said by rank"


def test_recorded_scores_have_no_frontier_and_no_cost() -> None:
    sides = tuple(changed(side, seconds_p50=None, ttft_p50=None) for side in many().findings.sides)
    text = printed(changed(many().findings, sides=sides), 120)
    assert "Who is beaten by nobody" not in text
    assert "$ per 1,000" not in text


def test_points_of_one_place_stand_beside_each_other() -> None:
    first, second, third, *_ = points(many().findings)
    twins = [first, second, changed(second, name="twin"), third]
    drawn = [line.plain.partition("┤")[2] for line in plot(twins, "per_thousand", "dollars", show)]
    assert any("2 3" in line or "3 2" in line for line in drawn)


def test_what_is_true_of_several_is_said_once() -> None:
    first, second, *_ = many().findings.sides
    sides = [
        changed(one, cut=3, unscored=2, unscorable={"no number": 1, "no": 1}, failures={}) for one in (first, second)
    ]
    assert remarks(sides) == [
        "small-q4, small-q8: 2 answers could not be scored: no number …",
        "small-q4, small-q8: 3 answers cut at the most tokens allowed",
    ]


def test_a_verdict_that_failures_decide_is_marked() -> None:
    plain = found(30)
    assert "count as wrong: this may say" not in " ".join(printed(plain).split())
    sides = (changed(plain.sides[0], failed=20, scored=40), plain.sides[1])
    said = " ".join(printed(changed(plain, sides=sides)).split())
    assert "! 20 of 60 answers of ours failed and count as wrong: this may say more of the connection" in said
    assert "count as wrong: this" not in printed(changed(plain, sides=sides, errors="exclude"))


def test_a_plot_stands_where_figures_differ() -> None:
    placed = points(many().findings)
    drawn = [line.plain for line in plot(placed, "per_thousand", "dollars", show)]
    assert [sum(str(rank) in line.partition("┤")[2] for line in drawn) for rank in (1, 2, 4, 5, 6)] == [1] * 5
    assert not any("3" in line.partition("┤")[2] for line in drawn), "its cost is not known"
    same = [changed(one, per_thousand=1.0) for one in placed]
    assert plot(same, "per_thousand", "dollars", show) == []


@pytest.mark.parametrize(("name", "shown"), [("short", "short"), ("a" * 20 + "|b", "aaaaaa…a|b")])
def test_of_a_long_name_both_ends_are_kept(name: str, shown: str) -> None:
    assert named(name, 10) == shown


def test_names_that_would_look_alike_show_where_they_differ() -> None:
    long = ["Meta-Llama-3_1-8B-Instruct|pred", "Meta-Llama-3_1-70B-Instruct|pred", "gemini-1.5-pro-002|pred", "short"]
    shown = ["…Llama-3_1-8B-Instr…", "…Llama-3_1-70B-Inst…", "gemini-1.5-p…02|pred", "short"]
    assert list(apart(long, 20).values()) == shown
    assert list(apart([f"aaaaaa{digit}{'b' * 20}" for digit in "12"], 8).values()) == ["…aaaa1b…", "…aaaa2b…"]


def test_a_judge_that_failed_gives_no_verdict() -> None:
    canaries = (Control(canary="null", n=20, won=0, counted=0), Control(canary="padded", n=20, won=19, counted=0))
    length = Length(share=0.6, at_equal_length=0.5, mean_ratio=2)
    people = Agreement(n=40, share=0.9, low=0.8, high=0.95, kappa=0.8)
    controls = Controls(
        model="j", canaries=canaries, kin=("OpenAI",), length={"ours": length}, agreement={"ours": people}
    )
    text = printed(changed(found(30), judge=controls), 120)
    assert "ours against theirs: no verdict" in text
    assert "the same answer with padding won 19 of 20 comparisons" in text
    assert "ours wins 60.0 % (a tie counts half), 50.0 % at equal length" in text
    assert "both by OpenAI" in text
    assert "on 90 % of 40 samples" in text
    passed = changed(found(30), judge=changed(controls, canaries=canaries[:1], agreement={}))
    assert "worse by more than the margin" in printed(passed)
    assert "No human labels" in printed(passed)


def test_power_rows() -> None:
    out = io.StringIO()
    render_power(power_table([0.05], [0.2]), Console(file=out, width=100))
    assert "495" in out.getvalue()
