"""Measured speeds of one deployment refit its replica: what was measured is reproduced, what lies between follows.

Unknown are the logarithms of factors: one for all times, one more for the step at each measured concurrency (between
two of them it runs along the logarithm of the concurrency, beyond them it stays), one more for prompts. They are the
damped Gauss-Newton minimum of the squared log errors over all measurements, each over what the model itself is off by
at other loads of one deployment, with priors around "the same factor for everything": a single point scales all alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from crossover.capacity.calibration import Spread
from crossover.capacity.measured import DECODE, PREFILL, Point, output_rate
from crossover.capacity.words import Serving

Floats = NDArray[np.float64]
Loop = Callable[[Serving, int, float, float], tuple[float, float]]  # replica, clients, in, out → TTFT, TPOT (s)
GAIN = 1.05  # a load that carries less than this beyond another carries no more
CARRIED = "scaled like another format of this model, which was measured on this device and engine"
_PRIOR_STEP, _PRIOR_PROMPT = 0.4, 1.0  # log sd of a factor that no measurement speaks of against the common one
_TURNS = 30
_LONGEST_STEP = 1.0
_SMALL = 1e-6


def most_useful(points: Sequence[Point]) -> int | None:
    """The concurrency beyond which a higher load was measured and carried no more; None where none was found."""
    rates = {point.concurrency: point.value for point in points if point.metric == "output_tokens_per_s"}
    for concurrency in sorted(rates):
        beyond = [rate for other, rate in rates.items() if other > concurrency]
        if beyond and max(beyond) < GAIN * rates[concurrency]:
            return concurrency
    return None


def anchored(
    replica: Serving, points: Sequence[Point], spread: Spread, loops: Sequence[Loop], *, batches_vary: bool
) -> Serving:
    """The replica refit to the measurements; without any it comes back as it was.

    ``loops`` are ways in which a load test may have asked (all clients in step, or each at its own time); the one that
    explains the measurements best counts.

    A batch grows to the highest concurrency that was seen to bring anything. The error bars become those of a
    prediction from one measured point, widened by the interval of the measurements, by what the fit leaves of them,
    and, where ``batches_vary`` (nobody calibrated how this engine batches), by the batches that were not measured.
    """
    if not points:
        return replica
    cap = most_useful(points)
    if cap is not None and cap < replica.max_sequences:
        replica = msgspec.structs.replace(replica, max_sequences=cap, step_s=replica.step_s[: cap + 1])
    inside = [point for point in points if point.concurrency <= replica.max_sequences] or list(points)
    decode = [point for point in inside if point.metric in DECODE]
    prefill = [point for point in inside if point.metric == PREFILL]
    fits = [_Fit(replica, inside, spread, loop, scales_all=bool(decode)) for loop in loops]
    _, fitted, fit = min(((*fit.solve(), fit) for fit in fits), key=lambda found: found[0])
    errors = dict(zip(inside, fit.errors(fitted), strict=True))
    changes: dict[str, object] = {"points": len(inside)}
    notes = []
    if decode:
        most = max(point.concurrency for point in decode)
        covered = math.log(1 + most) / math.log(1 + max(replica.max_sequences, most)) if batches_vary else 1.0
        unseen = replica.decode_log_sd * (1 - covered)
        changes |= {
            "decode_log_sd": _narrowed(replica.decode_log_sd, spread.decode_anchored, decode, errors, unseen),
            "calibrated": True,
            "factor": math.exp(math.fsum(_log_steps(fitted, replica)) / replica.max_sequences),
        }
        notes.append(f"rescaled by {len(decode)} measured decode speed(s)")
    if prefill:
        changes["prefill_log_sd"] = _narrowed(replica.prefill_log_sd, spread.prefill_anchored, prefill, errors, 0.0)
        notes.append(f"rescaled by {len(prefill)} measured time(s) to first token")
    if cap is not None:
        notes.append(f"more than {cap} at once brought nothing when it was measured")
    changes["note"] = "; ".join(note for note in (replica.note, *notes) if note)
    return msgspec.structs.replace(fitted, **changes)


def carried(replica: Serving, before: Serving, after: Serving, one_off: float) -> Serving:
    """The replica scaled like another format (or number of devices) of the same model, device and engine was refit.

    ``before`` and ``after`` are the other's prediction and its refit. ``one_off`` is the log sd by which one
    configuration differs from another on the same device; the error bars hold it beside those of the refit.
    """
    cap = min(replica.max_sequences, after.max_sequences)
    if after.max_sequences >= before.max_sequences:
        cap = replica.max_sequences  # no end of the useful batch was seen
    last = min(len(before.step_s), len(after.step_s)) - 1
    factors = [after.step_s[min(c, last)] / before.step_s[min(c, last)] for c in range(cap + 1)]
    prompt = after.prefill_s_per_token / before.prefill_s_per_token
    return msgspec.structs.replace(
        replica,
        max_sequences=cap,
        step_s=tuple(step * factor for step, factor in zip(replica.step_s, factors, strict=False)),
        kv_s_per_token=replica.kv_s_per_token * after.kv_s_per_token / before.kv_s_per_token,
        prefill_s_per_token=replica.prefill_s_per_token * prompt,
        prefill_s_per_token2=replica.prefill_s_per_token2 * prompt,
        prefill_step_s=replica.prefill_step_s * prompt,
        fixed_s=replica.fixed_s * prompt,
        decode_log_sd=min(replica.decode_log_sd, math.hypot(after.decode_log_sd, one_off)),
        prefill_log_sd=min(replica.prefill_log_sd, math.hypot(after.prefill_log_sd, one_off)),
        note="; ".join(note for note in (replica.note, CARRIED) if note),
        factor=after.factor,
    )


def _log_steps(fitted: Serving, plain: Serving) -> list[float]:
    return [math.log(new / old) for new, old in zip(fitted.step_s[1:], plain.step_s[1:], strict=True)]


def _narrowed(
    plain: float, one_point: float, points: Sequence[Point], errors: dict[Point, float], unseen: float
) -> float:
    """The log sd of predictions after the refit: never wider than before, unless the measurements contradict."""
    own = math.fsum(point.log_sd for point in points) / len(points)
    left = math.sqrt(math.fsum(errors[point] ** 2 for point in points) / len(points))
    return min(math.hypot(one_point, own, left, unseen), max(plain, left))


class _Fit:
    """The least squares behind :func:`anchored`. Parameters: common, one a knot (a measured concurrency), prompts."""

    def __init__(
        self, plain: Serving, points: Sequence[Point], spread: Spread, loop: Loop, *, scales_all: bool
    ) -> None:
        self._plain, self._points, self._loop = plain, points, loop
        self._all = 1.0 if scales_all else 0.0
        self._knots = np.array(
            sorted({min(point.concurrency, plain.max_sequences) for point in points if point.metric in DECODE} or {1})
        )
        self._places = np.log(np.arange(1, plain.max_sequences + 1))
        self._steps = np.array(plain.step_s)
        off = {PREFILL: spread.prefill_anchored}  # what the model itself is off by at other loads of one deployment
        self._weights = np.array(
            [1 / math.hypot(off.get(point.metric, spread.decode_anchored), point.log_sd) for point in points]
        )
        self._prior = np.array([0.0, *([1 / _PRIOR_STEP] * len(self._knots)), 1 / _PRIOR_PROMPT])

    def solve(self) -> tuple[float, Serving]:
        """The minimum, and the replica there."""
        at = np.zeros(len(self._prior))
        best = self._residuals(at)
        damping = 1e-3
        for _ in range(_TURNS):
            slopes = np.stack([(self._residuals(at + step) - best) / _SMALL for step in np.eye(len(at)) * _SMALL])
            normal = slopes @ slopes.T
            # A parameter that nothing speaks of (the common factor, where only prompts were measured) stays at 0.
            normal += damping * np.diag(np.diag(normal)) + 1e-12 * np.eye(len(at))
            move = np.clip(np.linalg.solve(normal, -(slopes @ best)), -_LONGEST_STEP, _LONGEST_STEP)
            tried = self._residuals(at + move)
            if tried @ tried < best @ best:
                at, best, damping = at + move, tried, damping / 3
                if np.abs(move).max() < _SMALL:
                    break
            else:
                damping *= 10
        return float(best @ best), self._scaled(at)

    def errors(self, replica: Serving) -> list[float]:
        """ln(measured / fitted) of every point; a rate is turned round, so that more always means slower."""
        return [self._error(replica, point) for point in self._points]

    def _residuals(self, at: Floats) -> Floats:
        replica = self._scaled(at)
        return np.concatenate([self._weights * np.array(self.errors(replica)), self._prior * at])

    def _scaled(self, at: Floats) -> Serving:
        plain, common = self._plain, float(at[0]) * self._all
        steps = common + np.interp(self._places, np.log(self._knots), at[1:-1]) * self._all
        prompt = math.exp(common + float(at[-1]))
        factors = np.exp(np.concatenate([steps[:1], steps]))
        return msgspec.structs.replace(
            plain,
            step_s=tuple((self._steps * factors).tolist()),
            kv_s_per_token=plain.kv_s_per_token * math.exp(common),
            prefill_s_per_token=plain.prefill_s_per_token * prompt,
            prefill_s_per_token2=plain.prefill_s_per_token2 * prompt,
            prefill_step_s=plain.prefill_step_s * prompt,
            fixed_s=plain.fixed_s * prompt,
        )

    def _error(self, replica: Serving, point: Point) -> float:
        ttft, tpot = self._loop(replica, point.concurrency, point.input_tokens, point.output_tokens)
        if point.metric == PREFILL:
            return math.log(point.value / ttft)
        if point.metric == "tpot_s":
            return math.log(point.value / tpot)
        return math.log(output_rate(point.concurrency, point.output_tokens, ttft, tpot) / point.value)
