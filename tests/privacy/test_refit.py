"""The two models by name: refitted on a few texts, written, and read again."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossover.errors import FileError, InputError
from crossover.privacy import health, learning, names, refit
from crossover.privacy.labelled import Example, Span

UNKNOWN = "quorvath plimsen"  # nobody's name, in small letters


def test_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "_PASSES", 2)
    start = refit.shipped("names")
    texts = [f"Dear {UNKNOWN.title()}, parcel {number} is here." for number in range(30)]
    examples = [Example(text=text, spans=(Span(5, 5 + len(UNKNOWN), "person"),)) for text in texts]
    model = refit.refitted(start, examples)
    place = refit.write(model, tmp_path / "own" / "models")
    assert (place.name, [one.name for one in place.parent.iterdir()]) == ("names.npz", ["names.npz"])
    found = names.load(place).find("Dear Quorvath Plimsen, thank you.")
    assert [(one.kind, one.start) for one in found] == [("person", 5)]
    with pytest.raises(InputError, match="no text holds a word that could be a name"):
        refit.refitted(start, [Example(text="12")])


def test_health(tmp_path: Path) -> None:
    start = refit.shipped("health")
    told = [Example(text=f"My father takes insulin since week {number}.", told=True) for number in range(15)]
    general = [Example(text=f"Which year was insulin discovered? {number}", told=False) for number in range(15)]
    place = refit.write(refit.refitted(start, told + general), tmp_path)
    assert place.name == "health.msgpack"
    assert health.load(place).find("My father takes insulin since last week.")


def test_folders_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="is a file, not a folder"):
        refit.check(tmp_path / "file")
    with pytest.raises(FileError, match="cannot be written"):
        refit.write(refit.shipped("names"), tmp_path / "file" / "below")
    refit.check(tmp_path / "a" / "b")
    assert not (tmp_path / "a").exists()
