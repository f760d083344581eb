"""What engines answer about themselves, read into words. Pure: parsed JSON and metrics text in, structs out.

Nothing is trusted: a field of the wrong type counts as not said, a model without a name is left out. The shapes are
those of the engines' documentation (sources in ``data/engines.csv``) and, for llama.cpp, of the embedded server.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, cast

from crossover.engines.words import Ability, EngineModel, Load

_ABILITIES = frozenset({"completion", "embedding", "tools", "vision", "thinking"})
_SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{[^}]*\})?\s+(\S+)")
_SIZES = {"K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}
MOST_MODELS = 1000


# ------------------------------------------------------------------------------------------------------------ Ollama


def ollama_models(tags: Any, running: Any, shown: Mapping[str, Any]) -> tuple[EngineModel, ...]:
    """From ``/api/tags``, ``/api/ps`` and ``/api/show`` of each model.

    A model is a cloud model where any of them names a remote host or model, or its name ends as cloud models' names
    do; a renamed one is only given away by ``/api/show``.
    """
    live = {_text(one, "name") or _text(one, "model"): one for one in _dicts(_at(running, "models"))}
    models = []
    for tag in _dicts(_at(tags, "models")):
        name = _text(tag, "name") or _text(tag, "model")
        if name is None:
            continue
        show = shown.get(name)
        details = _at(show, "details") or _at(tag, "details")
        listed = _texts(_at(show, "capabilities")) or _texts(_at(tag, "capabilities"))
        host = _text(show, "remote_host") or _text(tag, "remote_host")
        remote = _text(show, "remote_model") or _text(tag, "remote_model")
        max_context = _ollama_max_context(show)
        now = live.get(name)
        models.append(
            EngineModel(
                name=name,
                can=frozenset(cast(Ability, one) for one in listed if one in _ABILITIES),
                digest=_text(tag, "digest"),
                quantisation=_text(details, "quantization_level"),
                parameters=_count(_text(details, "parameter_size")),
                bytes=_whole(tag, "size"),
                context=_whole(now, "context_length") or _ollama_num_ctx(show),
                max_context=max_context,
                loaded=name in live,
                cloud=bool(host or remote) or cloud_name(name),
                remote=" ".join(part for part in (remote, host and f"at {host}") if part) or None,
            )
        )
    return tuple(models[:MOST_MODELS])


def cloud_name(name: str) -> bool:
    """Whether a name is one that Ollama gives to models it runs elsewhere (``gpt-oss:120b-cloud``, ``glm:cloud``)."""
    return name.endswith(("-cloud", ":cloud"))


def _ollama_max_context(show: Any) -> int | None:
    info = _at(show, "model_info")
    return _whole(info, f"{_text(info, 'general.architecture')}.context_length")


def _ollama_num_ctx(show: Any) -> int | None:
    """``num_ctx`` of the parameters, which come as lines of text."""
    match = re.search(r"^num_ctx\s+(\d{1,9})\s*$", _text(show, "parameters") or "", re.MULTILINE)
    return int(match[1]) if match else None


# ------------------------------------------------------------------------------------------------ OpenAI-like lists


def listed_models(listing: Any, can: frozenset[Ability]) -> tuple[EngineModel, ...]:
    """``/v1/models`` of vLLM, SGLang and MLX: ids, with ``max_model_len`` where it is said."""
    models = []
    for one in _dicts(_at(listing, "data")):
        name, context = _text(one, "id"), _whole(one, "max_model_len")
        if name is not None:
            models.append(EngineModel(name=name, can=can, context=context, loaded=True if context else None))
    return tuple(models[:MOST_MODELS])


def sglang_abilities(info: Any) -> frozenset[Ability]:
    """From ``/get_model_info``."""
    if _at(info, "is_generation") is False:
        return frozenset({"embedding"})
    if _at(info, "has_image_understanding") is True:
        return frozenset({"completion", "vision"})
    return frozenset({"completion"})


def lmstudio_models(listing: Any) -> tuple[EngineModel, ...]:
    """From ``/api/v0/models``. Its capability list is advice for language models only: embedders carry it too."""
    kinds: dict[str | None, frozenset[Ability]] = {
        "llm": frozenset({"completion"}),
        "vlm": frozenset({"completion", "vision"}),
        "embeddings": frozenset({"embedding"}),
    }
    models = []
    for one in _dicts(_at(listing, "data")):
        name = _text(one, "id")
        if name is None:
            continue
        can = kinds.get(_text(one, "type"), frozenset())
        if "completion" in can and "tool_use" in _texts(_at(one, "capabilities")):
            can |= {"tools"}
        models.append(
            EngineModel(
                name=name,
                can=can,
                quantisation=_text(one, "quantization"),
                context=_whole(one, "loaded_context_length"),
                max_context=_whole(one, "max_context_length"),
                loaded=_text(one, "state") == "loaded",
            )
        )
    return tuple(models[:MOST_MODELS])


# --------------------------------------------------------------------------------------------------------- llama.cpp


def llamacpp_models(listing: Any, props: Any) -> tuple[EngineModel, ...]:
    """From ``/v1/models`` and ``/props`` (of the one model, where there is one)."""
    offered = {_text(one, "name"): _texts(_at(one, "capabilities")) for one in _dicts(_at(listing, "models"))}
    entries = _dicts(_at(listing, "data"))
    alone = props if len(entries) == 1 else None
    models = []
    for one in entries:
        name, meta = _text(one, "id"), _at(one, "meta")
        if name is None:
            continue
        said = {cast(Ability, ability) for ability in offered.get(name, ()) if ability in _ABILITIES}
        can: set[Ability] = said or {"completion"}
        inputs = _texts(_at(_at(one, "architecture"), "input_modalities"))
        if "image" in inputs or _at(_at(alone, "modalities"), "vision") is True:
            can.add("vision")
        if _at(_at(alone, "chat_template_caps"), "supports_tools") is True:
            can.add("tools")
        if _at(_at(alone, "chat_template_caps"), "supports_preserve_reasoning") is True:
            can.add("thinking")
        status = _text(_at(one, "status"), "value")  # only where one server manages several models
        models.append(
            EngineModel(
                name=name,
                can=frozenset(can),
                quantisation=_text(meta, "ftype"),
                parameters=_whole(meta, "n_params"),
                bytes=_whole(meta, "size"),
                context=_whole(meta, "n_ctx") or _whole(_at(alone, "default_generation_settings"), "n_ctx"),
                max_context=_whole(meta, "n_ctx_train"),
                loaded=status == "loaded" if status else True,
            )
        )
    return tuple(models[:MOST_MODELS])


def llamacpp_load(slots: Any, samples: Mapping[str, float]) -> Load:
    """From ``/slots`` and, where the server was started with them, ``/metrics``."""
    rows = _dicts(slots)
    busy = sum(_at(one, "is_processing") is True for one in rows)
    running = samples.get("llamacpp:requests_processing", busy if rows else None)
    waiting = samples.get("llamacpp:requests_deferred")
    return Load(running=_int(running), waiting=_int(waiting), slots=len(rows) or None)


# ----------------------------------------------------------------------------------------------------------- metrics


def vllm_load(samples: Mapping[str, float]) -> Load:
    """From ``/metrics``; the share of the cache had another name before 2025."""
    used = samples.get("vllm:kv_cache_usage_perc", samples.get("vllm:gpu_cache_usage_perc"))
    running, waiting = samples.get("vllm:num_requests_running"), samples.get("vllm:num_requests_waiting")
    return Load(running=_int(running), waiting=_int(waiting), cache_used=used)


def sglang_load(samples: Mapping[str, float]) -> Load:
    """From ``/metrics``, where the server was started with them."""
    running, waiting = samples.get("sglang:num_running_reqs"), samples.get("sglang:num_queue_reqs")
    return Load(running=_int(running), waiting=_int(waiting), cache_used=samples.get("sglang:token_usage"))


def metrics(text: str, wanted: Iterable[str]) -> dict[str, float]:
    """The named samples of a Prometheus text; one name with several labels is summed."""
    names = frozenset(wanted)
    found: dict[str, float] = {}
    for line in text.splitlines():
        match = _SAMPLE.match(line)
        if match is None or match[1] not in names:
            continue
        try:
            value = float(match[2])
        except ValueError:
            continue
        if math.isfinite(value):
            found[match[1]] = found.get(match[1], 0.0) + value
    return found


# ------------------------------------------------------------------------------------------------- careful accessors


def _at(said: Any, key: str) -> Any:
    return said.get(key) if isinstance(said, dict) else None


def _dicts(said: Any) -> list[dict[str, Any]]:
    return [one for one in said if isinstance(one, dict)] if isinstance(said, list) else []


def _text(said: Any, key: str) -> str | None:
    value = _at(said, key)
    return value if isinstance(value, str) and value else None


def _texts(said: Any) -> tuple[str, ...]:
    return tuple(one for one in said if isinstance(one, str)) if isinstance(said, list) else ()


def _whole(said: Any, key: str) -> int | None:
    value = _at(said, key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _int(value: float | None) -> int | None:
    return None if value is None else int(value)


def _count(size: str | None) -> int | None:
    """``4.3B`` as a number of weights."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMBT])", (size or "").strip().upper())
    return round(float(match[1]) * _SIZES[match[2]]) if match else None
