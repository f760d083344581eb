from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from crossover.errors import FileError
from crossover.privacy import labelled
from crossover.privacy.labelled import Example, Span, What
from crossover.privacy.words import Finding

PERSON = {"text": "Ann Lee called", "spans": [{"start": 0, "end": 7, "label": "PERSON"}]}


def write(folder: Path, *rows: Any) -> Path:
    place = folder / "data.jsonl"
    place.write_text("".join((row if type(row) is str else json.dumps(row)) + "\n" for row in rows), encoding="utf-8")
    return place


def named(text: str) -> list[Finding]:
    """Finds words in capitals."""
    return [
        Finding(category="personal", kind="person", tier="soft", start=match.start(), end=match.end())
        for match in re.finditer(r"\b[A-Z]{2,}\b", text)
    ]


def test_texts_with_spans(tmp_path: Path) -> None:
    rows = [{**PERSON, "text": f"Ann Lee called {number}"} for number in range(20)]
    rows[3]["spans"] = [
        {"start": 0, "end": 7, "label": "per"}, {"start": 8, "end": 12, "label": "Organization"},
    ]  # fmt: skip
    rows[4]["spans"] = [{"start": 0, "end": 3, "label": "product"}]
    data = labelled.read(write(tmp_path, *rows, "", {"text": "nobody", "spans": []}), "names")
    found = data.examples
    assert (len(found), data.left_out) == (21, {"product": 1})
    assert found[3].spans == (Span(0, 7, "person"), Span(8, 12, "organisation"))
    assert found[20].spans == ()


def test_texts_with_labels(tmp_path: Path) -> None:
    rows = [{"text": f"t {number}", "label": number % 2 == 0} for number in range(20)]
    found = labelled.read(write(tmp_path, *rows), "health").examples
    assert [one.told for one in found[:3]] == [True, False, True]


@pytest.mark.parametrize(
    ("what", "row", "said"),
    [
        ("names", "{", "is no JSON"),
        ("names", {"spans": []}, "field text: has no text"),
        ("names", {"text": " ", "spans": []}, "field text: is empty"),
        ("names", {"text": "x" * 100_001, "spans": []}, "longer than 100,000 characters"),
        ("names", {"text": "x"}, "field spans: is no list"),
        ("names", {"text": "x", "spans": [3]}, "field spans[0]: is no object"),
        ("names", {"text": "x", "spans": [{"start": 0}]}, "start and end are whole numbers"),
        ("names", {"text": "x", "spans": [{"start": 0, "end": 2, "label": "person"}]}, "0 to 2 is no part of a text"),
        ("names", {"text": "x", "spans": [{"start": 0, "end": 1, "label": "persn"}]}, "Did you mean person?"),
        ("names", {"text": "x", "spans": [{"start": 0, "end": 1, "label": 7}]}, "has no label"),
        ("health", {"text": "x"}, "field label: is neither true nor false"),
        ("health", {"text": "x", "label": 1}, "true: it tells of somebody's health"),
    ],
)  # fmt: skip
def test_mistakes_have_their_line(tmp_path: Path, what: What, row: Any, said: str) -> None:
    good = PERSON if what == "names" else {"text": "x", "label": True}
    with pytest.raises(FileError) as caught:
        labelled.read(write(tmp_path, good, row, good, row), what)
    assert said in caught.value.sentence()
    assert (caught.value.line, [error.line for error in caught.value.more]) == (2, [4])


def test_too_few_and_all_alike(tmp_path: Path) -> None:
    for what, rows, said in (
        ("names", [PERSON] * 3, "holds 3 labelled texts, of 20 at least"),
        ("names", [{"text": "x", "spans": []}] * 20, "no span is a person or an address"),
        ("health", [{"text": "x", "label": True}] * 20, "every text has the same label"),
    ):  # fmt: skip
        with pytest.raises(FileError, match=said):
            labelled.read(write(tmp_path, *rows), "names" if what == "names" else "health")
    with pytest.raises(FileError, match=r"data\.jsonl:1: is no JSON"):
        labelled.read(write(tmp_path, *["x"] * 100), "names")


def test_a_fifth_is_held_out_always_the_same_and_equal_texts_together() -> None:
    examples = [Example(text=f"t {number // 2}") for number in range(100)]
    learn, held = labelled.parted(examples)
    assert len(learn) + len(held) == 100
    assert 20 <= len(held) <= 21
    assert not {one.text for one in learn} & {one.text for one in held}
    assert labelled.parted(examples[::-1]) == (learn, held)


def test_scores_of_spans_and_of_texts() -> None:
    examples = [
        Example(text="ANN and BOB", spans=(Span(0, 3, "person"), Span(8, 11, "person"))),
        Example(text="at ACME", spans=(Span(3, 7, "organisation"),)),
        Example(text="to carl", spans=(Span(3, 7, "person"),)),
    ]
    tally = labelled.score(named, examples, "names")
    assert (tally.wanted, tally.hit, tally.found, tally.right) == (3, 2, 3, 2)
    assert tally.f1 == pytest.approx(2 / 3)
    told = [Example(text="ANN", told=True), Example(text="BOB"), Example(text="x", told=True), Example(text="y")]
    tally = labelled.score(named, told, "health")
    assert (tally.recall, tally.precision) == (0.5, 0.5)
    nothing = labelled.score(named, [], "names")
    assert (nothing.recall, nothing.precision, nothing.f1) == (1.0, 1.0, 1.0)
