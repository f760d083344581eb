from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from crossover.cli.main import run

Shell = Callable[..., tuple[int, str, str]]


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """Runs one command line with an empty home and 80 columns: exit code, output, errors."""
    monkeypatch.setenv("CROSSOVER_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")

    def call(*words: str) -> tuple[int, str, str]:
        code = run(["catalog", *words])
        done = capsys.readouterr()
        return code, done.out, done.err

    return call


@pytest.mark.parametrize("kind", ["accelerators", "models", "offers", "quantisations", "hosted"])
def test_every_table_is_listed_within_80_columns(shell: Shell, kind: str) -> None:
    code, out, err = shell("list", kind)
    assert (code, err) == (0, "")
    assert "\x1b" not in out
    table, _, legend = out.partition(" rows.")
    assert max(len(line) for line in table.splitlines()) <= 80
    assert len(table.splitlines()) > 30
    assert "not yet compared" in legend or kind in {"offers"}


def test_lists_as_json_carry_sources(shell: Shell) -> None:
    code, out, _ = shell("list", "accelerators", "--json")
    rows = json.loads(out)
    assert code == 0
    a10g = next(row for row in rows if row["name"] == "A10G")
    assert a10g["source"]["checked"]
    assert a10g["field_sources"]["memory_gib"]["url"].startswith("https://")


def test_an_unknown_table_is_one_sentence(shell: Shell) -> None:
    code, _, err = shell("list", "toasters")
    assert code == 2
    assert err == ("crossover: unknown table 'toasters'. One of accelerators, models, offers, quantisations, hosted\n")


def test_search_finds_rows_of_every_table(shell: Shell) -> None:
    code, out, _ = shell("search", "h100")
    assert code == 0
    assert "Accelerators" in out
    assert "Offers" in out
    assert "Models" not in out
    code, _, err = shell("search", "qqqqqqq")
    assert code == 2
    assert "unknown text" in err


def test_show_gives_each_figure_its_source(shell: Shell) -> None:
    code, out, _ = shell("show", "rtx 4090")
    assert code == 0
    assert "memory_gib" in out
    assert "checked 2026-" in out
    assert "not yet compared" in out
    assert "runpod" in out


def test_show_an_offer_lists_every_price(shell: Shell) -> None:
    code, out, _ = shell("show", "Standard_NC96ads_A100_v4")
    assert code == 0
    assert "Every price on record" in out
    assert "$14.69" in out
    assert "$19.11" in out


def test_show_a_hosted_model_names_stand_ins(shell: Shell) -> None:
    code, out, _ = shell("show", "gpt-4o")
    assert code == 0
    assert "2027-01-14" in out
    assert "Llama-3.3-70B" in out


def test_show_says_what_was_meant(shell: Shell) -> None:
    code, out, err = shell("show", "llama 3.1 8bb", "--json")
    assert code == 2
    assert "Llama-3.1-8B" in json.loads(out)["nearest"]
    assert "Did you mean" in err


def test_add_like_another_device(shell: Shell) -> None:
    code, out, _ = shell("add", "accelerator", "name=RTX 4090 D", "fp16_tflops=147", "--like", "rtx 4090")
    assert code == 0
    assert "own.toml" in out
    code, out, _ = shell("show", "rtx 4090 d")
    assert code == 0
    assert "your own row" in out
    assert "147" in out
    code, out, _ = shell("list")
    assert "RTX 4090 D *" in out
    assert "* your own row" in out


def test_add_an_offer_by_the_name_people_type(shell: Shell) -> None:
    words = ["cloud=cellar", "instance=box", "accelerator=rtx4090", "count=2", "region=home", "usd_per_hour=0.40"]
    assert shell("add", "offer", *words)[0] == 0
    code, out, _ = shell("search", "cellar")
    assert code == 0
    assert "2 × RTX 4090" in out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["accelerator", "name=x", "memry_gib=3"], "Did you mean memory_gib"),
        (["accelerator", "name=x"], "lacks vendor"),
        (["accelerator", "48"], "not name=value"),
        (["toaster", "name=x"], "unknown table 'toaster'"),
        (["offer", "accelerator=RTX 4091"], "Did you mean RTX 4090"),
        (["offer", "count=2", "--like", "rtx 4090"], "--like does not work for offer"),
        (["accelerator", "name=x", "memory_gib=-1", "--like", "l4"], "out of range"),
        (["accelerator", "name=x", "price_usd=nan", "--like", "l4"], "not a finite number"),
    ],
)
def test_wrong_rows_are_refused_and_not_written(shell: Shell, tmp_path: Path, words: list[str], says: str) -> None:
    code, out, err = shell("add", *words)
    assert code == 2
    assert out == ""
    assert says in err
    assert err.count("\n") == 1
    assert not (tmp_path / "config").exists()


def test_a_broken_catalog_of_the_user_is_one_sentence(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "config/catalog").mkdir(parents=True)
    (tmp_path / "config/catalog/mine.toml").write_text("[[accelerator]]\nname = 'x'\nmemory_gb = 3\n")
    code, _, err = shell("list")
    assert code == 2
    assert "mine.toml, field accelerator[1].memory_gb" in err
    assert "Did you mean memory_gib" in err
