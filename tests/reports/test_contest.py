"""A comparison as terminal, page and JSON: every width, hostile names, nothing measured, one that is gone."""

from __future__ import annotations

import io
import json
import re

import msgspec
import pytest
from rich.console import Console

from crossover.loadtest.contest import Side
from crossover.reports import contest as words
from crossover.reports.contest import Report, report
from crossover.reports.contest_html import Scale, page
from crossover.reports.contest_terminal import render
from crossover.workload import Slo, parse_slo
from tests.loadtest.test_contest import side
from tests.reports.loadtests import HOSTILE


def two(slo: Slo | None = None, factor: float = 1.4, **more: object) -> Report:
    sides = [side("left", [1] * 5), side("right", [factor] * 5, seed=2)]
    return report(sides, slo or Slo(), made_on="2026-11-27", **more)  # type: ignore[arg-type]


def shown(found: Report, width: int = 120) -> str:
    out = io.StringIO()
    render(found, Console(file=out, width=width, force_terminal=False))
    return out.getvalue()


def test_the_better_one_is_named_first() -> None:
    found = two()
    first, second = words.headlines(found)
    assert re.fullmatch(
        r"left gives the first token soonest, after 1\d\d ms \(p50\); right takes 1\.\d+ times as long", first
    )
    assert "output tokens" in second or "writes the most" in second
    assert "takes no part" not in shown(found)


def test_equal_ones_are_called_equal_by_nobody() -> None:
    found = two(factor=1.0)
    assert words.headlines(found)[0].startswith("No difference shown in the first token: left 1")


@pytest.mark.parametrize("width", [40, 80, 200])
def test_it_fits_any_terminal(width: int) -> None:
    text = shown(two(parse_slo("ttft_p95<1s")), width)
    assert max(map(len, text.splitlines())) <= width
    assert "goodput" in text


def test_json_is_json_and_holds_every_pair() -> None:
    found = msgspec.json.decode(msgspec.json.encode(words.as_json(two(absent=[("gone", "it refused")], evidence=3))))
    assert json.loads(json.dumps(found)) == found
    row = next(one for one in found["figures"] if (one["metric"], one["share"]) == ("ttft", 0.5))
    assert row["best"] == ["left"]
    assert row["pairs"][0]["told_apart"]
    assert found["absent"] == [{"name": "gone", "why": "it refused"}]
    assert [one["name"] for one in found["targets"]] == ["left", "right"]


def test_the_page_runs_no_script_and_escapes_names() -> None:
    bad = msgspec.structs.replace(side("x", [1] * 3), name=HOSTILE, left=HOSTILE)
    text = page(report([bad, side("b", [2] * 3, seed=3)], Slo(), absent=[(HOSTILE, HOSTILE)], notes=[HOSTILE]))
    assert "<script" not in text
    assert "\u202e" not in text
    assert "script-src" not in text
    assert "default-src &#x27;none&#x27;" in text
    assert text.count("<svg") == 5


def test_a_page_of_nothing_is_a_page() -> None:
    for sides in ([], [side("a", [])], [side("a", [1])], [Side(name="a", session=side("a", []).session, left="spent")]):
        found = report(sides, Slo())
        assert "<h1>" in page(found)
        assert shown(found)
    assert words.headlines(report([], Slo())) == ["Nothing could be compared"]


def test_unequal_work_is_told() -> None:
    one, other = side("a", [1] * 3), side("b", [1] * 3, seed=2)
    stages = tuple(
        msgspec.structs.replace(
            stage,
            run=msgspec.structs.replace(
                stage.run,
                shots=tuple(msgspec.structs.replace(shot, output=shot.output * 2) for shot in stage.run.shots),
            ),
        )
        for stage in other.session.stages
    )
    longer = msgspec.structs.replace(other, session=msgspec.structs.replace(other.session, stages=stages))
    assert any("answers were not equally long" in note for note in report([one, longer], Slo()).notes)
    assert not report([one, other], Slo()).notes


@pytest.mark.parametrize("values", [[1.0, 1.0], [0.0, 5.0], [1e-6, 1.0], [3.0], [0.0]])
def test_every_scale_has_marks_within_it(values: list[float]) -> None:
    scale = Scale(values)
    assert all(0 <= scale.at(value) <= 100 for value in values)
    assert len(scale.marks()) <= 12
