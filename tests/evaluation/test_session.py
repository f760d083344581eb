"""A whole evaluation without a model: declared, asked, scored, compared, resumed."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crossover.chat import Message, Text
from crossover.errors import ContradictionError, FileError, InputError, RequestError
from crossover.evaluation.calls import Candidate
from crossover.evaluation.declared import Declared
from crossover.evaluation.estimate import estimates
from crossover.evaluation.findings import side
from crossover.evaluation.log import Answer, open_log
from crossover.evaluation.proof import evidence_of
from crossover.evaluation.results import SCORES, ScoreRow, read_report, read_scores, write_results
from crossover.evaluation.run import Outcome
from crossover.evaluation.samples.words import Sample
from crossover.evaluation.scorers.words import Score
from crossover.evaluation.session import Manner, Session, session
from crossover.usage import Usage
from tests.evaluation.parts import Model, NoTime, candidate, changed, sample, samples


def declared(**more: Any) -> Declared:
    facts: dict[str, Any] = {
        "file": "f.jsonl", "candidates": ("a",), "reference": "r", "scorer": "exact", "margin": 0.05,
        "errors": "as-wrong",
    }  # fmt: skip
    return Declared(**{**facts, **more})


def done(
    folder: Path,
    rows: Sequence[Sample],
    *candidates: Candidate,
    lookup: Any = None,
    manner: Manner | None = None,
    **more: Any,
) -> Session:
    async def work() -> Session:
        with open_log(folder, resume=True) as log:
            return await session(
                declared(**more), rows, candidates, log, lookup=lookup or (lambda name: candidate(name, Model())),
                manner=manner or Manner(), clock=NoTime().clock(),
            )  # fmt: skip

    return asyncio.run(asyncio.wait_for(work(), 60))


def tenth_wrong(prompt: str) -> str:
    return "wrong" if prompt.endswith("0") else "right"


def test_equal_models_are_not_worse(tmp_path: Path) -> None:
    found = done(tmp_path, samples(150), candidate("a", Model()), candidate("r", Model())).findings
    (versus,) = found.versus
    assert versus.comparison.verdict == "equivalent"
    assert versus.disagreements == ()
    assert [side.name for side in found.sides] == ["a", "r"]


def test_a_bad_model_is_worse_and_the_losses_are_listed(tmp_path: Path) -> None:
    rows = [changed(row, tags=("even" if number % 2 == 0 else "odd",)) for number, row in enumerate(samples(100))]
    bad = Model(lambda prompt: "wrong" if int(prompt.rpartition("s")[2]) % 2 == 0 else "right")
    found = done(tmp_path, rows, candidate("a", bad), candidate("r", Model(tenth_wrong))).findings
    (versus,) = found.versus
    assert versus.comparison.verdict == "worse_than_margin"
    assert versus.comparison.gap == pytest.approx(-0.4)
    assert (len(versus.disagreements), versus.disagreements[0].loss) == (40, 1.0)
    assert versus.disagreements[0].candidate == "wrong"
    assert [(row.tag, row.n, round(row.gap, 2)) for row in versus.tags] == [("even", 50, -0.8), ("odd", 50, 0.0)]


@pytest.mark.parametrize("say", ["right", "wrong"])
def test_all_equal_and_all_wrong(tmp_path: Path, say: str) -> None:
    found = done(tmp_path, samples(3), candidate("a", Model(say)), candidate("r", Model(say))).findings
    assert found.versus[0].comparison.verdict == "inconclusive"
    assert found.versus[0].comparison.gap == 0
    assert (
        done(tmp_path / "one", samples(1), candidate("a", Model(say)), candidate("r", Model(say))).findings.samples == 1
    )


def failing(prompt: str) -> Any:
    return RequestError("no", code="oops") if prompt.endswith("3") else "right"


def test_errors_count_as_declared(tmp_path: Path) -> None:
    rows = samples(10)
    wrong = done(tmp_path / "a", rows, candidate("a", Model(failing)), candidate("r", Model())).findings
    assert wrong.versus[0].comparison.n == 10
    assert wrong.versus[0].comparison.gap == pytest.approx(-0.1)
    assert wrong.sides[0].failures == {"oops": 1}
    assert wrong.sides[0].mean == pytest.approx(0.9)
    left = done(
        tmp_path / "b", rows, candidate("a", Model(failing)), candidate("r", Model()), errors="exclude"
    ).findings
    assert (left.versus[0].comparison.n, left.versus[0].comparison.gap) == (9, 0)
    assert left.versus[0].left_out == {"failed": 1}
    assert left.sides[0].mean == 1


def test_what_failed_at_both_makes_nobody_equal(tmp_path: Path) -> None:
    down = Model(lambda _prompt: RequestError("no", code="oops"))
    found = done(tmp_path, samples(15), candidate("a", down), candidate("r", down, identity="r")).findings
    assert found.versus[0].comparison.n == 0
    assert found.versus[0].left_out == {"neither has a score": 15}
    assert found.versus[0].comparison.verdict == "inconclusive"


def test_what_may_not_leave_is_left_out_and_counted(tmp_path: Path) -> None:
    from crossover.errors import NoTargetError

    hidden = Model(lambda prompt: NoTargetError("a card", status=422) if prompt.endswith("3") else "right")
    found = done(tmp_path, samples(10), candidate("a", Model()), candidate("r", hidden)).findings
    assert found.versus[0].left_out == {"may not go to one of them": 1}
    assert (found.versus[0].comparison.n, found.sides[1].withheld) == (9, 1)


def test_side_by_side(tmp_path: Path) -> None:
    found = done(tmp_path, samples(4), candidate("a", Model(local=True)), candidate("r", Model(cost=None))).findings
    own, paid = found.sides
    assert (own.cost, own.paid) == (Decimal("0.04"), Decimal(0))
    assert own.per_thousand == pytest.approx(10)
    assert (paid.cost, paid.per_thousand) == (None, None)
    assert own.output_tokens == 2
    assert own.seconds_p50 is not None
    assert "price unknown: 4 calls" in found.notes


def test_a_run_goes_on_only_as_it_was_declared(tmp_path: Path) -> None:
    both = candidate("a", Model()), candidate("r", Model())
    done(tmp_path, samples(3), *both)
    for name, value in (("margin", 0.1), ("errors", "exclude"), ("reference", "a")):
        other: dict[str, Any] = {name: value}
        with pytest.raises(ContradictionError, match=f"declared {name}"):
            done(tmp_path, samples(3), *both, **other)
    notes = done(tmp_path, samples(3), *both, scorer="contains").findings.notes
    assert "scored by contains now, and by exact when the run began" in notes[0]


def test_it_says_which_samples_changed(tmp_path: Path) -> None:
    model = Model()
    both = candidate("a", model), candidate("r", Model())
    rows = samples(5)
    done(tmp_path, rows, *both)
    other = [
        rows[0],
        sample("s1", "another question", line=2),
        changed(rows[2], expected=("x",)),
        rows[4],
        sample("new"),
    ]
    again = done(tmp_path, other, *both)
    assert again.findings.notes == (
        "changed since the run began, and asked anew where the question did: s1 (line 2), s2 (line 3)",
        "new since the run began: 1 sample",
        "no longer in the file, so not counted: 1 sample (s3)",
    )
    assert sorted(model.prompts[5:]) == ["another question", "question new"]
    assert again.findings.samples == 5


def test_samples_that_nothing_can_judge(tmp_path: Path) -> None:
    rows = [
        *samples(2),
        Sample(id="x", messages=sample("x").messages, line=9),
        Sample(id="y", messages=sample("y").messages),
    ]
    both = candidate("a", Model()), candidate("r", Model())
    with pytest.raises(FileError, match="the sample 'x' cannot be judged") as caught:
        done(tmp_path, rows, *both)
    assert (caught.value.line, len(caught.value.more)) == (9, 1)
    found = done(tmp_path, rows, *both, manner=Manner(skip_broken=True)).findings
    assert (found.samples, found.notes[0]) == (2, "left out, because nothing can judge them: 2 samples")


def test_a_mistake_in_the_scorer_costs_no_call(tmp_path: Path) -> None:
    model = Model()
    with pytest.raises(InputError):
        done(tmp_path, samples(3), candidate("a", model), candidate("r", model), scorer="exakt")
    assert model.prompts == []


def test_several_candidates_are_judged_together(tmp_path: Path) -> None:
    three = candidate("a", Model()), candidate("b", Model(tenth_wrong)), candidate("r", Model())
    found = done(tmp_path, samples(100), *three, candidates=("a", "b")).findings
    assert [one.candidate for one in found.versus] == ["a", "b"]
    assert {one.comparison.family for one in found.versus} == {2}


def test_other_candidates_than_at_the_beginning_are_told(tmp_path: Path) -> None:
    one, two, reference = candidate("a", Model()), candidate("b", Model()), candidate("r", Model())
    done(tmp_path, samples(3), one, reference)
    (note,) = done(tmp_path, samples(3), one, two, reference, candidates=("a", "b")).findings.notes
    assert "the candidates were a when the run began" in note


def test_rubrics_and_embeddings_go_through_the_same_log(tmp_path: Path) -> None:
    from crossover.evaluation.samples.words import Check

    judge = Model(lambda _prompt: '{"score": 1}', vector=lambda text: (float(len(text)), 1.0))
    rows = [
        changed(row, checks=(Check(scorer="rubric:j", value="fine"), Check(scorer="embedding:j"))) for row in samples(3)
    ]
    both = candidate("a", Model()), candidate("r", Model())
    for _ in range(2):
        found = done(tmp_path, rows, *both, lookup=lambda name: candidate(name, judge), scorer="")
        assert found.findings.sides[0].mean == pytest.approx(1)
    assert judge.prompts.count("right") == 1, "one text embedded"
    graded = [prompt for prompt in judge.prompts if "<answer>\nright\n</answer>" in prompt]
    assert len(graded) == 3, "equal answers are graded once each"
    assert found.findings.notes[-1] == (
        "the judge gives, on 3 samples: real answers 1.00, a constant non-answer 1.00, the question repeated 1.00, "
        "real answers with padding 1.00; it hardly tells answers from non-answers: look at its grades"
    )


def test_a_run_may_end_once_it_is_settled(tmp_path: Path) -> None:
    def half_wrong(prompt: str) -> str:
        return "wrong" if int(prompt.rpartition("s")[2]) % 2 else "right"

    both = candidate("a", Model(half_wrong)), candidate("r", Model())
    whole = done(tmp_path / "whole", samples(200), *both)
    assert whole.findings.samples == 200
    (note,) = whole.findings.notes
    assert "--stop-when-settled ends a run there" in note
    part = done(tmp_path / "part", samples(200), *both, manner=Manner(stop_when_settled=True))
    assert 25 <= part.findings.samples < 100
    assert part.findings.versus[0].comparison.verdict == "worse_than_margin"
    assert part.findings.versus[0].left_out == {}
    assert "so the run ended; --resume alone goes on with it" in part.findings.notes[0]
    again = done(tmp_path / "part", samples(200), *both)
    assert again.findings.samples == 200
    assert again.kept == part.made


def test_a_judge_cannot_end_a_run(tmp_path: Path) -> None:
    both = candidate("a", Model()), candidate("r", Model())
    with pytest.raises(ContradictionError, match="when all answers are there"):
        done(tmp_path, samples(3), *both, scorer="judge:j", manner=Manner(stop_when_settled=True))


def test_a_row_holds_what_a_router_learns_from(tmp_path: Path) -> None:
    messages = (Message("system", (Text("Be brief."),)), Message("user", (Text("question s0"),)))
    rows = [changed(samples(1)[0], messages=messages), *samples(2)[1:]]
    ended = done(tmp_path, rows, candidate("a", Model("Right!")), candidate("r", Model(failing)), scorer="normalised")
    write_results(tmp_path, ended)
    first = read_scores(tmp_path / SCORES)[0]
    assert (first.prompt, first.messages, first.prompt_chars, first.tools, first.schema) == (
        "question s0", 2, len("Be brief.question s0"), 0, False,
    )  # fmt: skip
    assert (first.model, first.local, first.finish, first.output_tokens) == ("the-model", False, "stop", 2)
    assert [row.same_as for row in read_scores(tmp_path / SCORES)[:2]] == [("r",), ("a",)]


@pytest.mark.parametrize(
    ("text", "tokens", "doubtful"),
    [
        ("right", 1, False),
        ("", 0, False),
        ("", 5000, False),
        ("right", 0, True),
        ("x" * 640, 9, True),
        ("a", 10**9, True),
    ],
)
def test_counts_of_tokens_that_cannot_be(text: str, tokens: int, *, doubtful: bool) -> None:
    answer = Answer(key="k", asked="a", text=text, usage=Usage(input=1, output=tokens))
    one = Outcome(sample="s", candidate="a", state="scored", score=Score(1.0), answer=answer)
    assert side("a", [one], "as-wrong").doubtful == doubtful


def test_every_name_of_a_row_is_on_the_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "eval.md").read_text(encoding="utf-8")
    assert [name for name in ScoreRow.__struct_fields__ if f"`{name}`" not in page] == []


def test_results_as_files(tmp_path: Path) -> None:
    ended = done(tmp_path, samples(3), candidate("a", Model(failing)), candidate("r", Model()))
    write_results(tmp_path, ended)
    rows = read_scores(tmp_path / SCORES)
    assert [(row.sample, row.candidate) for row in rows] == [(f"s{n}", who) for n in range(3) for who in "ar"]
    assert (rows[0].text, rows[0].score, rows[0].cost) == ("right", 1.0, 0.01)
    assert read_report(tmp_path)["versus"][0]["comparison"]["verdict"] == "inconclusive"
    (tmp_path / SCORES).write_text("{}\n")
    with pytest.raises(FileError, match="no line of scores"):
        read_scores(tmp_path / SCORES)


def test_half_a_surrogate_pair_is_written_as_a_question_mark(tmp_path: Path) -> None:
    ended = done(tmp_path, samples(2), candidate("a", Model()), candidate("r", Model()))
    broken = tuple(msgspec.structs.replace(one, group="bad \ud800", tags=("\udfff",)) for one in ended.samples)
    write_results(tmp_path, msgspec.structs.replace(ended, samples=broken))
    assert {(row.group, row.tags) for row in read_scores(tmp_path / SCORES)} == {("bad ?", ("?",))}


def test_evidence_for_plans(tmp_path: Path) -> None:
    found = done(tmp_path, samples(100), candidate("a", Model(tenth_wrong)), candidate("r", Model())).findings
    today = dt.date(2026, 11, 27)
    rows = evidence_of(found, today, source="eval", identities={"a": "x"}, models={"a": "m"})
    quality = {row.subject: row for row in rows if row.metric == "quality"}
    assert quality["a"].value == pytest.approx(0.9)
    assert (quality["a"].n, quality["r"].n) == (100, 100)
    (gap,) = (row for row in rows if row.metric == "quality_gap")
    assert (gap.subject, gap.context["reference"], gap.context["model"]) == ("a", "r", "m")
    assert gap.value == pytest.approx(-0.1)
    assert gap.low is not None
    assert gap.high is not None
    assert gap.low < gap.value < gap.high
    assert gap.expires == today + dt.timedelta(days=90)
    assert gap.context["verdict"] == found.versus[0].comparison.verdict


def test_what_it_will_cost(tmp_path: Path) -> None:
    rows = [*samples(3), sample("again", "question s0")]
    paid = candidate("a", Model())
    known = done(tmp_path, samples(1), paid, candidate("r", Model()))
    assert known.made == 2
    with open_log(tmp_path, resume=True) as log:
        first, free, unknown = estimates(
            rows,
            [paid, candidate("b", Model(), paid=False), candidate("c", Model(), highest=lambda _request: None)],
            log.answers,
            lambda _request: 10,
        )
    assert (first.calls, first.kept, first.input_tokens, first.highest) == (2, 2, 20, Decimal("0.02"))
    assert (free.calls, free.kept, free.highest, free.paid) == (3, 1, Decimal(0), False)
    assert unknown.highest is None
