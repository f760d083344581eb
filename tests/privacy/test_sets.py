"""The evaluation sets of the privacy detector: whole, frozen, and what their page says they are."""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SETS = Path(__file__).resolve().parents[2] / "benchmarks" / "privacy_sets"
# rows with a label, rows without, digest of the file: frozen on 2026-11-27.
FROZEN = {
    "clean_prompts": (0, 602, "8bdbeea7fddc527ab40491744e8fc8a428baac24d3674f68138e94daf1d5a3fa"),
    "health_notes": (48, 109, "51ab2e3a3b61c127e2c7d78cc2040facb7eac42b3dc79c8b6236487dbded494b"),
    "health_lines": (0, 214, "990fec54da1f88645559886bd4e3b1fdd39c8a6643f9262617f726cbe0fdfb8a"),
    "health_clean": (0, 329, "a46ac76c30af3433b7027459d0a7fd1604a957609d7488dc10829ce58b74b979"),
    "names_mixed": (352, 221, "0bcb2e420bf36171bf8924a54eb1facd178f6f7f27e15cd8a81e19b179d5e307"),
    "hard_mixed": (504, 255, "0b2c65b45d794344409f85226c8894d22b3f22ce365bb64913b37242e4a4c508"),
    "secrets_own": (395, 255, "1a777cc29a3a9c47106dc8751315a20eddf7b1d9a5a20a7fc2aadba1b296fba7"),
}
HARD_LABELS = {
    "BANK_ACCOUNT", "CREDIT_CARD", "DATE_OF_BIRTH", "DRIVER_LICENSE", "EMAIL", "IBAN", "INSURANCE", "IP", "MAC",
    "MEDICAL_RECORD", "NATIONAL_ID", "PASSPORT", "PHONE", "ROUTING",
}  # fmt: skip


@pytest.fixture
def maker(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import a module of the sets' folder."""
    monkeypatch.syspath_prepend(str(SETS))

    def load(name: str) -> ModuleType:
        return importlib.import_module(name)

    return load


def rows_of(maker: Any, name: str) -> list[dict[str, Any]]:
    """The rows of a set, generated or read."""
    build, read = maker("make_secrets").build, maker("set_rows").read
    rows: list[dict[str, Any]] = build() if name == "secrets_own" else read(SETS / f"{name}.jsonl")
    return rows


@pytest.mark.parametrize("name", FROZEN)
def test_a_set_is_whole(name: str, maker: Any) -> None:
    rows = rows_of(maker, name)
    with_spans, without, _ = FROZEN[name]
    assert (sum(bool(row["spans"]) for row in rows), sum(not row["spans"] for row in rows)) == (with_spans, without)
    assert len({row["id"] for row in rows}) == len(rows)
    for row in rows:
        assert row["text"].strip(), row["id"]
        assert row["source"], row["id"]
        for span in row["spans"]:
            part = row["text"][span["start"] : span["end"]]
            assert part, row["id"]
            assert part == part.strip(), row["id"]
        assert "[[" not in row["text"] or name == "clean_prompts", row["id"]


@pytest.mark.parametrize("name", FROZEN)
def test_a_set_is_frozen(name: str, maker: Any) -> None:
    if name == "secrets_own":
        digest = maker("set_rows").digest(maker("make_secrets").build())
        assert digest == maker("make_secrets").DIGEST
    else:
        digest = hashlib.sha256((SETS / f"{name}.jsonl").read_bytes()).hexdigest()
    assert digest == FROZEN[name][2]


def test_the_makers_make_what_is_in_the_files(maker: Any) -> None:
    read = maker("set_rows").read
    assert maker("make_hard").build() == read(SETS / "hard_mixed.jsonl")
    assert maker("make_names").build() == read(SETS / "names_mixed.jsonl")
    prompts = read(SETS / "clean_prompts.jsonl")
    hand = [row for row in prompts if row["source"] == "hand"]
    assert hand + maker("make_clean").composed(hand) == prompts
    for name, (forms, count) in maker("make_health").WANTED.items():
        rows = read(SETS / f"{name}.jsonl")
        assert rows[-count:] == maker("make_health").generated(name, forms, count)


def test_clean_prompts_are_many_and_varied(maker: Any) -> None:
    rows = rows_of(maker, "clean_prompts")
    hand = [row["text"] for row in rows if row["source"] == "hand"]
    assert len(rows) >= 560
    assert len(set(hand)) == len(hand) >= 300
    assert max(len(row["text"]) for row in rows) <= 4_000
    assert all({"hard", "secrets", "health"} <= set(row["clean_of"]) for row in rows)
    assert len({row["kind"] for row in rows}) >= 20


def test_hard_identifiers_cover_networks_countries_and_kinds(maker: Any) -> None:
    rows = rows_of(maker, "hard_mixed")
    labels = Counter(span["label"] for row in rows for span in row["spans"])
    assert set(labels) == HARD_LABELS
    assert len({row["country"] for row in rows if row["country"]}) >= 30
    words = maker("set_checksums")
    assert (len(words.CARDS), len(words.BANKS), len(maker("set_hard_words").PHONES)) >= (6, 12, 20)
    for row in rows:
        for span in row["spans"]:
            if span["label"] == "CREDIT_CARD":
                number = "".join(char for char in row["text"][span["start"] : span["end"]] if char.isdigit())
                assert words.luhn(number[:-1]) == number, row["id"]


def test_secrets_have_shapes_of_many_vendors_and_of_none(maker: Any) -> None:
    rows = rows_of(maker, "secrets_own")
    vendors = {row["vendor"] for row in rows if row["vendor"]}
    assert len(vendors) >= 40
    assert sum(vendor.startswith("invented") for vendor in vendors) >= 8


def test_health_notes_name_the_patient_in_about_a_third(maker: Any) -> None:
    rows = rows_of(maker, "health_notes")
    identified = sum(row["identified"] for row in rows)
    assert 0.25 <= identified / len(rows) <= 0.45


def test_evasion_has_more_than_twenty_ways_that_change_the_text(maker: Any) -> None:
    evasion = maker("evasion")
    cases = list(evasion.table())
    assert len(evasion.TRANSFORMS) >= 22
    assert set(evasion.SUITS) == set(evasion.TRANSFORMS)
    values = {seed.kind: seed.value for seed in evasion.seeds()}
    assert set(values) == {"card", "iban", "ssn", "phone", "email", "key"}
    for case in cases:
        assert values[case.kind] not in case.text, case
    assert cases == list(evasion.table())


def test_no_module_of_the_sets_hides_a_module_of_the_product() -> None:
    names = {path.stem for path in SETS.glob("*.py")}
    assert not names & set(sys.stdlib_module_names)
