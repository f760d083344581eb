from __future__ import annotations

import asyncio
import csv
import datetime as dt
import io
import json
import time
from pathlib import Path

import pytest

from crossover.ledger.store import open_ledger
from crossover.ledger.words import Budget
from tests.cli.shell import Done, call, quiet_home
from tests.ledger.parts import local, record, write, writing


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    quiet_home(monkeypatch, tmp_path)
    return tmp_path / "data" / "ledger.db"


def ledger(*words: str) -> Done:
    return call("ledger", *words)


def fill(path: Path) -> None:
    now = time.time()
    with open_ledger(path) as book:
        write(book, [
            local("own-1", time=now, key="k", cost=9 * 10**9, alternatives=()),
            *(local(f"own-{n}", time=now, asked="[b]draft[/b]") for n in range(2, 6)),
            record("paid", time=now, cost=25 * 10**10, marginal=25 * 10**10),
            record("bad", time=now, status="error", error="overloaded", cost=0, marginal=0),
        ])  # fmt: skip


def failed(done: Done, says: str, code: int = 2) -> None:
    assert done.code == code, done
    assert says in done.err
    assert done.err.count("\n") == 1
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("week",),
        ("export",),
        ("check",),
        ("repair",),
        ("backup", "b"),
        ("prune",),
        ("unsettled",),
        ("settle", "a", "1"),
    ],
)
def test_without_a_ledger_it_says_what_to_do(home: Path, words: tuple[str, ...]) -> None:
    failed(ledger(*words), "there is no ledger here yet. `crossover serve` writes one", code=1)
    assert not home.parent.exists()


def test_a_summary_for_people(home: Path) -> None:
    fill(home)
    done = ledger("--by", "alias", "--machine", "box=1.50")
    assert (done.code, done.err) == (0, "")
    assert "Requests  7  (1 errors)" in done.out
    assert "Paid      $0.25" in done.out
    assert "against the cheapest permitted API" in done.out
    assert "Local     71% of requests" in done.out
    assert "Idle      box: $" in done.out
    assert "[b]draft[/b]" in done.out  # what a client wrote is no markup
    assert "overloaded" in done.out
    assert "\x1b" not in done.out


CONFIG = """
[zones.home]
operator = "own"
[deployments.box]
provider = "vllm"
model = "m"
zone = "home"
api_key = "${NOT_SET_HERE}"
price = { per_hour = 1.50, tokens_per_hour = 1000 }
[deployments.never-asked]
provider = "vllm"
model = "m"
zone = "home"
price = { per_hour = 9, tokens_per_hour = 1000 }
"""


def tomorrow() -> tuple[str, str]:
    """A period that ends long after the first row: hours of seconds are too round to divide by."""
    return "--until", (dt.datetime.now(dt.UTC) + dt.timedelta(hours=30)).date().isoformat()


def idle(*words: str) -> dict[str, float]:
    """Deployment → dollars an hour of what a summary calls idle."""
    found = json.loads(ledger("--json", *words).out)["idle"]
    return {row["deployment"]: round(float(row["paid_usd"]) / row["hours"], 1) for row in found}


def test_machines_cost_what_the_configuration_says(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that were asked at least once; no secret of the file is needed."""
    monkeypatch.chdir(tmp_path)
    fill(home)
    (tmp_path / "other.toml").write_text(CONFIG)
    assert "Idle" not in ledger().out
    assert "Idle      box: $" in ledger("-c", "other.toml").out
    (tmp_path / "other.toml").rename(tmp_path / "crossover.toml")
    assert idle(*tomorrow()) == {"box": 1.5}
    assert idle(*tomorrow(), "--machine", "box=3", "--machine", "rack=1") == {"box": 3.0, "rack": 1.0}
    (tmp_path / "crossover.toml").write_text(CONFIG.replace('model = "m"', 'model = "m"\nenabled = false'))
    assert idle() == {}


def test_a_configuration_that_is_wrong_is_a_note_unless_it_was_named(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fill(home)
    (tmp_path / "crossover.toml").write_text(CONFIG.replace("1.50", '"much"'))
    done = ledger("--json")
    assert (done.code, json.loads(done.out)["idle"]) == (0, [])
    assert "Note: what stood idle of its machines is not shown: crossover.toml:9" in done.err
    failed(ledger("-c", "crossover.toml"), "deployments.box.price.per_hour")
    (tmp_path / "crossover.toml").write_text(CONFIG + "\n[deployments.box.pric]\n[servr]\nport = -1\n")
    until = ("--until", (dt.datetime.now(dt.UTC) + dt.timedelta(hours=30)).date().isoformat())
    assert idle(*until) == {"box": 1.5}, "what is wrong elsewhere is for others to say"


def test_a_summary_for_programs_is_exact(home: Path) -> None:
    fill(home)
    facts = json.loads(ledger("--json", "--by", "key").out)
    assert facts["total"]["requests"] == 7
    assert facts["total"]["paid_usd"] == "0.25"
    assert facts["total"]["priced_usd"] == "0.259036"
    assert facts["total"]["saved_usd"] == "0.000108"
    assert facts["local"]["requests"] == 5
    assert [group["name"] for group in facts["groups"]] == ["", "k"]
    assert facts["errors"] == [{"deployment": "mini", "error": "overloaded", "requests": 1}]
    assert {row["deployment"] for row in facts["latency_ms"]} == {"box", "mini"}


def test_a_period_without_requests(home: Path) -> None:
    fill(home)
    done = ledger("--since", "2020-01-01", "--until", "2020-02-01")
    assert done.code == 0
    assert "No request in this period" in done.out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--by", "colour"), "--by: 'colour' is not something to group by"),
        (("--since", "tomorrow"), "--since: 'tomorrow' is not a time"),
        (("--since", "now"), "--until must be later"),
        (("--machine", "box"), "'box' is not DEPLOYMENT=DOLLARS"),
        (("--machine", "box=free"), "not an amount in dollars"),
        (("--machine", "box=-1"), "out of range"),
        (("export", "--format", "xml"), "unknown format 'xml'"),
        (("settle", "nobody", "1"), "unknown unsettled request 'nobody'"),
        (("settle", "nobody", "lots"), "not an amount in dollars"),
        (("settle", "nobody", "-1"), "No such option"),
        (("settle", "--", "nobody", "-1"), "out of range"),
        (("prune", "--keep-days", "0"), "Invalid value for '--keep-days'"),
        (("restore", "absent.db"), "there is no such backup"),
    ],
)
def test_wrong_words_are_one_sentence(home: Path, words: tuple[str, ...], says: str) -> None:
    fill(home)
    failed(ledger(*words), says)


def test_a_file_that_is_no_ledger(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("remember the milk\n" * 300)
    failed(ledger("--ledger", str(path)), "this is not a ledger", code=1)
    failed(ledger("check", "--ledger", str(path)), "this is not a ledger", code=1)


def test_an_error_as_json(tmp_path: Path) -> None:
    done = ledger("--json", "--ledger", str(tmp_path / "absent.db"))
    assert json.loads(done.out)["error"] == "store"


def test_rows_are_exported(home: Path, tmp_path: Path) -> None:
    fill(home)
    rows = list(csv.DictReader(io.StringIO(ledger("export").out)))
    assert len(rows) == 7
    out = tmp_path / "rows.jsonl"
    done = ledger("export", "--format", "jsonl", "--out", str(out), "--since", "1h")
    assert (done.code, done.out) == (0, "")
    assert "Wrote 7 requests" in done.err
    assert len(out.read_text(encoding="utf-8").splitlines()) == 7
    failed(ledger("export", "--out", str(out)), "a file of this name exists")
    failed(ledger("export", "--out", str(tmp_path / "no" / "folder.csv")), "cannot be written")
    assert [each for each in tmp_path.iterdir() if each.name.endswith(".part")] == []


def test_the_file_may_be_named_before_or_after_the_command(home: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.db"
    fill(elsewhere)
    assert "7 requests" in ledger("--ledger", str(elsewhere), "check").out
    assert "7 requests" in ledger("check", "--ledger", str(elsewhere)).out
    assert not home.exists()


def test_a_check_that_finds_something_is_exit_code_3(home: Path) -> None:
    fill(home)
    assert ledger("check").code == 0
    with open_ledger(home) as book, book.change() as connection:
        connection.execute("UPDATE rollups SET cost = cost + 1")
    done = ledger("check")
    assert done.code == 3
    assert "roll-ups differ" in done.out
    assert "crossover ledger repair" in done.err
    facts = json.loads(ledger("check", "--json").out)
    assert facts["findings"][0]["kind"] == "roll-ups"
    assert "roll-ups anew" in ledger("repair").out
    assert ledger("check").code == 0


def test_backup_and_restore(home: Path, tmp_path: Path) -> None:
    fill(home)
    backup = tmp_path / "backup.db"
    assert "Wrote" in ledger("backup", str(backup)).out
    with open_ledger(home) as book:
        write(book, [record("later", time=time.time())])
    done = ledger("restore", str(backup))
    assert "is kept as" in done.out
    assert json.loads(ledger("--json").out)["total"]["requests"] == 7


def test_months_are_pruned(home: Path) -> None:
    with open_ledger(home) as book:
        write(book, [record("old", time=time.time() - 500 * 86_400), record("new", time=time.time())])
    assert "Would forget" in ledger("prune", "--dry-run").out
    assert ledger("prune", "--dry-run", "--json").out.count("20") >= 1
    assert ": 1 requests" in ledger("prune").out
    assert "No month ended" in ledger("prune").out


def test_unsettled_requests_are_listed_and_settled(home: Path) -> None:
    assert ledger("--ledger", str(home), "unsettled").code == 1
    budget = Budget(name="team", limit=10**12, period="month")
    with open_ledger(home) as book, writing(book) as writer:
        asyncio.run(writer.reserve("req_gone", (budget,), 10**10, time.time()))
    assert "req_gone" in ledger("unsettled").out
    assert json.loads(ledger("unsettled", "--json").out)[0]["amount_usd"] == "0.01"
    assert "1 unsettled" in ledger().out
    assert "$0.01 was set aside, $0.004 was spent" in ledger("settle", "req_gone", "0.004").out
    assert "No request is unsettled" in ledger("unsettled").out
    (standing,) = json.loads(ledger("--json").out)["budgets"]
    assert (standing["spent_usd"], standing["reserved_usd"], standing["limit_usd"]) == ("0.004", "0", "1")


def test_a_week_for_people_for_programs_and_as_a_page(home: Path, tmp_path: Path) -> None:
    fill(home)
    done = ledger("week", "--machine", "box=1.50")
    assert (done.code, done.err) == (0, "")
    assert "What to change next" in done.out
    assert "[b]draft[/b]" in done.out
    assert json.loads(ledger("week", "--json").out)["total"]["requests"] == 7
    page = tmp_path / "week.html"
    done = ledger("week", "--html", str(page))
    assert (done.code, done.out) == (0, "")
    assert done.err == f"Wrote {page}\n"
    assert "<h1>" in page.read_text(encoding="utf-8")
    failed(ledger("week", "--html", str(tmp_path / "no" / "week.html")), "its folder does not exist")


def test_a_week_without_requests(home: Path) -> None:
    fill(home)
    assert "No request in this period" in ledger("week", "--since", "2020-01-01", "--until", "2020-01-08").out


def test_a_bill_is_held_against_the_ledger(home: Path, tmp_path: Path) -> None:
    fill(home)
    bill = tmp_path / "bill.csv"
    today = dt.datetime.now(dt.UTC).date()
    bill.write_text(f"day,model,cost\n{today},gpt-4o-mini,0.000189\n")
    done = ledger("reconcile", str(bill), "--threshold", "100")
    assert (done.code, done.err) == (0, "")
    assert "By model: the bill, and the ledger beside it" in done.out
    bill.write_text(f"Tag,Modell,Summe\n{today},gpt-4o-mini,99\n")
    done = ledger("reconcile", str(bill), "--columns", "day=Tag,model=Modell,cost=Summe", "--json")
    facts = json.loads(done.out)
    assert done.code == 3
    assert facts["bill"] == "99"
    assert facts["models"][0]["causes"][0]["cause"] == "beside_the_gateway"
    failed(ledger("reconcile", str(bill)), "no column for day and cost")
    failed(ledger("reconcile", str(bill), "--columns", "day"), "'day' is not WHAT=COLUMN")


def test_hours_are_held_against_the_ledger(home: Path, tmp_path: Path) -> None:
    fill(home)
    today = dt.datetime.now(dt.UTC).date()
    hours = tmp_path / "hours.csv"
    hours.write_text(f"machine,day,hours\nbox,{today},900\n")
    failed(ledger("reconcile", str(hours)), "nobody says what an hour of box costs")
    done = ledger("reconcile", str(hours), "--machine", "box=1.50")
    assert done.code == 3
    assert "billed before its first request" in " ".join(done.out.split())
    bill = tmp_path / "bill.csv"
    bill.write_text(f"day,model,cost\n{today},gpt-4o-mini,1\n")
    failed(ledger("reconcile", str(hours), str(bill)), "two questions")


def test_charges_for_finops_tools(home: Path, tmp_path: Path) -> None:
    fill(home)
    out = tmp_path / "focus.csv"
    done = ledger("export", "--format", "focus", "--out", str(out))
    assert (done.code, done.err) == (0, f"Wrote 3 charges to {out}\n")
    rows = list(csv.DictReader(io.StringIO(out.read_text(encoding="utf-8"))))
    assert rows[0]["ServiceCategory"] == "AI and Machine Learning"
    failed(ledger("export", "--format", "parquet"), "One of csv, jsonl, focus")


def test_a_replica_is_filled_and_asked(home: Path, tmp_path: Path) -> None:
    fill(home)
    done = ledger("replica")
    assert (done.code, done.err) == (0, "")
    assert f"; {home.with_suffix('.duckdb')} holds 7" in done.out
    assert ledger("replica").out == f"Copied 0 requests; {home.with_suffix('.duckdb')} holds 7\n"
    done = ledger(
        "replica",
        "--query",
        "SELECT deployment, count(*) AS n, sum(paid_usd) AS paid FROM requests GROUP BY 1 ORDER BY 2",
    )
    assert "mini" in done.out
    assert "0.25" in done.out
    rows = json.loads(ledger("replica", "--json", "--query", "SELECT sum(paid_usd) AS paid FROM requests").out)
    assert rows == [{"paid": "0.25"}]
    failed(ledger("replica", "--query", "SELEC"), "DuckDB: Parser Error")
    assert json.loads(ledger("replica", "--file", str(tmp_path / "x.duckdb"), "--json").out)["total"] == 7
