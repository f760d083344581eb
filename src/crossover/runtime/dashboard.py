"""The dashboard put together: a ledger as the source of its figures, the token that opens it, its pages in a server."""

from __future__ import annotations

import asyncio
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec

from crossover.dashboard.session import Lock, new_lock
from crossover.dashboard.words import Chain, Gate, House, Live, Planned
from crossover.errors import FileError, InputError, MissingExtraError, StoreError
from crossover.evidence import Evidence
from crossover.ledger import facts, grades, hours, keys, listing, pace, queries
from crossover.ledger.audit import begin_walk, follow, rows_of
from crossover.ledger.budgets import Standing
from crossover.ledger.chain import MICRO
from crossover.ledger.grades import Grade
from crossover.ledger.hours import HOUR, Hours, Sums
from crossover.ledger.listing import Filter, Listing
from crossover.ledger.pace import Pace
from crossover.ledger.store import Ledger, open_ledger
from crossover.ledger.survey import Survey, Wanted, survey
from crossover.ledger.words import PICO, Key, Record

if TYPE_CHECKING:
    from starlette.types import ASGIApp

T = TypeVar("T")
LOCK_FILE = "dashboard.json"
_ENTRIES = 1_500  # entries of the audit that a page reads
KEPT_S = 2.0  # how long a figure is shown again without being asked for
_MOST_KEPT = 64


# ---------------------------------------------------------------------------------------------------------- the token


def read_lock(folder: Path) -> Lock | None:
    """The lock of the dashboard in the data folder; None where there is none yet."""
    place = folder / LOCK_FILE
    try:
        return msgspec.json.decode(place.read_bytes(), type=Lock)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        hint = "`crossover dashboard --new-token` makes another one"
        raise FileError(f"cannot be used: {error}", file=str(place), hint=hint) from None


def make_lock(folder: Path) -> str:
    """A new lock in the data folder, for its owner only; the token that opens it. The one before it ends."""
    lock, token = new_lock()
    place = folder / LOCK_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:  # made with the mode 0600
            file.write(msgspec.json.encode(lock))
        Path(file.name).replace(place)
    except OSError as error:
        raise FileError(f"cannot be written: {error.strerror or error}", file=str(place)) from None
    return token


class KeptLock:
    """The lock as the file has it, read again when that changes; where there is none, nothing opens."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: tuple[int, int] | None = None
        self._lock: Lock | None = None

    def __call__(self) -> Lock | None:
        """The lock in force."""
        try:
            found = (self._folder / LOCK_FILE).stat()
        except OSError:
            return None
        seen = (found.st_mtime_ns, found.st_ino)
        if seen != self._seen:
            try:
                self._lock = read_lock(self._folder)
            except FileError:
                return None
            self._seen = seen
        return self._lock


def house_of(ledger: Path, config: Path | None, environ: Mapping[str, str]) -> House:
    """What is known of a ledger without its gateway: what machines cost an hour, as the configuration in force says.

    Raises FileError for a configuration that was named and cannot be read.
    """
    from crossover.config.load import find, hourly

    file = find(config, environ, Path.cwd())
    costs = {} if file is None else {name: int(usd * PICO) for name, usd in hourly(file).items()}
    return House(ledger=ledger.name, hourly=costs)


# ----------------------------------------------------------------------------------------------------------- the source


class Book:
    """A ledger as the source of the pages' figures: opened anew for each question, to read only.

    What was asked for a moment ago is shown again. ``plan`` gives the current plan.
    """

    def __init__(
        self,
        path: Path,
        house: House,
        *,
        clock: Callable[[], float] = time.time,
        plan: Callable[[], Planned] = Planned,
        kept_s: float = KEPT_S,
    ) -> None:
        self.path = path
        self.house = house
        self._clock = clock
        self._plan = plan
        self._kept_s = kept_s
        self._guard = threading.Lock()
        self._kept: dict[tuple[Any, ...], tuple[float, Any]] = {}
        self._check: Check | None = None

    def now(self) -> float:
        """The time."""
        return self._clock()

    def _read(self, ask: Callable[[Ledger], T]) -> T:
        with open_ledger(self.path, readonly=True) as ledger:
            return ask(ledger)

    def _recent(self, place: tuple[Any, ...], ask: Callable[[Ledger], T], times: float = 1.0) -> T:
        """An answer of the last moments, or a new one."""
        now = time.monotonic()
        with self._guard:
            found = self._kept.get(place)
        if found is not None and now - found[0] < self._kept_s * times:
            return cast(T, found[1])
        made = self._read(ask)
        with self._guard:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[place] = (time.monotonic(), made)
        return made

    # ------------------------------------------------------------------------------------------------------- figures

    def begin(self) -> float | None:
        """When the ledger begins."""
        return self._recent(("begin",), hours.begin)

    def hours(self, since: float, until: float, span: int) -> Hours:
        """Sums over time."""
        return self._recent(
            ("hours", since, queries.hours_of(since, until), span),
            lambda ledger: hours.hours(ledger, since, until, span),
        )

    def pace(self, since: float, until: float, parts: int) -> Pace:
        """Latencies and faults."""
        return self._recent(
            ("pace", since, queries.hours_of(since, until), parts),
            lambda ledger: pace.pace(ledger, since, until, parts),
        )

    def by_deployment(self, since: float, until: float) -> dict[str, Sums]:
        """Sums by deployment."""
        return self._recent(
            ("deployments", queries.hours_of(since, until)), lambda ledger: hours.by_deployment(ledger, since, until)
        )

    def by_key(self, since: float, until: float) -> dict[str, Sums]:
        """Sums by key."""
        return self._recent(("keys", queries.hours_of(since, until)), lambda ledger: hours.by_key(ledger, since, until))

    def zones(self, since: float, until: float) -> list[tuple[str, bool, int]]:
        """Where requests were answered."""
        return self._recent(("zones", queries.hours_of(since, until)), lambda ledger: hours.zones(ledger, since, until))

    def idle(self, since: float, until: float, hourly: Mapping[str, int]) -> list[queries.Idle]:
        """What the hours of machines cost."""
        if not hourly:
            return []
        place = ("idle", queries.hours_of(since, until), tuple(sorted(hourly.items())))
        return self._recent(place, lambda ledger: hours.idle(ledger, hourly, since, until))

    def listing(self, wanted: Filter, after: str, most: int) -> Listing:
        """Requests, the latest first."""
        return self._read(lambda ledger: listing.listing(ledger, wanted, after, most))

    def names(self) -> dict[str, list[str]]:
        """What a filter can name."""
        return self._recent(("names",), listing.names, 5.0)

    def request(self, id_: str) -> Record | None:
        """One request whole."""
        return self._read(lambda ledger: queries.one(ledger, id_))

    def near(self, start: str) -> list[str]:
        """Ids that begin like this."""
        return self._read(lambda ledger: queries.near(ledger, start))

    def bodies(self, id_: str) -> tuple[str, str] | None:
        """What was asked and answered, where that may be shown."""
        return self._read(lambda ledger: queries.bodies(ledger, id_)) if self.house.bodies else None

    def evidence(self) -> list[Evidence]:
        """Every figure that was measured."""
        return self._recent(("evidence",), facts.evidence)

    def grades(self, since: float) -> list[Grade]:
        """Answers that were compared while rules were in use."""
        return self._recent(("grades", since // HOUR), lambda ledger: grades.grades(ledger, None, since))

    def report(self, source: str) -> str | None:
        """The page of an evaluation, where its folder is still there and may be shown."""
        folder = source.removeprefix("crossover eval ")
        if not self.house.bodies or folder == source or all(source != row.source for row in self.evidence()):
            return None  # only what the ledger itself names is read
        from crossover.evaluation.summary import read_summary
        from crossover.reports import evaluation_html

        return evaluation_html.page(read_summary(Path(folder)))

    def standings(self) -> list[Standing]:
        """The budgets' periods in force."""
        return self._read(queries.standings)

    # ---------------------------------------------------------------------------------------------------------- keys

    def every_key(self) -> list[Key]:
        """Every key, oldest first."""
        return self._read(keys.listed)

    def create_key(self, name: str, wanted: Mapping[str, Any]) -> tuple[Key, str]:
        """Make a key."""
        with self._writing() as ledger:
            return keys.create(ledger, name, **wanted)

    def change_key(self, id_: str, wanted: Mapping[str, Any]) -> Key:
        """Change a key's limits."""
        with self._writing() as ledger:
            return keys.change(ledger, id_, **wanted)

    def revoke_key(self, id_: str) -> Key:
        """Revoke a key."""
        with self._writing() as ledger:
            return keys.revoke(ledger, id_)

    def _writing(self) -> Ledger:
        if not self.house.writable:
            raise InputError("this ledger is open to be read only", hint="Use the dashboard of the gateway")
        return open_ledger(self.path, clock=self._clock)

    # ------------------------------------------------------------------------------------------------------- the audit

    def survey(self, since: float, until: float) -> Survey:
        """What left, of the latest entries of the audit in this period."""

        def ask(ledger: Ledger) -> Survey:
            found = ledger.rows("SELECT max(number) FROM audit WHERE time < ?", (round(until * MICRO),))
            first = ledger.rows("SELECT time FROM audit WHERE number = ?", ((found[0][0] or 0) - _ENTRIES,))
            begin = max(since, first[0][0] / MICRO) if first else since
            return survey(ledger, Wanted(since=begin, until=max(until, begin + 1)))

        return self._recent(("survey", queries.hours_of(since, until)), ask)

    def chain(self) -> Chain:
        """How the audit stands."""

        def ask(ledger: Ledger) -> Chain:
            low, high = ledger.rows("SELECT (SELECT min(number) FROM audit), (SELECT max(number) FROM audit)")[0]
            if low is None:
                return Chain(entries=0, first=None, last=None)
            times = [ledger.rows("SELECT time FROM audit WHERE number = ?", (number,))[0][0] for number in (low, high)]
            return Chain(entries=high - low + 1, first=times[0] / MICRO, last=times[1] / MICRO)

        found, check = self._read(ask), self._check
        if check is None:
            return found
        return msgspec.structs.replace(
            found, checked=check.checked, working=check.working, done=check.done, fault=check.fault
        )

    def check_chain(self) -> None:
        """Begin to verify the whole chain in a thread of its own; one at a time."""
        with self._guard:
            if self._check is None or not self._check.working:
                self._check = Check(self.path)
                self._check.start()

    def plan(self) -> Planned:
        """The current plan."""
        return self._plan()


class Check:
    """A walk along the whole audit, entry by entry, beside everything else."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.checked = 0
        self.working = True
        self.done = False
        self.fault = ""

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._run, name="crossover-audit", daemon=True).start()

    def _run(self) -> None:
        try:
            with open_ledger(self._path, readonly=True) as ledger:
                walk = begin_walk(ledger)
                for _ in follow(rows_of(ledger), walk):
                    self.checked = walk.entries
                self.fault = "" if walk.fault is None else walk.fault.sentence()
                self.done = True
        except StoreError as error:
            self.fault = error.sentence()
        finally:
            self.working = False


class NoGate:
    """There is no gateway to ask."""

    async def look(self) -> Live | None:
        """Nothing is known of now."""
        return None

    async def drain(self, deployment: str, on: bool) -> str:
        """Nothing can be drained."""
        del deployment, on
        return "no gateway runs here that could drain it"


# ----------------------------------------------------------------------------------------------------------- the server


def pages(source: Book, gate: Gate, lock: Callable[[], Lock | None], port: int) -> ASGIApp:
    """The pages of a source. Raises MissingExtraError where the libraries of the extra are absent."""
    try:
        from crossover.dashboard.app import application
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in ("starlette", "jinja2", "markupsafe"):
            raise
        raise MissingExtraError("dashboard", "the dashboard") from error
    from crossover.dashboard.session import Sessions

    return application(source, gate, Sessions(lock, time.time), f"crossover_session_{port}")


def listen(port: int) -> socket.socket:
    """A socket that listens on this machine alone. Raises InputError where the port is taken."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(64)
        listener.setblocking(False)
    except (OSError, OverflowError) as error:
        listener.close()
        raise InputError(
            f"127.0.0.1:{port} cannot be listened on: {getattr(error, 'strerror', None) or error}",
            hint="Choose another with --port (0: any free one)",
        ) from None
    return listener


async def run(app: ASGIApp, listener: socket.socket, stop: asyncio.Event | None = None) -> None:
    """Serve the pages until ``stop``, or until a signal ends the process."""
    import uvicorn

    config = uvicorn.Config(
        app, lifespan="off", log_config=None, access_log=False, server_header=False, proxy_headers=False,
        limit_concurrency=64, timeout_keep_alive=15, timeout_graceful_shutdown=2, ws="none",
    )  # fmt: skip
    server = uvicorn.Server(config)
    waiting = None if stop is None else asyncio.create_task(_until(stop, server))
    try:
        await server.serve(sockets=[listener])
    finally:
        if waiting is not None:
            waiting.cancel()


async def _until(stop: asyncio.Event, server: Any) -> None:
    await stop.wait()
    server.should_exit = True
