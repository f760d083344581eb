from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from crossover.ledger import audit, chain, queries
from crossover.ledger.chain import FIRST, action_of, audit_hash, entry_of, link, needs_entry, read_entry
from crossover.ledger.spill import spill, spill_of
from crossover.ledger.words import Record
from tests.ledger.parts import (
    ILLNESS,
    NOON,
    away,
    call,
    judged,
    local,
    opened,
    record,
    redacted,
    stayed,
    stopped,
    write,
)


@pytest.mark.parametrize(
    ("made", "kept"),
    [
        (away(), True),
        (record(), True),  # answered from outside, whatever its attempt says
        (redacted(), True),
        (stayed(), True),
        (stopped(), True),
        (stayed(privacy=judged("failed")), True),
        (stayed(privacy=judged("local_only", opaque="an image")), True),
        (away(attempts=(call(outcome="reset"),), status="error"), True),
        (away(attempts=(call(outcome="refused", left=False),), status="error"), False),  # no byte of it went out
        (stayed(privacy=judged()), False),
        (local(), False),
        (stopped(privacy=None), False),
    ],
)
def test_who_has_an_entry(made: Record, kept: bool) -> None:
    assert needs_entry(made) is kept


def test_an_entry_says_what_left_to_whom_and_why() -> None:
    first = call("mini", outcome="rate_limited", accepted=False, action="redact", redacted=1)
    made = redacted(attempts=(first, call("haiku", "anthropic", action="redact", redacted=2)), categories=("health",))
    entry = read_entry(entry_of(made))
    assert entry is not None
    assert (entry.request, entry.door, entry.asked, entry.key) == ("req_1", "openai", "support", "key_1")
    assert (entry.profile, entry.detector, entry.decision, entry.rule) == (
        "balanced", "2026.11.1", "redact", "balanced: redact",
    )  # fmt: skip
    assert entry.counts == (("personal", "person", "soft", 2),)
    assert (entry.labels, entry.categories) == (("health",), ("health", "personal"))
    assert [(went.deployment, went.party, went.zone, went.left) for went in entry.to] == [
        ("mini", "openai", "us", True), ("haiku", "anthropic", "us", True),
    ]  # fmt: skip
    assert [(went.action, went.redacted, went.accepted, went.outcome) for went in entry.to] == [
        ("redact", 1, False, "rate_limited"), ("redact", 2, True, "ok"),
    ]  # fmt: skip
    assert (entry.left, entry.classified, entry.found) == (True, True, 2)


def test_what_a_client_made_up_is_no_name_of_an_entry() -> None:
    entry = read_entry(entry_of(stopped(asked="jane.doe@example.org", http_status=404)))
    assert entry is not None
    assert entry.asked == "(unknown)"


def test_long_words_are_cut() -> None:
    entry = read_entry(entry_of(away(asked="a" * 9999, error="e" * 9999, privacy=judged(rule="r" * 9999))))
    assert entry is not None
    assert {len(entry.asked), len(entry.error), len(entry.rule)} == {chain.LONGEST}


CANARY = "4111-1111-1111-1111"


def test_no_value_comes_into_the_audit(tmp_path: Path) -> None:
    """Texts stand in the question and the answer, in refusals and in the reason: nothing of these is in an entry."""
    made = stayed(
        decision=f"because of {CANARY}", refused=(("mini", CANARY),), dropped=(CANARY,), price_source=CANARY,
        model=CANARY,
    )  # fmt: skip
    with opened(tmp_path / "ledger.db") as ledger:
        writer = ledger.writer()
        writer.append(made)
        writer.keep_body("req_1", NOON, CANARY, CANARY)
        writer.close()
        (entry,) = [row[0] for row in ledger.rows("SELECT entry FROM audit")]
    assert CANARY not in entry
    assert json.loads(entry)["counts"] == [list(ILLNESS)]


def test_each_entry_holds_the_hash_of_the_one_before(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        ledger.audit("key created", {"key": "key_1"})
        write(ledger, [away("a"), local("b"), redacted("c")])
        write(ledger, [stayed("d")])
        ledger.audit("key revoked", {"key": "key_1"})
        rows = ledger.rows("SELECT number, time, previous, hash, entry FROM audit ORDER BY number")
        named = ledger.rows("SELECT id, audit FROM records ORDER BY id")
    assert [row[0] for row in rows] == [1, 2, 3, 4, 5]
    assert [row[2] for row in rows] == [FIRST, *(row[3] for row in rows[:-1])]
    for number, at, previous, digest, entry in rows:
        assert digest == hashlib.sha256(f"{number}\n{at}\n{previous}\n{entry}".encode()).hexdigest()
        assert digest == audit_hash(number, at, previous, entry)
    assert [action_of(row[4]) for row in rows] == ["key created", "request", "request", "request", "key revoked"]
    assert named == [("a", 2), ("b", 0), ("c", 3), ("d", 4)]


def test_records_that_are_mended_have_entries_of_the_mended(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        write(ledger, [away("twin"), away("twin"), away("odd", key="\ud800")])
        entries = [read_entry(row[0]) for row in ledger.rows("SELECT entry FROM audit ORDER BY number")]
    assert [entry.request for entry in entries if entry is not None] == ["twin", "twin~2", "odd"]


@pytest.mark.parametrize("text", ["", "{", "[]", '"request"', '{"action":"request"}', '{"action":"request","to":[1]}'])
def test_what_is_no_entry_is_none(text: str) -> None:
    assert read_entry(text) is None


def test_entries_of_a_later_version_are_read_as_far_as_they_are_known() -> None:
    found: Any = read_entry('{"action":"request","request":"a","later":{"more":1},"to":[{"deployment":"x","mood":2}]}')
    assert found.request == "a"


def test_links_go_on_from_a_place() -> None:
    rows = link([(5, "{}"), (6, "[]")], 7, "before")
    assert [(row[0], row[1], row[2]) for row in rows] == [(8, 5, "before"), (9, 6, rows[0][3])]


def test_a_row_that_waited_in_a_spill_file_has_its_entry_too(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        spill(spill_of(ledger.path, "deadbeef"), [redacted("late"), stayed("home")])
        write(ledger, [])
        assert queries.one(ledger, "late") == redacted("late")
        assert ledger.rows("SELECT count(*) FROM audit") == [(2,)]
        assert audit.verify(ledger).good
