"""Where a policy's examples come from: folders of results, tables of recorded answers, the ledger's comparisons."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from crossover.errors import FileError, InputError, nearest
from crossover.evaluation.recorded import found_at, rows_of, score_of
from crossover.evaluation.results import REPORT, SCORES, ScoreRow, read_report, read_scores
from crossover.learning.agreement import AGREES, agreement
from crossover.learning.drift import Compared
from crossover.learning.model import Kind
from crossover.learning.shape import parsed
from crossover.learning.signals import AnswerSignals, PromptSignals, answer_signals, prompt_signals
from crossover.learning.train import Examples


class Columns(msgspec.Struct, frozen=True, kw_only=True):
    """Where things stand in a table of recorded answers; the scores stand in the columns of the two models."""

    prompt: str = "prompt"
    answer: str | None = None
    other: str | None = None
    group: str | None = None


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is read: results, the names of both models (None: found), a second local model, and what of each row."""

    results: tuple[Path, ...]
    kind: Kind
    weak: str | None = None
    strong: str | None = None
    other: str | None = None
    columns: Columns = Columns()


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """Examples with the names of both models, where they come from, prompts (for people), and what was left out."""

    examples: Examples
    weak: str
    strong: str
    source: str
    digest: str
    prompts: tuple[str, ...]
    notes: tuple[str, ...] = ()


def read(asked: Asked) -> Found:
    """The examples of results. Raises FileError and InputError for all that is wrong."""
    if not asked.results:
        raise InputError("there is nothing to learn from", hint="Name a folder that `crossover eval run` wrote")
    runs = [path.is_dir() or path.name == SCORES for path in asked.results]
    if all(runs):
        return _of_runs(asked)
    if any(runs) or len(asked.results) > 1:
        raise InputError("tables are read one at a time, and not with folders of results")
    return _of_table(asked)


# ------------------------------------------------------------------------------------------------------------- folders


def _of_runs(asked: Asked) -> Found:
    rows: dict[tuple[str, str], ScoreRow] = {}
    for path in asked.results:
        for row in read_scores(path / SCORES if path.is_dir() else path):
            if row.score is not None and not 0 <= row.score <= 1:
                raise FileError(f"the sample {row.sample!r} has a score of {row.score:g}: from 0 to 1", file=str(path))
            rows.setdefault((row.sample, row.candidate), row)
    names = list(dict.fromkeys(name for _, name in rows))
    weak, strong = _sides(asked, names)
    if asked.other is not None:
        _known(asked.other, names)
    pairs: list[tuple[ScoreRow, ScoreRow, ScoreRow | None]] = []
    failed = 0
    for sample in dict.fromkeys(sample for sample, _ in rows):
        one, two = rows.get((sample, weak)), rows.get((sample, strong))
        if one is None or two is None or one.score is None or two.score is None:
            failed += 1
            continue
        pairs.append((one, two, None if asked.other is None else rows.get((sample, asked.other))))
    if not pairs:
        raise InputError(f"no sample has a score of both {weak} and {strong}")
    groups = (
        tuple(one.group or f"#{one.sample}" for one, _, _ in pairs) if any(one.group for one, _, _ in pairs) else ()
    )
    notes = [f"{failed:,} prompts are left out: not both models have a score"] if failed else []
    return Found(
        examples=Examples(
            signals=tuple(_signals(one, other, asked.kind) for one, _, other in pairs),
            weak=np.array([one.score for one, _, _ in pairs], dtype=np.float64),
            strong=np.array([two.score for _, two, _ in pairs], dtype=np.float64),
            groups=groups,
            same=np.array([agreement(one.text, two.text) >= AGREES for one, two, _ in pairs]),
            weak_cost=_mean_cost(one for one, _, _ in pairs),
            strong_cost=_mean_cost(two for _, two, _ in pairs),
        ),
        weak=weak, strong=strong, source=", ".join(str(path) for path in asked.results),
        digest=_digest(f"{one.candidate} {one.deployment} {one.model}" for pair in pairs for one in pair[:2]),
        prompts=tuple(one.prompt for one, _, _ in pairs), notes=tuple(notes),
    )  # fmt: skip


def _signals(row: ScoreRow, other: ScoreRow | None, kind: Kind) -> PromptSignals | AnswerSignals:
    asked = prompt_signals(
        row.prompt,
        messages=row.messages,
        tools=row.tools,
        total_chars=row.prompt_chars or None,
        schema=row.schema,
    )
    if kind == "route":
        return asked
    return answer_signals(
        row.text,
        asked=asked, question=row.prompt, finish=row.finish or None, summary=row.logprobs,
        schema_valid=parsed(row.text)[0] if row.schema else None,
        agreement=None if other is None or other.score is None else agreement(row.text, other.text),
    )  # fmt: skip


def _sides(asked: Asked, names: Sequence[str]) -> tuple[str, str]:
    """The weaker and the stronger model: as named, else the candidate and the reference of the run."""
    strong = asked.strong
    if strong is None:
        reference = _reference(asked.results[0])
        if reference not in names:
            raise InputError("which model is the stronger one?", hint=_there(names), field="--strong")
        strong = reference
    _known(strong, names)
    others = [name for name in names if name not in (strong, asked.other)]
    weak = asked.weak
    if weak is None:
        if len(others) != 1:
            raise InputError("which model is the weaker one?", hint=_there(others), field="--weak")
        weak = others[0]
    _known(weak, names)
    if weak == strong:
        raise InputError(f"{weak} is the weaker and the stronger one", field="--weak")
    return weak, strong


def _reference(path: Path) -> str:
    folder = path if path.is_dir() else path.parent
    if not (folder / REPORT).exists():
        return ""
    found = read_report(folder)
    return str(found.get("reference", ""))


def _known(name: str, names: Iterable[str]) -> None:
    listed = list(names)
    if name not in listed:
        near = nearest(name, listed)
        hint = f"Did you mean {near[0]}?" if near else _there(listed)
        raise InputError(f"nobody called {name!r} is in these results", hint=hint)


def _there(names: Sequence[str]) -> str:
    return f"There are {', '.join(sorted(names))}"


def _mean_cost(rows: Iterable[ScoreRow]) -> float | None:
    """Mean dollars of an answer; None where one is not known. Nobody sends a bill for tokens of one's own machine."""
    total, count = 0.0, 0
    for row in rows:
        if row.cost is None and not row.local:
            return None
        total += row.cost or 0.0
        count += 1
    return total / count if count else None


def _digest(names: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(set(names))).encode()).hexdigest()[:12]


# -------------------------------------------------------------------------------------------------------------- tables


def _of_table(asked: Asked) -> Found:
    path, columns = asked.results[0], asked.columns
    if asked.weak is None or asked.strong is None:
        hint = "Name the columns with the two models' scores: --weak COLUMN --strong COLUMN"
        raise InputError("a table does not say which model is which", hint=hint)
    rows = list(rows_of(path))
    if not rows:
        raise FileError("there is no row in it", file=str(path))
    wanted = [asked.weak, asked.strong, columns.prompt, columns.answer, columns.other, columns.group]
    for name in wanted:
        if name is not None and name not in rows[0][1] and found_at(rows[0][1], name) is None:
            near = nearest(name, rows[0][1])
            hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(list(rows[0][1])[:12])}"
            raise InputError(f"{path} has no column {name!r}", hint=hint)
    if asked.kind == "cascade" and columns.answer is None:
        hint = "Name the column with the weaker model's answers: --answer COLUMN; or learn from prompts: --kind route"
        raise InputError("a cascade learns from answers", hint=hint, field="--answer")
    weak = np.array([_score(path, line, row, asked.weak) for line, row in rows])
    strong = np.array([_score(path, line, row, asked.strong) for line, row in rows])
    prompts = tuple(_text(found_at(row, columns.prompt)) for _, row in rows)
    groups = tuple(_text(found_at(row, columns.group)) for _, row in rows) if columns.group is not None else ()
    return Found(
        examples=Examples(
            signals=tuple(_row_signals(row, prompt, asked) for (_, row), prompt in zip(rows, prompts, strict=True)),
            weak=weak, strong=strong, groups=groups,
        ),
        weak=asked.weak, strong=asked.strong, source=str(path), digest=_digest((asked.weak, asked.strong, str(path))),
        prompts=prompts,
    )  # fmt: skip


def _row_signals(row: Mapping[str, Any], prompt: str, asked: Asked) -> PromptSignals | AnswerSignals:
    signals = prompt_signals(prompt)
    columns = asked.columns
    if asked.kind == "route" or columns.answer is None:
        return signals
    answer = _text(found_at(row, columns.answer))
    other = None if columns.other is None else agreement(answer, _text(found_at(row, columns.other)))
    return answer_signals(answer, asked=signals, question=prompt, agreement=other)


def _score(path: Path, line: int, row: Mapping[str, Any], name: str) -> float:
    try:
        return score_of(found_at(row, name))
    except InputError as error:
        raise FileError(error.message, file=str(path), line=line, field=name) from None


def _text(value: Any) -> str:
    return "" if value is None else str(value)


# -------------------------------------------------------------------------------------------------------------- ledger


def of_ledger(path: Path, alias: str, since: float) -> list[Compared]:
    """The requests of an alias that chance drew and both models answered. Raises StoreError and InputError."""
    from crossover.ledger.grades import grades
    from crossover.ledger.store import open_ledger
    from crossover.runtime.rules import compared

    with open_ledger(path, readonly=True) as book:
        every = grades(book, None, since)
    found = [compared(one) for one in every if one.route == alias and one.kind == "audit"]
    if not found:
        names = sorted({one.route for one in every if one.kind == "audit"})
        hint = f"There are comparisons of {', '.join(names)}" if names else "watch.explore of an alias draws some"
        raise InputError(f"the ledger holds no compared request of {alias!r}", hint=hint)
    return found
