from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from crossover.errors import FileError
from crossover.planner.words import Plan
from crossover.reports import html
from tests.reports import plans


class Reader(HTMLParser):
    """Collects tags, attributes and the text of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.blocks: dict[str, list[str]] = {"script": [], "style": []}
        self.text: list[str] = []
        self.inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside = tag
        if tag in self.blocks:
            self.blocks[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside in self.blocks:
            self.blocks[self.inside][-1] += data
        else:
            self.text.append(data)

    def named(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


@pytest.fixture(scope="module")
def page() -> Reader:
    return Reader(html.page(plans.sample()))


def test_the_page_loads_nothing_from_outside(page: Reader) -> None:
    for name, attributes in page.tags:
        assert "src" not in attributes, name
        if name == "link":
            assert attributes["href"] == "data:,"
        if name == "a":
            assert (attributes["href"] or "").startswith(("#", "https://"))
    assert not page.named("iframe")
    assert not re.search(r"@import|url\(", page.blocks["style"][0])


def test_the_policy_allows_exactly_the_scripts_and_the_style_of_the_page(page: Reader) -> None:
    policy = next(row["content"] for row in page.named("meta") if row.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    rules = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert "unsafe" not in policy

    def digest(text: str) -> str:
        return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"

    kinds = [attributes.get("type") for attributes in page.named("script")]
    scripts = [text for kind, text in zip(kinds, page.blocks["script"], strict=True) if kind is None]
    assert len(scripts) == 2
    assert set(rules["script-src"].split()) == {digest(text) for text in scripts}
    assert set(rules["style-src"].split()) == {digest(text) for text in page.blocks["style"]}
    assert not [
        attributes for _, attributes in page.tags if any(name.startswith(("on", "style")) for name in attributes)
    ]


def test_the_whole_plan_is_inside_and_reads_back_equal(page: Reader) -> None:
    assert msgspec.json.decode(page.blocks["script"][0], type=Plan) == plans.sample()


def test_every_figure_has_a_label_and_its_numbers_as_a_table(page: Reader) -> None:
    plots = [row for row in page.named("div") if "data-chart" in row]
    assert [row["data-chart"] for row in plots] == ["volume", "ranked", "replicas", "latency", "tco", "tornado"]
    assert all(row["role"] == "img" and row["aria-label"] for row in plots)
    assert len(page.named("figure")) == len(page.named("figcaption")) == len(plots)
    assert len(page.named("table")) == len(page.named("caption"))
    assert {row["scope"] for row in page.named("th")} == {"col", "row"}


def test_headings_do_not_skip_a_level(page: Reader) -> None:
    levels = [int(name[1]) for name, _ in page.tags if re.fullmatch(r"h[1-6]", name)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_anchors_and_ids_fit(page: Reader) -> None:
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for row in page.named("a"):
        target = row["href"] or ""
        if target.startswith("#"):
            assert target[1:] in ids


def test_what_must_be_said_is_said(page: Reader) -> None:
    text = " ".join(" ".join(page.text).split())
    plan = plans.sample()
    for part in (plan.verdict.headline, *plan.verdict.reasons, plan.verdict.caveat, *plan.notes):
        assert part in text
    for part in (
        "A month is 30 days (720 h)",
        "unverified",
        "stale",
        "45 CFR 164.504(e)",
        "2026-10-02",
        "extrapolated",
    ):
        assert part in text


def test_hostile_text_stays_text() -> None:
    text = html.page(plans.hostile())
    page = Reader(text)
    scripts = page.named("script")
    assert len(scripts) == 4
    assert not page.named("img")
    assert "\u2028" not in text
    assert "\x1b" not in text
    assert not [row for row in page.named("a") if (row["href"] or "").startswith("javascript")]
    assert "alert(1)" in " ".join(page.text)
    assert json.loads(page.blocks["script"][0])["notes"][0].startswith("</script>")


def test_a_plan_with_nothing_but_one_option_and_one_with_none() -> None:
    small = plans.smallest()
    none = msgspec.structs.replace(
        small, options=(), verdict=msgspec.structs.replace(small.verdict, option="", headline="No option is left")
    )
    for plan in (small, none):
        text = html.page(plan)
        assert plan.verdict.headline in text
    assert "No option passes every filter" in html.page(none)


def test_the_same_plan_gives_the_same_page() -> None:
    assert html.page(plans.sample()) == html.page(plans.sample())


def test_writing_replaces_a_report_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    place = tmp_path / "report.html"
    place.write_text("old")
    assert html.write(plans.sample(), place) == place
    assert place.read_text(encoding="utf-8") == html.page(plans.sample())
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


def test_a_folder_is_no_place_for_a_report(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="this is a folder"):
        html.write(plans.sample(), tmp_path)
