"""The file of answers: half a line, damaged lines, a second process, a full disk."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

import pytest

from crossover.errors import FileError, StoreError
from crossover.evaluation.log import (
    NAME,
    VERSION,
    Answer,
    Failure,
    Header,
    Log,
    changed,
    line_of,
    open_log,
    read,
    row_of,
)

HEADER = Header(
    version=VERSION, started="now", file="f", samples={"a": "1"}, candidates=("c",), reference="r", scorer="exact",
    margin=0.05, errors="as-wrong", seed=0,
)  # fmt: skip


def answer(key: str, text: str = "said", **more: object) -> Answer:
    return Answer(key=key, asked="c", sample="s", text=text, cost=Decimal("0.0000001"), **more)  # type: ignore[arg-type]


def written(folder: Path, *rows: Answer | Failure) -> Path:
    with open_log(folder, resume=False) as log:
        log.append(HEADER)
        for row in rows:
            log.append(row)
    return folder / NAME


def test_what_is_written_is_read(tmp_path: Path) -> None:
    failure = Failure(key="z", asked="c", sample="s", code="cut", message="it ended", cost=Decimal("0.5"))
    file = written(tmp_path / "out", answer("a", 'quotes " and \u2028 breaks\n'), failure)
    found = read(file)
    assert found.header == HEADER
    assert found.answers == {"a": answer("a", 'quotes " and \u2028 breaks\n')}
    assert found.failures == (failure,)
    assert (found.damaged, found.good) == ((), file.stat().st_size)
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_failure_that_was_mended_is_none(tmp_path: Path) -> None:
    file = written(tmp_path, Failure(key="a", asked="c", sample="s", code="x", message="y"), answer("a"))
    assert read(file).failures == ()


@pytest.mark.parametrize("cut", [1, 2, 10, 40])
def test_half_a_line_at_the_end_is_cut_off(tmp_path: Path, cut: int) -> None:
    file = written(tmp_path, answer("a"), answer("b"))
    whole = file.read_bytes()
    file.write_bytes(whole[:-cut])
    with open_log(tmp_path, resume=True) as log:
        assert set(log.answers) == {"a"}
        log.append(answer("b"))
    assert file.read_bytes() == whole


def test_a_damaged_line_is_named_and_not_believed(tmp_path: Path) -> None:
    file = written(tmp_path, answer("a", "one"), answer("b", "two"))
    file.write_bytes(file.read_bytes().replace(b'"one"', b'"wan"'))
    found = read(file)
    assert (set(found.answers), found.damaged) == ({"b"}, (2,))


@pytest.mark.parametrize("line", [b"", b"{}", b'{"row":"answer"}', b"\xff\xfe", b'{"row":"answer","sum":"00000000"}'])
def test_odd_lines_are_no_rows(line: bytes) -> None:
    assert row_of(line) is None


def test_a_row_with_a_good_sum_of_another_shape_is_none() -> None:
    body = b'{"row":"answer","key":1'
    import zlib

    assert row_of(b'%s,"sum":"%08x"}' % (body, zlib.crc32(body))) is None
    assert row_of(line_of(answer("a"))[:-1]) == answer("a")


def test_no_result_twice(tmp_path: Path) -> None:
    file = written(tmp_path, answer("a", "first"), answer("a", "second"))
    assert file.read_bytes().count(b"\n") == 2
    assert read(file).answers["a"].text == "first"


def test_results_are_not_touched_unless_asked(tmp_path: Path) -> None:
    written(tmp_path, answer("a"))
    with pytest.raises(FileError, match="it holds 1 answers already") as caught:
        open_log(tmp_path, resume=False)
    assert caught.value.hint is not None
    assert "--resume" in caught.value.hint


def test_one_process_writes(tmp_path: Path) -> None:
    with open_log(tmp_path, resume=False), pytest.raises(StoreError, match="another process"):
        open_log(tmp_path, resume=True)


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text('{"something": "else"}\n')
    with pytest.raises(FileError, match="no file of results"):
        open_log(tmp_path, resume=True)
    assert (tmp_path / NAME).read_text() == '{"something": "else"}\n'
    with pytest.raises(FileError, match="no results here"):
        read(tmp_path / "none")


def test_a_later_format_is_refused(tmp_path: Path) -> None:
    import msgspec

    (tmp_path / NAME).write_bytes(line_of(msgspec.structs.replace(HEADER, version=VERSION + 1)))
    with pytest.raises(FileError, match="version 2"):
        open_log(tmp_path, resume=True)


def test_a_full_disk_is_told_and_leaves_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write

    def short(number: int, data: bytes) -> int:
        return real(number, data[: len(data) // 2])

    with open_log(tmp_path, resume=False) as log:
        log.append(HEADER)
        monkeypatch.setattr(os, "write", short)
        with pytest.raises(StoreError, match="the disk is full"):
            log.append(answer("a"))
        monkeypatch.undo()
    assert read(tmp_path / NAME).answers == {}
    assert row_of((tmp_path / NAME).read_bytes()[:-1]) == HEADER


def test_what_was_spent(tmp_path: Path) -> None:
    rows = (
        answer("a"), answer("b", local=True), answer("c", reused=True),
        Failure(key="d", asked="c", sample="s", code="cut", message="", cost=Decimal("0.5")),
    )  # fmt: skip
    written(tmp_path, *rows)
    with open_log(tmp_path, resume=True) as log:
        assert isinstance(log, Log)
        assert log.spent() == Decimal("0.5000001")


def test_which_samples_changed() -> None:
    before = {"a": "1", "b": "2", "c": "3"}
    assert changed(before, [("a", "1"), ("b", "9"), ("d", "4")]) == (["b"], ["d"], ["c"])
