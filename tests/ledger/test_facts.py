from __future__ import annotations

import datetime as dt
from pathlib import Path

import msgspec

from crossover.evidence import Evidence
from crossover.ledger.facts import add_evidence, evidence
from tests.ledger.parts import opened

SEEN = Evidence(
    subject="box", metric="ttft_ms", value=90.5, unit="ms", kind="measured", source="ledger",
    when=dt.date(2026, 11, 17), low=80.0, high=101.0, n=1000, expires=dt.date(2027, 2, 1), verified=False,
    context={"load": 0.5, "model": "qwen"},
)  # fmt: skip
BARE = Evidence(
    subject="mini", metric="usd", value=1.0, unit="usd", kind="published", source="list", when=dt.date(2026, 1, 2)
)  # fmt: skip


def test_evidence_comes_back_as_it_was(tmp_path: Path) -> None:
    newer = msgspec.structs.replace(SEEN, value=95.0)
    with opened(tmp_path / "ledger.db") as ledger:
        add_evidence(ledger, [SEEN, BARE])
        add_evidence(ledger, [newer])
        assert evidence(ledger) == [SEEN, BARE, newer]
        assert evidence(ledger, "box") == [SEEN, newer]
        assert evidence(ledger, metric="usd") == [BARE]
        assert evidence(ledger, "box", "usd") == []
