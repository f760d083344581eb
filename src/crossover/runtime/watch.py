"""The watch over rules: compares answers in the background, keeps what came out, doubts a rule that breaks its word.

Two kinds of requests reach it (``routing.guess.Seen``): those that chance chose so that a rule can be checked, and,
where an alias has a shadow, those that a paid model answered. What is missing of the pair is asked of an own model, as
any client would ask it: classified, filtered and recorded like every other request, under the door ``shadow``. Nothing
is sent to a paid model by the watch but what a judge that the user named has to see, and that goes the same way.

Nobody waits for the watch: when it cannot keep up, pairs are left out and counted. What a judge cannot decide counts as
lost: then a weak judge costs money, and does not make a rule look good.
"""

from __future__ import annotations

import asyncio
import collections
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

import msgspec

from crossover.chat import ChatRequest, ChatResponse, Message, Text
from crossover.config.learning import AGREEMENT
from crossover.errors import ScoringError, ServingError, StoreError
from crossover.learning.agreement import AGREES, agreement
from crossover.ledger.grades import Grade
from crossover.ledger.words import PICO, AttemptRow
from crossover.routing.asked import beside
from crossover.routing.guess import Seen

MOST_WAITING = 256
DAY_S = 86_400.0
_LOOK = 50  # comparisons kept from before are looked at in such steps
_DOOR = "shadow"
_LOG = logging.getLogger("crossover")

Ask = Callable[[ChatRequest], Awaitable[ChatResponse]]


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """How the pairs of one route are compared, and what its rule promises.

    ``loss`` is the promise: so much is lost at most (None: nothing was promised). ``beside``: so large a share may
    differ without a loss, where the grader only sees that answers differ. ``since`` is the Unix second from which on
    comparisons speak of this rule: those before were of another.
    """

    route: str
    grader: str = AGREEMENT
    per_day: int = 500
    loss: float | None = None
    beside: float = 0.0
    since: float = 0.0


Doubting = Callable[[Sequence[Grade], Rule], str]  # audits of one rule that promises something → the doubt in words


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """What is compared. ``weak`` None: nobody has asked it yet."""

    seen: Seen
    kind: str
    weak_name: str
    weak: str | None
    strong_name: str
    strong: str


class RuleWatch:
    """Looks after the rules of a plant; see the head of this file. ``run`` does the work, in the same event loop."""

    def __init__(
        self,
        ask: Ask,
        save: Callable[[Grade], Awaitable[None]],
        local: Callable[[str], bool],
        free: Callable[[str], bool],
        doubting: Doubting,
        *,
        chance: random.Random,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.left_out = 0
        self.compared = 0
        self.undecided: collections.Counter[str] = collections.Counter()  # by route: pairs that a judge did not decide
        self._ask = ask
        self._save = save
        self._local = local
        self._free = free
        self._doubting = doubting
        self._chance = chance
        self._wall = wall
        self._rules: Mapping[str, Rule] = {}
        self._audits: dict[str, list[Grade]] = {}  # by route
        self._doubts: dict[str, str] = {}
        self._today: dict[str, collections.deque[float]] = {}
        self._waiting: asyncio.Queue[Pair] = asyncio.Queue(MOST_WAITING)

    def heed(self, rules: Mapping[str, Rule], rows: Mapping[str, list[Grade]]) -> None:
        """New rules; ``rows`` are the comparisons kept of each since it counts."""
        self._rules = rules
        self._audits, self._doubts = {}, {}
        for name in rules:
            for number, row in enumerate(rows.get(name, ()), 1):  # in their order: a doubt that arose once stays
                self._consider(row, look=number % _LOOK == 0 or number == len(rows[name]))

    # -------------------------------------------------------------------------------------------- what dispatch sees

    def doubt(self, route: str) -> str:
        """Why the rule of this route is not to be trusted now; empty where it is."""
        return self._doubts.get(route, "")

    def served(self, seen: Seen) -> None:
        """Take note of a request that was answered."""
        for pair in (self._audit(seen), self._shadow(seen)):
            if pair is None or not self._room(seen.route.name):
                continue
            try:
                self._waiting.put_nowait(pair)
            except asyncio.QueueFull:
                self.left_out += 1

    def _audit(self, seen: Seen) -> Pair | None:
        """The pair of a request that chance chose; None where the stronger model did not answer it."""
        route = seen.route
        if not seen.drawn or seen.deployment not in route.strong:
            return None
        name, text = seen.first[0], seen.first[1] if seen.first[0] else None
        if not name:  # the rule guesses before the call: the weaker one was not asked
            weaker = _first(one for one in route.targets if one not in route.strong and self._local(one))
            if weaker is None:
                return None
            name = weaker
        return Pair(
            seen=seen, kind="audit", weak_name=name, weak=text, strong_name=seen.deployment, strong=seen.answer
        )  # fmt: skip

    def _shadow(self, seen: Seen) -> Pair | None:
        route = seen.route
        if not route.shadow or route.shadow == seen.deployment or self._local(seen.deployment):
            return None
        if self._chance.random() >= route.shadow_share:
            return None
        return Pair(
            seen=seen, kind="shadow", weak_name=route.shadow, weak=None, strong_name=seen.deployment, strong=seen.answer
        )

    def _room(self, route: str) -> bool:
        """Whether another pair of this route may be compared within the day."""
        rule, now = self._rules.get(route), self._wall()
        done = self._today.setdefault(route, collections.deque())
        while done and (done[0] <= now - DAY_S or done[0] > now):  # the clock may have been set back
            done.popleft()
        if rule is None or len(done) >= rule.per_day:
            return False
        done.append(now)
        return True

    # ------------------------------------------------------------------------------------------------ in the background

    async def run(self) -> None:
        """Compare what comes, one after the other, until it is cancelled."""
        while True:
            await self.step()

    async def step(self) -> None:
        """Wait for the next pair and compare it; what fails is left out and counted."""
        pair = await self._waiting.get()
        try:
            await self._work(pair)
        finally:
            self._waiting.task_done()

    async def settled(self) -> None:
        """Return when nothing waits to be compared."""
        await self._waiting.join()

    async def _work(self, pair: Pair) -> None:
        try:
            grade = await self._compared(pair)
            if grade is None:
                self.left_out += 1
                return
            await self._save(grade)
        except ServingError as error:
            self.left_out += 1
            _LOG.info("a comparison for %s was left out: %s", pair.seen.route.name, error.sentence())
        except StoreError as error:
            self.left_out += 1
            _LOG.warning("a comparison could not be kept: %s", error.sentence())
        else:
            self.compared += 1
            self._consider(grade)

    def _consider(self, grade: Grade, *, look: bool = True) -> None:
        """Count a comparison, and look whether the rule still keeps its promise."""
        route = grade.route
        rule = self._rules.get(route)
        if rule is None or grade.kind != "audit" or grade.grader != rule.grader:
            return
        audits = self._audits.setdefault(route, [])
        audits.append(grade)
        if rule.loss is None or route in self._doubts or not look:
            return
        doubt = self._doubting(audits, rule)
        if doubt:
            if undecided := self.undecided[route]:
                doubt += f" ({rule.grader} named no winner in {undecided}, which count as lost)"
            self._doubts[route] = doubt
            _LOG.warning("%s: %s; stronger models are asked first until it is trained again", route, doubt)

    async def _compared(self, pair: Pair) -> Grade | None:
        """The comparison; None where the own model has no place free for it."""
        seen, rule = pair.seen, self._rules.get(pair.seen.route.name)
        if rule is None:
            return None
        text, cost, took = pair.weak, 0, 0.0
        if text is None:
            if not self._free(pair.weak_name):
                return None
            began = self._wall()
            caller = beside(seen.route, seen.request.caller, f"{seen.id}-{pair.kind}", _DOOR)
            again = msgspec.structs.replace(seen.request, model=pair.weak_name, caller=caller, stream=False)
            answer = await self._ask(again)
            text, served = answer.text, answer.served
            took = max(0.0, self._wall() - began) * 1000
            if served is not None and served.cost is not None:  # its share of the machine's hour: not free
                cost = round(served.cost * PICO)
        else:
            row = _attempt(seen.attempts, pair.weak_name)
            cost, took = (row.cost, row.duration_ms) if row is not None else (0, 0.0)
        strong = _attempt(seen.attempts, pair.strong_name)
        return Grade(
            request=seen.id,
            time=seen.time,
            route=seen.route.name,
            kind="shadow" if pair.kind == "shadow" else "audit",
            weak=pair.weak_name,
            strong=pair.strong_name,
            probability=seen.route.shadow_share if pair.kind == "shadow" else seen.route.explore,
            kept=seen.kept and pair.kind == "audit",
            loss=await self._loss(rule, seen, text, pair.strong),
            grader=rule.grader,
            score=seen.score,
            weak_cost=cost,
            strong_cost=0 if strong is None else strong.cost,
            weak_ms=took,
            strong_ms=0.0 if strong is None else strong.duration_ms,
        )

    async def _loss(self, rule: Rule, seen: Seen, weak: str, strong: str) -> float:
        """1 where the weaker answer is worse than the stronger one, else 0."""
        question = next((one.text for one in reversed(seen.request.messages) if one.role == "user"), "")
        if rule.grader == AGREEMENT:
            return float(agreement(weak, strong) < AGREES)
        from crossover.evaluation.judge import prefer, without_judge  # only where a model judges

        plain = without_judge(question, weak, strong)
        if plain is not None:
            return float(plain == 0.0)
        judge = _Judge(self._ask, seen)
        try:
            forward = await prefer(judge, rule.grader, question, weak, strong)
            backward = 1 - await prefer(judge, rule.grader, question, strong, weak)
        except ScoringError as error:  # to leave it out would leave out just the pairs that differ
            self.undecided[rule.route] += 1
            _LOG.info("a comparison for %s counts as lost: %s", rule.route, error.sentence())
            return 1.0
        return float(forward == backward == 0.0)


class _Judge:
    """Asks a judge as a client would: what the question was called sensitive for, the judge's prompt is as well."""

    def __init__(self, ask: Ask, seen: Seen) -> None:
        self._ask = ask
        self._seen = seen
        self._calls = 0

    async def judge(self, model: str, system: str, asked: str) -> str:
        """The judge's words."""
        self._calls += 1
        request = self._seen.request
        caller = beside(self._seen.route, request.caller, f"{self._seen.id}-judge-{self._calls}", "judge")
        question = ChatRequest(
            model=model,
            messages=(Message("system", (Text(system),)), Message("user", (Text(asked),))),
            temperature=0.0,
            metadata=request.metadata,  # it may hold a label
            caller=caller,
        )
        return (await self._ask(question)).text

    async def embed(self, model: str, texts: tuple[str, ...]) -> list[tuple[float, ...]]:
        """Nobody asks a judge for vectors."""
        raise ScoringError(f"{model} is asked to judge, not to embed {len(texts)} texts")


def _attempt(rows: Iterable[AttemptRow], deployment: str) -> AttemptRow | None:
    return next((row for row in rows if row.deployment == deployment), None)


def _first(names: Iterable[str]) -> str | None:
    return next(iter(names), None)
