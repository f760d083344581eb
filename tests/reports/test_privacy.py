"""A scan in a terminal and as a page: values masked, figures right, hostile text only text, every width kept."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from crossover.errors import FileError
from crossover.privacy.policy import PROFILES
from crossover.privacy.words import Finding
from crossover.reports import privacy as words
from crossover.reports import privacy_html, privacy_terminal
from crossover.reports.privacy import Listing, Report
from crossover.sensitivity import Category, Tier
from crossover.traffic.scan.context import Lines, hits
from crossover.traffic.scan.words import FileCount, Hit, KindCount, Note, Piece, Spot, Survey

HOSTILE = "</style><script>alert(1)</script>\x1b[31m\u202e[red]\"'"


def hit(
    text: str = "pay 4111111111111111 now", start: int = 4, end: int = 20, *, kind: str = "payment_card",
    category: Category = "financial", tier: Tier = "hard", path: str = "messages[0].content",
) -> Hit:  # fmt: skip
    finding = Finding(category=category, kind=kind, tier=tier, start=start, end=end, score=0.98, rule="r")
    return next(hits(text, [finding], Lines(text, 3), path))


def survey(**changes: object) -> Survey:
    facts: dict[str, object] = {
        "files": 2, "records": 200, "findings": 31, "bytes": 1_250_000,
        "states": {"hard": 20, "soft": 10, "unread": 3, "clean": 167},
        "categories": {"financial": 20, "personal": 10},
        "kinds": (
            KindCount(category="financial", kind="payment_card", tier="hard", findings=21, records=20),
            KindCount(category="personal", kind="person", tier="soft", findings=10, records=10),
        ),
        "profiles": {
            "strict": {"allow": 167, "local_only": 33}, "balanced": {"allow": 167, "redact": 10, "local_only": 23},
            "open": {"allow": 180, "local_only": 20},
        },
        "opaque": {"it holds an image": 3},
        "notes": (Note("a.jsonl", "line 7: no JSON, read as plain text", 7),),
        "skipped": {"binary": 2},
        "complete": True,
    }  # fmt: skip
    return Survey(**{**facts, **changes})  # type: ignore[arg-type]


def report(*found: Hit, show: bool = False, name: str = "a.jsonl", **changes: object) -> Report:
    listing = Listing()
    for one in found:
        listing.keep(name, one)
    listing.ended(FileCount(name=name, form="jsonl", bytes=9, records=200, findings=31, states={}))
    return Report(
        survey=survey(**changes), profile=PROFILES["balanced"], files=listing.files, show=show, detector="d-1",
        made_on="2026-05-01",
    )  # fmt: skip


def shown(one: Report, width: int = 80, *, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, errors="strict", newline="")
    privacy_terminal.render(one, Console(file=stream, width=width, color_system=None))
    stream.flush()
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize(
    ("value", "category", "kind", "wanted"),
    [
        ("4111111111111111", "financial", "payment_card", "41••••••••••••11"),
        ("078-05-1120", "identifiers", "ssn", "0•••••••••0"),
        ("1234567", "identifiers", "id", "•••••••"),
        ("ab", "personal", "person", "•••"),
        ("hunter2-hunter2", "secrets", "password", "••••••••••••"),
        ("x" * 40, "secrets", "api_key", "xx••••••••••••xx"),
        ("y" * 41, "secrets", "api_key", "yy••••••••••••yy (41 characters)"),
        ("she is ill", "health", "health", "••••••••••"),
        (" 12  Main\nStreet ", "personal", "address", "12••••••••••et"),
    ],
)
def test_little_is_left_of_a_value(value: str, category: Category, kind: str, wanted: str) -> None:
    assert words.masked(value, category, kind) == wanted


def test_what_stands_around_a_value_fits_its_room() -> None:
    text = "a" * 30 + " Name-Ann pays " + "4111111111111111" + " for\n\tName-Bob and " + "b" * 40
    at = text.index("4111")
    found = [
        Finding(category="financial", kind="payment_card", tier="hard", start=at, end=at + 16),
        *(
            Finding(category="personal", kind="person", tier="soft", start=start, end=start + 8)
            for start in (text.index("Name-A"), text.index("Name-B"))
        ),
    ]
    card = next(one for one in hits(text, found, Lines(text)) if one.kind == "payment_card")
    for room in (20, 30, 50, 90, 300):
        pieces = words.context(card, room, show=False)
        line = "".join(piece.text for piece in pieces)
        assert len(line) <= max(room, 20) + 2
        assert "Name" not in line
        assert [piece.text for piece in pieces if piece.role == "value"] == ["41••••••••••••11"]
    line = "".join(piece.text for piece in words.context(card, 300, show=True))
    assert " Name-Ann pays 4111111111111111 for Name-Bob and bbb" in line
    assert len(words.context(hit("x" * 500, 0, 500), 40, show=True)[0].text) == 40


def test_shares_for_the_plan() -> None:
    for inside, total, wanted in (
        (0, 10, "0"), (10, 10, "1"), (1, 8, "0.125"), (1, 100_000, "1e-05"), (99_999, 100_000, "0.99999"),
    ):  # fmt: skip
        one = report(records=total, profiles={"balanced": {"local_only": inside, "allow": total - inside}})
        text = words.plan_line(one).rpartition(" ")[2]
        assert float(text) == pytest.approx(float(wanted), rel=0.01)
        assert (float(text) in (0, 1)) == (inside in (0, total))


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_every_width(width: int) -> None:
    long = hit("w " * 100 + "4111111111111111" + " v" * 100, 200, 216, path="messages[0]." + "deep." * 30 + "x")
    text = shown(report(hit(), long, hit(HOSTILE + " 4111111111111111", len(HOSTILE) + 1, len(HOSTILE) + 17)), width)
    assert max(cell_len(line) for line in text.split("\n")) <= width
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "4111" not in text


def test_the_figures() -> None:
    flat = " ".join(shown(report(hit()), 100).split())
    assert "a.jsonl · 200 records, 31 findings" in flat
    assert "30 more in this file (--limit)" in flat
    assert "payment card financial hard 21 20 10.0 %" in flat
    assert "not readable 3 1.5 % 0.5–4.3 %" in flat
    assert "▶ balanced 167 83.5 % 10 5.0 % 23 11.5 % –" in flat
    assert "23 of 200 records (11.5 %) may not leave under the profile balanced" in flat
    assert "crossover plan … --sensitive-share 0.115" in flat
    assert "3 records: it holds an image" in flat
    assert "Files left out: 2 binary" in flat
    assert "Interrupted" in shown(report(complete=False))


def test_plain_encodings() -> None:
    text = shown(report(hit()), encoding="ascii")
    assert "41************11" in text
    assert "> balanced" in text


def test_headlines() -> None:
    clean = {"clean": 5}
    cases: list[tuple[dict[str, Any], str]] = [
        ({"records": 0, "states": {}, "kinds": ()}, "Nothing was looked at"),
        (
            {"records": 5, "findings": 0, "states": clean, "profiles": {"balanced": {"allow": 5}}},
            "Nothing sensitive in 5",
        ),
        (
            {"records": 5, "states": {"soft": 2, "clean": 3}, "profiles": {"balanced": {"allow": 3, "redact": 2}}},
            "2 of 5 records hold something; all of them may leave",
        ),
        (
            {"records": 1, "states": {"soft": 1}, "profiles": {"balanced": {"redact": 1}}},
            "1 of 1 record holds something; it may leave",
        ),
        (
            {"records": 5, "states": {"unread": 2, "clean": 3}, "profiles": {"balanced": {"allow": 5}}},
            "No finding in 5 records, of which 2 cannot be read",
        ),
    ]  # fmt: skip
    for changes, said in cases:
        assert said in words.headline(report(**changes))
    assert "Nothing was looked at" in privacy_html.page(report(records=0, states={}, kinds=()))


def test_the_page_asks_for_nothing_and_runs_nothing() -> None:
    nasty = hit(HOSTILE + " 4111111111111111", len(HOSTILE) + 1, len(HOSTILE) + 17, path=HOSTILE)
    page = privacy_html.page(report(nasty, name=HOSTILE))
    assert "<script" not in page
    assert " style=" not in page
    assert "http:" not in page
    assert "https:" not in page
    assert "\x1b" not in page
    assert "4111111111111111" not in page
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src &#x27;sha256-{digest}&#x27;" in page
    assert "default-src &#x27;none&#x27;" in page
    assert '<mark class="hard">41••••••••••••11</mark>' in page
    assert "holds masked values only" in page
    assert "4111111111111111" in privacy_html.page(report(nasty, show=True))


def test_headings_tables_and_bars_of_the_page() -> None:
    page = privacy_html.page(report(hit()))
    assert [int(level) for level in re.findall(r"<h(\d)", page)] == [1, 2, 2, 2, 2, 2]
    assert page.count("<table") == page.count("<caption") == 3
    assert '<rect x="83.500" y="0" width="5.000" height="10" class="redact">' in page
    assert 'aria-labelledby="findings-title"' in page


def test_writing(tmp_path: Path) -> None:
    place = tmp_path / "r.html"
    assert privacy_html.write(report(hit()), place) == place
    assert place.read_text(encoding="utf-8") == privacy_html.page(report(hit()))
    with pytest.raises(FileError, match="this is a folder"):
        privacy_html.write(report(), tmp_path)


def test_a_listing_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "MOST_FILES", 2)
    monkeypatch.setattr(words, "MOST_LISTED", 3)
    listing = Listing()
    one = Hit(
        spot=Spot(1, 1), category="financial", kind="k", tier="hard", score=1, rule="r", context=(Piece("v", "value"),)
    )
    for name in ("a", "a", "b", "c", "a", "a"):
        listing.keep(name, one)
    assert [(file.name, len(file.hits)) for file in listing.files] == [("a", 2), ("b", 1)]
