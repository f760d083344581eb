"""The rule without training: what is hard, and why in words."""

from __future__ import annotations

import msgspec

from crossover.learning.complexity import complexity, rule
from crossover.learning.signals import PromptSignals, prompt_signals


def test_small_talk_is_simple() -> None:
    found = complexity(prompt_signals("What is the capital of France?"))
    assert (found.score, found.level, found.reasons) == (0, "simple", ())
    assert found.why == "simple: 0 points under 4 (short, plain, one question)"


def test_every_reason_shows_with_its_points() -> None:
    found = complexity(
        prompt_signals("```python\nx = 1\n```\n" + "Fix this, explain it and list the steps. " * 3, tools=6)
    )
    assert found.level == "complex"
    assert found.score == sum(points for _, points in found.reasons)
    assert found.reasons[0] == ("6 tools", 4)
    assert "code +2" in found.why


def test_only_the_last_row_of_a_fact_counts() -> None:
    found = complexity(prompt_signals("word " * 2000))
    assert found.reasons[0] == ("10,000 characters", 4)


def test_another_limit() -> None:
    signals = prompt_signals("Wie ist das Wetter und was ist die Vorhersage für morgen?")
    assert complexity(signals).level == "simple"
    assert complexity(signals, limit=2).level == "complex"
    assert complexity(signals).reasons == (("not in English (de)", 2),)


def test_every_row_names_a_fact_and_gives_its_reason() -> None:
    facts = {field.name for field in msgspec.structs.fields(PromptSignals)}
    for row in rule().row:
        assert row.fact in facts
        assert row.reason
        row.words.format(value=1, language="de")
