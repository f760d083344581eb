from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from crossover.ledger.keys import hash_of
from crossover.ledger.store import open_ledger
from tests.cli.shell import Done, call, quiet_home


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    quiet_home(monkeypatch, tmp_path)
    return tmp_path / "data" / "ledger.db"


def keys(*words: str) -> Done:
    return call("keys", *words)


def test_the_key_alone_is_on_stdout(home: Path) -> None:
    done = keys("create", "batch")
    assert done.code == 0
    secret = done.out.strip()
    assert secret.startswith("xo-")
    assert "Keep it now" in done.err
    assert secret not in done.err
    with open_ledger(home, readonly=True) as book:
        assert book.load_keys()[hash_of(secret)].name == "batch"
    assert secret not in keys("list").out
    assert secret not in keys("list", "--json").out


def test_every_limit(home: Path) -> None:
    done = keys(
        "create", "batch", "--rpm", "60", "--tpm", "9000", "--alias", "support", "--alias", "draft", "--policy",
        "cheapest", "--sensitivity", "health,local_only", "--budget", "12.50", "--period", "week", "--expires", "30d",
        "--json",
    )  # fmt: skip
    facts = json.loads(done.out)
    with open_ledger(home, readonly=True) as book:
        key = book.load_keys()[hash_of(facts["key"])]
    assert (key.rpm, key.tpm, key.aliases, key.policy) == (60, 9000, ("support", "draft"), "cheapest")
    assert (key.sensitivity, key.budget, key.budget_period) == ("health,local_only", 12_500_000_000_000, "week")
    assert key.expires is not None
    assert abs(key.expires - time.time() - 30 * 86_400) < 60
    shown = " ".join(keys("list").out.split())
    for part in ("60 requests/min", "$12.50 per week", "only support, draft", "policy cheapest", "sensitivity"):
        assert part in shown


def test_revoked_keys_are_shown_on_demand() -> None:
    keys("create", "first")
    keys("create", "second")
    done = keys("revoke", "first")
    assert "Revoked key_" in done.out
    assert "first" not in keys("list").out
    assert "revoked" in keys("list", "--all").out
    assert [row["state"] for row in json.loads(keys("list", "--all", "--json").out)] == ["revoked", "in force"]


def test_no_keys_yet(home: Path) -> None:
    assert "No key is in force; create one: crossover keys create NAME" in keys("list").out
    assert keys("list", "--json").out == "[]\n"
    assert not home.exists()
    done = keys("revoke", "me")
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert "no ledger here yet" in done.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("create", " "), "1 to 100 printable characters"),
        (("create", "a", "--policy", "cheepest"), "Did you mean cheapest"),
        (("create", "a", "--period", "weak"), "Did you mean week"),
        (("create", "a", "--sensitivity", "helth"), "Did you mean health"),
        (("create", "a", "--budget", "-1"), "out of range"),
        (("create", "a", "--budget", "1e30"), "out of range"),
        (("create", "a", "--budget", "nan"), "not a finite amount"),
        (("create", "a", "--expires", "2001-01-01"), "before it begins"),
        (("create", "a", "--expires", "soon"), "is not a time"),
        (("create", "a", "--rpm", "-1"), "Invalid value for '--rpm'"),
        (("revoke", "nobody"), "unknown key 'nobody'"),
    ],
)
def test_wrong_words_are_one_sentence_and_make_no_key(words: tuple[str, ...], says: str) -> None:
    keys("create", "somebody")
    done = keys(*words)
    assert done.code == 2
    assert says in done.err
    assert done.err.count("\n") == 1
    assert len(json.loads(keys("list", "--all", "--json").out)) == 1
