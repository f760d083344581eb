"""The page on providers keeps up with the rows, and its examples run."""

from pathlib import Path

from crossover.errors import UpstreamKind
from crossover.providers.registry import providers
from tests.docs_examples import rerun

PAGE = Path(__file__).resolve().parents[2] / "docs" / "providers.md"


def test_every_row_is_in_the_table() -> None:
    lines = {
        line.split("|")[1].strip(" `"): line for line in PAGE.read_text(encoding="utf-8").splitlines() if "|" in line
    }
    for name, row in providers().items():
        line = lines[name]
        assert row.title in line
        assert f"`{row.base_url or row.url_shape}`" in line or row.name in {"embedded", "sandbox"}
        assert not row.key_env or f"`{row.key_env}`" in line
        for field in row.unverified:
            assert f"`{field}`" in line, f"{name}: {field} is not verified, and the page must say so"


def test_every_way_to_fail_is_explained() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for kind in UpstreamKind.__args__:  # type: ignore[attr-defined]
        assert f"`{kind}`" in page


def test_the_examples_run_and_print_what_the_page_says() -> None:
    assert rerun(PAGE) == PAGE.read_text(encoding="utf-8")
