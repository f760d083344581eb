"""The names of OpenAI's parameters are those of its SDK, and a slip is told from a parameter of somebody else's."""

from __future__ import annotations

import pytest
from openai.types.chat.completion_create_params import CompletionCreateParamsBase
from openai.types.embedding_create_params import EmbeddingCreateParams

from crossover.wire.openai_names import CHAT, EMBED, slip


def test_the_names_are_those_of_the_sdk() -> None:
    assert {*CompletionCreateParamsBase.__annotations__, "stream"} == CHAT
    assert set(EmbeddingCreateParams.__annotations__) == EMBED


@pytest.mark.parametrize(
    ("wrote", "meant"),
    [
        ("temprature", "temperature"),
        ("tempreature", "temperature"),
        ("max_token", "max_tokens"),
        ("maxTokens", "max_tokens"),
        ("top-p", "top_p"),
        ("topp", "top_p"),
        ("tool", "tools"),
        ("sed", "seed"),
        ("steam", "stream"),
        ("response_fromat", "response_format"),
        ("reasoning_efort", "reasoning_effort"),
    ],
)
def test_a_slip_is_told_what_was_meant(wrote: str, meant: str) -> None:
    assert slip(wrote, CHAT) == meant


@pytest.mark.parametrize(
    "name",
    # of vLLM, llama.cpp's server, OpenRouter, Groq, Mistral and others: not OpenAI's, and no slips
    [
        "top_k", "min_p", "top_a", "typical_p", "repetition_penalty", "repeat_penalty", "length_penalty",
        "min_tokens", "stop_token_ids", "ignore_eos", "best_of", "prompt_logprobs", "n_probs", "n_predict",
        "cache_prompt", "grammar", "guided_json", "structured_outputs", "chat_template_kwargs", "models", "provider",
        "plugins", "transforms", "reasoning", "include_reasoning", "reasoning_format", "random_seed", "safe_prompt",
        "thinking", "search_parameters", "return_token_ids", "priority", "documents",
    ],
)  # fmt: skip
def test_what_others_know_is_no_slip(name: str) -> None:
    assert slip(name, CHAT) is None


def test_what_is_known_is_no_slip() -> None:
    assert not [name for name in CHAT if slip(name, CHAT)]
    assert not [name for name in EMBED if slip(name, EMBED)]
