from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
import yaml

from tests.cli.shell import call, quiet_home, refused
from tests.deploy.parts import hybrid, own, plan_of, sold


@pytest.fixture(autouse=True)
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    quiet_home(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plan.json").write_bytes(msgspec.json.encode(plan_of(own(), sold(), hybrid())))
    return "plan.json"


def test_the_recommended_option_is_written(tmp_path: Path, plan: str) -> None:
    done = call("deploy", plan, "--to", "kubernetes")
    assert (done.code, done.err) == (0, "")
    assert "deploy/10-engine.yaml" in done.out
    assert "Next: deploy/README.md has the steps" in done.out
    assert {path.name for path in (tmp_path / "deploy").iterdir()} == {
        "00-namespace.yaml", "10-engine.yaml", "20-gateway.yaml", "30-autoscaler.yaml", "README.md", "gateway", "helm"
    }  # fmt: skip


def test_another_option_goes_where_one_says(tmp_path: Path, plan: str) -> None:
    done = call("deploy", plan, "--to", "compose", "--option", "2", "--out", "there/x")
    assert done.code == 0
    file = yaml.safe_load((tmp_path / "there/x/compose.yaml").read_text(encoding="utf-8"))
    assert list(file["services"]) == ["gateway"]


def test_files_that_are_there_stay_unless_forced(plan: str) -> None:
    assert call("deploy", plan, "--to", "compose").code == 0
    assert "README.md are there already. --force writes over them" in refused("deploy", plan, "--to", "compose")
    assert call("deploy", plan, "--to", "compose", "--force").code == 0


def test_as_one_object_nothing_is_written(tmp_path: Path, plan: str) -> None:
    done = call("deploy", plan, "--to", "compose", "--option", "hybrid:one", "--json")
    facts = json.loads(done.out)
    assert facts["option"] == "hybrid:one"
    assert "compose.yaml" in facts["files"]
    assert not (tmp_path / "deploy").exists()


def test_flags_reach_the_artefacts(plan: str) -> None:
    words = ("--namespace", "llm", "--gateway-image", "registry.example.org/x:2", "--autoscaler", "keda",
             "--max-replicas", "5", "--prometheus", "http://prom:9090", "--weights", "me/repo")  # fmt: skip
    files = json.loads(call("deploy", plan, "--to", "kubernetes", "--json", *words).out)["files"]
    text = "".join(files.values())
    for said in ("registry.example.org/x:2", "namespace: llm", "maxReplicaCount: 5", "http://prom:9090", "me/repo"):
        assert said in text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--to", "helm"), "unknown to 'helm'"),
        (("--to", "compose", "--option", "self:two"), "unknown option 'self:two'. Did you mean self:one"),
        (("--to", "kubernetes", "--namespace", "A b"), "'A b' is no name that can be used"),
        (("--to", "kubernetes", "--gateway-image", "a b"), "'a b' is no name that can be used"),
        (("--to", "kubernetes", "--autoscaler", "hp"), "unknown autoscaler 'hp'. Did you mean hpa"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(plan: str, words: tuple[str, ...], says: str) -> None:
    assert says in refused("deploy", plan, *words)


def test_a_file_that_is_no_plan(tmp_path: Path, plan: str) -> None:
    (tmp_path / "x.json").write_text("{}")
    assert "x.json: this is no plan" in refused("deploy", "x.json", "--to", "compose")
    assert "it cannot be read: No such file" in refused("deploy", "none.json", "--to", "compose")
    (tmp_path / "b.json").write_bytes(b"\xff\xfe")
    assert "this is no plan" in refused("deploy", "b.json", "--to", "compose")
    other = msgspec.structs.replace(plan_of(own()), schema_version=9)
    (tmp_path / "o.json").write_bytes(msgspec.json.encode(other))
    assert "the plan has format 9, this Crossover reads 1" in refused("deploy", "o.json", "--to", "compose")
    (tmp_path / "e.json").write_bytes(msgspec.json.encode(plan_of()))
    assert "no option of this plan passes every filter" in refused("deploy", "e.json", "--to", "compose")
