"""The report of an evaluation in a real browser: offline, searched, walked through by keyboard, nothing too wide."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from crossover.evaluation.summary import Summary
from crossover.reports import evaluation_html
from tests.browser.test_report import DRAWN_PIXELS, Seen, browser, too_wide
from tests.reports import evaluations

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["browser"]
pytestmark = pytest.mark.browser


def opened(browser: Browser, summary: Summary, folder: Path, width: int = 1100, scheme: str = "light") -> Seen:
    place = evaluation_html.write(summary, folder / "eval.html")
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme="dark" if scheme == "dark" else "light", offline=True
    )
    seen = Seen(context.new_page())
    seen.page.goto(place.as_uri())
    seen.page.wait_for_selector("html[data-drawn]", state="attached")
    return seen


@pytest.mark.parametrize("width", [400, 1100])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_opens_offline_and_fits(browser: Browser, tmp_path: Path, width: int, scheme: str) -> None:
    seen = opened(browser, evaluations.many(), tmp_path, width, scheme)
    boxes = seen.page.query_selector_all("[data-chart]")
    assert len(boxes) == 2
    assert all(box.evaluate(DRAWN_PIXELS) > 1000 for box in boxes)
    seen.page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    assert too_wide(seen.page) <= 0
    assert seen.errors == []
    assert [url for url in seen.requests if not url.startswith(("file://", "data:"))] == []
    seen.page.context.close()


@pytest.mark.parametrize("width", [400, 1100])
def test_hostile_text_runs_nothing_and_breaks_no_layout(browser: Browser, tmp_path: Path, width: int) -> None:
    seen = opened(browser, evaluations.hostile(), tmp_path, width)
    assert seen.page.evaluate("document.images.length") == 0
    assert "alert(1)>gnp.exe" in seen.page.inner_text("#detail")
    assert too_wide(seen.page) <= 0
    assert seen.errors == []
    seen.page.context.close()


@pytest.mark.parametrize("make", [evaluations.alike, evaluations.nothing, evaluations.judged])
def test_small_reports_open(browser: Browser, tmp_path: Path, make: object) -> None:
    seen = opened(browser, make(), tmp_path, 400)  # type: ignore[operator]
    assert seen.errors == []
    assert too_wide(seen.page) <= 0
    seen.page.context.close()


def test_disagreements_are_walked_through_by_keyboard(browser: Browser, tmp_path: Path) -> None:
    summary = evaluations.two()
    rows = summary.findings.versus[0].disagreements
    seen = opened(browser, summary, tmp_path)
    page = seen.page
    assert page.inner_text("#detail h3") == rows[0].sample
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    assert page.inner_text("#detail h3") == rows[1].sample
    page.focus("#list")
    page.keyboard.press("End")
    assert page.inner_text("#detail h3") == rows[-1].sample
    assert page.get_attribute("#list", "aria-activedescendant") == f"row-{len(rows) - 1}"
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    assert page.inner_text("#detail h3") == rows[1].sample
    page.context.close()


def test_disagreements_are_searched_and_sorted(browser: Browser, tmp_path: Path) -> None:
    summary = evaluations.two()
    rows = summary.findings.versus[0].disagreements
    seen = opened(browser, summary, tmp_path)
    page = seen.page
    wanted = rows[3]
    page.keyboard.press("/")
    page.keyboard.type(wanted.sample.upper())
    page.wait_for_selector("#list li:only-child")
    assert page.inner_text("#detail h3") == wanted.sample
    assert page.inner_text("#count") == f"1 of {len(rows)}"
    page.keyboard.press("Escape")
    page.select_option("#kind", "won")
    won = [row for row in rows if row.loss < 0]
    assert page.locator("#list li").count() == len(won)
    page.select_option("#kind", "")
    page.select_option("#order", "won")
    assert page.inner_text("#detail h3") == rows[-1].sample
    page.select_option("#order", "file")
    assert page.inner_text("#detail h3") == min(rows, key=lambda row: row.line).sample
    page.select_option("#tag", "login")
    assert page.locator("#list li").count() == sum("login" in row.tags for row in rows)
    page.fill("#find", "no such words")
    page.wait_for_selector("#list:empty", state="attached")
    assert "Nothing here fits" in page.inner_text("#detail")
    page.context.close()


def test_the_words_that_differ_are_marked(browser: Browser, tmp_path: Path) -> None:
    summary = evaluations.two()
    row = summary.findings.versus[0].disagreements[0]
    seen = opened(browser, summary, tmp_path)
    for side, said in (("ours", row.candidate), ("theirs", row.reference)):
        box = seen.page.locator(f".side.{side} .said")
        assert box.inner_text().strip() == said.strip()
        assert box.locator("mark").count() > 0
    marked = "".join(seen.page.locator(".side.ours .said mark").all_inner_texts())
    assert "customer" not in marked
    seen.page.context.close()


def test_another_candidate_is_chosen(browser: Browser, tmp_path: Path) -> None:
    summary = evaluations.many()
    seen = opened(browser, summary, tmp_path)
    seen.page.select_option("#who", "2")
    one = summary.findings.versus[2]
    assert seen.page.inner_text("#detail h3") == one.disagreements[0].sample
    assert one.candidate in seen.page.inner_text(".side.ours h4")
    seen.page.context.close()
