from __future__ import annotations

import json
from pathlib import Path

import pytest

from crossover.chat import OutputFormat
from crossover.errors import InputError, ScoringError
from crossover.evaluation.scorers.structured import contains_json, json_fields, json_schema, tool_calls
from crossover.evaluation.scorers.words import Answered
from tests.evaluation.scorers.parts import given, right

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}, "s": {"pattern": "^a+$"}}, "required": ["n"]}


def test_valid_by_a_schema(tmp_path: Path) -> None:
    assert right(json_schema(given('{"n": 1}')))
    assert right(json_schema(given('{"n": 1, "s": "aa"}', value=SCHEMA)))
    score = json_schema(given('{"n": "1"}', value=SCHEMA))
    assert (score.value, score.detail) == (0.0, "n: '1' is not of type 'integer'")
    assert json_schema(given('{"n": 1, "s": "b"}', value=SCHEMA)).value == 0
    file = tmp_path / "schema.json"
    file.write_text(json.dumps(SCHEMA))
    assert json_schema(given("{}", argument=str(file))).value == 0
    assert json_schema(given("{}", output=OutputFormat(kind="schema", schema=SCHEMA))).value == 0


@pytest.mark.parametrize("answer", ["", "```json\n{}\n```", "{} and more", '{"a": NaN}', "[" * 100_000, "{'a': 1}"])
def test_what_a_program_could_not_read_is_wrong(answer: str) -> None:
    assert json_schema(given(answer)).value == 0


def test_json_among_words() -> None:
    assert right(contains_json(given('Here: {"n": 2} as asked', value=SCHEMA)))
    assert right(contains_json(given('```json\n{"n": 2}\n```', value=SCHEMA)))
    assert contains_json(given("none {here]")).value == 0


def test_a_schema_that_is_none() -> None:
    with pytest.raises(InputError, match="JSON schema is wrong"):
        json_schema(given("{}", value={"type": "objct"}))


def test_no_reference_leads_out_of_a_schema() -> None:
    with pytest.raises(ScoringError, match="points to what is not in it"):
        json_schema(given('{"a": 1}', value={"$ref": "http://127.0.0.1:1/schema.json"}))


def test_fields_one_by_one() -> None:
    right_ = '{"order": "A-1", "amount": 19.9, "who": {"name": "Ann"}, "tags": ["x"]}'
    score = json_fields(
        given('Sure: {"order": " A-1", "amount": 19.90, "who": {"name": "Bob"}, "tags": ["x"]}', right_)
    )
    assert score.value == 0.75
    assert score.parts == {"order": 1, "amount": 1, "who.name": 0, "tags": 1}
    assert score.detail == "wrong: who.name"
    assert json_fields(given('{"order": "A-1"}', right_, argument="order")).value == 1
    assert json_fields(given("no json", right_)).value == 0
    assert json_fields(given('{"amount": "19.9"}', '{"amount": 19.9}')).value == 0, "a text is no number"
    assert json_fields(given('{"a": true}', '{"a": 1}')).value == 0
    assert json_fields(given('{"a": null}', '{"a": null}')).value == 1
    assert json_fields(given("{}", '{"a": null}')).value == 0, "absent is not null"


def test_fields_need_json_to_compare_with() -> None:
    for expected, argument in (("no json", ""), ("{}", ""), ('{"a": 1}', "b")):
        with pytest.raises(ScoringError):
            json_fields(given("{}", expected, argument=argument))


def test_tool_calls() -> None:
    asked = given("", '[{"name": "f", "arguments": {"x": 1}}, {"name": "g", "arguments": {}}]')

    def score(*calls: tuple[str, str]) -> float:
        from msgspec.structs import replace

        return tool_calls(replace(asked, answer=Answered(text="", calls=calls))).value

    assert score(("g", "{}"), ("f", '{"x":1}')) == 1
    assert score(("f", '{"x": 1}')) == 0.5
    assert score(("f", '{"x": 2}'), ("g", "nonsense")) == 0
    assert score(("f", '{"x": 1}'), ("g", "{}"), ("g", "{}")) == pytest.approx(2 / 3)
