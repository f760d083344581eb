"""The HTML report in a real browser: no error, no request, every figure drawn, nothing wider than the window."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from crossover.planner.question import Costs, Question
from crossover.planner.words import Plan
from crossover.reports import html
from crossover.runtime import plan_for
from crossover.workload import Workload, constant, parse_slo
from tests.reports import plans

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
CHARTS = ["volume", "ranked", "replicas", "latency", "tco", "tornado"]
DRAWN_PIXELS = """box => [...box.querySelectorAll("canvas")].reduce((sum, canvas) => {
  const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let inked = 0;
  for (let at = 3; at < data.length; at += 4) if (data[at] > 0) inked += 1;
  return sum + inked;
}, 0)"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = os.environ.get("CROSSOVER_CHROMIUM") or shutil.which("chromium")  # noqa: TID251 - a test setting
    if not found:
        reason = "no Chromium: install it or set CROSSOVER_CHROMIUM to its path"
        if os.environ.get("CROSSOVER_TEST_REQUIRE_ALL"):  # noqa: TID251 - a test setting
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        made = driver.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield made
        made.close()


@pytest.fixture(scope="module")
def computed() -> Plan:
    """A plan that the product computes itself: today's API at 313,725 requests a day."""
    load = Workload(
        name="flags",
        requests_per_day=313_725,
        input=constant(500),
        output=constant(300),
        models=("gpt-4o",),
        peak_factor=3,
    )
    question = Question(
        workload=load,
        today=plans.MADE_ON,
        as_of=plans.MADE_ON,
        slo=parse_slo("ttft_p95<1s"),
        costs=Costs(fte=0.5, migration_usd=60_000),
        draws=200,
    )
    return plan_for(question)


class Seen:
    """What a page said and asked for."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.errors.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))


def opened(browser: Browser, plan: Plan, folder: Path, width: int, scheme: str = "light") -> Seen:
    place = html.write(plan, folder / "report.html")
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme="dark" if scheme == "dark" else "light", offline=True
    )
    seen = Seen(context.new_page())
    seen.page.goto(place.as_uri())
    seen.page.wait_for_selector("html[data-drawn]", state="attached")
    return seen


def too_wide(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_draws_every_figure_offline(browser: Browser, tmp_path: Path, width: int, scheme: str) -> None:
    seen = opened(browser, plans.sample(), tmp_path, width, scheme)
    boxes = seen.page.query_selector_all("[data-chart]")
    assert [box.get_attribute("data-chart") for box in boxes] == CHARTS
    for box in boxes:
        size = box.bounding_box()
        assert size is not None
        assert size["width"] > 200
        assert size["height"] > 100
        assert box.evaluate(DRAWN_PIXELS) > 1000
    assert too_wide(seen.page) <= 0
    assert seen.errors == []
    assert [url for url in seen.requests if not url.startswith(("file://", "data:"))] == []
    seen.page.context.close()


@pytest.mark.parametrize("width", [400, 1280])
def test_a_computed_plan_draws_every_figure(browser: Browser, tmp_path: Path, computed: Plan, width: int) -> None:
    seen = opened(browser, computed, tmp_path, width)
    boxes = seen.page.query_selector_all("[data-chart]")
    assert {"volume", "ranked", "tco"} <= {box.get_attribute("data-chart") for box in boxes}
    assert all(box.evaluate(DRAWN_PIXELS) > 1000 for box in boxes)
    assert too_wide(seen.page) <= 0
    assert seen.errors == []
    seen.page.context.close()


def test_tables_fit_a_phone_when_opened(browser: Browser, tmp_path: Path) -> None:
    seen = opened(browser, plans.sample(), tmp_path, 400)
    seen.page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    assert too_wide(seen.page) <= 0
    seen.page.context.close()


def test_figures_follow_the_window(browser: Browser, tmp_path: Path) -> None:
    seen = opened(browser, plans.sample(), tmp_path, 1280)
    seen.page.set_viewport_size({"width": 400, "height": 900})
    seen.page.wait_for_function("document.querySelector('[data-chart] canvas').clientWidth < 400")
    assert too_wide(seen.page) <= 0
    assert seen.errors == []
    seen.page.context.close()


def test_the_crossings_are_listed_in_words(browser: Browser, tmp_path: Path) -> None:
    seen = opened(browser, plans.sample(), tmp_path, 1280)
    rows = [row.inner_text() for row in seen.page.query_selector_all("#crossings li")]
    assert rows
    assert all(row.startswith("above about ") and "/day" in row for row in rows)
    seen.page.context.close()


def test_a_tooltip_shows_figures_and_no_markup(browser: Browser, tmp_path: Path) -> None:
    seen = opened(browser, plans.hostile(), tmp_path, 1280)
    for name in CHARTS:
        box = seen.page.query_selector(f"[data-chart={name}]")
        assert box is not None
        box.scroll_into_view_if_needed()
        size = box.bounding_box()
        assert size is not None
        seen.page.mouse.move(size["x"] + size["width"] / 2, size["y"] + size["height"] / 2)
        seen.page.mouse.move(size["x"] + 60, size["y"] + 40)
    assert seen.page.evaluate("document.images.length") == 0
    assert seen.errors == []
    seen.page.context.close()


@pytest.mark.parametrize("width", [400, 1280])
def test_hostile_text_runs_nothing_and_breaks_no_layout(browser: Browser, tmp_path: Path, width: int) -> None:
    seen = opened(browser, plans.hostile(), tmp_path, width)
    assert seen.errors == []
    assert too_wide(seen.page) <= 0
    seen.page.context.close()


def test_a_plan_without_figures_opens_too(browser: Browser, tmp_path: Path) -> None:
    seen = opened(browser, plans.smallest(), tmp_path, 400)
    assert seen.errors == []
    assert too_wide(seen.page) <= 0
    seen.page.context.close()


def test_print_uses_light_colours(browser: Browser, tmp_path: Path) -> None:
    seen = opened(browser, plans.sample(), tmp_path, 1280, "dark")
    seen.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert (
        seen.page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--ink').trim()") == "#1c2227"
    )
    seen.page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert (
        seen.page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--ink').trim()") != "#1c2227"
    )
    assert seen.errors == []
    seen.page.context.close()
