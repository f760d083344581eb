"""A model as judge: order, length, nonsense, canaries; what it is not asked, and what it may not decide."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from crossover.errors import FileError
from crossover.evaluation.controls import (
    MOST_WINS,
    Winner,
    agreement,
    constant_of,
    kin,
    length_of,
    makers,
    no_answer,
    read_labels,
)
from crossover.evaluation.declared import Declared
from crossover.evaluation.findings import Findings
from crossover.evaluation.judge import winner_in, without_judge
from crossover.evaluation.log import open_log
from crossover.evaluation.proof import evidence_of
from crossover.evaluation.session import Manner, session
from tests.evaluation.parts import Model, NoTime, candidate, samples

_PARTS = re.compile(
    r"<question>\n(.*?)\n</question>\n\n<first>\n(.*?)\n</first>\n\n<second>\n(.*?)\n</second>", re.DOTALL
)


def judge(decide: Callable[[str, str, str], str]) -> Model:
    """A judge that decides by a function of the question and both answers."""

    def say(prompt: str) -> str:
        found = _PARTS.search(prompt)
        assert found is not None
        return f'{{"reason": "so", "winner": "{decide(*found.groups())}"}}'

    return Model(say)


def longer(_question: str, first: str, second: str) -> str:
    return "first" if len(first) > len(second) else "second" if len(second) > len(first) else "tie"


def first(_question: str, _first: str, _second: str) -> str:
    return "first"


def fair(question: str, one: str, other: str) -> str:
    """Rather the answer that is about the question and short, however it is decorated."""

    def worth(answer: str) -> float:
        number = question.rpartition("s")[2]
        return (2.0 if re.search(rf"good {number}\b", answer) else 1.0 if f"fair {number}" in answer else 0) - len(
            answer
        ) / 1e6

    a, b = worth(one), worth(other)
    return "tie" if abs(a - b) < 1e-9 else "first" if a > b else "second"


def numbered(word: str, padding: str = "") -> Model:
    return Model(lambda prompt: f"{word} {prompt.rpartition('s')[2]}{padding}")


def judged(
    folder: Path,
    ours: Model,
    by: Model,
    *,
    theirs: Model | None = None,
    count: int = 40,
    budget: str | None = None,
    **manner: Any,
) -> Findings:
    async def work() -> Findings:
        declared = Declared(
            file="f", candidates=("a",), reference="r", scorer="judge:j", margin=0.05, errors="as-wrong",
            budget=None if budget is None else Decimal(budget),
        )  # fmt: skip
        with open_log(folder, resume=True) as log:
            done = await session(
                declared, samples(count), [candidate("a", ours), candidate("r", theirs or numbered("fair"))], log,
                lookup=lambda name: candidate(name, by), manner=Manner(**manner), clock=NoTime().clock(),
            )  # fmt: skip
        return done.findings

    return asyncio.run(asyncio.wait_for(work(), 60))


def test_a_fair_judge_finds_the_better_one(tmp_path: Path) -> None:
    found = judged(tmp_path, numbered("good"), judge(fair))
    assert found.judge is not None
    assert found.judge.passed
    assert [(control.canary, control.won) for control in found.judge.canaries] == [
        ("null", 0), ("echo", 0), ("swapped", 0), ("padded", 0),
    ]  # fmt: skip
    assert found.versus[0].comparison.verdict == "better"
    assert found.versus[0].comparison.gap == 1
    assert found.sides[0].mean is None, "a comparison gives no answer a score of its own"


def test_a_judge_who_goes_by_order_sees_only_ties(tmp_path: Path) -> None:
    found = judged(tmp_path, numbered("good"), judge(first))
    assert found.judge is not None
    assert found.judge.order_decided == 1
    assert found.versus[0].comparison.gap == 0
    assert found.versus[0].comparison.wins == 0


FAKES: dict[str, Model] = {
    "null": Model("Thank you for your question. It deserves a careful and very considered, very long answer." * 5),
    "echo": Model(lambda prompt: prompt),
    "padded": numbered("fair", " To restate this once more, in other words, for the sake of completeness." * 5),
}


@pytest.mark.parametrize("fake", FAKES)
@pytest.mark.parametrize("bias", [longer, first])
def test_no_canary_is_reported_to_win(tmp_path: Path, fake: str, bias: Callable[[str, str, str], str]) -> None:
    """Whatever a judge that goes by length or by order says."""
    found = judged(tmp_path, FAKES[fake], judge(bias))
    versus = found.versus[0]
    assert versus.comparison.wins <= MOST_WINS * found.samples
    assert versus.comparison.verdict not in ("better", "equivalent", "not_worse")
    assert found.judge is not None
    assert all(control.counted <= MOST_WINS * control.n for control in found.judge.canaries)


def test_a_judge_that_fails_its_controls_gives_no_verdict(tmp_path: Path) -> None:
    found = judged(tmp_path, numbered("good, and much longer"), judge(longer))
    assert found.judge is not None
    assert [control.canary for control in found.judge.failed] == ["null", "echo", "padded"]
    assert found.versus[0].left_out == {"the judge failed its controls": 40}
    assert found.versus[0].comparison.n == 0
    import datetime as dt

    assert evidence_of(found, dt.date(2026, 1, 1), source="", identities={}, models={}) == []


def test_a_judge_that_answers_nonsense_decides_nothing(tmp_path: Path) -> None:
    found = judged(tmp_path, numbered("good"), Model("I like both!"), count=5)
    assert found.versus[0].comparison.n == 0
    assert found.judge is not None
    assert not found.judge.passed, "who was never understood has passed nothing"


def test_what_needs_no_judge_costs_no_call(tmp_path: Path) -> None:
    by = judge(fair)
    found = judged(tmp_path, numbered("fair"), by)
    asked = len(by.prompts)
    assert found.versus[0].comparison.gap == 0
    assert asked <= 4 * 20 * 2, "canaries alone"
    judged(tmp_path, numbered("fair"), by)
    assert len(by.prompts) == asked, "and those once"


def test_a_budget_that_ends_while_judging_leaves_no_verdict(tmp_path: Path) -> None:
    found = judged(tmp_path, numbered("good"), judge(fair), count=10, budget="0.25")
    assert "the budget of $0.25 is spent" in found.ended
    assert found.versus[0].comparison.n == 0
    assert found.versus[0].left_out == {"the judge gave no verdict": 10}


def test_who_does_not_answer_loses(tmp_path: Path) -> None:
    from crossover.errors import RequestError

    broken = Model(lambda prompt: RequestError("no") if prompt.endswith("3") else f"good {prompt.rpartition('s')[2]}")
    found = judged(tmp_path, broken, judge(fair), count=20)
    assert (found.versus[0].comparison.wins, found.versus[0].comparison.losses) == (18, 2)


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ('{"winner": "first"}', 1.0),
        ('Well. ```json\n{"reason": "x", "winner": "Second"}\n```', 0.0),
        ('{"reason": "a "quote" breaks it", "winner": "tie"}', 0.5),
        ('{"winner": "both"}', None),
        ("first", None),
        ("", None),
        ("[1]", None),
    ],
)
def test_what_a_judge_says(said: str, value: float | None) -> None:
    assert winner_in(said) == value


def test_what_is_no_answer() -> None:
    assert no_answer("What is it?", " \n", None)
    assert no_answer("What is it?", "what is it", None)
    assert no_answer("What is the capital of France?", "You ask: What is the capital of France?", None) is False
    assert no_answer("What is the capital of France?", "So: What is the capital of France?", None)
    assert not no_answer("What is it?", "It is a thing that people call what.", None)
    assert no_answer("q", "I cannot help.", "i cannot help")
    assert without_judge("q", "same", "Same.") == 0.5
    assert without_judge("q", "", "said") == 0
    assert without_judge("q", "said", "") == 1
    assert without_judge("q", "", " ") == 0.5
    assert without_judge("q", "a", "b") is None


def test_what_is_always_said() -> None:
    questions = [f"q{number}" for number in range(20)]
    assert constant_of(questions, ["No."] * 18 + ["yes", "maybe"]) == "no"
    assert constant_of(questions, ["yes", "no"] * 10) is None
    assert constant_of(["q"] * 20, ["no"] * 20) is None, "one question has one answer"


def test_wins_that_length_explains_are_none_at_equal_length() -> None:
    lengths = [(100 + 10 * number, 150) for number in range(40)]
    by_length = length_of([float(ours > theirs) for ours, theirs in lengths], *zip(*lengths, strict=True))
    assert by_length is not None
    assert by_length.share > 0.8
    assert by_length.at_equal_length < 0.75
    no_bias = length_of([1.0, 0.0] * 20, *zip(*lengths, strict=True))
    assert no_bias is not None
    assert no_bias.at_equal_length == pytest.approx(0.5, abs=0.05)
    assert length_of([1.0] * 9, [1] * 9, [1] * 9) is None
    same = length_of([1.0] * 12, [5] * 12, [5] * 12)
    assert same is not None
    assert same.share == 1


def test_whose_a_model_is() -> None:
    assert makers("openai/gpt-4o-mini") == {"OpenAI"}
    assert makers("meta-llama/Llama-3.1-8B-Instruct") == {"Meta"}
    assert makers("DeepSeek-R1-Distill-Llama-70B") == {"DeepSeek", "Meta"}
    assert makers("o3-mini") == {"OpenAI"}
    assert makers("my-own-model") == set()
    assert kin(["gpt-4o"], ["gpt-oss-20b", "qwen3"]) == ("OpenAI",)


def test_people_and_the_judge(tmp_path: Path) -> None:
    people: dict[str, Winner] = {f"s{n}": "candidate" if n % 2 else "reference" for n in range(40)}
    machine: dict[str, Winner] = {**people, "s0": "candidate", "s1": "tie"}
    found = agreement(machine, people)
    assert found is not None
    assert (found.n, found.share) == (40, 0.95)
    assert found.enough
    assert found.kappa == pytest.approx(0.9, abs=0.03)
    assert agreement({}, people) is None
    few = agreement(dict(list(people.items())[:10]), people)
    assert few is not None
    assert not few.enough
    file = tmp_path / "labels.jsonl"
    file.write_text('{"id": "s0", "winner": "candidate"}\n\n{"id": 3, "winner": "tie"}\n')
    assert read_labels(file) == {"s0": "candidate", "3": "tie"}
    for wrong in ('{"id": "s0", "winner": "me"}', "[]", "{", ""):
        file.write_text(wrong)
        with pytest.raises(FileError):
            read_labels(file)


def test_labels_make_evidence_verified(tmp_path: Path) -> None:
    import datetime as dt

    labels: dict[str, Winner] = {f"s{number}": "candidate" for number in range(40)}
    for given, verified in ((labels, True), ({}, False)):
        found = judged(tmp_path / str(verified), numbered("good"), judge(fair), labels=given)
        rows = evidence_of(found, dt.date(2026, 1, 1), source="", identities={}, models={})
        (gap,) = (row for row in rows if row.metric == "quality_gap")
        assert gap.verified is verified
        assert gap.context["labels"] == f"{len(given)} of 30"
