"""Names as candidates: what answers behind them, at most at which price, and how many at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from crossover.chat import ChatRequest, EmbedRequest, Message, Text
from crossover.config import Paths
from crossover.config.load import load
from crossover.errors import UnknownNameError
from crossover.evaluation.calls import Candidate
from crossover.providers.estimate import estimate_request
from crossover.runtime.evaluating import Room, open_gateway, open_room, parted

CONFIG = """
[zones.own]
operator = "own"
[zones.cloud]
operator = "provider"
party = "someone"
[deployments.mine]
provider = "openai-compatible"
model = "m"
zone = "own"
base_url = "http://127.0.0.1:9/v1"
concurrency = 2
[deployments.api]
provider = "openai-compatible"
model = "a"
zone = "cloud"
base_url = "http://127.0.0.1:9/v1"
price = { input = 1, output = 10 }
[deployments.secret]
provider = "openai-compatible"
model = "s"
zone = "cloud"
base_url = "http://127.0.0.1:9/v1"
max_output = 100
[aliases.both]
deployments = ["mine", "api"]
"""
REQUEST = ChatRequest(model="x", messages=(Message("user", (Text("x" * 397),)),), max_tokens=50)


def look(folder: Path, work: Callable[[Room], None], text: str = CONFIG) -> None:
    async def opened() -> None:
        paths = Paths(config=folder, data=folder, models=folder)
        async with open_room(load(text, {}), paths) as room:
            work(room)

    asyncio.run(opened())


def test_candidates_know_their_limits_and_prices(tmp_path: Path) -> None:
    def work(room: Room) -> None:
        mine, api, both, secret = (room.candidate(name, {}) for name in ("mine", "api", "both", "secret"))
        assert (mine.paid, mine.highest(REQUEST), mine.limits) == (False, Decimal(0), (("mine", 2),))
        prompt = int(estimate_request(REQUEST) * 1.25)
        assert api.highest(REQUEST) == Decimal(prompt + 50 * 10) / 10**6
        assert api.highest(EmbedRequest(model="x", inputs=("y " * 200,))) == Decimal(125) / 10**6
        assert (both.paid, both.highest(REQUEST)) == (True, api.highest(REQUEST))
        assert both.limits == (("mine", 2), ("api", 0))
        assert secret.highest(REQUEST) is None

    look(tmp_path, work)


def test_what_answers_is_known_by_more_than_its_name(tmp_path: Path) -> None:
    found: list[Candidate] = []

    def work(room: Room) -> None:
        found.extend(room.candidate(name, {}) for name in ("mine", "api", "both", "both@cheapest"))

    look(tmp_path, work)
    mine, api, both, cheapest = (one.identity for one in found)
    assert len({mine, api, both, cheapest}) == 4
    assert (found[3].model, found[3].policy) == ("both", "cheapest")
    look(tmp_path, work, CONFIG.replace('model = "m"', 'model = "m2"'))
    assert found[4].identity != mine


def test_what_an_alias_says_of_its_choice_is_a_part_of_it(tmp_path: Path) -> None:
    found: list[str] = []

    def work(room: Room) -> None:
        found.append(room.candidate("both", {}).identity)

    look(tmp_path, work)
    look(tmp_path, work, CONFIG + "overflow = true\n")
    look(tmp_path, work, CONFIG + "overflow = false\n")
    assert found[0] == found[2] != found[1]


def test_nobody_asks_for_log_probabilities_where_none_are_given(tmp_path: Path) -> None:
    asked = {"logprobs": True, "top_logprobs": 2, "max_tokens": 8}

    def work(room: Room) -> None:
        assert room.candidate("mine", asked).options == asked
        assert room.candidate("api", asked).options == {"max_tokens": 8}
        assert room.candidate("both", asked).options == {"max_tokens": 8}, "else it would choose another one"

    look(tmp_path, work, CONFIG.replace('model = "a"', 'model = "a"\ncannot = ["logprobs"]'))


def test_the_weights_of_an_embedded_model_are_a_part_of_it(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    text = '[zones.own]\noperator = "own"\n[deployments.tiny]\nprovider = "embedded"\nmodel = "crossover-tiny"\n'
    text += 'zone = "own"'

    def work(room: Room) -> None:
        assert ":" in room.digest("tiny")
        assert room.digest("tiny") in room.candidate("tiny", {}).identity

    look(tmp_path, work, text)


def test_nobody_by_that_name(tmp_path: Path) -> None:
    def work(room: Room) -> None:
        with pytest.raises(UnknownNameError) as caught:
            room.candidate("min", {})
        assert caught.value.nearest[0] == "mine"
        with pytest.raises(UnknownNameError, match=r"--reference: unknown model 'nobody'\. There are a, api, both"):
            room.candidate("nobody", {}, "--reference")

    look(tmp_path, work)


def test_names_and_policies() -> None:
    assert parted("auto@cheapest") == ("auto", "cheapest")
    assert parted("team@home") == ("team@home", None)
    assert parted("@cheapest") == ("@cheapest", None)


def test_behind_a_gateway_nobody_knows_prices() -> None:
    async def work() -> None:
        async with open_gateway("localhost:4000", None, 5.0) as room:
            one = room.candidate("auto", {})
            assert (one.paid, one.highest(REQUEST), one.limits) == (True, None, ())

    asyncio.run(work())
