"""A load test in a terminal and as a page: the result in a sentence, honest figures, hostile names only text."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from crossover.errors import FileError
from crossover.loadtest.words import Quantile
from crossover.reports import loadtest as words
from crossover.reports import loadtest_html, loadtest_terminal
from crossover.reports.loadtest import Report
from tests.reports import loadtests

REPORTS = [loadtests.one, loadtests.sweep, loadtests.search, loadtests.failing, loadtests.hostile, loadtests.smallest]


def shown(found: Report, width: int = 80, *, encoding: str = "utf-8", quiet: bool = False) -> str:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, errors="strict", newline="")
    loadtest_terminal.render(found, Console(file=stream, width=width, color_system=None), quiet=quiet)
    stream.flush()
    return raw.getvalue().decode(encoding)


def test_the_result_stands_in_one_sentence() -> None:
    assert words.headline(loadtests.one()).startswith("4 at once: 1")
    assert "first token after 100 ms (p50)" in words.headline(loadtests.one())
    assert words.headline(loadtests.sweep()).startswith("Knee at 6 at once: ")
    sought = words.headline(loadtests.search())
    assert sought == "10 requests/s meet ttft_p95<250ms, itl_p99<30ms; 10.9 do not"
    assert words.headline(loadtests.failing()) == "No answer was measured: auth 4"  # and one of the warm-up
    assert words.headline(loadtests.smallest()) == "No answer was measured"


def test_figures_are_those_of_the_rows() -> None:
    said = shown(loadtests.one())
    for text in (
        "60 answers; 4 to warm up",
        "100 ms",
        "20 ms",
        "320 ms",
        "Goodput",
        "itl_p99<30ms holds: reached 20 ms",
    ):
        assert text in said, text
    assert "Against before.jsonl" in said
    assert "× 2 (" in said
    assert "11 figures about tiny are in the ledger" in said
    assert "What the engine counted" in said
    assert "25.0 %" in said
    assert "What the figures mean" not in shown(loadtests.one(), quiet=True)


def test_a_sweep_shows_its_loads_in_order_with_the_knee() -> None:
    lines = [line for line in shown(loadtests.sweep()).splitlines() if re.match(r" +\d+ at once", line)]
    counts = [int(line.split()[0]) for line in lines if "at once ·" not in line]
    assert counts == sorted(counts)
    assert [line.split()[0] for line in lines if "knee" in line] == ["6"]
    assert "$0.1234 spent" in shown(loadtests.sweep())


def test_a_search_says_what_held() -> None:
    said = shown(loadtests.search())
    assert said.count("holds") >= 3
    assert "missed" in said or "too much" in said
    assert "too few answers" in said


@pytest.mark.parametrize("make", REPORTS)
@pytest.mark.parametrize("width", [40, 80, 140])
def test_every_width_is_kept(make: Callable[[], Report], width: int) -> None:
    assert all(cell_len(line) <= width for line in shown(make(), width).splitlines())


@pytest.mark.parametrize("make", REPORTS)
def test_any_encoding_will_do(make: Callable[[], Report]) -> None:
    said = shown(make(), encoding="ascii")
    assert "\x1b" not in said
    assert "\u202e" not in said


def test_intervals_say_what_they_cannot_bound() -> None:
    assert words.interval(Quantile(0.5, 0.02, 0.019, 0.0213)) == "19–21.3"
    assert words.interval(Quantile(0.5, 1.5, 1.25, None)) == "1.25–?"
    assert words.interval(Quantile(0.99, 0.02, None, None)) == "few values"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0 ms"), (0.00038, "0.38 ms"), (0.0456, "45.6 ms"), (1.239, "1.24 s"), (4000.0, "4,000 s"), (None, "–")],
)
def test_times_have_three_digits(value: float | None, text: str) -> None:
    assert words.seconds(value) == text
    assert words.seconds(float("inf")) == "–"


def test_what_is_missed_and_what_is_slower() -> None:
    assert words.missed(loadtests.one()) == []
    assert words.missed(loadtests.failing()) == ["ttft_p95<250ms", "itl_p99<30ms"]
    assert any(line.startswith("first token p50 at 4 at once: × 2") for line in words.slower(loadtests.one()))
    assert words.slower(loadtests.sweep()) == []


@pytest.mark.parametrize("make", REPORTS)
def test_json_is_plain_and_whole(make: Callable[[], Report]) -> None:
    found = make()
    said = json.loads(json.dumps(words.as_json(found)))
    assert said["headline"] == words.headline(found)
    assert len(said["stages"]) == len(found.stages)
    assert set(said["definitions"]) >= {"ttft", "itl", "tpot", "e2e"}


# ---------------------------------------------------------------------------------------------------------------- page


@pytest.mark.parametrize("make", REPORTS)
def test_the_policy_of_a_page_allows_its_own_scripts_and_nothing_else(make: Callable[[], Report]) -> None:
    page = loadtest_html.page(make())
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    said = policy[1].replace("&#x27;", "'")
    assert said.startswith("default-src 'none'; ")
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    styles = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    for text in (*scripts, *styles):
        assert base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() in said
    assert len(scripts) == 2
    assert "style=" not in re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)


def test_hostile_names_are_text() -> None:
    page = loadtest_html.page(loadtests.hostile())
    assert "<script>alert" not in page
    assert "\u202e" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_a_page_holds_every_part() -> None:
    page = loadtest_html.page(loadtests.one())
    for text in ("Latency at 4 at once", "Over the time", "What the engine counted", "Against earlier runs", "holds"):
        assert text in page, text
    assert 'data-chart="curve"' not in page
    assert 'data-chart="curve"' in loadtest_html.page(loadtests.sweep())


def test_what_is_drawn_adds_up() -> None:
    found = loadtests.one()
    drawn = loadtest_html.drawn(found)
    line = drawn["timeline"]
    main = words.main_stage(found)
    assert main is not None
    tokens = sum(shot.output for shot in main.stage.run.shots)
    assert sum(line["tokens"]) * line["step"] == pytest.approx(tokens, rel=0.01)
    busy = sum(shot.e2e for shot in main.stage.run.shots)
    assert sum(line["under_way"]) * line["step"] == pytest.approx(busy, rel=0.01)
    assert [row["run"] for row in drawn["cdf"]] == ["", "before.jsonl"]
    assert all(curve == sorted(curve) for row in drawn["cdf"] for curve in row["curves"].values())
    best = [point["tag"] for point in loadtest_html.drawn(loadtests.sweep())["curve"] if point["best"]]
    assert best == ["6"]


def test_a_page_is_written_or_refused(tmp_path: Path) -> None:
    place = loadtest_html.write(loadtests.sweep(), tmp_path / "a.html")
    assert place.read_text(encoding="utf-8").startswith("<!doctype html>")
    with pytest.raises(FileError):
        loadtest_html.write(loadtests.sweep(), tmp_path)
