"""Fixtures for every room. The place of the real data is a setting: CROSSOVER_TEST_DATA."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

REQUIRE_ALL = bool(os.environ.get("CROSSOVER_TEST_REQUIRE_ALL"))  # noqa: TID251 - a test setting, not the product's

# How long an example takes says more about the machine. Where everything is required, examples are the same each time:
# a red run then tells of the change; new examples are looked for wherever people run the tests.
settings.register_profile("crossover", deadline=None, derandomize=REQUIRE_ALL)
settings.load_profile("crossover")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where everything is required, a skipped test fails the run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if REQUIRE_ALL and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with real data; tests that ask for it are skipped with a reason where it is absent."""
    place = os.environ.get("CROSSOVER_TEST_DATA", "")  # noqa: TID251 - a test setting, not the product's
    folder = Path(place) if place else Path(__file__).resolve().parents[2] / "shared" / "data"
    if not (folder / "planner").is_dir():
        if REQUIRE_ALL:
            pytest.fail(f"no data folder at {folder}, and nothing may be skipped")
        pytest.skip(f"no data folder at {folder} (set CROSSOVER_TEST_DATA)")
    return folder
