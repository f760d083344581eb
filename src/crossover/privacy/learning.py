"""How the names model learns: from labelled texts to windows of words, and a refit on a user's own texts."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import numpy as np

from crossover.errors import InputError
from crossover.privacy import network, tokens
from crossover.privacy.names import Names
from crossover.privacy.network import NEAR, ORGANISATION, OTHER, PERSON, PLACE, SIDE, STREET, WINDOW, Windows

LABELS = {"person": PERSON, "address": STREET, "place": PLACE, "organisation": ORGANISATION}
_SEED = 5
_PASSES = 30  # over the user's texts
_RATE = 0.0015
_PULL = 2e-3  # how strongly the weights are drawn back to the shipped ones


class Labelled(Protocol):
    """A text and what stands where in it: start, end (in characters), one of :data:`LABELS`."""

    @property
    def text(self) -> str:
        """The text."""
        ...

    @property
    def spans(self) -> Sequence[tuple[int, int, str]]:
        """What stands where."""
        ...


class Examples:
    """Windows of words, collected from labelled texts."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._types: dict[tuple[bytes, bool], int] = {}
        self._words: list[int] = []
        self._gaps: list[int] = []
        self._modes: list[int] = []
        self._labels: list[int] = []
        self._weights: list[float] = []

    def __len__(self) -> int:
        return len(self._labels)

    def add(
        self,
        text: str,
        spans: Iterable[tuple[int, int, int]],
        weight: float = 1.0,
        unknown: Callable[[], bool] = lambda: False,
    ) -> None:
        """Every word of a text that the model would be asked about, with the label of the span that it begins in.

        ``unknown`` is asked for each word of a name: whether it shall look as if nobody knew it.
        """
        raw = text.encode("utf-8", "surrogatepass")
        seen = self._names.see(raw)
        if seen is None:
            return
        starts = seen.starts
        if not raw.isascii():
            starts = [len(raw[:start].decode("utf-8", "surrogatepass")) for start in starts]
        labels = [OTHER] * len(starts)
        for first, last, label in spans:
            for at, start in enumerate(starts):
                if first <= start < last:
                    labels[at] = label
        blind = [label == PERSON and unknown() for label in labels]
        around, gaps = self._names.windows(seen, seen.chosen)
        places = [at + step for at in seen.chosen for step in range(-SIDE, SIDE + 1)]
        for word, at in zip(around, places, strict=True):
            key = (word, 0 <= at < len(blind) and blind[at])
            self._words.append(self._types.setdefault(key, len(self._types)))
        self._gaps += [gap + at % NEAR * tokens.GAPS for at, gap in enumerate(gaps)]
        self._modes += [seen.mode] * len(seen.chosen)
        self._labels += [labels[at] for at in seen.chosen]
        self._weights += [weight] * len(seen.chosen)

    def windows(self) -> Windows:
        """All of them as arrays."""
        rows: list[int] = []
        starts = [0]
        for word, blind in self._types:
            rows += tokens.features(word, self._names.table, blind=blind) if word else [tokens.UNKNOWN]
            starts.append(len(rows))
        return Windows(
            words=np.array(self._words).reshape(-1, WINDOW),
            gaps=np.array(self._gaps).reshape(-1, NEAR),
            modes=np.array(self._modes),
            labels=np.array(self._labels),
            weights=np.array(self._weights, np.float32),
            rows=np.array(rows),
            starts=np.array(starts),
        )


def train(examples: Iterable[Labelled], start: Names) -> Names:
    """``start`` refitted on a user's own texts; its weights are the prior, what it knows of words stays.

    The same texts in the same order give the same model. A few seconds for some thousand texts. Raises InputError where
    no text holds a word that could belong to a name or an address.
    """
    found = Examples(start)
    chance = random.Random(_SEED)  # noqa: S311 - no secret
    for one in examples:
        spans = [(first, last, LABELS[label]) for first, last, label in one.spans]
        found.add(one.text, spans, unknown=lambda: chance.random() < 0.2)
    if not len(found):
        raise InputError("no text holds a word that could be a name", hint="Label texts with names in them")
    model = start.model
    for model, _ in network.train(  # noqa: B007 - the last one counts
        start.model, found.windows(), epochs=_PASSES, rate=_RATE, seed=_SEED, pull=_PULL, batch=256
    ):
        pass
    return Names(model, start.table)
