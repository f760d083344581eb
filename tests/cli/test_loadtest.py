"""``crossover loadtest``: every way to aim it, what it prints and keeps, what it refuses, and what may leave."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from crossover.ledger.facts import evidence
from crossover.ledger.store import open_ledger
from crossover.loadtest.exact import Exact, ExactServer
from crossover.loadtest.records import read
from crossover.providers.answers import Answer
from crossover.providers.faulty import FaultyServer
from crossover.usage import Usage
from tests.cli.process import running
from tests.cli.shell import call, quiet_home, refused

QUICK = ("--concurrency", "2", "--requests", "24", "--input-tokens", "30", "--output-tokens", "4")
OWN = '{"prompt": "my secret plan"}\n'


@contextmanager
def beside(server: AbstractAsyncContextManager[Any]) -> Iterator[Any]:
    """A server on a loop of its own, in a thread."""
    ready, opened = threading.Event(), list[Any]()
    ends: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def work() -> None:
        stop = asyncio.Event()
        async with server as entered:
            opened.append(entered)
            ends.append((asyncio.get_running_loop(), stop))
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(work()))
    thread.start()
    assert ready.wait(30)
    try:
        yield opened[0]
    finally:
        for loop, stop in ends:
            loop.call_soon_threadsafe(stop.set)
        thread.join()


@pytest.fixture(scope="module")
def exact() -> Iterator[str]:
    """The address of a server that answers at once."""
    with beside(ExactServer(Exact(ttft_s=0, itl_s=0))) as server:
        yield f"{server.url}/v1"


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    quiet_home(monkeypatch, tmp_path / "home")
    monkeypatch.chdir(tmp_path)


def figures_in(folder: Path, subject: str) -> dict[str, float]:
    with open_ledger(folder / "home" / "data" / "ledger.db", readonly=True) as ledger:
        return {row.metric: row.value for row in evidence(ledger, subject)}


def configured(place: Path, url: str, *, operator: str = "own", alias: str = "") -> None:
    place.write_text(
        f"""
[zones.there]
operator = "{operator}"
party = "someone"
[deployments.one]
provider = "openai-compatible"
model = "exact"
zone = "there"
base_url = "{url}"
price = {{ input = 2, output = 8 }}
[aliases.auto]
deployments = ["one"]
{alias}
""",
        encoding="utf-8",
    )


# ----------------------------------------------------------------------------------------------------------- an address


def test_an_address_is_measured_and_says_what_was_found(exact: str, tmp_path: Path) -> None:
    done = call("loadtest", "--url", exact, "--model", "exact", *QUICK)
    assert done.code == 0, done
    for text in ("2 at once", "tokens/s", "time to first token", "between pieces", "per output token", "end to end"):
        assert text in done.out
    assert "request sent → first token" in done.out
    assert "24 answers; 2 to warm up" in done.out
    found = figures_in(tmp_path, f"exact at {exact}")
    assert {"ttft_p50_s", "ttft_p95_s", "tpot_s", "output_tokens_per_s"} <= set(found)


def test_json_holds_every_figure_and_nothing_else_is_printed(exact: str, tmp_path: Path) -> None:
    done = call("loadtest", "--url", exact, "--model", "exact", *QUICK, "--json", "--no-evidence", "--seed", "5")
    assert (done.code, done.err) == (0, "")
    said = json.loads(done.out)
    (stage,) = said["stages"]
    assert stage["figures"]["ok"] == 24
    assert stage["figures"]["ttft"]["n"] == 24
    assert stage["figures"]["input_tokens"] == 30.0
    assert stage["load"]["concurrency"] == 2
    assert (said["seed"], said["tokens_per_word"], said["evidence"]) == (5, 1.0, None)
    assert not (tmp_path / "home" / "data").exists()


def test_an_open_loop_with_an_slo_and_a_gate(exact: str) -> None:
    words = (
        "loadtest",
        "--url",
        exact,
        "--model",
        "exact",
        "--rate",
        "200",
        "--requests",
        "30",
        "--output-tokens",
        "3",
    )
    fine = call(*words, "--slo", "ttft_p95<5s", "--fail-if", "slo", "--no-evidence")
    assert fine.code == 0, fine
    assert "ttft_p95<5s holds" in fine.out
    assert "Goodput" in fine.out
    missed = call(*words, "--slo", "ttft_p50<0.000001ms", "--fail-if", "slo", "--no-evidence", "--json")
    assert missed.code == 3
    assert "not met: ttft_p50" in missed.err
    assert json.loads(missed.out)


def test_runs_are_kept_read_again_and_compared(exact: str, tmp_path: Path) -> None:
    words = ("loadtest", "--url", exact, "--model", "exact", *QUICK, "--no-evidence")
    assert call(*words, "--out", "a.jsonl").code == 0
    assert len(read(tmp_path / "a.jsonl").stages[0].run.shots) == 26
    done = call(*words, "--out", "b.jsonl", "--against", "a.jsonl", "--html", "b.html")
    assert done.code == 0, done
    assert "Against a.jsonl" in done.out
    assert "now / before" in done.out
    assert (tmp_path / "b.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    again = call("loadtest", "--read", "b.jsonl", "--against", "a.jsonl", "-q")
    assert again.code == 0
    assert "Against a.jsonl" in again.out
    assert "What the figures mean" not in again.out
    both = json.loads(call("loadtest", "--read", "b.jsonl", "--against", "a.jsonl", "--json").out)
    assert both["compared"][0]["pairs"][0]["alike"] is True


def test_a_sweep_and_a_search_end(exact: str) -> None:
    words = (
        "loadtest",
        "--url",
        exact,
        "--model",
        "exact",
        "--output-tokens",
        "3",
        "--requests",
        "12",
        "--no-evidence",
    )
    swept = json.loads(call(*words, "--sweep", "--most", "4", "--json").out)
    assert {1, 2, 4} <= {stage["load"]["concurrency"] for stage in swept["stages"]}
    assert swept["knee"] is not None
    sought = call(
        *words, "--max-rate", "--slo", "ttft_p95<5s", "--rate", "400", "--most", "400", "--duration", "0.1", "-q"
    )
    assert sought.code == 0, sought
    assert "400 requests/s meet ttft_p95<5s" in sought.out


def test_a_trace_is_replayed(exact: str, tmp_path: Path) -> None:
    rows = "\n".join(f"{number * 0.5},20,2" for number in range(12))
    (tmp_path / "t.csv").write_text(f"time,input,output\n{rows}\n", encoding="utf-8")
    words = ("--trace", "t.csv", "--columns", "time=time,input=input,output=output", "--time-scale", "100")
    done = call("loadtest", "--url", exact, "--model", "exact", *words, "--no-evidence", "--json")
    assert done.code == 0, done
    (stage,) = json.loads(done.out)["stages"]
    assert stage["figures"]["ok"] == 12
    assert stage["figures"]["output_tokens"] == 2


def test_own_prompts_go_to_this_machine(exact: str, tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text(OWN, encoding="utf-8")
    words = ("--prompts", "p.jsonl", "--output-tokens", "2", "--requests", "10")
    done = call("loadtest", "--url", exact, "--model", "exact", *words, "--no-evidence")
    assert done.code == 0, done
    assert "own prompts of p.jsonl" in done.out


def test_a_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "sk-1234567890")
    with beside(FaultyServer("openai", script=Answer(usage=Usage(input=9, output=3)))) as server:
        words = (
            "--url",
            server.url,
            "--model",
            "m",
            "--api-key-env",
            "MY_KEY",
            "--requests",
            "2",
            "--concurrency",
            "1",
        )
        done = call("loadtest", *words, "--no-evidence")
        assert done.code == 0, done
        assert {seen.headers.get("authorization") for seen in server.journal if seen.method == "POST"} == {
            "Bearer sk-1234567890"
        }
        assert "sk-1234567890" not in done.out + done.err


def test_a_target_that_does_not_answer_is_one_sentence() -> None:
    with beside(FaultyServer("openai", script="not_found")) as server:
        done = call("loadtest", "--url", server.url, "--model", "nothing", "--no-evidence")
    assert done.code == 1
    assert done.err.startswith("crossover: nothing at http://127.0.0.1")
    assert "does not answer: the target answered 404" in done.err
    assert done.err.count("\n") == 1


def test_one_that_fails_later_is_reported_and_fails() -> None:
    asked = [0]

    def script(seen: Any) -> Any:
        asked[0] += seen.method == "POST"
        return Answer(usage=Usage(input=9, output=3)) if asked[0] <= 2 else "overloaded"

    with beside(FaultyServer("openai", script=script)) as server:
        done = call("loadtest", "--url", server.url, "--model", "m", "--requests", "50", "--no-evidence")
    assert done.code == 1
    assert "overloaded" in done.out
    assert "No answer was measured" in done.err


# --------------------------------------------------------------------------------------------------------- a deployment


def test_a_deployment_is_called_directly(exact: str, tmp_path: Path) -> None:
    configured(tmp_path / "crossover.toml", exact)
    done = call("loadtest", "one", *QUICK)
    assert done.code == 0, done
    assert "called directly" in done.out
    assert "tpot_s" in figures_in(tmp_path, "one")
    alone = call("loadtest", *QUICK, "--no-evidence")  # the only one there is
    assert alone.code == 0


def test_an_alias_goes_through_the_policy_and_into_the_ledger(exact: str, tmp_path: Path) -> None:
    configured(tmp_path / "crossover.toml", exact)
    done = call("loadtest", "auto", *QUICK, "--subject", "x|y|1xz|vllm")
    assert done.code == 0, done
    assert "through the dispatcher" in done.out
    with open_ledger(tmp_path / "home" / "data" / "ledger.db", readonly=True) as ledger:
        assert ledger.rows("SELECT count(*) FROM records", ())[0][0] == 24 + 2 + 2  # with warm-up and calibration
    assert "ttft_p50_s" in figures_in(tmp_path, "auto")
    routed = call("loadtest", "one", "--routed", *QUICK, "--no-evidence")
    assert "through the dispatcher" in routed.out


def test_made_up_prompts_may_go_to_a_provider_and_cost_no_more_than_was_said(exact: str, tmp_path: Path) -> None:
    configured(tmp_path / "crossover.toml", exact, operator="provider")
    done = call("loadtest", "one", *QUICK, "--no-evidence", "--json")
    assert done.code == 0, done
    said = json.loads(done.out)
    assert said["spent_usd"] == pytest.approx(26 * (30 * 2 + 4 * 8) / 1e6)
    assert said["subject"]["outside"] is True
    bounded = json.loads(call("loadtest", "one", *QUICK, "--max-usd", "0.001", "--no-evidence", "--json").out)
    assert bounded["stages"][0]["stop"] == "budget"
    assert bounded["spent_usd"] < 0.0013


def test_own_prompts_go_to_a_provider_only_through_the_gate(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text(OWN, encoding="utf-8")
    with beside(FaultyServer("openai", script=Answer(usage=Usage(input=9, output=3)))) as server:
        configured(tmp_path / "crossover.toml", f"{server.url}/v1", operator="provider")
        words = ("--prompts", "p.jsonl", "--requests", "4", "--concurrency", "1", "--no-evidence")
        assert "privacy gate" in refused("loadtest", "one", *words)
        assert not server.journal
        done = call("loadtest", "one", "--routed", *words)
        assert done.code == 0, done
        assert server.journal


class Told(ExactServer):
    """Says when it has been asked often enough."""

    def __init__(self) -> None:
        super().__init__(Exact(ttft_s=0, itl_s=0, slots=100))
        self.often = threading.Event()

    async def slot(self) -> None:
        if self.asked > 200:
            self.often.set()
        await super().slot()


def test_ctrl_c_shows_what_was_measured_and_leaves_no_evidence(tmp_path: Path) -> None:
    with beside(Told()) as server:
        words = ("--url", server.url, "--model", "exact", "--duration", "3600", "--output-tokens", "2")
        with running("loadtest", *words, "--out", "run.jsonl", folder=tmp_path) as process:
            assert server.often.wait(60)
            process.signal(signal.SIGINT)
            done = process.done()
    assert done.code == 130
    assert "it was interrupted" in done.out
    assert "time to first token" in done.out
    assert "interrupted" in done.err
    (stage,) = read(tmp_path / "run.jsonl").stages
    assert stage.run.stop == "interrupted"
    assert sum(shot.ok for shot in stage.run.shots) > 100
    assert not (tmp_path / "home" / "data").exists()


# ----------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--url", "http://127.0.0.1:1"), "--url needs --model"),
        (("--model", "m"), "--model needs --url"),
        (("one", "--url", "http://127.0.0.1:1", "--model", "m"), "each say what is tested"),
        (("--concurrency", "2", "--rate", "3"), "are two loads"),
        (("--sweep", "--max-rate", "--slo", "ttft_p95<1s"), "are two loads"),
        (("--max-rate",), "--max-rate needs limits"),
        (("--fail-if", "slo"), "needs limits"),
        (("--fail-if", "slower"), "needs an earlier run"),
        (("--fail-if", "rain"), "unknown reason to fail"),
        (("--arrivals", "poisson"), "shapes an open loop"),
        (("--rate", "1", "--arrivals", "poison"), "Did you mean poisson"),
        (("--rate", "1", "--arrivals", "constant", "--burstiness", "2"), "their own burstiness"),
        (("--rate", "0"), "a rate of 0 cannot be"),
        (("--ramp", "5"), "is no ramp"),
        (("--time-scale", "2"), "Add --trace FILE"),
        (("--columns", "time=a"), "Add --trace FILE"),
        (("--input-tokens", "lots"), "is no length"),
        (("--preset", "conversatio"), "Did you mean conversation"),
        (("--preset", "rag", "--prompts", "p.jsonl"), "each say what is asked"),
        (("--shared-prefix", "2"), "is no share"),
        (("--most", "9"), "bounds a search"),
        (("--duration", "-1"), "out of range"),
        (("--timeout", "0"), "out of range"),
        (("--slo", "ttft<1s"), "is not an SLO"),
        (("--read", "absent.jsonl"), "no such file"),
        (("--against", "absent.jsonl"), "no such file"),
        (("one", "two"), "one target at a time"),
        (("one", "monday.jsonl"), "--against monday.jsonl"),
        (("--rounds", "5"), "Add --compare"),
        (("monday.jsonl",), "--read monday.jsonl shows one"),
        (("absent.gguf",), "no such model file"),
        (("--compare", "one"), "a comparison takes two targets"),
        (("--compare", "one", "one"), "named twice"),
        (("--compare", "--sweep"), "--sweep does not go with --compare"),
        (("--compare", "--read", "a.jsonl"), "--read does not go with --compare"),
        (("--compare", "--url", "http://127.0.0.1:1", "--model", "m"), "Write the address as a target"),
        (("--compare", "one", "auto", "--rounds", "2"), "out of range"),
        (("--compare", "--model", "nowhere"), "unknown model on this machine"),
        (("--out", "absent/a.jsonl"), "folder does not exist"),
        (("--html", "absent/a.html"), "folder does not exist"),
        (("--prompts", "absent.jsonl"), "no such file"),
        (("--api-key-env", "KEY"), "a deployment's key is in crossover.toml"),
        (("--url", "http://127.0.0.1:1", "--model", "m", "--api-key-env", "NOT_SET"), "NOT_SET is not set"),
        (("--url", "nonsense", "--model", "m"), "scheme"),
        (("wrong",), "unknown alias, deployment or model"),
    ],
)
def test_what_cannot_be_is_one_sentence(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    configured(tmp_path / "crossover.toml", "http://127.0.0.1:1/v1")
    assert said in refused("loadtest", *words)


def test_where_several_could_be_meant_they_are_named(tmp_path: Path) -> None:
    configured(tmp_path / "crossover.toml", "http://127.0.0.1:1/v1")
    text = (tmp_path / "crossover.toml").read_text(encoding="utf-8")
    (tmp_path / "crossover.toml").write_text(
        text
        + '[deployments.two]\nprovider = "openai-compatible"\nmodel = "m"\nzone = "there"\nbase_url = "http://127.0.0.1:1"\n',
        encoding="utf-8",
    )
    assert "Name one of: one, two, auto" in refused("loadtest")


def test_a_file_that_is_read_is_not_written_over(tmp_path: Path) -> None:
    from tests.loadtest.test_records import STAGE, written

    written(tmp_path / "a.jsonl", STAGE)
    assert "cannot be written" in refused("loadtest", "--read", "a.jsonl", "--html", "a.jsonl")
