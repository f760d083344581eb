"""What is known of an engine on this machine, its models and its load."""

from __future__ import annotations

from typing import Literal

import msgspec

from crossover.chat import Dialect

EngineKind = Literal["ollama", "lmstudio", "vllm", "sglang", "llamacpp", "mlx"]
Ability = Literal["completion", "embedding", "tools", "vision", "thinking"]
Health = Literal["ready", "loading", "dead"]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One engine as ``data/engines.csv`` knows it: where it listens, what it speaks, how it is told from others.

    ``probe`` is the path whose answer ``tell`` and ``value`` are about, ``base`` the path of its API below the port,
    ``health`` the path for health checks and ``unavailable`` what a 503 there means.
    """

    kind: EngineKind
    title: str
    port: int
    dialect: Dialect
    base: str
    probe: str
    tell: Literal["text", "true_field", "owned_by", "server", "bare_list"]
    value: str
    health: str
    unavailable: Health
    note: str
    source: str
    checked: str


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """An engine that answers. ``url`` is its root (``http://127.0.0.1:8080``), ``base_url`` what a client is given."""

    kind: EngineKind
    title: str
    url: str
    base_url: str
    dialect: Dialect
    loading: bool = False


class EngineModel(msgspec.Struct, frozen=True, kw_only=True):
    """One model an engine offers; None where the engine does not say.

    ``context`` is what a request may use now, ``max_context`` what the model was made for (tokens). ``parameters``
    counts weights. ``loaded``: in memory now. ``cloud``: this machine only relays to ``remote``; never local.
    """

    name: str
    can: frozenset[Ability] = frozenset()
    digest: str | None = None
    quantisation: str | None = None
    parameters: int | None = None
    bytes: int | None = None
    context: int | None = None
    max_context: int | None = None
    loaded: bool | None = None
    cloud: bool = False
    remote: str | None = None


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """How busy an engine is; None where it does not say. ``cache_used`` is a share from 0 to 1."""

    running: int | None = None
    waiting: int | None = None
    slots: int | None = None
    cache_used: float | None = None


class Engine(msgspec.Struct, frozen=True, kw_only=True):
    """An engine with its models and its load."""

    found: Found
    models: tuple[EngineModel, ...] = ()
    load: Load = Load()
    version: str | None = None
