"""Evaluations for tests of their reports, computed from drawn answers."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache

import msgspec

from crossover.chat import Message, Text
from crossover.evaluation.controls import Agreement, Control, Controls, Length
from crossover.evaluation.findings import findings
from crossover.evaluation.log import VERSION, Answer, Header
from crossover.evaluation.run import Outcome
from crossover.evaluation.samples.words import Sample
from crossover.evaluation.scorers.words import Score
from crossover.evaluation.summary import Summary, summary_of
from crossover.usage import Usage

HOSTILE = "</script><img src=x onerror=alert(1)>\u202egnp.exe\x1b[31m {a|b} \u2028 \ud800"
WORDS = ("ticket", "order", "refund", "login", "password", "invoice", "broken", "charged", "twice", "after", "update")
TAGS = ("billing", "delivery", "login", "returns", "other")


def made(
    chances: Mapping[str, float], count: int, *, reference: str, seconds: Mapping[str, float] | None = None,
    dollars: Mapping[str, float | None] | None = None, seed: int = 0, length: int = 12, ended: str = "",
) -> Summary:  # fmt: skip
    """An evaluation of ``count`` samples in which each name is right with its chance."""
    chance = random.Random(seed)
    samples, outcomes = [], {}
    for number in range(count):
        text = " ".join(chance.choices(WORDS, k=length))
        tag, hard = chance.choice(TAGS), chance.random()
        one = Sample(
            id=f"ticket-{number:04}", messages=(Message("user", (Text(f"Which queue? {text}"),)),), expected=(tag,),
            tags=(tag, "long") if number % 7 == 0 else (tag,), line=number + 2,
        )  # fmt: skip
        samples.append(one)
        for name, right in chances.items():
            good = (hard + chance.random() * 0.6) / 1.6 < right
            said = f"{tag}. The customer writes about {text}" if good else f"{chance.choice(TAGS)}? It says {text[:40]}"
            outcomes[one.id, name] = _outcome(one.id, name, said, good, chance, seconds or {}, dollars or {})
    names = [name for name in chances if name != reference]
    found = findings(
        samples, outcomes, [*names, reference], reference, file="tickets.jsonl", scorer="choice", margin=0.05,
        errors="as-wrong", ended=ended, notes=["3 broken rows of the file are left out"],
    )  # fmt: skip
    header = Header(
        version=VERSION, started="2026-11-27T08:00:00+00:00", file="tickets.jsonl", samples={}, candidates=tuple(names),
        reference=reference, scorer="choice", margin=0.05, errors="as-wrong", seed=7,
        options={"temperature": 0.0, "max_tokens": 64},
    )  # fmt: skip
    return summary_of(found, header, [one.answer for one in outcomes.values() if one.answer is not None])


def _outcome(
    of: str, name: str, said: str, good: bool, chance: random.Random, seconds: Mapping[str, float],
    dollars: Mapping[str, float | None],
) -> Outcome:  # fmt: skip
    if chance.random() < 0.004:
        return Outcome(sample=of, candidate=name, state="failed", why="timeout: it took longer than 300 s")
    price = dollars.get(name, 0.0)
    answer = Answer(
        key=f"{of} {name}", asked=name, sample=of, text=said, deployment=f"{name}-here", model=name, local=not price,
        usage=Usage(input=90, output=20), cost=None if price is None else Decimal(str(price)) / 1000,
        seconds=seconds.get(name, 0.4) * chance.lognormvariate(0, 0.4), ttft_s=0.1,
        at=f"2026-11-27T08:{int(of[-4:]) % 60:02}:00+00:00",
    )  # fmt: skip
    return Outcome(sample=of, candidate=name, state="scored", score=Score(float(good)), answer=answer)


@lru_cache(maxsize=8)
def two(count: int = 300) -> Summary:
    """One candidate that is a little worse, with too few samples to say how much."""
    return made(
        {"small-7b": 0.66, "large-api": 0.7}, count, reference="large-api", seconds={"small-7b": 0.3, "large-api": 1.4},
        dollars={"large-api": 2.1},
    )  # fmt: skip


@lru_cache(maxsize=1)
def many() -> Summary:
    """Five candidates: better, alike, worse, of unknown cost, and one that is beaten in everything."""
    return made(
        {
            "small-q4": 0.55,
            "small-q8": 0.62,
            "small-f16": 0.57,
            "middle": 0.675,
            "frontier-api": 0.85,
            "large-api": 0.7,
        },
        900,
        reference="large-api",
        seconds={
            "small-q4": 0.2,
            "small-q8": 0.3,
            "small-f16": 0.6,
            "middle": 0.9,
            "frontier-api": 2.5,
            "large-api": 1.4,
        },
        dollars={
            "small-q4": 0.11,
            "small-q8": 0.15,
            "small-f16": 0.3,
            "middle": None,
            "frontier-api": 9.0,
            "large-api": 2.1,
        },
    )


def judged() -> Summary:
    """The same, decided by a judge with its controls."""
    summary = two()
    controls = Controls(
        model="judge-api", kin=("acme",), order_decided=0.12,
        canaries=(Control(canary="null", n=20, won=0, counted=0), Control(canary="padded", n=20, won=4, counted=0)),
        length={"small-7b": Length(share=0.44, at_equal_length=0.48, mean_ratio=0.7)},
        agreement={"small-7b": Agreement(n=40, share=0.8, low=0.65, high=0.9, kappa=0.6)},
    )  # fmt: skip
    return msgspec.structs.replace(summary, findings=msgspec.structs.replace(summary.findings, judge=controls))


def hostile() -> Summary:
    """Every text is made to break out of the page, or to break its layout."""
    summary = two(60)
    found = summary.findings
    long = HOSTILE + "w" * 300
    rows = tuple(
        msgspec.structs.replace(
            row,
            sample=long,
            prompt=long,
            candidate=long,
            reference=f"{long} and more",
            expected=(long,),
            tags=(long,),
            candidate_detail=long,
        )
        for row in found.versus[0].disagreements
    )
    tags = tuple(msgspec.structs.replace(row, tag=long) for row in found.versus[0].tags)
    versus = msgspec.structs.replace(found.versus[0], candidate=long, disagreements=rows, tags=tags)
    sides = tuple(msgspec.structs.replace(side, name=long) for side in found.sides)
    changed = msgspec.structs.replace(
        found, file=long, scorer=long, reference=long, sides=sides, versus=(versus,), notes=(long,), ended=long
    )
    answering = tuple(
        msgspec.structs.replace(one, name=long, models={long: 3, HOSTILE: 1}) for one in summary.answering
    )
    return msgspec.structs.replace(summary, findings=changed, answering=answering, options={long: long})


def alike() -> Summary:
    """Both sides gave the same answers."""
    summary = two(60)
    found = summary.findings
    versus = tuple(msgspec.structs.replace(one, disagreements=(), tags=()) for one in found.versus)
    return msgspec.structs.replace(summary, findings=msgspec.structs.replace(found, versus=versus, notes=()))


def nothing() -> Summary:
    """A run that ended before its first answer."""
    samples: Sequence[Sample] = two_samples()
    outcomes = {
        (sample.id, name): Outcome(sample=sample.id, candidate=name, state="missing")
        for sample in samples
        for name in ("a", "b")
    }
    found = findings(
        samples, outcomes, ["a", "b"], "b", file="x.jsonl", scorer="exact", margin=0.05, errors="exclude",
        ended="the budget is spent",
    )  # fmt: skip
    header = Header(
        version=VERSION, started="", file="x.jsonl", samples={}, candidates=("a",), reference="b", scorer="exact",
        margin=0.05, errors="exclude", seed=0,
    )  # fmt: skip
    return summary_of(found, header, [])


def two_samples() -> list[Sample]:
    return [Sample(id=name, messages=(Message("user", (Text(name),)),)) for name in ("x", "y")]
