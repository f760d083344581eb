from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from crossover.ledger import keys
from crossover.ledger.store import open_ledger
from tests.cli.shell import Done, call, quiet_home, refused
from tests.ledger.parts import HOUR, away, opened, redacted, stayed, stopped, write

MARCH = 1_772_712_000.0  # 2026-03-05 12:00 UTC: a month that is over


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    quiet_home(monkeypatch, tmp_path)
    return tmp_path / "data" / "ledger.db"


@pytest.fixture
def book(home: Path) -> Path:
    home.parent.mkdir()
    at = MARCH + 2 * HOUR
    with opened(home, MARCH) as ledger:
        key, _ = keys.create(ledger, "clinic")
        write(
            ledger,
            [away("a", time=at, key=key.id), redacted("b", time=at), stayed("c", time=at), stopped("d", time=at)],
        )
    return home


def audit(*words: str) -> Done:
    return call("audit", *words)


def test_no_ledger_is_one_sentence(home: Path) -> None:
    for words in (("verify",), ("show",), ("export", str(home.parent / "x.jsonl"))):
        done = audit(*words)
        assert (done.code, done.out) == (1, "")
        assert "there is no ledger here yet" in done.err


def test_a_good_chain(book: Path) -> None:
    done = audit("verify")
    assert done.code == 0
    assert "5 entries follow from each other, 2026-03-05 12:00:00 UTC to 2026-03-05 14:00:00 UTC" in done.out
    assert "4 requests, of which 2 left" in done.out
    assert "The records still held (2026-03) say the same" in done.out
    head = done.out.split("Head: ")[1].split()[0]
    assert audit("verify", "--expect", head).code == 0
    assert audit("verify", "--expect", f"{'0' * 64}@5").code == 3
    facts = json.loads(audit("verify", "--json").out)
    assert facts["good"] is True
    assert f"{facts['head']['hash']}@{facts['head']['number']}" == head


def test_an_empty_ledger(home: Path) -> None:
    home.parent.mkdir()
    open_ledger(home).close()
    assert audit("verify").out == "The audit holds no entry\n"
    assert "no request left" in audit("show").out
    done = audit("export", str(home.parent / "none.jsonl"))
    assert (done.code, "Wrote 0 entries" in done.err) == (0, True)


def test_a_broken_chain_ends_with_3_and_one_sentence(book: Path) -> None:
    with opened(book) as ledger, ledger.change() as connection:
        connection.execute("UPDATE audit SET entry = replace(entry, 'openai', 'nobody') WHERE number = 3")
    for words in (("verify",), ("show", "--in", "2026-03")):
        done = audit(*words)
        assert done.code == 3
        assert done.err.startswith(
            "crossover: the chain of the audit does not hold: entry 3 of 2026-03-05 14:00:00 UTC"
        )
        assert done.err.count("\n") == 1
    assert "Good up to there: 2 entries" in audit("verify").out
    assert json.loads(audit("verify", "--json").out)["fault"]["number"] == 3
    assert "No figure here proves anything" in audit("show", "--in", "2026-03").out


def test_records_that_disagree_end_with_3(book: Path) -> None:
    with opened(book) as ledger, ledger.change() as connection:
        connection.execute("DELETE FROM records_2026_03 WHERE id = 'b'")
    done = audit("verify")
    assert done.code == 3
    assert "entry 3: b has no record" in done.out
    assert "the audit and the records disagree in" in done.err


def test_what_left_in_a_month(book: Path) -> None:
    done = audit("show", "--left", "--category", "health", "--in", "2026-03")
    assert done.code == 0
    assert done.out.startswith(
        "In 2026-03: 2 requests left to openai; no health data was found in any of them\n"
    )  # fmt: skip
    assert "No request in this period is of this kind." in done.out
    assert done.out == audit("show", "--left", "--category", "health", "--since", "2026-03", "--until", "2026-04").out


def test_the_table_and_single_requests(book: Path) -> None:
    out = audit("show", "--in", "2026-03", "--each", "--limit", "2").out
    flat = " ".join(out.split())
    assert "openai us personal redact balanced: redact 1 2" in flat
    assert "– home health stayed balanced: local_only 1 –" in flat
    assert "2026-03-05 14:00:00 c key_1 – health stayed" in flat
    assert "Only the latest 2 are listed" in flat
    assert "2026-03-05 14:00:00 a " not in flat


def test_one_key_by_its_name_or_id(book: Path) -> None:
    assert audit("show", "--in", "2026-03", "--key", "clinic").out.startswith(
        "In 2026-03, key clinic: 1 request left to openai"
    )
    assert (
        "1 request left" in audit("show", "--in", "2026-03", "--key", "key_1").out
    )  # a key of which only this is left
    assert "Did you mean clinic?" in refused("audit", "show", "--in", "2026-03", "--key", "clinik")


def test_a_place_that_is_misspelt_is_no_proof(book: Path) -> None:
    out = audit("show", "--in", "2026-03", "--to", "opnai").out
    assert "no request left to opnai" in out
    assert "did you mean openai?" in out
    assert "1 request" not in out
    assert "2 requests left to openai" in audit("show", "--in", "2026-03", "--to", "us").out


def test_plain_data(book: Path) -> None:
    facts = json.loads(audit("show", "--in", "2026-03", "--each", "--json").out)
    assert facts["answer"].startswith("In 2026-03: 2 requests left to openai; found: personal data in 1")
    assert facts["held"]["health"] == {"left": 0, "replaced": 0, "stayed": 1, "stopped": 1}
    assert [one["request"] for one in facts["latest"]] == ["a", "b", "c", "d"]
    assert facts["latest"][1]["to"][0]["redacted"] == 2
    assert facts["verified"]["fault"] is None


def test_an_export_travels_alone(book: Path) -> None:
    file = book.parent / "audit.jsonl"
    done = audit("export", str(file))
    assert (done.code, "Wrote 5 entries" in done.err) == (0, True)
    assert "exists" in refused("audit", "export", str(file))
    book.unlink()
    done = audit("verify", "--file", str(file))
    assert (done.code, "5 entries follow from each other" in done.out) == (0, True)
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([*lines[:3], lines[3].replace(b"openai", b"nobody"), *lines[4:]]))
    done = audit("verify", "--file", str(file))
    assert done.code == 3
    assert done.err.startswith(f"crossover: {file}: the export does not hold: line 4: entry 3 of ")
    file.write_bytes(b"".join(lines[:3]) + lines[3][:50])
    assert "line 4: entry 3: cut: it is half a line" in audit("verify", "--file", str(file)).err


def test_a_period_is_exported(book: Path) -> None:
    file = book.parent / "day.jsonl"
    assert audit("export", str(file), "--in", "2026-03-05").code == 0
    assert json.loads(file.read_text().splitlines()[0])["since"] == "2026-03-05T00:00:00.000000Z"
    assert audit("verify", "--file", str(file)).code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "--left", "--blocked"), "what was blocked did not leave"),
        (("show", "--category", "healt"), "Did you mean health?"),
        (("show", "--in", "2026-13"), "there is no 2026-13"),
        (("show", "--in", "march"), "'march' is not a year, a month or a day"),
        (("show", "--in", "2026", "--since", "7d"), "--in is a period of its own"),
        (("show", "--since", "2026-05", "--until", "2026-04"), "--until must be later than --since"),
        (("verify", "--expect", "abc"), "'abc' is not HASH@NUMBER"),
        (("verify", "--file", "a.jsonl", "--ledger", "b.db"), "name two things"),
        (("verify", "--file", "none.jsonl"), "cannot be read"),
    ],
)
def test_mistakes_are_one_sentence(book: Path, words: tuple[str, ...], said: str) -> None:
    assert said in refused("audit", *words)


def test_forgetting_the_beginning(book: Path) -> None:
    with opened(book, time.time()) as ledger:
        write(ledger, [away("new", time=time.time())])
    assert (
        "Would forget the beginning of the audit: 5 entries"
        in call("ledger", "prune", "--audit-days", "1", "--dry-run").out
    )
    assert "Forgot the beginning of the audit: 5 entries" in call("ledger", "prune", "--audit-days", "1").out
    done = audit("verify")
    assert done.code == 0
    assert "2 entries follow from each other, behind entry 5" in done.out
