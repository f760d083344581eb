"""``crossover init``: a first crossover.toml from what is there; nothing is overwritten, no key is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossover.config.load import load
from crossover.config.schema import schema_text
from crossover.engines import discover
from crossover.transport import Transport
from tests.cli.shell import call, quiet_home, refused
from tests.engines.servers import Said, serving

KEY = "sk-proj-not-to-be-seen"
INFO = {"general.architecture": "llama", "llama.context_length": 131_072}
OLLAMA = {
    "/": Said(body=b"Ollama is running"),
    "/api/version": Said(body={"version": "0.12.0"}),
    "/api/tags": Said(
        body={
            "models": [
                {"name": "llama3.1:8b", "model": "llama3.1:8b", "details": {}},
                {"name": "gpt-oss:120b-cloud", "model": "gpt-oss:120b-cloud", "remote_host": "https://ollama.com"},
            ]
        }
    ),
    "/api/ps": Said(body={"models": []}),
    "/api/show": Said(body={"capabilities": ["completion"], "model_info": INFO}),
}


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder of its own, no key, no engine of this machine."""
    from crossover.providers.registry import providers

    quiet_home(monkeypatch, tmp_path / "home")
    monkeypatch.chdir(tmp_path)
    for row in providers().values():
        monkeypatch.delenv(row.key_env or "NO_SUCH_VARIABLE", raising=False)
    only_ports(monkeypatch, [])
    return tmp_path


def only_ports(monkeypatch: pytest.MonkeyPatch, ports: list[int]) -> None:
    """Look for engines on these ports alone, whatever runs on the machine of the tests."""

    async def at(transport: Transport, **_rest: object) -> object:
        return await discover.discover(transport, ports=ports, patience=5.0)

    monkeypatch.setattr("crossover.runtime.found.discover", at)


def test_nothing_is_there(home: Path) -> None:
    done = call("init")
    assert done.code == 0
    assert done.out.splitlines() == [
        f"Wrote {home / 'crossover.toml'}",
        f"Wrote {home / 'crossover.schema.json'}, with which editors complete and check it",
        "Found no engine and no API key: the embedded model answers",
        "Next: crossover config check crossover.toml",
    ]
    settings = load(home / "crossover.toml", {}).settings
    assert settings.aliases["auto"].deployments == ("embedded",)
    assert call("config", "check").code == 0


def test_an_engine_and_a_key(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("HF_TOKEN", KEY)
    with serving(OLLAMA) as server:
        only_ports(monkeypatch, [server.port])
        done = call("init", "mine.toml")
    assert done.code == 0, done
    assert "Found llama3.1:8b (Ollama)" in done.out
    assert "Found OPENAI_API_KEY: OpenAI may answer with" in done.out
    assert "Found HF_TOKEN: Hugging Face Inference Providers stays disabled until you complete it" in done.out
    text = (home / "mine.toml").read_text(encoding="utf-8")
    assert KEY not in text + done.out
    settings = load(home / "mine.toml", {"OPENAI_API_KEY": KEY}).settings
    assert settings.aliases["auto"].deployments == ("llama3.1:8b", "openai")
    assert settings.deployments["llama3.1:8b"].base_url == server.url
    assert settings.deployments["llama3.1:8b"].context == 16_384
    assert "gpt-oss:120b-cloud" not in text, "what an engine sends elsewhere is no model of this machine"


def test_a_file_that_is_there_stays_as_it_is(home: Path) -> None:
    path = home / "crossover.toml"
    path.write_text("mine")
    assert "is there already. --force writes over it" in refused("init")
    assert path.read_text() == "mine"
    assert call("init", "--force").code == 0
    assert path.read_text() != "mine"


def test_printing_writes_nothing(home: Path) -> None:
    (home / "crossover.toml").write_text("mine")
    done = call("init", "--stdout")
    assert done.out.startswith("#:schema ./crossover.schema.json\n")
    assert load(done.out, {}).notes == ()
    assert (home / "crossover.toml").read_text() == "mine"
    assert not (home / "crossover.schema.json").exists()


def test_the_schema_that_the_file_names_lies_beside_it(home: Path) -> None:
    (home / "below").mkdir()
    assert call("init", "below/mine.toml").code == 0
    named = (home / "below" / "mine.toml").read_text(encoding="utf-8").splitlines()[0].removeprefix("#:schema ")
    schema = home / "below" / named
    assert schema.read_text(encoding="utf-8") == schema_text()
    assert "crossover.schema.json, with which" in call("init", "below/again.toml").out, "the same text is no conflict"
    schema.write_text("mine")
    done = call("init", "below/third.toml")
    assert f"Kept {schema}, which differs: crossover config schema prints" in done.out
    assert schema.read_text() == "mine"
    assert call("init", "below/third.toml", "--force").code == 0
    assert schema.read_text(encoding="utf-8") == schema_text()


def test_a_schema_that_cannot_be_written_leaves_nothing_behind(home: Path) -> None:
    (home / "crossover.schema.json").mkdir()
    assert "crossover.schema.json: this is a folder" in refused("init")
    assert not (home / "crossover.toml").exists()


def test_places_that_are_none(home: Path) -> None:
    assert "its folder does not exist. Create the folder first" in refused("init", "no/such/crossover.toml")
    assert "this is a folder" in refused("init", str(home))
    assert not (home / "no").exists()
