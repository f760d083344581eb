"""The token's file, the ledger as a source, and the audit checked beside everything else."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from crossover.dashboard.session import Sessions
from crossover.dashboard.words import House
from crossover.errors import FileError, InputError
from crossover.ledger.store import open_ledger
from crossover.runtime.dashboard import LOCK_FILE, Book, KeptLock, house_of, listen, make_lock, read_lock
from tests.dashboard import parts


def test_a_token_is_made_once_and_only_its_hash_is_kept(tmp_path: Path) -> None:
    assert read_lock(tmp_path) is None
    token = make_lock(tmp_path / "data")
    place = tmp_path / "data" / LOCK_FILE
    assert token not in place.read_text()
    assert os.name == "nt" or place.stat().st_mode & 0o777 == 0o600
    assert list(place.parent.iterdir()) == [place]


def test_a_new_token_counts_at_once_and_the_old_one_ends(tmp_path: Path) -> None:
    sessions = Sessions(KeptLock(tmp_path), lambda: parts.NOW)
    assert sessions.begin("xod-x") is None
    first = make_lock(tmp_path)
    cookie = sessions.begin(first)
    assert cookie is not None
    second = make_lock(tmp_path)
    assert sessions.begin(first) is None
    assert not sessions.holds(cookie)
    assert sessions.begin(second) is not None


@pytest.mark.parametrize("text", ["", "{}", "x", '{"token_sha256": 1, "cookie_key": 2}'])
def test_a_broken_lock_opens_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / LOCK_FILE).write_text(text)
    assert KeptLock(tmp_path)() is None
    with pytest.raises(FileError, match="cannot be used"):
        read_lock(tmp_path)


def test_a_folder_that_cannot_be_made_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match="cannot be written"):
        make_lock(tmp_path / "file" / "data")


def test_what_machines_cost_is_read_from_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "crossover.toml"
    file.write_text("[deployments.box]\nprice = { per_hour = 0.5, tokens_per_hour = 100 }\n")
    assert house_of(tmp_path / "l.db", file, {}).hourly == {"box": 5 * 10**11}
    with pytest.raises(FileError):
        house_of(tmp_path / "l.db", tmp_path / "none.toml", {})


def test_a_taken_port_is_one_error() -> None:
    with listen(0) as taken, pytest.raises(InputError, match="cannot be listened on"):
        listen(taken.getsockname()[1])


def test_a_source_that_is_read_only_makes_no_key(tmp_path: Path) -> None:
    book = Book(parts.empty_ledger(tmp_path / "l.db"), House(ledger="l.db"))
    for do in (lambda: book.create_key("x", {}), lambda: book.revoke_key("x"), lambda: book.change_key("x", {})):
        with pytest.raises(InputError, match="read only"):
            do()


def test_figures_of_the_last_moment_are_not_asked_for_again(tmp_path: Path) -> None:
    path = parts.ledger_of_a_week(tmp_path / "l.db", 20)
    book = parts.book(path)
    first = book.hours(parts.NOW - parts.DAY, parts.NOW, 1)
    assert book.hours(parts.NOW - parts.DAY, parts.NOW, 1) is first
    assert book.hours(parts.NOW - parts.WEEK, parts.NOW, 3) is not first


def checked(book: Book) -> None:
    book.check_chain()
    for thread in threading.enumerate():
        if thread.name == "crossover-audit":
            thread.join()


def test_the_whole_chain_is_checked(tmp_path: Path) -> None:
    path = parts.ledger_of_a_week(tmp_path / "l.db", 60)
    book = parts.book(path)
    assert not book.chain().done
    checked(book)
    found = book.chain()
    assert (found.done, found.working, found.fault) == (True, False, "")
    assert found.checked == found.entries > 10


def test_a_changed_entry_is_named(tmp_path: Path) -> None:
    path = parts.ledger_of_a_week(tmp_path / "l.db", 60)
    with open_ledger(path) as ledger, ledger.change() as connection:
        connection.execute("UPDATE audit SET entry = replace(entry, 'openai', 'nobody') WHERE number = 9")
    book = parts.book(path)
    checked(book)
    assert "entry 9" in book.chain().fault


def test_an_empty_chain_is_empty(tmp_path: Path) -> None:
    assert parts.book(parts.empty_ledger(tmp_path / "l.db")).chain().entries == 0


def test_the_survey_reads_the_latest_entries_of_the_period(tmp_path: Path) -> None:
    book = parts.book(parts.ledger_of_a_week(tmp_path / "l.db", 60))
    found = book.survey(parts.NOW - parts.WEEK, parts.NOW)
    assert found.left
    assert found.walk.fault is None
    assert book.survey(parts.NOW - 300 * parts.DAY, parts.NOW - 200 * parts.DAY).requests == 0
