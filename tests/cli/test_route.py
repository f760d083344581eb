"""crossover route: policies from results and tables, shown and tried; calibrated anew from the ledger."""

from __future__ import annotations

import datetime as dt
import json
import re
import time
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import pytest

from crossover.evaluation.results import ScoreRow
from crossover.learning.artifact import load, save
from crossover.ledger.grades import Grade, add_grades
from crossover.ledger.store import open_ledger
from tests.cli.shell import call, quiet_home, refused

TRAIN = ("route", "train", "eval", "--weak", "small", "--strong", "large")


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    quiet_home(monkeypatch, tmp_path / "home")
    monkeypatch.chdir(tmp_path)


def results(folder: Path, size: int = 500) -> None:
    """A run as `crossover eval run` leaves it: right answers of the small model end in a number, wrong ones do not."""
    chance = np.random.default_rng(4)
    lines = []
    for number in range(size):
        right, words = bool(chance.random() < 0.6), int(chance.integers(5, 40))
        prompt = f"How many {'very ' * words}old stones are in river {number}?"
        text = "First we count them.\n#### 12" if right else "It is hard to say, perhaps a few of them are in it"
        for name, said, score in (("small", text, float(right)), ("large", "#### 12", float(chance.random() < 0.95))):
            row = ScoreRow(
                sample=str(number), candidate=name, state="scored", score=score, text=said, prompt=prompt,
                prompt_chars=len(prompt), finish="stop", local=name == "small", cost=0.002 if name == "large" else None,
            )  # fmt: skip
            lines.append(msgspec.json.encode(row))
    folder.mkdir()
    (folder / "scores.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    (folder / "report.json").write_text(json.dumps({"reference": "large"}))


def test_a_policy_is_trained_shown_and_tried(tmp_path: Path) -> None:
    results(tmp_path / "eval")
    done = call("route", "train", "eval", "--html", "page.html")  # candidate and reference are those of the run
    assert done.code == 0, done
    assert re.search(r"Keeps \d+ % local, loses at most 5 % quality, 95 % sure", done.out)
    assert "200 prompts to learn, 200 to calibrate, 100 to report" in done.out
    assert "▶" in done.out
    assert 'policy = "cascade" and learned = "cascade.json"' in done.err
    learned = load(tmp_path / "cascade.json")
    assert (learned.card.weak, learned.card.strong) == ("small", "large")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "chosen:" in page
    shown = call("route", "show", "cascade.json")
    assert shown.code == 0
    assert shown.out == done.out
    assert json.loads(call("route", "show", "cascade.json", "--json").out)["kind"] == "cascade"
    tried = call("route", "try", "cascade.json", "eval", "--json")
    facts = json.loads(tried.out)
    assert facts["prompts"] == 500
    assert 0 < facts["kept"] < 500
    assert facts["dollars_per_1000"] < facts["dollars_per_1000_strong"]
    assert facts["lost"] <= 0.05
    policy = load(tmp_path / "cascade.json")
    for promised, word in (
        (facts["lost"] * 0.95, "chance alone may do this"),
        (facts["lost"] * 0.2, "not like the calibration"),
    ):
        assert policy.card.promise is not None
        strict = msgspec.structs.replace(policy.card.promise, loss=promised)
        card = msgspec.structs.replace(policy.card, promise=strict)
        save(msgspec.structs.replace(policy, card=card), tmp_path / "strict.json")
        assert word in " ".join(call("route", "try", "strict.json", "eval").out.split())
    words = call("route", "try", "cascade.json", "eval").out
    assert "prompts" in words
    assert "would stay with small" in words


def test_a_second_model_may_agree(tmp_path: Path) -> None:
    results(tmp_path / "eval", 400)
    file = tmp_path / "eval" / "scores.jsonl"
    rows = [msgspec.json.decode(line, type=ScoreRow) for line in file.read_bytes().splitlines()]
    second = [
        msgspec.structs.replace(row, candidate="second", text=row.text if row.score else "it is 7")
        for row in rows
        if row.candidate == "small"
    ]
    file.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in [*rows, *second]))
    assert "which model is the weaker one?" in refused("route", "train", "eval")
    assert call("route", "train", "eval", "--other", "second").code == 0
    assert "answer.agreement" in {row.name for row in load(tmp_path / "cascade.json").features}


def test_a_table_and_a_policy_of_prompts(tmp_path: Path) -> None:
    rows = ["prompt,mine,theirs,said"]
    rows += [f"{'word ' * (number % 50 + 1)}?,{int(number % 50 < 25)},1,text {number}" for number in range(200)]
    (tmp_path / "answers.csv").write_text("\n".join(rows))
    flags = ("--weak", "mine", "--strong", "theirs", "--kind", "route", "--loss", "0.3", "--out", "route.json")
    done = call("route", "train", "answers.csv", *flags)
    assert done.code == 0, done
    assert load(tmp_path / "route.json").kind == "route"
    tried = json.loads(call("route", "try", "route.json", "answers.csv", *flags[:4], "--json").out)
    assert tried["kept"] > 20
    cascade = ("route", "train", "answers.csv", "--weak", "mine", "--strong", "theirs")
    assert "--answer COLUMN" in refused(*cascade)
    assert call(*cascade, "--answer", "said", "--loss", "0.5").code == 0
    assert "no column 'side'" in refused(*cascade, "--answer", "side")


def test_what_is_wrong_is_one_sentence(tmp_path: Path) -> None:
    results(tmp_path / "eval", 60)
    assert "nothing to learn from" in refused("route", "train")
    row = ScoreRow(sample="1", candidate="small", state="scored", score=1.5)
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "scores.jsonl").write_bytes(msgspec.json.encode(row) + b"\n")
    assert "a score of 1.5" in refused("route", "train", "odd", "--weak", "small", "--strong", "large")
    assert "there are no scores here" in refused("route", "train", "none/scores.jsonl", "--weak", "a", "--strong", "b")
    assert "Did you mean small" in refused("route", "train", "eval", "--weak", "smal", "--strong", "large")
    assert "unknown kind 'magic'" in refused(*TRAIN, "--kind", "magic")
    assert "method" in refused(*TRAIN, "--method", "magic")
    assert "too few" in refused("route", "train", "eval", "--weak", "small")
    assert "no such file" in refused("route", "show", "none.json")
    (tmp_path / "bad.json").write_text("{}")
    assert "is no learned policy" in refused("route", "show", "bad.json")
    assert "Name the alias" in refused("route", "train", "--from-ledger")
    assert "cannot both be used" in refused(*TRAIN, "--from-ledger", "--alias", "chat")


def test_the_ledger_calibrates_anew(tmp_path: Path) -> None:
    results(tmp_path / "eval")
    assert call(*TRAIN, "--calibrations", "4", "--loss", "0.1").code == 0
    learned = load(tmp_path / "cascade.json")
    chance = np.random.default_rng(6)
    points = [point[0] for point in learned.calibration]
    now = time.time()  # comparisons of before the policy was made count no more
    with open_ledger(tmp_path / "ledger.db") as book:
        add_grades(
            book,
            [
                Grade(
                    request=f"r{number}", time=now + number, route="chat", kind="audit", weak="small",
                    strong="large", probability=0.05, kept=bool(score <= (learned.threshold or 0)), score=score,
                    loss=float(score > (learned.threshold or 0)), grader="agreement",
                )
                for number, score in enumerate(float(chance.choice(points)) for _ in range(400))
            ],
        )  # fmt: skip
    flags = ("--from-ledger", "--ledger", "ledger.db", "--alias", "chat", "--since", "all")
    again = ("route", "train", *flags, "--loss", "0.1", "--calibrations", "4", "--out", "new.json")
    assert "which policy" in refused(*again)
    done = call(*again, "--after", "cascade.json")
    assert done.code == 0, done
    new = load(tmp_path / "new.json")
    assert new.heads == learned.heads
    assert new.card.budget is not None
    assert new.card.budget.used == 2
    assert "2 of 4 calibrations" in done.out
    changed = [*again[:-2], "--after", "cascade.json", "--confidence", "0.9"]
    assert "it stays so" in refused(*changed)
    tried = json.loads(call("route", "try", "cascade.json", *flags, "--json").out)
    assert tried["compared"] == 400
    assert not tried["now"]["left"]
    assert "of 400 compared requests" in call("route", "try", "cascade.json", *flags).out
    assert "no compared request of 'other'" in refused("route", "try", "cascade.json", *flags[:3], "--alias", "other")


def test_watching_says_whether_a_promise_is_kept(tmp_path: Path) -> None:
    results(tmp_path / "eval")
    assert call(*TRAIN).code == 0
    cases: tuple[tuple[Literal["audit", "shadow"], str, int], ...]
    cases = ("audit", "chat", 3), ("audit", "mail", 500), ("shadow", "old", 300)
    now = time.time()
    rows = [
        Grade(
            request=f"{kind}{number}", time=now + number, route=route, kind=kind, weak="small",
            strong="large", probability=0.05, kept=True, loss=float(number % every == 0), grader="agreement",
            weak_cost=10**6, strong_cost=10**9,
        )
        for kind, route, every in cases
        for number in range(1, 300)
    ]  # fmt: skip
    with open_ledger(tmp_path / "ledger.db") as book:
        add_grades(book, rows)
    config = """
        [zones.home]
        operator = "own"
        [zones.cloud]
        operator = "provider"
        party = "somebody"
        [deployments.small]
        provider = "openai-compatible"
        model = "m"
        zone = "home"
        base_url = "http://127.0.0.1:9/v1"
        [deployments.large]
        provider = "openai-compatible"
        model = "big"
        zone = "cloud"
        base_url = "http://127.0.0.1:9/v1"
        price = { input = 1, output = 2 }
        [aliases.chat]
        deployments = ["small", "large"]
        policy = "cascade"
        learned = "cascade.json"
        """
    (tmp_path / "crossover.toml").write_text(config)
    watch = ("route", "watch", "--ledger", "ledger.db")
    done = call(*watch)
    assert done.code == 0, done
    assert done.err == "", done.err
    assert "The promise is broken" in done.out
    assert "No policy promised anything" in done.out
    assert "Switching is proven" in done.out
    assert "cheaper" in done.out
    found = json.loads(call(*watch, "--json", "--alias", "chat").out)
    assert [one["alias"] for one in found] == ["chat"]
    assert found[0]["promised"] == 0.05
    assert found[0]["found"]["left"]
    policy = load(tmp_path / "cascade.json")
    later = dt.datetime.fromtimestamp(now + 1_000, dt.UTC).isoformat()
    save(
        msgspec.structs.replace(policy, card=msgspec.structs.replace(policy.card, made=later)),
        tmp_path / "cascade.json",
    )
    assert "Nothing has been compared" in call(*watch, "--alias", "chat").out, "they spoke of the policy before"
    assert "Nothing has been compared" in call(*watch, "--alias", "none").out
    (tmp_path / "crossover.toml").write_text("[aliases.chat]\nnothing = 1")
    assert "Note: what was promised is not known" in call(*watch).err
    assert "nothing" in refused(*watch, "--config", "crossover.toml")
