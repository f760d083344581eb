"""All files of a site: what its target needs, and a page that says what to do."""

from __future__ import annotations

from crossover.deploy import compose, kubernetes
from crossover.deploy.words import Artefact, Server, Site, Wishes

README = "README.md"


def artefacts(site: Site, wishes: Wishes) -> list[Artefact]:
    """Every file, the page last."""
    made = compose.artefacts(site, wishes) if wishes.target == "compose" else kubernetes.artefacts(site, wishes)
    return [*made, Artefact(README, _page(site, wishes, [one.path for one in made]))]


def _page(site: Site, wishes: Wishes, paths: list[str]) -> str:
    steps = compose.steps(site) if wishes.target == "compose" else kubernetes.steps(site, wishes)
    parts = [f"# {site.title}", "", f"Option `{site.option}` of a plan, written by `crossover deploy`.", ""]
    if site.server is not None:
        parts += [*_server(site.server, wishes), ""]
    parts += ["## Steps", "", *(f"{number}. {text}" for number, text in enumerate(steps, 1)), ""]
    if site.notes:
        parts += ["## Before it starts", "", *(f"- {text}" for text in site.notes), ""]
    parts += ["## Files", "", *(f"- `{path}`" for path in sorted(paths)), ""]
    parts += ["Keys are named here and never written. `crossover config check` looks at the gateway's file."]
    return "\n".join(parts) + "\n"


def _server(server: Server, wishes: Wishes) -> list[str]:
    where = f"{server.gpus} × {server.accelerator}" if server.gpus else server.accelerator
    spare = f" and {server.spare} in reserve" if server.spare else ""
    lines = [
        f"- {server.model}: {server.replicas} replicas{spare}, each on {where}, by `{server.image}`",
        f"- {server.sequences} sequences at once of up to {server.context:,} tokens",
        f"- ${server.usd_per_hour} an hour and replica, {server.tokens_per_hour:,} tokens in a busy hour, as planned",
    ]
    if wishes.target == "compose":
        return [*lines, "- One machine: compose does not grow; every replica that is paid for runs"]
    if not kubernetes.grows(server, wishes):
        return [*lines, "- A fixed number of replicas: the plan pays for no more (--max-replicas allows them)"]
    kind = "a HorizontalPodAutoscaler" if wishes.autoscaler == "hpa" else "a ScaledObject of KEDA"
    most = max(wishes.most or server.replicas + server.spare, server.replicas)
    text = f"from {server.replicas} to {most} replicas where more than {server.waiting_most} requests a replica wait"
    return [*lines, f"- {kind} grows it {text} (`{server.waiting}`)"]
