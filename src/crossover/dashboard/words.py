"""What the pages are made of: where figures come from, how a running gateway is asked, what a plan looks like.

Times are Unix seconds, durations milliseconds, money in rows of the ledger picodollars and in plans dollars.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from crossover.evidence import Evidence
from crossover.ledger.budgets import Standing
from crossover.ledger.grades import Grade
from crossover.ledger.hours import Hours, Sums
from crossover.ledger.listing import Filter, Listing
from crossover.ledger.pace import Pace
from crossover.ledger.queries import Idle
from crossover.ledger.survey import Survey
from crossover.ledger.words import Health, Key, Record


class House(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the place without a gateway. ``hourly`` are picodollars an hour by deployment.

    ``ledger`` is the file's name for people; ``bodies``: prompts and answers may be shown where they are kept.
    ``writable``: keys may be made and revoked here. ``live``: there is a gateway to ask.
    """

    ledger: str
    hourly: dict[str, int] = {}
    bodies: bool = False
    writable: bool = False
    live: bool = False


# -------------------------------------------------------------------------------------------------- a gateway that runs


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """One deployment as it stands now. ``state``: up, probing, resting or drained; ``why`` it rests.

    ``flying`` of ``limit`` calls are under way (0: no limit), ``waiting`` of ``queue`` wait. ``answer_s`` is how long
    answers took lately, None where nobody saw one. ``per_hour`` is what the machine costs, in picodollars.
    """

    name: str
    provider: str
    model: str
    zone: str
    operator: str
    local: bool
    state: str
    why: str = ""
    rests_s: float = 0.0
    flying: int = 0
    limit: int = 0
    waiting: int = 0
    queue: int = 0
    answer_s: float | None = None
    per_hour: int = 0


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """A budget of the configuration."""

    name: str
    period: str
    limit: int
    keys: tuple[str, ...] = ("*",)
    aliases: tuple[str, ...] = ("*",)


class Live(msgspec.Struct, frozen=True, kw_only=True):
    """A running gateway at one moment. ``aliases`` maps a name to (policy, deployments in order).

    ``doubts`` says of a name why its rule is not trusted now.
    """

    url: str
    since: float
    places: tuple[Place, ...]
    ledger: Health
    aliases: dict[str, tuple[str, tuple[str, ...]]] = {}
    budgets: tuple[Limit, ...] = ()
    doubts: dict[str, str] = {}
    profile: str = ""
    bodies: bool = False
    keys_needed: bool = False


class Gate(Protocol):
    """The way to a running gateway."""

    async def look(self) -> Live | None:
        """How it stands; None where there is none, or it does not answer."""
        ...

    async def drain(self, deployment: str, on: bool) -> str:
        """Give a deployment no new request, or give it some again; what stands against it, "" where it is done."""
        ...


# ---------------------------------------------------------------------------------------------------------------- plans


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """Cost of one class of options against volume: (requests a day, P10, P50, P90 in dollars a month)."""

    kind: str
    title: str
    points: tuple[tuple[float, float, float, float], ...]


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """What would change the answer: its lever, what it is now, what it would have to be, and what wins then."""

    lever: str
    now: str
    needed: str
    then: str


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """One option of the ranking: dollars a month with an 80 % interval, and how often it was the cheapest."""

    rank: int
    kind: str
    title: str
    usd: float
    low: float
    high: float
    cheapest: float
    today: bool = False


class Scheme(msgspec.Struct, frozen=True, kw_only=True):
    """A plan as the page shows it. ``source`` says what traffic it rests on; ``volume`` is its requests a day."""

    headline: str
    action: str
    reasons: tuple[str, ...]
    caveat: str
    made: str
    source: str
    volume: float
    curves: tuple[Curve, ...]
    crossings: tuple[str, ...]
    turns: tuple[Turn, ...]
    choices: tuple[Choice, ...]
    notes: tuple[str, ...] = ()


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """The plan, or why there is none yet. ``working``: it is being made; ``said`` is for people."""

    scheme: Scheme | None = None
    working: bool = False
    said: str = ""


# --------------------------------------------------------------------------------------------------------------- source


class Chain(msgspec.Struct, frozen=True, kw_only=True):
    """The audit's chain: how many entries, when its first and last were written, how far it was checked.

    ``checked`` entries of ``entries`` were verified up to now; ``fault`` is what is wrong, "" where nothing is.
    """

    entries: int
    first: float | None
    last: float | None
    checked: int = 0
    working: bool = False
    done: bool = False
    fault: str = ""


class Source(Protocol):
    """Figures of a ledger. Every method may be called from any thread and raises StoreError where the file fails."""

    @property
    def house(self) -> House:
        """What is known of the place."""
        ...

    def now(self) -> float:
        """The time."""
        ...

    def begin(self) -> float | None:
        """When the ledger begins; None where it is empty."""
        ...

    def hours(self, since: float, until: float, span: int) -> Hours:
        """Sums over time."""
        ...

    def pace(self, since: float, until: float, parts: int) -> Pace:
        """Latencies and faults."""
        ...

    def by_deployment(self, since: float, until: float) -> dict[str, Sums]:
        """Sums by deployment; ``""``: nobody answered."""
        ...

    def by_key(self, since: float, until: float) -> dict[str, Sums]:
        """Sums by key, over whole days; ``""``: without one."""
        ...

    def zones(self, since: float, until: float) -> list[tuple[str, bool, int]]:
        """(zone, whether it is the user's own, requests answered there)."""
        ...

    def idle(self, since: float, until: float, hourly: Mapping[str, int]) -> list[Idle]:
        """What the hours of machines cost."""
        ...

    def listing(self, wanted: Filter, after: str, most: int) -> Listing:
        """Requests, the latest first."""
        ...

    def names(self) -> dict[str, list[str]]:
        """What a filter can name: deployments and names asked for."""
        ...

    def request(self, id_: str) -> Record | None:
        """One request whole."""
        ...

    def near(self, start: str) -> list[str]:
        """Ids that begin like this."""
        ...

    def bodies(self, id_: str) -> tuple[str, str] | None:
        """What was asked and answered, where that is kept and may be shown."""
        ...

    def evidence(self) -> list[Evidence]:
        """Every figure that was measured, in the order in which it was written."""
        ...

    def grades(self, since: float) -> list[Grade]:
        """Answers of a weaker and a stronger model that were compared while rules were in use."""
        ...

    def report(self, source: str) -> str | None:
        """The page of an evaluation, where its folder is still there and may be shown."""
        ...

    def standings(self) -> list[Standing]:
        """The budgets' periods in force."""
        ...

    def every_key(self) -> list[Key]:
        """Every key, oldest first."""
        ...

    def create_key(self, name: str, facts: Mapping[str, Any]) -> tuple[Key, str]:
        """Make a key; the row and the secret, which nobody can show again. Raises InputError."""
        ...

    def change_key(self, id_: str, facts: Mapping[str, Any]) -> Key:
        """Change a key's limits. Raises InputError."""
        ...

    def revoke_key(self, id_: str) -> Key:
        """Revoke a key. Raises UnknownNameError."""
        ...

    def survey(self, since: float, until: float) -> Survey:
        """What left, of the latest entries of the audit in this period."""
        ...

    def chain(self) -> Chain:
        """How the audit stands, and how far it was checked."""
        ...

    def check_chain(self) -> None:
        """Begin to verify the whole chain, beside everything else."""
        ...

    def plan(self) -> Planned:
        """The current plan; where it takes time it is being made and asked for again."""
        ...
