"""Notes on learned files: trained for others, a second opinion that nobody listens to, one that is missing."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from crossover.config.load import load
from crossover.errors import FileError
from crossover.learning import artifact
from crossover.learning.features import LENGTH_RULE
from crossover.learning.model import Card, Head, Kind, Learned, Scaled

FILE = """
[zones.home]
operator = "own"
[zones.cloud]
operator = "provider"
party = "somebody"
[deployments.small]
provider = "embedded"
model = "crossover-tiny"
zone = "home"
[deployments.large]
provider = "openai-compatible"
model = "big"
zone = "cloud"
base_url = "http://127.0.0.1:9/v1"
[aliases.chat]
deployments = ["small", "large"]
policy = "cascade"
"""


def policy(weak: str = "small", strong: str = "large", *features: str) -> Learned:
    kind: Kind = "cascade"
    names = (LENGTH_RULE, *features)
    return Learned(
        version=1, kind=kind, features=tuple(Scaled(name=name, centre=0.0, spread=1.0) for name in names),
        heads=(Head(bias=0.0, weights=(1.0,) * len(names)),), calibration=((0.0, 0.1),), threshold=None,
        card=Card(
            made="2026-11-27", source="eval", weak=weak, strong=strong, digest="0" * 12, trained=40, calibrated=40,
            reported=20, promise=None, words="",
        ),
    )  # fmt: skip


def notes(folder: Path, learned: Learned | None, more: str = "") -> str:
    if learned is not None:
        artifact.save(learned, folder / "cascade.json")
        more = f'learned = "cascade.json"\n{more}'
    (folder / "crossover.toml").write_text(FILE + more, encoding="utf-8")
    return " ".join(load(folder / "crossover.toml", {}).notes)


@pytest.mark.parametrize("names", [("small", "large"), ("small", "big"), ("crossover-tiny", "chat")])
def test_a_file_for_the_models_that_answer_needs_no_word(tmp_path: Path, names: tuple[str, str]) -> None:
    assert notes(tmp_path, policy(*names)) == ""


def test_a_file_that_was_trained_for_others_is_named(tmp_path: Path) -> None:
    said = notes(tmp_path, policy("small", "gpt-5"))
    assert "was trained for small and gpt-5, and gpt-5 cannot answer here" in said


def test_a_second_opinion_that_nobody_listens_to(tmp_path: Path) -> None:
    second = "cascade = { second = 'small' }\n"
    assert "nothing looks at whether it agrees" in notes(tmp_path, None, second)
    assert "nothing looks at whether it agrees" in notes(tmp_path, policy(), second)
    assert notes(tmp_path, policy("small", "large", "answer.agreement"), second) == ""


def test_a_second_opinion_that_is_missing(tmp_path: Path) -> None:
    said = notes(tmp_path, policy("small", "large", "answer.agreement"))
    assert "cascade.second names none; so everything goes to a stronger model" in said


def test_a_broken_file_is_refused_before_any_note(tmp_path: Path) -> None:
    broken = msgspec.structs.replace(policy(), version=9)
    (tmp_path / "cascade.json").write_bytes(msgspec.json.encode(broken))
    (tmp_path / "crossover.toml").write_text(FILE + 'learned = "cascade.json"\n', encoding="utf-8")
    with pytest.raises(FileError, match="version 9"):
        load(tmp_path / "crossover.toml", {})
