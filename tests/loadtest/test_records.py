"""Sessions as files: what was measured comes back, and a file that is broken says where."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from crossover.errors import FileError
from crossover.loadtest.measure import figures
from crossover.loadtest.records import Writer, read
from crossover.loadtest.words import UNFINISHED, Load, ServerSide, Session, Stage, Subject
from tests.loadtest.virtual import made, shot

SUBJECT = Subject(id="tiny", label="tiny", model="m", url="http://127.0.0.1:1/v1", engine="llamacpp")
SESSION = Session(subject=SUBJECT, asked="100 in, 20 out", seed=7, product="0.1.0", per_word=1.5, round_trip_s=0.001)
STAGE = Stage(
    run=made(
        shot(0, sent=0.5, times=(0.612345, 0.63, 0.631), warmup=True, connect_s=0.001),
        shot(1, sent=0.7, times=(0.9, 0.95), visible=0.95, reasoning=1, cached=4, server_s=0.1, deployment="tiny"),
        shot(2, sent=0.8, times=(), error="rate_limited", message="slow down: é"),
        shot(3, sent=0.9, times=(1.0,), error=UNFINISHED, output_basis="estimated"),
        load=Load(rate_rps=3, style="gamma", burstiness=2),
    ),
    begun=1_790_000_000.5,
    server=ServerSide(engine="vllm", values={"ttft_s": 0.1}),
)


def written(place: Path, *stages: Stage) -> Path:
    writer = Writer(place, SESSION)
    for stage in stages:
        writer.stage(stage)
    writer.close()
    return place


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    found = read(written(tmp_path / "run.jsonl", STAGE, STAGE))
    assert msgspec.structs.replace(found, stages=()) == SESSION
    assert len(found.stages) == 2
    (stage, _) = found.stages
    assert (stage.begun, stage.server, stage.run.load) == (STAGE.begun, STAGE.server, STAGE.run.load)
    for one, other in zip(stage.run.shots, STAGE.run.shots, strict=True):
        assert list(one.times) == pytest.approx(list(other.times), abs=1e-6)
        assert one.e2e == pytest.approx(other.e2e, abs=1e-6)
        for name in (
            "number",
            "warmup",
            "error",
            "message",
            "output",
            "cached",
            "server_s",
            "output_basis",
            "deployment",
        ):
            assert getattr(one, name) == getattr(other, name), name
        assert (one.visible is None) == (other.visible is None)
    before, after = figures(STAGE.run), figures(stage.run)
    assert before.ttft is not None
    assert after.ttft is not None
    assert after.ttft.mean == pytest.approx(before.ttft.mean, abs=1e-6)
    assert after.errors == before.errors


def test_a_file_that_breaks_off_is_read_up_to_there(tmp_path: Path) -> None:
    place = written(tmp_path / "run.jsonl", STAGE)
    data = place.read_bytes()
    place.write_bytes(data[: data.index(b'"n":2') + 8])
    (stage,) = read(place).stages
    assert [one.number for one in stage.run.shots] == [0, 1]
    assert stage.run.stop == "interrupted"
    place.write_bytes(data[: data.index(b'{"kind":"stage_end"')] + data[data.index(b'{"kind":"stage"') :])
    assert [one.run.stop for one in read(place).stages] == ["interrupted", ""]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", None, "is empty"),
        ("nonsense\n", 1, "no row"),
        ('{"kind": "stage_end", "number": 0, "load_end": 1}\n', 1, "does not begin"),
        ("{head}\nnonsense\n", 2, "no row"),
        (
            '{head}\n{"kind": "shot", "stage": 0, "n": 0, "scheduled_s": 0, "sent_s": 0, "e2e_s": 1}\n',
            2,
            "out of place",
        ),
        ("{head}\n{head}\n", 2, "out of place"),
        ("{later}\n", 1, "of version 9"),
    ],
)
def test_what_is_no_load_test_says_where(tmp_path: Path, text: str, line: int | None, said: str) -> None:
    place = written(tmp_path / "run.jsonl")
    head = place.read_text(encoding="utf-8").strip()
    later = head.replace('"version":1', '"version":9')
    place.write_text(text.replace("{head}", head).replace("{later}", later), encoding="utf-8")
    with pytest.raises(FileError, match=said) as caught:
        read(place)
    assert caught.value.line == line


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="cannot be written"):
        Writer(tmp_path, SESSION)
    with pytest.raises(FileError, match="No space left"):
        Writer(Path("/dev/full"), SESSION)


def test_rows_are_plain_json(tmp_path: Path) -> None:
    rows = [msgspec.json.decode(line) for line in written(tmp_path / "a", STAGE).read_bytes().splitlines()]
    assert [row["kind"] for row in rows] == ["session", "stage", "shot", "shot", "shot", "shot", "stage_end"]
    assert rows[2]["pieces_us"] == [112345, 17655, 1000]
    assert rows[2]["warmup"] is True
