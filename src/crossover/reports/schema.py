"""The published shape of ``crossover plan --json``, as JSON Schema (draft 2020-12)."""

from __future__ import annotations

from typing import Any

import msgspec

from crossover.planner.words import Plan

SCHEMA_VERSION = 1


def plan_schema() -> dict[str, Any]:
    """The JSON Schema of a plan; fields are added, never renamed or removed."""
    made = msgspec.json.schema(Plan)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"crossover plan, schema version {SCHEMA_VERSION}",
        **made,
    }


def plan_schema_text() -> str:
    """The schema as the file ``docs/schemas/plan.schema.json`` holds it."""
    text = msgspec.json.format(msgspec.json.encode(plan_schema(), order="deterministic"), indent=2).decode()
    return text + "\n"
