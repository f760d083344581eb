"""The parameters that OpenAI's dialect knows by name, for finding a slip of the pen in what a program wrote.

Sources: the types of OpenAI's own SDK (openai 3.57.0, ``types/chat/completion_create_params.py`` and
``types/embedding_create_params.py``, checked 2026-11-27); a test compares the two. Servers of this dialect have many
parameters of their own, so an unknown name is no mistake: only one that is nearly a known one is.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from crossover.errors import fold

CHAT = frozenset(
    {
        "audio", "frequency_penalty", "function_call", "functions", "logit_bias", "logprobs", "max_completion_tokens",
        "max_tokens", "messages", "metadata", "modalities", "model", "moderation", "n", "parallel_tool_calls",
        "prediction", "presence_penalty", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention",
        "reasoning_effort", "response_format", "safety_identifier", "seed", "service_tier", "stop", "store", "stream",
        "stream_options", "temperature", "tool_choice", "tools", "top_logprobs", "top_p", "user", "verbosity",
        "web_search_options",
    }
)  # fmt: skip
EMBED = frozenset({"dimensions", "encoding_format", "input", "model", "user"})
# Parameters of other servers that look like a slip and are none: top_k of many engines, what OpenRouter tries one after
# the other, how Groq shows thinking (types/chat/completion_create_params.py of its SDK).
_OTHERS = frozenset({"top_k", "models", "reasoning_format"})
_ALIKE = 0.85  # share of letters in common, of all: "temprature" is 0.95, vLLM's min_tokens beside max_tokens 0.78


def slip(name: str, known: Iterable[str]) -> str | None:
    """The name of ``known`` that was meant by one that differs in case, separators or a letter; None: it is another."""
    folded = {fold(each): each for each in known}
    if name in folded.values() or name in _OTHERS:
        return None
    found = difflib.get_close_matches(fold(name), folded, n=1, cutoff=_ALIKE)
    return folded[found[0]] if found else None
