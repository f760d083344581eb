"""Bodies beside the facts of their requests: what was answered, in order, of one name or of all."""

from __future__ import annotations

from pathlib import Path

from crossover.ledger.kept import Kept, kept
from crossover.ledger.store import open_ledger
from tests.ledger.parts import HOUR, NOON, record


def test_answered_requests_with_their_bodies(tmp_path: Path) -> None:
    with open_ledger(tmp_path / "ledger.db") as book:
        writer = book.writer()
        writer.append(record("b", time=NOON + 1, asked="support", tier="hard", input_tokens=7))
        writer.append(record("a", time=NOON, asked="other"))
        writer.append(record("failed", time=NOON, status="error"))
        writer.append(record("vectors", time=NOON, kind="embed"))
        writer.append(record("eval", time=NOON, door="eval"))
        writer.append(record("bare", time=NOON))
        for name in ("a", "b", "failed", "vectors", "eval"):
            writer.keep_body(name, NOON + (name == "b"), "asked", "answered")
        writer.close()
        found = list(kept(book, NOON - HOUR, NOON + HOUR, door="eval"))
        assert found == [
            Kept(request="a", time=NOON, asked="other", tier="none", input_tokens=100),
            Kept(request="b", time=NOON + 1, asked="support", tier="hard", input_tokens=7),
        ]
        assert [one.request for one in kept(book, NOON, NOON + HOUR, asked="support", door="eval")] == ["b"]
        assert list(kept(book, NOON + HOUR, NOON + 2 * HOUR)) == []
