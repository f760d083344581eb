from __future__ import annotations

import base64
import hashlib
import re
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from crossover.evaluation.summary import Summary
from crossover.evaluation.words import PHRASES
from crossover.reports import evaluation_html
from crossover.reports.intervals import Scale, plot, scale_of, signed
from tests.reports import evaluations
from tests.reports.test_html import Reader

ALL = [evaluations.two, evaluations.many, evaluations.judged, evaluations.alike, evaluations.nothing]


def reader(summary: Summary) -> Reader:
    return Reader(evaluation_html.page(summary))


def said(page: Reader) -> str:
    return " ".join(" ".join(page.text).split())


def test_the_verdict_comes_first_and_in_words() -> None:
    page = reader(evaluations.two())
    comparison = evaluations.two().findings.versus[0].comparison
    text = said(page)
    assert f"small-7b against large-api: {comparison.phrase}" in text
    assert comparison.advice in text
    assert text.index(PHRASES[comparison.verdict]) < text.index("guaranteed") < text.index("McNemar")


def test_what_was_run_is_in_it() -> None:
    text = said(reader(evaluations.two()))
    for part in (
        "tickets.jsonl", "scored by choice", "margin 5 points, declared before", "small-7b-here", "max_tokens 64",
        "temperature 0.0", "Seed: 7", "2026-11-27 08:", " timeout", "3 broken rows",
    ):  # fmt: skip
        assert part in text


def test_several_candidates_share_a_headline_a_plot_and_a_frontier() -> None:
    summary = evaluations.many()
    page = reader(summary)
    text = said(page)
    assert "1 of 5 candidates can stand in for large-api: frontier-api" in text
    plots = [row["data-chart"] for row in page.named("div") if "data-chart" in row]
    assert plots == ["cost", "time"]
    for one in summary.findings.versus:
        assert one.comparison.advice in text
    assert "beaten by" in text


def test_two_sides_need_no_charting_library() -> None:
    assert len(evaluation_html.page(evaluations.two())) < 200_000
    assert not [row for row in reader(evaluations.two()).named("div") if "data-chart" in row]


@pytest.mark.parametrize("summary", ALL, ids=lambda make: make.__name__)
def test_the_page_is_sound_and_loads_nothing(summary: object) -> None:
    page = reader(summary())  # type: ignore[operator]
    policy = next(row["content"] for row in page.named("meta") if row.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    rules = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert "unsafe" not in policy
    kinds = [attributes.get("type") for attributes in page.named("script")]
    scripts = [text for kind, text in zip(kinds, page.blocks["script"], strict=True) if kind is None]

    def digest(text: str) -> str:
        return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"

    assert set(rules["script-src"].split()) == {digest(text) for text in scripts}
    assert set(rules["style-src"].split()) == {digest(text) for text in page.blocks["style"]}
    for name, attributes in page.tags:
        assert "src" not in attributes, name
        assert not [key for key in attributes if key.startswith(("on", "style"))]
        if name == "a":
            assert (attributes["href"] or "").startswith("#")
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    levels = [int(name[1]) for name, _ in page.tags if re.fullmatch(r"h[1-6]", name)]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_hostile_text_stays_text() -> None:
    text = evaluation_html.page(evaluations.hostile())
    page = Reader(text)
    assert not page.named("img")
    assert len(page.named("script")) == 2
    assert "\u202e" not in page.blocks["style"][0] + " ".join(page.text)
    assert "\x1b" not in text
    assert "alert(1)" in " ".join(page.text)
    assert msgspec.json.decode(page.blocks["script"][0])["versus"][0]["rows"]


def test_a_judge_is_shown_with_its_controls() -> None:
    text = said(reader(evaluations.judged()))
    for part in ("Can the judge be believed?", "judge-api", "padded", "failed", "shares a maker", "40 labels"):
        assert part in text
    assert "No verdict: the judge judge-api failed its controls" in text
    assert "judge" not in said(reader(evaluations.two()))


def test_a_run_that_found_nothing_says_so() -> None:
    text = said(reader(evaluations.nothing()))
    assert "The run is not whole. the budget is spent" in text
    assert "nothing was compared yet" in text
    assert "both sides have the same score" in said(reader(evaluations.alike()))


def test_recorded_answers_need_findings_alone() -> None:
    text = said(reader(Summary(findings=evaluations.two().findings)))
    assert "nobody was asked" in text
    assert "begun" not in text


def test_what_nobody_measured_has_no_column_and_no_plot() -> None:
    found = evaluations.many().findings
    bare = [msgspec.structs.replace(side, seconds_p50=None, ttft_p50=None) for side in found.sides]
    page = reader(Summary(findings=msgspec.structs.replace(found, sides=tuple(bare))))
    text = said(page)
    assert "$ per 1,000" not in text
    assert "first token" not in text
    assert not [row for row in page.named("div") if "data-chart" in row]
    dear = [msgspec.structs.replace(side, per_thousand=None) for side in found.sides]
    page = reader(Summary(findings=msgspec.structs.replace(found, sides=tuple(dear))))
    assert [row["data-chart"] for row in page.named("div") if "data-chart" in row] == ["time"]


def test_disagreements_are_in_the_page_by_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    summary = evaluations.two()
    rows = msgspec.json.decode(reader(summary).blocks["script"][0])["versus"][0]["rows"]
    kept = summary.findings.versus[0].disagreements
    assert [row["sample"] for row in rows] == [row.sample for row in kept]
    assert rows[0]["loss"] == 1
    monkeypatch.setattr(evaluation_html, "MOST_BYTES", 5_000)
    page = reader(summary)
    rows = msgspec.json.decode(page.blocks["script"][0])["versus"][0]["rows"]
    assert 0 < len(rows) < len(kept)
    assert f"{len(kept) - len(rows)} with the smallest losses are only in --json" in said(page)


def test_the_same_run_gives_the_same_page(tmp_path: Path) -> None:
    place = evaluation_html.write(evaluations.two(), tmp_path / "eval.html")
    assert place.read_text(encoding="utf-8") == evaluation_html.page(evaluations.two())


# ------------------------------------------------------------------------------------------------------------ drawings


@pytest.mark.parametrize(
    ("gap", "text"), [(0, "0"), (0.05, "+5"), (-0.0525, "−5.2"), (1, "+100"), (-0.0001, "0"), (0.00051, "+0.1")]
)
def test_gaps_have_a_sign(gap: float, text: str) -> None:
    assert signed(gap) == text


def test_a_scale_holds_everything_and_names_few_marks() -> None:
    for reach in (0.02, 0.03, 0.08, 0.11, 0.3, 0.77, 1.0):
        scale = Scale(reach)
        marks = scale.marks()
        assert 3 <= len(marks) <= 7
        assert marks[len(marks) // 2] == 0
        assert scale.at(0) == 50
        assert 0 < scale.at(-reach) < scale.at(marks[0]) + 1e-9
        assert scale.at(5) == scale.at(reach) < 100
    comparisons = [one.comparison for one in evaluations.many().findings.versus]
    reach = scale_of(comparisons).reach
    assert all(-reach <= one.interval.low <= one.interval.high <= reach for one in comparisons)


def test_an_interval_stands_where_its_figures_say() -> None:
    comparison = evaluations.two().findings.versus[0].comparison
    scale = scale_of([comparison])
    drawn = plot([("small", "open", comparison)])
    assert f'x1="{scale.at(comparison.interval.low):.3f}%" x2="{scale.at(comparison.interval.high):.3f}%"' in drawn
    assert comparison.at_this_look is not None
    assert f'x1="{scale.at(comparison.at_this_look.low):.3f}%"' in drawn
    assert drawn.count('class="edge"') == 2
