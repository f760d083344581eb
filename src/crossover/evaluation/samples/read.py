"""Reads a file of samples, whatever its format: JSON lines, a JSON list, CSV, promptfoo's YAML.

JSON lines of OpenAI's evals and of inspect need no telling: ``ideal`` and ``target`` are names of ``expected``. Every
row that is wrong is named with its line and the reason. They are all mistakes of the file (one FileError, the others in
its ``more``), or, where the user wants that, they are left out and counted.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from crossover.errors import FileError, InputError
from crossover.evaluation.samples import promptfoo
from crossover.evaluation.samples.rows import Ignored, sample_of
from crossover.evaluation.samples.tables import table
from crossover.evaluation.samples.words import Sample, SampleSet, many
from crossover.textfile import read_text

MOST_BYTES = 512 * 2**20
_YAML = frozenset({".yaml", ".yml"})
_TABLES = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
_NAMED = 3  # ids shown in a note
_MOST_MISTAKES = 20  # told in one go


def read_samples(path: Path, *, skip_broken: bool = False) -> SampleSet:
    """The samples of a file. Raises FileError with every mistake of it; with ``skip_broken`` those rows are left out.

    A file without a single good sample is a mistake in any case.
    """
    text = read_text(path, MOST_BYTES, too_long="Split it")
    reader = _Reader(str(path))
    suffix = path.suffix.casefold()
    if suffix in _YAML:
        format_, found = "promptfoo", promptfoo.samples(text, path, reader.wrong, reader.ignored)
    elif suffix in _TABLES:
        format_, found = "csv", reader.table(text, _TABLES[suffix])
    elif suffix == ".json" or text.lstrip().startswith("["):
        format_, found = "json", reader.json(text, path)
    else:
        format_, found = "jsonl", reader.lines(text, path)
    samples = _unique(found, reader)
    broken = sorted(reader.mistakes, key=lambda error: error.line or 0)
    if broken and (not skip_broken or not samples):
        raise _all_of(broken)
    if not samples:
        raise FileError("there is no sample in it", file=str(path))
    notes = (*reader.ignored.notes(), *_same_question(samples))
    return SampleSet(file=str(path), format=format_, samples=tuple(samples), broken=tuple(broken), notes=notes)


class _Reader:
    """The rows of one file as samples, and what was wrong with the others."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.mistakes: list[FileError] = []
        self.ignored = Ignored()

    def wrong(self, line: int | None, error: InputError) -> None:
        """Note a mistake."""
        self.mistakes.append(
            FileError(error.message, file=error.file or self.file, line=line, field=error.field, hint=error.hint)
        )

    def lines(self, text: str, path: Path) -> Iterator[Sample]:
        """JSON lines; blank lines are none."""
        for number, line in enumerate(text.split("\n"), start=1):
            if not line.strip():
                continue
            try:
                tree = parse_json(line)
            except InputError as error:
                self.wrong(number, error)
                continue
            yield from self._row(tree, number, path)

    def json(self, text: str, path: Path) -> Iterator[Sample]:
        """One JSON list of rows, or an object that holds one in ``samples`` or ``tests``."""
        try:
            tree = parse_json(text)
        except InputError as error:
            if (lines := text.strip().count("\n")) and text.lstrip().startswith("{"):
                yield from self.lines(text, path)  # JSON lines under another name
                return
            self.wrong(lines + 1 if "ends" in error.message else None, error)
            return
        if isinstance(tree, dict):
            tree = next(
                (tree[name] for name in ("samples", "tests", "data") if isinstance(tree.get(name), list)), [tree]
            )
        for number, row in enumerate(tree, start=1):
            yield from self._row(row, number, path, where=f"item {number}: ")

    def table(self, text: str, delimiter: str) -> Iterator[Sample]:
        """A table with a header. The number of a row is that of its first line; an empty cell says nothing."""
        for number, cells in table(text, delimiter, self.wrong):
            row = {name: cell for name, cell in cells.items() if cell != ""}
            yield from self._row(row, number, Path(self.file), cells=True)

    def _row(self, tree: Any, number: int, path: Path, *, where: str = "", cells: bool = False) -> Iterator[Sample]:
        try:
            if isinstance(tree, dict) and "vars" in tree and not cells:  # promptfoo's tests kept as JSON
                yield from promptfoo.test_samples(tree, number, path, self.ignored)
            else:
                yield sample_of(tree, number, self.ignored, cells=cells)
        except InputError as error:
            said = error if not where else InputError(where + error.message, hint=error.hint, field=error.field)
            self.wrong(None if where else number, said)


def parse_json(text: str) -> Any:
    """JSON as its standard has it: no NaN, and nothing nested without end. Raises InputError."""

    def constant(word: str) -> Any:
        raise ValueError(f"{word} is no JSON")

    try:
        return json.loads(text, parse_constant=constant)
    except json.JSONDecodeError as error:
        if error.pos >= len(text.rstrip()):
            raise InputError("is no JSON: it ends in the middle") from None
        raise InputError(f"is no JSON: {error.msg} at character {error.pos + 1}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"is no JSON: {error if isinstance(error, ValueError) else 'nested too deeply'}") from None


def _unique(found: Iterable[Sample], reader: _Reader) -> list[Sample]:
    """The samples in their order; an id that was there already is a mistake."""
    seen: dict[str, int] = {}
    kept: list[Sample] = []
    for sample in found:
        if sample.id in seen:
            said = f"the id {sample.id!r} stands in line {seen[sample.id]} already"
            reader.wrong(sample.line, InputError(said, hint="Give every sample an id of its own, or none"))
            continue
        seen[sample.id] = sample.line
        kept.append(sample)
    return kept


def _same_question(samples: list[Sample]) -> list[str]:
    """A note where samples ask the same: one call answers them all, and they are no further evidence."""
    times = Counter(sample.asked() for sample in samples)
    again = sum(count - 1 for count in times.values())
    if not again:
        return []
    asked = [sample.id for sample in samples if times[sample.asked()] > 1]
    named = ", ".join(asked[:_NAMED]) + (" …" if len(asked) > _NAMED else "")
    return [f"asked already by another: {many(again, 'sample')} ({named}); a question is asked once and counts once"]


def _all_of(broken: list[FileError]) -> FileError:
    """One error that carries the others; a file full of them names the first ones and says how many there are."""
    first, rest = broken[0], broken[1:_MOST_MISTAKES]
    if left := len(broken) - 1 - len(rest):
        rest.append(FileError(f"{left:,} more rows are wrong", file=first.file, hint="--skip-broken leaves them out"))
    elif first.hint is None:
        first.hint = "--skip-broken leaves such rows out"
    first.more = tuple(rest)
    return first


def with_groups(samples: Iterable[Sample]) -> list[Sample]:
    """The same samples; those that ask the same question and belong to no group become a group."""
    rows = list(samples)
    times = Counter(sample.asked() for sample in rows)
    return [
        msgspec.structs.replace(sample, group=f"same question {key}")
        if sample.group is None and times[key := sample.asked()] > 1
        else sample
        for sample in rows
    ]
