"""The rows of the ledger and the small protocol through which the serving side sees it.

Money is integer *picodollars* (10⁻¹² USD) in rows: a price of $0.01875 per million tokens is 18,750 of them a token,
exactly. Times of day are Unix seconds (UTC), durations milliseconds.
"""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

from crossover.usage import Basis

PICO = 10**12
Period = Literal["day", "week", "month", "total"]
Status = Literal["ok", "error", "truncated", "cancelled", "refused"]


class AttemptRow(msgspec.Struct, frozen=True, gc=False):
    """One call to one deployment. ``outcome`` is ``ok`` or an ``UpstreamKind``; ``accepted``: may have been billed.

    ``left``: bytes of the request went to a place that is not the user's own (``zone``, operated by ``party``, reached
    by the registry's row ``provider``). ``action`` is what privacy let go there: ``allow`` (as it was) or ``redact``,
    with so many findings ``redacted``: each place of a value counts, as in :class:`Privacy`.
    """

    deployment: str
    outcome: str
    start_ms: float
    duration_ms: float
    upstream_status: int = 0
    accepted: bool = True
    input_tokens: int = 0
    output_tokens: int = 0
    cost: int = 0
    left: bool = False
    zone: str = ""
    provider: str = ""
    party: str = ""
    action: Literal["", "allow", "redact"] = ""
    redacted: int = 0


class Privacy(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What privacy knew of a request and decided: kinds and counts, never a value.

    ``profile`` names the matrix that judged it (empty or ``off``: nobody looked), ``detector`` the version of rules and
    models. ``counts`` are findings by (category, kind, tier). ``opaque`` says why a part of it could not be read.
    ``rule`` is the row of the policy that decided on ``action``.
    """

    profile: str = ""
    detector: str = ""
    counts: tuple[tuple[str, str, str, int], ...] = ()
    opaque: str = ""
    rule: str = ""
    action: Literal["allow", "redact", "local_only", "block", "failed"] = "allow"


class Alternative(msgspec.Struct, frozen=True, gc=False):
    """What the same usage would have cost elsewhere (picodollars), and whether it was permitted.

    ``local``: on an own or rented machine, where ``cost`` is a share of its hour and nobody sends a bill for tokens.
    """

    deployment: str
    cost: int
    permitted: bool = True
    local: bool = False


class Record(msgspec.Struct, frozen=True):
    """One request, whole. ``model`` is what answered, ``asked`` what the client named.

    ``cost`` prices the tokens: list price on an API, the machine's hour shared out over its tokens on a local
    deployment. ``marginal`` is what had to be paid because of this request (0 on a running local machine); budgets
    count it. ``decision`` is the reason in words, ``refused`` pairs (deployment, reason), ``codes`` the short code of
    each of them (empty: nobody noted them). ``reserved`` says that budgets hold a reservation under this id, which the
    row settles. ``privacy`` None: nobody looked at it.
    """

    id: str
    time: float
    door: str
    asked: str
    policy: str
    status: Status
    http_status: int = 200
    error: str = ""
    key: str = ""
    deployment: str = ""
    provider: str = ""
    model: str = ""
    zone: str = ""
    local: bool = False
    tier: str = "none"
    categories: tuple[str, ...] = ()
    streamed: bool = False
    queue_ms: float = 0.0
    ttft_ms: float = 0.0
    total_ms: float = 0.0
    input_tokens: int = 0
    cached_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output_tokens: int = 0
    reasoning: int = 0
    images: int = 0
    input_basis: Basis = "measured"
    output_basis: Basis = "measured"
    cost: int = 0
    cost_known: bool = True
    marginal: int = 0
    price_source: str = ""
    decision: str = ""
    refused: tuple[tuple[str, str], ...] = ()
    codes: tuple[str, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    dropped: tuple[str, ...] = ()
    attempts: tuple[AttemptRow, ...] = ()
    reserved: bool = False
    kind: Literal["chat", "embed"] = "chat"
    privacy: Privacy | None = None


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """An API key as the gateway knows it; the key itself is not kept, only its SHA-256.

    ``rpm`` and ``tpm`` limit requests and tokens a minute (0: none), ``aliases`` what it may ask for (empty: all),
    ``policy`` and ``sensitivity`` are its defaults; the label can only raise. Times are Unix seconds.
    """

    id: str
    name: str
    hash: str
    created: float
    revoked: float | None = None
    expires: float | None = None
    rpm: int = 0
    tpm: int = 0
    aliases: tuple[str, ...] = ()
    policy: str | None = None
    sensitivity: str | None = None
    budget: int = 0  # picodollars per budget_period; 0: none of its own
    budget_period: Period = "month"


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """A limit in picodollars for one period. ``name`` is the row's identity (``key:ID`` or the configured name)."""

    name: str
    limit: int
    period: Period


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """How the ledger does. ``healthy`` False: the file takes no rows now, ``error`` says why.

    ``queued`` rows wait in memory, the oldest for at most ``lag_s`` seconds; ``spilled`` rows wait in the spill file;
    ``lost`` rows are nowhere, ``mended`` rows were changed so that the file takes them.
    """

    healthy: bool
    queued: int
    lag_s: float
    written: int
    spilled: int
    lost: int
    mended: int
    error: str = ""


class Book(Protocol):
    """The ledger as dispatch and gateway see it; ``ledger.store`` is one, tests have their own."""

    def append(self, record: Record) -> None:
        """Take a row: committed with others within 250 ms; its reservation is settled in the same transaction."""
        ...

    async def reserve(self, request_id: str, budgets: tuple[Budget, ...], amount: int, now: float) -> Budget | None:
        """Set ``amount`` aside in every budget at once, durably; the first budget that has too little left, or None."""
        ...

    def release(self, request_id: str) -> None:
        """Give a reservation back: nothing was spent."""
        ...
