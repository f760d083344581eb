"""A first file of samples: the template runs, and draws from the ledger are fair, readable and marked."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crossover.chat import ChatRequest, Message, Text
from crossover.evaluation.samples.read import read_samples
from crossover.evaluation.samples.words import Check
from crossover.evaluation.scorers.registry import Means, Scorers
from crossover.evaluation.starter import draw, lines, shares, template
from crossover.ledger.kept import Kept


def kept(number: int, asked: str = "auto", tier: str = "none", tokens: int = 10) -> Kept:
    return Kept(request=f"req_{number:04}", time=float(number), asked=asked, tier=tier, input_tokens=tokens)


def body(request: str) -> tuple[str, str]:
    return json.dumps(
        {"model": "auto", "messages": [{"role": "user", "content": f"about {request}"}], "stream": True}
    ), "said"


def test_the_template_can_be_run(tmp_path: Path) -> None:
    file = tmp_path / "samples.jsonl"
    file.write_text(template())
    samples = read_samples(file).samples
    scorers = Scorers((Check(scorer="normalised"),), Means())
    assert [scorers.missing(sample) for sample in samples] == [None] * len(samples)
    assert samples[-1].sensitivity == "local_only"


def test_every_stratum_has_its_share() -> None:
    rows = [kept(n, "auto") for n in range(900)] + [kept(1000 + n, "best") for n in range(99)] + [kept(2000, "rare")]
    given = {stratum[0].asked: share for stratum, share in shares(rows, 100)}
    assert given == {"auto": 89, "best": 10, "rare": 1}
    assert sum(share for _, share in shares(rows, 5000)) == 1000
    assert sum(share for _, share in shares(rows, 2)) == 2
    assert list(shares([], 5)) == []


@pytest.mark.parametrize("count", [1, 7, 30, 31, 100])
def test_strata_are_names_sensitivity_and_length(count: int) -> None:
    rows = [kept(n, "ab"[n % 2], ("none", "hard")[n % 3 == 0], n) for n in range(90)]
    found = draw(rows, body, count, 0)
    assert len(found.rows) == min(count, 90)
    assert found.local == sum(row.get("sensitivity") == "local_only" for row in found.rows)
    if count == 30:
        names = Counter((row["tags"][0], "sensitivity" in row) for row in found.rows)
        wanted = {("a", False): 10, ("b", False): 10, ("a", True): 5, ("b", True): 5}
        assert all(abs(names[name] - number) <= 1 for name, number in wanted.items()), "thirds of lengths cut across"


def test_a_draw_is_a_file_of_samples(tmp_path: Path) -> None:
    found = draw([kept(n, tier="soft" if n == 3 else "none") for n in range(10)], body, 10, 0)
    (tmp_path / "s.jsonl").write_text(lines(found.rows))
    read = read_samples(tmp_path / "s.jsonl")
    assert read.notes == ()
    assert [sample.prompt for sample in read.samples] == [f"about req_{n:04}" for n in range(10)]
    assert [sample.sensitivity for sample in read.samples].index("local_only") == 3
    assert found.rows[0]["recorded"] == "said"
    assert found.rows == draw([kept(n, tier="soft" if n == 3 else "none") for n in range(10)], body, 10, 0).rows


def test_what_cannot_be_read_is_passed_over() -> None:
    odd: dict[str, Any] = {
        "req_0000": None,
        "req_0001": ("no json", "x"),
        "req_0002": ("[]", "x"),
        "req_0003": ('{"messages": [{"role": "user", "content": ""}]}', "x"),
        "req_0004": ('{"messages": 3}', "x"),
    }
    found = draw([kept(n) for n in range(8)], lambda request: odd.get(request, body(request)), 3, 0)
    assert len(found.rows) == 3
    assert all(row["id"] >= "req_0005" for row in found.rows)


def test_the_same_question_is_drawn_once() -> None:
    same = (json.dumps({"messages": [{"role": "user", "content": "x"}]}), "said")
    assert len(draw([kept(n) for n in range(9)], lambda _request: same, 5, 0).rows) == 1


def test_requests_in_our_own_words() -> None:
    request = ChatRequest(model="m", messages=(Message("user", (Text("hello"),)),), max_tokens=5)
    found = draw([kept(1)], lambda _request: (msgspec.json.encode(request).decode(), "said"), 1, 0)
    assert found.rows[0]["messages"] == [{"role": "user", "content": "hello"}]
    assert found.rows[0]["max_tokens"] == 5
