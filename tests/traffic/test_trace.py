"""Traces: every shape, every kind of broken file, and the fast reader against the slow one."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import os
import re
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossover.errors import FileError, InputError
from crossover.traffic import blocks
from crossover.traffic import rows as rows_module
from crossover.traffic.sources import facts_of_file
from crossover.traffic.trace import read_trace
from crossover.workload import Trace

AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens\n"
GOOD = [f"2023-11-16 18:{15 + second // 60:02d}:{second % 60:02d}.5000000,{100 + second},7\n" for second in range(200)]


def write(folder: Path, content: str | bytes, name: str = "trace.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def same(first: Trace, second: Trace) -> bool:
    def columns(trace: Trace) -> list[list[float]]:
        cached = [] if trace.cached_tokens is None else trace.cached_tokens.tolist()
        return [trace.arrival_s.tolist(), trace.input_tokens.tolist(), trace.output_tokens.tolist(), cached]

    facts = (first.start, first.bad_rows, first.notes) == (second.start, second.bad_rows, second.notes)
    return facts and columns(first) == columns(second)


# Shapes


def test_azure_csv(tmp_path: Path) -> None:
    trace = read_trace(write(tmp_path, AZURE + "".join(GOOD)))
    assert trace.requests == 200
    assert trace.span_s == 199.0
    assert trace.start == "2023-11-16T18:15:00.500000"
    assert trace.input_tokens[3] == 103
    assert trace.cached_tokens is None
    assert trace.bad_rows == 0


def test_the_real_traces(shared_data: Path) -> None:
    expected = {"azure2023_conv.csv": (19366, 1155), "azure2023_code.csv": (8819, 2048)}
    for name, (count, mean) in expected.items():
        trace = read_trace(shared_data / "traces" / name)
        assert trace.requests == count
        assert trace.input_tokens.mean() == pytest.approx(mean, abs=1)
        assert same(trace, read_trace(shared_data / "traces" / name, fast=False))


def test_mooncake_counts_the_longest_known_prefix(tmp_path: Path, shared_data: Path) -> None:
    lines = [
        {"timestamp": 0, "input_length": 1500, "output_length": 5, "hash_ids": [1, 2, 3]},
        {"timestamp": 1000, "input_length": 1400, "output_length": 5, "hash_ids": [1, 2, 4]},
        {"timestamp": 2500, "input_length": 1100, "output_length": 5, "hash_ids": [1, 2, 4]},
        {"timestamp": 2600, "input_length": 900, "output_length": 5, "hash_ids": [9, 2]},
    ]
    path = write(tmp_path, "\n".join(map(json.dumps, lines)), "trace.jsonl")
    trace = read_trace(path)
    assert trace.cached_tokens is not None
    assert trace.cached_tokens.tolist() == [0, 1024, 1100, 0]
    assert trace.arrival_s.tolist() == [0, 1, 2.5, 2.6]
    assert same(trace, read_trace(path, fast=False))
    real = shared_data / "traces" / "mooncake_conversation.jsonl"
    assert read_trace(real).requests == 12031
    assert same(read_trace(real), read_trace(real, fast=False))


def test_mooncake_longer_than_a_day_stays_in_milliseconds(tmp_path: Path) -> None:
    lines = [{"timestamp": day * 86_400_000, "input_length": 5, "output_length": 5} for day in range(40)]
    trace = read_trace(write(tmp_path, "\n".join(map(json.dumps, lines))))
    assert trace.span_s == 39 * 86_400


def test_burstgpt(tmp_path: Path) -> None:
    head = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
    trace = read_trace(write(tmp_path, head + "5,ChatGPT,472,18,490,Conversation log\n45,GPT-4,1087,0,1087,API log\n"))
    assert trace.arrival_s.tolist() == [0, 40]
    assert trace.start is None
    assert any("1 row is without any output token" in note for note in trace.notes)


@pytest.mark.parametrize("wrap", ["", "response", "response.body"])
def test_openai_request_log(tmp_path: Path, wrap: str) -> None:
    lines = []
    for second in range(3):
        usage: dict[str, object] = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
        if second:
            usage["prompt_tokens_details"] = {"cached_tokens": 64} if second == 1 else None
        item: dict[str, object] = {"id": "x", "created": 1_700_000_000 + second, "usage": usage}
        for key in reversed(wrap.split(".") if wrap else []):
            item = {key: item}
        lines.append(json.dumps(item))
    path = write(tmp_path, "\n".join(lines))
    trace = read_trace(path)
    assert trace.cached_tokens is not None
    assert trace.cached_tokens.tolist() == [0, 64, 0]
    assert trace.start == "2023-11-14T22:13:20+00:00"
    assert same(trace, read_trace(path, fast=False))


def test_openai_responses_spelling(tmp_path: Path) -> None:
    item = {"created_at": 1_700_000_000.25, "usage": {"input_tokens": 7, "output_tokens": 3}}
    assert read_trace(write(tmp_path, json.dumps(item) + "\n" + json.dumps(item))).requests == 2


def test_any_csv_through_columns(tmp_path: Path) -> None:
    path = write(tmp_path, "when;p;c;hit\n10;5;1;2\n20;6;2;\n")
    trace = read_trace(path, columns="time=when,input=p,output=c,cached=hit")
    assert trace.cached_tokens is not None
    assert trace.cached_tokens.tolist() == [2, 0]
    assert read_trace(path, columns="time_ms=when,input=p,output=c").span_s == 0.01


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("time=when", "no column for input and output"),
        ("when", "is no mapping"),
        ("tme=when,input=p,output=c", "Did you mean time"),
        ("time=when,input=p,output=p", "one column has two roles"),
        ("time=when,time=x,input=p,output=c", "mapped twice"),
    ],
)
def test_wrong_columns_flag(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_trace(write(tmp_path, "when,p,c\n1,2,3\n"), columns=text)


def test_missing_column_says_what_was_found_and_which_flag_maps_it(tmp_path: Path) -> None:
    with pytest.raises(
        FileError, match=r"no column found for output.*'TIMESTAMP', 'ContextTokens', 'GenTok'.*--columns"
    ):
        read_trace(write(tmp_path, "TIMESTAMP,ContextTokens,GenTok\n1,2,3\n"))
    with pytest.raises(FileError, match=r"no column 'GenTokens' for output.*Did you mean GenTok\?"):
        read_trace(write(tmp_path, "t,a,GenTok\n1,2,3\n"), columns="time=t,input=a,output=GenTokens")


# Times


@pytest.mark.parametrize(
    ("first", "second", "gap"),
    [
        ("2024-05-10 00:00:00.009930+00:00", "2024-05-10 00:00:01+00:00", 0.99007),
        ("2024-02-29T23:59:59Z", "2024-03-01T00:00:00Z", 1),
        ("2024-05-10T02:00:00+02:00", "2024-05-10T00:00:30Z", 30),
        ("2024-05-10T00:00", "2024-05-10T00:01", 60),
        ("1700000000", "1700000001.5", 1.5),
        ("1700000000000", "1700000001500", 1.5),
        ("1700000000000000", "1700000001500000", 1.5),
        ("1700000000000000000", "1700000001500000000", 1.5),
        ("0", "2.25", 2.25),
    ],
)
def test_forms_of_time(tmp_path: Path, first: str, second: str, gap: float) -> None:
    path = write(tmp_path, f"{AZURE}{first},1,1\n{second},1,1\n")
    trace = read_trace(path)
    assert trace.span_s == pytest.approx(gap, abs=1e-9)
    assert same(trace, read_trace(path, fast=False))


@pytest.mark.parametrize(
    ("odd", "says"),
    [
        ("1700000000,5,5", "is a number where the column holds ISO 8601 without zone"),
        ("2023-11-16T18:20:00Z,5,5", "is ISO 8601 with zone where the column holds ISO 8601 without zone"),
        ("2023-02-30 10:00:00,5,5", "is no date"),
        ("2023-11-16 25:00:00,5,5", "is no date"),
        ("0001-11-16 10:00:00,5,5", "the year 1 is outside"),
        (",5,5", "is empty"),
        ("16/11/2023 18:20,5,5", "is not a time"),
        ("2023-11-16 18:20:00,,5", "ContextTokens is empty"),
        ("2023-11-16 18:20:00,-3,5", "cannot be negative"),
        ("2023-11-16 18:20:00,nan,5", "not a whole number of tokens"),
        ("2023-11-16 18:20:00,inf,5", "not a whole number of tokens"),
        ("2023-11-16 18:20:00,1e300,5", "more than 100,000,000 tokens"),
        ("2023-11-16 18:20:00,99999999999999999999999999999999999,5", "more than 100,000,000 tokens"),
        ("2023-11-16 18:20:00,1.5,5", "not a whole number of tokens"),
        ("2023-11-16 18:20:00,5", "has 2 fields where the header has 3"),
        ("2023-11-16 18:20:00,5,5,5", "has 4 fields where the header has 3"),
        ("2023-11-16 18:20:00,\x005,5", "not a whole number of tokens"),
        ('"2023-11-16 18:20:00,5,5', "opens a quote that never closes|not a time|field"),
        ("\x00\x01\x02", "has 1 field where"),
    ],
)
@pytest.mark.parametrize("fast", [True, False])
def test_a_bad_row_is_left_out_and_named(tmp_path: Path, odd: str, says: str, fast: bool) -> None:
    rows = [*GOOD, f"{odd}\n"]
    trace = read_trace(write(tmp_path, AZURE + "".join(rows)), fast=fast)
    assert trace.bad_rows == 1
    assert trace.requests == 200
    assert any(note.startswith("1 bad row left out: line 202") and re.search(says, note) for note in trace.notes)


@pytest.mark.parametrize(
    ("odd", "says"),
    [
        ('{"timestamp": 1, "input_length": 5}', "output_length is missing"),
        ('{"timestamp": 1, "input_length": null, "output_length": 5}', "input_length is missing"),
        ('{"timestamp": 1, "input_length": true, "output_length": 5}', "is True, not a whole number"),
        ('{"timestamp": 1, "input_length": -5, "output_length": 5}', "cannot be negative"),
        ('{"timestamp": 1, "input_length": NaN, "output_length": 5}', "is no JSON"),
        ('{"timestamp": "2023-11-16T18:20:00Z", "input_length": 5, "output_length": 5}', "is a date where"),
        ('{"timestamp": 1, "input_length": 5, "output_length": 5', "is no JSON"),
        ('{"timestamp": 1, "input_length": 5, "output_length": 5} {}', "is no JSON"),
        ('{"timestamp": 1, "input_length": 5, "output_length": 5}' * 2, "is no JSON"),
        ("[1, 2]", "is no JSON object"),
        ("[" * 5000, "is no JSON"),
        ('{"timestamp": 1e999, "input_length": 5, "output_length": 5}', "is no JSON"),
        ('{"timestamp": -1, "input_length": 5, "output_length": 5}', "negative time"),
    ],
)
@pytest.mark.parametrize("fast", [True, False])
def test_a_bad_line_of_json(tmp_path: Path, odd: str, says: str, fast: bool) -> None:
    rows = [json.dumps({"timestamp": 10 * n, "input_length": 5, "output_length": 5}) for n in range(150)]
    rows.insert(70, odd)
    trace = read_trace(write(tmp_path, "\n".join(rows)), fast=fast)
    assert (trace.requests, trace.bad_rows) == (150, 1)
    assert any(says in note and "line 71" in note for note in trace.notes)


def test_numbers_in_json_strings_and_whole_floats_count(tmp_path: Path) -> None:
    path = write(tmp_path, '{"timestamp": "10", "input_length": "7", "output_length": 5.0}\n')
    assert read_trace(path).input_tokens.tolist() == [7]


def test_more_than_one_percent_bad_stops(tmp_path: Path) -> None:
    rows = [*GOOD, "junk,1,1\n", "junk,1,1\n", "junk,1,1\n"]
    with pytest.raises(FileError) as caught:
        read_trace(write(tmp_path, AZURE + "".join(rows)))
    error = caught.value
    assert (error.line, error.field, error.exit_code) == (202, "TIMESTAMP", 2)
    assert "3 of 203 rows (1.5%) cannot be read, more than 1 %: lines 202, 203, 204" in error.sentence()


def test_only_twenty_bad_rows_are_listed(tmp_path: Path) -> None:
    rows = GOOD * 15 + ["x,1,1\n"] * 25
    trace = read_trace(write(tmp_path, AZURE + "".join(rows)))
    note = next(note for note in trace.notes if "bad rows" in note)
    assert note.startswith("25 bad rows left out")
    assert note.count("line ") == 20
    assert note.endswith("and 5 more")


def test_unsorted_and_repeated_rows(tmp_path: Path) -> None:
    trace = read_trace(write(tmp_path, AZURE + "".join([*GOOD[10:], *GOOD[:10], GOOD[0]])))
    assert np.all(np.diff(trace.arrival_s) >= 0)
    assert trace.input_tokens[0] == 100
    assert any("2 rows are earlier than the row above" in note for note in trace.notes)
    assert any("1 row is the same as another one" in note for note in trace.notes)


# Files


def test_one_row(tmp_path: Path) -> None:
    trace = read_trace(write(tmp_path, AZURE + GOOD[0]))
    assert (trace.requests, trace.span_s) == (1, 0)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "the file is empty"),
        (b"\n\n  \n", "holds no request"),
        (AZURE.encode(), "holds no request"),
        (gzip.compress(b"", mtime=0), "empty file"),
        (os.urandom(5000).replace(b"\x1f\x8b", b"") + bytes(500), "binary"),
        (bytes(100_000), "binary"),
        (b"PK\x03\x04" + bytes(100), "ZIP"),
        (b"PAR1" + bytes(100), "Parquet"),
        (b'[{"timestamp": 1}]', "one JSON array"),
        (b'{\n"timestamp": 1\n}\n', "no line is a whole JSON object"),
        (b"just words\n", "the first line has 1 column"),
        (AZURE.encode() + b"a,b,c\n", "TIMESTAMP: 'a' is not a time"),
    ],
)
def test_files_that_are_no_trace(tmp_path: Path, content: bytes, says: str) -> None:
    with pytest.raises(FileError, match=says):
        read_trace(write(tmp_path, content))


def test_absent_file_and_folder(tmp_path: Path) -> None:
    write(tmp_path, AZURE, "azure_conv.csv")
    with pytest.raises(FileError, match=r"no such file. Did you mean azure_conv.csv\?"):
        read_trace(tmp_path / "azure_con.csv")
    with pytest.raises(FileError, match="no such file"):
        read_trace(tmp_path / "none" / "x.csv")
    with pytest.raises(FileError, match="is a folder"):
        read_trace(tmp_path)
    with pytest.raises(FileError, match="cannot be read"):
        read_trace("a\x00b")


def test_a_pipe_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    content = gzip.compress((AZURE + "".join(GOOD)).encode())
    writer = threading.Thread(target=path.write_bytes, args=(content,))
    writer.start()
    facts = facts_of_file(path)
    writer.join()
    assert facts.trace is not None
    assert facts.trace.requests == 200


def test_gzip_is_known_by_its_bytes(tmp_path: Path) -> None:
    plain = read_trace(write(tmp_path, AZURE + "".join(GOOD)))
    packed = gzip.compress((AZURE + "".join(GOOD)).encode())
    assert same(plain, read_trace(write(tmp_path, packed)))
    two = gzip.compress(AZURE.encode()) + gzip.compress("".join(GOOD).encode())
    assert same(plain, read_trace(write(tmp_path, two)))


def test_truncated_gzip_says_after_which_line(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    rows = [f"2023-11-16 18:15:00.{n:07d},{rng.integers(9999)},7\n" for n in range(20_000)]
    packed = gzip.compress((AZURE + "".join(rows)).encode())
    with pytest.raises(FileError, match=r"gzip data ends in the middle, after line [\d,]+") as caught:
        read_trace(write(tmp_path, packed[: len(packed) // 2]))
    assert caught.value.line is not None
    assert 5_000 < caught.value.line < 15_000
    with pytest.raises(FileError, match="gzip"):
        read_trace(write(tmp_path, packed[:-4]))
    with pytest.raises(FileError, match="damaged"):
        read_trace(write(tmp_path, packed[:1000] + b"\xff" * 200 + packed[1200:]))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_encodings_and_line_ends(tmp_path: Path, encoding: str, newline: str) -> None:
    text = (AZURE + "".join(GOOD)).replace("\n", newline)
    assert same(read_trace(write(tmp_path, AZURE + "".join(GOOD))), read_trace(write(tmp_path, text.encode(encoding))))


def test_quoted_fields(tmp_path: Path) -> None:
    plain = read_trace(write(tmp_path, AZURE + "".join(GOOD)))
    quoted = "".join('"' + row.strip().replace(",", '","') + '"\n' for row in GOOD)
    assert same(plain, read_trace(write(tmp_path, AZURE + quoted)))
    rows = "".join(f'{n},"Hi, ""you""\nthere",{n},2\n' for n in range(300))
    path = write(tmp_path, "time,prompt,input_tokens,output_tokens\n" + rows)
    assert read_trace(path).input_tokens.tolist() == list(range(300))
    assert same(read_trace(path), read_trace(path, fast=False))


def test_a_quoted_field_may_run_over_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = "".join(f'{n},"a\nb,{"x" * (n % 50)}",{n},2\n' for n in range(300))
    path = write(tmp_path, "time,prompt,input_tokens,output_tokens\n" + rows)
    whole = read_trace(path)
    small = blocks.read_blocks
    monkeypatch.setattr("crossover.traffic.trace.read_blocks", lambda place: small(place, 64))
    assert same(whole, read_trace(path))


def test_small_blocks_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, AZURE + "".join([*GOOD[:100], "bad,1,1\n", *GOOD[100:]]))
    whole = read_trace(path)
    small = blocks.read_blocks
    monkeypatch.setattr("crossover.traffic.trace.read_blocks", lambda place: small(place, 100))
    assert same(whole, read_trace(path))


@pytest.mark.parametrize("at_end", [True, False])
def test_a_line_of_100_mb_is_one_bad_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_end: bool) -> None:
    monkeypatch.setattr(blocks, "MAX_LINE_BYTES", 10_000)
    long = "2023-11-16 18:20:00," + "9" * 100_000 + ",5\n"
    rows = [*GOOD, long] if at_end else [*GOOD[:100], long, *GOOD[100:]]
    small = blocks.read_blocks
    monkeypatch.setattr("crossover.traffic.trace.read_blocks", lambda place: small(place, 1000))
    trace = read_trace(write(tmp_path, AZURE + "".join(rows)))
    assert (trace.requests, trace.bad_rows) == (200, 1)
    assert any(f"line {202 if at_end else 102}" in note and "is longer than" in note for note in trace.notes)


def test_only_so_many_rows_are_kept(tmp_path: Path) -> None:
    trace = read_trace(write(tmp_path, AZURE + "".join(GOOD)), max_rows=50)
    assert trace.requests == 50
    assert any("only the first 50 requests" in note for note in trace.notes)


def test_junk_without_end_stops_early(tmp_path: Path) -> None:
    path = write(tmp_path, AZURE + GOOD[0] + "x,1,1\n" * 100)
    with pytest.raises(FileError, match="cannot be read, more than 1 %"):
        read_trace(path, max_rows=100)


# The fast reader against the slow one


def both_ways(path: Path) -> bool:
    """Whether both readers give the same trace, with any share of bad rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows_module, "MAX_BAD_SHARE", 1.0)
        return same(read_trace(path), read_trace(path, fast=False))


_TIME = st.one_of(
    st.datetimes(min_value=dt.datetime(1970, 1, 1)).map(str),
    st.datetimes(min_value=dt.datetime(2000, 1, 1)).map(lambda moment: moment.isoformat() + "Z"),
    st.integers(0, 2 * 10**18).map(str),
    st.floats(0, 2e9).map(str),
    st.decimals(0, 2_000_000_000, places=3).map(str),
    st.sampled_from(["", "x", "-1", "1e3", " 7 ", "2023-13-01 00:00:00", "2023-11-16 18:15:46.", "5.", ".5", "0x10"]),
    st.text(max_size=5),
)
_COUNT = st.one_of(
    st.integers(0, 2 * 10**8).map(str), st.sampled_from(["", "-1", "1.0", "1e2", " 3", "+4", "０", "1_0", "nan", '"5"'])
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    base=st.sampled_from(["1700000000,5,5", "2024-01-01 00:00:00,5,5", "2024-01-01T00:00:00Z,5,5", "3.5,5,5"]),
    rows=st.lists(st.tuples(_TIME, _COUNT, _COUNT), max_size=8),
)
def test_fast_and_slow_agree_on_csv(tmp_path: Path, base: str, rows: list[tuple[str, str, str]]) -> None:
    text = AZURE + f"{base}\n" * 5 + "\n".join(",".join(row) for row in rows) + "\n"
    path = write(tmp_path, text.encode("utf-8", "surrogatepass"))
    assert both_ways(path)


_JSON_TIME = st.one_of(
    st.integers(-5, 10**12),
    st.floats(0, 1e12),
    st.sampled_from(["5", "", "2024-01-01T00:00:00Z", None, True, "x\ny", "é"]),
)
_JSON_COUNT: st.SearchStrategy[object] = st.one_of(
    st.integers(-1, 2 * 10**8), st.sampled_from([None, "7", 5.0, 5.5, True, [], 10**30])
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    base=st.sampled_from([0, 12.5, "2024-01-01T00:00:00Z", 1_700_000_000]),
    rows=st.lists(st.tuples(_JSON_TIME, _JSON_COUNT, _JSON_COUNT), max_size=8),
)
def test_fast_and_slow_agree_on_jsonl(tmp_path: Path, base: object, rows: list[tuple[object, object, object]]) -> None:
    items = [(base, 5, 5)] * 5 + rows
    lines = [json.dumps({"ts": when, "input_tokens": a, "output_tokens": b}) for when, a, b in items]
    path = write(tmp_path, "\n".join(lines))
    assert both_ways(path)
