"""What the shipped detector finds, and what it leaves, in texts of every kind: ``hard_texts.toml``, by topic."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from crossover.privacy.detector import Detector, shipped

TEXTS: dict[str, Any] = tomllib.loads(Path(__file__).with_name("hard_texts.toml").read_text(encoding="utf-8"))
MARKED = re.compile("⟦(.*?)⟧", re.DOTALL)


@pytest.fixture(scope="module")
def detector() -> Detector:
    return shipped(names=False, health=False, clock=lambda: 0.0)


@pytest.mark.parametrize("topic", TEXTS["found"])
def test_every_marked_value_is_found(topic: str, detector: Detector) -> None:
    missed = []
    for text in TEXTS["found"][topic]:
        plain = MARKED.sub(r"\1", text)
        hits = [plain[one.start : one.end] for one in detector.scan(plain) if one.tier == "hard"]
        missed += [
            (text, value, hits)
            for value in MARKED.findall(text)
            if not any(value in hit or (hit in value and 3 * len(hit) >= 2 * len(value)) for hit in hits)
        ]
        assert MARKED.search(text)
    assert missed == []


@pytest.mark.parametrize("topic", TEXTS["clean"])
def test_what_is_none_of_a_person_stays_quiet(topic: str, detector: Detector) -> None:
    found = []
    for text in TEXTS["clean"][topic]:
        found += [(text, one.rule, text[one.start : one.end]) for one in detector.scan(text) if one.tier == "hard"]
    assert found == []
