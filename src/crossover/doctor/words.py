"""The words of a check-up: facts about this machine and what answers on it, and findings made of them."""

from __future__ import annotations

from typing import Literal

import msgspec

from crossover.engines.words import Engine, EngineModel, Health
from crossover.hardware import Machine

State = Literal["ok", "note", "warning", "broken"]
STATES: tuple[State, ...] = ("ok", "note", "warning", "broken")  # from good to bad


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at. ``fix`` is one sentence, "" where nothing need be done."""

    check: str
    state: State
    subject: str
    says: str
    fix: str = ""


class Quick(msgspec.Struct, frozen=True, kw_only=True):
    """A few short requests, one after the other. Seconds; ``n`` answers, the first apart (``cold_s``: its first token).

    ``skipped`` says why nothing was asked, ``failed`` why no answer came, ``late`` why fewer came than were asked for.
    ``counts``: the target counts its tokens. ``spent_usd`` is None where nothing is paid, or no price is known.
    """

    cold_s: float | None = None
    ttft_s: float | None = None
    tokens_per_s: float | None = None
    n: int = 0
    counts: bool = True
    skipped: str = ""
    failed: str = ""
    late: str = ""
    spent_usd: float | None = None


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """One model at one place, as the configuration names it or as it was found.

    ``title`` is who serves it; ``outside``: a provider's. ``engine`` and ``known`` are what the engine says of itself
    and of the model before anything was asked, ``context`` the tokens of context that it was found to have afterwards.
    ``logprobs`` is None where nobody looked.
    """

    name: str
    model: str
    title: str
    url: str = ""
    outside: bool = False
    configured: bool = False
    embedded: bool = False
    engine: Engine | None = None
    known: EngineModel | None = None
    health: Health | None = None
    context: int | None = None
    quick: Quick = Quick()
    logprobs: bool | None = None


class Extra(msgspec.Struct, frozen=True, kw_only=True):
    """An optional part of the package, and what of it is not installed."""

    name: str
    missing: tuple[str, ...] = ()


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration: ``file`` is "" without one; ``error`` is the sentence of its first mistake."""

    file: str = ""
    error: str = ""
    notes: tuple[str, ...] = ()


class LedgerState(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger's file. ``error``: it cannot be opened; ``findings``: what is not as it must be (None: not looked).

    ``outdated``: of an older format, which the next one who writes brings up to date.
    """

    path: str
    exists: bool = False
    bytes: int = 0
    error: str = ""
    hint: str = ""
    findings: tuple[str, ...] | None = None
    outdated: bool = False
    writable: bool = True


class Disk(msgspec.Struct, frozen=True, kw_only=True):
    """Room on a disk, in bytes, and what is kept there."""

    holds: str
    path: str
    free: int


class Port(msgspec.Struct, frozen=True, kw_only=True):
    """The gateway's address, and who has it: nobody, a gateway of Crossover, or another program."""

    host: str
    port: int
    held_by: Literal["nobody", "gateway", "other"] = "nobody"


class House(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is looked at."""

    python: tuple[int, int, int]
    machine: Machine
    config: Config
    ledger: LedgerState
    port: Port
    extras: tuple[Extra, ...] = ()
    disks: tuple[Disk, ...] = ()
    engines: tuple[Engine, ...] = ()
    places: tuple[Place, ...] = ()


def worst(findings: tuple[Finding, ...]) -> State:
    """The worst state of all; ``ok`` of none."""
    return max((one.state for one in findings), key=STATES.index, default="ok")
