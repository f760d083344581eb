"""``crossover plan`` through its real command line: what it prints, and every kind of bad input it must survive."""

from __future__ import annotations

import gzip
import json
import random
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer

from crossover.cli import plan as plan_command
from tests.cli.shell import API, LOAD, OWN, OWN_DEVICE, PLAIN, Done, call, quiet_home, refused

ROOT = Path(__file__).resolve().parents[2]
HEAD = "time,input_tokens,output_tokens\n"
ROWS = [
    f"2026-01-05T{i // 3600:02d}:{i // 60 % 60:02d}:{i % 60:02d}Z,{100 + i % 50},{20 + i % 30}"
    for i in range(0, 7200, 20)
]
SLO = ("--slo", "ttft_p95<1s")


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    quiet_home(monkeypatch, tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def own_plan(tmp_path_factory: pytest.TempPathFactory) -> tuple[Done, dict[str, Any], str]:
    """One plan with own machines, as JSON, with its HTML report: the process output, the plan, the page."""
    folder = tmp_path_factory.mktemp("own")
    with pytest.MonkeyPatch.context() as patch:
        quiet_home(patch, folder)
        done = call(*PLAIN, *OWN, *SLO, "--json", "--html", str(folder / "plan.html"))
    return done, json.loads(done.out), (folder / "plan.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def hard_plan(tmp_path_factory: pytest.TempPathFactory) -> tuple[Done, dict[str, Any]]:
    """A plan with a promise that no machine can keep."""
    with pytest.MonkeyPatch.context() as patch:
        quiet_home(patch, tmp_path_factory.mktemp("hard"))
        done = call(*PLAIN, *OWN, "--slo", "ttft_p95<0.01ms,itl_p95<10s", "--json")
    return done, json.loads(done.out)


# What comes out


def test_json_is_the_published_schema(own_plan: tuple[Done, dict[str, Any], str]) -> None:
    done, plan, _ = own_plan
    assert (done.code, done.err) == (0, "")
    schema = json.loads((ROOT / "docs" / "schemas" / "plan.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(plan, schema)
    assert {option["kind"] for option in plan["options"]} == {"api", "self"}
    assert plan["today"] == "api:openai/gpt-4o-mini"
    assert plan["workload"]["slo"] == ["ttft_p95<1s"]


def test_the_report_is_written_whole(own_plan: tuple[Done, dict[str, Any], str]) -> None:
    _, plan, page = own_plan
    assert page.startswith("<!doctype html>")
    assert page.rstrip().endswith("</html>")
    assert plan["options"][0]["title"] in page


def test_the_same_question_gives_the_same_plan() -> None:
    first, second, other = (call(*PLAIN, *API, "--json", "--seed", seed) for seed in ("7", "7", "8"))
    assert first == second
    assert first != other


def test_the_first_screen_says_what_to_do() -> None:
    done = call(*PLAIN, *API)
    assert (done.code, done.err) == (0, "")
    first = "\n".join(done.out.splitlines()[:20])
    assert "gpt-4o-mini" in first
    assert any(word in first for word in ("Stay on", "Move from"))
    assert max(map(len, done.out.splitlines())) <= 100
    assert "\x1b" not in done.out


def test_top_lists_more_or_fewer() -> None:
    def ranks(top: str) -> list[str]:
        options = call(*PLAIN, *API, "--top", top).out.split("cheapest", 1)[1].split("more ranked options")[0]
        return re.findall(r"^ +([0-9]+) ", options, re.MULTILINE)

    few, many = ranks("1"), ranks("30")
    assert few[0] == many[0] == "1"
    assert len(few) < len(many)


def test_explain_by_rank_and_by_id() -> None:
    by_rank = call(*PLAIN, *API, "--explain", "1")
    best = json.loads(call(*PLAIN, *API, "--json").out)["options"][0]["id"]
    assert by_rank == call(*PLAIN, *API, "--explain", best)
    assert by_rank.code == 0
    assert best in by_rank.out


# Numbers


def numeric_flags() -> list[str]:
    """Every flag of the command that takes a number."""
    command = typer.main.get_command(plan_command.app)
    return [param.opts[0] for param in command.params if param.type_descriptor.annotation in (int, float)]  # type: ignore[attr-defined]


def with_flag(flag: str, value: str) -> list[str]:
    words = [*PLAIN, *API]
    if flag in words:
        at = words.index(flag)
        del words[at : at + 2]
    return [*words, f"{flag}={value}"]


def test_there_are_many_numbers() -> None:
    assert len(numeric_flags()) >= 25


@pytest.mark.parametrize("flag", numeric_flags())
@pytest.mark.parametrize("value", ["-1", "nan", "inf", "1e30"])
def test_absurd_numbers_are_refused_with_the_name_of_the_flag(flag: str, value: str) -> None:
    assert flag in refused(*with_flag(flag, value))


def test_words_are_no_numbers() -> None:
    for flag, value in (("--fte", "many"), ("--draws", "1.5"), ("--seed", "")):
        assert flag in refused(*with_flag(flag, value))


ABOVE_ZERO = frozenset(
    {
        "--requests-per-day",
        "--input-tokens",
        "--output-tokens",
        "--peak-factor",
        "--spot-hours-per-day",
        "--requests-per-minute",
        "--tokens-per-minute",
        "--target-usd",
        "--life-months",
        "--top",
        "--draws",
        "--pue",
    }
)


@pytest.mark.parametrize("flag", sorted(ABOVE_ZERO))
def test_zero_is_refused_where_it_means_nothing(flag: str) -> None:
    assert flag in refused(*with_flag(flag, "0"))


def test_zero_is_taken_everywhere_else() -> None:
    words = [f"{flag}=0" for flag in numeric_flags() if flag not in ABOVE_ZERO]
    assert len(words) >= 15
    done = call(*PLAIN, *API, *words)
    assert (done.code, done.err) == (0, "")


def test_ranges_are_written_for_people() -> None:
    assert "from 0 to 1,000,000" in refused(*PLAIN, "--fte-cost", "1e30")
    assert "from 0.000001 to 1,000,000,000,000" in refused(*PLAIN, "--requests-per-minute", "0")


@pytest.mark.parametrize(
    "load",
    [
        ("1e11", "500", "300"),
        ("0.001", "500", "300"),
        ("10000", "1", "1"),
        ("10000", "1e7", "1"),
        ("10000", "1", "1e7"),
    ],
)
def test_the_ends_of_what_is_allowed_give_a_plan(load: tuple[str, str, str]) -> None:
    words = [word for pair in zip(LOAD[::2], load, strict=True) for word in pair]
    done = call("plan", *words, "--model", "gpt-4o-mini", *OWN, "--peak-factor", "168")
    if done.code == 2:
        assert "out of range" in done.err
    else:
        assert (done.code, done.err) == (0, "")


def test_prompts_longer_than_any_window_are_refused_by_every_model() -> None:
    done = call("plan", "--requests-per-day", "100", "--input-tokens", "1e7", "--output-tokens", "9", *OWN, "--json")
    plan = json.loads(done.out)
    assert (done.code, plan["options"]) == (0, [])
    assert any("131,072 tokens" in row["reason"] for row in plan["refused"])


# Names


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--model", "gpt-4o-mni"], "Did you mean gpt-4o-mini"),
        (["--model", "zzzzqqq"], "unknown model 'zzzzqqq'"),
        (["--model", " "], "a model has no name"),
        (["--open-model", "lama 3.1 8b"], "Did you mean Llama-3.1-8B"),
        (["--device", "rtx 4091"], "Did you mean RTX 4090"),
        (["--device", "zz"], "unknown accelerator 'zz'"),
        (["--engine", "vlm"], "Did you mean vllm"),
        (["--cloud", "awz"], "Did you mean aws"),
        (["--quantisation", "q4_k_x"], "Did you mean Q4_K_S"),
        (["--purchase", "spott"], "Did you mean spot?"),
        (["--kind", "selv"], "Did you mean self?"),
        (["--regime", "hippa"], "Did you mean hipaa?"),
        (["--agreement", "opnai=baa"], "Did you mean openai"),
        (["--agreement", "openai=bba"], "Did you mean baa?"),
        (["--agreement", "openai"], "Write it like openai=baa,dpa"),
        (["--capability", "frontir"], "Did you mean frontier?"),
        (["--team", "storng"], "Did you mean strong?"),
        (["--preset", "convo"], "conversation"),
        (["--date", "2026-13-01"], "Write it like 2026-11-23"),
        (["--rules-confirmed", "today"], "Write it like 2026-11-23"),
        (["--price", "gpt-4o=cheap"], "Write it like openai/gpt-4o=2.5,10"),
        (["--price", "gpt-4o=nan,1"], "not a finite amount"),
        (["--price", "gpt-4o=1e30,1"], "from 0 to 1,000,000"),
        (["--price", "gpt-4o=-1,1"], "out of range"),
        (["--price", "gpt-4p=1,1"], "Did you mean gpt-4"),
        (["--provisioned", "usd_per_hour=5"], "Did you mean usd_per_unit_hour?"),
        (["--provisioned", "usd_per_unit_hour=10"], "tokens per minute are needed"),
        (["--provisioned", "usd_per_unit_hour=nan,tokens_per_minute=5"], "holds no number"),
        (["--provisioned", "usd_per_unit_hour=1e30,tokens_per_minute=5"], "out of range"),
        (["--provisioned", "usd_per_unit_hour=10,tokens_per_minute=0"], "out of range"),
        (["--service-tier", "foo"], "unknown service tier 'foo'"),
        (["--slo", "fast"], "Write it like ttft_p95<1s"),
        (["--slo", "ttft_p95<0s"], "cannot be met"),
        (["--slo", "latency_p95<1s"], "Known: ttft"),
    ],
)
def test_wrong_names_and_words(words: list[str], says: str) -> None:
    preset = ["plan"] if words[0] == "--preset" else PLAIN
    assert says in refused(*preset, *API, *words)


def test_an_option_that_no_rank_holds() -> None:
    assert "unknown option '9999'" in refused(*PLAIN, *API, "--explain", "9999")


# Contradictions


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["plan", "--preset", "rag", "--workload", "w.toml"], "each bring the traffic"),
        ([*PLAIN, "--columns", "time=a,input=b,output=c"], "there is none"),
        ([*PLAIN, "--json", "--explain", "1"], None),
        (["plan", *LOAD, "--discount", "10"], "Add --model"),
        ([*PLAIN, *SLO, "--slo", "ttft_p95<1s,ttft_p95<2s"], "two limits"),
    ],
)
def test_contradicting_flags(words: list[str], says: str | None) -> None:
    if says is None:
        done = call(*words)
        assert done.code == 2
        assert json.loads(done.out)["error"] == "contradiction"
    else:
        assert says in refused(*words)


# Traces


def trace_of(folder: Path, text: str | bytes, name: str = "trace.csv") -> list[str]:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return ["plan", "--trace", str(path), "--model", "gpt-4o-mini", *API]


def text_of(rows: list[str]) -> str:
    return HEAD + "\n".join(rows) + "\n"


def test_a_few_broken_rows_are_counted_and_named(home: Path) -> None:
    done = call(*trace_of(home, text_of([*ROWS[:200], "x,y,z", *ROWS[200:]])), "--json")
    assert (done.code, done.err) == (0, "")
    notes = " ".join(json.loads(done.out)["workload"]["notes"])
    assert "202" in notes


@pytest.mark.parametrize("bad", ["nan", "inf", "-5", "1e30", "", "many"])
def test_one_absurd_row_does_not_spoil_a_trace(home: Path, bad: str) -> None:
    done = call(*trace_of(home, text_of([*ROWS, f"2026-01-05T02:00:00Z,{bad},20"])), "--json")
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)["workload"]["input_tokens_mean"] < 150


NOISE = random.Random(7).randbytes(5000)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (text_of([*ROWS, *["x,y,z"] * 10]), "more than 1 %: lines 362, 363"),
        ("time,output_tokens\n2026-01-05T00:00:00Z,5\n", "at least time, input and output tokens"),
        ("time,input_tokens,spent\n2026-01-05T00:00:00Z,5,1\n", "output"),
        (text_of([*ROWS[:9], *[f"{1767571200 + i},100,20" for i in range(9)]]), "where the column holds ISO 8601"),
        (text_of(ROWS[:1]), "holds one request, which has no rate. Add --requests-per-day"),
        (HEAD, "holds no request"),
        ("", "the file is empty"),
        (NOISE, "is binary, not text"),
        (b"\0" * 9999, "is binary, not text"),
        (gzip.compress(text_of(ROWS).encode())[:-300], "ends in the middle"),
        (b"\x1f\x8b" + NOISE[:300], "the gzip data is damaged"),
    ],
    ids=["broken", "column", "unnamed", "mixed", "one", "none", "empty", "junk", "zeros", "cut", "damaged"],
)
def test_broken_traces_are_one_sentence(home: Path, content: str | bytes, says: str) -> None:
    sentence = refused(*trace_of(home, content))
    assert says in sentence
    assert "trace.csv" in sentence


def test_ten_gigabytes_of_nothing_are_refused_at_once(home: Path) -> None:
    path = home / "trace.csv"
    with path.open("wb") as file:
        file.truncate(10 * 2**30)  # a hole: it takes no room on the disk
    assert "is binary, not text" in refused("plan", "--trace", str(path))


def figures(done: Done) -> tuple[float, float]:
    assert (done.code, done.err) == (0, "")
    load = json.loads(done.out)["workload"]
    return load["requests_per_day"], load["input_tokens_mean"]


def test_order_compression_and_one_row_with_a_volume(home: Path) -> None:
    straight = figures(call(*trace_of(home, text_of(ROWS)), "--json"))
    assert figures(call(*trace_of(home, text_of(ROWS[::-1])), "--json")) == straight
    assert figures(call(*trace_of(home, gzip.compress(text_of(ROWS).encode())), "--json")) == straight
    alone = figures(call(*trace_of(home, text_of(ROWS[:1])), "--requests-per-day", "50", "--json"))
    assert alone == (50, 100)


def test_duplicates_are_said(home: Path) -> None:
    done = call(*trace_of(home, text_of([*ROWS, *ROWS[:50]])), "--json")
    assert done.code == 0
    assert "50" in " ".join(json.loads(done.out)["workload"]["notes"])


def test_files_that_are_not_there(home: Path) -> None:
    for flag in ("--trace", "--usage-export", "--workload", "--evidence"):
        load = LOAD if flag == "--evidence" else ()
        assert "no such file" in refused("plan", *load, flag, str(home / "none.csv")).lower()
        assert "folder" in refused("plan", *load, flag, str(home)).replace("Is a directory", "folder")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("requests_per_day = 'x'\n", "must be a number"),
        ("requsts_per_day = 5\n", "Did you mean requests_per_day?"),
        ("= broken", "is no TOML"),
    ],
)
def test_a_workload_file_with_typos(home: Path, content: str, says: str) -> None:
    path = home / "workload.toml"
    path.write_text(content)
    assert says in refused("plan", "--workload", str(path))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"subject": 1}, "Expected `str`"),
        ({"value": -1}, "field value: -1 is no measured figure"),
        ({"value": 1e30}, "field value: 1e+30 is no measured figure"),
        ({"kind": "guessed"}, "guessed"),
        ({"when": "yesterday"}, "date"),
    ],
)
def test_a_measured_figure_that_is_none(home: Path, change: dict[str, object], says: str) -> None:
    row = {"subject": "x", "metric": "tpot_s", "value": 0.02, "unit": "s", "kind": "measured", "source": "me"}
    path = home / "measured.jsonl"
    good = json.dumps({**row, "when": "2026-11-01"})
    path.write_text(good + "\n\n" + json.dumps({**row, "when": "2026-11-01", **change}) + "\n")
    assert says in (sentence := refused(*PLAIN, "--evidence", str(path)))
    assert "measured.jsonl:3" in sentence


def test_the_measurements_of_the_page_are_used(home: Path, own_plan: tuple[Done, dict[str, Any], str]) -> None:
    page = (ROOT / "docs" / "plan.md").read_text(encoding="utf-8")
    path = home / "measured.jsonl"
    path.write_text("\n".join(line for line in page.splitlines() if line.startswith('{"subject"')))
    done = call("plan", *LOAD, "--model", "gpt-4o", *OWN, *SLO, "--evidence", str(path), "--json")
    assert (done.code, done.err) == (0, "")

    def reached(plan: dict[str, Any], start: str) -> float:
        return next(float(row["slo"][0]["reached_s"]) for row in plan["options"] if row["id"].startswith(start))

    measured, predicted = json.loads(done.out), own_plan[1]
    assert reached(measured, "api:openai/gpt-4o") == 0.62
    subject = "self:Llama-3.1-8B/fp8/1xH100 SXM/vllm"
    assert reached(measured, subject) != pytest.approx(reached(predicted, subject), rel=1e-6)


# Limits that nothing meets


def test_a_promise_nobody_can_keep_names_the_part_and_the_gap(hard_plan: tuple[Done, dict[str, Any]]) -> None:
    done, plan = hard_plan
    assert (done.code, done.err) == (0, "")
    assert [option["kind"] for option in plan["options"]] == ["api"]
    missed = [row for row in plan["refused"] if row["stage"] == "slo"]
    assert sum(row["count"] for row in missed) > 0
    assert all("ttft_p95<0.01ms" in row["rule"] for row in missed)  # and not the part that could be kept
    assert all("cannot be met" in row["reason"] and " s " in row["reason"] for row in missed)
    assert all(plan["verdict"]["reasons"])


@pytest.mark.parametrize("kind", ["api", "hosted", "self", "hybrid"])
def test_a_regime_that_refuses_every_option_still_gives_a_plan(kind: str) -> None:
    words = [*PLAIN[:-2], "--regime", "hipaa", "--kind", kind, *(OWN_DEVICE if kind in {"self", "hybrid"} else ())]
    done = call(*words, "--json")
    plan = json.loads(done.out)
    assert (done.code, done.err, plan["options"]) == (0, "", [])
    assert plan["verdict"]["headline"] == "No option passes every filter"
    assert "--agreement" in plan["verdict"]["action"]
    assert any("business associate agreement" in row["reason"] for row in plan["refused"])
    shown = call(*words)
    assert shown.code == 0
    assert "No option passes every filter" in shown.out


def test_a_regime_that_refuses_everything_in_the_report(home: Path) -> None:
    done = call(*PLAIN, "--regime", "hipaa", *API, "--html", str(home / "none.html"))
    assert (done.code, done.err) == (0, "")
    assert "No option passes every filter" in (home / "none.html").read_text(encoding="utf-8")


def test_what_is_signed_opens_the_door() -> None:
    done = call(*PLAIN, "--regime", "hipaa", "--agreement", "openai=baa", *API, "--json")
    assert {option["deployment"]["billing"]["provider"] for option in json.loads(done.out)["options"]} == {"openai"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--requests-per-minute", "1"], "the busiest hour needs 7 requests a minute, your limit is 1"),
        (["--sensitive-share", "1", *OWN], "with openai is declared"),
        (["--model", "whisper-1"], "is not sold per token"),
    ],
)
def test_a_model_in_use_that_is_refused_is_said_first(words: list[str], says: str) -> None:
    load = ["plan", *LOAD] if "--model" in words else PLAIN
    verdict = json.loads(call(*load, *API, *words, "--json").out)["verdict"]
    assert "in use today, is refused" in verdict["reasons"][0]
    assert says in verdict["reasons"][0]


# The user's own catalog


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[[acelerator]]\nname='x'\n", "Did you mean accelerator?"),
        ("[[accelerator]]\nname='x'\nmemry_gib=3\n", "Did you mean memory_gib?"),
        ("[[offer]]\ncloud='aws'\n", "lacks instance"),
        ("broken = = 1\n", "is not a TOML file"),
        ("[[accelerator]]\nname='x'\nmemory_gib=nan\n", "memory_gib"),
        ("[[accelerator]]\nname='x'\nmemory_gib=-4\n", "memory_gib"),
    ],
)
def test_an_own_catalog_with_typos(home: Path, monkeypatch: pytest.MonkeyPatch, content: str, says: str) -> None:
    monkeypatch.setenv("CROSSOVER_CONFIG", str(home))
    (home / "catalog").mkdir()
    (home / "catalog" / "x.toml").write_text(content)
    sentence = refused(*PLAIN, *API)
    assert says in sentence
    assert "x.toml" in sentence


# Where the report goes


def test_a_report_that_cannot_be_written_leaves_nothing_behind(home: Path) -> None:
    (home / "folder").mkdir()
    (home / "file").write_text("old")
    before = sorted(home.rglob("*"))
    for place, says in (
        ("folder", "this is a folder"),
        ("no/x.html", "does not exist"),
        ("file/x.html", "not a folder"),
    ):
        assert says in refused(*PLAIN, *API, "--html", str(home / place))
    assert sorted(home.rglob("*")) == before
    assert (home / "file").read_text() == "old"


def test_a_full_disk(home: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    done = call(*PLAIN, *API, "--html", "/dev/full")
    assert done.code == 2
    assert "No space left" in done.err
    assert done.err.count("\n") == 1
    assert "Crossover plan" in done.out  # the plan itself is not lost


def test_a_place_with_brackets_is_only_a_name(home: Path) -> None:
    done = call(*PLAIN, *API, "--html", str(home / "[bold]a.html"))
    assert (done.code, done.err) == (0, "")
    assert "[bold]a.html" in done.out.replace("\n", "")


def test_ctrl_c_in_the_middle_of_a_simulation(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from crossover.planner import fleet

    report = home / "plan.html"
    report.write_text("of before")
    seen: list[str] = []

    def stopped(*_words: object, **_more: object) -> None:
        seen.append("simulating")
        raise KeyboardInterrupt

    monkeypatch.setattr(fleet, "search", stopped)
    done = call(*PLAIN, *OWN, "--html", str(report))
    assert done == (130, "", "crossover: interrupted; nothing was left half-written\n")
    assert seen == ["simulating"]
    assert report.read_text() == "of before"
    assert [path.name for path in home.iterdir()] == ["plan.html"]
