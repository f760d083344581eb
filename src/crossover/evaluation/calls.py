"""Calls of an evaluation: each is paid once, whatever happens, within limits and a budget.

A call is known by what is asked and of whom (:func:`key_of`): the identity of the candidate, the parameters and the
messages. What was answered once is never asked again; what is being asked is waited for. An answer is written to the
log before anybody sees it.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Any

import msgspec

from crossover.chat import NOBODY, Backend, Caller, ChatRequest, ChatResponse, EmbedRequest, Text, ToolCall
from crossover.errors import (
    BudgetSpentError,
    NoTargetError,
    RequestError,
    ScoringError,
    ServingError,
    StoppedError,
    UpstreamError,
)
from crossover.evaluation.heard import Heard, hear, summed_up
from crossover.evaluation.log import Answer, Failure, Log

Cost = Callable[[ChatRequest | EmbedRequest], Decimal | None]
PICO = Decimal(10) ** 12

# What another try may mend; everything else is an answer of its own.
_PASSING = frozenset(
    {"refused", "connect_timeout", "reset", "first_byte_timeout", "gap_timeout", "total_timeout", "cut", "empty"}
    | {"malformed", "rate_limited", "overloaded", "server_error"}
)
_NEVER = frozenset({"auth", "quota", "not_found", "tls", "unknown_model", "unsupported"})  # wrong for every sample
_MAYBE_BILLED = frozenset({"first_byte_timeout", "gap_timeout", "total_timeout", "cut", "empty", "malformed"})
_NEVER_ENOUGH = 3  # of these in a row, with no answer before, end the run
_FAILURES_ENOUGH = 20  # of any kind in a row end the run


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """Who answers: a backend, the name it is asked for, and what may be asked of it at once.

    ``identity`` says what answers behind the name: while it stays the same, an answer is the same. ``limits`` are the
    deployments behind it with their calls at once (0: no limit). ``highest`` is the most that a call can cost, in
    dollars (None: nobody knows); ``paid`` whether it costs anything at all. ``options`` are added to every request.
    """

    name: str
    backend: Backend
    model: str
    identity: str
    limits: tuple[tuple[str, int], ...] = ()
    policy: str | None = None
    highest: Cost = lambda _request: Decimal(0)
    paid: bool = False
    options: Mapping[str, Any] = {}


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How failures are borne: tries of one call, the first wait in seconds (doubled each time) and the longest."""

    tries: int = 4
    first_s: float = 1.0
    longest_s: float = 30.0
    deadline_s: float | None = 300.0


class Clock(msgspec.Struct, frozen=True, kw_only=True):
    """Time, handed in: a monotonic clock, a way to wait, and the time of day in ISO 8601."""

    tick: Callable[[], float] = time.perf_counter
    sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep
    now: Callable[[], str] = lambda: dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


class Purse:
    """A budget in dollars (None: no limit). What is under way is set aside at its highest price."""

    def __init__(self, limit: Decimal | None, spent: Decimal = Decimal(0)) -> None:
        self.limit = limit
        self.spent = spent
        self.unknown = 0  # calls whose price nobody knows
        self._aside = Decimal(0)
        self._settled = asyncio.Condition()

    async def set_aside(self, amount: Decimal) -> None:
        """Set the price of a call aside; waits where calls under way may yet cost less. BudgetSpentError: no."""
        if self.limit is None:
            return
        async with self._settled:
            while self.spent + self._aside + amount > self.limit:
                if not self._aside:
                    raise BudgetSpentError(
                        f"the budget of ${self.limit:f} is spent: ${self.spent:f} so far, and the next call could cost "
                        f"${amount:f}", hint="Raise --budget and go on with --resume",
                    )  # fmt: skip
                await self._settled.wait()
            self._aside += amount

    async def settle(self, amount: Decimal, cost: Decimal | None) -> None:
        """A call is over: give back what was set aside, and count what it cost."""
        self.spent += cost or Decimal(0)
        self.unknown += cost is None
        if self.limit is not None:
            async with self._settled:
                self._aside -= amount
                self._settled.notify_all()


class _Asked(msgspec.Struct, frozen=True):
    """One call: of whom, what, its key, for which sample, and how it is made."""

    candidate: Candidate
    request: ChatRequest | EmbedRequest
    key: str
    sample: str
    call: Callable[[], Awaitable[Heard]]


class Calls:
    """Everything that is asked in one run. ``made`` counts calls that went out, ``kept`` answers that were there."""

    def __init__(
        self, log: Log, purse: Purse, *, patience: Patience | None = None, clock: Clock | None = None,
        streamed: bool = True, more: Mapping[str, Answer] | None = None,
    ) -> None:  # fmt: skip
        self.log = log
        self.purse = purse
        self.made = 0
        self.kept = 0
        self._more = more or {}
        self._patience = patience or Patience()
        self._clock = clock or Clock()
        self._streamed = streamed
        self._under_way: dict[str, asyncio.Future[Answer | Failure]] = {}
        self._places: dict[str, asyncio.Semaphore] = {}
        self._in_a_row: dict[str, int] = {}
        self._answered: set[str] = set()

    async def ask(
        self, candidate: Candidate, request: ChatRequest, *, sample: str = "", sensitivity: str | None = None
    ) -> Answer | Failure:
        """The answer of a candidate: a kept one, or one that is paid now.

        Raises BudgetSpentError, StoppedError, and StoreError where it could not be written down.
        """
        caller = self._caller(candidate, sensitivity)
        asked = msgspec.structs.replace(request, model=candidate.model, stream=self._streamed, caller=caller)

        async def call() -> Heard:
            if self._streamed:
                return await hear(candidate.backend.stream(asked), self._clock.tick)
            return _whole(await candidate.backend.complete(asked))

        return await self._kept_or_paid(_Asked(candidate, asked, key_of(candidate, request), sample, call))

    async def embed(self, candidate: Candidate, texts: Sequence[str], *, sample: str = "") -> list[tuple[float, ...]]:
        """The vectors of some texts, each asked for once. Raises as :meth:`ask` does; ScoringError for a failure."""
        found: dict[str, tuple[float, ...]] = {}
        for text in dict.fromkeys(texts):
            request = EmbedRequest(model=candidate.model, inputs=(text,), caller=self._caller(candidate, None))

            async def call(asked: EmbedRequest = request) -> Heard:
                response = await candidate.backend.embed(asked)
                vectors = tuple(vector for vector in response.vectors if not isinstance(vector, str))
                return Heard(usage=response.usage, model=response.model, served=response.served, vectors=vectors)

            key = key_of(candidate, request)
            result = await self._kept_or_paid(_Asked(candidate, request, key, sample, call))
            if isinstance(result, Failure) or len(result.vectors) != 1:
                why = f"{result.code}: {result.message}" if isinstance(result, Failure) else "it gave no vector"
                raise ScoringError(f"{candidate.name} could not be asked: {why}")
            found[text] = result.vectors[0]
        return [found[text] for text in texts]

    def known(self, key: str) -> Answer | None:
        """An answer that is there already, in this run's log or in another's that may be used."""
        found = self.log.answers.get(key)
        if found is None and (found := self._more.get(key)) is not None:
            found = msgspec.structs.replace(found, reused=True)
            self.log.append(found)
        return found

    async def _kept_or_paid(self, asked: _Asked) -> Answer | Failure:
        while True:
            if (found := self.known(asked.key)) is not None:
                self.kept += 1
                return found
            other = self._under_way.get(asked.key)
            if other is None:
                break
            await asyncio.wait((other,))
            if not other.cancelled():
                return other.result()
        mine: asyncio.Future[Answer | Failure] = asyncio.get_running_loop().create_future()
        self._under_way[asked.key] = mine
        try:
            result = await self._paid(asked)
            mine.set_result(result)
            return result
        finally:
            del self._under_way[asked.key]
            mine.cancel()  # where nothing came of it; who waits asks anew

    async def _paid(self, asked: _Asked) -> Answer | Failure:
        """Ask until there is an answer or no hope, within the candidate's places and the budget."""
        candidate = asked.candidate
        highest = candidate.highest(asked.request) if candidate.paid else Decimal(0)
        amount = highest if highest is not None else Decimal(0)
        async with AsyncExitStack() as stack:
            for name, limit in sorted(candidate.limits):
                if limit:
                    await stack.enter_async_context(self._places.setdefault(name, asyncio.Semaphore(limit)))
            for attempt in range(1, self._patience.tries + 1):
                await self.purse.set_aside(amount)
                cost: Decimal | None = amount  # where it is cancelled: it may have been billed
                try:
                    result, error = await self._once(asked, highest)
                    cost = Decimal(0) if isinstance(result, Answer) and result.local else result.cost
                    wait = None if error is None else self._wait(error, attempt)
                finally:
                    await self.purse.settle(amount, cost)
                if wait is None:
                    break
                await self._clock.sleep(wait)
        self._count(candidate, result)
        return result

    async def _once(self, asked: _Asked, highest: Decimal | None) -> tuple[Answer | Failure, ServingError | None]:
        """One call, written down before it is given to anybody, and why it failed."""
        self.made += 1
        began = self._clock.tick()
        try:
            heard = await asked.call()
        except ServingError as error:
            failure = self._failure(asked, error, highest)
            self.log.append(failure)
            return failure, error
        answer = self._answer(asked, heard, began, self._clock.tick() - began)
        self.log.append(answer)
        return answer, None

    def _caller(self, candidate: Candidate, sensitivity: str | None) -> Caller:
        return Caller(
            policy=candidate.policy, sensitivity=sensitivity, deadline_s=self._patience.deadline_s, door="eval"
        )

    def _answer(self, asked: _Asked, heard: Heard, began: float, seconds: float) -> Answer:
        served = heard.served
        free = served is None and not asked.candidate.paid
        return Answer(
            key=asked.key,
            asked=asked.candidate.name,
            sample=asked.sample,
            text=heard.text,
            calls=heard.calls,
            finish=heard.finish,
            deployment="" if served is None else served.deployment,
            model=heard.model if served is None else served.model,
            local=served is not None and served.local,
            usage=heard.usage,
            cost=Decimal(0) if free else None if served is None else _cost(served),
            seconds=round(seconds, 6),
            ttft_s=None if heard.first_at is None else round(heard.first_at - began, 6),
            itl_s=heard.gap_s,
            attempts=1 if served is None else served.attempts,
            redacted=0 if served is None else served.redacted,
            logprobs=heard.logprobs,
            vectors=heard.vectors,
            at=self._clock.now(),
        )

    def _failure(self, asked: _Asked, error: ServingError, highest: Decimal | None) -> Failure:
        """A failure; work that may have been done in vain counts with its highest price."""
        code = error.upstream if isinstance(error, UpstreamError) else getattr(error, "code", error.kind)
        billed = isinstance(error, UpstreamError) and error.accepted and code in _MAYBE_BILLED
        return Failure(
            key=asked.key,
            asked=asked.candidate.name,
            sample=asked.sample,
            code=str(code),
            message=error.message[:500],
            withheld=isinstance(error, NoTargetError) and error.status == 422,
            cost=highest if billed else Decimal(0),
            at=self._clock.now(),
        )

    def _wait(self, error: ServingError, attempt: int) -> float | None:
        """Seconds until the next try, at least as long as the target asked for; None: none is worth it."""
        patience = self._patience
        if attempt >= patience.tries or not _passes(error):
            return None
        asked: float | None = getattr(error, "retry_after_s", None)
        return min(max(patience.first_s * 2.0 ** (attempt - 1), asked or 0.0), patience.longest_s)

    def _count(self, candidate: Candidate, result: Answer | Failure) -> None:
        """Notice who fails again and again. Raises StoppedError."""
        name = candidate.name
        if isinstance(result, Answer):
            self._answered.add(name)
            self._in_a_row[name] = 0
            return
        if result.withheld:
            return
        row = self._in_a_row[name] = self._in_a_row.get(name, 0) + 1
        hopeless = result.code in _NEVER and name not in self._answered and row >= _NEVER_ENOUGH
        if hopeless or row >= _FAILURES_ENOUGH:
            raise StoppedError(
                f"{name} failed {row} times in a row, the last time with {result.code}: {result.message}",
                hint="What was answered is kept; mend it and go on with --resume",
            )


def _passes(error: ServingError) -> bool:
    """Whether another try may mend it."""
    if isinstance(error, UpstreamError):
        return error.upstream in _PASSING
    if isinstance(error, RequestError):  # a gateway's limit of a key; a spent budget does not come back so soon
        return error.status == 429 and error.code != "budget_exceeded"
    return isinstance(error, NoTargetError) and error.status != 422


def _cost(served: Any) -> Decimal | None:
    """What an answer cost: where an own machine's hour has no price, nothing is added to a bill."""
    if served.cost is None and served.local:
        return Decimal(0)
    cost: Decimal | None = served.cost
    return cost


def key_of(candidate: Candidate, request: ChatRequest | EmbedRequest) -> str:
    """What is asked and of whom, as one word: identity, parameters, messages. Names and callers are no part of it."""
    bare = msgspec.structs.replace(request, model="", caller=NOBODY, dialect=None, tree=None)
    if isinstance(bare, ChatRequest):
        bare = msgspec.structs.replace(bare, stream=False)
    encoded = msgspec.json.encode((candidate.identity, type(bare).__name__, bare), order="deterministic")
    return hashlib.blake2b(encoded, digest_size=16).hexdigest()


def _whole(response: ChatResponse) -> Heard:
    """An answer that came in one piece."""
    choice = response.choices[0] if response.choices else None
    parts = () if choice is None else choice.message.parts
    return Heard(
        text="".join(part.text for part in parts if isinstance(part, Text)),
        calls=tuple((part.name, part.arguments) for part in parts if isinstance(part, ToolCall)),
        finish="stop" if choice is None else choice.finish,
        usage=response.usage,
        model=response.model,
        served=response.served,
        logprobs={} if choice is None else summed_up(choice.logprobs),
    )
