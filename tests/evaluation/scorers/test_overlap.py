"""BLEU and chrF are sacrebleu's; ROUGE is held against Google's rouge-score."""

from __future__ import annotations

import pytest
import sacrebleu
from hypothesis import given as draw
from hypothesis import settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from crossover.errors import InputError
from crossover.evaluation.scorers import overlap
from tests.evaluation.scorers.parts import given, right

PAIRS = [
    ("the cat sat on the mat", "the cat is on the mat"),
    ("A quick brown fox, it jumps!", "The quick brown fox jumps over the lazy dog."),
    ("", "something"),
    ("Résumé café 12", "résumé cafe 12"),
    ("same words here", "same words here"),
]


@pytest.mark.parametrize(("said", "expected"), PAIRS)
def test_bleu_and_chrf_are_sacrebleus(said: str, expected: str) -> None:
    other = "another one"
    bleu = sacrebleu.sentence_bleu(said, [expected, other], use_effective_order=True).score / 100
    assert overlap.bleu(given(said, expected, other)).value == pytest.approx(bleu, abs=1e-12)
    chrf = sacrebleu.sentence_chrf(said, [expected, other]).score / 100
    assert overlap.chrf(given(said, expected, other)).value == pytest.approx(chrf, abs=1e-12)


WORDS = st.lists(st.sampled_from(["the", "cat", "sat", "on", "A", "mat.", "é", "12", "-"]), max_size=12).map(" ".join)


@settings(max_examples=150)
@draw(WORDS, WORDS)
def test_rouge_is_googles(said: str, expected: str) -> None:
    kinds = {"1": "rouge1", "2": "rouge2", "l": "rougeL"}
    theirs = RougeScorer(list(kinds.values()), use_stemmer=False).score(expected, said)
    for ours, name in kinds.items():
        assert overlap.rouge(given(said, expected), ours).value == pytest.approx(theirs[name].fmeasure, abs=1e-12)


def test_edit_similarity() -> None:
    assert overlap.edit(given("kitten", "sitting")).value == pytest.approx(1 - 3 / 7)
    assert overlap.edit(given("", "")).value == 1
    assert right(overlap.levenshtein(given("kitten", value={"text": "sitting", "most": 3})))
    assert not right(overlap.levenshtein(given("kitten", value={"text": "sitting", "most": 2})))


@pytest.mark.parametrize("name", ["rouge-0", "rouge-x", "rouge", "rouge-10"])
def test_a_rouge_that_is_none(name: str) -> None:
    with pytest.raises(InputError):
        overlap.rouge_kind(name)
