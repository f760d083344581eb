"""Every page of the dashboard in a real browser: no error, nothing from elsewhere, nothing too wide, accessible."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from crossover.dashboard.session import new_lock
from crossover.dashboard.words import Planned
from crossover.ledger.store import open_ledger
from crossover.runtime.dashboard import Book, listen, pages, run
from tests.browser.test_report import DRAWN_PIXELS, browser
from tests.dashboard import parts

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page

__all__ = ["browser"]
pytestmark = pytest.mark.browser
SERIOUS = {"serious", "critical"}
PAGES = ("/", "/requests", "/requests?status=bad", "STORY", "/deployments", "/quality", "/plan", "/privacy", "/keys")
CHARTS = {"/": 3, "/plan": 1}


class Shown(NamedTuple):
    """A dashboard that is served, and what opens it."""

    url: str
    token: str
    gate: parts.Standing
    story: str


@contextmanager
def shown(book: Book, gate: parts.Standing, story: str = "") -> Iterator[Shown]:
    lock, token = new_lock()
    listener = listen(0)
    port = int(listener.getsockname()[1])
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    app = pages(book, gate, lambda: lock, port)
    thread = threading.Thread(target=lambda: loop.run_until_complete(run(app, listener, stop)), daemon=True)
    thread.start()
    try:
        yield Shown(f"http://127.0.0.1:{port}", token, gate, story)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        loop.close()
        listener.close()


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    path = parts.ledger_of_a_week(tmp_path_factory.mktemp("full") / "ledger.db", 500)
    with open_ledger(path, readonly=True) as ledger:
        story = ledger.rows("SELECT id FROM records WHERE attempts > 1 AND tier = 'hard' LIMIT 1")[0][0]
    with shown(parts.book(path), parts.Standing(parts.live()), f"/requests/{story}") as made:
        yield made


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    path = parts.empty_ledger(tmp_path_factory.mktemp("empty") / "ledger.db")
    gate = parts.Standing(parts.live(places=(), budgets=()))
    with shown(parts.book(path, planned=Planned(), hourly={}), gate) as made:
        yield made


class Seen:
    """A page that is open, with what it said and asked for."""

    def __init__(self, context: BrowserContext, house: Shown) -> None:
        self.page: Page = context.new_page()
        self.house = house
        self.errors: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(f"{house.url}/login#{house.token}")
        self.page.wait_for_url(f"{house.url}/")

    def _said(self, said: ConsoleMessage) -> None:
        if said.type in ("error", "warning"):
            self.errors.append(said.text)

    def open(self, path: str) -> None:
        answer = self.page.goto(self.house.url + (self.house.story if path == "STORY" else path))
        assert answer is not None
        assert answer.status == 200
        if path.partition("?")[0] in CHARTS and self.page.query_selector("[data-chart]"):
            self.page.wait_for_selector("html[data-drawn]", state="attached")


@contextmanager
def seen(browser: Browser, house: Shown, width: int = 1280, scheme: str = "light") -> Iterator[Seen]:
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
    )  # fmt: skip
    made = Seen(context, house)
    try:
        yield made
        assert made.errors == []
        assert [url for url in made.asked if not url.startswith(house.url)] == []
    finally:
        context.close()


def findings(page: Page) -> list[str]:
    """What axe-core finds that is serious: rule and element."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {node['html'][:160]} {node['failureSummary'][:200]}"
        for one in found
        if one["impact"] in SERIOUS
        for node in one["nodes"]
    ]


def too_wide(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_with_data_is_whole_and_accessible(browser: Browser, full: Shown, width: int, scheme: str) -> None:
    with seen(browser, full, width, scheme) as made:
        for path in PAGES:
            made.open(path)
            assert too_wide(made.page) <= 0, path
            boxes = made.page.query_selector_all("[data-chart]")
            assert len(boxes) == CHARTS.get(path, 0)
            for box in boxes:
                assert box.evaluate(DRAWN_PIXELS) > 500
            made.page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
            assert too_wide(made.page) <= 0, f"{path} opened"
            assert findings(made.page) == [], path


@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_empty_page_is_whole_and_accessible(browser: Browser, empty: Shown, width: int, scheme: str) -> None:
    with seen(browser, empty, width, scheme) as made:
        for path in PAGES:
            if path not in ("STORY", "/requests?status=bad"):
                made.open(path)
                assert too_wide(made.page) <= 0, path
                assert findings(made.page) == [], path


def test_the_door_is_accessible_and_asks_nobody_else(browser: Browser, full: Shown) -> None:
    context = browser.new_context(viewport={"width": 400, "height": 800})
    page = context.new_page()
    page.goto(f"{full.url}/requests")
    assert page.url == f"{full.url}/login"
    assert findings(page) == []
    page.fill("#token", "xod-wrong")
    page.keyboard.press("Enter")
    page.wait_for_selector("[role=alert]")
    page.fill("#token", full.token)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{full.url}/")
    context.close()


def test_the_token_of_a_link_leaves_the_address(browser: Browser, full: Shown) -> None:
    with seen(browser, full) as made:
        assert full.token not in made.page.url
        assert all(full.token not in url for url in made.asked)


def test_the_keyboard_is_enough(browser: Browser, full: Shown) -> None:
    with seen(browser, full) as made:
        made.open("/requests")
        made.page.keyboard.press("Tab")
        assert made.page.evaluate("document.activeElement.className") == "skip"
        made.page.keyboard.press("Enter")
        made.page.keyboard.press("/")
        assert made.page.evaluate("document.activeElement.id") == "id"
        made.page.keyboard.type(full.story.removeprefix("/requests/"))
        made.page.keyboard.press("Enter")
        made.page.wait_for_url(full.url + full.story)


def test_what_happens_now_is_asked_for_again(browser: Browser, full: Shown) -> None:
    with seen(browser, full) as made:
        made.open("/")
        with made.page.expect_response(lambda answer: answer.url.endswith("/overview/now")):
            pass
        made.page.wait_for_function("document.querySelector('#now table') !== null")


def test_a_deployment_is_drained_with_a_click(browser: Browser, full: Shown) -> None:
    with seen(browser, full) as made:
        made.open("/deployments")
        made.page.get_by_role("button", name="Drain mini").click()
        made.page.wait_for_url(f"{full.url}/deployments")
        assert ("mini", True) in full.gate.told


def test_a_key_is_made_and_revoked_after_a_question(browser: Browser, tmp_path: Path) -> None:
    path = parts.empty_ledger(tmp_path / "ledger.db")
    with shown(parts.book(path), parts.Standing(parts.live())) as house, seen(browser, house) as made:
        made.open("/keys")
        made.page.get_by_label("Name", exact=True).fill("desk <b>")
        made.page.get_by_role("button", name="Create the key").click()
        secret = made.page.inner_text(".secret")
        assert secret.startswith("xo-")
        assert findings(made.page) == []
        made.page.goto(f"{house.url}/keys")
        asked: list[str] = []

        def dismiss(dialog: Dialog) -> None:
            asked.append(dialog.message)
            dialog.dismiss()

        made.page.once("dialog", dismiss)
        made.page.get_by_role("button", name="Revoke desk").click()
        assert asked[0].startswith("Revoke desk <b>?")
        assert "in force" in made.page.inner_text("main")
        made.page.once("dialog", lambda dialog: dialog.accept())
        made.page.get_by_role("button", name="Revoke desk").click()
        made.page.wait_for_selector(".done")


def test_the_chain_is_checked_on_the_page(browser: Browser, full: Shown) -> None:
    with seen(browser, full) as made:
        made.open("/privacy")
        made.page.get_by_role("button", name="Check").click()
        made.page.wait_for_selector("#audit .badge.good")
        assert "follow from each other" in made.page.inner_text("#audit")


def test_a_chart_follows_the_window_and_the_colours(browser: Browser, full: Shown) -> None:
    with seen(browser, full) as made:
        made.open("/")
        made.page.set_viewport_size({"width": 400, "height": 900})
        made.page.wait_for_function("document.querySelector('[data-chart] canvas').clientWidth < 400")
        made.page.emulate_media(color_scheme="dark")
        assert too_wide(made.page) <= 0


class Scripted(Book):
    """A ledger whose evaluations have a page with a script."""

    def report(self, source: str) -> str | None:
        script = "document.title = 'o:' + origin"
        return f"<!doctype html><link rel=icon href='data:,'><title>{source}</title><script>{script}</script>"


def test_a_report_of_an_evaluation_is_locked_into_a_corner(browser: Browser, tmp_path: Path) -> None:
    """Its page may hold anything: it runs its own script, and reaches no cookie and no page beside it."""
    path = parts.ledger_of_a_week(tmp_path / "ledger.db", 5)
    book = Scripted(path, parts.house(bodies=True), clock=lambda: parts.NOW)
    with shown(book, parts.Standing(None)) as house, seen(browser, house) as made:
        made.page.goto(f"{house.url}/quality/report?of=x")
        assert made.page.title() == "o:null"
