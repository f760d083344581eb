"""RUN in one file: how a request finds the deployment that answers it, and what happens when things break.

A :class:`Dispatcher` is itself a Backend. For each request it

1. *opens* an account: whose request, under which name, how sensitive, what it needs; and lets routing *decide* which
   deployments may answer, best first, and why the others may not (:meth:`Dispatcher._open`),
2. takes the *next* of that order (:meth:`Dispatcher._next`): sets its highest possible price aside in every budget
   concerned, takes a place there or waits for one, and asks the rules once more. What fails one of these is left out;
   nothing is ever added to the order. What may not leave as it is, is replaced (``privacy.clearance``); without the
   pass that comes with it no deployment outside can be called,
3. *calls* it, and after a failure (:meth:`Dispatcher._failed`) *retries*, which asks the same deployment again and only
   where it did not accept the request, or *falls back* to the next of the same order,
4. in a cascade *judges* what a weaker model answered (``routing.cascade``) and *passes on* to a stronger one of the
   same order what is not good enough; where no stronger one answers, the first answer counts after all,
5. *prices* every attempt and appends one record to the ledger, whatever happened, also when the client leaves
   (:meth:`Dispatcher._close`).

A stream is held back until it says something: until then a failure is invisible to the client and the next deployment
answers; afterwards a failure is an error that the client sees, never a clean end.

No socket, no database and no provider here: backends and the ledger are handed in, time and chance too.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from crossover.account import Account, Kind, turned_away
from crossover.chat import NOBODY, Backend, Caller, ChatChunk, ChatRequest, ChatResponse, EmbedRequest, EmbedResponse
from crossover.egress import Guard
from crossover.errors import CrossoverError, ServingError, StoreError, UpstreamError
from crossover.ledger.words import Book, Budget
from crossover.privacy.clearance import Asked, Cleared, Desk, Withheld, clear_in_turn, look
from crossover.privacy.policy import Known, Place, knowing
from crossover.privacy.words import NOTHING_FOUND
from crossover.routing.asked import LOCAL_ONLY, beside, labelled, metadata_of, mistake, route_of
from crossover.routing.cascade import gate_of, telling
from crossover.routing.eligibility import Ask, Law, refusal
from crossover.routing.faults import FAULTS
from crossover.routing.guess import NOTHING as NOT_GUESSED
from crossover.routing.guess import Guessed, Seen, Watch, by_chance, drawn, guess
from crossover.routing.health import Health
from crossover.routing.needs import EMBEDDINGS, needs
from crossover.routing.places import Places
from crossover.routing.policy import Conditions, decide
from crossover.routing.words import Judged, Need, Refusal, Retries, Route, Target
from crossover.sensitivity import NOT_SENSITIVE, Sensitivity, stricter
from crossover.usage import Usage

__all__ = ["LOCAL_ONLY", "Clock", "Dispatcher", "Plant"]

DEADLINE = "deadline"  # what ended a call was its caller's patience: no verdict on the deployment
_RESERVE_MARGIN = 1.25  # the prompt is estimated before the call; a reservation leaves room for the estimate's error
_MOST_HELD = 4096  # pieces that say nothing: a stream of more of them is no answer

Answer = TypeVar("Answer", ChatResponse, EmbedResponse)
Result = TypeVar("Result")


class Escalate(Exception):  # noqa: N818 - not an error: a reason to ask a stronger model
    """What the gate said of a stream, and the whole of it, where it had come."""

    def __init__(self, judged: Judged, pieces: tuple[ChatChunk, ...] | None) -> None:
        super().__init__(judged.why)
        self.judged = judged
        self.pieces = pieces


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
    keep: Callable[[str, float, str, str], None] | None = None  # bodies: id, time, what was asked, what was answered
    desk: Desk | None = None  # None: privacy is off; labels and the law still count
    guard: Guard = msgspec.field(default_factory=Guard)
    watch: Watch | None = None


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
        estimate: Callable[[Asked], int],
        label: Callable[[str], Sensitivity],
        clock: Clock | None = None,
    ) -> None:
        self.plant = plant  # replaced as a whole by a reload; requests under way keep the one they began with
        self._book = book
        self._estimate = estimate
        self._label = label
        self._clock = clock or Clock()

    # -------------------------------------------------------------------------------------------------- the Backend

    async def complete(self, request: ChatRequest) -> ChatResponse:
        """The whole answer, from the first deployment of the order that gives one."""
        plant = self.plant
        account = await self._open(plant, request, needs(request), "chat")
        return await self._whole(plant, account, request, lambda backend, asked: backend.complete(asked))

    async def embed(self, request: EmbedRequest) -> EmbedResponse:
        """Vectors, by the same walk."""
        plant = self.plant
        account = await self._open(plant, request, EMBEDDINGS, "embed")
        return await self._whole(plant, account, request, lambda backend, asked: backend.embed(asked))

    async def _whole(
        self, plant: Plant, account: Account, request: Asked, call: Callable[[Backend, Any], Awaitable[Answer]],
    ) -> Answer:  # fmt: skip
        """An answer in one piece."""
        try:
            while (turn := await self._next(plant, account, request)) is not None:
                target, cleared = turn
                failure: UpstreamError | None = None
                try:
                    work = call(plant.backends[target.id], cleared.request)
                    response = await (work if account.caller.deadline_s is None else self._within(account, work))
                    account.read_whole(response)
                    judged = None
                    if account.gate is not None:
                        response = account.gate.whole(response)
                        judged = self._judged(account, True, await self._second(account, request))
                    if cleared.restorer is not None:
                        response = cleared.restorer.whole(response)
                    if judged is None:
                        self._answered(plant, account, target)
                        return msgspec.structs.replace(response, served=account.served(final=True))
                    self._pass_on(plant, account, target, judged, response)
                except UpstreamError as error:
                    failure = error
                finally:
                    plant.places[target.id].give()
                if failure is not None:
                    await self._failed(plant, account, target, failure)
            raise self._nobody(plant, account)
        except ServingError as error:
            kept = account.take_kept()
            if not isinstance(kept, ChatResponse):
                account.error = error
                raise
            return msgspec.structs.replace(kept, served=account.served(final=True))  # type: ignore[return-value]
        except asyncio.CancelledError:
            account.leave()
            raise
        finally:
            self._close(plant, account, request)

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatChunk, None]:
        """The answer in pieces: the first says where it comes from (``served``), the last also its price."""
        plant = self.plant
        account = await self._open(plant, request, needs(request), "chat", streamed=True)
        try:
            while (turn := await self._next(plant, account, request)) is not None:
                target, cleared = turn
                source: AsyncGenerator[ChatChunk, None] | None = None
                failure = UpstreamError("the stream stopped before its end", upstream="cut")
                try:
                    source = self._source(plant, account, target, cleared)
                    async for chunk in source:
                        account.read(chunk)
                        if account.flowing and not chunk.last:
                            yield chunk
                            continue
                        for piece in await self._let_out(plant, account, target, request, chunk):
                            yield piece
                except UpstreamError as error:
                    failure = error
                except Escalate as step:
                    self._pass_on(plant, account, target, step.judged, step.pieces)
                    continue
                finally:
                    await self._leave(plant, target, source)
                if account.status == "ok":
                    return  # the answer is complete: how its connection ended is nobody's loss
                await self._failed(plant, account, target, failure)
            raise self._nobody(plant, account)
        except ServingError as error:
            for piece in self._kept_pieces(account, error):
                yield piece
        except (asyncio.CancelledError, GeneratorExit):
            account.leave()
            raise
        finally:
            self._close(plant, account, request)

    def _source(
        self, plant: Plant, account: Account, target: Target, cleared: Cleared
    ) -> AsyncGenerator[ChatChunk, None]:
        """The pieces as the client may have them: within its patience, and with its own values back in them."""
        source = plant.backends[target.id].stream(cleared.request)
        if account.caller.deadline_s is not None:
            source = self._until_deadline(account, source)
        if account.gate is not None:
            source = account.gate.stream(source)
        return source if cleared.restorer is None else cleared.restorer.stream(source)

    async def _let_out(
        self, plant: Plant, account: Account, target: Target, request: ChatRequest, chunk: ChatChunk
    ) -> Sequence[ChatChunk]:  # fmt: skip
        """What the client may see now: nothing before the first piece that says something, nothing after the last.

        Where a gate stands, nothing before it has judged. Raises Escalate where a stronger model is to answer.
        """
        if account.status == "ok":
            return ()
        held, gate = account.held, account.gate
        held.append(chunk)
        if account.first_at is None:
            account.dropped = account.dropped or chunk.dropped
            speaks = chunk.semantic if gate is None else gate.spoke
            if not speaks and not (chunk.last and account.says_enough()):
                if chunk.last:
                    raise UpstreamError("the stream ended without an answer", upstream="empty")
                if len(held) > _MOST_HELD:
                    raise UpstreamError("the stream goes on and says nothing", upstream="malformed")
                return ()
            if gate is not None:
                if not (chunk.last or gate.ripe):
                    return ()
                second = await self._second(account, request) if chunk.last else None
                if (judged := self._judged(account, chunk.last, second)) is not None:
                    raise Escalate(judged, tuple(held) if chunk.last else None)
            now = self._clock.tick()
            account.first_at, account.flowing = now, True
            if account.probe:  # it lives: others need not wait for the end of a long answer
                plant.health.of(target.id).succeeded(now, probe=True)
                account.probe = False
            held[0] = msgspec.structs.replace(held[0], served=account.served(final=False))
        if chunk.last:
            self._answered(plant, account, target)
            held[-1] = msgspec.structs.replace(held[-1], served=account.served(final=True))
        account.held = []
        return held

    # --------------------------------------------------------------------------------------------------- the cascade

    def _judged(self, account: Account, whole: bool, second: str | None) -> Judged | None:
        """Why a stronger model has to answer; None where this answer is good enough. Chance may want to know too."""
        assert account.gate is not None
        judged = account.gate.judge(whole=whole, second=second)
        chosen = drawn(account.route, self._clock.chance)
        account.guessed = Guessed(None, chosen, not judged.escalate, judged.score)
        if judged.escalate:
            return judged
        if chosen:
            return Judged(True, f"passed on {by_chance(account.route)}", judged.score)
        account.gate = None
        account.added = f"; {judged.why}"
        return None

    async def _second(self, account: Account, request: Asked) -> str | None:
        """What the route's other own model answers to the same; None where there is none, or it does not answer."""
        rule = account.route.cascade
        if rule is None or rule.second is None or not isinstance(request, ChatRequest):
            return None
        caller = beside(account.route, request.caller, f"{account.id}-second", "second")
        if request.caller.deadline_s is not None:
            caller = msgspec.structs.replace(caller, deadline_s=self._time_left(account))
        try:
            answer = await self.complete(msgspec.structs.replace(request, model=rule.second, caller=caller))
        except ServingError:
            return None
        return answer.text

    def _kept_pieces(self, account: Account, error: ServingError) -> list[ChatChunk]:
        """The stream that was passed on, now that nobody else has answered. Raises the error where there is none."""
        kept = account.take_kept()
        if not isinstance(kept, tuple):
            account.error = error
            raise error
        account.first_at = self._clock.tick()
        first = msgspec.structs.replace(kept[0], served=account.served(final=False))
        return [first, *kept[1:-1], msgspec.structs.replace(kept[-1], served=account.served(final=True))]

    def _pass_on(
        self, plant: Plant, account: Account, target: Target, judged: Judged,
        answer: ChatResponse | EmbedResponse | tuple[ChatChunk, ...] | None,
    ) -> None:  # fmt: skip
        """A stronger model is asked next; nothing stands against the one that answered."""
        now = self._clock.tick()
        account.pass_on(judged.why, now, answer)
        plant.health.of(target.id).succeeded(now, probe=account.probe)
        account.probe = False

    @staticmethod
    async def _leave(plant: Plant, target: Target, source: AsyncGenerator[ChatChunk, None] | None) -> None:
        """End the call upstream, whatever is left of it, and give its place back."""
        try:
            if source is not None:
                await source.aclose()
        finally:
            plant.places[target.id].give()

    # ---------------------------------------------------------------------------------------------- opening an account

    async def _open(
        self, plant: Plant, request: Asked, needed: frozenset[Need], kind: Kind, *, streamed: bool = False
    ) -> Account:
        """Who asks for what, how sensitive it is, and who may answer. Raises RequestError for an unknown name."""
        caller, now = request.caller, self._clock.tick()
        name = caller.request_id or f"req_{self._clock.chance.getrandbits(96):024x}"
        try:
            route = route_of(plant.routes, request.model, caller.policy)
            labels, local_only = self._labels(plant, route, request)
            desk = plant.desk
            known = (
                knowing(NOTHING_FOUND, labels, ()) if desk is None else await self._known(desk, route, request, labels)
            )
            chat = request if isinstance(request, ChatRequest) else None
            most, choices = (0, 1) if chat is None else (chat.max_tokens, chat.n)
            regimes = (*plant.regimes, *caller.regimes) if caller.regimes else plant.regimes
            ask = Ask(
                needed, self._estimate(request), most, choices, regimes, local_only, request.dialect, known
            )  # fmt: skip
            busy = {one: plant.places[one].busy for one in route.targets} if len(route.targets) > 1 else {}
            guessed = guess(route, request, plant.watch, self._clock.chance) if route.strong else NOT_GUESSED
            conditions = Conditions(plant.health, plant.law, busy, now, streamed, guessed.guess, route.strong)
            decision = decide(route, plant.targets, ask, conditions)
        except CrossoverError as error:
            refused = error if isinstance(error, ServingError) else mistake(error)
            self._book.append(turned_away(request, kind, name, refused, self._clock.wall()))
            raise refused from None
        account = Account(name, request.model, caller, route, ask, decision, arrived=now, streamed=streamed, kind=kind)
        account.guessed = guessed
        if plant.keep is not None or (plant.watch is not None and route.watched):
            account.said = []
        return account

    @staticmethod
    async def _known(desk: Desk, route: Route, request: Asked, labels: Sensitivity) -> Known:
        """What the request holds, and who judges it: every string is looked at before anything is decided."""
        key, under = request.caller.key, request.caller.under
        profiles = desk.profiles(key, route.name)
        for name in under:
            profiles += tuple(one for one in desk.profiles(key, name) if one not in profiles)
        found = await look(desk, request) if profiles else NOTHING_FOUND
        return knowing(found, labels, profiles, desk.version)

    def _labels(self, plant: Plant, route: Route, request: Asked) -> tuple[Sensitivity, bool]:
        """The strictest of what configuration, alias, key, header and metadata say."""
        found, local_only = plant.sensitivity, route.local_only
        if route.sensitivity is not NOT_SENSITIVE:
            found = stricter(found, route.sensitivity)
        said, metadata = request.caller.sensitivity, metadata_of(request)
        if said or metadata:
            found, local_only = labelled(found, local_only, said, metadata, self._label)
        return found, local_only

    # -------------------------------------------------------------------------------------- trying one after another

    async def _next(self, plant: Plant, account: Account, request: Asked) -> tuple[Target, Cleared] | None:
        """The next deployment to call and what it gets, its price set aside, a place taken; None where none is left."""
        while account.left:
            target = plant.targets[account.left[0]]
            if not account.may_try(target.id, plant.retries.fallbacks):
                return None
            if account.caller.deadline_s is not None and not self._time_left(account):
                late = "the caller's deadline passed before it could be asked"
                account.leave_out(*(Refusal(name, DEADLINE, late) for name in account.left))
                return None
            place = Place(target.deployment.zone.name, target.local)
            try:  # what this deployment gets of the request, judged anew for every attempt
                cleared = await clear_in_turn(plant.desk, plant.guard, request, account.ask.known, place, target.id)
            except Withheld as reason:
                account.leave_out(Refusal(target.id, "privacy", str(reason)))
                continue
            budgets = () if target.local else plant.budgets(account.caller, account.route)
            if budgets and (short := await self._set_aside(plant, account, target, budgets)) is not None:
                account.leave_out(short)
                continue
            if not plant.places[target.id].take() and not await self._wait(plant, account, target):
                busy = f"{target.id} is busy: {target.concurrency} calls under way"
                account.leave_out(Refusal(target.id, "busy", busy), *self._closed_to_overflow(plant, account))
                continue
            now = self._clock.tick()
            if account.waited:  # the world may have changed meanwhile: nothing decided before is trusted
                against = refusal(target, account.ask, plant.law, plant.health, now)
                if against is not None:
                    plant.places[target.id].give()
                    account.leave_out(against)
                    continue
            account.waited = True
            account.begin(target, cleared, now, probe=plant.health.of(target.id).start(now))
            if account.route.cascade is not None:
                account.gate = gate_of(account.route, target, account.left, request, streamed=account.streamed)
                if account.gate is not None:
                    cleared = msgspec.structs.replace(cleared, request=telling(cleared.request, target))
            return target, cleared
        return None

    async def _set_aside(
        self, plant: Plant, account: Account, target: Target, budgets: tuple[Budget, ...]
    ) -> Refusal | None:
        """Reserve the highest price of this attempt, beside what earlier ones cost; why it cannot be, or None."""
        if not target.price.known:
            return Refusal(target.id, "unpriced", f"nobody knows the price of {target.id}: no budget can hold it")
        ask = account.ask
        output = plant.reserve_output if ask.output_tokens is None else ask.output_tokens
        most = Usage(input=int(ask.input_tokens * _RESERVE_MARGIN), output=output * ask.choices)
        missing = account.spent + target.price.cost(most) - account.set_aside
        if missing <= 0:
            return None
        account.waited = True
        account.reserved = True  # before the ledger answers: should the client leave now, its row settles in any case
        try:
            short = await self._book.reserve(account.id, budgets, missing, self._clock.wall())
        except StoreError:  # what cannot be written down is not spent
            return Refusal(target.id, "ledger", f"the ledger cannot be written, and {target.id} costs money")
        if short is None:
            account.set_aside += missing
            return None
        account.reserved = account.set_aside > 0
        return Refusal(target.id, "budget", f"the budget {short.name} has too little left for {target.id}")

    async def _wait(self, plant: Plant, account: Account, target: Target) -> bool:
        """Wait for a place, as long as the queue and the caller allow; half as long where another could answer then."""
        account.waited = True
        left = self._time_left(account)
        if len(account.left) > 1 + len(self._closed_to_overflow(plant, account)):
            left /= 2
        return await plant.places[target.id].wait(min(target.queue_wait, left))

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
        if account.first_at is not None or not fault.fallback or error.code == DEADLINE:
            raise error  # where the client has seen a part, the rest cannot come from another
        wait = self._patience(plant, account, target, error)
        if wait is not None:
            await self._clock.sleep(wait)
            return
        if fault.counts and error.retry_after_s:
            why = f"{error.upstream}, asked to wait"
            plant.health.of(target.id).pause(self._clock.tick(), why, error.retry_after_s)
        account.leave_out(Refusal(target.id, "failed", f"{target.id}: {error.upstream}"))

    def _against(self, plant: Plant, account: Account, target: Target, error: UpstreamError) -> None:
        """Price the attempt and tell the breaker what it says of the deployment."""
        now, fault = self._clock.tick(), FAULTS[error.upstream]
        account.failed(error, now)
        breaker, probe, account.probe = plant.health.of(target.id), account.probe, False
        if not fault.counts and error.upstream_status is not None:
            breaker.succeeded(now, probe=probe)  # it lives, and said what is wrong with the request
        elif not fault.counts or error.retry_after_s or error.code == DEADLINE:
            breaker.abandoned(probe=probe)  # never reached, or it asked for time, or its caller would not wait
        else:
            breaker.failed(now, error.upstream, probe=probe)

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
        return wait if wait <= retries.backoff_max and wait < self._time_left(account) else None

    # ------------------------------------------------------------------------------------------------ time and the end

    async def _within(self, account: Account, call: Awaitable[Result]) -> Result:
        """The call, ended at the caller's deadline where there is one."""
        if account.caller.deadline_s is None:
            return await call
        try:
            async with asyncio.timeout(self._time_left(account)) as limit:
                return await call
        except TimeoutError:
            if not limit.expired():
                raise
            raise UpstreamError("the caller's deadline passed", upstream="total_timeout", code=DEADLINE) from None

    async def _until_deadline(
        self, account: Account, source: AsyncGenerator[ChatChunk, None]
    ) -> AsyncGenerator[ChatChunk, None]:
        """The pieces, ended at the caller's deadline."""
        try:
            while (chunk := await self._within(account, anext(source, None))) is not None:
                yield chunk
        finally:
            await source.aclose()

    def _time_left(self, account: Account) -> float:
        """Seconds until the caller's deadline."""
        if account.caller.deadline_s is None:
            return float("inf")
        return max(0.0, account.arrived + account.caller.deadline_s - self._clock.tick())

    def _answered(self, plant: Plant, account: Account, target: Target) -> None:
        now = self._clock.tick()
        account.answered(now)
        plant.health.of(target.id).succeeded(now, probe=account.probe)
        account.probe = False
        began = now if account.first_at is None else account.first_at
        plant.health.took(target.id, now, began - account.started, streamed=account.streamed)

    def _nobody(self, plant: Plant, account: Account) -> ServingError:
        """Why nobody answered, and when it is worth asking again."""
        now = self._clock.tick()
        rests = [plant.health.of(row.target).rests_for(now) for row in account.refused if row.code == "resting"]
        return account.why_nobody(max(1.0, min(rests)) if rests else None)

    def _close(self, plant: Plant, account: Account, request: Asked) -> None:
        """One record, whatever happened; an attempt that the client left is priced by what was seen of it."""
        now, wall = self._clock.tick(), self._clock.wall()
        if account.under_way and account.target is not None:
            account.broken_off(now)
            plant.health.of(account.target.id).abandoned(probe=account.probe)
        if account.status == "error" and account.target is None:
            account.status = "refused"
        elif account.status == "error" and account.first_at is not None:
            account.status = "truncated"
        arrived = wall - (now - account.arrived)
        self._book.append(account.record(now, arrived, plant.targets))
        route = account.route
        if plant.watch is not None and route.watched and account.status == "ok" and isinstance(request, ChatRequest):
            assert account.target is not None
            plant.watch.served(
                Seen(
                    id=account.id, route=route, request=request, deployment=account.target.id,
                    answer="".join(account.said or ()), first=account.first_answer, drawn=account.guessed.drawn,
                    kept=account.guessed.kept, score=account.guessed.score, time=arrived, attempts=account.attempts,
                )
            )  # fmt: skip
        if plant.keep is not None:
            asked = request.tree if request.tree is not None else msgspec.structs.replace(request, caller=NOBODY)
            plant.keep(account.id, arrived, msgspec.json.encode(asked).decode(), "".join(account.said or ()))
