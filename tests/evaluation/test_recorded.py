"""Recorded answers: tables with answers or scores, results of earlier runs, and what does not fit together."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from crossover.errors import FileError, InputError
from crossover.evaluation.findings import Findings, findings
from crossover.evaluation.recorded import Columns, Recorded, found_at, from_runs, from_table
from crossover.evaluation.results import write_results
from tests.evaluation.parts import Model, candidate, changed, sample, samples
from tests.evaluation.test_session import done, tenth_wrong


def table(tmp_path: Path, text: str, scorer: str | None = None, name: str = "t.csv", **more: Any) -> Recorded:
    file = tmp_path / name
    file.write_text(text)
    return asyncio.run(from_table(file, Columns(answers=("a", "b"), **more), scorer))


def values(found: Recorded, name: str) -> list[float | str]:
    outcomes = [found.outcomes[one.id, name] for one in found.samples]
    return [one.state if one.score is None else one.score.value for one in outcomes]


def test_columns_of_scores(tmp_path: Path) -> None:
    found = table(tmp_path, "id,a,b,kind\nx,1,0.5,k\ny,true,False,\nz,pass,,k\n", tags=("kind",))
    assert values(found, "a") == [1, 1, 1]
    assert values(found, "b") == [0.5, 0, "failed"]
    assert [(one.id, one.tags, one.line) for one in found.samples] == [("x", ("k",), 2), ("y", (), 3), ("z", ("k",), 4)]


def test_columns_of_answers(tmp_path: Path) -> None:
    found = table(tmp_path, "prompt,a,b,gold\nq1,B,C,B\nq2,(a),,A\n", "choice", expected="gold")
    assert values(found, "a") == [1, 1]
    assert values(found, "b") == [0, "failed"]
    assert found.samples[0].prompt == "q1"


def test_fields_in_fields(tmp_path: Path) -> None:
    row = {"id": "x", "p": {"gpt-3.5-turbo": 0.3, "gpt": {"4": 0.1}}, "a": 1, "b": {"c": 0}}
    assert found_at(row, "p.gpt-3.5-turbo") == 0.3
    assert found_at(row, "p.gpt.4") == 0.1
    assert found_at(row, "p.none") is None
    file = tmp_path / "t.jsonl"
    file.write_text(json.dumps(row))
    found = asyncio.run(from_table(file, Columns(answers=("p.gpt-3.5-turbo", "b.c")), None))
    assert values(found, "p.gpt-3.5-turbo") == [0.3]


@pytest.mark.parametrize(
    ("text", "more", "said"),
    [
        ("id,a,b\nx,1,2\n", {}, "'2' is no score from 0 to 1"),
        ("id,a,b\nx,1,yep\n", {}, "'yep' is no score"),
        ("id,a,b\nx,1,nan\n", {}, "'nan' is no score"),
        ("id,a,b\nx,1,0\nx,1,0\n", {}, "stands in line 2 already"),
        ("id,a,b\nx,1\n", {}, "2 cells, the header has 3"),
        ("id,a,c\nx,1,0\n", {}, "has no column 'b'"),
        ("id,a,b\nx,1,0\n", {"group": "grp"}, "has no column 'grp'"),
        ("id,a,b\n", {}, "no row in it"),
        ('id,a,b\n"x,1,0\n', {}, "is no CSV"),
        ("id,a,b,gold\nx,1,0,\n", {"expected": "gold", "scorer": "exact"}, "no expected answer"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, more: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        table(tmp_path, text, **more)
    assert said in caught.value.message


@pytest.mark.parametrize(("text", "line"), [("{\n", 1), ('{"a":1,"b":0}\n3\n', 2), ("[1]", 1)])
def test_rows_that_are_none(tmp_path: Path, text: str, line: int) -> None:
    with pytest.raises(FileError) as caught:
        table(tmp_path, text, name="t.jsonl")
    assert caught.value.line == line


def test_runs_are_put_together(tmp_path: Path) -> None:
    rows = samples(30)
    for folder, name, model in (("one", "a", Model()), ("two", "b", Model(tenth_wrong))):
        ended = done(
            tmp_path / folder, rows[: 30 if name == "a" else 25], candidate(name, model), candidate("r", Model()),
            candidates=(name,),
        )  # fmt: skip
        write_results(tmp_path / folder, ended)
    found = from_runs([tmp_path / "one", tmp_path / "two"], ["b", "a"])
    assert len(found.samples) == 25
    assert found.notes == ("left out, because not every run has them: 5 samples",)
    assert values(found, "a") == [1] * 25
    assert values(found, "b").count(0) == 3
    with pytest.raises(InputError, match="nobody called 'c'"):
        from_runs([tmp_path / "one"], ["c", "a"])
    with pytest.raises(FileError, match="no scores here"):
        from_runs([tmp_path / "none"], ["a"])


def test_runs_over_other_questions_do_not_fit(tmp_path: Path) -> None:
    for folder, row in (("one", sample("s")), ("two", sample("s", "another"))):
        ended = done(tmp_path / folder, [row, changed(row, id="t")], candidate("a", Model()), candidate("r", Model()))
        write_results(tmp_path / folder, ended)
    with pytest.raises(InputError, match="is another one"):
        from_runs([tmp_path / "one", tmp_path / "two"], ["a", "r"])


# ----------------------------------------------------------------------------------------------------------- real data


def verdict(file: Path, columns: Columns, scorer: str | None = None) -> Findings:
    found = asyncio.run(from_table(file, columns, scorer))
    return findings(
        found.samples, found.outcomes, columns.answers, columns.answers[-1], file="f", scorer="s", margin=0.05,
        errors="as-wrong",
    )  # fmt: skip


def test_public_results_give_the_verdicts_they_must(shared_data: Path) -> None:
    folder = shared_data / "routing"
    mmlu = verdict(folder / "routellm_mmlu.csv", Columns(answers=("weak_correct", "strong_correct"), tags=("subject",)))
    assert mmlu.versus[0].comparison.verdict == "worse_than_margin"
    assert mmlu.samples == 4143
    math = Columns(answers=("weak_response", "strong_response"), expected="gold")
    assert verdict(folder / "routellm_gsm8k.jsonl", math, "numeric").versus[0].comparison.verdict == "worse_than_margin"
    models = ("Meta-Llama-3_1-70B-Instruct|pred", "gemini-1.5-pro-002|pred")
    pro = verdict(folder / "mmlupro.csv", Columns(answers=models, expected="answer"), "choice").versus[0].comparison
    assert pro.verdict == "worse"
    assert pro.interval.low < -0.05 < pro.interval.high < 0


def test_the_number_scorer_finds_what_others_found(shared_data: Path) -> None:
    columns = Columns(answers=("weak_response", "strong_response"), expected="gold")
    found = asyncio.run(from_table(shared_data / "routing" / "routellm_gsm8k.jsonl", columns, "numeric"))
    text = (shared_data / "routing" / "routellm_gsm8k.jsonl").read_text()
    theirs = [json.loads(line) for line in text.splitlines()]
    same = 0
    for row in theirs:
        for name in ("weak", "strong"):
            same += values_of(found, row["id"], f"{name}_response") == row[f"{name}_correct"]
    assert same / (2 * len(theirs)) > 0.97, "they miss amounts such as $4.00 for 4"


def values_of(found: Recorded, sample_: str, name: str) -> float:
    score = found.outcomes[sample_, name].score
    return 0.0 if score is None else score.value
