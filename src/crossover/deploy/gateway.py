"""The gateway before the servers: its crossover.toml, and the image it runs in."""

from __future__ import annotations

import json
from collections.abc import Mapping

from crossover.deploy.words import Seller, Site, Target, Wishes
from crossover.deployment import Zone
from crossover.textfile import dotted

PORT = 4000
CONFIG = "/etc/crossover/crossover.toml"
DATA = "/data"
USER = 65532  # the number that images without a shell use for nobody
_HEAD = """\
# Written by crossover deploy for: {title}
# What is called where is filled in by the plan; keys stay outside this file. Check a change: crossover config check

policy = "{policy}"
require_keys = true          # crossover keys create NAME, once it runs
{regimes}
[server]
host = "0.0.0.0"
port = {port}
hosts = {hosts}

"""


def config(site: Site, wishes: Wishes, servers: Mapping[str, str], places: int = 0) -> str:
    """``crossover.toml``; ``servers`` are the addresses of the own servers by the names of their deployments.

    ``places`` calls at once go to each: where an autoscaler watches the engine's queue, more than it can take.
    """
    regimes = f"regimes = {json.dumps(list(site.regimes))}\n" if site.regimes else ""
    policy = "quality_first" if site.split else "local_first"
    parts = [
        _HEAD.format(title=site.title, policy=policy, regimes=regimes, port=PORT, hosts=json.dumps(_hosts(wishes)))
    ]
    zones: dict[str, Zone] = {one.zone.name: one.zone for one in site.sellers}
    if site.server is not None:
        zones[site.server.zone.name] = site.server.zone
    parts += [_zone(zone) for zone in zones.values()]
    if site.server is not None:
        parts += [_own(name, url, site, len(servers), places) for name, url in servers.items()]
    parts += [_sold(one, wishes.target, split=site.split) for one in site.sellers]
    names = [*servers, *(one.name for one in site.sellers)]
    more: dict[str, object] = {"overflow": True} if servers and site.sellers and not site.split else {}
    parts.append(_table(("aliases", site.alias), {"deployments": names, **more}))
    return "".join(parts).rstrip("\n") + "\n"


def _hosts(wishes: Wishes) -> list[str]:
    if wishes.target == "compose":
        return ["gateway"]
    return ["gateway", f"gateway.{wishes.namespace}", f"gateway.{wishes.namespace}.svc"]


def _zone(zone: Zone) -> str:
    fields: dict[str, object] = {"operator": zone.operator}
    if zone.operator != "own":
        fields |= {"party": zone.party, "country": zone.country, "agreements": sorted(zone.agreements)}
    return _table(("zones", zone.name), fields)


def _own(name: str, url: str, site: Site, parts: int, places: int) -> str:
    """An own server; where one address stands for every replica, its places are those of all."""
    server = site.server
    assert server is not None
    times = server.replicas if parts == 1 else 1
    rate = float(server.usd_per_hour) * times
    fields = {
        "provider": server.engine, "model": server.model, "zone": server.zone.name, "base_url": url,
        "context": server.context, "concurrency": places, "queue": places, "quality": 1 if site.split else None,
    }  # fmt: skip
    price = {"per_hour": round(rate, 4), "tokens_per_hour": server.tokens_per_hour * times}
    text = _table(("deployments", name), fields)
    return text if not rate else text + _table(("deployments", name, "price"), price)


def _sold(seller: Seller, target: Target, *, split: bool) -> str:
    key = f"${{{seller.key_env}}}" if target == "kubernetes" else f"file:/run/secrets/{seller.key_env.lower()}"
    fields = {
        "provider": seller.provider, "model": seller.model, "zone": seller.zone.name, "base_url": seller.base_url,
        "api_key": key, "quality": 2 if split else None,
    }  # fmt: skip
    text = _table(("deployments", seller.name), fields)
    return text if seller.like is None else text + _table(("deployments", seller.name, "price"), {"like": seller.like})


def _table(path: tuple[str, ...], fields: Mapping[str, object]) -> str:
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in fields.items() if value is not None]
    return "\n".join([f"[{dotted(path)}]", *lines, "", ""])


def dockerfile(wishes: Wishes) -> str:
    """The image of the gateway: this version of Crossover, as a user without rights."""
    return (
        f"FROM {wishes.python_image}\n"
        f"RUN pip install --no-cache-dir crossover-llm=={wishes.version}\n"
        f"RUN mkdir {DATA} && chown {USER}:{USER} {DATA}\n"
        f"USER {USER}:{USER}\n"
        f"ENV CROSSOVER_DATA={DATA}\n"
        f"EXPOSE {PORT}\n"
        f'CMD ["crossover", "serve", "--config", "{CONFIG}"]\n'
    )
