"""What is stored of the shipped rules is what their files say, or is not used."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossover.privacy import rules, stored
from crossover.privacy.late import Late


def test_what_was_stored_is_what_the_files_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "place", lambda: tmp_path / "absent")
    read = rules.load(*rules.BOOKS)
    place = tmp_path / "cache" / "rules.msgpack"
    rules.store(place)
    monkeypatch.setattr(stored, "place", lambda: place)
    assert rules.load(*rules.BOOKS) == read
    assert rules.load("secrets") == tuple(rule for rule in read if rule.category == "secrets")


def test_what_was_stored_of_other_files_or_is_broken_is_not_used(tmp_path: Path) -> None:
    place = tmp_path / "rules.msgpack"
    (rule,) = (rule for rule in rules.load("identifiers") if rule.id == "payment-card")
    made_of = stored.digest({"identifiers": b"one"})
    stored.write(made_of, {"identifiers": [rule]}, place)
    assert stored.read(made_of, ["identifiers"], place) == (rule,)
    assert stored.read(stored.digest({"identifiers": b"two"}), ["identifiers"], place) is None
    assert stored.read(made_of, ["identifiers", "secrets"], place) is None
    whole = place.read_bytes()
    for broken in (b"", whole[:-9], b"\x00" * 40):
        place.write_bytes(broken)
        assert stored.read(made_of, ["identifiers"], place) is None


def test_a_late_pattern_is_a_pattern() -> None:
    late = Late("a(b)?", 0)
    assert [match.span() for match in late.finditer("ab a")] == [(0, 2), (3, 4)]
    assert late.fullmatch("ab")
    assert not late.match("b")
    with pytest.raises(AttributeError):
        _ = late.groups
