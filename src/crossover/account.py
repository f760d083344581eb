"""The account of one request: what was decided, tried, used and paid, until it becomes one :class:`Record`.

Plain bookkeeping without IO. Times are seconds of a monotonic clock, money is picodollars.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

import msgspec

from crossover.chat import (
    Caller,
    ChatChunk,
    ChatRequest,
    ChatResponse,
    EmbedRequest,
    EmbedResponse,
    Refused,
    Served,
    Text,
    Thinking,
    ToolCall,
)
from crossover.errors import NoTargetError, RequestError, ServingError, UpstreamError
from crossover.ledger.words import Alternative, AttemptRow, Privacy, Record, Status
from crossover.privacy.clearance import Cleared
from crossover.privacy.policy import Known, Place, verdict
from crossover.routing.cascade import Gate
from crossover.routing.eligibility import FOR_GOOD, Ask
from crossover.routing.faults import FAULTS
from crossover.routing.guess import NOTHING as NOT_GUESSED
from crossover.routing.words import Decision, Refusal, Route, Target
from crossover.usage import Usage

NOTHING = Usage()
Kind = Literal["chat", "embed"]
SAYS_ENOUGH = frozenset({"length", "content_filter"})  # ends that are an answer even where no word came before them
_NOT_SENT = frozenset({"refused", "tls", "connect_timeout", "unsupported"})  # failures before a byte of it went out
_A_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+-]{0,127}")
_MANY_DIGITS = re.compile(r"(?:\d[._:/+-]?){9}")  # a date has eight
_ANYWHERE = Place("", local=False)  # any place outside
PASSED_ON = "escalated"  # outcome of an attempt whose answer was judged not good enough
_LONGEST_NAME = 200  # characters kept of a name that a client asked for: the ledger is no place to store text in


class Kept(msgspec.Struct, frozen=True):
    """A whole answer that was judged not good enough: better than none, should nobody else answer."""

    target: Target
    answer: ChatResponse | EmbedResponse | tuple[ChatChunk, ...]
    used: Usage
    cleared: Cleared | None
    said: list[str] | None


class Account:
    """One request from its arrival to its record. ``left`` is what may still be tried, best first: it only shrinks."""

    __slots__ = (
        "_attempts",
        "_unpriced",
        "added",
        "arrived",
        "ask",
        "asked",
        "caller",
        "cleared",
        "cost",
        "decision",
        "dropped",
        "error",
        "first_answer",
        "first_at",
        "flowing",
        "gate",
        "guessed",
        "held",
        "id",
        "kept",
        "kind",
        "left",
        "placed_at",
        "priced",
        "probe",
        "refused",
        "reserved",
        "route",
        "said",
        "set_aside",
        "spent",
        "started",
        "status",
        "streamed",
        "target",
        "under_way",
        "usage",
        "waited",
        "written",
    )

    def __init__(
        self, request_id: str, asked: str, caller: Caller, route: Route, ask: Ask, decision: Decision, *,
        arrived: float, streamed: bool, kind: Kind,
    ) -> None:  # fmt: skip
        self.id = request_id
        self.asked = asked[:_LONGEST_NAME]
        self.caller = caller
        self.route = route
        self.ask = ask
        self.decision = decision
        self.left = decision.order
        self.cleared: Cleared | None = None  # the request as the deployment under way sees it
        self.refused = decision.refused
        self.arrived = arrived
        self.streamed = streamed
        self.kind: Kind = kind
        self.target: Target | None = None  # being tried, or the one that answered
        self.under_way = False  # an attempt has begun and not ended
        self.probe = False  # the attempt under way probes a deployment that rested
        self.started = arrived  # of the attempt under way
        self.placed_at: float | None = None  # when the first attempt began: before that it waited
        self.first_at: float | None = None  # first piece of the answer that the client was given
        self.held: list[ChatChunk] = []  # pieces that say nothing of the answer yet
        self.flowing = False  # pieces go out as they come
        self.gate: Gate | None = None  # judges the answer of the attempt under way
        self.kept: Kept | None = None  # the answer that was not good enough
        self.first_answer = ("", "")  # whose it was, and its words
        self.guessed = NOT_GUESSED  # what the rule said of it, and whether chance chose it
        self.added = ""  # to the reason: what happened after the decision
        self.waited = False  # time has passed since the decision
        self.said: list[str] | None = None  # the words of the answer, where somebody wants them kept
        self.usage: Usage | None = None  # as the target reported it
        self.written = 0  # characters of the answer seen so far
        self.dropped: tuple[str, ...] = ()
        self.reserved = False  # the ledger may hold a reservation under this id
        self.set_aside = 0  # picodollars reserved
        self.cost = 0  # picodollars of all attempts so far
        self.spent = 0  # marginal picodollars of all attempts: what budgets count
        self.status: Status = "error"
        self.error: ServingError | None = None
        self.priced: Usage = NOTHING
        self._attempts: list[AttemptRow] = []
        self._unpriced = False  # some attempt used tokens whose price nobody knows

    # ------------------------------------------------------------------------------------------------- what is tried

    def leave_out(self, *refusals: Refusal) -> None:
        """Some of the order may not be asked, or not again."""
        names = {refusal.target for refusal in refusals}
        self.left = tuple([name for name in self.left if name not in names])
        self.refused += refusals

    def begin(self, target: Target, cleared: Cleared, now: float, *, probe: bool) -> None:
        """An attempt at this deployment begins, with the request as it may see it."""
        self.cleared = cleared
        if self.placed_at is None:
            self.placed_at = now
        self.target, self.started, self.under_way, self.probe = target, now, True, probe
        self.usage, self.written, self.dropped = None, 0, ()
        self.gate = None
        if self.said:
            self.said = []
        if self.held:
            self.held = []

    def pass_on(
        self, why: str, now: float, answer: ChatResponse | EmbedResponse | tuple[ChatChunk, ...] | None
    ) -> None:  # fmt: skip
        """The attempt under way was answered, and a stronger model is asked all the same. None: it was not whole."""
        target, gate, used = self.target, self.gate, self._used()
        assert target is not None
        assert gate is not None
        if answer is not None:  # of half an answer nobody can say whether it would have been as good
            self.first_answer = (target.id, gate.text)
            self.kept = Kept(target, answer, used, self.cleared, self.said)
        self._note(PASSED_ON, now, used, 200, True)
        weaker = [name for name in self.left if name not in self.route.strong and name != target.id]
        self.leave_out(
            Refusal(target.id, PASSED_ON, f"{target.id}: {why}"),
            *(Refusal(name, PASSED_ON, f"{name} is no stronger than {target.id}") for name in weaker),
        )
        self.gate = None

    def take_kept(self) -> ChatResponse | EmbedResponse | tuple[ChatChunk, ...] | None:
        """The answer that was passed on, now that nobody else has answered; None where there is none to give."""
        kept = self.kept
        if kept is None or self.first_at is not None:
            return None
        self.target, self.cleared, self.priced, self.said = kept.target, kept.cleared, kept.used, kept.said
        self.status, self.error, self.kept = "ok", None, None
        self.added = "; no stronger model answered, so this answer counts"
        return kept.answer

    @property
    def attempts(self) -> tuple[AttemptRow, ...]:
        """The attempts that have ended."""
        return tuple(self._attempts)

    def tries_at(self, target: Target) -> int:
        """How many attempts at this deployment have ended."""
        return sum(1 for row in self._attempts if row.deployment == target.id)

    def may_try(self, name: str, fallbacks: int) -> bool:
        """Whether this deployment may be asked: one that was asked already, or one of so many fallbacks."""
        asked = {row.deployment for row in self._attempts if row.outcome != PASSED_ON}  # no failure: no fallback
        return not asked or name in asked or len(asked) <= fallbacks

    # -------------------------------------------------------------------------------------------- what is read of it

    def read(self, chunk: ChatChunk) -> None:
        """Count a piece of the answer."""
        if chunk.usage is not None:
            self.usage = chunk.usage
        if self.said is not None:
            self.said += [delta.text for delta in chunk.deltas]
        for delta in chunk.deltas:
            self.written += len(delta.text) + len(delta.thinking) + len(delta.refusal)
            if delta.tool is not None:
                self.written += len(delta.tool.arguments)

    def read_whole(self, response: ChatResponse | EmbedResponse) -> None:
        """Count a whole answer. Raises UpstreamError ``empty`` where there is nothing in it."""
        self.usage, self.dropped = response.usage, response.dropped
        if isinstance(response, EmbedResponse):
            if not response.vectors:
                raise UpstreamError("the answer holds no vectors", upstream="empty")
            return
        if self.said is not None:
            self.said += [choice.message.text for choice in response.choices]
        if response.usage is not None and response.usage.output:
            return
        said = False
        for choice in response.choices:
            said = said or choice.finish in SAYS_ENOUGH
            for part in choice.message.parts:
                if isinstance(part, Text | Thinking | Refused):
                    self.written += len(part.text)
                    said = said or part.text != "" or (isinstance(part, Thinking) and part.redacted is not None)
                else:
                    said = True
                    if isinstance(part, ToolCall):
                        self.written += len(part.arguments)
        if not said:
            raise UpstreamError("the answer is empty", upstream="empty")

    def says_enough(self) -> bool:
        """Whether the pieces held back, with the end of the stream among them, are an answer all the same.

        A model that thought without showing it, up to the limit, has worked; so has one whose answer was withheld.
        """
        if self.usage is not None and self.usage.output:
            return True
        return any(delta.finish in SAYS_ENOUGH for chunk in self.held for delta in chunk.deltas)

    # ----------------------------------------------------------------------------------------------- how it ends

    def failed(self, error: UpstreamError, now: float) -> None:
        """The attempt under way failed; it is priced by an estimate where the work may have been done."""
        billed = error.accepted and (FAULTS[error.upstream].billed or self.written > 0)
        self._note(error.upstream, now, self._so_far() if billed else NOTHING, error.upstream_status or 0, billed)

    def leave(self) -> None:
        """The client has left; whoever has the whole answer may."""
        if self.status != "ok":
            self.status = "cancelled"

    def broken_off(self, now: float) -> None:
        """The attempt under way ended without a verdict: the client left, or something unexpected happened."""
        outcome = "cancelled" if self.status == "cancelled" else code_of(self.error)
        billed = not isinstance(self.error, RequestError | NoTargetError)  # then the request went nowhere
        self._note(outcome, now, self._so_far() if billed else NOTHING, 0, billed)

    def answered(self, now: float) -> None:
        """The attempt under way was answered in full."""
        self.status, self.error = "ok", None
        self._note("ok", now, self._used(), 200, True)

    def _used(self) -> Usage:
        """What the answer of the attempt under way used."""
        used = self.usage
        return self._so_far() if used is None or (not used.output and self.written) else used

    def _note(self, outcome: str, now: float, usage: Usage, status: int, accepted: bool) -> None:
        target = self.target
        assert target is not None
        self.under_way = self.flowing = False
        cost = 0
        if usage is not NOTHING:
            cost = target.price.cost(usage)
            self.cost += cost
            self._unpriced = self._unpriced or not target.price.known
            if not target.local:
                self.spent += cost
        self.priced = usage
        zone, left = target.deployment.zone, not target.local and outcome not in _NOT_SENT
        cleared = self.cleared
        row = AttemptRow(  # by position: names cost as much as all the rest, and this runs for every request
            target.id, outcome, (self.started - self.arrived) * 1000, (now - self.started) * 1000, status, accepted,
            usage.input, usage.output, cost, left, zone.name, target.provider, zone.party,
            "" if not left else "redact" if cleared is not None and cleared.redacted else "allow",
            0 if cleared is None else cleared.redacted,
        )  # fmt: skip
        self._attempts.append(row)

    def _so_far(self) -> Usage:
        """What was probably used: the prompt whole, the answer as far as it was seen, and no less than was reported."""
        seen = (self.written + 3) // 4  # about four characters a token
        said = self.usage
        if said is None:
            return Usage(input=self.ask.input_tokens, output=seen, input_basis="estimated", output_basis="estimated")
        if seen <= said.output:
            return said
        return msgspec.structs.replace(said, output=seen, output_basis="estimated")

    def why_nobody(self, retry_after_s: float | None) -> ServingError:
        """Why nobody answered: the last failure where something was tried, else every refusal."""
        if isinstance(self.error, UpstreamError):
            return self.error
        passing = {row.code for row in self.refused} - FOR_GOOD
        reasons = "; ".join(dict.fromkeys(row.reason for row in self.refused))
        if passing == {"budget"}:
            return RequestError(reasons, status=429, code="budget_exceeded")
        return NoTargetError(
            f"no deployment of {self.route.name} may answer: {reasons or 'it has none'}",
            status=503 if passing else 422,
            refused=tuple((row.target, row.code, row.reason) for row in self.refused),
            retry_after_s=retry_after_s,
        )

    # -------------------------------------------------------------------------------------------- what is said of it

    def served(self, *, final: bool) -> Served:
        """What the answer says of itself; with its cost once it is complete."""
        target = self.target
        assert target is not None
        tries = len(self._attempts)
        cost = Decimal(self.cost).scaleb(-12) if final and not self._unpriced else None
        return Served(
            self.id, target.id, target.deployment.model.name, target.deployment.zone.name, self.decision.policy,
            self._why(target.id), tries if final else tries + 1, cost, self.dropped, target.local,
            0 if self.cleared is None else self.cleared.redacted,
        )  # fmt: skip

    def _why(self, name: str) -> str:
        """Why this one answered: the decision, and where others came first, why each of them did not."""
        reason, order = self.decision.reason + self.added, self.decision.order
        if name == order[0]:
            return reason
        before = order[: order.index(name)]
        passed = [row.reason for row in self.refused if row.target in before]
        return "; ".join([reason, *dict.fromkeys(passed), f"so {name}"])

    def record(self, now: float, wall: float, targets: Mapping[str, Target]) -> Record:
        """The row of the ledger. ``wall`` is the Unix time of the request's arrival."""
        target, used, known, arrived = self.target, self.priced, self.ask.known, self.arrived
        sensitivity, refused = known.sensitivity, self.refused
        return Record(  # by position, in the order of its fields: names cost as much as all the rest
            self.id, wall, self.caller.door, self.asked, self.route.policy, self.status,
            200 if self.status == "ok" else self._http_status(),
            "" if self.status in ("ok", "cancelled") else code_of(self.error),
            self.caller.key,
            "" if target is None else target.id,
            "" if target is None else target.provider,
            "" if target is None else target.deployment.model.name,
            "" if target is None else target.deployment.zone.name,
            target is not None and target.local,
            sensitivity.tier,
            tuple(sorted(sensitivity.categories)) if sensitivity.categories else (),
            self.streamed,
            ((now if self.placed_at is None else self.placed_at) - arrived) * 1000,
            0.0 if self.first_at is None else (self.first_at - arrived) * 1000,
            (now - arrived) * 1000,
            used.input, used.cached_read, used.cache_write_5m, used.cache_write_1h, used.output, used.reasoning,
            used.images, used.input_basis, used.output_basis,
            self.cost, not self._unpriced, self.spent, "" if target is None else target.price.source,
            self.decision.reason + self.added,
            tuple([(one.target, one.reason) for one in refused]) if refused else (),
            tuple([one.code for one in refused]) if refused else (),
            self._alternatives(targets) if len(self.route.targets) > 1 else (),
            self.dropped, tuple(self._attempts), self.reserved, self.kind,
            self._privacy(known) if known.profiles else None,
        )  # fmt: skip

    def _privacy(self, known: Known) -> Privacy:
        """What privacy knew of it and did."""
        if known.clean:
            return Privacy(profile=known.profile, detector=known.detector)
        found = known.found
        judged = verdict(known, _ANYWHERE) if self.cleared is None else self.cleared.verdict
        stayed = next((row for row in self.refused if row.code == "privacy"), None)
        if stayed is not None and judged.action != "redact":
            judged = verdict(known, _ANYWHERE)
        action = judged.action
        if action == "redact" and stayed is not None and not any(one.left for one in self._attempts):
            action = "local_only"  # it could not be replaced
        return Privacy(
            profile=known.profile,
            detector=known.detector,
            counts=found.counts,
            opaque=found.opaque,
            rule=judged.rule,
            action="failed" if found.failed else action,
        )

    def _http_status(self) -> int:
        """The status that the client was given: 499 where it had left, 200 where a stream broke after its start."""
        if self.status == "truncated":
            return 200
        if self.status == "cancelled":
            return 499
        return 500 if self.error is None else self.error.status

    def _alternatives(self, targets: Mapping[str, Target]) -> tuple[Alternative, ...]:
        """What the same tokens would have cost on the route's other deployments, and whether the rules allow it."""
        if self.target is None or self.priced is NOTHING:
            return ()
        forbidden = {row.target for row in self.refused if row.code in FOR_GOOD}
        chosen, used = self.target.id, self.priced
        return tuple(
            [
                Alternative(name, targets[name].price.cost(used), name not in forbidden, targets[name].local)
                for name in self.route.targets
                if name != chosen and targets[name].price.known
            ]
        )


def turned_away(
    request: ChatRequest | EmbedRequest, kind: Kind, request_id: str, error: ServingError, wall: float
) -> Record:
    """The row of a request that was wrong before anything could be decided: an unknown name, label or policy."""
    caller = request.caller
    return Record(
        id=request_id,
        time=wall,
        door=caller.door,
        asked=_named(request.model),
        policy="",
        status="refused",
        http_status=error.status,
        error=code_of(error),
        key=caller.key,
        kind=kind,
    )


def _named(model: str) -> str:
    """A name that nobody here knows, as far as it can be a name: a client may have put anything there."""
    return model if _A_NAME.fullmatch(model) and not _MANY_DIGITS.search(model) else "(no name)"


def code_of(error: ServingError | None) -> str:
    """A short word for an error: what the ledger keeps. None: something that is no error of a model or a request."""
    if isinstance(error, UpstreamError):
        return error.upstream
    if isinstance(error, RequestError):
        return error.code
    return "internal" if error is None else error.kind
