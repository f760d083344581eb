"""The figures behind an evaluation against independent ones: statistics, text metrics, judges that are biased.

    python benchmarks/eval_bars.py [draws]

Statistics: McNemar, Wilson and Clopper-Pearson against scipy, Tango against the roots of its polynomial, the bootstrap
against scipy's. Bar: 1e-9 (bootstrap 1e-2). Text metrics: BLEU, chrF and ROUGE of drawn texts against sacrebleu and
rouge-score called directly. Bar: equal. Judges: one that prefers what is longer and one that prefers what stands first
compare a constant non-answer, the question repeated and a padded answer with real ones. Bar: none of them is reported
to win more than 5 %. Less than a minute on one core.
"""

from __future__ import annotations

import asyncio
import random
import re
import sys
import tempfile
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import numpy as np
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from scipy import stats as scipy_stats

from crossover.chat import (
    ChatChunk,
    ChatRequest,
    ChatResponse,
    Delta,
    EmbedRequest,
    EmbedResponse,
    Message,
    Served,
    Text,
)
from crossover.evaluation.bootstrap import bootstrap
from crossover.evaluation.calls import Candidate
from crossover.evaluation.declared import Declared
from crossover.evaluation.log import open_log
from crossover.evaluation.samples.words import Sample
from crossover.evaluation.scorers import overlap
from crossover.evaluation.scorers.words import Answered, Given
from crossover.evaluation.session import Manner, session
from crossover.stats import clopper_pearson, mcnemar, normal_quantile, tango, wilson

WORDS = """
the a refund of parcel order is was sent twice on Monday and 19.90 dollars, please! don't It's über
""".split()  # noqa: SIM905 - a sentence reads better than a list
PARTS = re.compile(r"<first>\n(.*?)\n</first>\n\n<second>\n(.*?)\n</second>", re.DOTALL)
CANARIES: dict[str, Callable[[str], str]] = {
    "null": lambda _prompt: "Thank you for your question. It deserves a careful and very considered answer. " * 5,
    "echo": lambda prompt: prompt,
    "padded": lambda prompt: (
        f"answer {prompt[-3:]}" + " To restate this once more, in other words, for completeness." * 5
    ),
}
JUDGES: dict[str, Callable[[str, str], str]] = {
    "longer": lambda one, other: "first" if len(one) > len(other) else "second" if len(other) > len(one) else "tie",
    "first": lambda _one, _other: "first",
}


def said(name: str, worst: float, bar: float) -> None:
    verdict = "within the bar" if worst <= bar else "FALLS SHORT of the bar"
    print(f"{name:<34} {worst:9.2e}  {verdict} of {bar:g}")


def statistics(draws: int, chance: random.Random) -> None:
    """The largest difference of each from an independent figure, over drawn counts."""
    sys.path.insert(0, str(Path(__file__).parents[1]))  # the tests hold ours against the same polynomial
    from tests.test_stats import quartic

    worst = dict.fromkeys(("McNemar, scipy", "Wilson, scipy", "Clopper-Pearson, scipy", "Tango, its polynomial"), 0.0)
    for _ in range(draws):
        total = chance.choice((30, 100, 400, 3000))
        wins, losses = chance.randint(1, total // 4), chance.randint(1, total // 4)
        test = scipy_stats.binomtest(wins, total)
        ends = {name: test.proportion_ci(0.95, name) for name in ("wilson", "exact")}
        pairs = {
            "McNemar, scipy": ((mcnemar(wins, losses),), (scipy_stats.binomtest(wins, wins + losses).pvalue,)),
            "Wilson, scipy": (wilson(wins, total), (ends["wilson"].low, ends["wilson"].high)),
            "Clopper-Pearson, scipy": (clopper_pearson(wins, total), (ends["exact"].low, ends["exact"].high)),
            "Tango, its polynomial": (
                tango(wins, losses, total, 0.9), quartic(wins, losses, total, normal_quantile(0.95)),
            ),
        }  # fmt: skip
        for name, (ours, theirs) in pairs.items():
            worst[name] = max(worst[name], *(abs(one - other) for one, other in zip(ours, theirs, strict=True)))
    for name, value in worst.items():
        said(name, value, 1e-9)
    far = 0.0
    for seed in range(max(draws // 40, 5)):
        data = np.random.default_rng(seed).choice([-1, -0.5, 0, 0.5, 1], 400, p=[0.1, 0.1, 0.6, 0.1, 0.1])
        values, counts = np.unique(data, return_counts=True)
        ours = bootstrap(values, counts.astype(np.float64), 0.05, seed=seed)
        found = scipy_stats.bootstrap(
            (data,), np.mean, confidence_level=0.9, n_resamples=5000, method="percentile", random_state=seed
        ).confidence_interval
        far = max(far, abs(ours[0] - found.low), abs(ours[1] - found.high))
    said("bootstrap, scipy", far, 1e-2)


def metrics(draws: int, chance: random.Random) -> None:
    """The largest difference of a score from the library's own."""
    from rouge_score.rouge_scorer import RougeScorer

    rouge = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=False)
    bleu, chrf = BLEU(effective_order=True), CHRF()
    worst = dict.fromkeys(("BLEU, sacrebleu", "chrF, sacrebleu", "ROUGE-1, rouge-score"), 0.0)
    worst |= dict.fromkeys(("ROUGE-2, rouge-score", "ROUGE-L, rouge-score"), 0.0)
    for _ in range(draws):
        one, other = (" ".join(chance.choices(WORDS, k=chance.randint(1, 30))) for _ in range(2))
        given = Given(sample=Sample(id="s", messages=()), answer=Answered(text=one), expected=(other,), argument="")
        theirs = rouge.score(other, one)
        rows = {
            "BLEU, sacrebleu": (overlap.bleu(given).value, bleu.sentence_score(one, [other]).score / 100),
            "chrF, sacrebleu": (overlap.chrf(given).value, chrf.sentence_score(one, [other]).score / 100),
            "ROUGE-1, rouge-score": (overlap.rouge(given, "1").value, theirs["rouge1"].fmeasure),
            "ROUGE-2, rouge-score": (overlap.rouge(given, "2").value, theirs["rouge2"].fmeasure),
            "ROUGE-L, rouge-score": (overlap.rouge(given, "l").value, theirs["rougeL"].fmeasure),
        }
        for name, (mine, its) in rows.items():
            worst[name] = max(worst[name], abs(mine - min(its, 1.0)))
    for name, value in worst.items():
        said(name, value, 1e-12)


class Says:
    """A model that says what a function of the last message says."""

    def __init__(self, say: Callable[[str], str]) -> None:
        self.say = say

    async def complete(self, request: ChatRequest) -> ChatResponse:
        raise NotImplementedError

    async def embed(self, request: EmbedRequest) -> EmbedResponse:
        raise NotImplementedError

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatChunk, None]:
        served = Served(request_id="r", deployment="d", model="m", zone="z", policy="p", reason="")
        yield ChatChunk(deltas=(Delta(text=self.say(request.messages[-1].text)),))
        yield ChatChunk(deltas=(Delta(finish="stop"),), served=served, last=True)


async def judged(canary: Callable[[str], str], decide: Callable[[str, str], str]) -> tuple[float, str]:
    """The share of comparisons that a canary is reported to win, and what becomes of the verdict."""

    def judge(prompt: str) -> str:
        found = PARTS.search(prompt)
        return f'{{"winner": "{decide(found[1], found[2]) if found else "tie"}"}}'

    def made(name: str, say: Callable[[str], str]) -> Candidate:
        return Candidate(name=name, backend=Says(say), model=name, identity=name)

    rows = [
        Sample(id=f"s{n}", messages=(Message("user", (Text(f"A question of some length {n:03}"),)),)) for n in range(60)
    ]
    declared = Declared(file="f", candidates=("a",), reference="r", scorer="judge:j", margin=0.05, errors="as-wrong")
    with tempfile.TemporaryDirectory() as folder, open_log(Path(folder), resume=False) as log:
        both = [made("a", canary), made("r", lambda prompt: f"answer {prompt[-3:]}")]
        done = await session(declared, rows, both, log, lookup=lambda _name: made("j", judge), manner=Manner())
    found = done.findings
    compared = found.versus[0].comparison
    closed = found.judge is not None and not found.judge.passed
    return compared.wins / found.samples, "no verdict: the gate is closed" if closed else compared.verdict


def main() -> None:
    draws = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    chance = random.Random(1)
    statistics(draws, chance)
    metrics(draws, chance)
    for name, decide in JUDGES.items():
        for kind, canary in CANARIES.items():
            share, verdict = asyncio.run(judged(canary, decide))
            said(f"{kind} before a judge for {name}", share, 0.05)
            print(f"{'':<34} {verdict}")


if __name__ == "__main__":
    main()
