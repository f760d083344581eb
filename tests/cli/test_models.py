"""`crossover models`: listing, pulling from a local hub, looking into and removing files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from crossover.cli import models
from crossover.engines import embedded, hub
from crossover.engines.words import Engine, EngineModel, Found
from tests.cli.shell import call, quiet_home, refused
from tests.engines.servers import Said, serving

REPO = "owner/tiny-GGUF"
FILE = "tiny-Q8_0.gguf"
MODEL = embedded.default_model().read_bytes()
SHA = hashlib.sha256(MODEL).hexdigest()
TREE = f"/api/models/{REPO}/tree/main?recursive=true"
LISTING = [{"type": "file", "path": FILE, "size": len(MODEL), "lfs": {"oid": SHA, "size": len(MODEL)}}]
HUB = {TREE: Said(200, LISTING), f"/{REPO}/resolve/main/{FILE}": Said(200, MODEL)}
OLLAMA = Engine(
    found=Found(
        kind="ollama",
        title="Ollama",
        url="http://127.0.0.1:11434",
        base_url="http://127.0.0.1:11434",
        dialect="ollama",
    ),
    models=(
        EngineModel(name="gpt-oss:120b-cloud", cloud=True, can=frozenset({"completion"})),
        EngineModel(name="gemma3:latest", parameters=4_300_000_000, context=4096, loaded=True),
    ),
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    quiet_home(monkeypatch, tmp_path)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    return tmp_path


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> None:
    async def found() -> tuple[Engine, ...]:
        return (OLLAMA,)

    monkeypatch.setattr(models, "_engines", found)


def pulled(home: Path) -> Path:
    return home / "models" / "owner" / "tiny-GGUF" / FILE


def test_the_shipped_models_are_listed() -> None:
    done = call("models", "list", "--no-engines")
    assert done.code == 0, done
    assert "crossover-tiny-small" in done.out
    assert "crossover-tiny-large" in done.out


@pytest.mark.usefixtures("engines")
def test_engines_are_listed_and_cloud_models_are_named_as_such() -> None:
    done = call("models", "list")
    row = next(line for line in done.out.splitlines() if "120b-cloud" in line)
    assert "cloud, completion" in row
    assert "never counted as local" in done.out
    assert "4.3 B" in done.out


@pytest.mark.usefixtures("engines")
def test_rows_as_json_have_the_same_keys() -> None:
    rows = json.loads(call("models", "list", "--json").out)
    assert len({tuple(row) for row in rows}) == 1
    by_name = {row["name"]: row for row in rows}
    assert by_name["gpt-oss:120b-cloud"]["cloud"] is True
    assert by_name["crossover-tiny-small"]["where"] == "shipped"


def test_asking_for_engines_where_none_runs_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    async def none() -> tuple[Engine, ...]:
        return ()

    monkeypatch.setattr(models, "_engines", none)
    assert "No engine answers here" in call("models", "list").out


def test_pull_list_show_and_rm(home: Path) -> None:
    with serving(HUB) as server:
        done = call("models", "pull", f"{REPO}:Q8_0", "--hub", server.url)
        again = call("models", "pull", REPO, "--hub", server.url)
    assert done.code == 0, done
    assert f"Pulled {pulled(home)}" in done.out
    assert "SHA-256 as the hub named it" in done.out
    assert "Already here" in again.out
    listed = json.loads(call("models", "list", "--json", "--no-engines").out)
    assert [row["digest"] for row in listed if row["where"] == "pulled"] == [SHA]
    shown = call("models", "show", "tiny-Q8_0")
    assert "llama" in shown.out
    assert SHA in shown.out
    assert json.loads(call("models", "show", str(pulled(home)), "--json").out)["context"] == 512
    removed = call("models", "rm", "tiny-Q8_0", "--yes")
    assert removed.code == 0
    assert not pulled(home).exists()


def test_pull_as_json(home: Path) -> None:
    with serving(HUB) as server:
        done = call("models", "pull", REPO, "--hub", server.url, "--json")
    (row,) = json.loads(done.out)
    assert (row["path"], row["sha256"], row["verified"], row["fresh"]) == (str(pulled(home)), SHA, True, True)


def test_the_token_comes_from_the_environment_and_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_very_secret")
    with serving(HUB) as server:
        done = call("models", "pull", f"{REPO}:Q2_K", "--hub", server.url)
    assert server.asked[0].headers["authorization"] == "Bearer hf_very_secret"
    assert done.code == 2
    assert "hf_very_secret" not in done.out + done.err


def test_a_named_file_needs_no_listing(home: Path) -> None:
    only = {path: said for path, said in HUB.items() if path != TREE}
    with serving(only) as server:
        assert call("models", "pull", f"{REPO}:{FILE}", "--hub", server.url).code == 0
        assert pulled(home).is_file()
        assert "does not exist" in refused("models", "pull", f"{REPO}:Q8_0", "--hub", server.url)


def test_ctrl_c_keeps_and_names_the_part(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(repo: str, file: hub.RemoteFile, folder: Path, **_: object) -> hub.Pulled:
        part = folder / repo / f"{file.path}.{SHA[:12]}.part"
        part.parent.mkdir(parents=True)
        part.write_bytes(b"GGUF")
        raise KeyboardInterrupt

    monkeypatch.setattr(hub, "pull", interrupted)
    with serving(HUB) as server:
        done = call("models", "pull", REPO, "--hub", server.url)
    assert done.code == 130
    assert f"{pulled(home)}.{SHA[:12]}.part" in done.err
    assert "goes on from there" in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("pull", "tiny"), "no repository"),
        (("pull", REPO, "--hub", "http://hub.example"), "not https"),
        (("show", "crossover-tiny-smal"), "Did you mean crossover-tiny-small"),
        (("show", "nowhere/none.gguf"), "no such file"),
        (("show", __file__), "no GGUF"),
        (("rm", "crossover-tiny-small", "--yes"), "was not pulled"),
    ],
)
def test_mistakes_are_one_sentence(words: tuple[str, ...], said: str) -> None:
    assert said in refused("models", *words)


def test_rm_asks_first(home: Path) -> None:
    with serving(HUB) as server:
        call("models", "pull", REPO, "--hub", server.url)
    call("models", "rm", "tiny-Q8_0")  # no terminal, no answer: nothing is removed
    assert pulled(home).is_file()


def test_a_broken_file_is_listed_with_its_fault(home: Path) -> None:
    pulled(home).parent.mkdir(parents=True)
    pulled(home).write_bytes(b"GGUF and nothing more")
    done = call("models", "list", "--no-engines")
    assert done.code == 0
    assert "tiny-Q8_0" in done.out
