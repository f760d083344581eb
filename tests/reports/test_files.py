from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from crossover.errors import FileError
from crossover.reports import files


def test_text_is_written_as_utf8(tmp_path: Path) -> None:
    place = files.write(tmp_path / "a.html", "é × ✓")
    assert place.read_bytes() == "é × ✓".encode()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing/report.html", "folder does not exist"),
        ("file/report.html", "is a file, not a folder"),
        ("x" * 300 + ".html", "cannot be written"),
        ("nul\0.html", "cannot be written"),
        ("folder", "this is a folder"),
    ],
)
def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileError, match=message) as caught:
        files.write(tmp_path / name, "text")
    assert caught.value.exit_code == 2
    assert caught.value.file == str(tmp_path / name)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder"]


def test_a_full_disk_is_one_sentence() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(FileError, match="No space left"):
        files.write(Path("/dev/full"), "text")


def test_a_failure_in_the_middle_leaves_the_old_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "report.html"
    place.write_text("old")

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileError, match="No space left"):
        files.write(place, "new")
    assert place.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


def test_an_interrupt_leaves_the_old_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "report.html"
    place.write_text("old")

    def stopped(_handle: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", stopped)
    with pytest.raises(KeyboardInterrupt):
        files.write(place, "new")
    assert place.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


def test_a_link_keeps_pointing_at_the_file_it_names(tmp_path: Path) -> None:
    target, alias = tmp_path / "real.html", tmp_path / "alias.html"
    target.write_text("old")
    alias.symlink_to(target)
    files.write(alias, "new")
    assert alias.is_symlink()
    assert target.read_text() == "new"


def test_a_ring_of_links_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(FileError, match="cannot be written"):
        files.write(tmp_path / "a", "text")


def test_devices_are_written_directly() -> None:
    files.write(Path("/dev/null"), "text")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_a_read_only_file_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "report.html"
    place.write_text("old")
    place.chmod(0o444)
    if os.access(place, os.W_OK):  # root may write anything: ask as the user would who may not
        monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(FileError, match="read-only"):
        files.write(place, "new")


def test_a_place_is_checked_before_the_work(tmp_path: Path) -> None:
    files.check(tmp_path / "report.html")
    (tmp_path / "file").write_text("x")
    for bad, text in (
        (tmp_path, "folder"),
        (tmp_path / "none" / "report.html", "does not exist"),
        (tmp_path / "file" / "report.html", "file, not a folder"),
    ):
        with pytest.raises(FileError, match=text):
            files.check(bad)
    assert not (tmp_path / "report.html").exists()
