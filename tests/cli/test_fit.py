from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from crossover.cli.main import run

Shell = Callable[..., tuple[int, str, str]]


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """Runs ``crossover fit`` with an empty home and 80 columns: exit code, output, errors."""
    monkeypatch.setenv("CROSSOVER_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")

    def call(*words: str) -> tuple[int, str, str]:
        code = run(["fit", *words])
        done = capsys.readouterr()
        return code, done.out, done.err

    return call


def rows(shell: Shell, *words: str) -> list[dict[str, object]]:
    code, out, _ = shell(*words, "--json")
    assert code == 0
    found: list[dict[str, object]] = json.loads(out)["rows"]
    return found


def test_this_machine_is_looked_at(shell: Shell) -> None:
    code, out, err = shell("--model", "qwen2.5 0.5b", "--context", "1024")
    assert (code, err) == (0, "")
    assert "cores" in out
    assert "Qwen2.5-0.5B" in out


def test_a_named_device_within_80_columns(shell: Shell) -> None:
    code, out, _ = shell("--device", "rtx 4090")
    assert code == 0
    assert "RTX 4090, 24.0 GiB" in out
    assert "Models that do not fit" in out
    assert max(len(line) for line in out.splitlines()) <= 80
    assert "\x1b" not in out


def test_70b_at_4_bit_does_not_fit_24_gib(shell: Shell) -> None:
    found = rows(shell, "--device", "rtx 4090", "--model", "llama 3.1 70b", "--quant", "q4_k_m")
    assert [row["fits"] for row in found] == [False]
    assert "GiB" in str(found[0]["reason"])
    two = rows(shell, "--device", "rtx 4090", "--count", "2", "--model", "llama 3.1 70b", "--quant", "q4_k_m")
    assert [row["fits"] for row in two] == [True]


def test_speeds_have_intervals_and_say_whether_they_are_extrapolated(shell: Shell) -> None:
    (row,) = rows(shell, "--device", "h100", "--model", "llama 3.1 8b", "--quant", "bf16")
    decode = row["decode_tokens_per_s"]
    assert isinstance(decode, dict)
    assert 0 < decode["p10"] < decode["p50"] < decode["p90"]
    assert row["extrapolated"] in (True, False)
    assert row["engine"] == "vllm"


def test_a_longer_context_never_fits_better(shell: Shell) -> None:
    found = rows(shell, "--device", "l4", "--model", "llama 3.1 8b", "--context", "4096", "--context", "131072")
    for quantisation in {str(row["quantisation"]) for row in found}:
        short, long = (row for row in found if row["quantisation"] == quantisation)
        assert bool(short["fits"]) >= bool(long["fits"])


def test_each_model_is_shown_once_at_its_finest(shell: Shell) -> None:
    found = rows(shell, "--device", "a10g")
    assert len({row["model"] for row in found}) == len(found)
    eight = next(row for row in found if row["model"] == "meta-llama/Llama-3.1-8B-Instruct")
    assert (eight["quantisation"], eight["fits"]) == ("bf16", True)


def test_all_shows_what_does_not_fit(shell: Shell) -> None:
    code, out, _ = shell("--device", "t4", "--all", "--quant", "awq")
    assert code == 0
    assert "does not fit" in out
    assert "DeepSeek-R1" in out


def test_a_model_is_not_stored_wider_than_it_was_published(shell: Shell) -> None:
    (row,) = rows(shell, "--device", "h100", "--model", "gpt-oss-20b")
    assert row["quantisation"] == "mxfp4"
    found = rows(shell, "--device", "h200", "--count", "8", "--model", "deepseek v3")
    assert {row["quantisation"] for row in found} == {"fp8", "awq-int4"}


def test_a_context_beyond_the_model_is_said(shell: Shell) -> None:
    code, out, _ = shell("--device", "h200", "--model", "llama 2 7b", "--context", "8192")
    assert code == 0
    assert "too long for it" in out
    _, out, _ = shell("--device", "h200")
    assert "Made for shorter contexts than this: Llama-2-70b, Llama-2-7b" in out


def test_several_contexts_within_80_columns(shell: Shell) -> None:
    code, out, _ = shell("--device", "h100", "--model", "llama 3.1 8b", "--context", "4096", "--context", "131072")
    assert code == 0
    assert "Context" in out
    assert max(len(line) for line in out.splitlines()) <= 80


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--device", "rtx 4091"], "Did you mean RTX 4090"),
        (["--device", "l4", "--model", "lama 3.1 8b"], "Did you mean Llama-3.1-8B"),
        (["--device", "l4", "--quant", "q4_k_x"], "Did you mean Q4_K_S"),
        (["--device", "l4", "--count", "0"], "0 devices cannot run anything"),
        (["--device", "l4", "--count", "99999999"], "At most 128"),
        (["--count", "2"], "--count needs --device"),
        (["--device", "l4", "--context", "0"], "0 is no context length"),
        (["--device", "l4", "--context", "-5"], "-5 is no context length"),
        (["--device", "l4", "--engine", "vlm"], "unknown engine 'vlm'"),
        (["--device", "l4", "--engine", "vllm", "--quant", "q4_k_m"], "vllm does not run Q4_K_M"),
    ],
)
def test_bad_input_is_one_sentence(shell: Shell, words: list[str], says: str) -> None:
    code, _, err = shell(*words)
    assert code == 2
    assert says in err
    assert err.count("\n") == 1
