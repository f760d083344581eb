"""Training a policy from answers of two models to the same prompts: fit, cross-validate, calibrate, report.

Three parts that share no prompt (and no group of prompts): on the first weights are fitted, and cross-validation says
whether they beat the rule on length alone; on the second the threshold is chosen by exact risk control; on the third
the curve is drawn. What is promised never comes from prompts that something was learned from.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from crossover.errors import InputError
from crossover.learning import curve, fit, risk
from crossover.learning.features import BUCKETS, FEATURES, LENGTH_RULE, Signals
from crossover.learning.fit import Fit, Table
from crossover.learning.model import Budget, Card, Head, Kind, Learned, Promise, Scaled, Step, score

Floats = NDArray[np.float64]
FOLDS, REPEATS = 5, 4
QUICK = 1_000  # prompts; with more, cross-validation is sure enough after one round, and each takes long
LEAST = 30  # prompts to train on; below, a fit says nothing
LINE_LABELS = 30.0  # how many labels "length says nothing" is worth, for the line that the fit is held against
MANY = 300  # labels from which on cross-validation is believed where prompts are all that is known
STEPS = 200  # thresholds that are tested
LEAST_GAP = 0.01  # between the models' scores; below, a share of it is noise
DOUBT = 0.05  # of the bound on answers that differ and lose nothing
POINTS = 20  # of the curve
DIGITS = 6
SMALL_WORD = 1e-3  # of the largest weight of a word: below, it is left out of the file


class Examples(msgspec.Struct, frozen=True, kw_only=True):
    """Prompts that two models answered. Scores lie in [0, 1]; ``groups`` (empty: none) hold prompts together.

    ``same``: whether both gave the same answer (None: the answers are not there). ``weak_cost`` and ``strong_cost`` are
    mean dollars a request, where they are known.
    """

    signals: tuple[Signals, ...]
    weak: Floats
    strong: Floats
    groups: tuple[str, ...] = ()
    same: NDArray[np.bool_] | None = None
    weak_cost: float | None = None
    strong_cost: float | None = None

    def rows(self, index: NDArray[np.intp]) -> Examples:
        """Some of them."""
        return msgspec.structs.replace(
            self,
            signals=tuple(self.signals[number] for number in index),
            weak=self.weak[index],
            strong=self.strong[index],
            groups=tuple(self.groups[number] for number in index) if self.groups else (),
            same=None if self.same is None else self.same[index],
        )


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What is wanted: at most ``loss`` lost, so sure, with so many ``calibrations`` in a year sharing the doubt.

    ``used`` of them were made before. ``shares`` are the parts for training and calibration; the rest reports.
    ``method`` None: learned where cross-validation shows it is better, else the length rule.
    """

    kind: Kind
    loss: float = 0.05
    confidence: float = 0.95
    calibrations: int = 1
    used: int = 0
    year: int = 0
    shares: tuple[float, float] = (0.4, 0.4)
    seed: int = 0
    method: Literal["learned", "length"] | None = None


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """What the card says about where the answers came from. ``made`` is the day of training."""

    made: str
    source: str
    weak: str
    strong: str
    digest: str
    notes: tuple[str, ...] = ()


class Validated(msgspec.Struct, frozen=True, kw_only=True):
    """Cross-validation: APGR of the fit and of the length rule; the difference of their areas and its standard error.

    The areas are mean quality over all shares of strong calls. ``sharper`` is by how much less the fit errs (mean
    squared error of the gain) than a line on length. ``scores`` are the fit's for prompts it had not seen, in the order
    of the training part.
    """

    learned: float
    length: float
    difference: float
    error: float
    sharper: float
    scores: Floats

    def better(self, kind: Kind) -> bool:
        """Whether the fit may take the place of the length rule: it ranks better, or it predicts the gain better.

        Either is enough where signals of answers are looked at, which say more than length, or where labels are many:
        the fit begins at the length rule and leaves it only as far as labels lead. Else both are needed: with so few,
        one of them is often chance (``benchmarks/routing_quality.py``, "floor").
        """
        if kind == "route" and len(self.scores) < MANY:
            return self.difference > 0 and self.sharper > 0
        return self.difference > 0 or self.sharper > 0


# ----------------------------------------------------------------------------------------------------------------- fits


class Ensemble(msgspec.Struct, frozen=True):
    """Fits with their shares of the score."""

    fits: tuple[tuple[float, Fit], ...]

    def scores(self, table: Table) -> Floats:
        """The score of each row."""
        return np.asarray(sum(share * fit.predicted(one, table) for share, one in self.fits), dtype=np.float64)


def fitted(table: Table, weak: Floats, strong: Floats, kind: Kind) -> Ensemble:
    """A ridge on the gain; for a cascade joined by a logistic regression on the local answer being wrong."""
    gains = strong - weak
    first = fit.ridge(table, gains, BUCKETS)
    if kind == "route" or not _answers(table.names):
        return Ensemble(((1.0, first),))
    second = fit.logistic(table, 1 - weak)
    wide = [float(fit.predicted(one, table).std()) for one in (first, second)]
    ratio = wide[0] / wide[1] if wide[1] > 1e-12 and wide[0] > 1e-12 else 0.0
    return Ensemble(((0.5, first), (0.5 * ratio, second)))


def length_only(table: Table) -> Ensemble:
    """The rule without training."""
    return Ensemble(((1.0, fit.length_rule(fit.columns(table, [LENGTH_RULE]))),))


def cross_validate(
    table: Table, weak: Floats, strong: Floats, kind: Kind, *, seed: int, repeats: int = REPEATS
) -> Validated:
    """Fit on four fifths, rank the last fifth; all fifths in turn, ``repeats`` times over with other fifths."""
    size, gains = len(weak), strong - weak
    length = table.values[:, table.names.index(LENGTH_RULE)]
    chance = np.random.default_rng(seed)
    total, middles, sharper = np.zeros(size), 0.0, 0.0
    each: list[tuple[float, float, float, float]] = []
    for _ in range(repeats):
        fold = chance.permutation(size) % FOLDS
        found = np.zeros(size)
        for number in range(FOLDS):
            inside, outside = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
            made = fitted(table.rows(inside), weak[inside], strong[inside], kind)
            # Less its mean: where a fold holds many gains the rest holds few, and the fits' means would turn the order.
            middle = float(made.scores(table.rows(inside)).mean())
            found[outside] = made.scores(table.rows(outside)) - middle
            middles += middle / FOLDS
            errs = gains[outside] - fit.predicted(made.fits[0][1], table.rows(outside))
            line = _line(length[inside], gains[inside], length[outside])
            sharper += float(((gains[outside] - line) ** 2 - errs**2).sum()) / size
        difference, error = curve.area_difference(found, length, weak, strong)
        each.append((curve.apgr(found, weak, strong), curve.apgr(length, weak, strong), difference, error))
        total += found
    learned, ruled, difference, error = (float(np.mean(column)) for column in zip(*each, strict=True))
    return Validated(
        learned=learned, length=ruled, difference=difference, error=error, sharper=sharper / repeats,
        scores=(total + middles) / repeats,
    )  # fmt: skip


def _line(length: Floats, gains: Floats, asked: Floats) -> Floats:
    """The gain by a straight line on length that does not fall, at other lengths."""
    centre, spread = float(length.mean()), float(length.std()) or 1.0
    slope = float(((length - centre) / spread) @ (gains - gains.mean())) / (len(gains) + LINE_LABELS)
    return np.asarray(gains.mean() + max(slope, 0.0) * (asked - centre) / spread, dtype=np.float64)


def _answers(names: Sequence[str]) -> bool:
    return any(name.startswith("answer.") for name in names)


# ---------------------------------------------------------------------------------------------------------------- parts


def parts_of(size: int, groups: Sequence[str], shares: tuple[float, float], seed: int) -> list[NDArray[np.intp]]:
    """Indices of the parts for training, calibration and the report. A group is in one part only."""
    chance = np.random.default_rng(seed)
    names = list(dict.fromkeys(groups)) if groups else []
    units = len(names) if groups else size
    order = chance.permutation(units)
    first, second = round(units * shares[0]), round(units * (shares[0] + shares[1]))
    pieces = (order[:first], order[first:second], order[second:])
    if not groups:
        return [np.sort(piece) for piece in pieces]
    place = {name: number for number, name in enumerate(names)}
    unit = np.array([place[group] for group in groups])
    return [np.flatnonzero(np.isin(unit, piece)) for piece in pieces]


def losses_of(weak: Floats, strong: Floats) -> Floats:
    """What is lost by keeping a prompt: how much better the stronger model's answer is."""
    return np.maximum(strong - weak, 0.0)


def differing(part: Examples, kept: NDArray[np.bool_]) -> float:
    """A bound (95 % sure) on the share that is kept, differs from the stronger model's answer, and loses nothing."""
    if part.same is None:
        return 0.0
    found = by_group((kept & ~part.same & (losses_of(part.weak, part.strong) == 0)).astype(np.float64), part.groups)
    return float(f"{risk.upper(found, DOUBT, 'betting' if part.groups else 'exact'):.4g}")


def by_group(values: Floats, groups: Sequence[str]) -> Floats:
    """The mean of each group; the values themselves where there are no groups."""
    if not groups:
        return values
    _, places = np.unique(np.array(groups), return_inverse=True)
    return np.asarray(np.bincount(places, values) / np.bincount(places), dtype=np.float64)


# ------------------------------------------------------------------------------------------------------------- training


def train(examples: Examples, wish: Wish, origin: Origin) -> Learned:
    """A policy with its card. Raises InputError where there is too little or nothing to learn from."""
    delta = delta_of(wish)
    train_at, calibrate_at, report_at = parts_of(len(examples.weak), examples.groups, wish.shares, wish.seed)
    if len(train_at) < LEAST:
        raise InputError(
            f"{len(train_at)} prompts to train on are too few: at least {LEAST} are needed",
            hint=f"Bring {math.ceil(LEAST / wish.shares[0])} prompts that both models answered",
        )
    if len(train_at) > fit.MOST_ROWS:
        train_at = np.sort(np.random.default_rng(wish.seed).choice(train_at, fit.MOST_ROWS, replace=False))
    part = examples.rows(train_at)
    table = _table(part, wish.kind)
    repeats = REPEATS if len(train_at) <= QUICK else 1
    compared = cross_validate(table, part.weak, part.strong, wish.kind, seed=wish.seed, repeats=repeats)
    use = wish.method == "learned" or (wish.method is None and compared.better(wish.kind))
    made = fitted(table, part.weak, part.strong, wish.kind) if use else length_only(table)
    seen = compared.scores if use else made.scores(fit.columns(table, [LENGTH_RULE]))
    bare = Learned(
        version=1, kind=wish.kind, features=_features(made), heads=(_head(made),),
        calibration=gain_points(seen, part.strong - part.weak), threshold=None, card=_card(origin), buckets=BUCKETS,
    )  # fmt: skip
    steps = thresholds(seen)
    calibration = examples.rows(calibrate_at)
    chosen = _chosen(bare, calibration, steps, wish, delta)
    promise = None
    if chosen.threshold is not None:
        promise = Promise(
            loss=wish.loss, confidence=wish.confidence, kept=chosen.kept,
            bound="exact" if chosen.test == "exact" else "betting", observed=chosen.observed,
            differs=differing(calibration, scores_of(bare, calibration.signals) <= chosen.threshold),
        )  # fmt: skip
    card = msgspec.structs.replace(
        bare.card,
        trained=len(train_at), calibrated=len(calibrate_at), reported=len(report_at),
        promise=promise, words=promise_words(chosen, wish), learned=use,
        gain_over_length=(round(compared.difference, 4), round(2 * compared.error, 4)),
        budget=Budget(
            delta=round(1 - wish.confidence, 9), calibrations=wish.calibrations, year=wish.year,
            used=wish.used + 1, spent=round(delta * (wish.used + 1), 9),
        ),
        notes=(*origin.notes, *_notes(compared, use, wish, float((part.strong - part.weak).mean()))),
    )  # fmt: skip
    card = _reported(card, bare, examples.rows(report_at), steps, chosen.threshold)
    return msgspec.structs.replace(bare, threshold=chosen.threshold, card=_doubted(card, chosen.threshold))


def thresholds(scores: Floats) -> list[float]:
    """The places of the training's own scores that are tested, rising."""
    places = np.quantile(scores, np.linspace(0, 1, STEPS + 1)[1:])
    return sorted({_rounded(float(place)) for place in places})


def scores_of(learned: Learned, signals: Sequence[Signals]) -> Floats:
    """Scores as they are when a request is decided on; infinity where a fact is missing, which always escalates."""
    found = (score(learned, one) for one in signals)
    return np.array([math.inf if value is None else value for value in found])


def gain_points(scores: Floats, gains: Floats) -> tuple[tuple[float, float], ...]:
    """The expected gain by score: means of up to eight parts of equal size, made to rise (pool adjacent violators)."""
    order = np.argsort(scores, kind="stable")
    blocks: list[list[float]] = []  # sum of scores, sum of gains, count
    for piece in np.array_split(order, min(8, max(len(order) // 12, 1))):
        blocks.append([float(scores[piece].sum()), float(gains[piece].sum()), float(len(piece))])
        while len(blocks) > 1 and blocks[-2][1] / blocks[-2][2] >= blocks[-1][1] / blocks[-1][2]:
            last = blocks.pop()
            blocks[-1] = [one + other for one, other in zip(blocks[-1], last, strict=True)]
    return tuple((_rounded(s / n), _rounded(g / n)) for s, g, n in blocks)


def promise_words(chosen: risk.Chosen, wish: Wish) -> str:
    """The promise, or what it lacks, as one sentence."""
    limit = f"{wish.loss * 100:g} %"
    if chosen.threshold is not None:
        sure = f"{wish.confidence * 100:g} % sure"
        return f"keeps {chosen.kept * 100:.0f} % local, loses at most {limit} quality, {sure}"
    if chosen.needed is None:
        return f"cannot promise {limit}: the local model loses too much even where it is surest"
    return f"cannot promise {limit}: needs {chosen.needed:,} more"


# --------------------------------------------------------------------------------------------------------------- pieces


def delta_of(wish: Wish) -> float:
    """The chance of a broken promise that this calibration may spend. Raises InputError where none is left."""
    for name, value, low, high in (("--loss", wish.loss, 0, 1), ("--confidence", wish.confidence, 0, 1)):
        if not low < value < high:
            raise InputError(f"{value:g} is no share between 0 and 1", field=name)
    if wish.calibrations < 1:
        raise InputError("there is at least one calibration a year", field="--calibrations")
    if wish.used >= wish.calibrations:
        raise InputError(
            f"the year's chance of a broken promise is spent: {wish.used} of {wish.calibrations} calibrations are made",
            field="--calibrations",
            hint="Train from new results with a larger --calibrations; each then needs more prompts",
        )  # fmt: skip
    if min(wish.shares) <= 0 or sum(wish.shares) >= 1:
        raise InputError("the parts for training and calibration leave nothing to report", field="--shares")
    return (1 - wish.confidence) / wish.calibrations


def _table(part: Examples, kind: Kind) -> Table:
    names = [name for name in FEATURES if kind == "cascade" or name.startswith("prompt.")]
    table = fit.table_of(part.signals, names, words=kind == "route", buckets=BUCKETS)
    kept = fit.usable(table)
    if LENGTH_RULE not in kept:
        raise InputError("all prompts are equally long: there is no rule on length to compare with")
    if float(np.abs(part.strong - part.weak).max()) == 0:
        raise InputError(
            "both models are equally good on every prompt: there is nothing to learn, keep the cheaper one"
        )
    return fit.columns(table, kept)


def _chosen(bare: Learned, part: Examples, steps: list[float], wish: Wish, delta: float) -> risk.Chosen:
    losses = losses_of(part.weak, part.strong)
    scores = scores_of(bare, part.signals)
    binary = not part.groups and bool(np.isin(losses, (0.0, 1.0)).all())
    if not part.groups:
        test: risk.Test = "exact" if binary else "betting"
        return risk.choose(scores, losses, steps, limit=wish.loss, delta=delta, test=test)
    best: risk.Chosen | None = None
    for step in steps:  # of groups the mean loss at each step is one observation
        grouped = by_group(np.where(scores <= step, losses, 0.0), part.groups)
        found = risk.choose(np.zeros(len(grouped)), grouped, [0.0], limit=wish.loss, delta=delta, test="betting")
        if found.threshold is None:
            return best or msgspec.structs.replace(found, kept=0.0)
        best = msgspec.structs.replace(found, threshold=step, kept=float((scores <= step).mean()))
    assert best is not None
    return best


def _features(made: Ensemble) -> tuple[Scaled, ...]:
    first = made.fits[0][1]
    return tuple(
        Scaled(name=name, centre=_rounded(float(first.centre[place])), spread=_rounded(float(first.spread[place])))
        for place, name in enumerate(first.names)
    )


def _head(made: Ensemble) -> Head:
    """The fits as one: sums of sums with fixed shares are a sum, which is faster to decide by."""
    weights = sum(share * one.weights for share, one in made.fits)
    words: dict[int, float] = {}
    found = sum(share * one.words for share, one in made.fits if one.words is not None)
    if isinstance(found, np.ndarray):
        least = SMALL_WORD * float(np.abs(found).max())
        words = {bucket: float(f"{weight:.3g}") for bucket, weight in enumerate(found) if abs(weight) > least}
    return Head(
        bias=_rounded(sum(share * one.bias for share, one in made.fits)),
        weights=tuple(_rounded(float(weight)) for weight in np.asarray(weights)), words=words,
    )  # fmt: skip


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def _card(origin: Origin) -> Card:
    return Card(
        made=origin.made, source=origin.source, weak=origin.weak, strong=origin.strong, digest=origin.digest,
        trained=0, calibrated=0, reported=0, promise=None, words="not calibrated",
    )  # fmt: skip


def _notes(compared: Validated, use: bool, wish: Wish, gap: float) -> tuple[str, ...]:
    quality = f"mean quality {compared.difference:+.4f} ± {2 * compared.error:.4f}"
    found = (
        f"in cross-validation it recovers {compared.learned:.3f} of the gap (APGR), the rule on length "
        f"{compared.length:.3f}; {quality}"
    )
    if gap < LEAST_GAP:  # a share of nothing says nothing
        found = (
            f"there is no gap to recover: the stronger model is {gap * 100:+.1f} points better on the prompts to learn "
            f"from; against the rule on length {quality}"
        )
    if use and wish.method is None:
        return (found,)
    if use:
        return (found, "the learned weights were asked for")
    why = "was asked for" if wish.method == "length" else "stays: what was learned is not shown to be better"
    return (found, f"the rule on length {why}")


def _reported(card: Card, bare: Learned, part: Examples, steps: list[float], chosen: float | None) -> Card:
    if len(part.weak) < 2:
        return card
    scores = scores_of(bare, part.signals)
    length = np.array([FEATURES[LENGTH_RULE].read(one) or 0.0 for one in part.signals])
    finite = np.where(np.isfinite(scores), scores, np.finfo(float).max)
    gap = bool(float((part.strong - part.weak).mean()) >= LEAST_GAP)
    return msgspec.structs.replace(
        card,
        apgr=_maybe(curve.apgr(finite, part.weak, part.strong)) if gap else None,
        length_apgr=_maybe(curve.apgr(length, part.weak, part.strong)) if gap else None,
        weak_score=round(float(part.weak.mean()), 4),
        strong_score=round(float(part.strong.mean()), 4),
        curve=curve_of(bare, part, steps, chosen),
    )


def curve_of(learned: Learned, part: Examples, steps: Sequence[float], chosen: float | None = None) -> tuple[Step, ...]:
    """Kept, quality, loss and cost on some prompts, at about twenty of the thresholds and the ``chosen`` one."""
    scores = scores_of(learned, part.signals)
    losses = losses_of(part.weak, part.strong)
    some = {steps[place] for place in np.unique(np.linspace(0, len(steps) - 1, POINTS).round().astype(int))}
    found = []
    for step in sorted(some if chosen is None else some | {chosen}):
        kept = scores <= step
        quality = np.where(kept, part.weak, part.strong)
        share = float(kept.mean())
        found.append(
            Step(
                threshold=step,
                kept=round(share, 4),
                quality=round(float(quality.mean()), 4),
                loss=round(float(np.where(kept, losses, 0.0).mean()), 4),
                cost=_cost(learned.kind, part, share),
            )
        )
    return tuple(found)


def _cost(kind: Kind, part: Examples, kept: float) -> float | None:
    """Dollars per 1,000 requests. A cascade pays the local call always."""
    if part.weak_cost is None or part.strong_cost is None:
        return None
    local = 1.0 if kind == "cascade" else kept
    return _rounded(1_000 * (local * part.weak_cost + (1 - kept) * part.strong_cost))


def _doubted(card: Card, threshold: float | None) -> Card:
    """The card, with a note where more was lost in the report's part than is promised."""
    used = next((step for step in card.curve if step.threshold == threshold), None)
    if used is None or card.promise is None or used.loss <= card.promise.loss:
        return card
    note = (
        f"on the {card.reported:,} prompts to report {used.loss * 100:.3g} % was lost, more than promised: with few "
        "prompts that happens by chance; with many, the prompts are no random sample of one task"
    )
    return msgspec.structs.replace(card, notes=(*card.notes, note))


def _maybe(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None


__all__ = ["Examples", "Origin", "Wish", "cross_validate", "train"]
