"""The page of a load test in a real browser: no error, no request, every figure drawn, nothing too wide."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from crossover.reports import loadtest_html
from crossover.reports.loadtest import Report
from tests.browser.test_report import DRAWN_PIXELS, Seen, browser, too_wide
from tests.reports import loadtests

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser
__all__ = ["browser"]


def opened(browser: Browser, found: Report, folder: Path, width: int, scheme: str = "light") -> Seen:
    place = loadtest_html.write(found, folder / "report.html")
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme="dark" if scheme == "dark" else "light", offline=True
    )
    seen = Seen(context.new_page())
    seen.page.goto(place.as_uri())
    seen.page.wait_for_selector("html[data-drawn]", state="attached")
    return seen


@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize(
    ("make", "charts"),
    [
        (loadtests.sweep, ["curve", "cdf", "timeline"]),
        (loadtests.search, ["curve", "cdf", "timeline"]),
        (loadtests.hostile, ["cdf", "timeline"]),
        (loadtests.failing, ["timeline"]),
        (loadtests.smallest, []),
    ],
)
def test_every_figure_is_drawn_offline(
    browser: Browser, tmp_path: Path, width: int, make: Callable[[], Report], charts: list[str]
) -> None:
    seen = opened(browser, make(), tmp_path, width, "dark" if width == 400 else "light")
    boxes = seen.page.query_selector_all("[data-chart]")
    assert [box.get_attribute("data-chart") for box in boxes] == charts
    assert all(box.evaluate(DRAWN_PIXELS) > 1000 for box in boxes)
    seen.page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    assert too_wide(seen.page) <= 0
    for box in boxes:
        box.scroll_into_view_if_needed()
        size = box.bounding_box()
        assert size is not None
        seen.page.mouse.move(size["x"] + size["width"] / 2, size["y"] + size["height"] / 2)
        seen.page.mouse.move(size["x"] + 80, size["y"] + 60)
    assert seen.errors == []
    assert [url for url in seen.requests if not url.startswith(("file://", "data:"))] == []
    assert seen.page.evaluate("document.images.length") == 0
    seen.page.context.close()
