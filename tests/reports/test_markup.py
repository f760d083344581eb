from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given, settings
from hypothesis import strategies as st

from crossover.reports import html
from crossover.reports.markup import Column, Markup, escape, items, join, link, table, tag


def test_text_is_escaped_and_markup_is_kept() -> None:
    assert tag("p", "a < b & c", tag("b", '"x"')) == "<p>a &lt; b &amp; c<b>&quot;x&quot;</b></p>"
    assert tag("p", None, cls=None, hidden=True, aria_label='a"b') == '<p hidden aria-label="a&quot;b"></p>'
    assert tag("br") == "<br>"
    assert items(["<i>"]) == '<ul class="plain"><li>&lt;i&gt;</li></ul>'


def test_only_web_addresses_become_links() -> None:
    assert link("https://example.org/a?b&c").startswith('<a href="https://example.org/a?b&amp;c"')
    assert link("a page https://example.org/").startswith('a page <a href="https://example.org/"')
    for text in ("javascript:alert(1)", "data:text/html,x", "https://a b", "see https://a b", "a blog", ""):
        assert "<a" not in link(text)


def test_a_table_has_headings_for_columns_and_rows() -> None:
    made = table(
        "Costs", [Column("name"), Column("usd", number=True)], [("a", "1"), ("b", "–")], foot=("all", "1"), chosen=0
    )
    assert '<th scope="col">name</th>' in made
    assert '<tr class="chosen"><th scope="row">a</th><td class="num" data-label="usd">1</td></tr>' in made
    assert 'class="num empty"' in made


class Words(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@settings(max_examples=100)
@given(st.text())
def test_no_text_becomes_a_tag(text: str) -> None:
    seen = Words(join([tag("p", text, title=text), text]))
    assert seen.tags == ["p"]


@settings(max_examples=100)
@given(st.text(st.characters(codec="utf-8")))
def test_embedded_json_cannot_end_its_script(text: str) -> None:
    made = html.embedded({"a": text})
    assert isinstance(made, Markup)
    assert not set("<>&\u2028\u2029") & set(made)


def test_control_characters_are_dropped() -> None:
    assert escape("a\x1b[31m\x00b\x85\u2028\u202ec\n") == "a[31mbc\n"
