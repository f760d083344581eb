"""What routing decides about and what it says: targets, rules, refusals, decisions."""

from __future__ import annotations

from typing import Literal

import msgspec

from crossover.chat import Dialect
from crossover.cost.request import PriceList
from crossover.deployment import Deployment, Timeouts
from crossover.sensitivity import NOT_SENSITIVE, Sensitivity

PolicyName = Literal["local_first", "cheapest", "fastest", "quality_first", "pinned"]

Need = Literal[
    "chat",
    "embeddings",
    "tools",
    "images",
    "audio",
    "video",
    "files",
    "json",
    "schema",
    "logprobs",
    "n",
    "logit_bias",
    "reasoning",
    "unknown",
]


class Retries(msgspec.Struct, frozen=True, kw_only=True):
    """Retries are for requests that were not accepted; ``attempts`` counts calls to one deployment, the first included.

    ``backoff`` is the first wait in seconds, doubled each time up to ``backoff_max``, each shortened by up to half at
    random. ``fallbacks`` is how many other deployments may be tried after the first.
    """

    attempts: int = 2
    backoff: float = 0.25
    backoff_max: float = 4.0
    fallbacks: int = 3


class BreakerRule(msgspec.Struct, frozen=True, kw_only=True):
    """When a deployment rests: after ``failures`` in a row, or when ``share`` of at least ``minimum`` calls failed.

    Calls count for ``window`` seconds. It rests for ``rest`` seconds, doubled each time up to ``rest_max``; then
    ``probes`` calls at a time are let through to see.
    """

    failures: int = 3
    window: float = 30.0
    share: float = 0.5
    minimum: int = 10
    rest: float = 5.0
    rest_max: float = 120.0
    probes: int = 1


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One deployment as routing sees it.

    ``can`` holds the needs it meets, ``context`` and ``max_output`` tokens, ``concurrency`` calls at once (0: no
    limit), ``queue`` how many may wait and for how long, ``quality`` the user's own rank. ``dialect`` is what it
    speaks: what no word fits can only go to a target of the dialect it came in. ``id`` is the deployment's; ``local``:
    the user's own or rented machines answer, nothing is paid per token.
    """

    deployment: Deployment
    provider: str
    can: frozenset[Need]
    price: PriceList
    timeouts: Timeouts
    context: int | None = None
    max_output: int | None = None
    concurrency: int = 0
    queue: int = 0
    queue_wait: float = 10.0
    quality: float | None = None
    wire_model: str = ""
    dialect: Dialect | None = None
    id: str = ""
    local: bool = False

    def __post_init__(self) -> None:
        # Both follow from the deployment and are read many times for each request.
        msgspec.structs.force_setattr(self, "id", self.deployment.id)
        msgspec.structs.force_setattr(self, "local", self.deployment.zone.operator != "provider")


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """A name that clients ask for: candidates in order of preference, and the rules of this name.

    ``overflow``: a paid deployment may answer because the own ones are busy, not only because they failed.
    """

    name: str
    targets: tuple[str, ...]
    policy: PolicyName
    sensitivity: Sensitivity = NOT_SENSITIVE
    local_only: bool = False
    overflow: bool = False


class Refusal(msgspec.Struct, frozen=True):
    """Why a deployment may not answer: a short code and a sentence."""

    target: str
    code: str
    reason: str


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The deployments that may answer, best first, the refused ones, and why the first is first."""

    policy: PolicyName
    order: tuple[str, ...]
    refused: tuple[Refusal, ...]
    reason: str
