"""The network behind the names model: small enough for plain numpy, at use and in training.

A word is the ``tanh`` of the sum of its features' rows (kept by the caller: words repeat). A window of seven words, the
classes of the four nearest gaps and the case of the whole text go through one hidden layer to a probability for each of
five labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from crossover.privacy.tokens import GAPS, ROWS

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

OTHER, PERSON, PLACE, STREET, ORGANISATION = range(5)
LABELS = 5
SIDE = 3  # words seen on each side
WINDOW = 2 * SIDE + 1
NEAR = 4  # gaps seen: two on each side
MODES = 3  # mixed case, all lower, all upper
SIZE, HIDDEN = 24, 64
_ZERO = np.zeros(1, np.float32)
_LEFT_OUT = 0.35  # share of the words around that training hides


class Network(msgspec.Struct, frozen=True):
    """The weights. ``words`` (ROWS + 1, SIZE), ``window`` (WINDOW * SIZE, HIDDEN), ``gaps`` (NEAR * GAPS, HIDDEN)."""

    words: Floats
    window: Floats
    gaps: Floats
    modes: Floats
    bias: Floats
    out: Floats
    out_bias: Floats

    def arrays(self) -> dict[str, Floats]:
        """Every array by its name."""
        return {name: getattr(self, name) for name in self.__struct_fields__}

    def spread(self) -> Floats:
        """The weights of the window, for :meth:`projected`: (SIZE, WINDOW * HIDDEN)."""
        moved = self.window.reshape(WINDOW, SIZE, HIDDEN).transpose(1, 0, 2)
        return np.ascontiguousarray(moved).reshape(SIZE, WINDOW * HIDDEN)

    def projected(self, rows: Sequence[int], spread: Floats) -> Floats:
        """What a word adds to the hidden layer at each place of the window, from the rows of its features."""
        vector = np.tanh(np.add.reduce(self.words[rows], axis=0))
        found: Floats = vector @ spread
        return found.reshape(WINDOW, HIDDEN)

    def fixed(self) -> Floats:
        """What the case of the text (MODES rows, with the bias) and gaps (NEAR * GAPS rows) add to the hidden layer."""
        return np.concatenate((self.modes + self.bias, self.gaps))

    def scores(self, hidden: Floats) -> Floats:
        """The scores of the labels (n, LABELS) from the sums for the hidden layer (n, HIDDEN); or both of one."""
        np.maximum(hidden, _ZERO, out=hidden)
        found: Floats = hidden.dot(self.out)
        found += self.out_bias
        return found


SHAPES: dict[str, tuple[int, ...]] = {
    "words": (ROWS + 1, SIZE),
    "window": (WINDOW * SIZE, HIDDEN),
    "gaps": (NEAR * GAPS, HIDDEN),
    "modes": (MODES, HIDDEN),
    "bias": (HIDDEN,),
    "out": (HIDDEN, LABELS),
    "out_bias": (LABELS,),
}


def shares(scores: Floats) -> Floats:
    """Probabilities (n, LABELS) from scores, which are overwritten."""
    scores -= scores.max(axis=1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1, keepdims=True)
    return scores


class Windows(msgspec.Struct, frozen=True):
    """Examples. ``words`` (n, WINDOW) number the types whose features are ``rows[starts[i]:starts[i + 1]]``."""

    words: Ints
    gaps: Ints
    modes: Ints
    labels: Ints
    weights: Floats
    rows: Ints
    starts: Ints


def fresh(seed: int) -> Network:
    """Weights to begin from."""
    chance = np.random.default_rng(seed)

    def drawn(*size: int, scale: float) -> Floats:
        return chance.normal(0, scale, size).astype(np.float32)

    return Network(
        words=drawn(ROWS + 1, SIZE, scale=0.15),
        window=drawn(WINDOW * SIZE, HIDDEN, scale=0.1),
        gaps=drawn(NEAR * GAPS, HIDDEN, scale=0.05),
        modes=np.zeros((MODES, HIDDEN), np.float32),
        bias=np.full(HIDDEN, 0.1, np.float32),
        out=drawn(HIDDEN, LABELS, scale=0.2),
        out_bias=np.zeros(LABELS, np.float32),
    )


def train(
    start: Network, data: Windows, *, epochs: int, rate: float, seed: int, pull: float = 0.0, batch: int = 512
) -> Iterator[tuple[Network, float]]:
    """Adam over the examples; after each epoch the weights and the mean loss. ``pull`` draws back to the start."""
    weights = {name: array.copy() for name, array in start.arrays().items()}
    origin = start.arrays()
    first = {name: np.zeros_like(array) for name, array in weights.items()}
    second = {name: np.zeros_like(array) for name, array in weights.items()}
    smooth = {name: array.copy() for name, array in weights.items()}  # the mean of the latest steps: steadier
    chance = np.random.default_rng(seed)
    steps, total = 0, epochs * (-(-len(data.labels) // batch))
    for _ in range(epochs):
        order = chance.permutation(len(data.labels))
        losses = 0.0
        for at in range(0, len(order), batch):
            loss, slopes = _slopes(weights, data, order[at : at + batch], chance)
            losses += loss
            steps += 1
            pace = rate * max(0.03, 1 - steps / total) * np.sqrt(1 - 0.99**steps) / (1 - 0.9**steps)
            for name, raw in slopes.items():
                slope = raw + np.float32(pull) * (weights[name] - origin[name]) if pull else raw
                first[name] += 0.1 * (slope - first[name])
                second[name] += 0.01 * (slope * slope - second[name])
                weights[name] -= np.float32(pace) * first[name] / (np.sqrt(second[name]) + 1e-6)
                smooth[name] += max(0.005, 1 / steps) * (weights[name] - smooth[name])
        yield Network(**{name: array.copy() for name, array in smooth.items()}), losses / len(order)


def _slopes(
    weights: dict[str, Floats], data: Windows, chosen: Ints, chance: np.random.Generator
) -> tuple[float, dict[str, Floats]]:
    """The summed loss of a batch and the gradient of each array."""
    types, places = np.unique(data.words[chosen], return_inverse=True)
    counts = data.starts[types + 1] - data.starts[types]
    ends = np.cumsum(counts)
    flat = data.rows[np.repeat(data.starts[types] - (ends - counts), counts) + np.arange(ends[-1])]
    vectors = np.tanh(np.add.reduceat(weights["words"][flat], ends - counts, axis=0))
    kept = (chance.random((len(chosen), WINDOW, 1), dtype=np.float32) > _LEFT_OUT).astype(np.float32)
    kept[:, SIDE] = 1
    inputs = (vectors[places.reshape(len(chosen), WINDOW)] * kept).reshape(len(chosen), -1)
    before = inputs @ weights["window"] + weights["gaps"][data.gaps[chosen]].sum(axis=1)
    before += weights["bias"] + weights["modes"][data.modes[chosen]]
    mask = (chance.random(before.shape, dtype=np.float32) > 0.25).astype(np.float32) / np.float32(0.75)
    hidden = np.maximum(before, 0) * mask
    scores = hidden @ weights["out"] + weights["out_bias"]
    scores -= scores.max(axis=1, keepdims=True)
    shares = np.exp(scores)
    shares /= shares.sum(axis=1, keepdims=True)
    labels, worth = data.labels[chosen], data.weights[chosen]
    rows = np.arange(len(chosen))
    loss = float(-(worth * np.log(shares[rows, labels] + 1e-9)).sum())
    shares[rows, labels] -= 1
    shares *= worth[:, None] / len(chosen)
    back = (shares @ weights["out"].T) * mask * (before > 0)
    to_words = (back @ weights["window"].T).reshape(len(chosen), WINDOW, SIZE) * kept
    summed = _gathered(places.reshape(-1), to_words.reshape(-1, SIZE), len(types)) * (1 - vectors * vectors)
    repeated = np.repeat(back, NEAR, axis=0)
    return loss, {
        "words": _gathered(flat, np.repeat(summed, counts, axis=0), len(weights["words"])),
        "window": inputs.T @ back,
        "gaps": _gathered(data.gaps[chosen].reshape(-1), repeated, len(weights["gaps"])),
        "modes": _gathered(data.modes[chosen], back, MODES),
        "bias": back.sum(axis=0),
        "out": hidden.T @ shares,
        "out_bias": shares.sum(axis=0),
    }


def _gathered(rows: Ints, values: Floats, size: int) -> Floats:
    """``values`` summed into the rows that they belong to."""
    columns = [np.bincount(rows, values[:, column], size) for column in range(values.shape[1])]
    return np.stack(columns, axis=1).astype(np.float32)
