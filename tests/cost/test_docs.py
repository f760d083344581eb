"""The page on costs shows real output."""

from __future__ import annotations

from pathlib import Path

from tests.docs_examples import rerun

PAGE = Path(__file__).resolve().parents[2] / "docs" / "cost.md"


def test_examples_print_what_the_page_shows() -> None:
    assert rerun(PAGE) == PAGE.read_text(encoding="utf-8")
