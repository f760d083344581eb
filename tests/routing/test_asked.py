from __future__ import annotations

import pytest

from crossover.errors import RequestError, UnknownNameError
from crossover.routing.asked import labelled, mistake, route_of
from crossover.routing.policy import POLICIES
from crossover.routing.words import Route
from crossover.sensitivity import NOT_SENSITIVE, Sensitivity, label

ROUTES = {name: Route(name=name, targets=("a",), policy="local_first") for name in ("chat", "support-chat", "embed")}
HARD = Sensitivity("hard")


def test_a_known_name_with_and_without_a_policy_of_its_own() -> None:
    assert route_of(ROUTES, "chat", None) is ROUTES["chat"]
    assert route_of(ROUTES, "chat", "local_first") is ROUTES["chat"]
    assert route_of(ROUTES, "chat", "fastest").policy == "fastest"


def test_an_unknown_name_offers_its_like() -> None:
    with pytest.raises(RequestError) as caught:
        route_of(ROUTES, "suport chat", None)
    assert (caught.value.status, caught.value.code, caught.value.field) == (404, "model_not_found", "model")
    assert "Did you mean support-chat" in str(caught.value)
    with pytest.raises(RequestError, match="GET /v1/models"):
        route_of(ROUTES, "zzz", None)


def test_an_unknown_policy_offers_its_like() -> None:
    with pytest.raises(RequestError, match="Did you mean cheapest") as caught:
        route_of(ROUTES, "chat", "cheapst")
    assert (caught.value.status, caught.value.code) == (400, "unknown_policy")
    with pytest.raises(RequestError) as caught:
        route_of(ROUTES, "chat", "zzz")
    assert all(name in str(caught.value) for name in POLICIES)


def test_a_name_of_megabytes_is_not_searched_for_nor_repeated() -> None:
    for arguments in (("x" * 20_000_000, None), ("chat", "x" * 20_000_000)):
        with pytest.raises(RequestError) as caught:
            route_of(ROUTES, *arguments)
        assert len(str(caught.value)) < 2000


@pytest.mark.parametrize(
    ("said", "metadata", "expected"),
    [
        (None, None, (NOT_SENSITIVE, False)),
        ("", {}, (NOT_SENSITIVE, False)),
        ("hard", None, (HARD, False)),
        (" Hard , ,soft", None, (HARD, False)),
        (None, {"sensitivity": "hard"}, (HARD, False)),
        (None, {"sensitivity": None}, (NOT_SENSITIVE, False)),
        ("soft", {"sensitivity": "hard"}, (HARD, False)),
        ("hard", {"sensitivity": "none"}, (HARD, False)),
        ("LOCAL_ONLY", {"sensitivity": "soft"}, (Sensitivity("soft"), True)),
        ("soft", {"sensitivity": "local_only"}, (Sensitivity("soft"), True)),
    ],
)
def test_labels(said: str | None, metadata: dict[str, object] | None, expected: tuple[Sensitivity, bool]) -> None:
    assert labelled(NOT_SENSITIVE, False, said, metadata, label) == expected


def test_labels_only_raise() -> None:
    known = label("health")
    assert labelled(known, True, "none", {"sensitivity": "none"}, label) == (known, True)


@pytest.mark.parametrize("stated", [5, True, ["hard"], {"tier": "hard"}])
def test_a_label_that_cannot_be_read_does_not_count_as_none(stated: object) -> None:
    with pytest.raises(RequestError, match=r"metadata.sensitivity"):
        labelled(NOT_SENSITIVE, False, None, {"sensitivity": stated}, label)
    with pytest.raises(UnknownNameError):
        labelled(NOT_SENSITIVE, False, "hart", None, label)
    with pytest.raises(RequestError, match="at most"):
        labelled(NOT_SENSITIVE, False, None, {"sensitivity": "soft," * 1_000_000}, label)


def test_a_mistake_keeps_its_facts() -> None:
    error = mistake(UnknownNameError("regime", "hipa", ["hipaa"], field="regime"))
    assert (error.status, error.code, error.field) == (400, "unknown_name", "regime")
    assert "hipaa" in str(error)
