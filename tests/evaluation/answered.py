"""Answers that were never paid for: samples and outcomes for tests of what is done with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crossover.chat import Message, Text
from crossover.evaluation.log import Answer
from crossover.evaluation.run import Outcome
from crossover.evaluation.samples.words import Sample


def sample(name: str, question: str | None = None, *, group: str | None = None, tags: tuple[str, ...] = ()) -> Sample:
    asked = f"Question {name}?" if question is None else question
    return Sample(
        id=name, messages=(Message("user", (Text(asked),)),), expected=(f"right {name}",), group=group, tags=tags
    )


def answered(of: str, who: str, text: str) -> Outcome:
    answer = Answer(key=f"{of} {who}", asked=who, sample=of, text=text)
    return Outcome(sample=of, candidate=who, state="scored", answer=answer)


def failed(of: str, who: str) -> Outcome:
    return Outcome(sample=of, candidate=who, state="failed", why="timeout: it took too long")


def run(texts: Mapping[str, Sequence[str | None]]) -> tuple[list[Sample], dict[tuple[str, str], Outcome]]:
    """Samples s0, s1, … with what each name answered to them; None: it failed."""
    count = len(next(iter(texts.values())))
    samples = [sample(f"s{number}") for number in range(count)]
    made = {}
    for who, said in texts.items():
        for one, text in zip(samples, said, strict=True):
            made[one.id, who] = failed(one.id, who) if text is None else answered(one.id, who, text)
    return samples, made
