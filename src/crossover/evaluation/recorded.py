"""Answers that somebody recorded: two columns of a table, or the results of earlier runs, as outcomes to compare."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from crossover.chat import Message, Text
from crossover.errors import FileError, InputError, nearest
from crossover.evaluation.log import Answer
from crossover.evaluation.results import SCORES, ScoreRow, read_scores
from crossover.evaluation.run import Outcome, scored
from crossover.evaluation.samples.read import MOST_BYTES, parse_json
from crossover.evaluation.samples.tables import table
from crossover.evaluation.samples.words import Check, Sample, many
from crossover.evaluation.scorers.registry import Means, Scorers
from crossover.evaluation.scorers.words import Score
from crossover.textfile import read_text
from crossover.usage import Usage

Outcomes = dict[tuple[str, str], Outcome]
_WORDS = {"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0, "pass": 1.0, "fail": 0.0}
_NAMED = 12


class Columns(msgspec.Struct, frozen=True, kw_only=True):
    """Where things stand in a table; a field inside another is written with dots. Without ``expected``: scores."""

    answers: tuple[str, ...]
    expected: str | None = None
    id: str = "id"
    prompt: str = "prompt"
    group: str | None = None
    tags: tuple[str, ...] = ()


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """Samples and outcomes, with notes about what was left out."""

    samples: tuple[Sample, ...]
    outcomes: Mapping[tuple[str, str], Outcome]
    notes: tuple[str, ...] = ()


async def from_table(path: Path, columns: Columns, scorer: str | None) -> Recorded:
    """The answers of a table (CSV, JSON lines, a JSON list): scored, or taken as scores.

    An empty cell is an answer that is missing: it counts as a failed call. Raises FileError with the line of what is
    wrong, InputError for a column that is not there and for a scorer that cannot be.
    """
    rows = list(rows_of(path))
    if not rows:
        raise FileError("there is no row in it", file=str(path))
    _check_columns(rows[0][1], columns, str(path))
    judged = Scorers((Check(scorer=scorer),), Means()) if scorer is not None else None
    samples: list[Sample] = []
    outcomes: Outcomes = {}
    seen: dict[str, int] = {}
    for line, row in rows:
        sample = _sample(row, line, columns)
        if sample.id in seen:
            raise FileError(f"the id {sample.id!r} stands in line {seen[sample.id]} already", file=str(path), line=line)
        seen[sample.id] = line
        if judged is not None and (missing := judged.missing(sample)) is not None:
            raise FileError(missing, file=str(path), line=line, field=columns.expected)
        samples.append(sample)
        for name in columns.answers:
            try:
                outcomes[sample.id, name] = await _outcome(sample, name, found_at(row, name), judged)
            except InputError as error:
                raise FileError(error.message, file=str(path), line=line, field=name, hint=error.hint) from None
    return Recorded(samples=tuple(samples), outcomes=outcomes)


def from_runs(folders: Sequence[Path], names: Sequence[str]) -> Recorded:
    """The results of earlier runs, put together by the ids of their samples.

    Raises FileError where a folder has none, InputError where two folders disagree about a sample or nobody is there.
    """
    samples: dict[str, Sample] = {}
    outcomes: Outcomes = {}
    there: set[str] = set()
    for folder in folders:
        for row in read_scores(folder / SCORES if folder.is_dir() else folder):
            there.add(row.candidate)
            sample = _sample_of(row)
            before = samples.setdefault(row.sample, sample)
            if (before.prompt, before.expected) != (sample.prompt, sample.expected):
                raise InputError(
                    f"the sample {row.sample!r} is another one in {folder}", hint="Compare runs of one file"
                )
            if row.candidate in names:
                outcomes.setdefault((row.sample, row.candidate), _outcome_of(row))
    for name in names:
        if name not in there:
            near = nearest(name, there)
            hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(sorted(there))}"
            raise InputError(f"nobody called {name!r} is in these results", hint=hint)
    both = [one for one in samples.values() if all((one.id, name) in outcomes for name in names)]
    left = len(samples) - len(both)
    notes = (f"left out, because not every run has them: {many(left, 'sample')}",) if left else ()
    return Recorded(samples=tuple(both), outcomes=outcomes, notes=notes)


def rows_of(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of a table with their lines. Raises FileError."""
    file = str(path)
    text = read_text(path, MOST_BYTES, too_long="Split it")
    if path.suffix.casefold() in (".csv", ".tsv", ".tab"):
        yield from _table(text, "," if path.suffix.casefold() == ".csv" else "\t", file)
        return
    if text.lstrip().startswith("["):
        listed = _parsed(text, file, None)
        numbered: Iterable[tuple[int, Any]] = enumerate(listed, start=1)
    else:
        numbered = (
            (number, _parsed(line, file, number))
            for number, line in enumerate(text.split("\n"), start=1)
            if line.strip()
        )
    for number, row in numbered:
        if not isinstance(row, dict):
            raise FileError("a row is an object", file=file, line=number)
        yield number, row


def found_at(row: Mapping[str, Any], path: str) -> Any:
    """The value of a field; ``a.b.c`` may be any of the ways in which objects lie in each other. None: absent."""
    if path in row:
        return row[path]
    for name, value in row.items():
        if isinstance(value, Mapping) and path.startswith(f"{name}.") and name:
            found = found_at(value, path[len(name) + 1 :])
            if found is not None:
                return found
    return None


def _table(text: str, usual: str, file: str) -> Iterator[tuple[int, dict[str, Any]]]:
    def wrong(line: int | None, error: InputError) -> None:
        raise FileError(error.message, file=file, line=line, hint=error.hint)

    yield from table(text, usual, wrong)


def _parsed(text: str, file: str, line: int | None) -> Any:
    try:
        return parse_json(text)
    except InputError as error:
        raise FileError(error.message, file=file, line=line) from None


def _check_columns(row: Mapping[str, Any], columns: Columns, file: str) -> None:
    wanted = [*columns.answers, *columns.tags]
    wanted += [name for name in (columns.expected, columns.group) if name is not None]
    for name in wanted:
        if found_at(row, name) is None and name not in row:
            known = list(_paths(row))
            near = nearest(name, known)
            more = " …" if len(known) > _NAMED else ""
            hint = f"Did you mean {' or '.join(near)}?" if near else f"There are {', '.join(known[:_NAMED])}{more}"
            raise InputError(f"{file} has no column {name!r}", hint=hint)


def _paths(row: Mapping[str, Any], before: str = "") -> Iterator[str]:
    for name, value in row.items():
        if isinstance(value, Mapping):
            yield from _paths(value, f"{before}{name}.")
        else:
            yield f"{before}{name}"


def _sample(row: Mapping[str, Any], line: int, columns: Columns) -> Sample:
    name, prompt = found_at(row, columns.id), found_at(row, columns.prompt)
    expected = None if columns.expected is None else found_at(row, columns.expected)
    group = None if columns.group is None else found_at(row, columns.group)
    tags = [found_at(row, tag) for tag in columns.tags]
    rights = expected if isinstance(expected, list) else [expected]
    return Sample(
        id=str(line) if name in (None, "") else str(name),
        messages=(Message("user", (Text(str(prompt or "")),)),),
        expected=tuple(_text(one) for one in rights if one not in (None, "")),
        group=None if group in (None, "") else str(group),
        tags=tuple(str(tag) for tag in tags if tag not in (None, "")),
        line=line,
    )


async def _outcome(sample: Sample, name: str, value: Any, scorers: Scorers | None) -> Outcome:
    if value in (None, ""):
        return Outcome(sample=sample.id, candidate=name, state="failed", why="missing: no answer was recorded")
    answer = Answer(key="", asked=name, sample=sample.id, text=_text(value))
    if scorers is not None:
        return await scored(sample, name, answer, scorers)
    return Outcome(sample=sample.id, candidate=name, state="scored", score=Score(score_of(value)), answer=answer)


def score_of(value: Any) -> float:
    """A score of a cell. Raises InputError for what is none."""
    if isinstance(value, bool):
        return float(value)
    found = value
    if isinstance(value, str):
        found = _WORDS.get(value.strip().casefold())
        if found is None:
            try:
                found = float(value)
            except ValueError:
                found = -1.0
    if not isinstance(found, int | float) or not 0 <= found <= 1:
        hint = "Name the column of right answers with --expected to have answers scored"
        raise InputError(f"{str(value)[:40]!r} is no score from 0 to 1", hint=hint)
    return float(found)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _sample_of(row: ScoreRow) -> Sample:
    return Sample(
        id=row.sample, messages=(Message("user", (Text(row.prompt),)),), expected=row.expected, tags=row.tags,
        group=row.group, line=row.line,
    )  # fmt: skip


def _outcome_of(row: ScoreRow) -> Outcome:
    from decimal import Decimal

    answer = None
    if row.state in ("scored", "unscored"):
        used = None
        if row.input_tokens is not None and row.output_tokens is not None:
            used = Usage(input=row.input_tokens, output=row.output_tokens)
        answer = Answer(
            key="", asked=row.candidate, sample=row.sample, text=row.text, calls=row.calls, deployment=row.deployment,
            model=row.model, local=row.local, finish=row.finish or "stop", seconds=row.seconds or 0.0,
            ttft_s=row.ttft_s, itl_s=row.itl_s, usage=used, logprobs=row.logprobs,
            cost=None if row.cost is None else Decimal(str(row.cost)),
        )  # fmt: skip
    score = None if row.score is None else Score(row.score, row.detail, row.parts)
    return Outcome(
        sample=row.sample, candidate=row.candidate, state=row.state, score=score, answer=answer,
        why="" if score is not None else row.detail,
    )  # fmt: skip
