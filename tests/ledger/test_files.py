from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from crossover.errors import StoreError
from crossover.ledger.files import Presence, file_system, lives, refuse_network, writers
from crossover.ledger.store import open_ledger
from tests.ledger.parts import opened, record, write, writing

ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
server:/export /home nfs4 rw 0 0
/dev/sdb1 /home/me/local ext4 rw 0 0
//nas/share /mnt/with\\040space cifs rw 0 0
C:\\134 /mnt/c 9p rw 0 0
broken line
"""


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("/var/ledger.db", "ext4"),
        ("/home/me/ledger.db", "nfs4"),
        ("/home/me/local/ledger.db", "ext4"),
        ("/home2/ledger.db", "ext4"),
        ("/mnt/with space/ledger.db", "cifs"),
        ("/mnt/c/ledger.db", "9p"),
    ],
)
def test_the_file_system_of_a_place(place: str, kind: str) -> None:
    assert file_system(Path(place), MOUNTS) == kind
    if kind == "ext4":
        refuse_network(Path(place), MOUNTS)
    else:
        with pytest.raises(StoreError, match=f"network file system \\({kind}\\).*local disk"):
            refuse_network(Path(place), MOUNTS)


def test_a_place_nobody_describes_is_let_be() -> None:
    assert file_system(Path("/x"), "") is None
    refuse_network(Path("/x"), "")


def refused(path: Path, *, readonly: bool = False) -> str:
    with pytest.raises(StoreError) as caught, open_ledger(path, readonly=readonly) as ledger:
        write(ledger, [record()])
    sentence = caught.value.sentence()
    assert str(path) in sentence
    assert "\n" not in sentence
    return sentence


@pytest.mark.parametrize("readonly", [False, True])
def test_a_file_that_is_no_database(tmp_path: Path, readonly: bool) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"Dear diary, " * 1000)
    assert "this is not a ledger" in refused(path, readonly=readonly)
    assert path.read_bytes() == b"Dear diary, " * 1000


@pytest.mark.parametrize("readonly", [False, True])
def test_a_database_that_is_no_ledger(tmp_path: Path, readonly: bool) -> None:
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE songs (title text)")
    connection.close()
    assert "not a ledger of Crossover" in refused(path, readonly=readonly)


def test_an_absent_file_is_made_for_writing_only(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "ledger.db"
    assert "no ledger here yet" in refused(path, readonly=True)
    assert not path.parent.exists()
    with opened(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_empty_file_is_no_ledger_to_a_reader_and_a_new_one_to_a_writer(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.touch()
    assert "empty or of an older format" in refused(path, readonly=True)
    with opened(path) as ledger:
        write(ledger, [record()])


def test_a_half_written_file(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with opened(path) as ledger:
        write(ledger, [record(f"r{n}") for n in range(500)])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    assert "crossover ledger repair" in refused(path)


def test_a_folder_in_the_place_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.mkdir()
    refused(path)
    refused(path, readonly=True)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused(tmp_path / "file" / "ledger.db")


def test_a_folder_nobody_may_write_to_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ledger.db"
    with opened(path) as ledger:
        write(ledger, [record()])
    if ROOT:  # whom no folder stops: it is only told so
        monkeypatch.setattr(os, "access", lambda *_: False)
    else:
        path.chmod(0o400)
        tmp_path.chmod(0o500)
    try:
        with open_ledger(path, readonly=True) as ledger:
            assert ledger.rows("SELECT count(*) FROM records") == [(1,)]
        assert [each.name for each in tmp_path.iterdir()] == ["ledger.db"]
        if not ROOT:
            assert "read-only" in refused(path)
    finally:
        tmp_path.chmod(0o700)


def test_a_reader_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with opened(path):
        pass
    with open_ledger(path, readonly=True) as ledger:
        with pytest.raises(StoreError, match="read only"):
            ledger.writer()
        with pytest.raises(StoreError, match="read only"):
            ledger.audit("nothing", {})
        with pytest.raises(StoreError, match="read-only"):
            ledger.rows("DELETE FROM meta")


def test_a_writer_is_seen_as_long_as_it_lives(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    presence = Presence(path)
    assert writers(path) == [presence.token]
    presence.leave()
    assert writers(path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_writer_that_was_killed_is_dead(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    code = f"""
import os
from pathlib import Path
from crossover.ledger.files import Presence
print(Presence(Path({str(path)!r})).token, flush=True)
os.read(0, 1)
os._exit(9)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        token = child.stdout.readline().decode().strip()
        assert lives(path, token)
        child.communicate(b"\n")
    assert not lives(path, token)
    assert list(tmp_path.iterdir()) == []


def test_two_writers_of_one_process_are_two(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger, writing(ledger) as first, writing(ledger) as second:
        assert sorted(writers(ledger.path)) == sorted([first.token, second.token])
