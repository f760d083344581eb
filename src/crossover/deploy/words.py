"""The words of a deployment: what runs, with which flags, and the files that come of it."""

from __future__ import annotations

from typing import Literal

import msgspec

from crossover.deployment import Zone
from crossover.money import Usd

Target = Literal["compose", "kubernetes"]
Autoscaler = Literal["hpa", "keda"]


class Seller(msgspec.Struct, frozen=True, kw_only=True):
    """A model sold per token: the registry's row, its own name there, the variable that holds its key."""

    name: str
    provider: str
    model: str
    zone: Zone
    key_env: str
    base_url: str | None = None
    like: str | None = None


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of engine, as often as ``replicas`` (and ``spare`` more).

    ``args`` are its flags, ``gpus`` accelerators of one replica by the resource ``gpu_resource`` (empty: processors
    alone). ``waiting`` is the metric of its queue, ``waiting_most`` how many may wait for one replica before another is
    started. ``usd_per_hour`` prices one replica, which does ``tokens_per_hour``.
    """

    name: str
    engine: Literal["vllm", "llamacpp"]
    image: str
    model: str
    args: tuple[str, ...]
    port: int
    waiting: str
    waiting_most: int
    replicas: int
    spare: int
    gpus: int
    gpu_resource: str
    accelerator: str
    zone: Zone
    context: int
    sequences: int
    usd_per_hour: Usd
    tokens_per_hour: int
    weights: str = ""


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is written down: at most one kind of own server, and sellers beside it or alone."""

    option: str
    title: str
    alias: str
    server: Server | None
    sellers: tuple[Seller, ...]
    split: bool = False  # what may leave goes to the seller first; else only what the own machines cannot take
    regimes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What the user says beside the plan. ``most`` replicas the autoscaler may start (0: those that are paid for)."""

    target: Target
    gateway_image: str
    python_image: str
    version: str
    namespace: str = "crossover"
    autoscaler: Autoscaler = "hpa"
    prometheus: str = "http://prometheus-server.monitoring.svc"
    most: int = 0


class Artefact(msgspec.Struct, frozen=True):
    """A file to write: its path below the folder, and its text."""

    path: str
    text: str
