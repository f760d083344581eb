"""Everything that answers requests in one process, opened in order and closed in reverse.

``crossover serve`` puts an HTTP door before it; the Python client uses it as it is. A reload builds a whole new plant
first and swaps it in one assignment: requests under way keep the one they began with.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
import random
import secrets
import time
from pathlib import Path
from typing import Any

import msgspec

from crossover.chat import ChatRequest, EmbedRequest
from crossover.config import Paths, environment
from crossover.config.load import Loaded
from crossover.config.secrets import Finder
from crossover.config.settings import Secret, Settings
from crossover.dispatch import Clock, Dispatcher, Plant
from crossover.errors import CrossoverError, StoreError
from crossover.gateway.metrics import CountedBook, Metrics
from crossover.ledger.care import Pruned, prune
from crossover.ledger.grades import Grade, add_grades, grades
from crossover.ledger.store import Ledger, open_ledger
from crossover.ledger.words import Key
from crossover.ledger.writer import Writer
from crossover.privacy.classify import Classifier
from crossover.privacy.clearance import Desk
from crossover.providers.estimate import estimate_embed, estimate_request
from crossover.routing.eligibility import Laws
from crossover.routing.health import Breaker
from crossover.runtime.desk import desk
from crossover.runtime.engines import Inside, Seen, look
from crossover.runtime.plant import Site, build
from crossover.runtime.rules import doubt_of, watch_rules
from crossover.runtime.watch import RuleWatch
from crossover.sensitivity import label
from crossover.transport import Transport

_WHO = ("provider", "model", "base_url", "api_key", "headers", "tls_ca")  # who answers a deployment's calls
LOOK_S = 5.0  # how often engines are asked how they are
STANDS = {"closed": "up", "half_open": "probing", "open": "resting"}  # a breaker's state in words for people
DRAINED = "drained"
FIRST_FORGET_S, FORGET_S = 60.0, 6 * 3600.0
_LOG = logging.getLogger("crossover")


class Station:
    """The opened objects. Made by :func:`open_station`; end it with ``aclose``."""

    def __init__(self, loaded: Loaded, paths: Paths, ledger: Ledger) -> None:
        self.loaded = loaded
        self.ledger = ledger
        self.transport = Transport()
        self.metrics = Metrics()
        self.inside = Inside(paths.models)
        self.seen = Seen()
        self.day = _today()  # looked at again every few seconds, not for every request
        self.keys: dict[str, Key] = {}  # by hash
        self._by_id: dict[str, Key] = {}
        self.writer: Writer = ledger.writer(on_keys=self._take_keys)
        self.dispatcher: Dispatcher
        self._book: CountedBook
        self._secret = secrets.token_bytes(32)  # keys placeholders and what the classifier remembers
        self._classifier: Classifier | None = None
        self._watch: RuleWatch | None = None
        self._watching: asyncio.Task[None] | None = None

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.loaded.settings

    def _take_keys(self, keys: dict[str, Key]) -> None:
        """New keys, from the writer's thread: two assignments of whole dicts."""
        self._by_id = {key.id: key for key in keys.values()}
        self.keys = keys

    async def start(self) -> None:
        """Start the engines of this process, ask the others, build the plant."""
        await self.inside.start(self.settings)
        seen = await look(self.settings, self.transport)
        plant = self._kept(build(self._completed(self.settings, seen), self._site(self.loaded)), self.settings)
        self._heed(plant, seen)
        self._say_strangers(self.settings)
        self._book = CountedBook(self.writer, self.metrics, plant.routes)
        self.dispatcher = Dispatcher(plant, self._book, estimate=_estimate, label=label, clock=Clock())
        self.dispatcher.plant = await self._watched(plant, self.settings)

    async def reload(self, loaded: Loaded) -> None:
        """Take new settings. Raises an error and changes nothing where they cannot be built."""
        await self.inside.start(loaded.settings)
        seen = await look(loaded.settings, self.transport)
        plant = build(self._completed(loaded.settings, seen), self._site(loaded), self.dispatcher.plant)
        plant = self._kept(plant, loaded.settings)
        plant.health.forget(name for name in plant.targets if self._moved(name, loaded.settings))
        self._heed(plant, seen)
        self._say_strangers(loaded.settings)
        plant = await self._watched(plant, loaded.settings)
        self.loaded = loaded
        self._book.names = plant.routes
        self.dispatcher.plant = plant

    def _say_strangers(self, settings: Settings) -> None:
        """Name keys of budgets that nobody has: they limit nothing, and a key's name is easily taken for its id."""
        for name, row in settings.budgets.items():
            for key in row.keys:
                if key != "*" and key not in self._by_id:
                    named = [one.id for one in self._by_id.values() if one.name == key]
                    hint = f"the id of {key} is {named[-1]}" if named else "`crossover keys list` shows ids"
                    _LOG.warning("budgets.%s counts nothing for %r: no key has that id; %s", name, key, hint)

    def _moved(self, name: str, settings: Settings) -> bool:
        """Whether something else answers under this name in the new settings, or is asked with another key."""
        before, after = self.settings.deployments.get(name), settings.deployments[name]
        return before is not None and any(getattr(before, field) != getattr(after, field) for field in _WHO)

    async def watch_engines(self) -> None:
        """Ask the engines again and again; who is dead rests, who is back may be tried at once."""
        while True:
            await asyncio.sleep(LOOK_S)
            if self.day != _today():  # prices and rules are those of a day
                self.day = _today()
                await self._renew()
            settings = self.settings
            seen = await look(settings, self.transport)
            if settings is self.settings:  # else there is a new configuration, which has asked for itself
                self._heed(self.dispatcher.plant, seen)

    async def _renew(self) -> None:
        """Build the same plant for another day; where that fails, the one of yesterday goes on."""
        try:
            await self.reload(self.loaded)
        except CrossoverError as error:
            _LOG.error("yesterday's prices go on: %s", error.sentence())

    async def forget(self) -> None:
        """Drop what the configuration no longer keeps, some time after the start and then every few hours."""
        await asyncio.sleep(FIRST_FORGET_S)
        while True:
            rule = self.settings.retention
            try:
                days = (rule.records, rule.bodies_days, rule.audit_days)
                found = await asyncio.to_thread(_prune, self.ledger.path, *days)
            except StoreError as error:
                _LOG.warning("old rows were not dropped: %s", error.sentence())
            else:
                if found.months or found.bodies:
                    _LOG.info("dropped from the ledger: %s", ", ".join(sorted({*found.months, *found.bodies})))
                if found.audit:
                    _LOG.info("dropped from the audit: its first %d entries", found.audit)
            await asyncio.sleep(FORGET_S)

    def _kept(self, plant: Plant, settings: Settings) -> Plant:
        """With prompts and answers kept, where the configuration says so."""
        return msgspec.structs.replace(plant, keep=self.writer.keep_body) if settings.retention.bodies else plant

    async def _watched(self, plant: Plant, settings: Settings) -> Plant:
        """With the watch over its rules, where any name of the configuration is watched."""
        rules = watch_rules(settings)
        if not rules:
            return plant
        if self._watch is None:
            self._watch = RuleWatch(
                self.dispatcher.complete,
                lambda grade: asyncio.to_thread(_keep_grade, self.ledger.path, grade),
                local=lambda name: self.dispatcher.plant.targets[name].local,
                free=self._free,
                doubting=doubt_of,
                chance=random.Random(),  # noqa: S311 - which requests are compared is no secret
            )
            self._watching = asyncio.create_task(self._watch.run(), name="the watch over rules")
        since = min(rule.since for rule in rules.values())
        kept = await asyncio.to_thread(_grades, self.ledger.path, since)
        self._watch.heed(rules, {
            name: [row for row in kept if row.route == name and row.time >= rule.since] for name, rule in rules.items()
        })  # fmt: skip
        return msgspec.structs.replace(plant, watch=self._watch)

    def _free(self, name: str) -> bool:
        """Whether an own deployment can take a request that nobody waits for: one place is always left to others."""
        target, (flying, waiting) = self.dispatcher.plant.targets[name], self.dispatcher.plant.places[name].busy
        return waiting == 0 and (target.concurrency == 0 or flying < max(1, target.concurrency - 1))

    def _heed(self, plant: Plant, seen: Seen) -> None:
        """What the engines said counts from now on: who is dead rests, whom they send elsewhere is barred."""
        now = time.monotonic()
        for name, state in seen.health.items():
            breaker = plant.health.breakers[name]
            if state == "dead":
                breaker.trip(now, "it does not answer its health check")
            elif self.seen.health.get(name) == "dead":
                _LOG.info("%s answers again", name)
                breaker.recovered()
        if isinstance(plant.law, Laws):
            plant.law.barred = seen.barred
        self.seen = seen

    def ready(self) -> tuple[bool, dict[str, Any]]:
        """Whether any deployment can answer now, and how each stands."""
        plant, now = self.dispatcher.plant, time.monotonic()
        states = {name: stand(breaker, now) for name, breaker in plant.health.breakers.items()}
        book = self.writer.health()
        fine = book.healthy and any(state not in (STANDS["open"], DRAINED) for state in states.values())
        ledger = {"healthy": book.healthy, "queued": book.queued, "lost": book.lost}
        return fine, {"status": "ready" if fine else "not ready", "deployments": states, "ledger": ledger}

    async def aclose(self) -> None:
        """End everything; every row is committed."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        await self.transport.aclose()
        await self.inside.stop()
        try:
            await self.writer.aclose()
        finally:
            self.ledger.close()

    def _completed(self, settings: Settings, seen: Seen) -> Settings:
        """With the contexts that engines told, where the file says none."""

        def context(name: str) -> int | None:
            one = settings.deployments[name]
            return one.context or seen.context.get(name) or self.inside.context(one)

        deployments = {
            name: msgspec.structs.replace(one, context=context(name)) for name, one in settings.deployments.items()
        }
        return msgspec.structs.replace(settings, deployments=deployments)

    def _site(self, loaded: Loaded) -> Site:
        folder = Path() if loaded.file is None else loaded.file.absolute().parent
        return Site(
            transport=self.transport,
            address=self.inside.address,
            keys=self._key,
            today=lambda: self.day,
            inner_key=self.inside.api_key,
            cold=lambda name: name in self.seen.cold,
            renewed=lambda secret: _renewed(secret, folder),
            desk=self._desk,
        )

    def _desk(self, settings: Settings) -> Desk | None:
        """The desk for privacy; a classifier whose settings did not change goes on with what it remembers."""
        made = desk(settings, self._secret, self._classifier)
        if made is None:
            return None
        self._classifier = made[1]
        return made[0]

    def _key(self, id_: str) -> Key | None:
        return self._by_id.get(id_)


def _renewed(secret: Secret, folder: Path) -> str | None:
    """What a secret is now, where it lies in a file that somebody else renews."""
    if not secret.origin.startswith("file:"):
        return None
    try:
        return Finder(environment(), folder).api_key(secret.origin, read=True).value
    except CrossoverError as error:
        _LOG.warning("%s", error.sentence())
        return None


def _keep_grade(path: Path, grade: Grade) -> None:
    with open_ledger(path) as ledger:
        add_grades(ledger, (grade,))


def _grades(path: Path, since: float) -> list[Grade]:
    with open_ledger(path) as ledger:
        return grades(ledger, since=since)


def _prune(path: Path, keep_days: int, bodies_days: int, audit_days: int) -> Pruned:
    with open_ledger(path) as ledger:
        return prune(ledger, keep_days, bodies_days, audit_days)


def _today() -> dt.date:
    return dt.datetime.now(dt.UTC).date()


def _estimate(request: ChatRequest | EmbedRequest) -> int:
    """Tokens of a prompt, before anybody has counted them."""
    return estimate_request(request) if isinstance(request, ChatRequest) else estimate_embed(request)


async def open_station(loaded: Loaded, paths: Paths, *, ledger: Path | None = None) -> Station:
    """Open the ledger, start what is needed, build the plant. On any error everything opened is closed again."""
    place = ledger or paths.data / "ledger.db"
    async with contextlib.AsyncExitStack() as stack:
        opened = open_ledger(place)
        stack.callback(opened.close)
        station = Station(loaded, paths, opened)
        stack.pop_all()
        stack.push_async_callback(station.aclose)
        await station.start()
        stack.pop_all()
    return station


def stand(breaker: Breaker, now: float) -> str:
    """How a deployment stands, in a word: ``up``, ``probing``, ``resting`` or ``drained``."""
    return DRAINED if breaker.drained else STANDS[breaker.state(now)]
