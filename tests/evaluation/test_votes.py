from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec
import pytest

from crossover.errors import InputError, StoreError, UnknownNameError
from crossover.evaluation.booth import Booth
from crossover.evaluation.votes import BOTH_FAILED, FAILED, SAME, Cast, Poll, append_vote, poll, read_votes
from tests.evaluation.answered import run, sample

NAMES = ("small", "large")


def texts(count: int) -> dict[str, list[str | None]]:
    return {name: [f"{name} says {number}" for number in range(count)] for name in NAMES}


def many(count: int = 200, *, rater: str = "ada", seed: int = 0, most: int | None = None) -> Poll:
    samples, outcomes = run(texts(count))
    return poll(samples, outcomes, NAMES, "large", rater=rater, seed=seed, most=most)


def booth(made: Poll, path: Path) -> Booth:
    return Booth(made, path, lambda: "2026-11-27T08:00:00+00:00")


def test_order_and_sides_are_drawn_by_the_seed_and_differ_between_raters() -> None:
    first, again, other = many(), many(), many(rater="bob")
    assert first == again
    assert [one.sample for one in first.ballots] != [f"s{number}" for number in range(200)]
    assert [one.sample for one in first.ballots] != [one.sample for one in other.ballots]
    assert {one.key for one in first.ballots} == {one.key for one in other.ballots}
    assert 60 < Counter(one.left for one in first.ballots)["first"] < 140


def test_a_part_is_the_same_for_all_raters() -> None:
    assert {one.sample for one in many(most=20).ballots} == {one.sample for one in many(most=20, rater="bob").ballots}
    assert len(many(most=20).ballots) == 20


def test_what_needs_no_eye_is_settled() -> None:
    samples, outcomes = run({"small": ["a", None, "c", None], "large": ["a", "b", None, None]})
    made = {one.sample: one for one in poll(samples, outcomes, NAMES, "large").ballots}
    assert (made["s0"].settled, made["s0"].why) == ("tie", SAME)
    assert (made["s3"].settled, made["s3"].why) == ("tie", BOTH_FAILED)
    for name, winner in (("s1", "large"), ("s2", "small")):
        one = made[name]
        assert one.why == FAILED
        assert {"first": one.first, "second": one.second}[str(one.settled)] == winner
    left = poll(samples, outcomes, NAMES, "large", errors="exclude")
    assert [one.sample for one in left.ballots] == ["s0"]
    assert left.left_out == {"failed": 3}


def test_every_question_is_put_once_and_what_is_missing_is_left_out() -> None:
    samples, outcomes = run(texts(3))
    twin = sample("twin", samples[0].question)
    outcomes |= {("twin", name): msgspec.structs.replace(outcomes["s0", name], sample="twin") for name in NAMES}
    outcomes["s1", "small"] = msgspec.structs.replace(outcomes["s1", "small"], state="missing", answer=None)
    outcomes["s2", "large"] = msgspec.structs.replace(outcomes["s2", "large"], state="withheld", answer=None)
    made = poll([*samples, twin], outcomes, NAMES, "large")
    assert [one.sample for one in made.ballots] == ["s0"]
    assert made.left_out == {"not asked yet": 1, "may not go to one of them": 1}


def test_every_pair_of_three() -> None:
    samples, outcomes = run({name: [f"{name} {number}" for number in range(4)] for name in ("a", "b", "c")})
    assert len(poll(samples, outcomes, ("a", "b", "c"), "c").ballots) == 8
    whole = poll(samples, outcomes, ("c", "b", "a"), "c", every_pair=True)
    assert len(whole.ballots) == 12
    some = {one.key for one in poll(samples, outcomes, ("a", "b", "c"), "c").ballots}
    assert some < {one.key for one in whole.ballots}  # votes stay valid


def test_bad_names() -> None:
    samples, outcomes = run(texts(1))
    with pytest.raises(UnknownNameError, match="large"):
        poll(samples, outcomes, NAMES, "larg")
    with pytest.raises(InputError, match="nothing to prefer"):
        poll(samples, outcomes, ("large",), "large")
    with pytest.raises(InputError, match="printable"):
        poll(samples, outcomes, NAMES, "large", rater="a\nb")


def test_votes_are_kept_taken_back_and_found_again(tmp_path: Path) -> None:
    path, made = tmp_path / "votes.jsonl", many(4)
    first = booth(made, path)
    keys = []
    for press in ("left", "tie", "bad"):
        shown = first.shown()
        keys.append(shown.key)
        assert first.press(str(shown.key), press)
    assert not first.press(str(keys[0]), "left")  # pressed twice: another one is shown
    first.undo()
    assert first.shown().key == keys[2]
    again = booth(made, path)
    assert (again.shown().done, again.shown().total, again.shown().undo) == (2, 4, True)
    assert again.shown().key == keys[2]
    cast = read_votes(path).cast
    assert [vote.choice for vote in cast.values()] == [made.ballots[0].left, "tie"]
    again.undo()
    again.undo()
    again.undo()
    assert again.shown().done == 0
    assert not again.shown().undo
    assert not read_votes(path).cast
    assert len(path.read_bytes().splitlines()) == 6  # only appended


def test_what_is_skipped_comes_again(tmp_path: Path) -> None:
    one = booth(many(3), tmp_path / "votes.jsonl")
    first = str(one.shown().key)
    one.press(first, "skip")
    assert one.shown().skipped == 1
    for _ in range(2):
        one.press(str(one.shown().key), "right")
    assert one.shown().key == first
    one.press(first, "right")
    assert (one.shown().key, one.shown().done) == (None, 3)


def test_the_page_is_never_told_whose_an_answer_is(tmp_path: Path) -> None:
    samples, outcomes = run({"quartz-9b": ["blue"], "feldspar": ["green"]})
    made = poll(samples, outcomes, ("quartz-9b", "feldspar"), "feldspar")
    said = msgspec.json.encode(booth(made, tmp_path / "votes.jsonl").shown()).decode()
    assert "blue" in said
    assert "quartz" not in said
    assert "feldspar" not in said


def test_half_a_line_and_damaged_ones_cost_no_vote(tmp_path: Path) -> None:
    path = tmp_path / "votes.jsonl"
    votes = [
        Cast(key=f"k{number}", rater="ada", sample="s", first="a", second="b", choice="tie", left="first")
        for number in range(3)
    ]
    append_vote(path, votes[0])
    with path.open("ab") as file:
        file.write(b'{"key":"k9","rater":"a')  # a process that was ended while it wrote
    append_vote(path, votes[1])
    with path.open("ab") as file:
        file.write(b'{"key":1}\n\xff\xfe\n\n')
    append_vote(path, votes[2])
    found = read_votes(path)
    assert sorted(key for _, key in found.cast) == ["k0", "k1", "k2"]
    assert found.damaged == (2, 4, 5)


def test_a_vote_that_cannot_be_written_does_not_count(tmp_path: Path) -> None:
    one = booth(many(2), tmp_path / "no-such-folder" / "votes.jsonl")
    key = one.shown().key
    with pytest.raises(StoreError, match="Every vote before this one is kept"):
        one.press(str(key), "left")
    assert (one.shown().key, one.shown().done) == (key, 0)


def test_changed_answers_have_no_votes(tmp_path: Path) -> None:
    samples, outcomes = run(texts(1))
    path = tmp_path / "votes.jsonl"
    made = poll(samples, outcomes, NAMES, "large")
    one = booth(made, path)
    one.press(str(one.shown().key), "left")
    samples, outcomes = run({**texts(1), "small": ["something new"]})
    assert booth(poll(samples, outcomes, NAMES, "large"), path).shown().done == 0
