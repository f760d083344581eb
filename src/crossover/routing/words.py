"""What routing decides about and what it says: targets, rules, refusals, decisions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from crossover.chat import ChatRequest, Dialect, Finish
from crossover.cost.request import PriceList
from crossover.deployment import Deployment, Timeouts
from crossover.sensitivity import NOT_SENSITIVE, Sensitivity

PolicyName = Literal["local_first", "cheapest", "fastest", "quality_first", "pinned", "complexity", "cascade", "route"]
StreamRule = Literal["hold", "first", "never"]  # what a cascade judges of a stream: the whole, its beginning, nothing

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


class Guess(msgspec.Struct, frozen=True):
    """What a policy thinks of a request before any model has seen it: whether it is one for the stronger, and why.

    ``score`` is what a learned rule went by.
    """

    strong: bool
    why: str
    score: float | None = None


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What the answer of a weaker model shows.

    ``logprobs`` are (chosen, second best) natural log probabilities by token, the second None where it was not said;
    empty where the model gives none. ``calls`` are (name, arguments). ``whole`` False: only its beginning was seen.
    ``second`` is what another own model answered to the same question, where one was asked.
    """

    request: ChatRequest
    text: str
    finish: Finish | None = None
    logprobs: tuple[tuple[float, float | None], ...] = ()
    calls: tuple[tuple[str, str], ...] = ()
    whole: bool = True
    second: str | None = None


class Judged(msgspec.Struct, frozen=True):
    """Whether a stronger model has to answer instead, and why. ``score`` is the expected gain, where one is learned."""

    escalate: bool
    why: str
    score: float | None = None


class Cascade(msgspec.Struct, frozen=True, kw_only=True):
    """How answers of the weaker models are judged before a client gets them.

    ``stream``: a stream is held back until it is whole (``hold``), judged by its first ``first_tokens`` pieces
    (``first``), or not at all (``never``). ``second`` names another own model that is asked the same.
    """

    judge: Callable[[Shown], Judged]
    stream: StreamRule = "hold"
    first_tokens: int = 48
    second: str | None = None


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """A name that clients ask for: candidates in order of preference, and the rules of this name.

    ``overflow``: a paid deployment may answer because the own ones are busy, not only because they failed. ``strong``
    are the stronger ones, for the policies that tell work for them from other work: ``complexity`` and ``learned``
    guess before the call (``learned`` None: nobody has trained it), ``cascade`` judges the answer. So large a share as
    ``explore`` of all requests gets both answers, whatever the rule says, so that it can be checked; so large a share
    as ``shadow_share`` of what a stronger one answered is asked of ``shadow`` too.
    """

    name: str
    targets: tuple[str, ...]
    policy: PolicyName
    sensitivity: Sensitivity = NOT_SENSITIVE
    local_only: bool = False
    overflow: bool = False
    strong: frozenset[str] = frozenset()
    complexity: Callable[[ChatRequest], Guess] | None = None
    learned: Callable[[ChatRequest], Guess] | None = None
    cascade: Cascade | None = None
    explore: float = 0.0
    shadow: str = ""
    shadow_share: float = 0.0

    @property
    def watched(self) -> bool:
        """Whether answers are looked at afterwards."""
        return self.explore > 0 or self.shadow_share > 0


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
