"""The page on the Python API prints what its code prints."""

from __future__ import annotations

from pathlib import Path

from tests.docs_examples import rerun

PAGE = Path(__file__).resolve().parents[1] / "docs" / "python.md"


def test_examples_print_what_the_page_says() -> None:
    assert rerun(PAGE) == PAGE.read_text(encoding="utf-8")
