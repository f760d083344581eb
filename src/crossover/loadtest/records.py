"""Load tests as files: JSON, one row a line, written as they happen and read again with the line of every mistake.

A line says its ``kind``: ``session`` (the first), ``stage``, ``shot``, ``stage_end``. The arrival of pieces is kept as
whole microseconds since the request was sent, then since the piece before. A file that breaks off is read up to there.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator
from io import FileIO
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, Literal

import msgspec

from crossover.errors import FileError
from crossover.loadtest.words import Load, Run, ServerSide, Session, Shot, Stage, StopReason, Subject
from crossover.textfile import open_file
from crossover.usage import Basis

VERSION = 1
MOST_LINE = 64 * 2**20
MICRO = 1_000_000


class _Session(msgspec.Struct, tag="session", tag_field="kind", kw_only=True, omit_defaults=True):
    version: int
    subject: Subject
    asked: str
    seed: int
    product: str
    per_word: float | None = None
    round_trip_s: float | None = None
    tls_s: float | None = None


class _Stage(msgspec.Struct, tag="stage", tag_field="kind", kw_only=True):
    number: int
    load: Load
    begun: float


class _End(msgspec.Struct, tag="stage_end", tag_field="kind", kw_only=True, omit_defaults=True):
    number: int
    load_end: float
    stop: StopReason = ""
    why: str = ""
    server: ServerSide | None = None


class _Shot(msgspec.Struct, tag="shot", tag_field="kind", kw_only=True, omit_defaults=True):
    stage: int
    n: int
    scheduled_s: float
    sent_s: float
    e2e_s: float
    pieces_us: list[int] = []
    warmup: bool = False
    visible_us: int | None = None
    connect_s: float = 0.0
    server_s: float | None = None
    asked_input: int = 0
    asked_output: int = 0
    input: int = 0
    output: int = 0
    cached: int = 0
    reasoning: int = 0
    input_basis: Basis = "measured"
    output_basis: Basis = "measured"
    finish: str = ""
    error: str = ""
    message: str = ""
    deployment: str = ""


_Line = _Session | _Stage | _Shot | _End
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Line).decode
_ALIKE = (
    *("connect_s", "server_s", "asked_input", "asked_output", "input", "output", "cached", "reasoning"),
    *("input_basis", "output_basis", "finish", "error", "message", "deployment", "warmup"),
)


class Writer:
    """Writes one session. Every stage is on the disk when its end is written. Raises FileError."""

    def __init__(self, path: Path, session: Session) -> None:
        self._path = path
        self._stages = 0
        try:
            self._file: FileIO = path.open("wb", buffering=0)  # what cannot be written is known at once
        except (OSError, ValueError) as error:
            raise self._failed(error) from None
        self._put(
            [
                _Session(
                    version=VERSION, subject=session.subject, asked=session.asked, seed=session.seed,
                    product=session.product, per_word=session.per_word, round_trip_s=session.round_trip_s,
                    tls_s=session.tls_s,
                )
            ]
        )  # fmt: skip

    def stage(self, stage: Stage) -> None:
        """Append a stage with its rows."""
        number, run = self._stages, stage.run
        rows: list[_Line] = [_Stage(number=number, load=run.load, begun=stage.begun)]
        rows += [_row(number, shot) for shot in run.shots]
        rows.append(_End(number=number, load_end=run.load_end, stop=run.stop, why=run.why, server=stage.server))
        self._stages += 1
        self._put(rows)

    def close(self) -> None:
        """End the file."""
        self._file.close()

    def _put(self, rows: list[Any]) -> None:
        data = b"".join([_encode(row) + b"\n" for row in rows])
        try:
            while data:
                data = data[self._file.write(data) :]
        except OSError as error:
            self._file.close()
            raise self._failed(error) from None

    def _failed(self, error: OSError | ValueError) -> FileError:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        return FileError(f"cannot be written: {reason}", file=str(self._path), hint="Choose another place for --out")


def _row(number: int, shot: Shot) -> _Shot:
    sent = round(shot.sent * MICRO)
    marks = [sent, *(round(time * MICRO) for time in shot.times)]
    return _Shot(
        stage=number,
        n=shot.number,
        scheduled_s=round(shot.scheduled, 6),
        sent_s=round(shot.sent, 6),
        e2e_s=round(shot.e2e, 6),
        pieces_us=[later - earlier for earlier, later in pairwise(marks)],
        visible_us=None if shot.visible is None else round(shot.visible * MICRO) - sent,
        **{name: getattr(shot, name) for name in _ALIKE},
    )


def _shot(row: _Shot) -> Shot:
    sent = round(row.sent_s * MICRO)
    marks = list(accumulate(row.pieces_us, initial=sent))[1:]
    return Shot(
        number=row.n,
        scheduled=row.scheduled_s,
        sent=row.sent_s,
        ended=row.sent_s + row.e2e_s,
        times=array("d", [mark / MICRO for mark in marks]),
        visible=None if row.visible_us is None else (sent + row.visible_us) / MICRO,
        **{name: getattr(row, name) for name in _ALIKE},
    )


def read(path: Path) -> Session:
    """A session from its file. Raises FileError with the line that cannot be read, or for another version."""
    lines = _lines(path)
    first = next(lines, None)
    if first is None:
        raise FileError("is empty", file=str(path), hint="Name a file that --out wrote")
    head = first[1]
    if not isinstance(head, _Session):
        raise FileError("does not begin as a load test does", file=str(path), line=1, hint="Name a file of --out")
    if head.version != VERSION:
        raise FileError(f"is of version {head.version}, and this reads {VERSION}", file=str(path), line=1)
    stages: list[Stage] = []
    begun: _Stage | None = None
    shots: list[Shot] = []
    for number, row in lines:
        if isinstance(row, _Stage):
            if begun is not None:
                stages.append(_broken_off(begun, shots))
            begun, shots = row, []
        elif begun is None or isinstance(row, _Session):
            raise FileError("is out of place", file=str(path), line=number)
        elif isinstance(row, _Shot):
            shots.append(_shot(row))
        else:
            run = Run(load=begun.load, shots=tuple(shots), load_end=row.load_end, stop=row.stop, why=row.why)
            stages.append(Stage(run=run, begun=begun.begun, server=row.server))
            begun, shots = None, []
    if begun is not None:
        stages.append(_broken_off(begun, shots))
    return Session(
        subject=head.subject, asked=head.asked, seed=head.seed, product=head.product, per_word=head.per_word,
        round_trip_s=head.round_trip_s, tls_s=head.tls_s, stages=tuple(stages),
    )  # fmt: skip


def _broken_off(begun: _Stage, shots: list[Shot]) -> Stage:
    stop: Literal["interrupted"] = "interrupted"
    end = max((shot.sent for shot in shots), default=0.0)
    run = Run(load=begun.load, shots=tuple(shots), load_end=end, stop=stop, why="its file breaks off")
    return Stage(run=run, begun=begun.begun)


def _lines(path: Path) -> Iterator[tuple[int, _Line]]:
    with open_file(path) as file:
        number = 0
        while line := file.readline(MOST_LINE + 1):
            number += 1
            if len(line) > MOST_LINE:
                raise FileError(f"is over {MOST_LINE // 2**20} MiB", file=str(path), line=number)
            if not line.strip():
                continue
            try:
                row: _Line = _decode(line)
            except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
                if not line.endswith(b"\n") and number > 1:
                    return  # written half when the process ended
                raise FileError(f"is no row of a load test: {error}", file=str(path), line=number) from None
            yield number, row
