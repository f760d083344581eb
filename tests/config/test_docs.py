"""docs/configuration.md and docs/policies.md say what the code does: every field, and examples that load."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest

from crossover.config.fields import FIELDS
from crossover.config.load import load
from crossover.routing.policy import POLICIES
from crossover.routing.words import PolicyName
from crossover.sensitivity import LABELS
from tests.config.page import TABLES, table

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "configuration.md").read_text(encoding="utf-8")
POLICY_PAGE = (DOCS / "policies.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"```toml\n(.*?)```", re.DOTALL)


def test_every_table_has_a_heading() -> None:
    assert set(TABLES) == set(FIELDS)


@pytest.mark.parametrize("shape", TABLES, ids=lambda shape: shape.__name__)
def test_every_field_is_on_the_page(shape: type) -> None:
    section = PAGE.partition(f"\n### {TABLES[shape]}\n")[2].partition("\n#")[0]
    assert table(shape) in section, "python -m tests.config.page prints the tables"


def test_every_label_and_unit_is_explained() -> None:
    assert all(f"`{label}`" in PAGE for label in (*LABELS, "local_only"))


def test_the_whole_example_loads(tmp_path: Path) -> None:
    text = BLOCK.findall(PAGE)[0]
    found = load(text, {"OPENAI_API_KEY": "x"})
    assert found.notes == ()
    settings = found.settings
    tables = set(tomllib.loads(text))
    assert {"server", "zones", "deployments", "aliases", "budgets", "timeouts", "retries"} <= tables
    assert settings.aliases["patients"].sensitivity == "health, local_only"
    assert settings.deployments["gpt-4.1"].timeouts is not None
    assert settings.deployments["gpt-4.1"].timeouts.total == 300


def test_the_examples_of_the_policies_load() -> None:
    settings = load(BLOCK.findall(POLICY_PAGE)[0], {"OPENAI_API_KEY": "x"}).settings
    assert settings.aliases["careful"].policy == "quality_first"


def test_every_policy_is_explained() -> None:
    assert set(POLICIES) == set(get_args(PolicyName))
    assert all(f"| `{policy}` |" in POLICY_PAGE for policy in POLICIES)
