"""Usage exports of providers: every shape, and broken ones."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from crossover.errors import ContradictionError, FileError, InputError
from crossover.traffic.exports import is_export, read_export
from crossover.traffic.flags import workload_from_flags

MONDAY = int(dt.datetime(2026, 1, 5, tzinfo=dt.UTC).timestamp())
HOUR, DAY = 3600, 86_400


def write(folder: Path, content: object, name: str = "usage.json") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def openai_result(requests: int, **more: Any) -> dict[str, Any]:
    return {
        "object": "organization.usage.completions.result",
        "input_tokens": 1000 * requests,
        "output_tokens": 200 * requests,
        "input_cached_tokens": 400 * requests,
        "num_model_requests": requests,
        "model": "gpt-4o-mini",
        "batch": False,
        **more,
    }


def openai_page(starts: list[tuple[int, list[dict[str, Any]]]], width: int) -> dict[str, Any]:
    data = [
        {"object": "bucket", "start_time": start, "end_time": start + width, "results": results}
        for start, results in starts
    ]
    return {"object": "page", "data": data, "has_more": False, "next_page": None}


def test_openai_hourly_pages_become_a_week(tmp_path: Path) -> None:
    hours = [(MONDAY + hour * HOUR, [openai_result(10 if hour % 24 != 14 else 130)]) for hour in range(14 * 24)]
    pages = [openai_page(hours[:168], HOUR), openai_page(hours[168:], HOUR)]
    for content in (pages, "\n".join(map(json.dumps, pages))):
        path = write(tmp_path, content)
        assert is_export(path)
        workload = workload_from_flags(usage=path)
        assert workload.requests_per_day == pytest.approx(23 * 10 + 130)
        assert (workload.input.mean, workload.output.mean, workload.cached_share) == (1000, 200, 0.4)
        assert workload.peak_factor == pytest.approx(130 / (360 / 24))
        assert workload.profile.index(max(workload.profile)) == 14
        assert workload.models == ("gpt-4o-mini",)
        assert any("hour of the week" in note for note in workload.notes)
        assert any("log-normal" in note for note in workload.notes)


def test_openai_daily_buckets_show_weekdays_only(tmp_path: Path) -> None:
    days = [(MONDAY + day * DAY, [openai_result(100 if day % 7 < 5 else 20)]) for day in range(14)]
    workload = workload_from_flags(usage=write(tmp_path, openai_page(days, DAY)))
    assert workload.requests_per_day == pytest.approx(540 / 7)
    assert workload.profile[0] == pytest.approx(5 * workload.profile[6 * 24])
    assert len(set(workload.profile[:24])) == 1
    assert any("hours taken as even" in note for note in workload.notes)


def test_models_and_batch_shares(tmp_path: Path) -> None:
    results = [openai_result(75), openai_result(25, model="gpt-4o", batch=True)]
    facts = read_export(write(tmp_path, openai_page([(MONDAY, results)], DAY)))
    assert facts.models == ("gpt-4o-mini", "gpt-4o")
    assert facts.batch_share == 0.25
    assert any("gpt-4o-mini 75%, gpt-4o 25%" in note for note in facts.notes)
    assert facts.profile is None


def test_equal_groups_are_not_one_group(tmp_path: Path) -> None:
    results = [openai_result(10, api_key_id="a"), openai_result(10, api_key_id="b")]
    assert read_export(write(tmp_path, openai_page([(MONDAY, results)], DAY))).requests_per_day == 20


def test_empty_buckets_are_quiet_days(tmp_path: Path) -> None:
    days = [(MONDAY + day * DAY, [openai_result(70)] if day == 0 else []) for day in range(7)]
    facts = read_export(write(tmp_path, openai_page(days, DAY)))
    assert facts.requests_per_day == 10
    assert facts.profile is not None
    assert max(facts.profile) == pytest.approx(7)


def test_has_more_is_noted(tmp_path: Path) -> None:
    page = {**openai_page([(MONDAY, [openai_result(7)])], DAY), "has_more": True}
    assert any("has_more" in note for note in read_export(write(tmp_path, page)).notes)


def test_openai_dashboard_csv(tmp_path: Path) -> None:
    text = (
        "start_time,end_time,start_time_iso,end_time_iso,project_id,num_model_requests,model,batch,input_tokens,"
        "output_tokens,input_cached_tokens\n"
        f"{MONDAY},{MONDAY + DAY},a,b,proj,3.0,gpt-4o,False,4212,1673,0\n"
        f"{MONDAY},{MONDAY + DAY},a,b,proj,1.0,gpt-4o,True,1000,327,500\n"
        f"{MONDAY + DAY},{MONDAY + 2 * DAY},a,b,,,,,,,\n"
    )
    facts = read_export(write(tmp_path, text, "completions_usage.csv"))
    assert facts.requests_per_day == 2
    assert facts.batch_share == 0.25
    assert facts.cached_share == pytest.approx(500 / 5212)


def anthropic_page() -> dict[str, Any]:
    result = {
        "api_key_id": "apikey",
        "cache_creation": {"ephemeral_1h_input_tokens": 1000, "ephemeral_5m_input_tokens": 500},
        "cache_read_input_tokens": 3000,
        "context_window": "0-200k",
        "model": "claude-sonnet-4-20250514",
        "output_tokens": 500,
        "server_tool_use": {"web_search_requests": 10},
        "service_tier": "standard",
        "uncached_input_tokens": 1500,
    }
    return {
        "data": [{"starting_at": "2025-08-01T00:00:00Z", "ending_at": "2025-08-02T00:00:00Z", "results": [result]}],
        "has_more": False,
    }


def test_anthropic_report_needs_one_figure_of_the_user(tmp_path: Path) -> None:
    path = write(tmp_path, anthropic_page())
    with pytest.raises(InputError, match="counts tokens but no requests"):
        workload_from_flags(usage=path)
    by_count = workload_from_flags(usage=path, requests_per_day=10)
    assert (by_count.input.mean, by_count.output.mean, by_count.cached_share) == (600, 50, 0.5)
    by_length = workload_from_flags(usage=path, input_tokens=600)
    assert (by_length.requests_per_day, by_length.output.mean) == (10, 50)
    with pytest.raises(ContradictionError, match="cannot both be chosen"):
        workload_from_flags(usage=path, input_tokens=600, requests_per_day=10)


def test_anthropic_console_csv(tmp_path: Path) -> None:
    text = (
        "usage_date_utc,model_version,api_key,workspace,usage_type,context_window,usage_input_tokens_no_cache,"
        "usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,"
        "usage_output_tokens,web_search_count\n"
        '2026-08-03,claude-sonnet-4-5,key,"Acme, Inc",standard,≤ 200k,46981,15969,0,37050,16932,0\n'
        "2026-08-10,claude-opus-4-5,key,Default,batch,≤ 200k,0,0,0,0,100000,0\n"
    )
    path = write(tmp_path, text, "claude.csv")
    assert is_export(path)
    facts = read_export(path)
    assert facts.input_per_day == pytest.approx(100_000 / 8)
    assert facts.cached_share == pytest.approx(0.3705)
    assert facts.models == ("claude-sonnet-4-5", "claude-opus-4-5")
    assert facts.batch_share == pytest.approx(100_000 / 216_932)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "is no JSON"),
        ('{"data": []}', "holds no bucket"),
        ({"data": [{"start_time": "soon", "end_time": 5, "results": []}]}, "bucket 1: is 'soon', not a time"),
        ({"data": [{"start_time": MONDAY, "end_time": MONDAY + 1, "results": 5}]}, "is not a list"),
        (openai_page([(MONDAY, [{"tokens": 5}])], DAY), "have no input_tokens; the fields are 'tokens'"),
        (openai_page([(MONDAY, [openai_result(-1)])], DAY), "cannot be negative"),
        (openai_page([(MONDAY, [])], DAY), "holds no usage"),
        ("a,b,c\n1,2,3\n", "is no usage export that is known; the columns are 'a', 'b', 'c'"),
        ("start_time,end_time,start_time_iso,end_time_iso\n1,2,3,4\n", "without any usage"),
        ("start_time,end_time,input_tokens,output_tokens\n", "holds a header and no usage"),
        (f"start_time,end_time,input_tokens,output_tokens\n{MONDAY},{MONDAY + 9},x,1\n", "'x', not a whole number"),
        (f"start_time,end_time,input_tokens,output_tokens\n{MONDAY},{MONDAY + 9}\n", "has 2 fields"),
    ],
)
def test_broken_exports(tmp_path: Path, content: object, says: str) -> None:
    with pytest.raises(FileError, match=says):
        read_export(write(tmp_path, content))


def test_a_bad_cell_names_its_line(tmp_path: Path) -> None:
    text = f"start_time,end_time,input_tokens,output_tokens\n{MONDAY},{MONDAY + 9},5,1\n{MONDAY},{MONDAY + 9},5,x\n"
    with pytest.raises(FileError) as caught:
        read_export(write(tmp_path, text))
    assert (caught.value.line, caught.value.field) == (3, "output_tokens")
