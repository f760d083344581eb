from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from crossover.errors import FileError
from crossover.evaluation.log import NAME, VERSION, Answer, Header, line_of
from crossover.evaluation.results import REPORT
from crossover.evaluation.summary import points, read_summary
from tests.reports import evaluations


def test_points_are_sorted_and_say_who_beats_whom() -> None:
    found = {one.name: one for one in points(evaluations.many().findings)}
    assert next(iter(found)) == "frontier-api"
    assert (found["large-api"].gap, found["large-api"].low) == (0, 0)
    assert found["small-f16"].beaten_by == "small-q8"  # dearer, slower and worse
    assert found["middle"].beaten_by == ""  # nobody knows what it costs
    assert found["small-q4"].beaten_by == ""
    assert found["frontier-api"].beaten_by == ""


def test_who_answered_is_counted() -> None:
    rows = {one.name: one for one in evaluations.two().answering}
    assert set(rows) == {"small-7b", "large-api"}
    assert rows["small-7b"].local == rows["small-7b"].answers > 290
    assert rows["large-api"].local == 0
    assert rows["large-api"].models == {"large-api": 300}
    assert (rows["large-api"].first_at, rows["large-api"].last_at) == (
        "2026-11-27T08:00:00+00:00",
        "2026-11-27T08:59:00+00:00",
    )


def test_a_folder_gives_its_summary_again(tmp_path: Path) -> None:
    summary = evaluations.two(60)
    (tmp_path / REPORT).write_bytes(msgspec.json.encode(summary.findings))
    header = Header(
        version=VERSION, started="2026-11-27", file="tickets.jsonl", samples={}, candidates=("small-7b",),
        reference="large-api", scorer="choice", margin=0.05, errors="as-wrong", seed=7, options={"max_tokens": 64},
    )  # fmt: skip
    answer = Answer(key="1", asked="small-7b", sample="ticket-0000", text="billing", model="small", reused=True)
    judged = Answer(key="2", asked="scorer judge", sample="ticket-0000", text="{}")
    (tmp_path / NAME).write_bytes(line_of(header) + line_of(answer) + line_of(judged))
    found = read_summary(tmp_path)
    assert found.findings == summary.findings
    assert found.options == {"max_tokens": 64}
    assert [(one.name, one.answers, one.reused) for one in found.answering] == [("small-7b", 1, 1), ("large-api", 0, 0)]


def test_no_report_or_a_broken_one(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="crossover eval run"):
        read_summary(tmp_path)
    (tmp_path / REPORT).write_text(json.dumps({"file": 3}))
    with pytest.raises(FileError, match="cannot be read"):
        read_summary(tmp_path)
