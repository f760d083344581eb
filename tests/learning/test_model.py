"""What a learned policy decides, and which files are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from crossover.errors import FileError
from crossover.learning import artifact
from crossover.learning.features import FEATURES, hashed
from crossover.learning.model import Card, Head, Learned, Promise, Scaled, decide, gain, score
from crossover.learning.signals import answer_signals, prompt_signals

PROMISE = Promise(loss=0.05, confidence=0.95, kept=0.27, bound="exact", observed=0.02)


def learned(**changes: Any) -> Learned:
    card = Card(
        made="2026-11-27",
        source="results",
        weak="small",
        strong="large",
        digest="0" * 12,
        trained=100,
        calibrated=100,
        reported=100,
        promise=PROMISE,
        words="keeps 27 % local, loses at most 5 % quality, 95 % sure",
    )
    usual = Learned(
        version=1,
        kind="cascade",
        features=(
            Scaled(name="answer.agreement", centre=0.5, spread=0.5),
            Scaled(name="answer.length", centre=5.0, spread=1.0),
        ),
        heads=(Head(bias=0.1, weights=(-0.2, 0.05)),),
        calibration=(),
        threshold=0.0,
        card=card,
    )
    return msgspec.structs.replace(usual, **changes)


def test_agreement_keeps_and_disagreement_escalates() -> None:
    kept = decide(learned(), answer_signals("B", agreement=1.0))
    gone = decide(learned(), answer_signals("B" * 400, agreement=0.0))
    assert not kept.escalate
    assert gone.escalate
    assert "another model disagrees, a long answer" in gone.why
    assert "another model agrees" in kept.why
    assert kept.gain is not None
    assert gone.gain is not None
    assert kept.gain < 0 < gone.gain


def test_what_is_not_known_escalates() -> None:
    found = decide(learned(), answer_signals("B"))
    assert found.escalate
    assert found.why == "the answer's agreement is not known, and the promise counts on it"
    assert gain(learned(), answer_signals("B")) == 1.0
    assert score(learned(), prompt_signals("B")) is None


def test_without_a_promise_nothing_is_kept() -> None:
    found = decide(learned(threshold=None), answer_signals("B", agreement=1.0))
    assert found.escalate
    assert found.why == learned().card.words


def test_the_gain_lies_on_a_line_between_points() -> None:
    line = learned(calibration=((0.0, 0.0), (0.2, 0.1)))
    for agreement, expected in ((1.0, 0.0), (0.0, None)):
        found = decide(line, answer_signals("", agreement=agreement))
        assert found.score is not None
        assert found.gain == pytest.approx(min(max(found.score / 2, 0.0), 0.1))
        assert expected is None or found.gain == expected


def test_words_count() -> None:
    words = dict.fromkeys(hashed(["integral"]), 0.5)
    head = Head(bias=0.0, weights=(), words=words)
    route = learned(kind="route", features=(), heads=(head,))
    with_word, without = score(route, prompt_signals("Integral")), score(route, prompt_signals("weather"))
    assert without == 0.0
    assert with_word == pytest.approx(0.5)
    assert not decide(learned(kind="route", features=(), heads=(head,), threshold=0.5), prompt_signals("hi")).escalate


def test_a_file_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "policy.json"
    artifact.save(learned(), path)
    assert artifact.load(path) == learned()
    assert len(artifact.digest(learned())) == 12
    assert [item.name for item in path.parent.iterdir()] == ["policy.json"]


def broken(change: dict[str, Any]) -> bytes:
    tree = msgspec.to_builtins(learned())
    tree.update(change)
    return msgspec.json.encode(tree)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is no learned policy"),
        (b"[]", "is no learned policy"),
        (b"[" * 100_000, "is no learned policy"),
        (b'{"version": 1}', "is a broken learned policy: Object missing required field `kind`"),
        (broken({"version": 7}), "has version 7; this Crossover reads version 1"),
        (broken({"kind": "magic"}), "Invalid enum value 'magic'"),
        (broken({"more": 1}), "unknown field `more`"),
        (broken({"heads": []}), "it has 0 heads"),
        (broken({"kind": "route"}), "is of an answer"),
        (broken({"features": [{"name": "answer.lenght", "centre": 0, "spread": 1}]}), "did you mean answer.length?"),
        (broken({"features": [{"name": "answer.length", "centre": 0, "spread": 0}]}), "no positive number"),
        (broken({"features": []}), "head 1 has 2 weights for 0 features"),
        (broken({"calibration": [[1, 0], [0, 0]]}), "do not rise"),
        (broken({"buckets": 10**9}), "buckets of words"),
        (
            broken({"heads": [{"bias": 0, "weights": [1, 1], "words": {"-1": 1}}]}),
            "a bucket of words that is none",
        ),
        (broken({"card": msgspec.to_builtins(learned().card) | {"made": "once"}}), "the day it was made is 'once'"),
        (b" " * (4 * 2**20 + 1), "is over 4 MiB"),
    ],
)
def test_a_broken_file_is_one_sentence(data: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    path.write_bytes(data)
    with pytest.raises(FileError) as caught:
        artifact.load(path)
    assert said in caught.value.sentence()
    assert "\n" not in caught.value.sentence()


def test_keeping_without_a_promise_is_refused(tmp_path: Path) -> None:
    card = msgspec.to_builtins(learned().card) | {"promise": None}
    with pytest.raises(FileError, match="without a promise"):
        artifact.decoded(broken({"card": card}), "policy.json")
    with pytest.raises(FileError, match="no such file"):
        artifact.load(tmp_path / "absent.json")
    with pytest.raises(FileError, match="is a folder"):
        artifact.load(tmp_path)


def test_every_feature_has_words() -> None:
    for name, feature in FEATURES.items():
        assert name == feature.name
        assert feature.high
        assert feature.low
