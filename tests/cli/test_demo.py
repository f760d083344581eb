"""The demo: a plan with its report, then a gateway whose answers, decisions and bill are real; it ends cleanly."""

from __future__ import annotations

import io
import re
import signal
import socket
import sys
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from rich.console import Console
from rich.text import Text

from crossover.chat import Served
from crossover.cli import plan as plan_command
from crossover.cli import prove, tour
from crossover.config.load import load
from crossover.engines.tickets import LABELS, handwritten
from crossover.ledger import care, queries
from crossover.ledger.store import open_ledger
from crossover.planner.question import Question, Scope
from crossover.reports.paper import Paper
from tests.cli.process import running
from tests.cli.shell import call, quiet_home, refused

YEARS = (0.0, 4e9)


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    quiet_home(monkeypatch, tmp_path / "home")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Question]:
    """The questions asked; their plans are small ones."""
    found: list[Question] = []
    original = plan_command.ask

    def small(question: Question, *, quiet: bool) -> object:
        found.append(question)
        return original(msgspec.structs.replace(question, scope=Scope(kinds=("api",)), draws=20), quiet=quiet)

    monkeypatch.setattr(plan_command, "ask", small)
    return found


@pytest.fixture
def no_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)


def test_the_preset_is_planned_and_its_report_written(tmp_path: Path, asked: list[Question]) -> None:
    place = tmp_path / "deep" / "folder"
    done = call("demo", "--only", "plan", "--out", str(place))
    assert (done.code, done.err) == (0, "")
    assert "crossover plan --preset conversation" in done.out.replace("\n", " ")
    assert (place / "plan.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert len(asked) == 1
    assert [path.name for path in place.iterdir()] == ["plan.html"]


def test_without_the_extra_the_plan_is_shown_and_the_line_that_installs_it(
    tmp_path: Path, asked: list[Question], no_extra: None
) -> None:
    done = call("demo", "--out", str(tmp_path / "out"))
    assert (done.code, done.err) == (0, "")
    assert "Crossover plan" in done.out
    assert done.out.count("pip install 'crossover-llm[embedded]'") == 2
    assert done.out.rstrip().endswith("plan.html"), "it ends with where the report is"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["plan.html"]


def test_two_models_are_compared_and_the_report_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("xllamacpp", reason="the extra 'embedded' is not installed")
    monkeypatch.setattr(prove, "TICKETS", 12)
    out = tmp_path / "out"
    done = call("demo", "--only", "prove", "--out", str(out))
    assert (done.code, done.err) == (0, "")
    assert "tiny against sandbox: inconclusive" in done.out
    assert done.out.rstrip().endswith("eval.html")
    assert (out / "eval.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_real_requests_are_answered_explained_and_billed(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="the extra 'embedded' is not installed")
    out = tmp_path / "out"
    done = call("demo", "--only", "run", "--out", str(out))
    assert (done.code, done.err) == (0, "")
    said = " ".join(done.out.split())
    assert "asked in vain: down (refused); tiny answered instead" in said
    assert "why: quality_first: tiny, the only one left; payment card ×1 found: sandbox is not local" in said
    assert "13 requests, 13 answered, with 15 calls to models." in said
    assert "with 1 value replaced; 2 in which something was found stayed. Its chain of 7 entries holds." in said
    assert "priced like gpt-4o-mini" in said
    assert "two rented cores" in said

    found = re.search(r"http://127\.0\.0\.1:(\d+)/v1", done.out)
    assert found is not None
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(found[1]))) != 0, "the gateway's port is closed"

    with open_ledger(out / "ledger.db", readonly=True) as book:
        rows = list(queries.records(book, *YEARS))
        assert not care.check(book)
        assert not queries.unsettled(book)
        (standing,) = queries.standings(book)
        total = queries.total(book, *YEARS)
    assert [row.status for row in rows] == ["ok"] * 13
    assert {row.key for row in rows} == {standing.name.removeprefix("key:")}
    assert (standing.spent, standing.reserved) == (total.marginal, 0)
    assert sum(row.streamed for row in rows) == 1
    sensitive = [row for row in rows if row.privacy is not None and row.privacy.action == "local_only"]
    assert [row.deployment for row in sensitive] == ["tiny", "tiny"]
    assert all(one.deployment == "tiny" for row in sensitive for one in row.attempts), "it never left"
    outage = [[one.deployment for one in row.attempts] for row in rows if row.asked == "outage"]
    assert outage == [["down", "tiny"], ["down", "tiny"], ["sandbox"]]
    assert total.saved == total.all_api - total.compared_marginal > 0
    settings = load(out / "demo.toml", {}).settings
    assert set(settings.aliases) == {"auto", "best", "outage"}


def test_what_was_proved_trains_a_rule_that_serves_saves_and_plans(tmp_path: Path, asked: list[Question]) -> None:
    pytest.importorskip("xllamacpp", reason="the extra 'embedded' is not installed")
    out = tmp_path / "out"
    done = call("demo", "--only", "learn", "--out", str(out))
    assert (done.code, done.err) == (0, "")
    said = " ".join(done.out.split())
    assert "loses at most 5 % quality, 95 % sure." in said
    kept = re.search(r"(\d+) of 120 stayed on the own machine, (\d+) were passed on", said)
    assert kept is not None
    assert int(kept[1]) + int(kept[2]) == 120
    assert re.search(r"\d+% of the API's bill saved, from the ledger", said)
    with open_ledger(out / "ledger.db", readonly=True) as book:
        rows = list(queries.records(book, *YEARS))
    smart = [row for row in rows if row.asked == "smart"]
    assert sum(row.deployment == "tiny" for row in smart) == int(kept[1])
    assert all(row.attempts[0].outcome == "escalated" for row in smart if row.deployment == "sandbox")
    assert load(out / "learned.toml", {}).settings.aliases["smart"].policy == "cascade"
    assert "Plan again" in said
    assert "only route smart: 120 requests answered" in (out / "replan.html").read_text(encoding="utf-8")
    assert f"crossover dashboard --ledger {out / 'ledger.db'}".replace(" ", "") in "".join(done.out.split())


def test_what_is_in_the_folder_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_text("mine")
    (tmp_path / "ledger-2.db").write_text("mine too")
    assert tour.new_ledger(tmp_path).name == "ledger-3.db"
    assert (tmp_path / "ledger.db").read_text() == "mine"


def test_ctrl_c_ends_it_with_everything_written(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="the extra 'embedded' is not installed")
    with running("demo", "--only", "run", "--out", "out", folder=tmp_path) as process:
        process.until("tiny · ")
        process.signal(signal.SIGINT)
        done = process.done()
    assert done.code == 130
    assert done.err == "crossover: interrupted; nothing was left half-written\n"
    with open_ledger(tmp_path / "out" / "ledger.db", readonly=True) as book:
        assert queries.total(book, *YEARS).ok >= 1
        assert not care.check(book)
        assert not queries.unsettled(book)


def test_bad_input(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("x")
    assert "cannot be made" in refused("demo", "--out", str(taken))
    assert "--only" in refused("demo", "--only", "half", "--out", str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("answer", ["billing", '{"order": "A-77177", "product": "toaster", "amount": null}'])
@pytest.mark.parametrize("wrong", ["", "order A-77120"])
def test_an_answer_fits_its_line(width: int, answer: str, wrong: str) -> None:
    out = io.StringIO()
    paper = Paper(Console(file=out, width=width, highlight=False))
    served = Served(
        request_id="req_1", deployment="sandbox", model="m", zone="z", policy="p", reason="r", attempts=2,
        cost=Decimal("0.0000123"),
    )  # fmt: skip
    told = tour._told(served, 1.234)
    assert told == "sandbox · 1,234 ms · $0.0000123 · 2 attempts"
    guest = tour.Guest(paper, "http://127.0.0.1:1", "xo-", tour.STEPS[0])
    guest._say(Text(f"     {answer}"), wrong, told)
    said = out.getvalue()
    assert all(len(line) <= width for line in said.splitlines())
    for words in (answer, told, wrong):
        assert words.replace(" ", "") in said.replace(" ", "").replace("\n", "")


def test_an_answer_is_right_wrong_or_partly_wrong() -> None:
    assert tour._wrong("billing", "billing") == ""
    assert tour._wrong(" billing\n", "billing") == ""
    assert tour._wrong("bill", "billing") == "billing"
    meant = '{"order": "A-1", "product": null, "amount": "2.00"}'
    assert tour._wrong('{"amount": "2.00", "order": "A-1", "product": null}', meant) == ""
    assert tour._wrong('{"amount": "2.00", "order": "A-2", "product": "x"}', meant) == "order A-1, product none"
    assert tour._wrong("[]", meant) == meant
    assert tour._wrong("no", meant) == meant


def test_there_are_tickets_for_every_request() -> None:
    iterators = tour._tickets()
    asks = [ask.what for step in tour.STEPS for ask in step.asks]
    given = [next(iterators[what]).text for what in asks]
    assert len(set(given)) == len(asks) == 13
    assert {one.label for one in handwritten()} == set(LABELS)
