"""Finds a row by the name a person types: exact, alias or folded (``rtx 4090``, ``H100``, ``llama 3.1 70b``).

Folding drops case and separators. A model is also found without its maker (``meta-llama/``), without the words that
say it follows instructions (``-Instruct``, ``-it``, ``-chat``) and without the maker's prefix (``Meta-Llama``).
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from crossover.catalog.items import (
    Accelerator,
    CapabilityClass,
    Catalog,
    HostedFacts,
    Lifecycle,
    OpenModel,
    Quantisation,
)
from crossover.errors import UnknownNameError, fold

Row = TypeVar("Row", Accelerator, OpenModel, Quantisation, HostedFacts)

CLASSES: tuple[CapabilityClass, ...] = ("small", "medium", "large", "frontier")
_MAKER_WORDS = re.compile(r"^(nvidia|amd|intel|apple|geforce|tesla|meta-|google-)[ -]?", re.IGNORECASE)
_TUNED = re.compile(r"[-_ ](instruct|it|chat|chat-hf|hf)(?=$|[-_ ])", re.IGNORECASE)


def accelerator(catalog: Catalog, name: str) -> Accelerator:
    """The accelerator of that name. Raises UnknownNameError with the nearest names."""
    return device(catalog.accelerators, name)


def device(accelerators: Iterable[Accelerator], name: str) -> Accelerator:
    """The row of that name among ``accelerators``. Raises UnknownNameError with the nearest names."""
    return _find(accelerators, "accelerator", name, _device_keys)


def model(catalog: Catalog, name: str) -> OpenModel:
    """The open model of that name. Raises UnknownNameError with the nearest names."""
    return _find(catalog.models, "open model", name, _model_keys)


def quantisation(catalog: Catalog, name: str) -> Quantisation:
    """The quantisation of that name. Raises UnknownNameError with the nearest names."""
    return _find(catalog.quantisations, "quantisation", name, lambda row: (row.name, *row.aliases))


def hosted(catalog: Catalog, hosted_id: str) -> HostedFacts | None:
    """The facts about ``provider/model``; None where the catalog holds none."""
    return next((row for row in catalog.hosted if row.id == hosted_id), None)


def lifecycle(facts: HostedFacts, today: dt.date) -> Lifecycle:
    """The state of a hosted model on a day: one whose announced end has come is retired."""
    ended = facts.ends_on is not None and facts.ends_on <= today
    return "retired" if facts.lifecycle == "retired" or (ended and facts.lifecycle == "deprecated") else facts.lifecycle


def capability_of(catalog: Catalog, score: float) -> CapabilityClass:
    """The class that a score on the rules' benchmark stands for."""
    bounds = (catalog.rules.medium_from, catalog.rules.large_from, catalog.rules.frontier_from)
    return CLASSES[sum(score >= bound for bound in bounds)]


def substitutes(catalog: Catalog, hosted_id: str) -> tuple[OpenModel, ...]:
    """The open models that stand in by default for the hosted model ``provider/model``; best fit first.

    Where the id sells open weights, that model is the answer. Otherwise: models of the same class as the hosted one or
    at most ``steps_above`` classes above it (see :func:`stand_ins`), and within its own class none that scores more
    than ``points_below`` points less. Empty where the class of the hosted model is not known.
    """
    own = tuple(row for row in catalog.models if hosted_id in row.hosted)
    facts = hosted(catalog, hosted_id)
    if own or facts is None or facts.capability is None:
        return own
    return stand_ins(catalog, facts.capability, facts.score)


def stand_ins(catalog: Catalog, capability: str, score: float | None = None) -> tuple[OpenModel, ...]:
    """Open models for work that needs this class: the class itself first, then those above, near scores first.

    ``score`` is what the model to replace reached on the rules' benchmark; without it the upper bound of its class
    counts. Only models in current use count: at least ``min_sellers`` sell them per token. A model that nobody
    published a score for stands in from ``min_params_b`` on. A user's own row needs neither sellers nor size.
    """
    rules, needed = catalog.rules, CLASSES.index(capability)
    upper = (rules.medium_from, rules.large_from, rules.frontier_from, rules.frontier_from)[needed]
    wanted = upper if score is None else score
    below = rules.points_below if needed == 0 else rules.points_below_from_medium
    least_size = rules.min_params_b if needed == 0 else rules.min_params_b_from_medium

    def fits(row: OpenModel) -> bool:
        steps = CLASSES.index(row.capability) - needed
        if not 0 <= steps <= rules.steps_above:
            return False
        if row.score is not None and row.score < wanted - below:
            return False
        sellers = {sold.partition("/")[0] for sold in row.hosted}
        known = len(sellers) >= rules.min_sellers and (row.score is not None or row.params_b >= least_size)
        return known or row.origin == "user"

    def order(row: OpenModel) -> tuple[int, float]:
        distance = abs(row.score - wanted) if row.score is not None else below
        return CLASSES.index(row.capability), distance

    return tuple(sorted(filter(fits, catalog.models), key=order))


def in_use(catalog: Catalog) -> tuple[OpenModel, ...]:
    """The open models that people run: all but the tiny one that this product ships for demonstrations."""
    return tuple(row for row in catalog.models if row.family != "Crossover")


def short(name: str) -> str:
    """A model's name without maker and without the word that says it follows instructions."""
    return _TUNED.sub("", name.rsplit("/", 1)[-1])


def _find(rows: Iterable[Row], what: str, name: str, keys: Callable[[Row], Iterable[str]]) -> Row:
    index: dict[str, Row] = {}
    shown: list[str] = []
    for row in rows:
        for key in keys(row):
            index.setdefault(fold(key), row)
            shown.append(key)
    for wanted in _asked(name):
        if fold(wanted) in index:
            return index[fold(wanted)]
    raise UnknownNameError(what, name, shown)


def _asked(name: str) -> Iterator[str]:
    """The name as typed, then ever shorter readings of it."""
    text = name.strip()
    yield text
    plain = _MAKER_WORDS.sub("", text)
    yield plain
    yield _MAKER_WORDS.sub("", plain)
    yield short(_MAKER_WORDS.sub("", text.rsplit("/", 1)[-1]))


def _device_keys(row: Accelerator) -> Iterator[str]:
    yield row.name
    yield from row.aliases
    yield f"{row.vendor} {row.name}"


def _model_keys(row: OpenModel) -> Iterator[str]:
    yield short(row.name)
    yield row.name
    for alias in row.aliases:
        yield alias
        yield short(alias)
