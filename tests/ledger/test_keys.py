from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crossover.errors import InputError, UnknownNameError
from crossover.ledger import care, keys
from tests.ledger.parts import NOON, opened


def test_a_key_is_shown_once_and_kept_as_a_hash(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with opened(path) as ledger:
        key, secret = keys.create(
            ledger, "  batch jobs ", rpm=60, tpm=10_000, aliases=("support",), policy="cheapest", sensitivity="health",
            budget=5 * 10**12, budget_period="week", expires=NOON + 9,
        )  # fmt: skip
        assert secret.startswith("xo-")
        assert len(secret) > 40
        assert ledger.load_keys() == {keys.hash_of(secret): key}
        assert keys.listed(ledger) == [key]
        assert (key.name, key.created, key.revoked) == ("batch jobs", NOON, None)
    for file in tmp_path.iterdir():
        assert secret.encode() not in file.read_bytes()
        assert secret[3:].encode() not in file.read_bytes()


def test_a_revoked_key_stays_in_the_list(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        first, _ = keys.create(ledger, "me")
        assert keys.revoke(ledger, "me").revoked == NOON
        assert keys.revoke(ledger, first.id).revoked == NOON  # twice changes nothing
        second, _ = keys.create(ledger, "me")  # the name is free again
        assert keys.find(ledger, "me") == second
        assert {each.id: each.revoked for each in keys.listed(ledger)} == {first.id: NOON, second.id: None}
        assert ledger.load_keys()[first.hash].revoked == NOON


def test_a_name_that_two_keys_have_names_none(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        keys.create(ledger, "me")
        keys.create(ledger, "me")
        with pytest.raises(InputError, match="2 keys are named"):
            keys.revoke(ledger, "me")
        with pytest.raises(UnknownNameError):
            keys.revoke(ledger, "you")


@pytest.mark.parametrize(
    ("name", "facts", "says"),
    [
        ("", {}, "1 to 100"),
        ("x" * 101, {}, "1 to 100"),
        ("a\nb", {}, "printable"),
        ("a", {"rpm": -1}, "out of range"),
        ("a", {"tpm": 10**10}, "out of range"),
        ("a", {"budget": -1}, "out of range"),
        ("a", {"budget": 2**63}, "out of range"),
        ("a", {"budget_period": "year"}, "unknown period"),
        ("a", {"expires": NOON - 1}, "before it begins"),
    ],
)
def test_keys_that_cannot_be(tmp_path: Path, name: str, facts: dict[str, Any], says: str) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        with pytest.raises(InputError, match=says):
            keys.create(ledger, name, **facts)
        assert keys.listed(ledger) == []


def test_changes_are_in_the_audit_without_a_secret(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        key, secret = keys.create(ledger, "me")
        keys.revoke(ledger, "me")
        entries = [row[0] for row in ledger.rows("SELECT entry FROM audit ORDER BY number")]
        assert entries == [
            f'{{"action":"key created","key":"{key.id}"}}', f'{{"action":"key revoked","key":"{key.id}"}}'
        ]  # fmt: skip
        assert not any(secret in entry or key.hash in entry for entry in entries)
        assert care.check(ledger) == []


def test_any_bytes_hash() -> None:
    assert keys.hash_of("xo-\ud800") != keys.hash_of("xo-")
    assert len(keys.hash_of("x")) == 64


def test_limits_are_changed_and_the_rest_stays(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        key, secret = keys.create(ledger, "me", rpm=5, expires=NOON + 60)
        before = ledger.rows("SELECT value FROM meta WHERE name = 'key_changes'")
        keys.change(ledger, "me", rpm=9, tpm=7, aliases=("a",), budget=3, budget_period="day", policy="cheapest")
        (found,) = keys.listed(ledger)
        assert (found.rpm, found.tpm, found.aliases, found.budget, found.budget_period) == (9, 7, ("a",), 3, "day")
        assert (found.id, found.hash, found.expires, found.name) == (key.id, keys.hash_of(secret), NOON + 60, "me")
        assert ledger.rows("SELECT value FROM meta WHERE name = 'key_changes'") != before  # a gateway hears of it


@pytest.mark.parametrize("facts", [{"rpm": -1}, {"budget": 10**19}, {"budget_period": "year"}])
def test_limits_that_cannot_be_change_nothing(tmp_path: Path, facts: dict[str, Any]) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        key, _ = keys.create(ledger, "me")
        with pytest.raises(InputError):
            keys.change(ledger, "me", **facts)
        assert keys.listed(ledger) == [key]


def test_a_revoked_key_is_not_changed(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        key, _ = keys.create(ledger, "me")
        keys.revoke(ledger, "me")
        with pytest.raises(InputError, match="for ever"):
            keys.change(ledger, key.id, rpm=1)
        with pytest.raises(UnknownNameError):
            keys.change(ledger, "you", rpm=1)
