"""Every artefact is held against its own tool: manifests, the compose file, the gateway's configuration."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import compose_spec
import kubernetes_validate
import pytest
import yaml

from crossover.config.load import load
from crossover.deploy import compose, kubernetes
from crossover.deploy.words import Artefact
from crossover.deploy.write import artefacts
from tests.deploy.parts import CASES, hybrid, own, site, sold, wishes

KEYS = {"OPENAI_API_KEY": "secret-1", "GEMINI_API_KEY": "secret-2", "HF_TOKEN": "secret-3"}
VERSION = "1.37"


def files(name: str, target: str, **facts: Any) -> dict[str, str]:
    return {one.path: one.text for one in artefacts(site(CASES[name]), wishes(target, **facts))}


def manifests(made: dict[str, str]) -> list[dict[str, Any]]:
    return [each for path, text in made.items() if path.endswith(".yaml") and path[:2].isdigit()
            for each in yaml.safe_load_all(text)]  # fmt: skip


def one(made: dict[str, str], kind: str, name: str | None = None) -> dict[str, Any]:
    (found,) = [
        each for each in manifests(made) if each["kind"] == kind and name in (None, each["metadata"]["name"])
    ]  # fmt: skip
    return found


@pytest.mark.parametrize("name", CASES)
def test_manifests_are_valid(name: str) -> None:
    made = manifests(files(name, "kubernetes"))
    assert {"Deployment", "Service"} <= {each["kind"] for each in made}
    for found in made:
        kubernetes_validate.validate(found, VERSION, strict=True)  # raises


@pytest.mark.parametrize("name", CASES)
def test_the_compose_file_is_valid(name: str) -> None:
    text = files(name, "compose")[compose.FILE]
    read = compose_spec.PyCompose.from_yaml(text)
    read.validate()
    assert "gateway" in read.service_names()


@functools.cache
def has_compose() -> bool:
    found = shutil.which("docker")
    if found is None:
        return False
    return not subprocess.run([found, "compose", "version"], capture_output=True, check=False).returncode


@pytest.mark.parametrize("name", CASES)
def test_compose_itself_takes_the_file(name: str, tmp_path: Path) -> None:
    if not has_compose():
        return  # the parser of the specification has looked at the file in the test above
    write(tmp_path, [Artefact(path, text) for path, text in files(name, "compose").items()])
    done = subprocess.run(
        ["docker", "compose", "config", "--quiet"], cwd=tmp_path, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def write(folder: Path, made: list[Artefact]) -> None:
    for each in made:
        place = folder / each.path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(each.text, encoding="utf-8")


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("target", ["kubernetes", "compose"])
def test_the_gateway_takes_its_configuration(name: str, target: str, tmp_path: Path) -> None:
    made = files(name, target)
    text = made["gateway/crossover.toml"] if target == "compose" else one(made, "ConfigMap")["data"]["crossover.toml"]
    for key in KEYS:
        (tmp_path / key.lower()).write_text("secret")
        (tmp_path / key.lower()).chmod(0o600)
    place = tmp_path / "crossover.toml"
    place.write_text(text.replace("file:/run/secrets/", f"file:{tmp_path}/"), encoding="utf-8")
    settings = load(place, KEYS).settings
    assert settings.require_keys
    assert set(settings.aliases["auto"].deployments) == set(settings.deployments)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("target", ["kubernetes", "compose"])
def test_no_secret_is_written_and_none_is_made_up(name: str, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in KEYS.items():
        monkeypatch.setenv(key, value)
    made = files(name, target)
    assert not any(value in text for value in KEYS.values() for text in made.values())
    assert not any(each["kind"] == "Secret" for each in manifests(made))


def test_the_gateway_asks_what_is_served() -> None:
    made = files("peaks", "kubernetes")
    text = one(made, "ConfigMap")["data"]["crossover.toml"]
    service = one(made, "Service", "llama-3-1-70b-instruct")
    (port,) = service["spec"]["ports"]
    assert f'base_url = "http://llama-3-1-70b-instruct.crossover.svc:{port["port"]}/v1"' in text
    assert "overflow = true" in text
    pod = one(made, "Deployment", "llama-3-1-70b-instruct")["spec"]["template"]
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    (container,) = pod["spec"]["containers"]
    assert container["ports"][0]["containerPort"] == port["port"]
    assert container["args"][container["args"].index("--port") + 1] == str(port["port"])
    assert container["resources"]["limits"] == {"nvidia.com/gpu": "2"}


def test_what_may_leave_goes_to_the_seller_first_and_the_rest_stays() -> None:
    text = files("rest", "compose")["gateway/crossover.toml"]
    assert 'policy = "quality_first"' in text
    assert "overflow" not in text
    assert text.index("quality = 1") < text.index("quality = 2")  # own machines, then the seller


def test_hosted_options_are_the_gateway_alone() -> None:
    made = files("api", "kubernetes")
    assert {each["metadata"]["name"] for each in manifests(made) if each["kind"] == "Deployment"} == {"gateway"}
    assert list(yaml.safe_load(files("api", "compose")[compose.FILE])["services"]) == ["gateway"]
    (entry,) = one(made, "Deployment")["spec"]["template"]["spec"]["containers"][0]["env"]
    assert entry["valueFrom"]["secretKeyRef"] == {"name": "crossover-keys", "key": "OPENAI_API_KEY"}


def test_growth_follows_the_queue_of_the_engine() -> None:
    made = files("vllm", "kubernetes")
    scaler = one(made, "HorizontalPodAutoscaler")["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 3)
    (metric,) = scaler["metrics"]
    assert metric["pods"] == {
        "metric": {"name": "vllm_num_requests_waiting"}, "target": {"type": "AverageValue", "averageValue": "4"}
    }  # fmt: skip
    (rule,) = yaml.safe_load(made[kubernetes.ADAPTER])["rules"]["custom"]
    assert rule["name"] == {"matches": "vllm:num_requests_waiting", "as": "vllm_num_requests_waiting"}
    assert "replicas" not in one(made, "Deployment", "llama-3-1-70b-instruct")["spec"]  # it is the autoscaler's
    assert "llamacpp_requests_deferred" in files("llamacpp", "kubernetes")["30-autoscaler.yaml"]


def test_the_gateway_lets_a_queue_through_that_the_autoscaler_can_see() -> None:
    """Would it hold back what the engines cannot take, their queue would stay empty and nothing would grow."""
    text = one(files("vllm", "kubernetes"), "ConfigMap")["data"]["crossover.toml"]
    assert f"concurrency = {3 * (64 + 2 * 4)}\n" in text
    fixed = one(files("one replica", "kubernetes"), "ConfigMap")["data"]["crossover.toml"]
    assert "concurrency = 64\n" in fixed


def test_a_fixed_number_of_replicas_needs_no_autoscaler() -> None:
    made = files("one replica", "kubernetes")
    assert "30-autoscaler.yaml" not in made
    assert one(made, "Deployment", "llama-3-1-70b-instruct")["spec"]["replicas"] == 1
    grown = files("one replica", "kubernetes", most=4)
    assert one(grown, "HorizontalPodAutoscaler")["spec"]["maxReplicas"] == 4
    assert "to 4 replicas" in grown["README.md"]


def test_keda_is_written_where_it_is_asked_for() -> None:
    made = files("vllm", "kubernetes", autoscaler="keda", prometheus="http://prom:9090")
    spec = one(made, "ScaledObject")["spec"]
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (2, 3)
    assert spec["triggers"][0]["metadata"] == {
        "serverAddress": "http://prom:9090", "threshold": "4",
        "query": 'sum({__name__="vllm:num_requests_waiting",namespace="crossover"})',
    }  # fmt: skip
    assert kubernetes.ADAPTER not in made


def test_every_replica_of_compose_has_its_own_accelerators() -> None:
    services = yaml.safe_load(files("vllm", "compose")[compose.FILE])["services"]
    engines = [name for name in services if name != "gateway"]
    assert len(engines) == 3
    ids = [
        services[name]["deploy"]["resources"]["reservations"]["devices"][0]["device_ids"] for name in engines
    ]  # fmt: skip
    assert ids == [["0", "1"], ["2", "3"], ["4", "5"]]
    amd = yaml.safe_load(files("amd", "compose")[compose.FILE])["services"]
    assert {amd[name]["environment"]["HIP_VISIBLE_DEVICES"] for name in amd if name != "gateway"} == {"0", "1", "2"}


def test_several_machines_of_llamacpp_read_one_volume() -> None:
    claim = one(files("llamacpp", "kubernetes"), "PersistentVolumeClaim", "llama-3-1-70b-instruct-models")
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]


def test_regimes_and_zones_go_along(tmp_path: Path) -> None:
    found = site(own(), regimes=("gdpr",))
    (text,) = [each.text for each in artefacts(found, wishes("compose")) if each.path.endswith(".toml")]
    (tmp_path / "crossover.toml").write_text(text)
    settings = load(tmp_path / "crossover.toml", {}).settings
    assert settings.regimes == ("gdpr",)
    assert settings.zones["runpod"].agreements == ("dpa",)
    assert settings.deployments["llama-3-1-70b-instruct-1"].price.per_hour is not None


def test_hostile_titles_stay_comments_and_texts(tmp_path: Path) -> None:
    nasty = 'x"\n[server]\nhost = "evil"\n--- \n# `rm -rf`'
    for target in ("compose", "kubernetes"):
        made = {one.path: one.text for one in artefacts(site(own(title=nasty)), wishes(target))}
        for path, text in made.items():
            if path.endswith(".yaml"):
                assert all(isinstance(each, dict) for each in yaml.safe_load_all(text)), path
        text = made.get("gateway/crossover.toml") or one(made, "ConfigMap")["data"]["crossover.toml"]
        (tmp_path / "crossover.toml").write_text(text)
        assert load(tmp_path / "crossover.toml", {}).settings.server.host == "0.0.0.0"


def test_the_page_names_every_file_and_step() -> None:
    for target in ("compose", "kubernetes"):
        made = {one.path: one.text for one in artefacts(site(hybrid(), sold()), wishes(target))}
        page = made.pop("README.md")
        assert all(f"`{path}`" in page for path in made)
        assert "keys create me" in page
    assert json.dumps(list(made))
