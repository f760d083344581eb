"""How long prompts and answers are: from recorded requests, or assumed around a mean."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

import msgspec

from crossover.workload import Lengths, lognormal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Where the curve of recorded lengths is cut: every percent, and finer in the tail that fills memory.
_SHARES = (*(percent / 100 for percent in range(100)), 0.995, 0.999, 1.0)


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """Standard deviations of the logarithm of lengths, and where they were measured."""

    input_sigma: float
    output_sigma: float
    method: str
    source: str


@cache
def spread() -> Spread:
    """The spread assumed around a mean, read from the data file beside the presets."""
    data = resources.files("crossover.traffic").joinpath("data/presets.toml").read_bytes()

    class Holder(msgspec.Struct):
        spread: Spread

    return msgspec.toml.decode(data, type=Holder).spread


def assumed_input(mean: float) -> Lengths:
    """Prompts of which only the mean is known: log-normal, with the spread of published traces."""
    return lognormal(mean, spread().input_sigma)


def assumed_output(mean: float) -> Lengths:
    """Answers of which only the mean is known: log-normal, with the spread of published traces."""
    return lognormal(mean, spread().output_sigma)


def assumed_note(mean_input: float | None, mean_output: float | None) -> str:
    """What was assumed, as a sentence for the assumptions table."""
    known = spread()
    parts = []
    if mean_input is not None:
        parts.append(f"prompts (mean {mean_input:,.0f} tokens, sigma {known.input_sigma:g})")
    if mean_output is not None:
        parts.append(f"answers (mean {mean_output:,.0f} tokens, sigma {known.output_sigma:g})")
    return f"lengths of {' and '.join(parts)} are taken as log-normal; {known.source}"


def recorded(tokens: NDArray[np.int64]) -> Lengths:
    """The lengths of recorded requests as quantiles, with their true mean."""
    import numpy as np

    values = np.quantile(tokens, _SHARES)
    points = tuple((share, float(value)) for share, value in zip(_SHARES, values, strict=True))
    return Lengths(kind="quantiles", mean=float(tokens.mean()), points=points)
