"""Every row of the registry can be used as it stands, and names that nobody knows are answered with the nearest."""

import datetime as dt
from typing import get_args

import pytest
from genai_prices import data as prices

from crossover.errors import InputError, UnknownNameError, UpstreamError
from crossover.providers.registry import Provider, base_url, profile, provider, providers
from crossover.routing.words import Need
from crossover.transport import endpoint
from crossover.wire import openai
from crossover.wire.words import HARMLESS

ROWS = providers()
ABILITIES = frozenset(get_args(Need))
PARAMETERS = HARMLESS | {
    "n", "logit_bias", "logprobs", "top_logprobs", "response_format", "tools", "tool_choice", "stop", "max_tokens",
    "temperature", "top_p", "dimensions", "models", "route",
}  # fmt: skip
PRICED = {row.id for row in prices.providers}
WANTED = {
    "openai", "anthropic", "gemini", "mistral", "deepseek", "groq", "together", "fireworks", "openrouter", "deepinfra",
    "xai", "azure-openai", "bedrock", "vertex", "nvidia-nim", "vllm", "llamacpp", "lmstudio", "sglang", "mlx",
    "ollama", "embedded", "sandbox", "openai-compatible", "crossover",
}  # fmt: skip


def test_every_provider_that_is_promised_has_a_row() -> None:
    assert set(ROWS) >= WANTED


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_row_is_whole(row: Provider) -> None:
    assert row.name
    assert row.title
    assert row.can <= ABILITIES, "abilities by routing's names"
    assert "chat" in row.can
    assert row.drops <= PARAMETERS, "parameters by OpenAI's names"
    assert bool(row.base_url) != bool(row.url_shape), "an address, or what one looks like"
    assert (row.base_url or row.url_shape).endswith(row.path)
    assert not row.price_provider or row.price_provider in PRICED
    assert row.unverified <= set(Provider.__struct_fields__)
    assert row.verified == row.source.verified
    assert row.source.checked <= dt.date(2026, 12, 31)
    assert row.source.url.startswith("https://") or row.name in {"sandbox", "crossover"}
    assert not (row.local and row.price_provider), "what runs at home is not priced per token"
    assert row.dialect != "anthropic" or row.max_output, "this dialect demands a maximum"
    assert not row.flatten_text or "images" not in row.can


@pytest.mark.parametrize("row", [row for row in ROWS.values() if row.base_url], ids=lambda row: row.name)
def test_an_address_can_be_called(row: Provider) -> None:
    place = endpoint(base_url(row))
    assert place.scheme == ("http" if row.local else "https")
    assert row.local == (place.host == "127.0.0.1")


def test_abilities_and_drops_do_not_contradict_each_other() -> None:
    pairs = {"n": "n", "logit_bias": "logit_bias", "logprobs": "logprobs", "response_format": "json"}
    for row in ROWS.values():
        for parameter, ability in pairs.items():
            assert not (parameter in row.drops and ability in row.can), f"{row.name}: {parameter}"


def test_rows_are_read_once_and_cannot_be_changed_for_others() -> None:
    mine = providers()
    mine.clear()
    assert providers() == ROWS
    assert provider("openai") is provider("openai")


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError) as caught:
        provider("opena", field="deployments.a.provider")
    assert "openai" in caught.value.nearest
    assert caught.value.field == "deployments.a.provider"


def test_an_address_that_must_be_stated_shows_what_it_looks_like() -> None:
    azure = provider("azure-openai")
    with pytest.raises(InputError, match=r"https://RESOURCE\.openai\.azure\.com/openai/v1"):
        base_url(azure)
    assert base_url(azure, "https://me.openai.azure.com/openai/v1/") == "https://me.openai.azure.com/openai/v1"


@pytest.mark.parametrize(
    ("name", "stated", "called"),
    [
        ("ollama", "http://10.0.0.5:11434", "http://10.0.0.5:11434/api"),
        ("ollama", "http://10.0.0.5:11434/", "http://10.0.0.5:11434/api"),
        ("vllm", "http://10.0.0.5:8000/v1/", "http://10.0.0.5:8000/v1"),
        ("vllm", "https://gpu.example/team/a", "https://gpu.example/team/a"),
        ("azure-openai", "https://me.openai.azure.com", "https://me.openai.azure.com/openai/v1"),
        ("openai-compatible", "https://api.example.com", "https://api.example.com"),  # some answer at their root
    ],
)
def test_an_address_without_a_path_gets_the_usual_one(name: str, stated: str, called: str) -> None:
    assert base_url(provider(name), stated) == called


def test_a_profile_takes_the_row_and_what_the_deployment_states() -> None:
    row = provider("anthropic")
    assert profile(row, "claude").max_output == row.max_output
    assert profile(row, "claude", max_output=99).max_output == 99
    mistral = profile(provider("mistral"), "m", context=8, keep_alive="5m", options={"safe_prompt": True})
    assert mistral.stream_usage == "none"
    assert "seed" in mistral.drops
    assert (mistral.context, mistral.keep_alive, mistral.options) == (8, "5m", {"safe_prompt": True})


def test_no_request_names_further_models_behind_the_decision() -> None:
    """OpenRouter would answer with another model, at its price."""
    asked = {"model": "auto", "messages": [{"role": "user", "content": "a"}], "models": ["openai/gpt-4o"]}
    with pytest.raises(UpstreamError, match="does not support models") as caught:
        openai.write_request(openai.read_request(asked), profile(provider("openrouter"), "meta-llama/llama-3.1-8b"))
    assert (caught.value.upstream, caught.value.accepted) == ("unsupported", False)


@pytest.mark.parametrize("name", ["llamacpp", "embedded"])
def test_vectors_of_another_length_than_was_asked_for_are_no_answer(name: str) -> None:
    """llama.cpp ignores the length; a table of vectors of 256 numbers must not be filled with others."""
    asked = openai.read_embed({"model": "embed", "input": "a", "dimensions": 256})
    with pytest.raises(UpstreamError, match="does not support dimensions"):
        openai.write_embed(asked, profile(provider(name), "m"))
