"""Are learned policies worth their labels, and do thresholds keep their promise? Random disjoint splits of public data.

    python benchmarks/routing_quality.py [--only gain,floor,risk,year,time] [--seed 1] [--splits 100]

Every figure is a mean over splits with two standard errors. A split draws the labelled prompts at random; all others
report. "policy" is what ships: the learned weights where cross-validation on the labelled prompts shows them to be
better, else the rule on length.

    gain   APGR (RouteLLM's formula) on MMLU (1,000 labels), GSM8K and MMLU-Pro (100 labels, a cascade)
    floor  100 labels, every data set: the 10th percentile over splits of the policy less the rule on length
    risk   thresholds for "at most 2 % / 5 % lost, 95 % sure": how often the true loss is above the limit. The
           population is all prompts that nothing was learned from; calibrations are drawn from it with replacement.
    year   the same over twelve monthly calibrations that share the 5 %: how often any of them breaks the promise
    time   of a decision, one core

Public results: RouteLLM (MMLU, GSM8K), MMLU-Pro's own, AlpacaEval; see the README beside the data. One core, minutes.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from crossover.learning import curve, fit, risk, train
from crossover.learning.features import BUCKETS, FEATURES, LENGTH_RULE, Signals
from crossover.learning.fit import Table
from crossover.learning.model import Kind, decide
from crossover.learning.signals import AnswerSignals, answer_signals, prompt_signals

Floats = NDArray[np.float64]
csv.field_size_limit(10**8)
STRONG = "gemini-1.5-pro-002"
SMALL = ("Meta-Llama-3_1-8B-Instruct", "Phi-3-mini-4k-instruct", "mathstral-7B", "Mixtral-8x7B-Instruct-v0.1")
LIMITS = (0.02, 0.05)
JUDGED = ("Mixtral-8x7B-Instruct-v0.1_concise", "gpt4_0613_concise")


class Set(msgspec.Struct, frozen=True):
    """A data set with one local and one stronger model."""

    name: str
    kind: Kind
    signals: tuple[Signals, ...]
    weak: Floats
    strong: Floats

    @property
    def table(self) -> Table:
        names = [name for name in FEATURES if self.kind == "cascade" or name.startswith("prompt.")]
        found = fit.table_of(self.signals, names, words=self.kind == "route", buckets=BUCKETS)
        return fit.columns(found, fit.usable(found))


def folder() -> Path | None:
    place = os.environ.get("CROSSOVER_TEST_DATA", "")
    root = Path(place) if place else Path(__file__).resolve().parents[2] / "shared" / "data"
    return root / "routing" if (root / "routing").is_dir() else None


def sets(data: Path) -> Iterator[Set]:
    rows = list(csv.DictReader((data / "routellm_mmlu.csv").open(newline="", encoding="utf-8")))
    prompts = tuple(prompt_signals(row["prompt"]) for row in rows)
    yield Set("MMLU", "route", prompts, column(rows, "weak_correct"), column(rows, "strong_correct"))
    told = [json.loads(line) for line in (data / "routellm_gsm8k.jsonl").open(encoding="utf-8")]
    prompts = tuple(prompt_signals(row["prompt"]) for row in told)
    answers = tuple(
        answer_signals(row["weak_response"], asked=asked, question=row["prompt"])
        for row, asked in zip(told, prompts, strict=True)
    )
    weak, strong = column(told, "weak_correct"), column(told, "strong_correct")
    yield Set("GSM8K", "cascade", answers, weak, strong)
    yield Set("GSM8K, prompt only", "route", prompts, weak, strong)
    rows = list(csv.DictReader((data / "mmlupro.csv").open(newline="", encoding="utf-8")))
    prompts = tuple(prompt_signals(row["prompt"]) for row in rows)
    strong = right(rows, STRONG)
    for name in SMALL:
        other = SMALL[1] if name == SMALL[0] else SMALL[0]
        found = tuple(
            AnswerSignals(
                chars=int(float(row[f"{name}|chars"] or 0)), asked=asked,
                agreement=float(row[f"{name}|pred"] == row[f"{other}|pred"]),
            )
            for row, asked in zip(rows, prompts, strict=True)
        )  # fmt: skip
        yield Set(f"MMLU-Pro, {name[:12]}", "cascade", found, right(rows, name), strong)
    yield Set("MMLU-Pro, prompt only", "route", prompts, right(rows, SMALL[0]), strong)
    told = [json.loads(line) for line in (data / "alpacaeval.jsonl").open(encoding="utf-8")]
    for name in JUDGED:
        weak = np.array([row["p_win_vs_reference"][name] for row in told])
        found = tuple(
            AnswerSignals(chars=row["output_chars"][name], asked=prompt_signals(row["prompt"])) for row in told
        )
        yield Set(f"AlpacaEval, {name[:9]}", "cascade", found, weak, np.full(len(told), 0.5))


def column(rows: Sequence[dict[str, str]], name: str) -> Floats:
    return np.array([float(row[name]) for row in rows])


def right(rows: Sequence[dict[str, str]], name: str) -> Floats:
    return np.array([float(row[f"{name}|pred"] == row["answer"]) for row in rows])


# --------------------------------------------------------------------------------------------------------------- splits


class Split(msgspec.Struct, frozen=True):
    """What one split gave on the prompts that were not labelled."""

    learned: float
    policy: float
    length: float
    auroc: float


def splits(one: Set, labels: int, count: int, seed: int, repeats: int = train.REPEATS) -> list[Split]:
    table, chance, found = one.table, np.random.default_rng(seed), []
    length = table.values[:, table.names.index(LENGTH_RULE)]
    for number in range(count):
        order = chance.permutation(len(one.weak))
        inside, outside = order[:labels], order[labels:]
        part, weak, strong = table.rows(inside), one.weak[inside], one.strong[inside]
        compared = train.cross_validate(part, weak, strong, one.kind, seed=number, repeats=repeats)
        scores = train.fitted(part, weak, strong, one.kind).scores(table.rows(outside))
        weak, strong = one.weak[outside], one.strong[outside]
        learned, ruled = curve.apgr(scores, weak, strong), curve.apgr(length[outside], weak, strong)
        found.append(
            Split(learned, learned if compared.better(one.kind) else ruled, ruled, curve.auroc(scores, 1 - weak))
        )
    return found


def mean(values: Sequence[float]) -> str:
    spread = 2 * statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return f"{statistics.fmean(values):.3f} ± {spread:.3f}"


def judged(value: float, bar: float, *, most: bool = False) -> str:
    good = value <= bar if most else value >= bar
    return f"bar {'≤' if most else '≥'} {bar:g}: {'pass' if good else 'FALLS SHORT'}"


def gain(several: Sequence[Set], seed: int, count: int) -> None:
    print("\nAPGR of learned policies, mean ± 2 standard errors over splits (chance .5)")
    for one in several:
        if one.name == "MMLU":
            found = splits(one, 1_000, min(count, 24), seed, repeats=2)
            bar = 0.603
        elif one.name == "GSM8K":
            found, bar = splits(one, 100, max(count, 100), seed), 0.68
        else:
            continue
        line(one.name, 1_000 if one.name == "MMLU" else 100, found)
        print(f"    policy: {judged(statistics.fmean(each.policy for each in found), bar)}")
    pro = [one for one in several if one.name.startswith("MMLU-Pro") and one.kind == "cascade"]
    everything: list[Split] = []
    for one in pro:
        found = splits(one, 100, max(count // 4, 10), seed)
        line(one.name, 100, found)
        everything += found
    if everything:
        line("MMLU-Pro, all four", 100, everything)
        print(f"    learned: {judged(statistics.fmean(each.learned for each in everything), 0.64)}")
        print(f"    policy: {judged(statistics.fmean(each.policy for each in everything), 0.64)}")
        print(f"    AUROC: {judged(statistics.fmean(each.auroc for each in everything), 0.75)}")


def line(name: str, labels: int, found: Sequence[Split]) -> None:
    print(
        f"  {name}, {labels:,} labels, {len(found)} splits: learned {mean([each.learned for each in found])}, "
        f"policy {mean([each.policy for each in found])}, length {mean([each.length for each in found])}, "
        f"AUROC of wrong {mean([each.auroc for each in found])}"
    )


def floor(several: Sequence[Set], seed: int, count: int) -> None:
    print("\n100 labels: 10th percentile over splits of policy − length rule, on the same prompts")
    for one in several:
        found = splits(one, 100, max(count // 2, 20), seed + 1)
        below = float(np.percentile([each.policy - each.length for each in found], 10))
        open_share = statistics.fmean(each.policy != each.length for each in found)
        print(
            f"  {one.name:28} policy {mean([each.policy for each in found])}, length "
            f"{statistics.fmean(each.length for each in found):.3f}, learned in {open_share:.0%}: {below:+.3f}, "
            f"{judged(below, -0.01)}"
        )


# ----------------------------------------------------------------------------------------------------------------- risk


def promises(several: Sequence[Set], seed: int, repeats: int, months: int) -> None:
    what = "one calibration of 500" if months == 1 else f"a year of {months} calibrations of 500 sharing the 5 %"
    print(f"\nBroken promises, {what}; {repeats} repeats a row")
    for one in several:
        if one.name not in ("MMLU", "GSM8K") and not one.name.startswith(("MMLU-Pro, Meta", "AlpacaEval, Mix")):
            continue
        table, chance = one.table, np.random.default_rng(seed)
        words = fit.spread_words(table, BUCKETS) if table.words else None
        broken, kept = dict.fromkeys(LIMITS, 0), {limit: list[float]() for limit in LIMITS}
        for _ in range(repeats):
            for limit, (bad, share) in _year(one, table, words, chance, months).items():
                broken[limit] += bad
                kept[limit].append(share)
        allowed = 0.05 + 2 * (0.05 * 0.95 / repeats) ** 0.5
        for limit in LIMITS:
            rate = broken[limit] / repeats
            print(
                f"  {one.name:28} at most {limit:.0%}: broken {rate:.1%}, keeps {statistics.fmean(kept[limit]):.1%}; "
                f"{judged(rate, round(allowed, 4), most=True)}"
            )


def _year(
    one: Set, table: Table, words: NDArray[np.float32] | None, chance: np.random.Generator, months: int
) -> dict[float, tuple[bool, float]]:
    """Train once on 100 prompts, then calibrate each month on fresh draws from the rest: (broken, kept) by limit."""
    order = chance.permutation(len(one.weak))
    inside, outside = order[:100], order[100:]
    made = train.fitted(table.rows(inside), one.weak[inside], one.strong[inside], one.kind)
    steps = train.thresholds(made.scores(table.rows(inside)))
    scores = _scores(made, table, words)[outside]
    losses = train.losses_of(one.weak[outside], one.strong[outside])
    test: risk.Test = "exact" if bool(np.isin(losses, (0.0, 1.0)).all()) else "betting"
    found: dict[float, tuple[bool, float]] = {}
    for limit in LIMITS:
        bad, kept = False, []
        for _ in range(months):
            drawn = chance.integers(0, len(outside), 500)
            chosen = risk.choose(scores[drawn], losses[drawn], steps, limit=limit, delta=0.05 / months, test=test)
            stays = scores <= chosen.threshold if chosen.threshold is not None else np.zeros(len(scores), dtype=bool)
            bad |= float(np.where(stays, losses, 0.0).mean()) > limit
            kept.append(float(stays.mean()))
        found[limit] = bad, statistics.fmean(kept)
    return found


def _scores(made: train.Ensemble, table: Table, words: NDArray[np.float32] | None) -> Floats:
    """The scores of all prompts; the rows of words are handed in, because they are the same each time."""
    total = np.zeros(len(table.values))
    for share, one in made.fits:
        found = fit.scaled(fit.columns(table, one.names), one.centre, one.spread) @ one.weights + one.bias
        if one.words is not None and words is not None:
            found += words @ one.words.astype(np.float32)
        total += share * found
    return total


# ----------------------------------------------------------------------------------------------------------------- time


def times(several: Sequence[Set], data: Path) -> None:
    print("\nTime of a decision, CPU time of one core, signals included")
    by_name = {one.name: one for one in several}
    origin = train.Origin(made="2026-01-01", source="benchmark", weak="local", strong="api", digest="0" * 12)
    for name, kind, bar in (("MMLU", "route", 1_000.0), ("GSM8K", "cascade", 100.0)):
        one = by_name[name]
        few = np.arange(min(len(one.weak), 1_500))
        rows = train.Examples(signals=tuple(one.signals[n] for n in few), weak=one.weak[few], strong=one.strong[few])
        wish = train.Wish(kind=one.kind, loss=0.2, method="learned")
        learned = train.train(rows, wish, origin)
        told = [json.loads(line) for line in (data / "routellm_gsm8k.jsonl").open(encoding="utf-8")]
        prompt = " ".join(row["prompt"] for row in told)[:2_048]
        if kind == "route":
            took = _timed(lambda learned=learned, prompt=prompt: decide(learned, prompt_signals(prompt)))  # type: ignore[misc]
            print(f"  route, a prompt of 2 kB: p50 {took:.0f} µs; {judged(took, bar, most=True)}")
            continue
        pairs = [(-0.01 * (n % 50), -2.0) for n in range(120)]
        row = sorted(told, key=lambda each: len(each["weak_response"]))[len(told) // 2]
        asked = prompt_signals(row["prompt"])
        took = _timed(
            lambda learned=learned, row=row, asked=asked, pairs=pairs: decide(  # type: ignore[misc]
                learned, answer_signals(row["weak_response"], asked=asked, question=row["prompt"], logprobs=pairs)
            )
        )
        size = len(row["weak_response"])
        print(
            f"  cascade, an answer of {size} characters, 120 tokens: p50 {took:.0f} µs; {judged(took, bar, most=True)}"
        )


def _timed(work: Callable[[], object]) -> float:
    for _ in range(50):
        work()
    found = []
    for _ in range(2_000):
        began = time.thread_time()
        work()
        found.append(time.thread_time() - began)
    return statistics.median(found) * 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="gain,floor,risk,year,time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--splits", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=200)
    asked = parser.parse_args()
    data = folder()
    if data is None:
        print("No shared data (set CROSSOVER_TEST_DATA to its folder): the quality of routing was not measured.")
        return 0
    several = list(sets(data))
    wanted = asked.only.split(",")
    if "gain" in wanted:
        gain(several, asked.seed, asked.splits)
    if "floor" in wanted:
        floor(several, asked.seed, asked.splits)
    if "risk" in wanted:
        promises(several, asked.seed, asked.repeats, 1)
    if "year" in wanted:
        promises(several, asked.seed + 2, asked.repeats, 12)
    if "time" in wanted:
        times(several, data)
    return 0


if __name__ == "__main__":
    sys.exit(main())
