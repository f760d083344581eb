"""What a run found, as plain values for every report: verdicts, sides, tags, disagreements. No rendering here.

Which pairs a verdict rests on was declared before: with ``as-wrong`` a failed call or scorer counts as a score of 0,
with ``exclude`` its pair is left out. A pair of which neither has a score tells nothing of the two (else a network that
is down would make all models equal); it is left out in any case and counted apart, as is what the rules let nobody
answer, and what was not asked because the run ended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Literal

import msgspec
import numpy as np

from crossover.evaluation.controls import Controls
from crossover.evaluation.judge import Judged
from crossover.evaluation.log import Answer
from crossover.evaluation.run import Outcome
from crossover.evaluation.samples.words import Sample
from crossover.evaluation.verdict import compare, compare_all, verdicts_of
from crossover.evaluation.words import Comparison, Interval, Pair, Verdict

Rule = Literal["as-wrong", "exclude"]
ERRORS: tuple[Rule, ...] = ("as-wrong", "exclude")
_FEWEST_PER_TAG = 2
_ERRONEOUS = ("failed", "unscored")
_LONGEST_TOKEN = 64.0  # bytes; longer ones are rare, and nearly all of an answer would have to be of them
_MOST_HIDDEN = 200_000  # tokens of reasoning that nobody shows, far beyond what a hosted model gives
_EIGHTY = 0.1  # missed on each side


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One candidate: how its samples ended, what it scored, how fast it was and what it cost.

    ``mean`` is over its scored samples and, where that was declared, failed ones as 0. ``cost`` is dollars of all its
    answers (None: unknown for some), ``paid`` what of it is on a bill; ``per_thousand`` the cost of a thousand answers.
    Seconds are medians and 95th percentiles of the calls; ``failures`` counts kinds of failure, ``unscorable`` reasons
    for which answers have no score. ``doubtful`` answers have more or fewer tokens, by their endpoint's count, than
    their text can have: what they cost is not to be trusted either.
    """

    name: str
    asked: int
    scored: int
    failed: int
    unscored: int
    withheld: int
    missing: int
    mean: float | None
    cost: Decimal | None
    paid: Decimal
    per_thousand: float | None
    seconds_p50: float | None
    seconds_p95: float | None
    ttft_p50: float | None
    ttft_p95: float | None
    input_tokens: float | None
    output_tokens: float | None
    cut: int
    failures: Mapping[str, int]
    deployments: Mapping[str, int]
    unscorable: Mapping[str, int] = {}
    doubtful: int = 0


class TagRow(msgspec.Struct, frozen=True, kw_only=True):
    """The pairs of one tag. ``low`` and ``high`` hold for somebody who looks at this tag alone, once."""

    tag: str
    n: int
    candidate: float
    reference: float
    gap: float
    low: float | None
    high: float | None


class Disagreement(msgspec.Struct, frozen=True, kw_only=True):
    """One sample on which the scores differ; ``loss`` is the reference's less the candidate's."""

    sample: str
    line: int
    prompt: str
    expected: tuple[str, ...]
    tags: tuple[str, ...]
    candidate: str
    reference: str
    candidate_score: float
    reference_score: float
    candidate_detail: str
    reference_detail: str
    loss: float


class Versus(msgspec.Struct, frozen=True, kw_only=True):
    """One candidate against the reference. ``eighty`` is an 80 % interval of the gap; ``left_out`` counts pairs
    that are not compared, by the reason.
    """

    candidate: str
    comparison: Comparison
    eighty: Interval
    left_out: Mapping[str, int]
    tags: tuple[TagRow, ...]
    disagreements: tuple[Disagreement, ...]


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a report shows. ``ended`` says why the run is not whole."""

    file: str
    samples: int
    scorer: str
    reference: str
    margin: float
    errors: Rule
    sides: tuple[Side, ...]
    versus: tuple[Versus, ...]
    notes: tuple[str, ...] = ()
    ended: str = ""
    judge: Controls | None = None


def findings(
    samples: Sequence[Sample],
    outcomes: Mapping[tuple[str, str], Outcome],
    candidates: Sequence[str],
    reference: str,
    *,
    file: str,
    scorer: str,
    margin: float,
    errors: Rule,
    seed: int = 0,
    notes: Sequence[str] = (),
    ended: str = "",
    judged: Judged | None = None,
    power: float = 0.8,
) -> Findings:
    """The findings of a run over these candidates, each compared with the reference. ``power``: of the N advised.

    Where a judge decided, its preferences are the pairs, and none of them counts where it failed its controls.
    """
    others = [name for name in candidates if name != reference]
    pairs = {name: _pairs(samples, outcomes, name, reference, errors, judged) for name in others}
    compared = compare_all(
        {name: [pair for _, pair in found.pairs] for name, found in pairs.items()},
        margin=margin,
        power=power,
        seed=seed,
    )
    return Findings(
        file=file,
        samples=len(samples),
        scorer=scorer,
        reference=reference,
        margin=margin,
        errors=errors,
        sides=tuple(
            side(name, [outcomes[sample.id, name] for sample in samples], errors, graded=judged is None)
            for name in (*others, reference)
        ),
        versus=tuple(
            Versus(
                candidate=name,
                comparison=compared[name],
                eighty=compare(
                    [pair for _, pair in pairs[name].pairs], margin=margin, alpha=_EIGHTY, seed=seed
                ).interval,
                left_out=pairs[name].left_out,
                tags=_tags(pairs[name].pairs, margin, seed),
                disagreements=_disagreements(pairs[name].pairs, outcomes, name, reference),
            )
            for name in others
        ),
        notes=tuple(notes),
        ended=ended,
        judge=None if judged is None else judged.controls,
    )


def verdicts(
    samples: Sequence[Sample], outcomes: Mapping[tuple[str, str], Outcome], candidates: Sequence[str], reference: str,
    *, margin: float, errors: Rule,
) -> dict[str, Verdict]:  # fmt: skip
    """The verdicts that :func:`findings` would give of these samples, and nothing else: a look at a run under way."""
    others = [name for name in candidates if name != reference]
    pairs = {name: _pairs(samples, outcomes, name, reference, errors, None).pairs for name in others}
    return verdicts_of({name: [pair for _, pair in found] for name, found in pairs.items()}, margin=margin)


class _Pairs(msgspec.Struct, frozen=True):
    pairs: list[tuple[Sample, Pair]]
    left_out: dict[str, int]


def _pairs(
    samples: Sequence[Sample],
    outcomes: Mapping[tuple[str, str], Outcome],
    name: str,
    reference: str,
    errors: Rule,
    judged: Judged | None,
) -> _Pairs:
    """The pairs that are compared, and why the others are not."""
    kept: list[tuple[Sample, Pair]] = []
    left_out: Counter[str] = Counter()
    for sample in samples:
        ours, theirs = outcomes[sample.id, name], outcomes[sample.id, reference]
        why = _reason(ours, errors) or _reason(theirs, errors)
        if ours.state in _ERRONEOUS and theirs.state in _ERRONEOUS:
            why = why or "neither has a score"
        pair = Pair(candidate=value(ours), reference=value(theirs), group=sample.group)
        if judged is not None and not why:
            found = _preferred(sample, ours, theirs, judged)
            why, pair = (found, pair) if isinstance(found, str) else ("", found)
        if why:
            left_out[why] += 1
            continue
        kept.append((sample, pair))
    return _Pairs(kept, dict(left_out))


def _preferred(sample: Sample, ours: Outcome, theirs: Outcome, judged: Judged) -> Pair | str:
    """What the judge prefers of a sample, or why that does not count; who failed to answer loses."""
    if not judged.controls.passed:
        return "the judge failed its controls"
    if ours.answer is None or theirs.answer is None:
        won = (ours.answer is not None) - (theirs.answer is not None)
        return Pair(candidate=(1 + won) / 2, reference=(1 - won) / 2, group=sample.group)
    pair = judged.pairs.get((sample.id, ours.candidate))
    if pair is None:
        return "the judge gave no verdict"
    return msgspec.structs.replace(pair, group=sample.group)


def _reason(outcome: Outcome, errors: Rule) -> str:
    """Why an outcome cannot be compared; "" where it can."""
    if outcome.state == "missing":
        return "not asked, because the run ended before"
    if outcome.state == "withheld":
        return "may not go to one of them"
    if outcome.state in ("failed", "unscored") and errors == "exclude":
        return "failed" if outcome.state == "failed" else "could not be scored"
    return ""


def value(outcome: Outcome) -> float:
    """The score of an outcome; 0 where a call or a scorer failed."""
    return 0.0 if outcome.score is None else outcome.score.value


def side(name: str, outcomes: Sequence[Outcome], errors: Rule, *, graded: bool = True) -> Side:
    """One candidate's outcomes in figures; not ``graded``: a judge compares, and no answer has a score of its own."""
    states = Counter(outcome.state for outcome in outcomes)
    counted = [one for one in outcomes if one.state == "scored" or (errors == "as-wrong" and one.state in _ERRONEOUS)]
    answers = [outcome.answer for outcome in outcomes if outcome.answer is not None]
    costs = [answer.cost for answer in answers]
    known = [cost for cost in costs if cost is not None]
    whole = sum(known, Decimal(0)) if len(known) == len(costs) else None
    seconds = [answer.seconds for answer in answers if answer.seconds > 0]
    firsts = [answer.ttft_s for answer in answers if answer.ttft_s is not None]
    used = [answer.usage for answer in answers if answer.usage is not None]
    return Side(
        name=name,
        asked=len(outcomes) - states["missing"],
        scored=states["scored"],
        failed=states["failed"],
        unscored=states["unscored"],
        withheld=states["withheld"],
        missing=states["missing"],
        mean=float(np.mean([value(one) for one in counted])) if counted and graded else None,
        cost=whole,
        paid=sum((one.cost for one in answers if one.cost is not None and not one.local), Decimal(0)),
        per_thousand=float(whole) / len(answers) * 1000 if whole is not None and answers else None,
        seconds_p50=_quantile(seconds, 0.5),
        seconds_p95=_quantile(seconds, 0.95),
        ttft_p50=_quantile(firsts, 0.5),
        ttft_p95=_quantile(firsts, 0.95),
        input_tokens=float(np.mean([one.input for one in used])) if used else None,
        output_tokens=float(np.mean([one.output for one in used])) if used else None,
        cut=sum(answer.finish == "length" for answer in answers),
        failures=_kinds(outcomes),
        doubtful=sum(map(_doubtful, answers)),
        unscorable=dict(Counter(one.why for one in outcomes if one.state == "unscored").most_common()),
        deployments=dict(Counter(answer.deployment for answer in answers if answer.deployment).most_common()),
    )


def _doubtful(answer: Answer) -> bool:
    """Whether an answer cannot have as many tokens as was said: a token has a byte at least, and not very many."""
    if answer.usage is None:
        return False
    said = len(answer.text.encode("utf-8", "replace")) + sum(len(call[0]) + len(call[1]) for call in answer.calls)
    return not said / _LONGEST_TOKEN <= answer.usage.output <= said + _MOST_HIDDEN


def _kinds(outcomes: Iterable[Outcome]) -> dict[str, int]:
    return dict(Counter(one.why.partition(":")[0] for one in outcomes if one.state == "failed").most_common())


def _quantile(values: Sequence[float], share: float) -> float | None:
    return float(np.quantile(values, share)) if values else None


def _tags(pairs: Sequence[tuple[Sample, Pair]], margin: float, seed: int) -> tuple[TagRow, ...]:
    """A row for every tag of at least two pairs, the worst first."""
    by_tag: dict[str, list[Pair]] = {}
    for sample, pair in pairs:
        for tag in sample.tags:
            by_tag.setdefault(tag, []).append(pair)
    rows = []
    for tag, found in by_tag.items():
        if len(found) < _FEWEST_PER_TAG:
            continue
        alone = compare(found, margin=margin, seed=seed)
        look = alone.at_this_look
        rows.append(
            TagRow(
                tag=tag,
                n=len(found),
                candidate=alone.candidate or 0.0,
                reference=alone.reference or 0.0,
                gap=alone.gap or 0.0,
                low=None if look is None else look.low,
                high=None if look is None else look.high,
            )
        )
    return tuple(sorted(rows, key=lambda row: (row.gap, row.tag)))


def _disagreements(
    pairs: Sequence[tuple[Sample, Pair]], outcomes: Mapping[tuple[str, str], Outcome], name: str, reference: str
) -> tuple[Disagreement, ...]:
    """The samples with different scores, the largest loss first."""
    rows = []
    for sample, pair in pairs:
        if pair.candidate == pair.reference:
            continue
        ours, theirs = outcomes[sample.id, name], outcomes[sample.id, reference]
        rows.append(
            Disagreement(
                sample=sample.id,
                line=sample.line,
                prompt=sample.prompt,
                expected=sample.expected,
                tags=sample.tags,
                candidate=_said(ours.answer, ours.why),
                reference=_said(theirs.answer, theirs.why),
                candidate_score=pair.candidate,
                reference_score=pair.reference,
                candidate_detail=_detail(ours),
                reference_detail=_detail(theirs),
                loss=pair.reference - pair.candidate,
            )
        )
    return tuple(sorted(rows, key=lambda row: (-row.loss, row.sample)))


def _said(answer: Answer | None, why: str) -> str:
    """What was answered, calls of tools included; why there is no answer."""
    if answer is None:
        return f"({why})"
    calls = "".join(f"\n{name}({arguments})" for name, arguments in answer.calls)
    return f"{answer.text}{calls}".strip()


def _detail(outcome: Outcome) -> str:
    """What the scorer said; where there is no answer, what stands in its place says it already."""
    if outcome.answer is None:
        return ""
    return outcome.why if outcome.score is None else outcome.score.detail
