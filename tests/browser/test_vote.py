"""The page for votes in a real browser: used by keyboard and mouse, to its end, with hostile answers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from crossover.cli.vote import now, serve
from crossover.evaluation.booth import Booth
from crossover.evaluation.votes import NAME, Poll, poll, read_votes
from tests.browser.test_report import Seen, browser, too_wide
from tests.evaluation.answered import run

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["browser"]
pytestmark = pytest.mark.browser
HOSTILE = "</script><img src=x onerror=alert(1)>\u202egnp.exe"


def polled(count: int) -> Poll:
    said = {
        name: [f"{word} {number} {HOSTILE} {'words ' * 80}" for number in range(count)]
        for name, word in (("ruby", "warm"), ("opal", "cold"))
    }
    samples, outcomes = run(said)
    return poll(samples, outcomes, ("ruby", "opal"), "opal", rater="ada")


@contextmanager
def served(made: Poll, path: Path) -> Iterator[str]:
    """The page, served beside the browser."""
    address: list[str] = []
    there = threading.Event()

    def opened(at: str) -> None:
        address.append(at)
        there.set()

    loop = asyncio.new_event_loop()
    task = loop.create_task(serve(Booth(made, path, now), lambda: ["ruby is better."], opened=opened))
    thread = threading.Thread(target=lambda: loop.run_until_complete(asyncio.gather(task, return_exceptions=True)))
    thread.start()
    try:
        assert there.wait(10)
        yield address[0]
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(10)
        loop.close()


def opened(browser: Browser, address: str, width: int = 1100, scheme: str = "light") -> Seen:
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme="dark" if scheme == "dark" else "light"
    )
    seen = Seen(context.new_page())
    seen.page.goto(address)
    seen.page.wait_for_selector("html[data-ballot]", state="attached")
    return seen


def pressed(seen: Seen, key: str) -> None:
    """Press a key and wait until another ballot is shown."""
    before = seen.page.get_attribute("html", "data-ballot")
    seen.page.keyboard.press(key)
    seen.page.wait_for_function("before => document.documentElement.dataset.ballot !== before", arg=before)


def test_a_vote_by_keyboard_from_beginning_to_end(browser: Browser, tmp_path: Path) -> None:
    made, path = polled(6), tmp_path / NAME
    with served(made, path) as address:
        seen = opened(browser, address)
        shown = [seen.page.inner_text("#left"), seen.page.inner_text("#right")]
        first = made.ballots[0]
        texts = {"first": first.first_text, "second": first.second_text}
        assert shown[0].startswith(texts.pop(first.left)[:4])
        assert shown[1].startswith(texts.popitem()[1][:4])
        for key in ("1", "ArrowRight", "0", "9"):
            pressed(seen, key)
        pressed(seen, "u")
        assert seen.page.inner_text("#done") == "3 of 6"
        for key in ("x", "s", "ArrowLeft", "2"):
            pressed(seen, key)
        assert seen.page.inner_text("#thanks") == "Everything is voted on"
        assert "ruby" not in seen.page.content()
        seen.page.click("#finish-end")
        seen.page.wait_for_selector("html[data-ballot=ended]", state="attached")
        assert seen.page.inner_text("#sentences") == "ruby is better."
        assert seen.errors == []
        assert all(url.startswith((address, "data:")) for url in seen.requests)
        seen.page.context.close()
    cast = read_votes(path).cast
    choices = [cast["ada", one.key].choice for one in made.ballots]
    other = {"first": "second", "second": "first"}
    left = [one.left for one in made.ballots]
    assert choices == [left[0], other[left[1]], "tie", "bad", other[left[4]], left[5]]


def test_a_vote_goes_on_where_it_was_left(browser: Browser, tmp_path: Path) -> None:
    made, path = polled(4), tmp_path / NAME
    with served(made, path) as address:
        seen = opened(browser, address)
        pressed(seen, "1")
        pressed(seen, "1")
        seen.page.context.close()
    with served(made, path) as address:
        seen = opened(browser, address)
        assert seen.page.inner_text("#done") == "2 of 4"
        assert seen.page.get_attribute("html", "data-ballot") == made.ballots[2].key
        seen.page.context.close()


@pytest.mark.parametrize("width", [400, 1100])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_hostile_answers_stay_text_and_fit(browser: Browser, tmp_path: Path, width: int, scheme: str) -> None:
    with served(polled(3), tmp_path / NAME) as address:
        seen = opened(browser, address, width, scheme)
        assert "<img src=x onerror=alert(1)>gnp.exe" in seen.page.inner_text("#left")
        assert seen.page.evaluate("document.images.length") == 0
        assert too_wide(seen.page) <= 0
        for name in ("1 is better", "Both are bad"):
            before = seen.page.get_attribute("html", "data-ballot")
            seen.page.get_by_role("button", name=name).click()
            seen.page.wait_for_function("before => document.documentElement.dataset.ballot !== before", arg=before)
        assert seen.errors == []
        seen.page.context.close()


def test_the_page_says_when_its_command_has_ended(browser: Browser, tmp_path: Path) -> None:
    with served(polled(3), tmp_path / NAME) as address:
        seen = opened(browser, address)
    seen.page.keyboard.press("1")
    seen.page.wait_for_selector("#trouble:not(:empty)")
    assert "Every vote is kept" in seen.page.inner_text("#trouble")
    seen.page.context.close()
