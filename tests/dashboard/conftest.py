"""One week of traffic for all tests that only look."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dashboard import parts


@pytest.fixture(scope="session")
def week(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return parts.ledger_of_a_week(tmp_path_factory.mktemp("week") / "ledger.db", 400)


@pytest.fixture(scope="session")
def nothing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return parts.empty_ledger(tmp_path_factory.mktemp("nothing") / "ledger.db")
