"""Whether what was measured still answers: fingerprints of what stands behind the names that figures are about.

An evaluation is about everything that answers under a name (``identity``), a load test about the weights of a model
(``digest``). Both are compared with what the configuration in force says now. An engine that must be asked (Ollama) is
asked on this machine, and only where a figure is about it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

import msgspec

from crossover.config import Paths
from crossover.config.settings import Settings
from crossover.errors import CrossoverError
from crossover.evaluation.proof import mark_of
from crossover.evidence import Evidence
from crossover.routing.words import Route
from crossover.runtime.engines import Inside, look
from crossover.runtime.evaluating import identity, parted
from crossover.transport import Transport


def identities(rows: Iterable[Evidence], settings: Settings, paths: Paths) -> tuple[tuple[str, str], ...]:
    """What answers now behind the names of these figures, as ``Question.identities`` wants it.

    A name that the settings do not know has none, and so has one whose weights nobody can tell.
    """
    judged = [row for row in rows if "identity" in row.context or "digest" in row.context]
    if not judged:
        return ()
    digests = asyncio.run(_digests(settings, paths, judged))
    found: dict[str, str] = {}
    for row in judged:
        if "identity" in row.context:
            route = _route(row.subject, settings)
            if route is not None and all(one in digests for one in route.targets):
                found[f"identity:{row.subject}"] = mark_of(identity(route, settings, lambda name: digests[name]))
    for name, digest in digests.items():
        if digest:
            found.setdefault(f"digest:{settings.deployments[name].model}", digest)
    return tuple(found.items())


async def _digests(settings: Settings, paths: Paths, rows: list[Evidence]) -> dict[str, str]:
    """Deployment → fingerprint of its weights, "" where none is known; only deployments that a figure is about."""
    wanted: set[str] = set()
    models = {str(row.context.get("model", "")) for row in rows if "digest" in row.context}
    for row in rows:
        route = _route(row.subject, settings) if "identity" in row.context else None
        wanted |= set(route.targets) if route is not None else set()
    wanted |= {name for name, one in settings.deployments.items() if one.enabled and one.model in models}
    some = {name: settings.deployments[name] for name in sorted(wanted)}
    said: Mapping[str, str] = {}
    if any(one.provider == "ollama" for one in some.values()):
        transport = Transport()
        try:
            said = (await look(msgspec.structs.replace(settings, deployments=some), transport)).digest
        finally:
            await transport.aclose()
    inside = Inside(paths.models)
    found: dict[str, str] = {}
    for name, one in some.items():
        if one.provider == "ollama" and name not in said:
            continue  # it does not answer: nobody knows
        try:
            found[name] = said.get(name) or inside.mark(name, one)
        except CrossoverError:
            continue  # its file is gone
    return found


def _route(name: str, settings: Settings) -> Route | None:
    """The deployments behind a name or ``name@policy``, as the gateway would ask them; None where there are none."""
    model, policy = parted(name)
    alias = settings.aliases.get(model)
    enabled = {key for key, one in settings.deployments.items() if one.enabled}
    if alias is not None:
        targets = tuple(one for one in alias.deployments if one in enabled)
        own = alias.policy or settings.policy
    else:
        same = [key for key in sorted(enabled) if key == model] or [
            key for key in sorted(enabled) if settings.deployments[key].model == model
        ]
        targets, own = (same[0],) if len(same) == 1 else (), "pinned"
    if not targets:
        return None
    return msgspec.convert({"name": model, "targets": targets, "policy": policy or own}, Route)
