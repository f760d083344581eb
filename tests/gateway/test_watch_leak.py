"""What a rule, a shadow, a second opinion and a judge are told: nothing that the first question might not have told.

Real servers stand for every place. Whatever reaches one is judged by what was said of the question: the profile of the
name it was asked under, its labels, and where each place is.
"""

from __future__ import annotations

import json
import random
import re
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from crossover.providers.answers import Answer as Said
from crossover.providers.faulty import FaultyServer
from tests.gateway.house import asked
from tests.serving import gateway, run

CARD, NAME = "4012 8888 8888 1881", "Margarethe Oberhofer"
PAID, OWN = ("paid", "judge", "other"), ("own", "second", "candidate", "lent")
CONFIG = """
[server]
port = 0
[retries]
attempts = 1
backoff = 0
[zones.here]
operator = "own"
[zones.lent]
operator = "rented"
party = "a landlord"
[zones.west]
operator = "provider"
party = "somebody"
agreements = ["dpa", "baa"]
[zones.east]
operator = "provider"
party = "another"
agreements = ["dpa"]
DEPLOYMENTS
[privacy]
profile = "open"
health = false
[privacy.profiles.house]
base = "balanced"
zones = { east = { personal = "local_only" } }
[privacy.profiles.clinic]
base = "open"
zones = { west = { health = "allow" } }
[aliases.private]                     # no names to the east, where the judge is, whose own name is under "open"
deployments = ["own", "paid"]
policy = "cascade"
privacy = "house"
cascade = { confidence = 0.9, second = "second" }
watch = { explore = 0.5, grader = "judge", shadow = "candidate", shadow_share = 1.0 }
[aliases.labelled]                    # health: for the west by its agreement, not for the judge
deployments = ["own", "paid"]
policy = "complexity"
sensitivity = "health"
privacy = "clinic"
watch = { explore = 0.5, grader = "judge", shadow = "candidate", shadow_share = 1.0 }
[aliases.plain]
deployments = ["own", "paid", "other"]
policy = "complexity"
watch = { explore = 0.4, grader = "judge", shadow = "lent", shadow_share = 0.8 }
"""


def deployments(servers: dict[str, FaultyServer]) -> str:
    zones = {**dict.fromkeys(PAID, "west"), "judge": "east", **dict.fromkeys(OWN, "here"), "lent": "lent"}
    return "\n".join(
        f'[deployments.{name}]\nprovider = "{"openai-compatible" if name in PAID else "vllm"}"\n'
        f'model = "model-of-{name}"\nzone = "{zones[name]}"\nbase_url = "{server.url}/v1"\n'
        + ("price = { input = 1, output = 1 }\n" if name in PAID else "")
        for name, server in servers.items()
    )


def question(chance: random.Random, number: int) -> tuple[str, str, dict[str, Any], dict[str, str]]:
    """(name, what stands in it, the body, headers)."""
    model = chance.choice(("private", "private", "labelled", "plain"))
    holds = chance.choice(("nothing", "card", "name", "name", "name"))
    said = {"card": f"My card is {CARD}.", "name": f"Please write to {NAME}.", "nothing": "Thank you."}[holds]
    hard = " Prove it step by step, then write the code in Rust and explain why:\n" * chance.choice((0, 8))
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": f"Number {number}. {said}{hard}"}]}
    headers = {}
    if chance.random() < 0.1:
        headers["x-crossover-sensitivity"] = "local_only"
    elif chance.random() < 0.1:
        body["metadata"] = {"sensitivity": "local_only"}
    if chance.random() < 0.3:
        body["stream"] = True
    return model, holds, body, headers


def number_of(body: bytes) -> int:
    """Which question a body is of."""
    found = re.search(r"Number (\d+)", body.decode())
    assert found is not None
    return int(found[1])


def may_have(place: str, model: str, holds: str, body: dict[str, Any], headers: dict[str, str]) -> bool:
    """Whether a paid place may see the question at all."""
    if headers or "metadata" in body or holds == "card":
        return False
    return place != "judge" or not (model == "labelled" or (model == "private" and holds == "name"))


@pytest.mark.parametrize("seed", range(2))
def test_nothing_is_told_that_the_question_might_not_have_told(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)

    asked_for: dict[int, tuple[str, str, dict[str, Any], dict[str, str]]] = {}

    async def work() -> None:
        async with AsyncExitStack() as stack:
            said = dict.fromkeys((*PAID, *OWN), "no") | {"paid": "yes", "judge": '{"winner": "first"}'}
            servers = {
                name: await stack.enter_async_context(FaultyServer(script=Said(text=text)))
                for name, text in said.items()
            }
            text = CONFIG.replace("DEPLOYMENTS", deployments(servers))
            opened = await stack.enter_async_context(gateway(tmp_path, text))
            watch = opened.station._watch
            assert watch is not None
            for number in range(120):
                asked_for[number] = question(chance, number)
                body, headers = asked_for[number][2:]
                answer = await asked(opened.url, "POST", "/v1/chat/completions", json.dumps(body).encode(), **headers)
                assert answer.status == 200, answer.body
            await watch.settled()
            for place in PAID:
                for seen in servers[place].journal:
                    number = number_of(seen.body)
                    assert may_have(place, *asked_for[number]), (place, asked_for[number], seen.body)
                    assert CARD not in seen.body.decode()
            assert watch.compared > 5
            told = {asked_for[number_of(seen.body)][:2] for seen in servers["paid"].journal}
            assert {("private", "name"), ("labelled", "name"), ("plain", "nothing")} <= told, "it is no walk-over"
            untold = {place for place in servers if not servers[place].journal}
            assert untold <= {"other"}, "everybody else was asked something"

    run(work())
