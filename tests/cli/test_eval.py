"""crossover eval: runs through the dispatcher and a gateway, verdicts, budgets, gates; a mistake is one sentence."""

from __future__ import annotations

import json
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crossover.ledger.facts import evidence
from crossover.ledger.store import open_ledger
from crossover.providers.answers import Answer
from crossover.providers.faulty import Fault, FaultyServer, Seen
from tests.cli.process import running
from tests.cli.shell import call, quiet_home, refused
from tests.serving import PRICED, config, gateway, in_thread, rows

LEDGER = Path("home") / "data" / "ledger.db"
RUN = ("eval", "run", "samples.jsonl", "--candidate", "weak", "--reference", "api")
WEAK = f"""[deployments.weak]
provider = "openai-compatible"
model = "weak-model"
zone = "cloud"
base_url = "URL/v1"
{PRICED}"""


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    quiet_home(monkeypatch, tmp_path / "home")
    monkeypatch.delenv("CROSSOVER_API_KEY", raising=False)
    monkeypatch.chdir(tmp_path)


def answer(seen: Seen) -> Answer | Fault:
    """Both models are right about even numbers; the weak one is wrong about odd ones and breaks at 13."""
    number = int(seen.tree["messages"][-1]["content"].rpartition(" ")[2])
    if seen.tree["model"] == "weak-model" and number % 2:
        return Fault(kind="bad_request") if number == 13 else Answer(text="no")
    return Answer(text=f"Yes {number}.")


def write_samples(count: int) -> None:
    lines = (json.dumps({"prompt": f"number {n}", "expected": f"yes {n}", "tags": [f"m{n % 3}"]}) for n in range(count))
    Path("samples.jsonl").write_text("\n".join(lines))


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[FaultyServer]:
    write_samples(30)
    with in_thread(lambda: FaultyServer("openai", answer)) as (server, _):
        (tmp_path / "crossover.toml").write_text(config(server.url, deployment=WEAK.replace("URL", server.url)))
        yield server


def test_the_verdict_comes_first_and_everything_behind_it_below(upstream: FaultyServer, tmp_path: Path) -> None:
    done = call(*RUN)
    assert done.code == 0
    lines = [line.strip() for line in done.out.splitlines() if line.strip()]
    assert lines[0].startswith("Evaluation · samples.jsonl · 30 samples · scored by normalised · margin 5 points")
    assert lines[1] == "▌ weak against api: worse by more than the margin"
    for part in ("Side by side", "By tag", "Where they differ", "weak lost 15 and won 0", "1 bad_request", "yes 1"):
        assert part in done.out
    assert "60 calls; weak at most $0.98; api at most $0.98" in done.err.replace("\n", " ")
    assert sorted(path.name for path in Path("samples-eval").iterdir()) == [
        "answers.jsonl",
        "report.json",
        "scores.jsonl",
    ]
    recorded = rows(tmp_path / LEDGER)
    assert len(recorded) == 60
    assert {row.door for row in recorded} == {"eval"}
    with open_ledger(LEDGER, readonly=True) as book:
        found = {(row.subject, row.metric): row for row in evidence(book)}
    assert found["weak", "quality"].value == 0.5
    assert found["api", "quality"].value == 1
    assert found["weak", "quality_gap"].context["verdict"] == "worse_than_margin"


def test_json(upstream: FaultyServer) -> None:
    done = call(*RUN, "--json", "--errors", "exclude", "--whole", "--html", "page.html")
    assert done.code == 0
    assert Path("page.html").read_text().startswith("<!doctype html>")
    said = json.loads(done.out)
    (versus,) = said["versus"]
    assert (versus["comparison"]["n"], versus["left_out"]) == (29, {"failed": 1})
    assert len(versus["disagreements"]) == 14
    assert {side["name"]: side["ttft_p50"] for side in said["sides"]} == {"weak": None, "api": None}


def test_a_gate_for_ci(upstream: FaultyServer) -> None:
    assert call(*RUN, "--fail-if", "worse").code == 3
    done = call(*RUN, "--resume", "--fail-if", "worse", "--json")
    assert done.code == 3
    assert "weak is worse by more than the margin (against api, --fail-if worse)" in done.err
    unsure = (
        "eval",
        "run",
        "samples.jsonl",
        "--candidate",
        "auto",
        "--reference",
        "api",
        "--limit",
        "5",
        "--out",
        "few",
    )
    assert call(*unsure, "--fail-if", "worse").code == 0
    assert call(*unsure, "--resume", "--fail-if", "unproven").code == 3


def test_it_goes_on_without_paying_twice(upstream: FaultyServer) -> None:
    assert call(*RUN).code == 0
    asked = len(upstream.journal)
    assert "it holds 59 answers already" in refused(*RUN)
    done = call(*RUN, "--resume")
    assert "1 call, 59 answers there already" in done.err
    assert len(upstream.journal) == asked + 1, "the failed one"
    write_samples(40)
    done = call(*RUN, "--resume")
    assert "new since the run began: 10 samples" in done.out
    assert len(upstream.journal) == asked + 2 + 20
    assert call(*RUN, "--reuse", "samples-eval", "--out", "other").code == 0
    assert len(upstream.journal) == asked + 3 + 20


def test_a_dry_run_asks_nothing(upstream: FaultyServer) -> None:
    done = call(*RUN, "--dry-run", "--max-tokens", "10")
    assert (done.code, upstream.journal) == (0, [])
    assert "at most: every answer as long as allowed" in done.out
    said = json.loads(call(*RUN, "--dry-run", "--json").out)
    (weak, api) = said["estimates"]
    assert (weak["calls"], api["calls"], weak["input_tokens"]) == (30, 30, 290)
    assert 0 < float(weak["highest"]) < 1
    assert not Path("samples-eval").exists()


def test_a_budget_ends_a_run_with_pairs(upstream: FaultyServer) -> None:
    done = call(*RUN, "--budget", "0.0015", "--max-tokens", "10", "--concurrency", "2")
    assert done.code == 1
    assert "the budget of $0.0015 is spent" in done.err
    assert "not asked, because the run ended before" in done.out
    spent = sum(row.marginal for row in rows(LEDGER))
    assert 0 < spent <= 0.0015 * 1e12


def test_a_dry_run_says_what_so_many_samples_can_show(upstream: FaultyServer) -> None:
    said = " ".join(call(*RUN, "--dry-run").out.split())
    assert "30 samples: between models that are equally good and differ on 22 % of them, about" in said
    assert "Not in it" not in said
    assert "In all at most $" in said
    said = " ".join(call(*RUN, "--dry-run", "--budget", "0.5").out.split())
    assert "more than the budget of $0.50: the run may end early" in said
    said = " ".join(call(*RUN, "--dry-run", "--scorer", "judge:api").out.split())
    assert "Not in it: what the scorer judge asks of its own model." in said
    found = json.loads(call(*RUN, "--dry-run", "--json").out)
    assert (found["samples"], found["needed"]["margin"]) == (30, 0.05)


def test_a_run_ends_once_it_is_settled(upstream: FaultyServer) -> None:
    write_samples(300)
    done = call(*RUN, "--stop-when-settled", "--fail-if", "worse", "--json")
    assert done.code == 3
    found = json.loads(done.out)
    assert 25 <= found["samples"] < 200
    assert len(upstream.journal) < 500
    assert any("so the run ended" in note for note in found["notes"])


def test_log_probabilities_are_asked_for_where_they_are_given(upstream: FaultyServer, tmp_path: Path) -> None:
    file = tmp_path / "crossover.toml"
    file.write_text(file.read_text().replace('model = "weak-model"', 'model = "weak-model"\ncannot = ["logprobs"]'))
    done = call(*RUN, "--logprobs", "--json")
    assert "no log-probabilities are given by weak" in json.loads(done.out)["notes"]
    asked = {
        (seen.tree["model"], seen.tree.get("logprobs"), seen.tree.get("top_logprobs")) for seen in upstream.journal
    }
    assert {(model == "weak-model", logprobs, top) for model, logprobs, top in asked} == {
        (True, None, None), (False, True, 2),
    }  # fmt: skip


def test_policies_and_aliases_are_candidates_too(upstream: FaultyServer) -> None:
    done = call("eval", "run", "samples.jsonl", "--candidate", "auto@cheapest", "--reference", "weak", "--json")
    assert json.loads(done.out)["versus"][0]["candidate"] == "auto@cheapest"
    assert {row.policy for row in rows(LEDGER)} == {"cheapest", "pinned"}


def test_through_a_gateway(upstream: FaultyServer, tmp_path: Path) -> None:
    text = (tmp_path / "crossover.toml").read_text()
    (tmp_path / "crossover.toml").unlink()
    with in_thread(lambda: gateway(tmp_path, text)) as (opened, _):
        done = call(*RUN, "--url", opened.url, "--json")
        assert json.loads(done.out)["sides"][0]["cost"] is not None
        assert "no budget can be kept" in refused(*RUN, "--url", opened.url, "--budget", "1", "--out", "x")
    assert not LEDGER.exists()


def test_a_models_own_scorer(upstream: FaultyServer, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def score(answer, sample):\n    return answer.startswith('Yes')\n")
    done = call(*RUN, "--scorer", "python:mine.py:score", "--json")
    assert json.loads(done.out)["sides"][1]["mean"] == 1


def test_a_larger_draw_holds_the_smaller_one(upstream: FaultyServer) -> None:
    assert call(*RUN, "--limit", "10").code == 0
    asked = len(upstream.journal)
    done = call(*RUN, "--limit", "20", "--resume")
    assert "20 of 30 samples, drawn with seed 0" in done.out
    assert "new since the run began: 10 samples" in done.out
    assert "no longer in the file" not in done.out
    assert asked + 20 <= len(upstream.journal) <= asked + 21, "the one that fails is asked again"


def test_a_judge_behind_the_dispatcher(tmp_path: Path) -> None:
    write_samples(12)

    def decide(seen: Seen) -> Answer | Fault:
        """The judge rather has what says the number of the question."""
        asked = seen.tree["messages"][-1]["content"]
        if "<first>" not in asked:
            return answer(seen)
        question, one, other = re.findall(r"\n(.*)\n</(?:question|first|second)>", asked)
        number = question.rpartition(" ")[2]
        good = [f"Yes {number}." == said for said in (one, other)]
        return Answer(text=json.dumps({"winner": "tie" if good[0] == good[1] else "first" if good[0] else "second"}))

    with in_thread(lambda: FaultyServer("openai", decide)) as (server, _):
        (tmp_path / "crossover.toml").write_text(config(server.url, deployment=WEAK.replace("URL", server.url)))
        judged = (*RUN, "--scorer", "judge:api", "--labels", "labels.jsonl")
        assert "there is no such file" in refused(*judged)
        Path("labels.jsonl").write_text('{"id": "2", "winner": "reference"}\n')
        done = call(*judged)
        assert done.code == 0
        assert "The judge api" in done.out
        assert "Canaries that won in its eyes: null 0 of 12, echo 0 of 12, swapped 0 of 12, padded 0 of 12" in done.out
        assert "it says what people say on 100 % of 1 sample" in done.out
        assert "weak lost 6 and won 0" in done.out
        asked = len(server.journal)
        assert call(*judged, "--resume").code == 0
        assert len(server.journal) == asked, "comparisons are paid once too"


def test_ctrl_c_says_how_to_go_on(tmp_path: Path) -> None:
    write_samples(40)
    began = threading.Event()

    def hangs_after_ten(seen: Seen) -> Answer | Fault:
        if len(server.journal) <= 10:
            return answer(seen)
        if len(server.journal) >= 20:
            began.set()
        return Fault(kind="slow_first_byte")

    with in_thread(lambda: FaultyServer("openai", hangs_after_ten)) as (server, loop):
        (tmp_path / "crossover.toml").write_text(config(server.url, deployment=WEAK.replace("URL", server.url)))
        with running(*RUN, folder=tmp_path) as process:
            process.complains("80 calls")
            assert began.wait(60)
            process.signal(signal.SIGINT)
            done = process.done()
        assert done.code == 130
        assert re.search(r"samples-eval keeps \d+ answers?; the same line with --resume goes on", done.err)
        assert done.err.rstrip().endswith("crossover: interrupted; nothing was left half-written")
        loop.call_soon_threadsafe(server.release)
        assert call(*RUN, "--resume").code == 0


def test_power() -> None:
    done = call("eval", "power", "--margin", "0.05", "--discordance", "0.2")
    assert done.code == 0
    assert "How many samples a verdict takes" in done.out
    said = json.loads(call("eval", "power", "--margin", "0.05", "--discordance", "0.2", "--gap", "0", "--json").out)
    (row,) = said["rows"]
    assert (row["margin"], row["discordance"], row["fixed"]) == (0.05, 0.2, 495)
    assert row["n"] > row["fixed"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--candidate", "nobody"), "unknown model 'nobody'. There are api, "),
        (("--judge", "nobody"), "--judge: unknown model 'nobody'"),
        (("--scorer", "judge:api", "--stop-when-settled"), "when all answers are there"),
        (("--candidate", "api"), "api is the reference and a candidate"),
        (("--candidate", "weak"), "a candidate is named twice"),
        (("--power", "1"), "--power is a share between 0 and 1"),
        (("--errors", "ignore"), "unknown rule 'ignore'"),
        (("--fail-if", "bad"), "unknown condition 'bad'"),
        (("--scorer", "exakt"), "Did you mean exact"),
        (("--scorer", "code"), "--allow-code"),
        (("--scorer", "regex:("), "is no pattern"),
        (("--scorer", "judge"), "judge needs a model"),
        (("--budget", "a lot"), "is not an amount in dollars"),
        (("--budget", "0"), "a budget is more than nothing"),
        (("--url", "localhost:1", "--config", "crossover.toml"), "a gateway has its own configuration"),
        (("--reuse", "nowhere"), "no results here"),
        (("--labels", "nowhere"), "there is no such file"),
        (("--html", "no/such/page.html"), "its folder does not exist"),
    ],
)
def test_every_mistake_is_one_sentence(upstream: FaultyServer, words: tuple[str, ...], said: str) -> None:
    assert said in refused(*RUN, *words)
    assert upstream.journal == []


def test_broken_samples(upstream: FaultyServer) -> None:
    with Path("samples.jsonl").open("a") as file:
        file.write('\n{"prompt": \n{"prompt": "number 98"}\n')
    assert "samples.jsonl:31: is no JSON" in refused(*RUN)
    done = call(*RUN, "--skip-broken")
    assert done.code == 0
    assert "left out: 1 broken row of the file" in done.out
    assert "left out, because nothing can judge them: 1 sample" in done.out


def test_a_dead_endpoint_ends_it_with_a_reason(tmp_path: Path) -> None:
    write_samples(30)
    with in_thread(lambda: FaultyServer("openai", "auth")) as (server, _):
        (tmp_path / "crossover.toml").write_text(config(server.url, deployment=WEAK.replace("URL", server.url)))
        done = call(*RUN)
    assert done.code == 1
    assert "failed 3 times in a row, the last time with auth" in done.err
    assert "inconclusive" in done.out


@pytest.mark.parametrize("kind", ["html", "empty", "close", "inband_error"])
def test_endpoints_that_answer_nonsense_are_failures(tmp_path: Path, kind: Any) -> None:
    write_samples(2)
    with in_thread(lambda: FaultyServer("openai", kind)) as (server, _):
        (tmp_path / "crossover.toml").write_text(config(server.url, deployment=WEAK.replace("URL", server.url)))
        done = call(*RUN, "--tries", "1", "--json")
    assert done.code == 0
    sides = json.loads(done.out)["sides"]
    assert [(side["failed"], side["mean"]) for side in sides] == [(2, 0.0), (2, 0.0)]


# ------------------------------------------------------------------------------------------------------------- compare


def test_recorded_answers_are_compared(tmp_path: Path) -> None:
    lines = "".join(f"{n},yes,{'yes' if n % 2 else 'no'},Yes\n" for n in range(60))
    (tmp_path / "t.csv").write_text(f"id,strong,weak,gold\n{lines}")
    words = ("eval", "compare", "t.csv", "--candidate", "weak", "--reference", "strong", "--expected", "gold")
    done = call(*words)
    assert done.code == 0
    assert "weak against strong: worse by more than the margin" in done.out
    assert "p50" not in done.out, "nothing was timed"
    assert json.loads(call(*words, "--json").out)["versus"][0]["comparison"]["gap"] == -0.5
    assert call(*words, "--fail-if", "unproven").code == 3
    few = ("eval", "compare", "t.csv", "--candidate", "weak", "--reference", "strong")
    lines = "".join(f"{n},1,{int(n % 30 != 0)}\n" for n in range(60))
    (tmp_path / "t.csv").write_text(f"id,strong,weak\n{lines}")
    needs = [
        json.loads(call(*few, "--power", power, "--json").out)["versus"][0]["comparison"]["need"]
        for power in ("0.6", "0.9")
    ]
    assert needs[0]["more"] < needs[1]["more"]
    lines = "".join(f"{n},yes,{'yes' if n % 2 else 'no'},Yes\n" for n in range(60))
    (tmp_path / "t.csv").write_text(f"id,strong,weak,gold\n{lines}")
    written = call(*words, "--html", "t.html", "--json")
    assert written.err.startswith("Report: ")
    assert json.loads(written.out)
    assert "weak against strong" in (tmp_path / "t.html").read_text(encoding="utf-8")
    assert "its folder does not exist" in refused(*words, "--html", "nowhere/t.html")


def test_runs_are_compared(upstream: FaultyServer) -> None:
    assert call(*RUN).code == 0
    done = call("eval", "compare", "samples-eval", "--candidate", "weak", "--reference", "api", "--json")
    found = json.loads(done.out)
    assert found["versus"][0]["comparison"]["gap"] == -0.5
    assert found["sides"][0]["seconds_p50"] is not None
    before = json.loads(Path("samples-eval/report.json").read_text())
    assert float(found["sides"][0]["paid"]) == float(before["sides"][0]["paid"]) > 0
    same = call("eval", "compare", "samples-eval/answers.jsonl", "--candidate", "weak", "--reference", "api", "--json")
    assert same.code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--candidate", "b"), "b is the reference and a candidate"),
        (("--candidate", "nobody"), "has no column 'nobody'"),
        (("--candidate", "a", "--errors", "x"), "unknown rule"),
        (("--candidate", "a", "--expected", "gold"), "has no column 'gold'"),
        (("--candidate", "a", "t.csv"), "one at a time"),
        (("--candidate", "a", "--scorer", "embedding:m"), "none can be asked here"),
    ],
)
def test_mistakes_of_a_comparison(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    (tmp_path / "t.csv").write_text("id,a,b\n1,1,0\n")
    assert said in refused("eval", "compare", "t.csv", "--reference", "b", *words)


# ---------------------------------------------------------------------------------------------------------------- init


def test_a_template_to_begin_with() -> None:
    done = call("eval", "init")
    assert done.code == 0
    assert "5 samples to learn from" in done.out
    assert len(Path("samples.jsonl").read_text().splitlines()) == 5
    assert "is there already" in refused("eval", "init")
    assert call("eval", "init", "--force").code == 0


def test_a_draw_from_the_ledger(tmp_path: Path) -> None:
    with in_thread(lambda: FaultyServer("openai", Answer(text="said"))) as (server, _):
        own = WEAK.replace("URL", server.url).replace("weak", "own", 1).replace('"cloud"', '"own"')
        kept = config(server.url, deployment=own, more="[retention]\nbodies = true\n[privacy]\nprofile = 'off'")
        (tmp_path / "crossover.toml").write_text(kept)
        for words in (
            ("one",),
            ("two", "--system", "Be brief."),
            ("one",),
            ("three", "--sensitivity", "soft", "--model", "own"),
        ):
            assert call("chat", *words).code == 0
        done = call("eval", "init", "--from-ledger")
        assert done.code == 0, done
        assert "Wrote samples.jsonl: 3 of 4 questions" in done.out
        assert "1 of them were sensitive and are marked local_only" in done.out
        drawn = [json.loads(line) for line in Path("samples.jsonl").read_text().splitlines()]
        assert {row["messages"][-1]["content"] for row in drawn} == {"one", "two", "three"}
        assert {row["recorded"] for row in drawn} == {"said"}
        asked = len(server.journal)
        done = call(
            "eval", "run", "samples.jsonl", "--candidate", "auto", "--reference", "api", "--scorer", "regex:said"
        )
        assert done.code == 0
        assert len(server.journal) == asked + 2, "the sensitive one stays, and both names are one deployment"
        assert "auto and api are answered by the same deployment" in done.out
        assert "may not go to one of them" in done.out
        assert call("eval", "init", "again.jsonl", "--from-ledger").out.startswith("Wrote again.jsonl: 3 of 4")


def test_a_ledger_without_bodies(upstream: FaultyServer) -> None:
    assert call("chat", "number 1").code == 0
    done = call("eval", "init", "new.jsonl", "--from-ledger")
    assert done.code == 1
    assert "the ledger holds no prompts" in done.err
    assert "bodies = true" in done.err
