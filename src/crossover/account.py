"""The account of one request: what was decided, tried, used and paid, until it becomes one :class:`Record`.

Plain bookkeeping without IO. Times are seconds of a monotonic clock, money is picodollars.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from crossover.chat import Caller, Served
from crossover.errors import CrossoverError, NoTargetError, RequestError, UpstreamError
from crossover.ledger.words import PICO, Alternative, AttemptRow, Record, Status
from crossover.routing.eligibility import Ask
from crossover.routing.faults import FAULTS
from crossover.routing.words import Decision, Refusal, Route, Target
from crossover.usage import Usage

NOTHING = Usage()


class Account:
    """One request from its arrival to its record. ``left`` is what may still be tried, best first: it only shrinks."""

    __slots__ = (
        "_attempts",
        "_spent",
        "arrived",
        "ask",
        "asked",
        "caller",
        "decision",
        "dropped",
        "error",
        "first_at",
        "kind",
        "left",
        "placed_at",
        "priced",
        "refused",
        "reserved",
        "route",
        "started",
        "status",
        "streamed",
        "target",
        "under_way",
        "usage",
        "written",
    )

    def __init__(
        self, asked: str, caller: Caller, route: Route, ask: Ask, *, arrived: float, streamed: bool, kind: str
    ) -> None:
        self.asked = asked
        self.caller = caller
        self.route = route
        self.ask = ask
        self.arrived = arrived
        self.streamed = streamed
        self.kind = kind
        self.decision: Decision | None = None
        self.left: tuple[str, ...] = ()
        self.refused: tuple[Refusal, ...] = ()
        self.target: Target | None = None  # being tried, or the one that answered
        self.started = arrived  # of the attempt under way
        self.placed_at = arrived  # when the first attempt began: before that it waited
        self.first_at: float | None = None  # first piece of the answer
        self.usage: Usage | None = None  # as the target reported it
        self.written = 0  # characters of the answer seen so far
        self.dropped: tuple[str, ...] = ()
        self.reserved = False
        self.status: Status = "error"
        self.error: CrossoverError | None = None
        self.under_way = False
        self.priced: Usage = NOTHING
        self._attempts: list[AttemptRow] = []
        self._spent: list[int] = []  # marginal picodollars of each attempt

    def decided(self, decision: Decision) -> None:
        """The order is known; nothing is ever added to it."""
        self.decision = decision
        self.left = decision.order
        self.refused = decision.refused

    def leave_out(self, refusals: tuple[Refusal, ...]) -> None:
        """Some of the order may not be asked after all."""
        names = {refusal.target for refusal in refusals}
        self.left = tuple(name for name in self.left if name not in names)
        self.refused += refusals

    def begin(self, target: Target, now: float) -> None:
        """An attempt at this deployment begins."""
        if not self._attempts:
            self.placed_at = now
        self.target, self.started, self.under_way = target, now, True
        self.first_at, self.usage, self.written, self.dropped = None, None, 0, ()

    def tries_at(self, target: Target) -> int:
        """How many attempts at this deployment have ended."""
        return sum(1 for row in self._attempts if row.deployment == target.id)

    @property
    def attempts(self) -> int:
        """How many attempts have ended."""
        return len(self._attempts)

    def failed(self, error: UpstreamError, now: float) -> None:
        """The attempt under way failed; it is priced by an estimate where the work may have been done."""
        fault = FAULTS[error.upstream]
        billed = fault.billed and error.accepted
        self._note(error.upstream, now, self._estimate() if billed else NOTHING, error.upstream_status or 0, billed)

    def left_alone(self, now: float) -> None:
        """The client left during an attempt: what was read and written so far may be billed."""
        self._note("cancelled", now, self.usage or self._estimate(), 0, True)

    def answered(self, now: float, http_status: int = 200) -> None:
        """The attempt under way was answered in full."""
        self.status, self.error = "ok", None
        self._note("ok", now, self.usage or self._estimate(), http_status, True)

    def _note(self, outcome: str, now: float, usage: Usage, status: int, accepted: bool) -> None:
        target = self.target
        if target is None:
            return
        self.under_way = False
        cost = target.price.cost(usage) if usage is not NOTHING else 0
        self.priced = usage
        self._spent.append(0 if target.local else cost)
        self._attempts.append(
            AttemptRow(
                deployment=target.id,
                outcome=outcome,
                start_ms=round((self.started - self.arrived) * 1000, 3),
                duration_ms=round((now - self.started) * 1000, 3),
                upstream_status=status,
                accepted=accepted,
                input_tokens=usage.input,
                output_tokens=usage.output,
                cost=cost,
            )
        )

    def _estimate(self) -> Usage:
        """What was probably used where the target did not say: the prompt whole, the answer so far."""
        seen = (self.written + 3) // 4
        return Usage(input=self.ask.input_tokens, output=seen, input_basis="estimated", output_basis="estimated")

    @property
    def cost(self) -> int:
        """Picodollars of all attempts so far."""
        return sum(row.cost for row in self._attempts)

    def served(self, *, final: bool) -> Served:
        """What the answer says of itself; with its cost once it is complete."""
        target, decision = self.target, self.decision
        assert target is not None
        assert decision is not None
        tries = len(self._attempts)
        return Served(
            request_id=self.caller.request_id,
            deployment=target.id,
            model=target.deployment.model.name,
            zone=target.deployment.zone.name,
            policy=decision.policy,
            reason=decision.reason,
            attempts=tries if final else tries + 1,
            cost=Decimal(self.cost) / PICO if final and target.price.known else None,
            dropped=self.dropped,
            local=target.local,
        )

    def record(self, now: float, wall: float, targets: Mapping[str, Target]) -> Record:
        """The row of the ledger. ``wall`` is the Unix time of the request's arrival."""
        target, used, ask, decision = self.target, self.priced, self.ask, self.decision
        return Record(
            id=self.caller.request_id,
            time=wall,
            door=self.caller.door,
            asked=self.asked,
            policy=self.route.policy,
            status=self.status,
            http_status=200 if self.status == "ok" else http_status(self.error),
            error="" if self.error is None else code_of(self.error),
            key=self.caller.key,
            deployment="" if target is None else target.id,
            provider="" if target is None else target.provider,
            model="" if target is None else target.deployment.model.name,
            zone="" if target is None else target.deployment.zone.name,
            local=target is not None and target.local,
            tier=ask.sensitivity.tier,
            categories=tuple(sorted(ask.sensitivity.categories)) if ask.sensitivity.categories else (),
            streamed=self.streamed,
            queue_ms=round((self.placed_at - self.arrived) * 1000, 3),
            ttft_ms=0.0 if self.first_at is None else round((self.first_at - self.arrived) * 1000, 3),
            total_ms=round((now - self.arrived) * 1000, 3),
            input_tokens=used.input,
            cached_read=used.cached_read,
            cache_write_5m=used.cache_write_5m,
            cache_write_1h=used.cache_write_1h,
            output_tokens=used.output,
            reasoning=used.reasoning,
            images=used.images,
            input_basis=used.input_basis,
            output_basis=used.output_basis,
            cost=self.cost,
            cost_known=target is None or target.price.known,
            marginal=sum(self._spent),
            price_source="" if target is None else target.price.source,
            decision="" if decision is None else decision.reason,
            refused=tuple([(refusal.target, refusal.reason) for refusal in self.refused]),
            alternatives=self._alternatives(targets),
            dropped=self.dropped,
            attempts=tuple(self._attempts),
            reserved=self.reserved,
            kind="embed" if self.kind == "embed" else "chat",
        )

    def _alternatives(self, targets: Mapping[str, Target]) -> tuple[Alternative, ...]:
        """What the same tokens would have cost on the other deployments of the route."""
        if self.target is None or len(self.route.targets) < 2:
            return ()
        refused = {refusal.target for refusal in self.refused}
        chosen, used = self.target.id, self.priced
        return tuple(
            Alternative(name, targets[name].price.cost(used), name not in refused)
            for name in self.route.targets
            if name != chosen and name in targets and targets[name].price.known
        )


def http_status(error: CrossoverError | None) -> int:
    """The status that the client was given for this error; 499 where it had left."""
    if error is None:
        return 499
    return getattr(error, "status", 500)


def code_of(error: CrossoverError) -> str:
    """A short word for an error: what the ledger keeps."""
    if isinstance(error, UpstreamError):
        return error.upstream
    if isinstance(error, RequestError):
        return error.code
    return "no_target" if isinstance(error, NoTargetError) else error.kind
