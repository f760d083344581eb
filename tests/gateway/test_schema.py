"""The gateway against its own description: schemathesis makes requests, good and bad, and looks at the answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from crossover.providers.faulty import FaultyServer
from tests.gateway.house import Beside, beside, configured, deployed

schemathesis = pytest.importorskip("schemathesis", reason="the dependency group 'dev' is not installed")
EXAMPLES = 30
OPERATIONS = ("chat", "embed", "models", "model", "health", "ready", "metrics")  # what is left: the description
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
)


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beside]:
    def text(server: FaultyServer) -> str:
        return configured(deployed("a", server))

    with beside(text, tmp_path_factory.mktemp("schema"), FaultyServer("openai"), environ={"KEY": "k"}) as made:
        yield made


@pytest.fixture(scope="module")
def schema(gate: Beside) -> Any:
    return schemathesis.openapi.from_url(f"{gate.url}/openapi.json")


@pytest.mark.parametrize(("name", "good"), [*((name, True) for name in OPERATIONS), ("chat", False), ("embed", False)])
def test_answers_are_as_described(schema: Any, name: str, good: bool) -> None:
    import schemathesis.checks
    from schemathesis.generation import GenerationMode

    operation = next(
        each for each in (result.ok() for result in schema.get_all_operations())
        if each.definition.raw["operationId"] == name
    )  # fmt: skip
    mode = GenerationMode.POSITIVE if good else GenerationMode.NEGATIVE
    checks: list[Callable[..., Any]] = schemathesis.checks.CHECKS.get_by_names(list(CHECKS))

    @settings(
        max_examples=EXAMPLES, derandomize=True, database=None, phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy(generation_mode=mode), known_model=st.booleans())
    def check(case: Any, known_model: bool) -> None:
        if known_model and isinstance(case.body, dict) and "model" in case.body:
            case.body["model"] = "auto"  # else nearly every model would be unknown
        case.call_and_validate(checks=checks)

    check()


def test_every_operation_is_looked_at(schema: Any) -> None:
    found = [result.ok().definition.raw["operationId"] for result in schema.get_all_operations()]
    assert sorted(found) == sorted(OPERATIONS)
