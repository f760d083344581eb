"""What is found becomes names that the configuration accepts; keys are found by the name of their variable."""

from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from crossover.catalog import match
from crossover.catalog.load import load as load_catalog
from crossover.config.found import FoundModel, first_model, keys_in, named
from crossover.config.read import NAME
from crossover.providers.registry import providers

TODAY = dt.date(2026, 11, 27)


def model(name: str, provider: str = "ollama") -> FoundModel:
    return FoundModel(name=name, provider=provider)


def test_names() -> None:
    found = named([
        model("llama3.1:8b"), model("llama3.1:8b", "vllm"), model("llama3.1:8b", "vllm"),
        model("/models/my model.Q4.gguf", "llamacpp"), model("meta-llama/Llama-3.1-8B", "vllm"), model("…"),
    ])  # fmt: skip
    assert list(found) == [
        "llama3.1:8b", "vllm-llama3.1:8b", "vllm-llama3.1:8b-2", "my-model.Q4", "meta-llama/Llama-3.1-8B", "model",
    ]  # fmt: skip


@given(st.lists(st.text(max_size=150).map(model), max_size=6))
def test_any_names_are_told_apart_and_accepted(models: list[FoundModel]) -> None:
    found = named(models)
    assert list(found.values()) == models
    assert all(NAME.fullmatch(name) for name in found)


def test_keys_of_hosted_providers_only() -> None:
    known = providers()
    environ = {row.key_env: "x" for row in known.values() if row.key_env}
    found = {key.provider: key for key in keys_in(environ, known)}
    assert {"openai", "anthropic", "gemini", "azure-openai"} <= set(found)
    assert not {"ollama", "vllm", "crossover", "embedded"} & set(found)
    assert keys_in({"OPENAI_API_KEY": ""}, known) == ()


def test_the_model_to_begin_with_lasts_and_is_no_small_one() -> None:
    catalog = load_catalog()
    by_id = {facts.id: facts for facts in catalog.hosted}
    for provider in ("openai", "anthropic", "google", "mistral"):
        name = first_model(provider, catalog.hosted, TODAY)
        facts = by_id[f"{provider}/{name}"]
        assert match.lifecycle(facts, TODAY) == "active"
        assert facts.ends_on is None
        assert facts.capability != "small"
    assert first_model("nobody", catalog.hosted, TODAY) is None
