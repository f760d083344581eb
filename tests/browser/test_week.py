"""The page of a week in a real browser: offline, nothing runs, nothing too wide."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from crossover.ledger import week
from crossover.ledger.words import PICO, Alternative
from crossover.reports import week_html
from tests.browser.test_report import Seen, browser, too_wide
from tests.ledger.parts import DAY, NOON, local, opened, record, stayed, write

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["browser"]
pytestmark = pytest.mark.browser
NASTY = "<img src=x onerror=alert(1)>" + "w" * 150


@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_opens_offline_and_fits(browser: Browser, tmp_path: Path, width: int, scheme: str) -> None:
    box = Alternative("box", PICO, local=True)
    rows = [
        record("a", cost=9 * PICO, marginal=9 * PICO, alternatives=(box,)), local("b"), stayed("c"),
        record("n", asked=NASTY, model=NASTY, key=NASTY, status="error", error=NASTY[:90]),
    ]  # fmt: skip
    with opened(tmp_path / "l.db", now=NOON + DAY) as ledger:
        write(ledger, rows)
        found = week.gather(ledger, NOON, NOON + DAY, {"box": PICO})
    place = tmp_path / "week.html"
    place.write_text(week_html.page(found, dt.date(2026, 11, 27)), encoding="utf-8")
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme="dark" if scheme == "dark" else "light", offline=True
    )
    seen = Seen(context.new_page())
    seen.page.goto(place.as_uri())
    assert "What to change next" in seen.page.inner_text("main")
    assert "<img src=x" in seen.page.inner_text("main")
    assert seen.page.evaluate("document.images.length") == 0
    assert too_wide(seen.page) <= 0
    assert seen.errors == []
    assert [url for url in seen.requests if not url.startswith(("file://", "data:"))] == []
    context.close()
