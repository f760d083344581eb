"""``crossover config``: right or wrong, what it says, its schema; secrets never shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crossover.config.load import load
from crossover.config.schema import schema_text
from tests.cli.shell import call, quiet_home, refused
from tests.config.files import BASE, ENVIRON, changed, write

HEADERS = 'api_key = "${OPENAI_API_KEY}"\nheaders = { Authorization = "Bearer ${TOKEN}", x-title = "app" }'
WHOLE = (
    changed('api_key = "${OPENAI_API_KEY}"', HEADERS + "\nprice = { input = 0.10, output = 12 }")
    + '[budgets.all]\nusd = 99.5\n[deployments."gpt-4.1".timeouts]\ngap = "5s"\n'
)


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder of its own, the keys of the example, and no engine of this machine."""
    quiet_home(monkeypatch, tmp_path / "home")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("crossover.engines.discover.rows", lambda: ())
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    return tmp_path


def shown(*words: str) -> str:
    done = call("config", *words)
    assert (done.code, done.err) == (0, "")
    assert not any(secret in done.out for secret in ENVIRON.values())
    return done.out


def test_a_good_file(home: Path) -> None:
    write(home, WHOLE)
    out = shown("check")
    assert out.startswith("crossover.toml: good\n")
    for words in ("llama3.1:8b", "key from ${OPENAI_API_KEY}", "openai (provider)", "local_first", "$99.5", "dpa"):
        assert words in out


def test_what_is_allowed_and_worth_knowing(home: Path) -> None:
    write(
        home,
        changed('deployments = ["llama3.1:8b", "gpt-4.1"]', 'deployments = ["llama3.1:8b"]\n[timeouts]\ncold = 900'),
    )
    assert "Note: timeouts.cold is longer than total" in shown("check")


def test_a_bad_file_is_one_sentence_with_its_line(home: Path) -> None:
    write(home, changed('zone = "openai"', 'zone = "opnai"'))
    said = refused("config", "check")
    assert said == "crossover.toml:22, field deployments.\"gpt-4.1\".zone: unknown zone 'opnai'. Did you mean openai?"
    facts = json.loads(call("config", "check", "--json").out)
    assert (facts["error"], facts["line"], facts["exit_code"]) == ("bad_file", 22, 2)


def test_every_mistake_of_a_file_is_said_in_one_run(home: Path) -> None:
    write(
        home, changed('zone = "openai"', 'zone = "opnai"', changed('"ollama"', '"olama"')) + "[budgets.all]\nusd = 0\n"
    )
    done = call("config", "check")
    assert (done.code, done.out) == (2, "")
    assert [line.split(": ")[1].split(",")[0] for line in done.err.splitlines()] == [
        "crossover.toml:15", "crossover.toml:22", "crossover.toml:28",
    ]  # fmt: skip
    assert all(line.startswith("crossover: crossover.toml:") for line in done.err.splitlines())
    facts = json.loads(call("config", "check", "--json").out)
    assert (facts["line"], [each["line"] for each in facts["more"]]) == (15, [22, 28])
    assert call("serve", "-c", "crossover.toml").err == done.err


def test_the_file_may_be_named_as_other_commands_take_it(home: Path) -> None:
    path = write(home, WHOLE)
    elsewhere = home / "other.toml"
    path.rename(elsewhere)
    assert shown("check", "-c", str(elsewhere)) == shown("check", str(elsewhere))
    assert shown("show", "--config", str(elsewhere)) == shown("show", str(elsewhere), "-c", str(elsewhere))
    assert "Name one" in refused("config", "check", "a.toml", "-c", "b.toml")


def test_a_named_file_that_is_absent() -> None:
    assert "there is no such file" in refused("config", "check", "nowhere.toml")


def test_a_key_that_is_not_set(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home)
    monkeypatch.delenv("OPENAI_API_KEY")
    assert "the variable OPENAI_API_KEY is not set" in refused("config", "check")


def test_as_data(home: Path) -> None:
    path = write(home, WHOLE)
    facts = json.loads(shown("check", str(path), "--json"))
    assert facts["ok"] is True
    assert facts["file"] == str(path)
    assert facts["deployments"]["gpt-4.1"]["api_key"] == "${OPENAI_API_KEY}"
    assert facts["aliases"]["auto"]["deployments"] == ["llama3.1:8b", "gpt-4.1"]
    assert facts["budgets"]["all"]["usd"] == 99.5
    settings = json.loads(shown("show", str(path), "--json"))["settings"]
    assert settings["deployments"]["gpt-4.1"]["headers"] == {"Authorization": "Bearer ${TOKEN}", "x-title": "app"}
    assert settings["deployments"]["gpt-4.1"]["price"]["input"] == 0.1


def test_what_is_shown_loads_again_to_the_same(home: Path) -> None:
    path = write(home, WHOLE)
    assert load(shown("show"), ENVIRON).settings == load(path, ENVIRON).settings


def test_without_a_file_the_built_in_settings_are_shown() -> None:
    assert "no crossover.toml: the built-in settings: good" in shown("check")
    assert "OPENAI_API_KEY is set and not used" in shown("check")
    assert load(shown("show"), {}).settings.deployments["embedded"].provider == "embedded"
    assert json.loads(shown("check", "--json"))["file"] is None


def test_the_file_of_the_configuration_folder(home: Path) -> None:
    folder = home / "home" / "config"
    folder.mkdir(parents=True)
    write(folder)
    assert json.loads(shown("check", "--json"))["file"] == str(folder / "crossover.toml")


def test_the_schema() -> None:
    assert shown("schema") == schema_text()


def test_names_are_not_read_as_markup(home: Path) -> None:
    write(home, BASE.replace('model = "llama3.1:8b"', 'model = "[bold]x[/]"'))
    assert "[bold]x[/]" in shown("check")
    assert "[bold]x[/]" in shown("show")
