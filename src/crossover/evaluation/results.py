"""The results of a run as files: ``scores.jsonl`` (a line per sample and candidate) and ``report.json``.

Both are made anew from the answers each time a run ends, so they may be deleted; what is worth money is in
``answers.jsonl``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from crossover.errors import FileError, StoreError
from crossover.evaluation.log import Answer
from crossover.evaluation.run import Outcome, State
from crossover.evaluation.scorers.text import plain
from crossover.evaluation.session import Session

SCORES, REPORT = "scores.jsonl", "report.json"


class ScoreRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of ``scores.jsonl``: a sample at a candidate, with all that a router can learn from.

    ``state``, ``score`` (None where there is none) and ``detail`` say what became of it. ``prompt`` is the last message
    of the user, ``text`` the answer, ``calls`` its (tool, arguments). ``messages``, ``prompt_chars``, ``tools`` and
    ``schema`` tell of the whole request. ``finish``: why the answer ended. Seconds: to the end, to the first piece
    (``ttft_s``), between pieces in the mean (``itl_s``). ``cost`` in dollars; ``local``: no bill holds it.
    ``logprobs`` sums up the tokens' log-probabilities (:mod:`crossover.evaluation.heard`); ``same_as`` names the other
    sides that gave the same answer, but for case, punctuation and space.
    """

    sample: str
    candidate: str
    state: State
    score: float | None = None
    detail: str = ""
    parts: dict[str, float] = {}
    text: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    prompt: str = ""
    messages: int = 1
    prompt_chars: int = 0
    tools: int = 0
    schema: bool = False
    expected: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    group: str | None = None
    line: int = 0
    deployment: str = ""
    model: str = ""
    local: bool = False
    finish: str = ""
    seconds: float | None = None
    ttft_s: float | None = None
    itl_s: float | None = None
    cost: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    logprobs: dict[str, float] = {}
    same_as: tuple[str, ...] = ()


def write_results(folder: Path, done: Session) -> None:
    """Write both files; each is whole or as it was. Raises StoreError.

    Half a surrogate pair, which a text from Python may hold and no JSON can, becomes a question mark.
    """
    lines = b"".join(_encoded(row) + b"\n" for row in rows_of(done))
    _write(folder / SCORES, lines)
    _write(folder / REPORT, msgspec.json.format(_encoded(done.findings), indent=1))


def _encoded(value: Any) -> bytes:
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return msgspec.json.encode(_sound(msgspec.to_builtins(value)))


def _sound(value: Any) -> Any:
    """Plain values whose texts UTF-8 can hold."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, dict):
        return {_sound(key): _sound(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_sound(one) for one in value]
    return value


def rows_of(done: Session) -> Iterator[ScoreRow]:
    """A row for every sample and candidate, in the order of the file."""
    names = [side.name for side in done.findings.sides]
    for sample in done.samples:
        outcomes = {name: done.outcomes[sample.id, name] for name in names}
        said = {name: _said(one.answer) for name, one in outcomes.items() if one.answer is not None}
        for name, outcome in outcomes.items():
            yield ScoreRow(
                sample=sample.id,
                candidate=name,
                state=outcome.state,
                prompt=sample.prompt,
                messages=len(sample.messages),
                prompt_chars=sum(len(message.text) for message in sample.messages),
                tools=len(sample.tools),
                schema=sample.output is not None and sample.output.kind != "text",
                expected=sample.expected,
                tags=sample.tags,
                group=sample.group,
                line=sample.line,
                same_as=tuple(other for other in said if other != name and said.get(name) == said[other]),
                **_answered(outcome),
            )


def _said(answer: Answer) -> tuple[str, tuple[tuple[str, str], ...]]:
    """What is compared of two answers."""
    return plain(answer.text), answer.calls


def _answered(outcome: Outcome) -> dict[str, Any]:
    found: dict[str, Any] = {"detail": outcome.why}
    if outcome.score is not None:
        found |= {"score": outcome.score.value, "detail": outcome.score.detail, "parts": dict(outcome.score.parts)}
    answer = outcome.answer
    if answer is not None:
        found |= {
            "text": answer.text,
            "calls": answer.calls,
            "deployment": answer.deployment,
            "model": answer.model,
            "local": answer.local,
            "finish": answer.finish,
            "seconds": answer.seconds,
            "ttft_s": answer.ttft_s,
            "itl_s": answer.itl_s,
            "cost": None if answer.cost is None else float(answer.cost),
            "input_tokens": None if answer.usage is None else answer.usage.input,
            "output_tokens": None if answer.usage is None else answer.usage.output,
            "logprobs": dict(answer.logprobs),
        }
    return found


def read_scores(path: Path) -> list[ScoreRow]:
    """The rows of a ``scores.jsonl``. Raises FileError with the line of what is none."""
    rows = []
    decoder = msgspec.json.Decoder(ScoreRow)
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    rows.append(decoder.decode(line))
                except msgspec.DecodeError as error:
                    raise FileError(f"is no line of scores: {error}", file=str(path), line=number) from None
    except FileNotFoundError:
        raise FileError("there are no scores here", file=str(path), hint="`crossover eval run` writes them") from None
    except OSError as error:
        raise FileError(f"cannot be read: {error.strerror or error}", file=str(path)) from None
    return rows


def read_report(folder: Path) -> Mapping[str, Any]:
    """The findings of a folder as plain values. Raises FileError."""
    path = folder / REPORT
    try:
        found: Mapping[str, Any] = msgspec.json.decode(path.read_bytes())
    except FileNotFoundError:
        raise FileError("there is no report here", file=str(path), hint="`crossover eval run` writes one") from None
    except (OSError, msgspec.DecodeError) as error:
        raise FileError(f"cannot be read: {error}", file=str(path)) from None
    return found


def _write(path: Path, data: bytes) -> None:
    """All of it or nothing."""
    beside = path.with_name(f".{path.name}.part")
    try:
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise StoreError(f"cannot be written: {error.strerror or error}", file=str(path)) from None
    finally:
        beside.unlink(missing_ok=True)


__all__ = ["REPORT", "SCORES", "ScoreRow", "read_report", "read_scores", "rows_of", "write_results"]
