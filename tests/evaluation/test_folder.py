from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from crossover.errors import FileError
from crossover.evaluation.folder import read_folder
from crossover.evaluation.log import NAME, VERSION, Answer, Failure, Header, Row, line_of
from crossover.evaluation.results import SCORES, ScoreRow
from crossover.evaluation.samples.read import read_samples, with_groups

ROWS = [
    {"id": "a", "prompt": "one"},
    {"id": "b", "prompt": "one"},
    {"id": "c", "prompt": "two"},
    {"id": "d", "prompt": "x"},
]


def folder(place: Path) -> Path:
    file = place / "samples.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    samples = with_groups(read_samples(file).samples)
    header = Header(
        version=VERSION, started="", file=str(file), samples={one.id: one.fingerprint() for one in samples},
        candidates=("small",), reference="large", scorer="", margin=0.05, errors="exclude", seed=0,
    )  # fmt: skip
    rows: list[Row] = [
        header,
        Answer(key="1", asked="small", sample="a", text="s1"),
        Answer(key="2", asked="large", sample="b", text="l1"),
        Failure(key="3", asked="small", sample="c", code="timeout", message="late"),
        Failure(key="4", asked="large", sample="c", code="no_target", message="may not", withheld=True),
    ]
    (place / NAME).write_bytes(b"".join(line_of(row) for row in rows))
    return place


def test_answers_are_found_again_also_for_samples_that_ask_the_same(tmp_path: Path) -> None:
    found = read_folder(folder(tmp_path))
    assert found.names == ("small", "large")
    assert found.errors == "exclude"
    said = {at: outcome.answer and outcome.answer.text for at, outcome in found.outcomes.items()}
    assert said["a", "small"] == said["b", "small"] == "s1"
    assert said["a", "large"] == said["b", "large"] == "l1"
    states = {at: outcome.state for at, outcome in found.outcomes.items()}
    assert (states["c", "small"], states["c", "large"], states["d", "large"]) == ("failed", "withheld", "missing")
    assert found.notes == ()


def test_names_behind_which_one_model_stands_share_its_answers(tmp_path: Path) -> None:
    folder(tmp_path)
    rows = [
        ScoreRow(sample="a", candidate="small", state="scored", text="not looked at"),
        ScoreRow(sample="d", candidate="small", state="unscored", text="d1"),
        ScoreRow(sample="d", candidate="large", state="failed", detail="timeout: late"),
    ]
    (tmp_path / SCORES).write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    found = read_folder(tmp_path).outcomes
    said = {at: outcome.answer and outcome.answer.text for at, outcome in found.items()}
    assert said["a", "small"] == "s1"
    assert said["d", "small"] == "d1"
    assert (found["d", "large"].state, found["d", "large"].why) == ("failed", "timeout: late")


def test_changed_and_new_samples_are_left_out(tmp_path: Path) -> None:
    folder(tmp_path)
    rows = [*ROWS[:2], {"id": "c", "prompt": "another"}, {"id": "e", "prompt": "new"}]
    (tmp_path / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = read_folder(tmp_path)
    assert [one.id for one in found.samples] == ["a", "b"]
    assert found.notes == ("2 samples of the file are left out: they changed, or are no part of the run",)


def test_samples_that_moved_are_named(tmp_path: Path) -> None:
    folder(tmp_path)
    (tmp_path / "samples.jsonl").rename(tmp_path / "moved.jsonl")
    with pytest.raises(FileError, match="--samples"):
        read_folder(tmp_path)
    assert len(read_folder(tmp_path, samples=tmp_path / "moved.jsonl").samples) == 4


def test_what_is_no_folder_of_results(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no results here"):
        read_folder(tmp_path)
    (tmp_path / NAME).write_bytes(line_of(Answer(key="1", asked="small")))
    with pytest.raises(FileError, match="first line"):
        read_folder(tmp_path)
