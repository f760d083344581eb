"""The answers of a run as its folder holds them, without a configuration and without asking anybody."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from crossover.errors import FileError
from crossover.evaluation.findings import Rule
from crossover.evaluation.log import NAME, Answer, Header, Read, read
from crossover.evaluation.results import SCORES, ScoreRow, read_scores
from crossover.evaluation.run import Outcome, State
from crossover.evaluation.samples.read import read_samples, with_groups
from crossover.evaluation.samples.words import Sample


class Folder(msgspec.Struct, frozen=True, kw_only=True):
    """A run as it is on the disk: no answer has a score. ``notes`` say what could not be used."""

    header: Header
    samples: tuple[Sample, ...]
    outcomes: Mapping[tuple[str, str], Outcome]
    errors: Rule
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Everybody who was asked: the candidates, then the reference."""
        return tuple(dict.fromkeys((*self.header.candidates, self.header.reference)))


def read_folder(folder: Path, *, samples: Path | None = None) -> Folder:
    """The run of a folder. ``samples`` names its file of samples where that has moved.

    Samples that changed since the run began, or are no part of it, are left out: their answers are to something else.
    Raises FileError where there are no results or no samples.
    """
    found = read(folder / NAME)
    header = found.header
    if header is None:
        raise FileError("this is no file of results, or its first line is lost", file=str(folder / NAME))
    place = Path(header.file) if samples is None else samples
    if not place.exists():
        hint = "Name the file of samples with --samples"
        raise FileError("the samples of this run are not there any more", file=str(place), hint=hint)
    bare = read_samples(place, skip_broken=True).samples
    scores = folder / SCORES
    scored = {(row.sample, row.candidate): row for row in read_scores(scores)} if scores.exists() else {}
    rows = tuple(
        grouped
        for plain, grouped in zip(bare, with_groups(bare), strict=True)
        if header.samples.get(plain.id) in {plain.fingerprint(), grouped.fingerprint()}
    )
    left = len(bare) - len(rows)
    notes = [f"{left:,} samples of the file are left out: they changed, or are no part of the run"] if left else []
    return Folder(
        header=header,
        samples=rows,
        outcomes=_outcomes(rows, header, found, scored),
        errors="exclude" if header.errors == "exclude" else "as-wrong",
        notes=tuple(notes),
    )


def _outcomes(
    samples: tuple[Sample, ...], header: Header, found: Read, scored: Mapping[tuple[str, str], ScoreRow]
) -> dict[tuple[str, str], Outcome]:
    """What became of each sample at each name.

    An answer stands in the file under whom it was asked of first: samples that ask the same share it, and so do names
    behind which the same model stands. Of the latter the scores know.
    """
    asked = {sample.id: sample.asked() for sample in samples}
    known = {(asked.get(answer.sample, ""), answer.asked): answer for answer in found.answers.values()}
    failed = {(failure.sample, failure.asked): failure for failure in found.failures}
    made: dict[tuple[str, str], Outcome] = {}
    for sample in samples:
        for name in dict.fromkeys((*header.candidates, header.reference)):
            at = (sample.id, name)
            answer, failure = known.get((asked[sample.id], name)), failed.get(at)
            if answer is not None:
                made[at] = Outcome(sample=sample.id, candidate=name, state="scored", answer=answer)
            elif failure is not None:
                why = f"{failure.code}: {failure.message}"
                state: State = "withheld" if failure.withheld else "failed"
                made[at] = Outcome(sample=sample.id, candidate=name, state=state, why=why)
            else:
                made[at] = _from_scores(at, scored.get(at))
    return made


def _from_scores(at: tuple[str, str], row: ScoreRow | None) -> Outcome:
    sample, name = at
    if row is None:
        return Outcome(sample=sample, candidate=name, state="missing")
    if row.state in ("scored", "unscored"):
        answer = Answer(key="", asked=name, sample=sample, text=row.text, deployment=row.deployment)
        return Outcome(sample=sample, candidate=name, state="scored", answer=answer)
    return Outcome(sample=sample, candidate=name, state=row.state, why=row.detail)
