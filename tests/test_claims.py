"""The page of popular claims says what the code computes, and what was worked out by hand."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def claims() -> ModuleType:
    spec = importlib.util.spec_from_file_location("claims_page", ROOT / "benchmarks" / "claims.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def page(claims: ModuleType) -> str:
    text: str = claims.page()
    return text


def test_the_page_is_what_the_code_computes(page: str) -> None:
    written = (ROOT / "docs" / "claims.md").read_text(encoding="utf-8")
    assert written == page, "docs/claims.md is behind: python benchmarks/claims.py --write"


@pytest.mark.parametrize(
    "figure",
    [
        "$76.50",
        "$1,275",
        "$7.65 and $127.50; $3,825 and $63,750",
        "$724.32",
        "5,681 a day",
        "9,942",
        "94,682",
        "313,725 requests a day",
        "5.2 million requests",
        "326,797 requests a day, 3,404 output tokens",
        "0.69 is the offered load",
        "busy 50%",
        "37 tokens a second",
        "115 ms",
        "2025-10-28",
    ],
)
def test_figures_worked_out_by_hand(page: str, figure: str) -> None:
    assert figure in page


def test_no_claim_is_left_out(page: str) -> None:
    assert page.count("\n| ") >= 18
