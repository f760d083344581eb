"""What engines say of themselves, as their documentation shows it, is read into words; nonsense is left out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossover.engines import answers
from crossover.engines.words import EngineModel, Load

# docs.ollama.com/api/tags and /api/ps; a cloud model as Ollama lists it beside the others.
TAGS = {
    "models": [
        {
            "name": "gemma3:latest",
            "model": "gemma3:latest",
            "modified_at": "2025-10-03T23:34:03.409490317-07:00",
            "size": 3338801804,
            "digest": "a2af6cc3eb7fa8be8504abaf9b04e88f17a119ec3f04a3addf55f92841195f5a",
            "details": {
                "format": "gguf",
                "family": "gemma",
                "families": ["gemma"],
                "parameter_size": "4.3B",
                "quantization_level": "Q4_K_M",
            },
        },
        {
            "name": "deepseek-v3.1:671b-cloud",
            "model": "deepseek-v3.1:671b-cloud",
            "remote_model": "deepseek-v3.1:671b",
            "remote_host": "https://ollama.com:443",
            "size": 405,
            "digest": "d3749919e45f955731da7a7e76849e20f7ed310725d3b8b52822e811f55d0a90",
            "details": {
                "parent_model": "",
                "format": "",
                "family": "deepseek2",
                "families": ["deepseek2"],
                "parameter_size": "671.0B",
                "quantization_level": "FP8_E4M3",
            },
        },
        {"name": "mine:latest", "model": "mine:latest", "size": 1, "digest": "c0ffee"},
        {"name": "nomic-embed-text:latest", "size": 274302450, "digest": "0a109f422b47"},
    ]
}
PS = {
    "models": [
        {
            "name": "gemma3:latest",
            "model": "gemma3:latest",
            "size": 6591830464,
            "digest": "a2af6cc3",
            "expires_at": "2025-10-17T16:47:07.93355-07:00",
            "size_vram": 5333539264,
            "context_length": 4096,
        }
    ]
}
SHOWN = {
    "gemma3:latest": {
        "parameters": "temperature 0.7\nnum_ctx 8192\nstop <end>",
        "capabilities": ["completion", "vision", "something new"],
        "details": {"parameter_size": "4.3B", "quantization_level": "Q4_K_M"},
        "model_info": {"general.architecture": "gemma3", "gemma3.context_length": 131072},
    },
    # a cloud model under another name: only /api/show gives it away
    "mine:latest": {
        "remote_model": "gpt-oss:120b",
        "remote_host": "https://ollama.com:443",
        "capabilities": ["completion", "tools", "thinking"],
    },
    "nomic-embed-text:latest": {
        "parameters": "num_ctx                        8192",
        "capabilities": ["embedding"],
        "model_info": {"general.architecture": "nomic-bert", "nomic-bert.context_length": 2048},
    },
}


def test_ollama() -> None:
    gemma, deepseek, mine, nomic = answers.ollama_models(TAGS, PS, SHOWN)
    assert gemma == EngineModel(
        name="gemma3:latest",
        can=frozenset({"completion", "vision"}),
        digest="a2af6cc3eb7fa8be8504abaf9b04e88f17a119ec3f04a3addf55f92841195f5a",
        quantisation="Q4_K_M",
        parameters=4_300_000_000,
        bytes=3338801804,
        context=4096,
        max_context=131072,
        loaded=True,
    )
    assert (deepseek.cloud, deepseek.remote) == (True, "deepseek-v3.1:671b at https://ollama.com:443")
    assert (mine.cloud, mine.remote) == (True, "gpt-oss:120b at https://ollama.com:443")
    assert mine.can == {"completion", "tools", "thinking"}
    assert (nomic.cloud, nomic.loaded, nomic.context, nomic.max_context) == (False, False, 8192, 2048)
    assert nomic.can == {"embedding"}


@pytest.mark.parametrize("name", ["gpt-oss:120b-cloud", "glm-5:cloud", "x-cloud"])
def test_names_of_cloud_models(name: str) -> None:
    (model,) = answers.ollama_models({"models": [{"name": name}]}, None, {})
    assert model.cloud


@pytest.mark.parametrize("name", ["cloud", "cloudy:7b", "gpt-oss:20b", "cloud-native:latest"])
def test_names_that_only_look_like_it(name: str) -> None:
    (model,) = answers.ollama_models({"models": [{"name": name}]}, None, {})
    assert not model.cloud


def test_vllm_and_sglang_lists() -> None:
    listing = {
        "object": "list",
        "data": [
            {"id": "facebook/opt-125m", "object": "model", "owned_by": "vllm", "max_model_len": 2048},
            {"id": "adapter", "object": "model", "owned_by": "vllm", "parent": "facebook/opt-125m"},
        ],
    }
    base, adapter = answers.listed_models(listing, frozenset({"completion"}))
    assert (base.name, base.context) == ("facebook/opt-125m", 2048)
    assert base.can == {"completion"}
    assert (adapter.name, adapter.context) == ("adapter", None)
    assert answers.sglang_abilities({"is_generation": True, "has_image_understanding": True}) == {
        "completion",
        "vision",
    }
    assert answers.sglang_abilities({"is_generation": False}) == {"embedding"}
    assert answers.sglang_abilities(None) == {"completion"}


def test_lm_studio() -> None:
    listing = {
        "object": "list",
        "data": [
            {
                "id": "qwen2-vl-7b-instruct",
                "object": "model",
                "type": "vlm",
                "publisher": "mlx-community",
                "arch": "qwen2_vl",
                "compatibility_type": "mlx",
                "quantization": "4bit",
                "state": "not-loaded",
                "max_context_length": 32768,
            },
            {
                "id": "meta-llama-3.1-8b-instruct",
                "type": "llm",
                "quantization": "Q4_K_M",
                "state": "loaded",
                "max_context_length": 131072,
                "loaded_context_length": 4096,
                "capabilities": ["tool_use"],
            },
            {
                "id": "text-embedding-nomic-embed-text-v1.5",
                "type": "embeddings",
                "state": "not-loaded",
                "max_context_length": 2048,
                "capabilities": ["tool_use"],
            },
        ],
    }
    seeing, llama, nomic = answers.lmstudio_models(listing)
    assert seeing.can == {"completion", "vision"}
    assert (seeing.loaded, seeing.max_context) == (False, 32768)
    assert llama.can == {"completion", "tools"}
    assert (llama.loaded, llama.context) == (True, 4096)
    assert nomic.can == {"embedding"}


def test_llama_cpp() -> None:
    listing = {
        "models": [{"name": "tiny", "capabilities": ["completion"]}],
        "data": [
            {
                "id": "tiny",
                "owned_by": "llamacpp",
                "architecture": {"input_modalities": ["text", "image"]},
                "meta": {"n_ctx": 512, "n_ctx_train": 2048, "n_params": 1820352, "size": 1939200, "ftype": "Q8_0"},
            }
        ],
    }
    props = {
        "default_generation_settings": {"n_ctx": 512},
        "modalities": {"vision": False},
        "chat_template_caps": {"supports_tools": True, "supports_preserve_reasoning": True},
    }
    (model,) = answers.llamacpp_models(listing, props)
    assert model == EngineModel(
        name="tiny",
        can=frozenset({"completion", "vision", "tools", "thinking"}),
        quantisation="Q8_0",
        parameters=1820352,
        bytes=1939200,
        context=512,
        max_context=2048,
        loaded=True,
    )


def test_a_llama_cpp_that_manages_several_models_says_which_is_loaded() -> None:
    listing = {"data": [{"id": "a", "status": {"value": "loaded"}}, {"id": "b", "status": {"value": "unloaded"}}]}
    assert [model.loaded for model in answers.llamacpp_models(listing, None)] == [True, False]


METRICS = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 3.0
vllm:num_requests_running{engine="1",model_name="m"} 2.0
vllm:num_requests_waiting{engine="0",model_name="m"} 7.0
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25
vllm:num_requests_running_total 99
llamacpp:requests_processing 1
llamacpp:requests_deferred 4
sglang:num_running_reqs{model_name="m"} 8
sglang:num_queue_reqs{model_name="m"} 4 1700000000
sglang:token_usage{model_name="m"} NaN
not a sample
"""
NAMES = ("vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc", "sglang:token_usage")
MORE = (
    "llamacpp:requests_processing",
    "llamacpp:requests_deferred",
    "sglang:num_running_reqs",
    "sglang:num_queue_reqs",
)


def test_load_from_metrics() -> None:
    samples = answers.metrics(METRICS, NAMES + MORE)
    assert answers.vllm_load(samples) == Load(running=5, waiting=7, cache_used=0.25)
    assert answers.sglang_load(samples) == Load(running=8, waiting=4, cache_used=None)
    slots = [{"id": 0, "is_processing": True}, {"id": 1, "is_processing": False}]
    assert answers.llamacpp_load(slots, samples) == Load(running=1, waiting=4, slots=2)
    assert answers.llamacpp_load(slots, {}) == Load(running=1, slots=2)
    assert answers.llamacpp_load({"error": "slots are off"}, {}) == Load()
    old = answers.metrics("vllm:gpu_cache_usage_perc 0.5", ("vllm:gpu_cache_usage_perc",))
    assert answers.vllm_load(old).cache_used == 0.5


KEYS = (
    *("models", "data", "name", "id", "details", "meta", "capabilities", "type", "state", "status", "value"),
    *("model_info", "general.architecture", "parameters", "remote_host", "n_ctx", "is_processing", "size"),
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(said=ANYTHING, other=ANYTHING)
def test_nonsense_is_never_an_error(said: Any, other: Any) -> None:
    for models in (
        answers.ollama_models(said, other, {"a": other} if not isinstance(other, dict) else other),
        answers.listed_models(said, frozenset()),
        answers.lmstudio_models(said),
        answers.llamacpp_models(said, other),
    ):
        assert all(isinstance(model.name, str) and model.name for model in models)
    answers.llamacpp_load(said, {})
    answers.sglang_abilities(said)


@given(text=st.text(max_size=200))
def test_metrics_of_any_text(text: str) -> None:
    assert answers.metrics(text, ()) == {}
    answers.metrics(text.replace("a", "vllm:x 1\n"), ("vllm:x",))
