"""The first crossover.toml: whatever was found, it loads, it says why, and it holds no secret."""

from __future__ import annotations

import datetime as dt
import re

import pytest

from crossover.catalog.load import load as load_catalog
from crossover.config.found import FoundModel, keys_in
from crossover.config.load import load
from crossover.config.written import written
from crossover.providers.registry import providers
from tests.config.test_defaults import LLAMA, NOMIC

KNOWN = providers()
TODAY = dt.date(2026, 11, 27)
ALL = {row.key_env: "sk-not-to-be-seen" for row in KNOWN.values() if row.key_env}
SOME = {"OPENAI_API_KEY": "sk-not-to-be-seen"}
FEW = {"AZURE_OPENAI_API_KEY": "sk-not-to-be-seen", "HF_TOKEN": "sk-not-to-be-seen"}
ODD = FoundModel(name='odd "name"\\ of…', provider="vllm", base_url="http://127.0.0.1:8001/v1")


def text_for(models: tuple[FoundModel, ...], environ: dict[str, str]) -> str:
    return written(models, keys_in(environ, KNOWN, load_catalog().hosted, TODAY), KNOWN)


@pytest.mark.parametrize("environ", [{}, SOME, FEW, ALL], ids=["no key", "a key", "keys of unknown use", "all keys"])
@pytest.mark.parametrize(
    "models", [(), (LLAMA,), (NOMIC,), (LLAMA, NOMIC, ODD)], ids=["nothing", "chat", "embeddings", "many"]
)
def test_it_loads_without_a_word(models: tuple[FoundModel, ...], environ: dict[str, str]) -> None:
    text = text_for(models, environ)
    assert "not-to-be-seen" not in text
    assert all(len(line) <= 120 for line in text.splitlines())
    found = load(text, environ)
    assert found.notes == ()
    enabled = {name for name, one in found.settings.deployments.items() if one.enabled}
    for alias in found.settings.aliases.values():
        assert alias.deployments
        assert set(alias.deployments) <= enabled
    assert all(model.name in {one.model for one in found.settings.deployments.values()} for model in models)


def test_own_machines_come_before_the_api() -> None:
    settings = load(text_for((LLAMA,), SOME), SOME).settings
    assert settings.aliases["auto"].deployments == ("llama3.1:8b", "openai")
    assert settings.aliases["auto"].policy == "local_first"
    assert settings.zones["openai"].operator == "provider"


def test_the_embedded_model_does_not_answer_instead_of_an_api() -> None:
    settings = load(text_for((), SOME), SOME).settings
    assert settings.aliases["auto"].deployments == ("openai",)
    assert settings.aliases["embed"].deployments == ("embedded",)


def test_what_nobody_can_complete_stays_disabled() -> None:
    settings = load(text_for((), FEW), FEW).settings
    assert not settings.deployments["azure-openai"].enabled
    assert not settings.deployments["huggingface"].enabled
    assert settings.aliases["auto"].deployments == ("embedded",)


def test_it_loads_on_a_machine_without_the_keys_once_they_are_disabled() -> None:
    text = text_for((), SOME).replace("[deployments.openai]", "[deployments.openai]\nenabled = false")
    assert load(text, {}).settings.deployments["openai"].enabled is False


@pytest.mark.parametrize("environ", [{}, SOME])
@pytest.mark.parametrize("models", [(), (LLAMA,)])
def test_what_is_commented_out_is_good_too(models: tuple[FoundModel, ...], environ: dict[str, str]) -> None:
    """Every line that looks like a setting behind a # may be taken in."""
    text = text_for(models, environ)
    for name in ("tls_cert", "tls_key"):  # files that are not there
        text = "\n".join(line for line in text.splitlines() if name not in line)
    whole = re.sub(r"(?m)^# (?=\[[a-z.\-_]+\]$|[a-z_]+ = )", "", text)
    assert whole.count("\n[") > text.count("\n[")
    found = load(whole, {**environ, "OPENAI_API_KEY": "x"})
    assert found.settings.budgets["all"].usd == 100
    assert found.settings.regimes == ("gdpr",)
