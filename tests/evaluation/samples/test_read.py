"""Files of samples: every format, every mistake with its line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crossover.errors import FileError
from crossover.evaluation.samples.read import read_samples, with_groups
from crossover.evaluation.samples.words import Sample, SampleSet


def found(tmp_path: Path, text: str, name: str = "samples.jsonl", **options: Any) -> SampleSet:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    return read_samples(file, **options)


def lines(*rows: object) -> str:
    return "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows)


def one(tmp_path: Path, row: object) -> Sample:
    return found(tmp_path, lines(row)).samples[0]


def mistakes(tmp_path: Path, text: str, name: str = "samples.jsonl") -> list[FileError]:
    with pytest.raises(FileError) as caught:
        found(tmp_path, text, name)
    return [caught.value, *caught.value.more]


# -------------------------------------------------------------------------------------------------------------- shapes


def test_a_line_has_a_prompt_and_what_is_expected(tmp_path: Path) -> None:
    sample = one(tmp_path, {"prompt": "2 + 2", "expected": "4", "tags": ["sum"], "group": "a", "id": "x"})
    assert (sample.id, sample.prompt, sample.expected, sample.tags, sample.group) == (
        "x",
        "2 + 2",
        ("4",),
        ("sum",),
        "a",
    )
    assert sample.line == 1


def test_openai_evals(tmp_path: Path) -> None:
    asked = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Capital?"}]
    sample = one(tmp_path, {"input": asked, "ideal": ["Paris", "paris"]})
    assert [message.role for message in sample.messages] == ["system", "user"]
    assert sample.expected == ("Paris", "paris")


def test_inspect(tmp_path: Path) -> None:
    sample = one(
        tmp_path,
        {"input": "Which?", "choices": ["red", "green"], "target": "B", "id": 7, "metadata": {"level": "easy", "n": 3}},
    )
    assert sample.id == "7"
    assert sample.tags == ("level=easy",)
    assert sample.choices == ("red", "green")
    assert sample.checks[0].scorer == "choice"
    assert sample.prompt.startswith("Which?\n\nA. red\nB. green\n")


@pytest.mark.parametrize("name", ["sandbox", "files", "setup"])
def test_what_inspect_needs_a_sandbox_for_is_refused_by_name(tmp_path: Path, name: str) -> None:
    (error,) = mistakes(tmp_path, lines({"input": "x", "target": "y", name: {"a": "b"}}))
    assert error.field == name
    assert "not supported" in error.message


def test_tools_format_and_parameters(tmp_path: Path) -> None:
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
    row = {"prompt": "x", "tools": [tool], "response_format": form, "max_tokens": 9, "temperature": 0.5, "stop": "\n"}
    sample = one(tmp_path, row)
    assert sample.tools[0].name == "weather"
    assert sample.output is not None
    assert sample.output.schema == {"type": "object"}
    request = sample.request("m")
    assert (request.model, request.max_tokens, request.temperature, request.stop) == ("m", 9, 0.5, ("\n",))
    assert request.tree is None


def test_expected_may_be_a_number_or_an_object(tmp_path: Path) -> None:
    samples = found(tmp_path, lines({"prompt": "a", "expected": 4}, {"prompt": "b", "expected": {"x": 1}})).samples
    assert [sample.expected for sample in samples] == [("4",), ('{"x": 1}',)]


def test_a_sample_brings_its_scorer(tmp_path: Path) -> None:
    sample = one(tmp_path, {"prompt": "a", "scorer": ["exact", {"name": "regex", "value": "^x", "weight": 2}]})
    assert [(check.scorer, check.value, check.weight) for check in sample.checks] == [
        ("exact", None, 1),
        ("regex", "^x", 2),
    ]


def test_csv_with_quotes_line_breaks_and_lists(tmp_path: Path) -> None:
    text = 'id,prompt,expected,tags\n1,"two, or\nmore",yes,"a; b"\n2,plain,"[""x""]",\n'
    samples = found(tmp_path, text, "samples.csv").samples
    assert [(sample.id, sample.prompt, sample.line) for sample in samples] == [
        ("1", "two, or\nmore", 2),
        ("2", "plain", 4),
    ]
    assert samples[0].tags == ("a", "b")
    assert samples[1].expected == ('["x"]',)


def test_a_json_list(tmp_path: Path) -> None:
    assert len(found(tmp_path, json.dumps([{"prompt": "a"}, {"prompt": "b"}]), "samples.json").samples) == 2
    assert len(found(tmp_path, json.dumps({"samples": [{"prompt": "a"}]}), "s.json").samples) == 1


def test_names_that_mean_nothing_are_a_note(tmp_path: Path) -> None:
    notes = found(tmp_path, lines({"prompt": "a", "source": "b"}, {"prompt": "c", "source": "d"})).notes
    assert notes == ("fields that mean nothing here are ignored: source",)


# ------------------------------------------------------------------------------------------------------------ mistakes


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{broken", "is no JSON"),
        ('{"prompt": "a", "expected": ', "it ends in the middle"),
        ('{"prompt": NaN}', "NaN is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("3", "a sample is an object"),
        ('{"expected": "x"}', "it asks nothing"),
        ('{"prompt": "  "}', "there is nothing asked in it"),
        ('{"prompt": "", "expected": "x"}', "there is nothing asked in it"),
        ('{"prompt": 3}', "what is asked is a text or a list of messages"),
        ('{"promt": "a"}', "unknown field 'promt'"),
        ('{"prompt": "a", "messages": []}', ""),
        ('{"messages": [{"role": "nobody", "content": "x"}]}', "role"),
        ('{"prompt": "a", "expected": "x", "ideal": "y"}', "say different things"),
        ('{"prompt": "a", "expected": [["x"]]}', "each right answer"),
        ('{"prompt": "a", "scorer": 3}', "a scorer is a name"),
        ('{"prompt": "a", "scorer": {"name": "exact", "treshold": 1}}', "unknown part"),
        ('{"prompt": "a", "max_tokens": 0}', "max_tokens"),
        ('{"prompt": "a", "id": true}', "an id is a text or a number"),
    ],
)
def test_a_bad_line_is_named_with_its_reason(tmp_path: Path, line: str, said: str) -> None:
    text = lines({"prompt": "fine"}, line, {"prompt": "fine too"})
    if not said:
        assert len(found(tmp_path, text).samples) == 3
        return
    (error,) = mistakes(tmp_path, text)
    assert error.line == 2
    assert said in error.message or said in (error.field or "")
    assert [sample.line for sample in found(tmp_path, text, skip_broken=True).samples] == [1, 3]


def test_all_bad_lines_are_told_at_once(tmp_path: Path) -> None:
    errors = mistakes(tmp_path, lines("{", {"prompt": "a"}, {"promt": "b"}, "]"))
    assert [error.line for error in errors] == [1, 3, 4]
    many = mistakes(tmp_path, "{\n" * 100)
    assert len(many) == 21
    assert "80 more rows are wrong" in many[-1].message


def test_the_id_that_comes_again(tmp_path: Path) -> None:
    (error,) = mistakes(
        tmp_path, lines({"prompt": "a", "id": "x"}, {"prompt": "b", "id": "y"}, {"prompt": "c", "id": "x"})
    )
    assert (error.line, error.message) == (3, "the id 'x' stands in line 1 already")


@pytest.mark.parametrize("text", ["", "\n\n", "[]"])
def test_a_file_without_a_sample(tmp_path: Path, text: str) -> None:
    assert "no sample" in mistakes(tmp_path, text)[0].message


def test_a_csv_row_of_another_width(tmp_path: Path) -> None:
    (error,) = mistakes(tmp_path, "prompt,expected\na,b\nc,d,e\n", "s.csv")
    assert (error.line, error.message) == (3, "it has 3 cells, the header has 2")


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no such file"):
        read_samples(tmp_path / "none.jsonl")


# -------------------------------------------------------------------------------------------------------- fingerprints


def test_the_place_in_the_file_is_no_part_of_a_sample(tmp_path: Path) -> None:
    first, second = found(tmp_path, lines({"prompt": "a", "id": "1"}, {"prompt": "a", "id": "2"})).samples
    assert first.asked() == second.asked()
    assert first.fingerprint() != second.fingerprint()
    (moved,) = found(tmp_path, "\n\n" + lines({"prompt": "a", "id": "1"})).samples
    assert moved.fingerprint() == first.fingerprint()


def test_what_is_asked_twice_counts_as_one_group(tmp_path: Path) -> None:
    read = found(tmp_path, lines({"prompt": "a"}, {"prompt": "b"}, {"prompt": "a"}))
    assert "asked already by another: 1 sample (1, 3)" in read.notes[0]
    groups = [sample.group for sample in with_groups(read.samples)]
    assert groups[0] == groups[2] is not None
    assert groups[1] is None


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
def test_tables_of_other_countries(tmp_path: Path, sign: str) -> None:
    file = tmp_path / "samples.csv"
    file.write_bytes(b"\xef\xbb\xbf" + f"prompt{sign}expected\r\nHello{sign}Hi\r\n".encode())
    (sample,) = read_samples(file).samples
    assert (sample.prompt, sample.expected, sample.line) == ("Hello", ("Hi",), 2)


def test_two_columns_of_one_name(tmp_path: Path) -> None:
    file = tmp_path / "samples.csv"
    file.write_text("prompt,prompt\na,b\n")
    with pytest.raises(FileError, match="two columns are called 'prompt'"):
        read_samples(file)
