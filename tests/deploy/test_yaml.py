from __future__ import annotations

from typing import Any

import pytest
import yaml as reference
from hypothesis import given
from hypothesis import strategies as st

from crossover.deploy import yaml

_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cn", "Co")), max_size=20)
_VALUES: st.SearchStrategy[Any] = st.recursive(
    _TEXT | st.integers(-(10**12), 10**12) | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(_TEXT, _VALUES, min_size=1, max_size=4))
def test_another_reader_reads_what_was_written(value: dict[str, Any]) -> None:
    assert reference.safe_load(yaml.document(value, "a comment")) == value


@pytest.mark.parametrize(
    "text",
    ["yes", "No", "on", "null", "~", "1", "0x1f", "1e3", "12:30", "2026-01-01", "a: b", "- a", "#", "a #b", " a", "",
     "*x", "\x85", "\ufeff", "a\nb", "a\nb\n", "a\n\nb\n", " a\nb", "\na", "a\n\n", "\ta", "é", "\u2028x\n",
     "key = \"${X}\"\n\n[a]\n"],
)  # fmt: skip
def test_texts_stay_texts(text: str) -> None:
    assert reference.safe_load(yaml.document({"a": text, "b": [text], text: {"c": text}})) == {
        "a": text, "b": [text], text: {"c": text}
    }  # fmt: skip


def test_several_documents() -> None:
    text = yaml.documents([{"a": 1}, {"b": [{"c": []}, {"d": {}}]}], "made\nhere")
    assert text.startswith("# made\n# here\na: 1\n---\n")
    assert list(reference.safe_load_all(text)) == [{"a": 1}, {"b": [{"c": []}, {"d": {}}]}]
