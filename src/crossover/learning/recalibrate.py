"""A new threshold for a policy in use, from requests that chance drew and both models answered.

The weights stay; only the threshold is chosen anew, by the same exact risk control, and a further part of the year's
chance of a broken promise is spent. No text is needed: the record keeps scores and losses.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from crossover.errors import InputError
from crossover.learning import risk
from crossover.learning.drift import Compared, even
from crossover.learning.model import Budget, Learned, Promise
from crossover.learning.train import STEPS, Origin, Wish, delta_of, promise_words


def recalibrated(learned: Learned, rows: Sequence[Compared], wish: Wish, origin: Origin) -> Learned:
    """The same policy with a threshold of these rows. Raises InputError where no row has a score."""
    delta = delta_of(wish)
    fair = even(rows)
    if all(row.score is None for row in fair):
        raise InputError(
            "no compared request has a score of this policy",
            hint="Let chance draw some: watch.explore of the alias; or train from results",
        )
    # without a score too little was known of a request: it is never kept, and counts among all requests
    scores = np.array([math.inf if row.score is None else row.score for row in fair])
    losses = np.array([row.loss for row in fair], dtype=np.float64)
    test: risk.Test = "exact" if bool(np.isin(losses, (0.0, 1.0)).all()) else "betting"
    chosen = risk.choose(scores, losses, steps_of(learned), limit=wish.loss, delta=delta, test=test)
    promise = None
    if chosen.threshold is not None:
        promise = Promise(
            loss=wish.loss, confidence=wish.confidence, kept=chosen.kept,
            bound="exact" if test == "exact" else "betting", observed=chosen.observed,
        )  # fmt: skip
    budget = Budget(
        delta=round(1 - wish.confidence, 9), calibrations=wish.calibrations, year=wish.year,
        used=wish.used + 1, spent=round(delta * (wish.used + 1), 9),
    )  # fmt: skip
    card = msgspec.structs.replace(
        learned.card,
        made=origin.made, calibrated=len(fair), promise=promise, words=promise_words(chosen, wish), budget=budget,
        notes=(*learned.card.notes, f"calibrated anew on {origin.made[:10]} from {origin.source}"),
    )  # fmt: skip
    return msgspec.structs.replace(learned, threshold=chosen.threshold, card=card)


def steps_of(learned: Learned) -> list[float]:
    """The thresholds that are tested: places on the curve of the card, which no new loss had a part in choosing."""
    known = sorted({step.threshold for step in learned.card.curve} | {point[0] for point in learned.calibration})
    if not known:
        raise InputError("this policy has no curve: train it again")
    places = np.linspace(0, len(known) - 1, STEPS)
    return sorted({float(f"{value:.6g}") for value in np.interp(places, np.arange(len(known)), known)})
