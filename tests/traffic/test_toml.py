"""workload.toml: what it says, and one sentence with the line for what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from crossover.errors import ContradictionError, CrossoverError, FileError
from crossover.traffic.flags import demand_from_flags, workload_from_flags
from crossover.traffic.lengths import assumed_output
from crossover.traffic.toml import schema

WHOLE = """
name = "support"
requests_per_day = 10_000
models = ["gpt-4o-mini", "gpt-4o"]
profile = "office-hours"
burstiness = 1.5
cached_share = 0.4
batch_share = 0.1
sensitive_share = 0.2
growth_per_month = 0.05
slo = "ttft_p95<1s,itl_p95<50ms"
regimes = ["hipaa"]
output = 300

[input]
quantiles = { p0 = 10, p50 = 400, p95 = 2000, p100 = 8000 }
"""


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "workload.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_a_whole_file(tmp_path: Path) -> None:
    demand = demand_from_flags(workload=write(tmp_path, WHOLE))
    workload = demand.workload
    assert (workload.name, workload.requests_per_day, workload.models) == ("support", 10_000, ("gpt-4o-mini", "gpt-4o"))
    assert workload.input.kind == "quantiles"
    assert workload.input.points[1][1] == 400
    assert workload.output == assumed_output(300)
    assert workload.profile[6 * 24 + 12] < workload.profile[12]
    assert workload.peak_factor == pytest.approx(max(workload.profile))
    assert [target.label for target in demand.slo.targets] == ["ttft_p95<1s", "itl_p95<50ms"]
    assert demand.regimes == ("hipaa",)
    assert workload.source == "workload.toml"


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, WHOLE)
    workload = workload_from_flags(workload=path, requests_per_day=5, peak_factor=2, models=["x"], cached_share=0)
    assert (workload.requests_per_day, workload.peak_factor, workload.models) == (5, 2, ("x",))
    assert workload.cached_share == 0
    assert any("5 from --requests-per-day instead of 10,000" in note for note in workload.notes)


def test_numbers_of_a_day_and_lognormal(tmp_path: Path) -> None:
    text = f"requests_per_day = 5\nprofile = {[1] * 23 + [25]}\ninput = {{ mean = 500, sigma = 0.5 }}\noutput = 3\n"
    workload = workload_from_flags(workload=write(tmp_path, text))
    assert workload.peak_factor == pytest.approx(25 / 2)
    assert workload.input.sigma == 0.5


def test_a_trace_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "requests.csv").write_text("ts,a,b\n0,5,1\n10,7,1\n")
    text = 'trace = "requests.csv"\ncolumns = "time=ts,input=a,output=b"\nrequests_per_day = 100\n'
    workload = workload_from_flags(workload=write(tmp_path, text))
    assert workload.trace is not None
    assert (workload.requests_per_day, workload.input.mean) == (100, 6)


def test_a_preset_below_the_file(tmp_path: Path) -> None:
    workload = workload_from_flags(workload=write(tmp_path, 'preset = "rag"\nrequests_per_day = 7\n'))
    assert (workload.requests_per_day, workload.input.mean) == (7, 2818)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("requests_per_day = 5\nbad line\n", 2, "is no TOML"),
        ("requests_per_dya = 5\n", 1, "Did you mean requests_per_day"),
        ("\n\n[input]\nmen = 5\n", 4, "unknown key 'input.men'.*Did you mean mean"),
        ("\ninput = { men = 5 }\n", 2, "unknown key 'input.men'"),
        ("zzz = 1\n", 1, "Known: name"),
        ('\nrequests_per_day = "many"\n', 2, "requests_per_day: must be a number, not a text"),
        ("models = 'gpt'\n", 1, "must be a list, not a text"),
        ("models = ['a', 5]\n", 1, "must be a text, not a number"),
        ("\n\nrequests_per_day = 0\n", 3, "0 is out of range"),
        ("requests_per_day = nan\n", 1, "nan is out of range"),
        ("requests_per_day = 5\ncached_share = inf\n", 2, "inf is out of range"),
        ("cached_share = 40\n", 1, "Write 0.4 for 40 %"),
        ("profile = [1, 2]\n", 1, "fits no day and no week"),
        ("profile = 'office'\n", 1, "Did you mean office-hours"),
        ("peak_factor = 0.5\n", 1, "0.5 is out of range"),
        ("\nslo = 'quick'\n", 2, "is not an SLO"),
        ("[input]\nsigma = 1\n", 1, "has no mean and no quantiles"),
        ("[input]\nmean = 5\nsigma = 50\n", 3, "50 is out of range"),
        ("[input]\nmean = -5\n", 2, "-5 is out of range"),
        ("[input]\nquantiles = { p50 = 400, p95 = 20 }\n", 2, "must not fall"),
        ("[input]\nquantiles = { median = 400 }\n", 2, "is no percentile"),
        ("[input]\nquantiles = { p50 = 400 }\n", 2, "at least two pairs"),
        ("preset = 'rga'\n", 1, "Did you mean rag"),
    ],
)
def test_what_is_wrong_has_file_and_line(tmp_path: Path, text: str, line: int, says: str) -> None:
    with pytest.raises(FileError, match=says) as caught:
        workload_from_flags(workload=write(tmp_path, text))
    assert caught.value.line == line
    assert caught.value.file is not None
    assert caught.value.file.endswith("workload.toml")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("profile = 'even'\npeak_factor = 2\n", "both say when requests come"),
        ("preset = 'rag'\ntrace = 'x.csv'\n", "each bring the traffic"),
        ("columns = 'time=a'\n", "there is none"),
        ("[input]\nmean = 5\nquantiles = { p0 = 1, p100 = 2 }\n", "quantiles give the whole distribution"),
    ],
)
def test_contradictions(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(CrossoverError, match=says) as caught:
        workload_from_flags(workload=write(tmp_path, text))
    assert isinstance(caught.value, (FileError, ContradictionError))
    assert caught.value.exit_code == 2


def test_files_that_are_no_toml(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="is not UTF-8"):
        workload_from_flags(workload=write(tmp_path, b"name = '\xff\xfe'\n"))
    with pytest.raises(FileError, match="is a folder"):
        workload_from_flags(workload=tmp_path)
    with pytest.raises(FileError, match=r"absent.csv: there is no such file"):
        workload_from_flags(workload=write(tmp_path, "trace = 'absent.csv'\n"))
    assert workload_from_flags(workload=write(tmp_path, b"\xef\xbb\xbf" + WHOLE.encode())).name == "support"


def test_the_published_schema_is_the_one_that_reads_the_file() -> None:
    published = Path(__file__).resolve().parents[2] / "docs" / "schemas" / "workload.schema.json"
    assert json.loads(published.read_text()) == schema()


def test_the_schema_accepts_and_refuses() -> None:
    import tomllib

    checker = jsonschema.Draft202012Validator(schema())
    good: dict[str, Any] = tomllib.loads(WHOLE)
    checker.validate(good)
    for bad in ({"requests_per_dya": 5}, {"input": {"men": 5}}, {"requests_per_day": "x"}):
        with pytest.raises(jsonschema.ValidationError):
            checker.validate(bad)
