"""What a run will cost, before its first call: calls, tokens and dollars of every candidate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

import msgspec

from crossover.chat import ChatRequest
from crossover.evaluation.calls import Candidate, key_of
from crossover.evaluation.log import Answer
from crossover.evaluation.samples.words import Sample


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """One candidate's calls: how many are new, tokens of their prompts, and the most they can cost (None: unknown)."""

    candidate: str
    calls: int
    kept: int
    input_tokens: int
    highest: Decimal | None
    paid: bool


def estimates(
    samples: Sequence[Sample],
    candidates: Sequence[Candidate],
    known: Mapping[str, Answer],
    tokens: Callable[[ChatRequest], int],
) -> tuple[Estimate, ...]:
    """An estimate for each candidate. ``tokens`` counts a prompt; equal questions are asked once."""
    rows = []
    for candidate in candidates:
        asked: set[str] = set()
        kept = prompt = 0
        highest: Decimal | None = Decimal(0)
        for sample in samples:
            request = requested(sample, candidate)
            key = key_of(candidate, request)
            if key in known or key in asked:
                kept += 1
                continue
            asked.add(key)
            prompt += tokens(request)
            most = candidate.highest(request) if candidate.paid else Decimal(0)
            highest = None if most is None or highest is None else highest + most
        rows.append(
            Estimate(
                candidate=candidate.name,
                calls=len(asked),
                kept=kept,
                input_tokens=prompt,
                highest=highest,
                paid=candidate.paid,
            )
        )
    return tuple(rows)


def requested(sample: Sample, candidate: Candidate) -> ChatRequest:
    """What this candidate is asked; what a sample says of its parameters wins over what the run says."""
    request = sample.request(candidate.model)
    return msgspec.structs.replace(request, **{**candidate.options, **sample.options}) if candidate.options else request
