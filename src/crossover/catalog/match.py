"""Finds a row by the name a person types: exact, alias or folded (``rtx 4090``, ``H100``, ``llama 3.1 70b``).

Folding drops case and separators. A model is also found without its maker (``meta-llama/``), without the words that
say it follows instructions (``-Instruct``, ``-it``, ``-chat``) and without the maker's prefix (``Meta-Llama``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from crossover.catalog.items import Accelerator, Catalog, HostedFacts, OpenModel, Quantisation
from crossover.errors import UnknownNameError, fold

Row = TypeVar("Row", Accelerator, OpenModel, Quantisation, HostedFacts)

CLASSES = ("small", "medium", "large", "frontier")
_MAKER_WORDS = re.compile(r"^(nvidia|amd|intel|apple|geforce|tesla|meta-|google-)[ -]?", re.IGNORECASE)
_TUNED = re.compile(r"[-_ ](instruct|it|chat|chat-hf|hf)(?=$|[-_ ])", re.IGNORECASE)


def accelerator(catalog: Catalog, name: str) -> Accelerator:
    """The accelerator of that name. Raises UnknownNameError with the nearest names."""
    return _find(catalog.accelerators, "accelerator", name, _device_keys)


def model(catalog: Catalog, name: str) -> OpenModel:
    """The open model of that name. Raises UnknownNameError with the nearest names."""
    return _find(catalog.models, "open model", name, _model_keys)


def quantisation(catalog: Catalog, name: str) -> Quantisation:
    """The quantisation of that name. Raises UnknownNameError with the nearest names."""
    return _find(catalog.quantisations, "quantisation", name, lambda row: (row.name, *row.aliases))


def hosted(catalog: Catalog, hosted_id: str) -> HostedFacts | None:
    """The facts about ``provider/model``; None where the catalog holds none."""
    return next((row for row in catalog.hosted if row.id == hosted_id), None)


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
