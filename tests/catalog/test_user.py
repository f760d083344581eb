from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossover.catalog import match, user
from crossover.catalog.load import load
from crossover.errors import FileError, InputError

DEVICE = """
[[accelerator]]
name = "My Board"
vendor = "Me"
kind = "workstation"
memory_gib = 48.0
bandwidth_gbs = 800
fp16_tflops = 200
tdp_w = 250
usable_share = 0.9
price_usd = 2500
checked = 2026-01-31
source = "the invoice"
"""
OFFER = """
[[offer]]
cloud = "cellar"
instance = "box"
accelerator = "{device}"
count = 2
region = "home"
usd_per_hour = {price}
"""


def write(folder: Path, text: str, name: str = "mine.toml") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_a_users_row_is_added_and_marked(tmp_path: Path) -> None:
    catalog = load(write(tmp_path, DEVICE + OFFER.format(device="my board", price="0.40")))
    device = match.accelerator(catalog, "my board")
    assert device.origin == "user"
    assert device.price_usd == Decimal(2500)
    assert device.source.checked == dt.date(2026, 1, 31)
    assert "mine.toml" in device.source.text
    assert "the invoice" in device.source.text
    offer = next(row for row in catalog.offers if row.cloud == "cellar")
    assert (offer.accelerator, offer.usd_per_hour, offer.origin) == ("My Board", Decimal("0.4"), "user")


def test_a_users_row_wins_over_the_shipped_one(tmp_path: Path) -> None:
    catalog = load(write(tmp_path, DEVICE.replace("My Board", "RTX 4090")))
    assert match.accelerator(catalog, "RTX 4090").memory_gib == 48
    assert len(catalog.accelerators) == len(load().accelerators)


def test_a_price_keeps_its_digits(tmp_path: Path) -> None:
    catalog = load(write(tmp_path, OFFER.format(device="L4", price='"0.123456789"')))
    assert next(row for row in catalog.offers if row.cloud == "cellar").usd_per_hour == Decimal("0.123456789")


@pytest.mark.parametrize(
    ("old", "new", "field", "says"),
    [
        ("memory_gib", "memry_gib", "accelerator[1].memry_gib", "Did you mean memory_gib"),
        ("48.0", "nan", "accelerator[1].memory_gib", "not a finite number"),
        ("48.0", "inf", "accelerator[1].memory_gib", "not a finite number"),
        ("48.0", "-48.0", "accelerator[1].memory_gib", "out of range"),
        ("48.0", "48e9", "accelerator[1].memory_gib", "out of range"),
        ("48.0", '"much"', "accelerator[1].memory_gib", "Expected `float`"),
        ("48.0", "true", "accelerator[1].memory_gib", "Expected `float`"),
        ('"workstation"', '"toaster"', "accelerator[1].kind", "Invalid enum value"),
        ("usable_share = 0.9", "usable_share = 1.5", "accelerator[1].usable_share", "out of range"),
        ("price_usd = 2500", 'price_usd = "NaN"', "accelerator[1].price_usd", "not a finite number"),
        ("price_usd = 2500", 'price_usd = "a lot"', "accelerator[1].price_usd", "ecimal"),
        ("checked = 2026-01-31", 'checked = "yesterday"', "accelerator[1].checked", "2026-01-31"),
        ('name = "My Board"\n', "", "accelerator[1]", "lacks name"),
        ('"My Board"', '" "', "accelerator[1].name", "is empty"),
        ("[[accelerator]]", "[[acelerator]]", "acelerator", "Did you mean accelerator"),
        ("[[accelerator]]", "[accelerator]", "accelerator", "[[accelerator]]"),
    ],
)
def test_a_wrong_row_is_refused_with_file_and_field(tmp_path: Path, old: str, new: str, field: str, says: str) -> None:
    with pytest.raises(FileError) as caught:
        load(write(tmp_path, DEVICE.replace(old, new)))
    assert caught.value.field == field
    assert caught.value.file is not None
    assert caught.value.file.endswith("mine.toml")
    assert says in caught.value.sentence()
    assert caught.value.exit_code == 2


def test_broken_toml_and_binary_junk_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="not a TOML file"):
        load(write(tmp_path, "[[accelerator]\nname="))
    (tmp_path / "mine.toml").write_bytes(b"\xff\xfe\x00junk")
    with pytest.raises(FileError, match="not a TOML file"):
        load(tmp_path)


def test_an_offer_of_an_unknown_device_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"unknown accelerator 'RTX 4091'.*Did you mean RTX 4090"):
        load(write(tmp_path, OFFER.format(device="RTX 4091", price="1")))


def test_models_that_cannot_be_are_refused(tmp_path: Path) -> None:
    row = (
        '[[model]]\nname="m"\nfamily="f"\nparams_b=8.0\nactive_b=9.0\nlayers=32\nhidden=4096\nheads=32\nkv_heads=8\n'
        'head_dim=128\nvocab=32000\nmax_context=8192\nattention="gqa"\ncapability="small"\nlicence="mine"\n'
    )
    with pytest.raises(FileError, match="more parameters are active"):
        load(write(tmp_path, row))
    with pytest.raises(FileError, match="more KV heads"):
        load(write(tmp_path, row.replace("active_b=9.0", "active_b=8.0").replace("kv_heads=8", "kv_heads=64")))
    catalog = load(write(tmp_path, row.replace("active_b=9.0", "active_b=8.0")))
    assert match.model(catalog, "m").origin == "user"


def test_add_appends_what_load_reads(tmp_path: Path) -> None:
    fields: dict[str, user.Value] = {
        "name": 'the "fast" one', "vendor": "Me", "kind": "consumer", "memory_gib": 24.0, "bandwidth_gbs": 1000,
        "fp16_tflops": 150, "tdp_w": 400, "usable_share": 0.92, "aliases": ["fastie"], "checked": dt.date(2026, 5, 1),
    }  # fmt: skip
    path, row = user.add(tmp_path / "catalog", "accelerator", fields)
    assert path.name == "own.toml"
    user.add(tmp_path / "catalog", "accelerator", {**fields, "name": "another"})
    catalog = load(tmp_path / "catalog")
    assert match.accelerator(catalog, "fastie").name == 'the "fast" one'
    assert match.accelerator(catalog, "fastie").memory_gib == getattr(row, "memory_gib")  # noqa: B009
    assert match.accelerator(catalog, "another").origin == "user"


def test_a_refused_row_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(FileError):
        user.add(tmp_path, "accelerator", {"name": "half a row"})
    with pytest.raises(InputError, match="unknown table"):
        user.add(tmp_path, "toaster", {"name": "x"})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    fields: dict[str, user.Value] = {"name": "q", "bits": 4.0, "compute": "fp16", "engines": ["vllm"]}
    with pytest.raises(FileError, match="cannot be written"):
        user.add(tmp_path / "file" / "catalog", "quantisation", fields)


@settings(max_examples=40, deadline=None)
@given(st.floats(allow_nan=True, allow_infinity=True))
def test_any_number_is_taken_or_refused(tmp_path_factory: pytest.TempPathFactory, value: float) -> None:
    folder = tmp_path_factory.mktemp("rows")
    text = OFFER.format(device="L4", price=repr(value))
    try:
        catalog = load(write(folder, text))
    except FileError:
        assert not 0 <= value <= 100_000
    else:
        price = next(row for row in catalog.offers if row.cloud == "cellar").usd_per_hour
        assert 0 <= price <= 100_000


def test_fields_that_must_and_may_be_given() -> None:
    must, may = user.field_names("offer")
    assert {"cloud", "instance", "accelerator", "count", "region", "usd_per_hour"} == set(must)
    assert {"spot_usd_per_hour", "reserved_1y_usd_per_hour", "checked"} <= set(may)
