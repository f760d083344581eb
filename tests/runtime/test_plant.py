"""From settings to a plant: addresses, prices, names, budgets."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from crossover.chat import Caller
from crossover.config.load import load
from crossover.config.settings import DeploymentSettings, Settings, ZoneSettings
from crossover.cost.request import UNKNOWN, UNSTATED
from crossover.deployment import PerHour, PerToken, Zone
from crossover.dispatch import Plant
from crossover.egress import Guard
from crossover.errors import InputError
from crossover.ledger.words import PICO, Key
from crossover.providers.http import HttpBackend
from crossover.providers.registry import provider
from crossover.runtime.plant import Site, backend, build, price
from crossover.sensitivity import NOT_SENSITIVE
from crossover.transport import Transport
from crossover.usage import Usage

DAY = dt.date(2026, 11, 27)
ZONES = """
[zones.here]
operator = "own"
[zones.away]
operator = "provider"
party = "somebody"
"""
KEY = Key(id="key_1", name="a", hash="h", created=0.0, budget=5 * PICO, budget_period="day")


def settings_of(text: str) -> Settings:
    return load(ZONES + text, {"KEY": "k"}).settings


def nowhere(one: DeploymentSettings) -> str:
    return "http://127.0.0.1:9/v1"


def site(**more: Any) -> Site:
    told: dict[str, Any] = {"transport": Transport(), "address": nowhere, "keys": {KEY.id: KEY}.get, **more}
    return Site(today=lambda: DAY, **told)


def built(text: str) -> Plant:
    return build(settings_of(text), site())


def deployment(name: str, provider_name: str, more: str = "", zone: str = "away") -> str:
    key = 'api_key = "${KEY}"\n' if zone == "away" else ""
    return f'[deployments."{name}"]\nprovider = "{provider_name}"\nmodel = "m"\nzone = "{zone}"\n{key}{more}\n'


def backend_of(plant: Plant, name: str) -> HttpBackend:
    found = plant.backends[name]
    assert isinstance(found, HttpBackend)
    return found


# ----------------------------------------------------------------------------------------------------------- addresses


def test_only_what_runs_in_this_process_is_asked_for_its_address() -> None:
    asked: list[str] = []

    def address(one: DeploymentSettings) -> str:
        asked.append(one.provider)
        return "http://127.0.0.1:9/v1"

    text = deployment("in", "embedded", zone="here") + deployment("box", "sandbox") + deployment("api", "openai")
    text += deployment("own", "embedded", 'base_url = "http://127.0.0.1:8/v1"', zone="here")
    plant = build(settings_of(text), site(address=address))
    assert asked == ["embedded", "sandbox"]
    assert repr(backend_of(plant, "own").endpoint) == "Endpoint(http://127.0.0.1:8/v1)"
    assert backend_of(plant, "api").endpoint.host == "api.openai.com"


def test_an_own_server_without_an_address_is_a_mistake_and_not_this_process() -> None:
    one = DeploymentSettings(provider="openai-compatible", model="m", zone="here")
    settings = Settings(zones={"here": ZoneSettings(operator="own")})
    with pytest.raises(InputError, match="has no address of its own"):
        backend("a", one, provider("openai-compatible"), settings, site(), Guard())


def test_a_secret_is_shown_by_nothing() -> None:
    plant = built(deployment("api", "openai", 'headers = { x-team = "${KEY}" }'))
    assert "'k'" not in repr(plant)
    assert repr(backend_of(plant, "api")) == "HttpBackend(openai m at api.openai.com:443)"


def test_secrets_in_headers_are_kept_out_of_errors_and_plain_texts_are_not() -> None:
    plant = built(deployment("api", "openai", 'headers = { x-team = "Token ${KEY}", x-plain = "blue" }'))
    assert set(backend_of(plant, "api")._hidden) == {"Token k", "k"}


def test_a_deployment_that_is_off_is_not_there() -> None:
    text = deployment("on", "openai") + deployment("off", "openai", "enabled = false")
    plant = built(text + '[aliases.auto]\ndeployments = ["off", "on"]\n')
    assert list(plant.targets) == ["on"]
    assert plant.routes["auto"].targets == ("on",)


# -------------------------------------------------------------------------------------------------------------- prices


def price_of(text: str, name: str = "a") -> Any:
    return built(text).targets[name].price


def test_the_prices_a_deployment_can_have() -> None:
    used = Usage(input=1_000_000, output=1_000_000)
    assert price_of(deployment("a", "openai-compatible", 'base_url = "http://x.example/v1"')) is UNKNOWN
    assert price_of(deployment("a", "vllm", zone="here")) is UNSTATED
    assert not UNSTATED.known, "an own machine whose hour nobody stated costs something"
    stated = price_of(deployment("a", "openai", "price.input = 1.5\nprice.output = 6"))
    assert stated.cost(used) == 7_500_000_000_000
    cached = price_of(deployment("a", "openai", "price.input = 1.5\nprice.output = 6\nprice.cached_read = 0.75"))
    assert cached.cost(Usage(input=1_000_000, cached_read=1_000_000)) == 750_000_000_000
    hourly = price_of(deployment("a", "vllm", "price.per_hour = 2\nprice.tokens_per_hour = 1e6", zone="here"))
    assert hourly.cost(Usage(input=500_000, output=500_000)) == 2 * PICO
    listed = price_of(deployment("a", "openai").replace('model = "m"', 'model = "gpt-4o-mini"'))
    assert listed.known
    like = price_of(deployment("a", "sandbox", 'price.like = "openai/gpt-4o-mini"'))
    assert like.cost(used) == listed.cost(used)


def test_what_is_billed_by_the_hour_is_local() -> None:
    text = deployment("own", "vllm", zone="here") + deployment("api", "openai")
    plant = built(text)
    assert isinstance(plant.targets["own"].deployment.billing, PerHour)
    assert isinstance(plant.targets["api"].deployment.billing, PerToken)
    assert [plant.targets[name].local for name in ("own", "api")] == [True, False]


def test_a_price_is_that_of_the_day() -> None:
    one = DeploymentSettings(provider="openai", model="gpt-4o-mini", zone="away")
    zone = Zone(name="away", operator="provider", party="openai")
    assert price(one, provider("openai"), zone, DAY).known


# ------------------------------------------------------------------------------------------------- names and abilities


def test_the_names_that_may_be_asked_for() -> None:
    text = deployment("one", "openai") + deployment("two", "openai").replace('"m"', '"only-here"')
    text += deployment("three", "openai") + '[aliases.auto]\ndeployments = ["two", "one"]\nsensitivity = "soft"\n'
    routes = built(text).routes
    assert list(routes) == ["auto", "one", "two", "three", "only-here"], "m is served by two: it names neither"
    assert (routes["auto"].targets, routes["auto"].policy) == (("two", "one"), "local_first")
    assert routes["auto"].sensitivity.tier == "soft"
    assert (routes["only-here"].targets, routes["only-here"].policy) == (("two",), "pinned")
    assert routes["one"].sensitivity is NOT_SENSITIVE


def test_an_alias_wins_over_a_deployment_and_a_model_of_its_name() -> None:
    text = deployment("m", "openai") + deployment("b", "openai") + '[aliases.m]\ndeployments = ["b"]\n'
    assert built(text).routes["m"].targets == ("b",)


def test_local_only_of_the_file_holds_for_every_name() -> None:
    text = 'sensitivity = "local_only"\n' + ZONES + deployment("a", "openai") + '[aliases.x]\ndeployments = ["a"]\n'
    plant = build(load(text, {"KEY": "k"}).settings, site())
    assert all(route.local_only for route in plant.routes.values())


def test_abilities_are_those_of_the_row_but_for_what_is_said() -> None:
    plant = built(deployment("a", "openai", 'can = ["video"]\ncannot = ["tools", "images"]'))
    can = plant.targets["a"].can
    assert "video" in can
    assert not {"tools", "images", "unknown"} & can
    assert plant.targets["a"].dialect == "openai"


# ------------------------------------------------------------------------------------------------------------- budgets


def test_which_budgets_a_request_counts_against() -> None:
    text = deployment("a", "openai") + deployment("b", "openai") + '[aliases.auto]\ndeployments = ["a"]\n'
    text += '[budgets.all]\nusd = 10\n[budgets.team]\nusd = 2.5\nperiod = "week"\nkeys = ["key_1"]\n'
    text += '[budgets.name]\nusd = 1\naliases = ["auto"]\n'
    plant = built(text)

    def names(key: str, model: str) -> list[str]:
        return [budget.name for budget in plant.budgets(Caller(key=key), plant.routes[model])]

    assert names("", "b") == ["all"]
    assert names("", "auto") == ["all", "name"]
    assert names("key_2", "b") == ["all"]
    assert names("key_1", "auto") == ["all", "team", "name", "key:key_1"]
    found = {row.name: (row.limit, row.period) for row in plant.budgets(Caller(key="key_1"), plant.routes["b"])}
    assert found == {
        "all": (10 * PICO, "month"), "team": (5 * PICO // 2, "week"), "key:key_1": (5 * PICO, "day")
    }  # fmt: skip


# -------------------------------------------------------------------------------------------------------------- reload


def test_what_stays_keeps_its_places_and_its_rest() -> None:
    text = deployment("a", "openai", "concurrency = 2\nqueue = 1") + deployment("b", "openai")
    before = built(text)
    assert before.places["a"].take()
    before.health.of("a").trip(0.0, "test")
    later = deployment("a", "openai", "concurrency = 5\nqueue = 3") + deployment("c", "openai")
    after = build(settings_of(later), site(), before)
    assert after.places["a"] is before.places["a"]
    assert (after.places["a"].limit, after.places["a"].queue, after.places["a"].busy) == (5, 3, (1, 0))
    assert after.health.of("a").state(1.0) == "open"
    assert set(after.places) == set(after.health.breakers) == {"a", "c"}


def test_whoever_answers_at_a_providers_is_behind_the_guard_of_its_plant() -> None:
    plant = built(deployment("api", "openai") + deployment("own", "vllm", 'base_url = "http://127.0.0.1:9/v1"', "here"))
    outside = [backend_of(plant, name) for name, row in plant.targets.items() if not row.local]
    assert outside
    assert all(one.guard is plant.guard and one.place in plant.targets for one in outside)
    assert all(backend_of(plant, name).guard is None for name, row in plant.targets.items() if row.local)
    assert built(deployment("api", "openai")).guard is not plant.guard
