"""Training: what is learned from made-up answers, parts that share nothing, promises, and what is refused."""

from __future__ import annotations

import math
from itertools import pairwise

import msgspec
import numpy as np
import pytest

from crossover.errors import InputError
from crossover.learning import artifact, curve
from crossover.learning.drift import Compared
from crossover.learning.model import Learned, decide
from crossover.learning.recalibrate import recalibrated
from crossover.learning.signals import answer_signals, prompt_signals
from crossover.learning.train import (
    Examples,
    Origin,
    Wish,
    by_group,
    gain_points,
    parts_of,
    scores_of,
    thresholds,
    train,
)

ORIGIN = Origin(made="2026-11-27", source="results", weak="small", strong="large", digest="0" * 12)
WORDS = ("river", "stone", "house", "green", "window", "paper", "cloud", "engine", "garden", "winter")


def examples(size: int, *, hint: float = 0.9, seed: int = 1, graded: bool = False) -> Examples:
    """Answers that end well where they are right, mostly (``hint``); the stronger model is right nine times of ten."""
    chance = np.random.default_rng(seed)
    signals, weak = [], []
    for _ in range(size):
        right = chance.random() < 0.6
        shown = right if chance.random() < hint else not right
        prompt = " ".join(chance.choice(WORDS, chance.integers(5, 40)))
        text = " ".join(chance.choice(WORDS, 20)) + ("\n#### 12" if shown else "\nmaybe the engine and so on")
        signals.append(answer_signals(text, asked=prompt_signals(prompt), question=prompt, finish="stop"))
        weak.append(float(right))
    strong = (chance.random(size) < 0.9).astype(float)
    scores = np.array(weak)
    return Examples(signals=tuple(signals), weak=scores * 0.9 if graded else scores, strong=strong)


def test_a_cascade_learns_what_good_answers_look_like() -> None:
    found = train(examples(800), Wish(kind="cascade"), ORIGIN)
    card = found.card
    assert (card.trained, card.calibrated, card.reported) == (320, 320, 160)
    assert card.learned
    assert card.apgr is not None
    assert card.length_apgr is not None
    assert card.apgr > card.length_apgr + 0.1
    assert card.promise is not None
    assert card.promise.bound == "exact"
    assert card.promise.kept > 0.2
    assert card.words == f"keeps {card.promise.kept * 100:.0f} % local, loses at most 5 % quality, 95 % sure"
    asked = prompt_signals("river stone")
    good = decide(found, answer_signals("so\n#### 12", asked=asked, question="river stone", finish="stop"))
    bad = decide(found, answer_signals("maybe the engine", asked=asked, question="river stone", finish="stop"))
    assert good.score is not None
    assert bad.score is not None
    assert good.score < bad.score
    assert bad.escalate
    assert any(step.threshold == found.threshold for step in card.curve)
    assert artifact.decoded(artifact.encoded(found), "policy.json") == found  # it goes through its own checks


def test_answers_that_differ_without_a_loss_are_told_apart_from_losses() -> None:
    rows = examples(800)
    assert train(rows, Wish(kind="cascade"), ORIGIN).card.promise.differs == 0  # type: ignore[union-attr]
    one_in_ten = np.arange(800) % 10 == 0
    promise = train(msgspec.structs.replace(rows, same=~one_in_ten), Wish(kind="cascade"), ORIGIN).card.promise
    assert promise is not None
    assert 0.1 * promise.kept * 0.5 < promise.differs < 0.1  # of all requests, the doubt included


def test_where_there_is_no_gap_no_share_of_it_is_told() -> None:
    rows = examples(400)
    card = train(msgspec.structs.replace(rows, strong=rows.weak * 0.9), Wish(kind="cascade"), ORIGIN).card
    assert (card.apgr, card.length_apgr) == (None, None)
    assert any(note.startswith("there is no gap to recover") for note in card.notes)


def test_noise_leaves_the_length_rule() -> None:
    chance = np.random.default_rng(3)
    prompts = [" ".join(chance.choice(WORDS, chance.integers(5, 60))) for _ in range(400)]
    long = np.array([len(prompt) for prompt in prompts])
    strong = np.ones(400)
    weak = (chance.random(400) > (long - long.min()) / (long.max() - long.min()) * 0.6).astype(float)
    rows = Examples(signals=tuple(prompt_signals(prompt) for prompt in prompts), weak=weak, strong=strong)
    found = train(rows, Wish(kind="route", method="length"), ORIGIN)
    assert not found.card.learned
    assert [row.name for row in found.features] == ["prompt.length"]
    assert "the rule on length was asked for" in found.card.notes
    usual = train(rows, Wish(kind="route"), ORIGIN)
    if not usual.card.learned:
        assert "stays: what was learned is not shown to be better" in usual.card.notes[-1]
    assert decide(usual, prompt_signals("river")).score is not None


def test_too_few_to_promise_say_how_many_more() -> None:
    found = train(examples(200), Wish(kind="cascade", loss=0.02), ORIGIN)
    assert found.threshold is None
    assert found.card.promise is None
    assert found.card.words == "cannot promise 2 %: needs 69 more"  # 149 less the 80 there are
    assert decide(found, examples(1).signals[0]).escalate


def test_recalibrations_share_the_doubt() -> None:
    wish = Wish(kind="cascade", calibrations=12, year=2026)
    found = train(examples(800), wish, ORIGIN)
    budget = found.card.budget
    assert budget is not None
    assert (budget.used, budget.calibrations) == (1, 12)
    assert budget.spent == pytest.approx(0.05 / 12)
    once = train(examples(800), Wish(kind="cascade"), ORIGIN)
    assert once.card.promise is not None
    assert found.card.promise is None or found.card.promise.kept <= once.card.promise.kept
    with pytest.raises(InputError, match="the year's chance of a broken promise is spent: 12 of 12"):
        train(examples(800), msgspec.structs.replace(wish, used=12), ORIGIN)


def test_graded_scores_are_promised_by_bets() -> None:
    found = train(examples(800, graded=True), Wish(kind="cascade", loss=0.12), ORIGIN)
    assert found.card.promise is not None
    assert found.card.promise.bound == "betting"


def test_groups_stay_together() -> None:
    groups = [f"g{number // 5}" for number in range(200)]
    parts = parts_of(200, groups, (0.4, 0.4), 0)
    held = [{groups[number] for number in part} for part in parts]
    assert not held[0] & held[1]
    assert not held[1] & held[2]
    assert sum(map(len, parts)) == 200
    assert list(by_group(np.array([0.0, 1.0, 1.0]), ["a", "a", "b"])) == [0.5, 1.0]
    rows = msgspec.structs.replace(examples(900), groups=tuple(f"g{number // 2}" for number in range(900)))
    found = train(rows, Wish(kind="cascade", loss=0.1), ORIGIN)
    assert found.card.promise is not None
    assert found.card.promise.bound == "betting"


@pytest.mark.parametrize(
    ("rows", "wish", "said"),
    [
        (examples(40), Wish(kind="cascade"), "16 prompts to train on are too few"),
        (examples(200), Wish(kind="cascade", loss=0.0), "no share between 0 and 1"),
        (examples(200), Wish(kind="cascade", confidence=1.0), "no share between 0 and 1"),
        (examples(200), Wish(kind="cascade", calibrations=0), "at least one calibration"),
        (examples(200), Wish(kind="cascade", shares=(0.6, 0.4)), "leave nothing to report"),
        (
            msgspec.structs.replace(examples(200), weak=np.ones(200), strong=np.ones(200)),
            Wish(kind="cascade"),
            "both models are equally good on every prompt",
        ),
        (
            msgspec.structs.replace(examples(200), signals=(answer_signals("a", asked=prompt_signals("b")),) * 200),
            Wish(kind="cascade"),
            "all prompts are equally long",
        ),
    ],
)
def test_what_nothing_can_be_learned_from(rows: Examples, wish: Wish, said: str) -> None:
    with pytest.raises(InputError, match=said):
        train(rows, wish, ORIGIN)


def test_a_fact_that_is_often_missing_is_not_counted_on() -> None:
    rows = examples(400)
    half = tuple(
        msgspec.structs.replace(one, agreement=float(number % 3 > 0) if number % 2 else None)
        for number, one in enumerate(rows.signals)
    )
    found = train(msgspec.structs.replace(rows, signals=half), Wish(kind="cascade"), ORIGIN)
    assert "answer.agreement" not in {row.name for row in found.features}


def test_costs_are_on_the_curve() -> None:
    rows = msgspec.structs.replace(examples(400), weak_cost=0.0001, strong_cost=0.001)
    last = train(rows, Wish(kind="cascade"), ORIGIN).card.curve[-1]
    assert last.cost == pytest.approx(0.1 + (1 - last.kept), rel=1e-3)


def test_scores_are_those_of_the_run_time() -> None:
    rows = examples(400)
    found = train(rows, Wish(kind="cascade"), ORIGIN)
    scores = scores_of(found, rows.signals[:20])
    assert list(scores) == [decide(found, one).score for one in rows.signals[:20]]
    unknown = msgspec.structs.replace(rows.signals[0], hedges=None)
    assert scores_of(found, [unknown])[0] == (math.inf if needs(found, "answer.hedges") else scores[0])


def needs(found: Learned, name: str) -> bool:
    return name in {row.name for row in found.features}


def test_thresholds_and_gains_rise() -> None:
    scores = np.random.default_rng(1).normal(size=300)
    steps = thresholds(scores)
    assert steps == sorted(set(steps))
    points = gain_points(scores, scores * 0.1)
    assert [gain for _, gain in points] == sorted(gain for _, gain in points)
    assert gain_points(scores, -scores)[0][1] == pytest.approx(float(-scores.mean()), abs=1e-4)  # one pool


def test_a_ledger_calibrates_anew() -> None:
    found = train(examples(800), Wish(kind="cascade", calibrations=12, year=2026), ORIGIN)
    chance = np.random.default_rng(2)
    middle = float(np.median([point[0] for point in found.calibration]))
    rows = [
        Compared(request=str(n), probability=0.05, kept=True, loss=float(score > middle and n % 3 == 0), score=score)
        for n, score in enumerate(chance.normal(middle, 0.3, 600))
    ]
    wish = Wish(kind="cascade", calibrations=12, used=1, year=2026)
    new = recalibrated(found, rows, wish, ORIGIN)
    assert new.heads == found.heads
    assert new.card.promise is not None
    assert new.card.budget is not None
    assert new.card.budget.used == 2
    assert new.card.calibrated == 600
    unknown = [msgspec.structs.replace(row, request=f"x{row.request}", score=None) for row in rows]
    both = recalibrated(found, [*rows, *unknown], wish, ORIGIN).card.promise
    assert both is not None
    assert both.kept <= 0.5  # what has no score is never kept
    with pytest.raises(InputError, match="no compared request has a score"):
        recalibrated(found, [], wish, ORIGIN)


def test_apgr_is_that_of_routellm() -> None:
    weak, strong = np.array([0.0, 0, 1, 1, 0, 1, 1, 1, 1, 1]), np.ones(10)
    best = strong - weak
    assert curve.apgr(best, weak, strong) > 0.8
    assert curve.apgr(-best, weak, strong) < 0.2
    assert curve.apgr(np.zeros(10), weak, strong) == pytest.approx(0.5)  # ties are chance
    # their loop: thresholds at every tenth of the scores, the trapezoid of accuracy over the share of strong calls
    scores = np.arange(10.0)[::-1]
    accuracy = [np.where(np.arange(10) < calls, strong, weak).mean() for calls in range(11)]
    area = sum((one + two) / 2 * 0.1 for one, two in pairwise(accuracy))
    expected = (area - weak.mean()) / (strong.mean() - weak.mean())
    assert curve.apgr(scores, weak, strong, points=10) == pytest.approx(expected)
    assert math.isnan(curve.apgr(scores, strong, strong))
    assert curve.auroc(np.array([3.0, 2, 1]), np.array([1.0, 0, 0])) == 1
    assert math.isnan(curve.auroc(scores, np.zeros(10)))
    difference, error = curve.area_difference(best, -best, weak, strong)
    gap = float((strong - weak).mean())
    assert difference / gap == pytest.approx(curve.apgr(best, weak, strong) - curve.apgr(-best, weak, strong))
    assert error > 0
