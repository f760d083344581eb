"""Reads the catalog: the shipped data files and, above them, the user's own rows.

The shipped files are CSV, one row per item. The column ``source`` names a row of ``sources.csv``; the column
``field_sources`` (``price_usd=street-2025;tdp_w=nvidia-l4``) names the fields that were read elsewhere. Prices are
only appended: ``offers.csv`` has a date per row, and the newest row at or before the asked date counts.
"""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from crossover.catalog import match, user
from crossover.catalog.items import (
    Accelerator,
    Catalog,
    HostedFacts,
    Item,
    Offer,
    OpenModel,
    Quantisation,
    Rules,
)
from crossover.errors import FileError, UnknownNameError
from crossover.evidence import Source

__all__ = ["Catalog", "load"]

Row = TypeVar("Row", bound=Item)
Struct = TypeVar("Struct", bound=msgspec.Struct)
DATA = Path(__file__).with_name("data")
_LISTS = frozenset({"aliases", "engines"})
_SOURCE_COLUMNS = frozenset({"source", "price_source"})


class SourceRow(Source, frozen=True, kw_only=True):
    """A source with the id by which the other files name it."""

    id: str


def load(user_dir: Path | None = None, as_of: dt.date | None = None) -> Catalog:
    """The whole catalog; prices as of ``as_of`` (default: the newest). The caller keeps the result.

    ``user_dir`` is a folder with the user's own ``*.toml`` rows; they win over shipped rows of the same name. Raises
    FileError where a file of the user, or a shipped one, is wrong.
    """
    rows = {row.id: row for row in _read(DATA / "sources.csv", SourceRow, {})}
    sources = {key: _plain(row) for key, row in rows.items()}
    history = tuple(_read(DATA / "offers.csv", Offer, sources))
    own = user.load(user_dir) if user_dir is not None else user.UserRows()
    accelerators = _merge(_read(DATA / "accelerators.csv", Accelerator, sources), own.accelerators)
    return Catalog(
        accelerators=accelerators,
        offers=_merge(_newest(history, as_of), (_own_offer(offer, accelerators, user_dir) for offer in own.offers)),
        offer_history=history,
        models=_merge(_with_hosted(_read(DATA / "models.csv", OpenModel, sources)), own.models),
        quantisations=_merge(_read(DATA / "quantisations.csv", Quantisation, sources), own.quantisations),
        hosted=tuple(_read(DATA / "hosted.csv", HostedFacts, sources)),
        rules=_rules(),
        sources=tuple(sources.values()),
    )


def key(item: Item) -> tuple[str, ...]:
    """What makes a row unique in its table."""
    if isinstance(item, Offer):
        return (item.cloud, item.instance, item.region)
    return (item.id,) if isinstance(item, HostedFacts) else (item.name,)


def stale_summary(catalog: Catalog, today: dt.date) -> str | None:
    """One line about the rows with a figure checked more than 90 days before ``today``; None where there are none."""
    items: tuple[Item, ...] = (
        *catalog.accelerators, *catalog.offers, *catalog.models, *catalog.quantisations, *catalog.hosted,
    )  # fmt: skip
    old = [source.checked for item in items for source in [_oldest(item)] if source.stale(today)]
    if not old:
        return None
    return f"{len(old)} of {len(items)} catalog rows hold figures older than 90 days, the oldest of {min(old)}"


def _oldest(item: Item) -> Source:
    """Of all sources of a row the one that was checked longest ago."""
    price = item.price_source if isinstance(item, Accelerator) else None
    sources = [item.source, *(source for _, source in item.field_sources), *([price] if price else [])]
    return min(sources, key=lambda source: source.checked)


def _plain(row: SourceRow) -> Source:
    return Source(text=row.text, url=row.url, checked=row.checked, verified=row.verified, licence=row.licence)


def _read(path: Path, kind: type[Struct], sources: dict[str, Source]) -> Iterator[Struct]:
    """Rows of one CSV file as structs; empty cells take the default. Raises FileError with the line."""
    with path.open(newline="", encoding="utf-8") as file:
        for line, cells in enumerate(csv.DictReader(file), start=2):
            try:
                yield msgspec.convert(_fields(cells, sources), kind, strict=False)
            except (msgspec.ValidationError, KeyError, ValueError) as error:
                raise FileError(str(error), file=str(path), line=line) from None


def _fields(cells: dict[str, str], sources: dict[str, Source]) -> dict[str, object]:
    fields: dict[str, object] = {}
    for name, text in cells.items():
        if not text:
            continue
        if name in _SOURCE_COLUMNS:
            fields[name] = sources[text]
        elif name == "field_sources":
            pairs = (pair.split("=") for pair in text.split(";"))
            fields[name] = tuple((field, sources[source]) for field, source in pairs)
        else:
            fields[name] = text.split(";") if name in _LISTS else text
    return fields


def _own_offer(offer: Offer, accelerators: tuple[Accelerator, ...], user_dir: Path | None) -> Offer:
    """A user's offer with the catalog's own name of its device; FileError where there is no such device."""
    try:
        device = match.device(accelerators, offer.accelerator)
    except UnknownNameError as error:
        place = f"offer {offer.cloud} {offer.instance}.accelerator"
        raise FileError(error.message, hint=error.hint, file=str(user_dir), field=place) from None
    return msgspec.structs.replace(offer, accelerator=device.name)


def _rules() -> Rules:
    """The rules of capability classes and stand-ins: one row per figure, with its reason."""
    with (DATA / "rules.csv").open(newline="", encoding="utf-8") as file:
        return msgspec.convert({cells["rule"]: cells["value"] for cells in csv.DictReader(file)}, Rules, strict=False)


def _newest(history: Iterable[Offer], as_of: dt.date | None) -> tuple[Offer, ...]:
    """Of each instance and region the newest price at or before ``as_of``."""
    newest: dict[tuple[str, ...], Offer] = {}
    for offer in sorted(history, key=lambda offer: offer.as_of or dt.date.min):
        if as_of is None or offer.as_of is None or offer.as_of <= as_of:
            newest[key(offer)] = offer
    return tuple(newest.values())


def _with_hosted(models: Iterable[OpenModel]) -> Iterator[OpenModel]:
    """Models with the ids under which the weights are sold, from their own file: one row per pair."""
    sold: dict[str, list[str]] = {}
    with (DATA / "hosted_open.csv").open(newline="", encoding="utf-8") as file:
        for cells in csv.DictReader(file):
            sold.setdefault(cells["model"], []).append(cells["id"])
    for model in models:
        yield msgspec.structs.replace(model, hosted=tuple(sold.get(model.name, ())))


def _merge(shipped: Iterable[Row], own: Iterable[Row]) -> tuple[Row, ...]:
    """Shipped rows with the user's above them."""
    rows = {key(row): row for row in shipped}
    rows.update({key(row): row for row in own})
    return tuple(rows.values())
