"""Requests as a list: filters, pages, and a bound on what one page costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crossover.errors import InputError
from crossover.ledger.listing import Filter, listing, names
from tests.ledger.parts import DAY, NOON, away, local, opened, record, redacted, stayed, stopped, write

MONTH = 30 * DAY


def ids(path: Path, wanted: Filter, **options: Any) -> list[str]:
    with opened(path) as ledger:
        return [line.id for line in listing(ledger, wanted, **options).lines]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with opened(tmp_path / "l.db") as ledger:
        write(
            ledger,
            [
                away("away", time=NOON), stayed("stayed", time=NOON + 1), stopped("stopped", time=NOON + 2),
                local("local", time=NOON + 3, asked="drafts"), redacted("redacted", time=NOON + 4, key="key_2"),
                record("cut", time=NOON + 5, status="truncated"), record("later", time=NOON + MONTH),
            ],
        )  # fmt: skip
    return tmp_path / "l.db"


def test_the_latest_come_first_over_all_months(path: Path) -> None:
    assert ids(path, Filter()) == ["later", "cut", "redacted", "local", "stopped", "stayed", "away"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Filter(status="bad"), ["cut", "stopped"]), (Filter(status="truncated"), ["cut"]),
        (Filter(deployment="box"), ["local", "stayed"]), (Filter(asked="drafts"), ["local"]),
        (Filter(key="key_2"), ["redacted"]), (Filter(where="local"), ["local", "stayed"]),
        (Filter(where="nobody"), ["stopped"]), (Filter(where="left"), ["later", "cut", "redacted", "away"]),
        (Filter(category="health"), ["stayed"]), (Filter(category="heal"), []),
        (Filter(since=NOON + 2, until=NOON + 4), ["local", "stopped"]), (Filter(until=NOON), []),
        (Filter(deployment="box", key="key_1"), ["stayed"]), (Filter(deployment="' OR 1=1 --"), []),
    ],
)  # fmt: skip
def test_a_filter_takes_what_fits(path: Path, wanted: Filter, found: list[str]) -> None:
    assert ids(path, wanted) == found


def test_pages_follow_each_other_without_a_gap(path: Path) -> None:
    found, after = [], ""
    with opened(path) as ledger:
        while True:
            page = listing(ledger, Filter(), after, most=2)
            found += [line.id for line in page.lines]
            after = page.after
            if not after:
                break
    assert found == ids(path, Filter())


def test_a_page_looks_through_so_many_rows_and_goes_on(tmp_path: Path) -> None:
    with opened(tmp_path / "l.db") as ledger:
        write(ledger, [record(f"r{n:03}", time=NOON + n, key="rare" if n == 5 else "key") for n in range(100)])
        page = listing(ledger, Filter(key="rare"), look=40)
        assert (page.lines, page.looked, page.after) == ((), 40, "2026_11.61")
        assert page.reached == NOON + 60
        page = listing(ledger, Filter(key="rare"), page.after, look=40)
        page = listing(ledger, Filter(key="rare"), page.after, look=40)
        assert [line.id for line in page.lines] == ["r005"]
        assert page.after == ""


def test_a_line_says_what_people_ask_first(path: Path) -> None:
    with opened(path) as ledger:
        lines = {line.id: line for line in listing(ledger, Filter()).lines}
    assert (lines["stayed"].local, lines["stayed"].tier, lines["stayed"].left) == (True, "hard", 0)
    assert (lines["redacted"].left, lines["redacted"].attempts, lines["redacted"].key) == (1, 1, "key_2")
    assert (lines["stopped"].deployment, lines["stopped"].attempts, lines["stopped"].http_status) == ("", 0, 503)


@pytest.mark.parametrize("after", ["x", "2026_11", "2026_11.", "2026_11.-1", "2026_11.x", "2026_11.'", "." * 30])
def test_a_place_that_is_none_is_refused(path: Path, after: str) -> None:
    with opened(path) as ledger, pytest.raises(InputError):
        listing(ledger, Filter(), after)


def test_an_unknown_place_is_refused(path: Path) -> None:
    with opened(path) as ledger, pytest.raises(InputError):
        listing(ledger, Filter(where="moon"))


def test_a_filter_can_name_what_there_is(path: Path, tmp_path: Path) -> None:
    with opened(path) as ledger:
        assert names(ledger) == {"deployment": ["mini"], "asked": ["support"]}  # those of the latest month
    with opened(tmp_path / "empty.db") as ledger:
        assert names(ledger) == {"deployment": [], "asked": []}


def test_rows_that_were_written_late_are_found(tmp_path: Path) -> None:
    with opened(tmp_path / "l.db") as ledger:
        rows = [record(f"r{n:03}", time=NOON + n * 60) for n in range(100)]
        rows.insert(90, record("late", time=NOON + 45 * 60))
        write(ledger, rows)
        wanted = Filter(since=NOON + 44 * 60, until=NOON + 46 * 60)
        assert [line.id for line in listing(ledger, wanted).lines] == ["late", "r045", "r044"]
