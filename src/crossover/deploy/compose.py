"""A site as a compose file, for one machine: every replica is a service of its own with its accelerators."""

from __future__ import annotations

from typing import Any

from crossover.deploy import gateway, yaml
from crossover.deploy.words import Artefact, Seller, Server, Site, Wishes

FILE = "compose.yaml"
_CHECK = {"interval": "10s", "timeout": "5s", "retries": 3}
_LOADS = "30m"  # how long a model may take to be downloaded and loaded


def artefacts(site: Site, wishes: Wishes) -> list[Artefact]:
    """``compose.yaml``, the gateway's configuration and its image."""
    servers = names(site)
    urls = {name: f"http://{name}:{site.server.port}/v1" for name in servers} if site.server else {}
    services: dict[str, Any] = {
        name: _engine(site.server, number) for number, name in enumerate(servers) if site.server is not None
    }
    services["gateway"] = _gateway(site, wishes, servers)
    file: dict[str, Any] = {"name": "crossover", "services": services, "volumes": _volumes(site)}
    secrets = {one.key_env.lower(): {"file": f"./secrets/{one.key_env.lower()}"} for one in site.sellers}
    if secrets:
        file["secrets"] = secrets
    places = site.server.sequences if site.server else 0
    comment = f"Written by crossover deploy for: {site.title}\nStart: docker compose up -d --build"
    return [
        Artefact(FILE, yaml.document(file, comment)),
        Artefact("gateway/crossover.toml", gateway.config(site, wishes, urls, places)),
        Artefact("gateway/Dockerfile", gateway.dockerfile(wishes)),
    ]


def names(site: Site) -> list[str]:
    """The services of the own servers: those that serve, and those in reserve, which are paid for."""
    if site.server is None:
        return []
    count = site.server.replicas + site.server.spare
    return [site.server.name] if count == 1 else [f"{site.server.name}-{number}" for number in range(1, count + 1)]


def _engine(server: Server, number: int) -> dict[str, Any]:
    vllm = server.engine == "vllm"
    check = f"http://127.0.0.1:{server.port}/health"
    service: dict[str, Any] = {
        "image": server.image,
        "command": list(server.args),
        "restart": "unless-stopped",
        "volumes": ["models:/root/.cache/huggingface"] if vllm else ["./models:/models:ro"],
        "healthcheck": {"test": ["CMD", "curl", "-fsS", check], "start_period": _LOADS, **_CHECK},
        "security_opt": ["no-new-privileges:true"],
    }
    if vllm:
        service["environment"] = {"HF_TOKEN": "${HF_TOKEN:-}"}
        service["shm_size"] = "16gb"  # tensor parallel workers talk through it
    return service | _devices(server, number)


def _devices(server: Server, number: int) -> dict[str, Any]:
    """The accelerators of one replica, counted through from the first of the machine."""
    if not server.gpus:
        return {}
    if server.gpu_resource == "amd.com/gpu":  # ROCm finds its devices by these files
        return {
            "devices": ["/dev/kfd:/dev/kfd", "/dev/dri:/dev/dri"],
            "group_add": ["video"],
            "environment": _visible(server, number),
        }
    ids = [str(server.gpus * number + place) for place in range(server.gpus)]
    wanted = [{"driver": "nvidia", "device_ids": ids, "capabilities": ["gpu"]}]
    return {"deploy": {"resources": {"reservations": {"devices": wanted}}}}


def _visible(server: Server, number: int) -> dict[str, str]:
    ids = ",".join(str(server.gpus * number + place) for place in range(server.gpus))
    token = {"HF_TOKEN": "${HF_TOKEN:-}"} if server.engine == "vllm" else {}
    return token | {"HIP_VISIBLE_DEVICES": ids}


def _gateway(site: Site, wishes: Wishes, servers: list[str]) -> dict[str, Any]:
    service: dict[str, Any] = {
        "image": wishes.gateway_image,
        "build": "./gateway",
        "restart": "unless-stopped",
        "ports": [f"127.0.0.1:{gateway.PORT}:{gateway.PORT}"],
        "volumes": [f"./gateway/crossover.toml:{gateway.CONFIG}:ro", f"ledger:{gateway.DATA}"],
        "healthcheck": {"test": ["CMD", "python", "-c", _ask()], "start_period": "30s", **_CHECK},
        "security_opt": ["no-new-privileges:true"],
        "read_only": True,
        "tmpfs": ["/tmp"],  # noqa: S108 - of the container
    }
    if servers:
        service["depends_on"] = {name: {"condition": "service_started"} for name in servers}
    if site.sellers:
        service["secrets"] = [one.key_env.lower() for one in site.sellers]
    return service


def _ask() -> str:
    return f"import urllib.request as r; r.urlopen('http://127.0.0.1:{gateway.PORT}/health', timeout=4)"


def _volumes(site: Site) -> dict[str, Any]:
    volumes: dict[str, Any] = {"ledger": {}}
    if site.server is not None and site.server.engine == "vllm":
        volumes["models"] = {}
    return volumes


def steps(site: Site) -> list[str]:
    """What to do, as lines of a page."""
    made = [_secret(one) for one in site.sellers]
    if site.server is not None and site.server.engine == "vllm":
        made.append("`export HF_TOKEN=…` where the model's licence asks for it")
    made += [
        "`docker compose config --quiet` checks the file",
        "`docker compose up -d --build` starts everything; a model may take long to be downloaded",
        "`docker compose exec gateway crossover keys create me` makes the first key",
        "`curl http://127.0.0.1:4000/ready` says how each deployment stands",
    ]
    return made


def _secret(seller: Seller) -> str:
    file = f"secrets/{seller.key_env.lower()}"
    owner = f"sudo install -D -m 600 -o {gateway.USER} /dev/stdin {file}"
    return f"`{owner}`, then paste the key of {seller.zone.party} and end with Ctrl-D"
