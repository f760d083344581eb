"""The page on which people say which of two answers they prefer: one file, no name of a model in it, nothing loaded.

It talks to the server it came from and to nobody else; its Content-Security-Policy allows exactly its own script and
style sheet.
"""

from __future__ import annotations

from crossover.reports import html
from crossover.reports.markup import Markup, join, tag


def policy() -> str:
    """The Content-Security-Policy of the page; the server sends it too."""
    script, style = _script(), _style()
    return (
        f"default-src 'none'; script-src {html.hashed(script)}; style-src {html.hashed(style)}; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def page() -> str:
    """The page, the same for everybody; what is voted on comes from ``state``."""
    head = join(
        [
            tag("meta", charset="utf-8"),
            tag("meta", http_equiv="Content-Security-Policy", content=policy()),
            tag("meta", name_="viewport", content="width=device-width, initial-scale=1"),
            tag("meta", name_="referrer", content="no-referrer"),
            tag("title", "Which answer is better?"),
            tag("link", rel="icon", href="data:,"),
            tag("style", _style()),
        ]
    )
    body = tag("body", _bar(), _booth(), _end(), tag("script", _script()))
    return f"<!doctype html>\n{tag('html', tag('head', head), body, lang='en')}\n"


def _style() -> Markup:
    return Markup(html.asset("report.css") + html.asset("vote.css"))


def _script() -> Markup:
    return html.asset("vote.js")


def _bar() -> Markup:
    return tag(
        "div",
        tag("strong", id="done", aria_live="polite"),
        tag("span", id="rater"),
        tag("progress", id="progress", value="0", max="1", aria_label="Progress"),
        cls="bar",
    )


def _booth() -> Markup:
    answers = [
        tag(
            "article",
            tag("h2", f"Answer {number}"),
            tag("div", id=side, cls="said", tabindex="0", role="region", aria_label=f"Answer {number}"),
            id=f"answer-{side}",
            cls="answer",
        )
        for number, side in ((1, "left"), (2, "right"))
    ]
    choices = [
        _button("1 is better", "1", data_press="left"),
        _button("2 is better", "2", data_press="right"),
        _button("Equally good", "0", data_press="tie"),
        _button("Both are bad", "9", data_press="bad"),
    ]
    more = [
        _button("Back", "U", id="undo"),
        _button("Later", "S", data_press="skip"),
        _button("Stop here", "", id="finish"),
    ]
    return tag(
        "main",
        tag("h1", "Which answer is better?", id="asked"),
        tag("p", id="trouble", role="alert"),
        tag("div", id="question", cls="said", tabindex="0", role="region", aria_label="The question"),
        tag("details", tag("summary", "What would be right"), tag("p", id="expected", cls="said"),
            id="expected-box", hidden=True),
        tag("div", *answers, cls="answers"),
        tag("div", *choices, cls="buttons"),
        tag("div", *more, cls="buttons more"),
        tag("p", "Nobody is told whose an answer is. The arrow keys vote too. Every vote is kept at once.", cls="note"),
        id="booth",
        hidden=True,
    )  # fmt: skip


def _end() -> Markup:
    return tag(
        "main",
        tag("h1", "", id="thanks"),
        tag("p", "", id="sentences", cls="said"),
        tag("div", _button("Back", "U", id="undo-end"), _button("Show the result and end", "", id="finish-end"),
            id="end-buttons", cls="buttons more"),
        id="end",
        hidden=True,
    )  # fmt: skip


def _button(text: str, key: str, **attributes: str) -> Markup:
    return tag("button", text, tag("kbd", key) if key else None, type_="button", **attributes)
