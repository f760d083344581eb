"""The fit itself: log errors of the product's own formulas, soft-l1, with a prior on every constant.

A prior is a starting value and the standard deviation of its logarithm; it says what is known before looking at rows,
so that a fold with few models does not bend a constant to explain noise. Scales of engines are drawn to 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from capacity_rows import ServingRow
from crossover.capacity import memory, throughput
from crossover.capacity.calibration import EngineConstants, StepConstants
from crossover.capacity.throughput import Costs, Shape

Floats = NDArray[np.float64]
Prior = tuple[float, float]  # value, standard deviation of its logarithm
ENGINES = ("vllm", "sglang", "trtllm")
TPOT_NOISE, TTFT_NOISE = 0.06, 0.5  # log errors from which on a row counts less; a first token tells little

STEP: dict[str, Prior] = {
    "weight_efficiency": (0.88, 0.1),
    "expert_efficiency": (0.6, 0.3),
    "tile_mb": (10.0, 0.7),
    "compute_efficiency": (0.55, 0.25),
    "kv_efficiency": (0.75, 0.25),
    "latent_efficiency": (0.5, 0.4),
    "layer_us": (25.0, 0.7),
    "moe_layer_us": (30.0, 0.7),
    "mla_layer_us": (10.0, 0.8),
    "collective_us": (3.0, 0.7),
    "step_us": (300.0, 0.7),
    "token_us": (8.0, 0.7),
    "copied_activations": (10.0, 0.7),
    "split_activations": (10.0, 0.7),
    "decode_link_efficiency": (0.3, 0.7),
    "prefill_link_efficiency": (0.6, 0.4),
    "prefill_efficiency": (0.65, 0.2),
    "prefill_slowdown": (0.1, 0.7),
    "attention_efficiency": (0.3, 0.4),
    "prefill_layer_us": (200.0, 0.7),
}
ENGINE: dict[str, Prior] = {
    "scale": (1.0, 0.06),
    "prefill_step": (1.0, 0.3),
    "first_s": (0.03, 0.5),
    "first_steps": (1.5, 0.3),
    "first_burst": (0.15, 0.7),
}
MOE_ONLY = ("expert_efficiency", "latent_efficiency", "moe_layer_us", "mla_layer_us")
# What experts change in a constant of dense models is not known beforehand; the rest is carried over tightly.
MOE_LOOSE = {"compute_efficiency": 0.7, "prefill_efficiency": 0.7, "layer_us": 0.3, "step_us": 0.3}
MOE_TIGHT = 0.25


@dataclass(frozen=True)
class Table:
    """Rows as arrays: what the formulas need, and what was measured."""

    shape: Shape
    engine: NDArray[np.intp]
    clients: Floats
    active: Floats
    input_tokens: Floats
    output_tokens: Floats
    one_round: Floats
    ttft_s: Floats
    tpot_s: Floats
    rows: list[ServingRow]

    def take(self, mask: NDArray[np.bool_]) -> Table:
        """The rows of a mask."""
        form = Shape(**{name: getattr(self.shape, name)[mask] for name in Shape.__struct_fields__})
        plain = {name: getattr(self, name)[mask] for name in self.__dataclass_fields__ if name not in {"shape", "rows"}}
        return Table(shape=form, rows=[row for row, kept in zip(self.rows, mask, strict=True) if kept], **plain)


def table(rows: list[ServingRow]) -> Table:
    """Arrays of these rows."""
    forms = [
        throughput.shape(
            row.model, row.quantisation, row.accelerator, row.count,
            context=int(row.input_tokens + row.output_tokens), kv_bits=row.kv_bits,
        )
        for row in rows
    ]  # fmt: skip
    stacked: dict[str, Any] = {
        name: np.array([getattr(form, name) for form in forms]) for name in Shape.__struct_fields__
    }
    return Table(
        shape=Shape(**stacked),
        engine=np.array([ENGINES.index(row.engine) for row in rows]),
        clients=np.array([float(row.concurrency) for row in rows]),
        active=np.array([active(row) for row in rows]),
        input_tokens=np.array([row.input_tokens for row in rows]),
        output_tokens=np.array([row.output_tokens for row in rows]),
        one_round=np.array([float(row.one_round) for row in rows]),
        ttft_s=np.array([row.ttft_s for row in rows]),
        tpot_s=np.array([row.tpot_s for row in rows]),
        rows=rows,
    )


def active(row: ServingRow) -> float:
    """Sequences in flight, as the product counts them."""
    context = min(int(row.input_tokens + row.output_tokens), row.model.max_context)
    room = memory.fit(
        row.model, row.quantisation, row.accelerator, row.count,
        engine=row.engine, context=context, kv_bits=row.kv_bits,
    ).kv_capacity_tokens / (row.input_tokens + row.output_tokens / 2.0)  # fmt: skip
    return float(max(1, int(min(row.concurrency, room))))


@dataclass(frozen=True)
class Fit:
    """Fitted constants of one kind of model."""

    constants: StepConstants
    engines: dict[str, EngineConstants]


@dataclass(frozen=True)
class Priors:
    """What is assumed before the rows are seen."""

    step: dict[str, Prior]
    engine: dict[str, dict[str, Prior]]
    fixed: dict[str, float]


def dense_priors() -> Priors:
    """Priors of dense models; constants that only mixtures of experts have are fixed."""
    fixed = {name: 0.0 if name.endswith("_us") else STEP[name][0] for name in MOE_ONLY}
    step = {name: prior for name, prior in STEP.items() if name not in MOE_ONLY}
    return Priors(step=step, engine={name: dict(ENGINE) for name in ENGINES}, fixed=fixed)


def moe_priors(dense: Fit) -> Priors:
    """Priors of mixtures of experts: the dense fit, tightly, and wide ones for what experts change."""
    step = {
        name: (
            (value, spread)
            if name in MOE_ONLY
            else (float(getattr(dense.constants, name)), MOE_LOOSE.get(name, min(spread, MOE_TIGHT)))
        )
        for name, (value, spread) in STEP.items()
    }
    engine = {
        name: {
            field: (float(getattr(dense.engines[name], field)), min(spread, MOE_TIGHT))
            for field, (_, spread) in ENGINE.items()
        }
        for name in ENGINES
    }
    return Priors(step=step, engine=engine, fixed={})


def unpack(x: Floats, priors: Priors) -> Fit:
    """Constants from a vector of log deviations from the priors."""
    values = iter(np.exp(x))
    step = {name: float(prior[0] * next(values)) for name, prior in priors.step.items()}
    engines = {
        name: EngineConstants(**{field: float(prior[0] * next(values)) for field, prior in fields.items()})
        for name, fields in priors.engine.items()
    }
    return Fit(constants=StepConstants(**step, **priors.fixed), engines=engines)


def predict(data: Table, fit: Fit) -> tuple[Floats, Floats]:
    """Predicted time to first token and time per output token of every row, in seconds."""
    gathered: dict[str, Any] = {
        field: np.array([getattr(fit.engines[name], field) for name in ENGINES])[data.engine] for field in ENGINE
    }
    engine = EngineConstants(**gathered)
    arrays: dict[str, Any] = {
        "clients": data.clients,
        "active": data.active,
        "input_tokens": data.input_tokens,
        "output_tokens": data.output_tokens,
        "one_round": data.one_round,
    }
    sequences: Any = data.active
    cost: Costs = throughput.costs(data.shape, fit.constants, engine, sequences)
    first, each = throughput.loop_seconds(cost, engine, **arrays)
    return np.asarray(first), np.asarray(each)


def solve(data: Table, priors: Priors) -> Fit:
    """The constants that fit these rows best, given the priors."""
    spreads = np.array(
        [sd for _, sd in priors.step.values()] + [sd for fields in priors.engine.values() for _, sd in fields.values()]
    )

    def residuals(x: Floats) -> Floats:
        first, each = predict(data, unpack(x, priors))
        errors = np.concatenate([np.log(data.tpot_s / each) / TPOT_NOISE, np.log(data.ttft_s / first) / TTFT_NOISE])
        soft = np.sign(errors) * np.sqrt(2.0 * (np.sqrt(1.0 + errors**2) - 1.0))
        return np.concatenate([soft, x / spreads])

    return unpack(least_squares(residuals, np.zeros(spreads.size), max_nfev=40).x, priors)
