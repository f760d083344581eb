"""``crossover plan --from-ledger`` through its command line: what it shows, and what cannot be asked."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from crossover.ledger.store import open_ledger
from tests.cli.shell import LOAD, call, quiet_home, refused
from tests.ledger.parts import record

API = ("--kind", "api", "--draws", "20")


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    quiet_home(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def ledger(home: Path) -> str:
    """Three days of a request every three minutes."""
    now = time.time()
    with open_ledger(home / "l.db") as book:
        writer = book.writer(flush_s=0.0)
        for n in range(3 * 480):
            writer.append(record(f"r{n}", time=now - 3 * 86_400 + n * 180, key="key_a" if n % 4 else "key_b"))
        writer.close()
    return str(home / "l.db")


def test_a_plan_from_the_record(ledger: str, home: Path) -> None:
    page = home / "plan.html"
    done = call("plan", "--from-ledger", "--ledger", ledger, *API, "--html", str(page))
    assert (done.code, done.err) == (0, "")
    text = " ".join(done.out.split())
    assert "480 requests/day · 100 in + 20 out tokens" in text
    assert "From the record" in text
    assert "keys: key_a 75 %, key_b 25 %" in text
    assert "Forecast against actual" in text
    assert "sensitive: nobody looked" in text
    html = page.read_text(encoding="utf-8")
    assert "From the record" in html
    assert "key_b" in html


def test_json_holds_the_record(ledger: str) -> None:
    done = call("plan", "--from-ledger", "--ledger", ledger, "--key", "key_b", *API, "--json")
    made = json.loads(done.out)
    assert made["recorded"]["key"] == "key_b"
    assert made["workload"]["requests_per_day"] == pytest.approx(120, rel=0.05)
    assert made["today"] == "api:openai/gpt-4o-mini"


def test_flags_are_laid_over_the_record(ledger: str) -> None:
    words = ("--requests-per-day", "5000", "--model", "gpt-4o", "--cached-share", "0.5")
    made = json.loads(call("plan", "--from-ledger", "--ledger", ledger, *words, *API, "--json").out)
    assert made["workload"]["requests_per_day"] == 5000
    assert made["today"] == "api:openai/gpt-4o"
    assert any("5,000 from --requests-per-day" in note for note in made["workload"]["notes"])


def test_measured_latency_of_the_record_is_held_against_the_slo(ledger: str) -> None:
    words = ("--slo", "e2e_p95<1s")
    plain, off = (
        json.loads(call("plan", "--from-ledger", "--ledger", ledger, *words, *more, *API, "--json").out)
        for more in ((), ("--no-evidence",))
    )
    check, unknown = (
        next(option for option in made["options"] if option["id"] == made["today"])["slo"][0] for made in (plain, off)
    )
    assert (check["met"], check["basis"]) == (True, "measured")
    assert check["reached_s"] == pytest.approx(0.8)
    assert unknown["met"] is None


def test_against_an_earlier_plan(ledger: str, home: Path) -> None:
    earlier = json.loads(call("plan", *LOAD, "--model", "gpt-4o-mini", *API, "--json").out)
    earlier["made_on"] = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 2 * 86_400))
    (home / "old.json").write_text(json.dumps(earlier))
    done = call("plan", "--from-ledger", "--ledger", ledger, "--against", str(home / "old.json"), *API)
    assert done.code == 0, done.err
    text = " ".join(done.out.split())
    assert f"by the plan of {earlier['made_on']}" in text
    assert "requests a day: expected 10,000" in text
    (home / "junk.json").write_text("{}")
    assert "is no plan" in refused("plan", "--from-ledger", "--ledger", ledger, "--against", str(home / "junk.json"))


def test_what_if_is_answered(ledger: str, home: Path) -> None:
    words = ("--what-if", "volume=x100", "--what-if", "price:openai=-30%")
    page = home / "plan.html"
    done = call("plan", "--from-ledger", "--ledger", ledger, *words, *API, "--html", str(page))
    assert done.code == 0, done.err
    assert "→ as it is: gpt-4o-mini" in done.out
    assert "→ volume=x100:" in done.out
    assert "The same question with one thing different" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--since", "7d"), "--since narrows recorded traffic. Add --from-ledger"),
        (("--key", "k"), "--key narrows recorded traffic"),
        (("--against", "x.json"), "--against narrows recorded traffic"),
        (("--from-ledger", "--preset", "rag"), "--preset and --from-ledger each bring the traffic"),
        (("--from-ledger", "--since", "soon"), "is not a time"),
        ((*LOAD, "--what-if", "speed=x2"), "changes nothing that a plan knows"),
    ],
)
def test_flags_that_cannot_be(words: tuple[str, ...], says: str) -> None:
    assert says in refused("plan", *words)


def test_no_ledger_yet() -> None:
    done = call("plan", "--from-ledger")
    assert done.code != 0
    assert "there is no ledger here yet" in done.err
    assert "Traceback" not in done.err


def test_an_empty_period(ledger: str) -> None:
    assert "Serve more traffic" in refused("plan", "--from-ledger", "--ledger", ledger, "--since", "1h")


def test_a_route_that_nobody_asked_for(ledger: str) -> None:
    assert "Did you mean support" in refused("plan", "--from-ledger", "--ledger", ledger, "--route", "suport")
