"""What the planner is handed: figures of the ledger with what answers now, and this machine as an offer."""

from __future__ import annotations

import asyncio
import datetime as dt
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from crossover.catalog.load import load as load_catalog
from crossover.config import Paths, paths
from crossover.config.load import load
from crossover.engines.embedded import default_model
from crossover.errors import StoreError
from crossover.evaluation.proof import mark_of
from crossover.evidence import Evidence
from crossover.hardware import Gpu, Machine
from crossover.ledger.facts import add_evidence
from crossover.ledger.store import open_ledger
from crossover.loadtest.words import Subject
from crossover.planner.question import Question
from crossover.runtime.engines import fingerprint
from crossover.runtime.evaluating import open_room
from crossover.runtime.measured import speed_subject
from crossover.runtime.planning import with_machine, with_recorded
from crossover.runtime.standing import identities
from crossover.workload import Workload, constant
from tests.cli.shell import quiet_home

DAY = dt.date(2026, 11, 27)
CONFIG = """
[zones.home]
operator = "own"
[deployments.tiny]
provider = "embedded"
model = "crossover-tiny"
zone = "home"
[aliases.support]
deployments = ["tiny"]
"""


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    quiet_home(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def question() -> Question:
    load = Workload(name="test", requests_per_day=100, input=constant(10), output=constant(10))
    return Question(workload=load, today=DAY, as_of=DAY)


def row(subject: str = "x", metric: str = "tpot_s", **context: float | str) -> Evidence:
    return Evidence(
        subject=subject, metric=metric, value=1.0, unit="s", kind="measured", source="a test", when=DAY, context=context
    )  # fmt: skip


def kept(path: Path, *rows: Evidence) -> Path:
    with open_ledger(path) as ledger:
        add_evidence(ledger, rows)
    return path


def test_no_ledger_is_no_evidence() -> None:
    assert with_recorded(question(), None) == question()


def test_a_ledger_that_was_named_must_be_there(home: Path) -> None:
    with pytest.raises(StoreError):
        with_recorded(question(), home / "none.db")


def test_a_broken_ledger_of_the_installation_is_a_note(home: Path) -> None:
    place = paths().data / "ledger.db"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(b"no database at all, but more than a page of nothing " * 100)
    made = with_recorded(question(), None)
    assert made.recorded == ()
    assert "ledger cannot be read" in made.notes[0]


def test_figures_of_a_ledger_are_handed_over(home: Path) -> None:
    made = with_recorded(question(), kept(home / "l.db", row(), row("y")))
    assert [one.subject for one in made.recorded] == ["x", "y"]
    assert made.identities == ()


def test_what_answers_now_is_told_from_what_was_measured(home: Path) -> None:
    settings = load(CONFIG, {}).settings
    rows = [row("tiny", "quality", identity="old"), row("support", "quality", identity="old"),
            row("gone", "quality", identity="old"), row("k", digest="d", model="crossover-tiny")]  # fmt: skip
    found = dict(identities(rows, settings, paths()))
    assert set(found) == {"identity:tiny", "identity:support", "digest:crossover-tiny"}
    assert found["digest:crossover-tiny"] == fingerprint(default_model())


def test_the_identity_is_the_one_that_an_evaluation_writes(home: Path) -> None:
    pytest.importorskip("xllamacpp")

    async def asked(place: Paths) -> list[str]:
        async with open_room(load(CONFIG, {}), place, ledger=home / "l.db") as room:
            assert [room.format(name) for name in ("tiny", "support", "support@cheapest", "none")] == ["Q8_0"] * 3 + [
                ""
            ]
            return [room.candidate(name, {}).identity for name in ("tiny", "support")]

    names = ("tiny", "support")
    written = asyncio.run(asked(paths()))
    rows = [row(name, "quality", identity="any") for name in names]
    found = dict(identities(rows, load(CONFIG, {}).settings, paths()))
    assert [found[f"identity:{name}"] for name in names] == [mark_of(one) for one in written]


def test_a_configuration_that_cannot_be_read_judges_nobody(home: Path) -> None:
    (home / "crossover.toml").write_text("= broken")
    made = with_recorded(question(), kept(home / "l.db", row("tiny", "quality", identity="old")))
    assert made.identities == ()
    assert len(made.recorded) == 1


def test_this_machine_is_an_offer_of_ones_own() -> None:
    machine = Machine(system="Linux", cpu="some processor", cores=4, memory_gib=30.0)
    made = with_machine(load_catalog(), machine, 0.05, DAY)
    offer = made.offers[-1]
    assert (offer.cloud, offer.accelerator, offer.usd_per_hour) == ("own", "CPU desktop DDR4", Decimal("0.05"))
    assert next(one for one in made.accelerators if one.name == offer.accelerator).memory_gib == 30.0


def subject_with(digest: str) -> Subject:
    return Subject(
        id="tiny", label="tiny", model="crossover-tiny", url="http://127.0.0.1:1/v1", engine="llamacpp", digest=digest
    )  # fmt: skip


@pytest.mark.parametrize(
    ("digest", "gpus", "name"),
    [
        ("", (), "crossover-tiny|Q8_0|1xCPU desktop DDR4|llamacpp"),
        ("", (Gpu(name="NVIDIA L4", vendor="NVIDIA", memory_gib=22.5),), None),
    ],
)
def test_the_engine_inside_is_known_by_its_file(digest: str, gpus: tuple[Gpu, ...], name: str | None) -> None:
    machine = Machine(system="Linux", cpu="some processor", cores=4, memory_gib=30.0, gpus=gpus)
    subject = subject_with(digest or fingerprint(default_model()))
    assert asyncio.run(speed_subject(subject, load_catalog(), machine)) == name


def test_weights_that_are_not_the_file_are_nobodys() -> None:
    machine = Machine(system="Linux", cpu="some processor", cores=4, memory_gib=30.0)
    subject = msgspec.structs.replace(subject_with("1:other"), url="http://127.0.0.1:9/v1")  # and nobody answers there
    assert asyncio.run(speed_subject(subject, load_catalog(), machine)) is None
