"""What may go where in the worlds of walls, written down once more.

Independent of ``crossover.privacy.policy``: profiles as plain tables, from which the configuration is written and by
which everything that arrived anywhere is judged.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Literal, NamedTuple

from crossover.providers.answers import FakeDialect
from tests.gateway.canaries import RULES

Action = Literal["allow", "redact", "local_only", "block"]
Rows = dict[str, Action]
ACTIONS: tuple[Action, ...] = ("allow", "redact", "local_only", "block")
CATEGORIES = ("secrets", "financial", "health", "identifiers", "personal", "custom")
LOCAL = frozenset({"here", "lent"})  # zones that are no provider's
_HOME_FIRST: Rows = dict.fromkeys(CATEGORIES, "local_only")
SHIPPED: dict[str, Rows] = {
    "strict": {**_HOME_FIRST, "opaque": "local_only"},
    "balanced": {**_HOME_FIRST, "personal": "redact", "opaque": "local_only"},
    "open": {**_HOME_FIRST, "personal": "allow", "opaque": "allow"},
}
KINDS = (
    "email", "phone", "payment_card", "iban", "token", "api_key", "password", "national_id", "tax_id",
    "social_security_number", "falcon", "docket", "case", "person", "address",
)  # fmt: skip


class Matrix(NamedTuple):
    """A profile as tables: its rows, and those of zones."""

    rows: Rows
    zones: dict[str, Rows]


class Law(NamedTuple):
    """What a configuration says: profiles by name, the one in force, those of keys (by their names) and aliases."""

    profiles: Mapping[str, Matrix]
    default: str
    keys: Mapping[str, str]
    aliases: Mapping[str, str]

    def judges(self, key: str, alias: str) -> list[Matrix]:
        """The matrices for a key and a name; none where privacy is off for both."""
        said = [one for one in (self.keys.get(key), self.aliases.get(alias)) if one is not None] or [self.default]
        return [self.profiles[name] for name in said if name != "off"]

    def action(self, key: str, alias: str, zone: str, category: str, kind: str = "", *, soft: bool = False) -> Action:
        """What may happen to a finding on its way to a zone; ``soft``: one of a category that is hard otherwise."""
        found = [_of(matrix, zone, category, kind, soft) for matrix in self.judges(key, alias)]
        return max(found, key=ACTIONS.index, default="allow")


def _of(matrix: Matrix, zone: str, category: str, kind: str, soft: bool) -> Action:
    """The row of the kind, else of the category; of what is soft the laxer of that and of what is personal."""
    of_zone = matrix.zones.get(zone, {})
    says = kind in of_zone or category not in of_zone
    named = _row(matrix, zone, kind) if kind not in CATEGORIES and says else None
    if named is not None:
        return named
    row = _row(matrix, zone, category)
    assert row is not None, f"no row for {category}"
    if not soft or category == "personal":
        return row
    return min(row, _row(matrix, zone, "personal") or row, key=ACTIONS.index)


def _row(matrix: Matrix, zone: str, name: str) -> Action | None:
    """A zone's own row, else the profile's, which at home only blocks."""
    if name in matrix.zones.get(zone, {}):
        return matrix.zones[zone][name]
    said = matrix.rows.get(name)
    return said if said is None or said == "block" or zone not in LOCAL else "allow"


# --------------------------------------------------------------------------------------------------------- the places


class Deployed(NamedTuple):
    """A deployment of the world."""

    provider: str
    zone: str
    dialect: FakeDialect
    more: str = ""


PLACES: dict[str, Deployed] = {
    "own": Deployed("vllm", "here", "openai", "concurrency = 3\nqueue = 2\nqueue_wait = 0.01"),
    "second": Deployed("ollama", "here", "ollama"),
    "lent": Deployed("vllm", "lent", "openai", "concurrency = 4"),
    "paid": Deployed("openai-compatible", "west", "openai"),
    "plain": Deployed("openai-compatible", "east", "openai", "quality = 5"),
    "dear": Deployed("anthropic", "west", "anthropic", "quality = 9"),
    "other": Deployed("gemini", "east", "gemini"),
    "cloud": Deployed("ollama", "north", "ollama"),
}
PORTS = {9100 + number: name for number, name in enumerate(PLACES)}
URLS = {name: f"http://127.0.0.1:{port}" for port, name in PORTS.items()}
ALIASES: dict[str, tuple[str, str]] = {
    "auto": ('["own", "second", "lent", "paid", "dear", "other", "cloud", "plain"]', "overflow = true"),
    "away-first": ('["paid", "dear", "other", "own"]', 'policy = "quality_first"'),
    "away": ('["dear", "plain", "cloud", "other", "paid"]', 'policy = "cheapest"'),
    "mixed": ('["plain", "lent", "cloud", "dear"]', 'policy = "fastest"\noverflow = true'),
    "pinned-away": ('["other", "own"]', 'policy = "pinned"'),
    "ill": ('["paid", "second", "plain"]', 'policy = "quality_first"\nsensitivity = "health"\noverflow = true'),
}
NAMES = (*ALIASES, "auto", "away", "away", "away-first", "paid", "dear", "other", "cloud", "model-of-plain")
CALM = """
[breaker]
failures = 8
rest = 0.1
rest_max = 0.1
[timeouts]
total = 5
"""
TOP = """
require_keys = true
[server]
port = 0
[retries]
backoff = 0
[zones.here]
operator = "own"
[zones.lent]
operator = "rented"
party = "a landlord"
[zones.west]
operator = "provider"
party = "somebody"
agreements = ["dpa", "baa"]
[zones.east]
operator = "provider"
party = "another"
[zones.north]
operator = "provider"
party = "a third"
[budgets.small]
usd = 0.02
period = "total"
aliases = ["mixed"]
"""


def law_of(chance: random.Random) -> Law:
    """Random matrices upon each other, for keys and names by chance."""
    profiles = {name: Matrix(dict(rows), {}) for name, rows in SHIPPED.items()}
    for number in range(4):
        base = profiles[chance.choice(sorted(profiles))]
        rows = {name: _drawn(chance) for name in (*CATEGORIES, "opaque", *KINDS) if chance.random() < 0.55}
        zones = {name: dict(own) for name, own in base.zones.items()}
        for zone in chance.sample(("west", "east", "north", "here"), chance.randrange(3)):
            own = {name: _drawn(chance, zone in LOCAL) for name in (*CATEGORIES, *KINDS) if chance.random() < 0.15}
            zones[zone] = {**zones.get(zone, {}), **own}
        profiles[f"own{number}"] = Matrix({**base.rows, **rows}, zones)
    own_names = [name for name in profiles if name not in SHIPPED]
    names = (*SHIPPED, "off", *own_names, *own_names)
    return Law(
        profiles=profiles,
        default=chance.choice((*SHIPPED, *own_names)),
        keys={key: chance.choice(names) for key in ("first", "second")},
        aliases={name: chance.choice(names) for name in ALIASES if chance.random() < 0.4},
    )


def _drawn(chance: random.Random, local: bool = False) -> Action:
    stays: Action = "block" if local or chance.random() < 0.3 else "local_only"
    return chance.choice(("allow", "allow", "redact", "redact", "redact", "redact", stays))


def written(
    law: Law, ids: Mapping[str, str], *, models: bool = False, urls: Mapping[str, str] = URLS, waits: str = CALM
) -> str:
    """The configuration that says this law. ``ids`` are the keys' ids by their names, ``urls`` where places answer."""
    lines = [TOP if ids else TOP.replace("require_keys = true", ""), waits]
    for name, one in PLACES.items():
        key = 'api_key = "${KEY}"\nprice.input = 1.0\nprice.output = 2.0\n' if outside(name) else ""
        path = "/v1" if one.dialect == "openai" else ""
        lines.append(
            f'[deployments.{name}]\nprovider = "{one.provider}"\nmodel = "model-of-{name}"\nzone = "{one.zone}"\n'
            f'base_url = "{urls[name]}{path}"\n{key}{one.more}\n'
        )
    for name, (deployments, rest) in ALIASES.items():
        own = f'privacy = "{law.aliases[name]}"\n' if name in law.aliases else ""
        lines.append(f"[aliases.{name}]\ndeployments = {deployments}\n{own}{rest}\n")
    keys = {ids[name]: profile for name, profile in law.keys.items() if name in ids}
    told = f"names = {str(models).lower()}\nhealth = {str(models).lower()}\npresidio = true\n"
    lines.append(f'[privacy]\nprofile = "{law.default}"\n{told}keys = {_table(keys)}\n')
    for name, matrix in law.profiles.items():
        if name not in SHIPPED:
            lines.append(f'[privacy.profiles.{name}]\nbase = "strict"\nactions = {_table(matrix.rows)}\n')
            lines += [
                f"[privacy.profiles.{name}.zones]\n{zone} = {_table(own)}\n"
                if number == 0
                else f"{zone} = {_table(own)}\n"
                for number, (zone, own) in enumerate(matrix.zones.items())
            ]
    return "\n".join((*lines, RULES))


def outside(deployment: str) -> bool:
    """Whether a deployment is a provider's."""
    return PLACES[deployment].zone not in LOCAL


def _table(rows: Mapping[str, str]) -> str:
    return "{ " + ", ".join(f'{name} = "{value}"' for name, value in rows.items()) + " }"
