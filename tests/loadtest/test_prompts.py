"""Prompts: lengths as stated, texts that no cache knows, shared prefixes, calibration, and files of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossover.errors import FileError, InputError
from crossover.loadtest.prompts import (
    PROBE_WORDS,
    Own,
    Scale,
    Synthetic,
    Tokens,
    calibrate,
    drawn,
    of_trace,
    parse_lengths,
    read_prompts,
    words,
)
from crossover.loadtest.words import Ask
from crossover.workload import Trace, constant, length_at


def tokens(*into: int, out: int = 8, shared: int = 0) -> Tokens:
    return Tokens(
        input=np.array(into), output=np.full(len(into), out), shared=np.minimum(np.full(len(into), shared), into)
    )


def text(ask: Ask) -> str:
    assert [role for role, _ in ask.messages] == ["user"]
    return ask.messages[0][1]


def test_there_are_256_different_words() -> None:
    assert len(words()) == len(set(words())) == 256
    assert all(word.isascii() and word.isalpha() and word == word.lower() for word in words())


@pytest.mark.parametrize("count", [1, 2, 5, 6, 47, 48, 49, 500, 20_000])
def test_a_prompt_has_as_many_words_as_tokens_were_asked_for(count: int) -> None:
    ask = Synthetic(tokens(count), seed=3).ask(0)
    assert len(text(ask).split()) == count
    assert (ask.input_tokens, ask.output_tokens, ask.synthetic) == (count, 8, True)


def test_no_two_prompts_begin_alike_and_a_seed_gives_the_same_again() -> None:
    source = Synthetic(tokens(200, 300), seed=3)
    begins = {" ".join(text(source.ask(number)).split()[:5]) for number in range(2000)}
    assert len(begins) == 2000
    assert text(source.ask(7)) == text(Synthetic(tokens(200, 300), seed=3).ask(7))
    assert text(source.ask(7)) != text(Synthetic(tokens(200, 300), seed=4).ask(7))


def test_a_shared_part_begins_every_prompt_and_ends_where_it_should() -> None:
    source = Synthetic(tokens(100, 160, shared=60), seed=1)
    rows = [text(source.ask(number)).split() for number in range(50)]
    assert {tuple(row[:60]) for row in rows} == {tuple(rows[0][:60])}
    assert len({tuple(row[60:65]) for row in rows}) == 50
    assert {len(row) for row in rows} == {100, 160}
    whole = Synthetic(tokens(100, shared=100), seed=1)
    assert text(whole.ask(0)) == text(whole.ask(1))


def test_another_tokenizer_gets_another_number_of_words() -> None:
    source = Synthetic(tokens(1000), seed=1)
    scaled = source.scaled(Scale(per_word=2.0, beside=20))
    assert len(text(scaled.ask(0)).split()) == 490
    assert scaled.ask(0).input_tokens == 1000


def test_calibration_reads_two_counts_and_believes_no_nonsense() -> None:
    assert calibrate([(48, 106), (304, 618)]) == Scale(per_word=2.0, beside=10.0, measured=True)
    assert calibrate([(304, 618), (48, 106)]).per_word == 2.0
    for nonsense in ([(48, 0), (304, 0)], [(48, 10), (48, 20)], [(48, 5), (304, 90_000)], [(48, 600), (304, 100)]):
        assert calibrate(nonsense) == Scale()


def test_probes_have_short_and_long_words_as_all_prompts_do() -> None:
    source = Synthetic(tokens(5), seed=1)
    usual = sum(map(len, words())) / len(words())
    for count in PROBE_WORDS:
        said = text(source.probe(count)).split()
        assert len(said) == len(set(said)) == count
        assert sum(map(len, said)) / count == pytest.approx(usual, rel=0.05)


def test_the_first_words_of_prompts_are_of_all_words() -> None:
    source = Synthetic(tokens(5), seed=1)
    assert len({word for number in range(300) for word in text(source.ask(number)).split()}) > 200


@pytest.mark.parametrize(
    ("said", "kind", "mean"),
    [
        ("512", "constant", 512),
        ("lognormal:400,0.5", "lognormal", 400),
        ("uniform:100-900", "quantiles", 500),
        ("quantiles:0=10,0.5=20,1=30", "quantiles", 20),
    ],
)
def test_lengths_are_read(said: str, kind: str, mean: float) -> None:
    found = parse_lengths(said, "--input-tokens")
    assert found.kind == kind
    assert found.mean == pytest.approx(mean)


@pytest.mark.parametrize(
    "said",
    [
        *("", "many", "0", "-3", "nan", "1e9", "normal:3", "lognormal:3", "lognormal:3,9", "uniform:9-1", "uniform:5"),
        *("quantiles:", "quantiles:0=1", "quantiles:0=5,1=3", "uniform:1-1e9"),
    ],
)
def test_what_is_no_length_names_its_flag(said: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_lengths(said, "--output-tokens")
    assert caught.value.field == "--output-tokens"


def test_lengths_are_drawn_from_their_distribution() -> None:
    lengths = parse_lengths("lognormal:400,0.5", "x")
    found = drawn(lengths, constant(7), np.random.default_rng(1), count=4000, shared=0.25)
    assert float(found.input.mean()) == pytest.approx(400, rel=0.02)
    assert float(np.quantile(found.input, 0.9)) == pytest.approx(length_at(lengths, 0.9), rel=0.03)
    assert (found.output == 7).all()
    assert (found.shared == found.input // 4).all()
    with pytest.raises(InputError, match="no share"):
        drawn(lengths, lengths, np.random.default_rng(1), count=3, shared=1.5)


def test_a_trace_brings_its_pairs_and_its_cache() -> None:
    facts: dict[str, Any] = {
        "name": "t",
        "arrival_s": np.zeros(3),
        "input_tokens": np.array([0, 50, 90]),
        "output_tokens": np.array([0, 2, 3]),
    }
    plain = of_trace(Trace(**facts))
    assert plain.input.tolist() == [1, 50, 90]
    assert plain.output.tolist() == [1, 2, 3]
    assert plain.shared.tolist() == [0, 0, 0]
    cached = Trace(**facts, cached_tokens=np.array([4, 20, 90]))
    assert of_trace(cached).shared.tolist() == [1, 20, 90]
    assert of_trace(cached, shared=0.5).shared.tolist() == [0, 25, 45]


# -------------------------------------------------------------------------------------------------------- own prompts


def written(folder: Path, *lines: str) -> Path:
    place = folder / "prompts.jsonl"
    place.write_text("\n".join(lines), encoding="utf-8")
    return place


def test_own_prompts_are_read_in_their_shapes(tmp_path: Path) -> None:
    place = written(
        tmp_path,
        '{"prompt": "one", "max_tokens": 3}',
        "",
        '{"input": "two"}',
        '{"messages": [{"role": "system", "content": "be"}, '
        '{"role": "user", "content": [{"type": "text", "text": "three"}]}]}',
    )
    found = read_prompts(place, 64)
    assert [ask.messages for ask in found.asks] == [
        (("user", "one"),), (("user", "two"),), (("system", "be"), ("user", "three")),
    ]  # fmt: skip
    assert [ask.output_tokens for ask in found.asks] == [3, 64, 64]
    assert not any(ask.synthetic for ask in found.asks)
    assert all(ask.input_tokens > 0 for ask in found.asks)
    assert found.ask(4) is found.asks[1]
    assert isinstance(found, Own)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("no json", "no JSON"),
        ("[1]", "no JSON object"),
        ("{}", "holds no text"),
        ('{"prompt": "  "}', "holds no text"),
        ('{"prompt": 5}', "holds no text"),
        ('{"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}', "holds no text"),
        ('{"messages": [{"role": "tool", "content": "x"}]}', "holds no text"),
        ('{"prompt": "x", "max_tokens": 0}', "no number of tokens"),
        ('{"prompt": "x", "max_tokens": "9"}', "no number of tokens"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(FileError, match=said) as caught:
        read_prompts(written(tmp_path, '{"prompt": "fine"}', line), 64)
    assert caught.value.line == 2


def test_an_empty_or_absent_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no prompt"):
        read_prompts(written(tmp_path, ""), 64)
    with pytest.raises(FileError, match="no such file"):
        read_prompts(tmp_path / "absent", 64)
