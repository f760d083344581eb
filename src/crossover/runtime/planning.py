"""What the planner needs: opens the catalog, reads what was measured, looks at this machine, and hands it over."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import msgspec

from crossover import hardware
from crossover.catalog.items import Catalog, Offer
from crossover.catalog.load import load
from crossover.config import environment, paths
from crossover.config.defaults import default_settings
from crossover.config.load import find
from crossover.config.load import load as read_settings
from crossover.errors import CrossoverError, StoreError
from crossover.evidence import Evidence, Source
from crossover.ledger.facts import evidence
from crossover.ledger.store import open_ledger
from crossover.planner.candidates import OWN
from crossover.planner.question import Question
from crossover.planner.scenarios import planned
from crossover.planner.survey import Progress
from crossover.planner.words import Plan
from crossover.runtime.standing import identities


def catalog_for(question: Question | None = None) -> Catalog:
    """The shipped catalog with the user's own rows, priced as of the question's day."""
    folder = paths().config / "catalog"
    found = load(folder if folder.is_dir() else None, as_of=None if question is None else question.as_of)
    if question is None or question.costs.here_usd_hour is None:
        return found
    return with_machine(found, hardware.detect(), question.costs.here_usd_hour, question.today)


def with_machine(catalog: Catalog, machine: hardware.Machine, usd_hour: float, today: dt.date) -> Catalog:
    """The catalog with this machine's devices as offers of the user's own."""
    rows = hardware.devices(catalog, machine)
    offers = tuple(
        Offer(
            cloud=OWN,
            instance=machine.cpu or "this machine",
            accelerator=row.accelerator.name,
            count=row.count,
            region="",
            usd_per_hour=Decimal(str(usd_hour)),
            source=Source(text="stated with --this-machine", checked=today),
            note=row.note,
        )
        for row in rows
    )
    mine = {row.accelerator.name: row.accelerator for row in rows if row.accelerator.kind == "cpu"}
    return msgspec.structs.replace(
        catalog,
        accelerators=tuple(mine.get(row.name, row) for row in catalog.accelerators),
        offers=(*catalog.offers, *offers),
    )


def with_recorded(question: Question, file: Path | None) -> Question:
    """The question with the figures that the ledger holds, and what answers now behind the names they are about.

    Without a file it is the ledger of this installation, which may be missing or of another version: then the plan is
    made without it, and says so. Raises StoreError for a file that was named and cannot be read.
    """
    place = file or paths().data / "ledger.db"
    if file is None and not place.exists():
        return question
    try:
        with open_ledger(place, readonly=True) as ledger:
            rows = tuple(evidence(ledger))
    except StoreError as error:
        if file is not None:
            raise
        note = f"What was measured is not used, because the ledger cannot be read: {error.sentence()}."
        return msgspec.structs.replace(question, notes=(*question.notes, note))
    return msgspec.structs.replace(
        question, recorded=(*question.recorded, *rows), identities=_identities(rows)
    )  # fmt: skip


def _identities(rows: tuple[Evidence, ...]) -> tuple[tuple[str, str], ...]:
    """What answers now, by the configuration in force; nothing where that cannot be read."""
    environ = environment()
    try:
        file = find(None, environ, Path.cwd())
        settings = (default_settings((), environ) if file is None else read_settings(file, environ)).settings
    except CrossoverError:
        return ()
    return identities(rows, settings, paths())


def plan_for(question: Question, progress: Progress | None = None) -> Plan:
    """The plan for a question with the catalog of this installation, and an answer for everything that could differ."""
    return planned(question, catalog_for(question), progress)
