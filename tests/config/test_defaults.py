"""Without a file: the models of this machine, else the embedded one, and nothing that costs money."""

from __future__ import annotations

from crossover.config.defaults import EMBEDDED, EMBEDDED_MODEL, default_settings
from crossover.config.found import FoundModel

LLAMA = FoundModel(name="llama3.1:8b", provider="ollama", context=8192, concurrency=2)
NOMIC = FoundModel(name="nomic-embed-text", provider="ollama", embeds=True)


def test_nothing_found_is_the_embedded_model() -> None:
    found = default_settings((), {})
    one = found.settings.deployments[EMBEDDED]
    assert list(found.settings.deployments) == [EMBEDDED]
    assert (one.provider, one.model, one.zone) == ("embedded", EMBEDDED_MODEL, "local")
    assert found.settings.zones["local"].operator == "own"
    assert {name: alias.deployments for name, alias in found.settings.aliases.items()} == {
        "auto": (EMBEDDED,), "default": (EMBEDDED,), "embed": (EMBEDDED,)
    }  # fmt: skip
    assert "the embedded model, which is tiny" in found.notes[0]
    assert (found.file, found.digest) == (None, "")


def test_keys_make_no_deployment_and_are_named_without_their_value() -> None:
    found = default_settings((), {"OPENAI_API_KEY": "sk-secret", "GROQ_API_KEY": "gsk-secret", "MISTRAL_API_KEY": " "})
    assert list(found.settings.deployments) == [EMBEDDED]
    assert "OPENAI_API_KEY, GROQ_API_KEY are set and not used" in found.notes[1]
    assert "sk-secret" not in repr(found)


def test_models_of_this_machine_are_served_and_wait_in_line() -> None:
    settings = default_settings((LLAMA, NOMIC), {}).settings
    assert list(settings.deployments) == ["llama3.1:8b", "nomic-embed-text"]
    llama = settings.deployments["llama3.1:8b"]
    assert (llama.zone, llama.context, llama.concurrency, llama.queue) == ("local", 8192, 2, 100)
    assert settings.deployments["nomic-embed-text"].cannot == ("chat",)
    assert settings.aliases["auto"].deployments == settings.aliases["default"].deployments == ("llama3.1:8b",)
    assert settings.aliases["embed"].deployments == ("nomic-embed-text",)


def test_a_machine_that_only_embeds_chats_with_the_embedded_model() -> None:
    settings = default_settings((NOMIC,), {}).settings
    assert list(settings.deployments) == ["nomic-embed-text", EMBEDDED]
    assert settings.aliases["auto"].deployments == (EMBEDDED,)
    assert settings.aliases["embed"].deployments == ("nomic-embed-text",)
