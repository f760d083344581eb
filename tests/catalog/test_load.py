from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from crossover.catalog import load as loader
from crossover.catalog.items import source_of
from crossover.catalog.load import load, stale_summary
from crossover.errors import FileError

CATALOG = load()


def test_a_figure_read_elsewhere_has_its_own_source() -> None:
    device = next(row for row in CATALOG.accelerators if row.name == "A10G")
    assert source_of(device, "memory_gib") != device.source
    assert source_of(device, "kind") == device.source


def test_the_newest_price_counts_and_the_old_one_stays() -> None:
    key = ("azure", "Standard_NC96ads_A100_v4", "eastus")
    history = [offer for offer in CATALOG.offer_history if loader.key(offer) == key]
    assert [offer.usd_per_hour for offer in history] == [Decimal("14.692"), Decimal("19.108")]
    assert next(o for o in CATALOG.offers if loader.key(o) == key).usd_per_hour == Decimal("19.108")
    old = load(as_of=dt.date(2026, 7, 31))
    assert next(o for o in old.offers if loader.key(o) == key).usd_per_hour == Decimal("14.692")


def test_before_the_first_price_there_is_no_offer() -> None:
    assert load(as_of=dt.date(2020, 1, 1)).offers == ()


def test_stale_rows_are_summed_up_in_one_line() -> None:
    newest = max(source.checked for source in CATALOG.sources)
    line = stale_summary(CATALOG, newest)
    assert line is not None
    assert "\n" not in line
    oldest = min(source.checked for offer in CATALOG.offers for _, source in offer.field_sources)
    assert line.endswith(str(oldest))


def test_fresh_rows_need_no_line() -> None:
    assert stale_summary(CATALOG, dt.date(2020, 1, 1)) is None


def test_a_folder_that_is_not_there_holds_no_rows(tmp_path: Path) -> None:
    assert load(tmp_path / "catalog") == CATALOG


def test_a_wrong_shipped_row_is_named_by_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in loader.DATA.glob("*.csv"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    text = (tmp_path / "accelerators.csv").read_text().splitlines()
    (tmp_path / "accelerators.csv").write_text("\n".join([*text[:2], text[2].replace("900", "fast")]))
    monkeypatch.setattr(loader, "DATA", tmp_path)
    with pytest.raises(FileError) as caught:
        load()
    assert caught.value.line == 3


def test_the_catalog_is_plain_data() -> None:
    assert msgspec.convert(msgspec.to_builtins(CATALOG.rules), type(CATALOG.rules)) == CATALOG.rules
    assert load() == CATALOG
