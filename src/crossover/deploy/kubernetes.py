"""A site as manifests for Kubernetes: engine, gateway, health checks, accelerators, growth with the engine's queue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from crossover.deploy import gateway, yaml
from crossover.deploy.words import Artefact, Server, Site, Wishes

KEYS = "crossover-keys"  # the names of secrets, which somebody makes by hand
_HUB = "hugging-face"
_TOOL = "crossover"
_LOAD_TRIES = 180  # of ten seconds: half an hour to download and load a model
_MODELS_GIB = 200
_LEDGER_GIB = 10
ADAPTER = "helm/prometheus-adapter-values.yaml"  # in a folder of its own: it is no manifest
_ONE = "ReadWriteOnce"
_QUEUE_S = 300  # a machine that was started for a queue stays so long


def artefacts(site: Site, wishes: Wishes) -> list[Artefact]:
    """Manifests by subject, the gateway's image, and what the autoscaler's adapter has to be told."""
    urls = {site.server.name: f"http://{site.server.name}.{wishes.namespace}.svc:{site.server.port}/v1"} if (
        site.server
    ) else {}  # fmt: skip
    comment = f"Written by crossover deploy for: {site.title}"
    config = gateway.config(site, wishes, urls, places(site.server, wishes) if site.server else 0)
    made = [
        Artefact("00-namespace.yaml", yaml.document(_namespace(wishes), comment)),
        Artefact("20-gateway.yaml", yaml.documents(_gateway(site, wishes, config), comment)),
        Artefact("gateway/Dockerfile", gateway.dockerfile(wishes)),
    ]
    if site.server is not None:
        made.append(Artefact("10-engine.yaml", yaml.documents(_engine(site.server, wishes), comment)))
        if grows(site.server, wishes):
            made += _growth(site.server, wishes, comment)
    return sorted(made, key=lambda one: one.path)


def places(server: Server, wishes: Wishes) -> int:
    """How many calls the gateway lets through at once: what replicas take, and a queue for the autoscaler to see."""
    if not grows(server, wishes):
        return server.sequences * (server.replicas + server.spare)
    return (server.sequences + 2 * server.waiting_most) * _most(server, wishes)


def grows(server: Server, wishes: Wishes) -> bool:
    """Whether the autoscaler has anything to do."""
    return _most(server, wishes) > server.replicas


def _most(server: Server, wishes: Wishes) -> int:
    return max(wishes.most or server.replicas + server.spare, server.replicas)


def _meta(name: str, wishes: Wishes, component: str) -> dict[str, Any]:
    return {"name": name, "namespace": wishes.namespace, "labels": _labels(name, component)}


def _labels(name: str, component: str) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/part-of": _TOOL,
    }


def _select(name: str) -> dict[str, Any]:
    return {"matchLabels": {"app.kubernetes.io/name": name}}


def _namespace(wishes: Wishes) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": wishes.namespace}}


def _service(name: str, wishes: Wishes, component: str, port: int) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _meta(name, wishes, component),
        "spec": {
            "selector": {"app.kubernetes.io/name": name},
            "ports": [{"name": "http", "port": port, "targetPort": "http"}],
        },
    }


def _claim(name: str, wishes: Wishes, component: str, gib: int, mode: str = _ONE) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": _meta(name, wishes, component),
        "spec": {"accessModes": [mode], "resources": {"requests": {"storage": f"{gib}Gi"}}},
    }


def _probe(path: str, every: int, tries: int) -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": "http"}, "periodSeconds": every, "failureThreshold": tries,
            "timeoutSeconds": 5}  # fmt: skip


# --------------------------------------------------------------------------------------------------------------- engine


def _engine(server: Server, wishes: Wishes) -> list[dict[str, Any]]:
    name = server.name
    made = [_engine_deployment(server, wishes)]
    made += [_service(name, wishes, "engine", server.port), _only_gateway(server, wishes)]
    if server.engine == "llamacpp":
        many = _most(server, wishes) > 1
        made.insert(0, _claim(f"{name}-models", wishes, "engine", _MODELS_GIB, "ReadWriteMany" if many else _ONE))
    if server.replicas > 1:
        made.append(
            {
                "apiVersion": "policy/v1",
                "kind": "PodDisruptionBudget",
                "metadata": _meta(name, wishes, "engine"),
                "spec": {"maxUnavailable": 1, "selector": _select(name)},
            }
        )
    return made


def _engine_deployment(server: Server, wishes: Wishes) -> dict[str, Any]:
    template = {
        "metadata": {
            "labels": _labels(server.name, "engine"),
            "annotations": {
                "prometheus.io/scrape": "true",
                "prometheus.io/port": str(server.port),
                "crossover/accelerator": f"{server.gpus or 1} x {server.accelerator}",
            },
        },
        "spec": {
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 120,
            "containers": [_engine_container(server)],
            "volumes": _engine_volumes(server),
        },
    }
    spec: dict[str, Any] = {"selector": _select(server.name), "template": template}
    if not grows(server, wishes):  # else the autoscaler's number counts, and applying this file must not reset it
        spec = {"replicas": server.replicas + server.spare, **spec}
    meta = _meta(server.name, wishes, "engine")
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}


def _engine_container(server: Server) -> dict[str, Any]:
    mounts = [{"name": "shm", "mountPath": "/dev/shm"}]  # noqa: S108 - of the container
    token: dict[str, Any] = {}
    if server.engine == "vllm":
        mounts.append({"name": "cache", "mountPath": "/root/.cache/huggingface"})
        reference = {"name": _HUB, "key": "token", "optional": True}
        token = {"env": [{"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": reference}}]}
    else:
        mounts.append({"name": "models", "mountPath": "/models", "readOnly": True})  # type: ignore[dict-item]
    limits = {server.gpu_resource: str(server.gpus)} if server.gpus else {}
    resources: dict[str, Any] = {"requests": {"cpu": "4", "memory": "16Gi", **limits}}
    if limits:
        resources["limits"] = limits
    return {
        "name": "engine",
        "image": server.image,
        "args": list(server.args),
        **token,
        "ports": [{"name": "http", "containerPort": server.port}],
        "resources": resources,
        "startupProbe": _probe("/health", 10, _LOAD_TRIES),
        "readinessProbe": _probe("/health", 5, 3),
        "livenessProbe": _probe("/health", 10, 6),
        "securityContext": {"allowPrivilegeEscalation": False},
        "volumeMounts": mounts,
    }


def _engine_volumes(server: Server) -> list[dict[str, Any]]:
    volumes: list[dict[str, Any]] = [{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "16Gi"}}]
    if server.engine == "vllm":  # each machine keeps its own: a volume for one machine would hold the others back
        return [*volumes, {"name": "cache", "emptyDir": {"sizeLimit": f"{_MODELS_GIB}Gi"}}]
    claim = {"claimName": f"{server.name}-models", "readOnly": True}
    return [*volumes, {"name": "models", "persistentVolumeClaim": claim}]


def _only_gateway(server: Server, wishes: Wishes) -> dict[str, Any]:
    """Only the gateway asks the engine, and whoever reads its metrics: it asks nobody for a key."""
    sources = [
        {"podSelector": _select("gateway")},
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}},
    ]
    port = [{"port": "http", "protocol": "TCP"}]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": _meta(server.name, wishes, "engine"),
        "spec": {
            "podSelector": _select(server.name),
            "policyTypes": ["Ingress"],
            "ingress": [{"from": sources, "ports": port}],
        },
    }


# -------------------------------------------------------------------------------------------------------------- gateway


def _gateway(site: Site, wishes: Wishes, config: str) -> list[dict[str, Any]]:
    pod = {
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True, "runAsUser": gateway.USER, "fsGroup": gateway.USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationGracePeriodSeconds": 60,
        "containers": [_gateway_container(site, wishes)],
        "volumes": [
            {"name": "config", "configMap": {"name": "gateway"}},
            {"name": "ledger", "persistentVolumeClaim": {"claimName": "ledger"}},
            {"name": "tmp", "emptyDir": {}},
        ],
    }  # fmt: skip
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _meta("gateway", wishes, "gateway"),
        "spec": {
            "replicas": 1,  # the ledger is one file on one machine
            "strategy": {"type": "Recreate"},
            "selector": _select("gateway"),
            "template": {"metadata": {"labels": _labels("gateway", "gateway")}, "spec": pod},
        },
    }
    settings = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _meta("gateway", wishes, "gateway"),
        "data": {"crossover.toml": config},
    }
    service = _service("gateway", wishes, "gateway", gateway.PORT)
    return [settings, _claim("ledger", wishes, "gateway", _LEDGER_GIB), deployment, service]


def _gateway_container(site: Site, wishes: Wishes) -> dict[str, Any]:
    keys = [
        {"name": one.key_env, "valueFrom": {"secretKeyRef": {"name": KEYS, "key": one.key_env}}} for one in site.sellers
    ]
    return {
        "name": "gateway",
        "image": wishes.gateway_image,
        **({"env": keys} if keys else {}),
        "ports": [{"name": "http", "containerPort": gateway.PORT}],
        "resources": {"requests": {"cpu": "500m", "memory": "512Mi"}, "limits": {"memory": "2Gi"}},
        "startupProbe": _probe("/health", 2, 30),
        "readinessProbe": _probe("/health", 5, 3),  # not /ready: engines that load must not make the gateway vanish
        "livenessProbe": _probe("/health", 10, 6),
        "securityContext": {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "config", "mountPath": "/etc/crossover", "readOnly": True},
            {"name": "ledger", "mountPath": gateway.DATA},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - of the container
        ],
    }  # fmt: skip


# --------------------------------------------------------------------------------------------------------------- growth


def _growth(server: Server, wishes: Wishes, comment: str) -> Sequence[Artefact]:
    if wishes.autoscaler == "keda":
        return [Artefact("30-autoscaler.yaml", yaml.document(_scaled_object(server, wishes), comment))]
    return [
        Artefact("30-autoscaler.yaml", yaml.document(_autoscaler(server, wishes), comment)),
        Artefact(ADAPTER, yaml.document(_adapter(server), comment)),
    ]


def metric(server: Server) -> str:
    """The metric as Kubernetes may name it."""
    return server.waiting.replace(":", "_")


def _autoscaler(server: Server, wishes: Wishes) -> dict[str, Any]:
    target = {"type": "AverageValue", "averageValue": str(server.waiting_most)}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": _meta(server.name, wishes, "engine"),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": server.name},
            "minReplicas": server.replicas,
            "maxReplicas": _most(server, wishes),
            "metrics": [{"type": "Pods", "pods": {"metric": {"name": metric(server)}, "target": target}}],
            "behavior": {
                "scaleUp": {
                    "stabilizationWindowSeconds": 0,
                    "policies": [{"type": "Pods", "value": 2, "periodSeconds": 60}],
                },
                "scaleDown": {
                    "stabilizationWindowSeconds": _QUEUE_S,
                    "policies": [{"type": "Pods", "value": 1, "periodSeconds": 120}],
                },
            },
        },
    }


def _adapter(server: Server) -> dict[str, Any]:
    """Values for the chart of prometheus-adapter: the engine's queue as a metric of its pods."""
    rule = {
        "seriesQuery": f'{{__name__="{server.waiting}",namespace!="",pod!=""}}',
        "resources": {"overrides": {"namespace": {"resource": "namespace"}, "pod": {"resource": "pod"}}},
        "name": {"matches": server.waiting, "as": metric(server)},
        "metricsQuery": "sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)",
    }
    return {"rules": {"custom": [rule]}}


def _scaled_object(server: Server, wishes: Wishes) -> dict[str, Any]:
    query = f'sum({{__name__="{server.waiting}",namespace="{wishes.namespace}"}})'
    trigger = {
        "type": "prometheus",
        "metricType": "AverageValue",
        "metadata": {"serverAddress": wishes.prometheus, "query": query, "threshold": str(server.waiting_most)},
    }
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": _meta(server.name, wishes, "engine"),
        "spec": {
            "scaleTargetRef": {"name": server.name},
            "minReplicaCount": server.replicas,
            "maxReplicaCount": _most(server, wishes),
            "cooldownPeriod": _QUEUE_S,
            "pollingInterval": 15,
            "triggers": [trigger],
        },
    }


def steps(site: Site, wishes: Wishes) -> list[str]:
    """What to do, as lines of a page."""
    space, image = wishes.namespace, wishes.gateway_image
    secret = f"kubectl -n {space} create secret generic"
    made = [
        f"`docker build -t {image} gateway && docker push {image}`, where your cluster finds it",
        "`kubectl apply -f 00-namespace.yaml`",
    ]
    if site.sellers:
        files = " ".join(f"--from-file={one.key_env}=FILE" for one in site.sellers)
        made.append(f"`{secret} {KEYS} {files}`: each file holds a key and nothing else, no line end")
    if site.server is not None and site.server.engine == "vllm":
        made.append(f"`{secret} {_HUB} --from-file=token=FILE`, where the model's licence asks for it")
    if site.server is not None and grows(site.server, wishes) and wishes.autoscaler == "hpa":
        made.append(
            "`helm upgrade --install prometheus-adapter prometheus-community/prometheus-adapter -n monitoring "
            f"-f {ADAPTER}`: the autoscaler reads the queue there"
        )
    made += [
        "`kubectl apply -f .`",
        f"`kubectl -n {space} exec deploy/gateway -- crossover keys create me` makes the first key",
        f"`kubectl -n {space} port-forward svc/gateway 4000`, then `curl http://127.0.0.1:4000/ready`",
    ]
    return made
