"""RUN in one file: how a request finds the deployment that answers it, and what happens when things break.

A :class:`Dispatcher` is itself a Backend. For each request it

1. *opens* an account: whose request, under which name, how sensitive, what it needs (:meth:`Dispatcher._open`),
2. lets routing *decide*: the deployments that may answer, best first, and why the others may not,
3. *reserves* the highest possible price in every budget concerned; what a budget cannot carry is left out,
4. *tries* the deployments in that order (:meth:`Dispatcher._next`): a retry asks the same one again and only where it
   did not accept the request; a fallback goes to the next of the same order. Nothing is ever added to the order, and
   the law is asked again right before each attempt,
5. *prices* every attempt and appends one record to the ledger, whatever happened, also when the client leaves.

A stream is held back until it says something: until then a failure is invisible to the client and the next deployment
answers; afterwards a failure is an error that the client sees, never a clean end.

No socket, no database and no provider here: backends and the ledger are handed in, time and chance too.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any, TypeVar

import msgspec

from crossover.account import Account
from crossover.chat import Backend, Caller, ChatChunk, ChatRequest, ChatResponse, EmbedRequest, EmbedResponse
from crossover.errors import NoTargetError, RequestError, ServingError, UpstreamError, nearest
from crossover.ledger.words import Book, Budget
from crossover.privacy.extract import Classify, strings
from crossover.routing.eligibility import Ask, Law, still_permitted
from crossover.routing.faults import FAULTS
from crossover.routing.health import Health
from crossover.routing.needs import EMBEDDINGS, needs
from crossover.routing.places import Places
from crossover.routing.policy import POLICIES, Conditions, decide
from crossover.routing.words import Refusal, Retries, Route, Target
from crossover.sensitivity import NOT_SENSITIVE, Sensitivity, stricter
from crossover.usage import Usage

LOCAL_ONLY = "local_only"
RESERVE_MARGIN = 1.25  # the prompt is estimated before the call; a reservation leaves room for the estimate's error

Answer = TypeVar("Answer", ChatResponse, EmbedResponse)


class Plant(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a new configuration replaces at once. ``routes`` has every name that may be asked for."""

    targets: Mapping[str, Target]
    routes: Mapping[str, Route]
    backends: Mapping[str, Backend]
    places: Mapping[str, Places]
    health: Health
    law: Law
    retries: Retries = Retries()
    budgets: Callable[[Caller, Route], tuple[Budget, ...]] = lambda _caller, _route: ()
    sensitivity: Sensitivity = NOT_SENSITIVE
    regimes: tuple[str, ...] = ()
    reserve_output: int = 4096


class Clock(msgspec.Struct, frozen=True, kw_only=True):
    """Time and chance, handed in: a monotonic clock, the time of day, a way to wait, and a random generator."""

    tick: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep
    chance: random.Random = msgspec.field(default_factory=random.Random)


class Dispatcher:
    """Answers requests with the deployments of its plant; see the head of this file."""

    def __init__(
        self,
        plant: Plant,
        book: Book,
        *,
        estimate: Callable[[ChatRequest | EmbedRequest], int],
        label: Callable[[str], Sensitivity],
        classify: Classify | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.plant = plant  # replaced as a whole by a reload; requests under way keep the one they began with
        self._book = book
        self._estimate = estimate
        self._label = label
        self._classify = classify
        self._clock = clock or Clock()

    # -------------------------------------------------------------------------------------------------- the Backend

    async def complete(self, request: ChatRequest) -> ChatResponse:
        """The whole answer, from the first deployment of the order that gives one."""
        account = self._open(self.plant, request, needs(request), "chat")
        return await self._whole(self.plant, account, lambda backend: backend.complete(request))

    async def embed(self, request: EmbedRequest) -> EmbedResponse:
        """Vectors, by the same walk."""
        account = self._open(self.plant, request, EMBEDDINGS, "embed")
        return await self._whole(self.plant, account, lambda backend: backend.embed(request))

    async def _whole(self, plant: Plant, account: Account, call: Callable[[Backend], Awaitable[Answer]]) -> Answer:
        """An answer in one piece."""
        try:
            await self._reserve(plant, account)
            while (target := await self._next(plant, account)) is not None:
                try:
                    response = await self._within(account, call(plant.backends[target.id]))
                except UpstreamError as error:
                    await self._failed(plant, account, target, error)
                    continue
                finally:
                    plant.places[target.id].give()
                account.first_at = self._clock.tick()
                account.usage, account.dropped = response.usage, response.dropped
                if response.usage is None and isinstance(response, ChatResponse):
                    account.written = sum(len(choice.message.text) for choice in response.choices)
                self._answered(plant, account, target)
                return msgspec.structs.replace(response, served=account.served(final=True))
            raise self._nothing_left(account)
        except ServingError as error:
            account.error = error
            raise
        except asyncio.CancelledError:
            account.status = "cancelled"
            raise
        finally:
            self._close(plant, account)

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatChunk, None]:
        """The answer in pieces: first what it says of itself (``served``), last its price."""
        plant = self.plant
        account = self._open(plant, request, needs(request), "chat")
        try:
            await self._reserve(plant, account)
            while (target := await self._next(plant, account)) is not None:
                source = plant.backends[target.id].stream(request)
                try:
                    async for chunk in self._pieces(account, source):
                        yield chunk
                except UpstreamError as error:
                    if account.first_at is not None:  # the client has seen a part: the rest cannot come from another
                        account.status = "truncated"
                        self._against(plant, account, target, error)
                        raise
                    await self._failed(plant, account, target, error)
                    continue
                finally:
                    plant.places[target.id].give()
                    await source.aclose()
                self._answered(plant, account, target)
                yield ChatChunk(last=True, served=account.served(final=True))
                return
            raise self._nothing_left(account)
        except ServingError as error:
            account.error = error
            raise
        except (asyncio.CancelledError, GeneratorExit):
            account.status = "cancelled"
            raise
        finally:
            self._close(plant, account)

    async def _pieces(
        self, account: Account, source: AsyncGenerator[ChatChunk, None]
    ) -> AsyncGenerator[ChatChunk, None]:
        """A target's pieces as they come, the first ones held back until one says something of the answer."""
        held: list[ChatChunk] = []
        async for chunk in source:
            if chunk.usage is not None:
                account.usage = chunk.usage
            for delta in chunk.deltas:
                account.written += len(delta.text) + len(delta.thinking)
                if delta.tool is not None:
                    account.written += len(delta.tool.arguments)
            if account.first_at is not None:
                yield chunk
                continue
            account.dropped = account.dropped or chunk.dropped
            held.append(chunk)
            if chunk.semantic:
                account.first_at = self._clock.tick()
                held[0] = msgspec.structs.replace(held[0], served=account.served(final=False))
                for early in held:
                    yield early
        if account.first_at is None:
            if account.usage is None or not account.usage.output:
                raise UpstreamError("the stream ended without an answer", upstream="empty")
            account.first_at = self._clock.tick()  # it worked and said nothing: hidden reasoning up to the limit
            for early in held:
                yield early

    # ---------------------------------------------------------------------------------------------- opening an account

    def _open(self, plant: Plant, request: ChatRequest | EmbedRequest, needed: frozenset[Any], kind: str) -> Account:
        """Who asks for what, how sensitive it is, and who may answer. Raises RequestError for an unknown name."""
        caller = request.caller
        now = self._clock.tick()
        route = self._route(plant, request.model, caller.policy)
        sensitivity, local_only = self._sensitivity(plant, route, request)
        chat = request if isinstance(request, ChatRequest) else None
        ask = Ask(
            needs=needed,
            input_tokens=self._estimate(request),
            output_tokens=0 if chat is None else chat.max_tokens,
            choices=1 if chat is None else chat.n,
            sensitivity=sensitivity,
            regimes=(*plant.regimes, *caller.regimes) if caller.regimes else plant.regimes,
            local_only=local_only,
        )
        streamed = chat is not None and chat.stream
        account = Account(request.model, caller, route, ask, arrived=now, streamed=streamed, kind=kind)
        busy = {name: plant.places[name].busy for name in route.targets}
        account.decided(
            decide(route, plant.targets, ask, Conditions(health=plant.health, law=plant.law, busy=busy, now=now))
        )
        return account

    def _route(self, plant: Plant, name: str, policy: str | None) -> Route:
        route = plant.routes.get(name)
        if route is None:
            close = nearest(name, plant.routes)
            hint = f"Did you mean {' or '.join(close)}?" if close else "GET /v1/models lists the names"
            raise RequestError(f"no model {name!r} here", status=404, code="model_not_found", field="model", hint=hint)
        if policy is None or policy == route.policy:
            return route
        known = next((word for word in POLICIES if word == policy), None)
        if known is None:
            raise RequestError(
                f"unknown policy {policy!r}", hint=f"Known: {', '.join(POLICIES)}", code="unknown_policy"
            )
        return msgspec.structs.replace(route, policy=known)

    def _sensitivity(self, plant: Plant, route: Route, request: ChatRequest | EmbedRequest) -> tuple[Sensitivity, bool]:
        """The strictest of what configuration, alias, key, header, metadata and the classifier say."""
        found, local_only = stricter(plant.sensitivity, route.sensitivity), route.local_only
        labels = request.caller.sensitivity or ""
        metadata = request.metadata if isinstance(request, ChatRequest) else None
        if metadata is not None and isinstance(stated := metadata.get("sensitivity"), str):
            labels = f"{labels},{stated}"
        for word in filter(None, map(str.strip, labels.split(","))):
            if word == LOCAL_ONLY:
                local_only = True
            else:
                found = stricter(found, self._label(word))
        if self._classify is not None:
            found = stricter(found, self._classify(strings(request)))
        return found, local_only

    async def _reserve(self, plant: Plant, account: Account) -> None:
        """Set the highest possible price aside; what no budget can carry is left out of the order."""
        paid = [plant.targets[name] for name in account.left if not plant.targets[name].local]
        budgets = plant.budgets(account.caller, account.route) if paid else ()
        if not budgets:
            return
        ask = account.ask
        output = plant.reserve_output if ask.output_tokens is None else ask.output_tokens
        most = Usage(input=int(ask.input_tokens * RESERVE_MARGIN), output=output * ask.choices)
        amount = max(target.price.cost(most) for target in paid)
        short = await self._book.reserve(account.caller.request_id, budgets, amount, self._clock.wall())
        if short is None:
            account.reserved = True
            return
        why = f"the budget {short.name} has too little left for this request"
        account.leave_out(tuple(Refusal(target.id, "budget", why) for target in paid))
        if not account.left:
            raise RequestError(why, status=429, code="budget_exceeded")

    # -------------------------------------------------------------------------------------- trying one after another

    async def _next(self, plant: Plant, account: Account) -> Target | None:
        """The next deployment to try, with a place taken; None where none is left."""
        while account.left:
            target = plant.targets[account.left[0]]
            if not still_permitted(target, account.ask, plant.law):
                account.leave_out((Refusal(target.id, "law", "the rules changed while it waited"),))
                continue
            if not await self._place(plant, account, target):
                busy = f"{target.id} is busy: {target.concurrency} calls under way"
                account.leave_out((Refusal(target.id, "busy", busy), *self._closed_to_overflow(plant, account)))
                continue
            now = self._clock.tick()
            plant.health.of(target.id).start(now)
            account.begin(target, now)
            return target
        return None

    async def _place(self, plant: Plant, account: Account, target: Target) -> bool:
        """Take a place there; wait for one only as long as the queue, and the caller, allow."""
        places = plant.places[target.id]
        if places.take():
            return True
        return await places.wait(min(target.queue_wait, self._time_left(account)))

    def _closed_to_overflow(self, plant: Plant, account: Account) -> tuple[Refusal, ...]:
        """Paid deployments behind a busy own one: only a route that allows overflow may use them then."""
        if account.route.overflow or not plant.targets[account.left[0]].local:
            return ()
        why = f"overflow is not allowed for {account.route.name}"
        return tuple(Refusal(name, "overflow", why) for name in account.left if not plant.targets[name].local)

    async def _failed(self, plant: Plant, account: Account, target: Target, error: UpstreamError) -> None:
        """Note a failure; stay with the deployment, go on to the next, or give up (raises)."""
        self._against(plant, account, target, error)
        account.error = error
        fault = FAULTS[error.upstream]
        if not fault.fallback or not self._time_left(account):
            raise error
        wait = self._patience(plant, account, target, error)
        if wait is not None:
            await self._clock.sleep(wait)
            return
        rest = tuple(name for name in account.left if name != target.id)
        tried = {row.target for row in account.refused if row.code == "failed"}
        account.leave_out((Refusal(target.id, "failed", f"{target.id}: {error.upstream}"),))
        if len(tried) >= plant.retries.fallbacks and rest:
            raise error

    def _against(self, plant: Plant, account: Account, target: Target, error: UpstreamError) -> None:
        """Price the attempt and tell the breaker; a target that asks for time gets it."""
        now = self._clock.tick()
        account.failed(error, now)
        breaker = plant.health.of(target.id)
        if not FAULTS[error.upstream].counts:
            breaker.succeeded(now)  # it is alive and said what is wrong with the request
        elif error.retry_after_s is not None and error.retry_after_s > plant.retries.backoff_max:
            breaker.trip(now, f"{error.upstream}, asked to wait", error.retry_after_s)
        else:
            breaker.failed(now, error.upstream)

    def _patience(self, plant: Plant, account: Account, target: Target, error: UpstreamError) -> float | None:
        """Seconds to wait before the same deployment is asked again; None where the next one should be.

        Only what was not accepted is asked again, and only where that helps more than going on: the last of the list,
        or an own machine that is busy for a moment while going on would cost money. A client that retries by itself is
        not multiplied.
        """
        retries, tries = plant.retries, account.tries_at(target)
        if error.accepted or not FAULTS[error.upstream].retry:
            return None
        if tries >= retries.attempts or account.caller.retries_by_client:
            return None
        if not plant.health.of(target.id).allows(self._clock.tick()):
            return None
        if len(account.left) > 1:
            going_on = plant.targets[account.left[1]]
            if error.upstream == "refused" or going_on.local or not target.local:
                return None
        wait = min(retries.backoff_max, retries.backoff * 2.0 ** (tries - 1))
        wait *= 1 - self._clock.chance.random() / 2
        if error.retry_after_s is not None:
            wait = max(wait, error.retry_after_s)
        return wait if wait <= min(retries.backoff_max, self._time_left(account)) else None

    async def _within(self, account: Account, call: Awaitable[Answer]) -> Answer:
        """The call, ended at the caller's deadline where there is one."""
        if account.caller.deadline_s is None:
            return await call
        try:
            async with asyncio.timeout(self._time_left(account)):
                return await call
        except TimeoutError:
            raise UpstreamError("the caller's deadline passed", upstream="total_timeout") from None

    def _time_left(self, account: Account) -> float:
        """Seconds until the caller's deadline."""
        if account.caller.deadline_s is None:
            return float("inf")
        return max(0.0, account.arrived + account.caller.deadline_s - self._clock.tick())

    def _answered(self, plant: Plant, account: Account, target: Target) -> None:
        now = self._clock.tick()
        account.answered(now)
        plant.health.answered(target.id, now, (account.first_at or now) - account.started)

    def _nothing_left(self, account: Account) -> ServingError:
        """Why nobody answered: the last failure where something was tried, else every refusal."""
        if isinstance(account.error, UpstreamError):
            return account.error
        refused = tuple((row.target, row.code, row.reason) for row in account.refused)
        passing = any(row.code in ("resting", "busy", "overflow", "budget", "failed") for row in account.refused)
        reasons = "; ".join(dict.fromkeys(reason for _, _, reason in refused))
        return NoTargetError(
            f"no deployment of {account.route.name} may answer: {reasons}",
            status=503 if passing else 422,
            refused=refused,
        )

    def _close(self, plant: Plant, account: Account) -> None:
        """One record, whatever happened; an attempt that the client left is priced by what was seen of it."""
        now, wall = self._clock.tick(), self._clock.wall()
        if account.status == "cancelled":
            account.error = None
            if account.under_way and account.target is not None:
                account.left_alone(now)
                plant.health.of(account.target.id).abandoned(now)
        elif account.status == "error" and not account.attempts:
            account.status = "refused"
        self._book.append(account.record(now, wall - (now - account.arrived), plant.targets))
