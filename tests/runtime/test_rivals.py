"""Who is compared: one model on every engine that serves it, and nothing of a provider's unless it is named."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from crossover.catalog.load import load as load_catalog
from crossover.config.defaults import default_settings
from crossover.config.found import FoundModel
from crossover.config.load import Loaded, load
from crossover.errors import InputError, UnknownNameError
from crossover.runtime.rivals import Field, everything, field, key_of, with_files

CATALOG = load_catalog()
OLLAMA = FoundModel(name="llama3.1:8b", provider="ollama")
VLLM = FoundModel(name="meta-llama/Llama-3.1-8B-Instruct", provider="vllm")
OTHER = FoundModel(name="qwen2.5:7b", provider="ollama")
VECTORS = FoundModel(name="nomic-embed-text", provider="ollama", embeds=True)
FILE = """
[zones.here]
operator = "own"
[zones.there]
operator = "provider"
party = "openai"
[deployments.paid]
provider = "openai"
model = "gpt-4o"
zone = "there"
api_key = "${KEY}"
[deployments.mine]
provider = "ollama"
model = "llama3.1:8b"
zone = "here"
[deployments.off]
provider = "vllm"
model = "llama3.1:8b"
zone = "here"
enabled = false
"""


def chosen(*models: FoundModel, model: str | None = None, loaded: Loaded | None = None) -> Field:
    return field(everything(loaded or default_settings(models, {}), models), CATALOG, model)


def test_one_model_on_two_engines_is_compared() -> None:
    found = chosen(OLLAMA, VLLM, OTHER, VECTORS)
    assert found.names == ("llama3.1:8b", "meta-llama/Llama-3.1-8B-Instruct")
    assert found.notes == ()


def test_where_no_two_serve_the_same_it_is_said() -> None:
    found = chosen(OTHER, VLLM)
    assert set(found.names) == {"qwen2.5:7b", "meta-llama/Llama-3.1-8B-Instruct"}
    assert "model and engine together" in found.notes[0]


def test_one_engine_is_held_against_the_embedded_one() -> None:
    assert chosen(OTHER).names == ("qwen2.5:7b", "embedded")


def test_nothing_found_says_what_to_do() -> None:
    with pytest.raises(InputError, match="only embedded answers"):
        chosen()


def test_a_model_is_known_by_any_of_its_names() -> None:
    assert chosen(OLLAMA, VLLM, OTHER, model="llama-3.1-8b").names == ("llama3.1:8b", VLLM.name)
    assert chosen(OLLAMA, OTHER, model="qwen2.5:7b").names == ("qwen2.5:7b",)
    with pytest.raises(UnknownNameError, match="no-such-model"):
        chosen(OLLAMA, OTHER, model="no-such-model")
    assert key_of("someone/strange.gguf", CATALOG) == key_of("strange:latest", CATALOG) == "strange"


def test_a_configuration_is_joined_by_what_runs_here(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(FILE, encoding="utf-8")
    environ: Mapping[str, str] = {"KEY": "sk-test"}
    loaded = load(tmp_path / "c.toml", environ)
    whole = everything(loaded, (OLLAMA, VLLM))
    assert set(whole.settings.deployments) == {"paid", "mine", "off", VLLM.name, "embedded"}
    assert chosen(OLLAMA, VLLM, loaded=loaded).names == ("mine", VLLM.name)
    with pytest.raises(UnknownNameError):
        field(whole, CATALOG, "gpt-4o")


def test_model_files_are_served_by_the_embedded_engine(tmp_path: Path) -> None:
    for name in ("a-q4.gguf", "b/a-q4.gguf"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"GGUF")
    targets = (str(tmp_path / "a-q4.gguf"), "auto", str(tmp_path / "b/a-q4.gguf"), "absent.gguf")
    loaded, names = with_files(default_settings((), {}), targets)
    assert names == ("a-q4", "auto", "a-q4-2", "absent.gguf")
    assert loaded.settings.deployments["a-q4-2"].model == str(tmp_path / "b/a-q4.gguf")


def test_the_embedded_model_can_always_be_named() -> None:
    loaded, names = with_files(default_settings((OLLAMA,), {}), ("embedded", OLLAMA.name))
    assert names == ("embedded", OLLAMA.name)
    assert loaded.settings.deployments["embedded"].model == "crossover-tiny"
