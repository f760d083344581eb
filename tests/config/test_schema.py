"""The JSON Schema for editors accepts what the loader accepts, and refuses what editors can know to be wrong."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import jsonschema
import msgspec
import pytest

from crossover.config.fields import FIELDS
from crossover.config.schema import rows, schema, schema_text
from tests.config.files import BASE, changed, loaded

DOCS = Path(__file__).resolve().parents[2] / "docs"
CHECKER = jsonschema.Draft202012Validator(schema())
EXAMPLE = (DOCS / "configuration.md").read_text(encoding="utf-8").partition("```toml\n")[2].partition("```")[0]


def test_the_published_schema_is_that_of_the_code() -> None:
    published = (DOCS / "schemas" / "crossover.schema.json").read_text(encoding="utf-8")
    assert published == schema_text(), "crossover config schema prints it"


def test_every_field_of_every_table_has_a_row_and_no_row_is_left_over() -> None:
    for shape, fields in FIELDS.items():
        assert set(fields) == set(shape.__struct_fields__)
        assert [row[0] for row in rows(shape)] == list(shape.__struct_fields__)
        for field in msgspec.structs.fields(shape):
            row = fields[field.name]
            assert row.meaning
            assert not row.meaning.endswith(".")
            assert row.low <= row.high
            if isinstance(field.default, int | float) and not isinstance(field.default, bool):
                assert row.low <= field.default <= row.high, field.name


@pytest.mark.parametrize("text", [BASE, EXAMPLE, "", 'sensitivity = "health, local_only"'], ids=range(4))
def test_good_files_pass(text: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    CHECKER.validate(tomllib.loads(text))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("port = 4000", "prot = 4000"),
        ("port = 4000", "port = 70_000"),
        ("port = 4000", 'port = "4000"'),
        ("port = 4000", 'drain = "5 years"'),
        ('policy = "local_first"', 'policy = "cheepest"'),
        ('policy = "local_first"', 'sensitivity = "public"'),
        ('operator = "own"', 'operator = "mine"'),
        ('zone = "openai"', ""),
        ("${OPENAI_API_KEY}", "sk-proj-1234"),
        ("[aliases.auto]", '[aliases."a b"]'),
        ('zone = "openai"', 'zone = "openai"\ncannot = ["tols"]'),
    ],
)
def test_what_the_schema_refuses_the_loader_refuses(old: str, new: str) -> None:
    from crossover.errors import FileError

    text = changed(old, new)
    assert list(CHECKER.iter_errors(tomllib.loads(text)))
    with pytest.raises(FileError):
        loaded(text)


def test_defaults_of_the_schema_are_those_of_the_settings() -> None:
    made = json.loads(schema_text())
    assert made["$defs"]["ServerSettings"]["properties"]["port"]["default"] == 4000
    assert made["$defs"]["Timeouts"]["properties"]["gap"]["default"] == 30.0
    assert made["properties"]["policy"]["default"] == "local_first"
