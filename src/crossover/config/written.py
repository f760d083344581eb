"""The text of a first ``crossover.toml``: what was found on this machine, with every table explained."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from crossover.config.check import Known
from crossover.config.defaults import EMBED_ALIAS, EMBEDDED, EMBEDDED_MODEL, LOCAL, alias_targets, deployment_of
from crossover.config.found import FoundKey, FoundModel, named
from crossover.textfile import dotted

_HEAD = """\
#:schema ./crossover.schema.json
# What Crossover serves, to whom, by which rules. `crossover config check` reads this file and says what is wrong; a
# running gateway takes changes by itself. The schema for editors, anew: crossover config schema > crossover.schema.json

# How targets are ranked where neither header, key nor alias says it:
# local_first, cheapest, fastest, quality_first or pinned.
policy = "local_first"
# require_keys = true        # every request needs a key; without this line: as soon as one exists
# regimes = ["gdpr"]         # law that binds all traffic; zones then need the right agreements
# sensitivity = "soft"       # label of all traffic: soft, hard, a category or local_only; it can only be raised

[server]
host = "127.0.0.1"           # anything but loopback needs require_keys = true
port = 4000
# tls_cert = "cert.pem"      # absolute or beside this file
# tls_key = "key.pem"

# Zones are places that you declare: who runs the machines, where, under which agreements. Nothing is guessed from an
# address. What is found in a request decides which zones may have it: see [privacy] below.
"""
_TAIL = """\
# Every request is looked at before it goes anywhere. balanced: secrets, cards, identity numbers and health stay on your
# own machines; names and addresses are replaced by placeholders on their way out, and come back in the answer.
# strict, balanced, open, a profile of your own, or off. What your traffic holds: crossover privacy scan
[privacy]
profile = "balanced"
# [privacy.rules.projects]
# words = ["Project Falcon"]  # what else is sensitive here
# [privacy.profiles.mine]
# base = "balanced"
# actions = { email = "redact" }

# Limits on what may be spent. What a request may cost is set aside before it is sent.
# [budgets.all]
# usd = 100
# period = "month"           # day, week, month or total; UTC

# How long is waited, in seconds or as "500ms", "30s", "5m". A deployment can have its own [deployments.NAME.timeouts].
# [timeouts]
# connect = 5
# first_byte = 60
# gap = 30                   # between two pieces of an answer
# total = 600
# cold = 300                 # while a local engine still loads the model

# Only requests that were not accepted are sent to the same deployment again.
# [retries]
# attempts = 2
# fallbacks = 3              # other permitted deployments that may be tried

# When a failing deployment rests.
# [breaker]
# failures = 3
# rest = "5s"

# How long the ledger keeps rows, in days. Prompts and answers are not kept unless you say so.
# [retention]
# records = 400
# bodies = false
"""
_EXAMPLE_LOCAL = """\
# No engine answered on this machine. When one does:
# [deployments.my-model]
# provider = "ollama"        # or vllm, llamacpp, lmstudio, sglang, mlx
# model = "llama3.1:8b"
# zone = "local"
# concurrency = 4            # calls at once; more wait
# queue = 100

"""
_EXAMPLE_API = """\
# An API to fall back to. The key stays in the environment, or in a file: api_key = "file:/run/secrets/openai".
# [zones.openai]
# operator = "provider"
# party = "openai"
# agreements = ["dpa"]       # what is signed or in force with that party
# [deployments.openai]
# provider = "openai"
# model = "NAME"
# zone = "openai"
# api_key = "${OPENAI_API_KEY}"

"""


def written(models: Sequence[FoundModel], keys: Sequence[FoundKey], known: Known) -> str:
    """The file. Of keys it holds the names of variables; a provider whose model nobody can tell stays disabled."""
    apis = {key.provider: key for key in keys}
    parts = [_HEAD, _zone(LOCAL, {"operator": "own"})]
    parts += [_provider_zone(key, known) for key in keys]
    parts.append(
        "# Deployments are places where a model answers. Names are yours; `provider` is a row of the registry.\n"
    )
    parts += [_found(name, model) for name, model in named(models).items()]
    if not models:
        parts.append(_EXAMPLE_LOCAL)
    parts.append(_embedded(commented=all_chat(models)))
    parts += [_api(key, known) for key in keys]
    if not keys:
        parts.append(_EXAMPLE_API)
    ready = tuple(name for name, key in apis.items() if usable(key, known))
    parts.append("# Aliases are the names that clients ask for, with their deployments in order of preference.\n")
    for name, targets in alias_targets(models).items():
        parts.append(_alias(name, targets, () if name == EMBED_ALIAS else ready))
    return "".join(parts) + _TAIL


def usable(key: FoundKey, known: Known) -> bool:
    """Whether a deployment can be written that works as it stands: its model and its address are known."""
    return key.model is not None and known[key.provider].base_url is not None


def all_chat(models: Sequence[FoundModel]) -> bool:
    """Whether an engine of this machine chats, so that the embedded model is not needed."""
    return any(not model.embeds for model in models)


def _provider_zone(key: FoundKey, known: Known) -> str:
    title = known[key.provider].title
    note = f"# {title}. Declare what is signed or in force with it: dpa, baa, zero_retention …\n"
    return note + _zone(key.provider, {"operator": "provider", "party": key.provider, "agreements": []})


def _zone(name: str, fields: Mapping[str, object]) -> str:
    return _table(("zones", name), fields)


def _found(name: str, model: FoundModel) -> str:
    one = deployment_of(model)
    fields = {
        "provider": one.provider, "model": one.model, "zone": one.zone, "base_url": one.base_url,
        "context": one.context, "concurrency": one.concurrency or None, "queue": one.queue or None,
        "cannot": list(one.cannot) or None,
    }  # fmt: skip
    return _table(("deployments", name), fields)


def _embedded(*, commented: bool) -> str:
    text = _table(("deployments", EMBEDDED), {"provider": EMBEDDED, "model": EMBEDDED_MODEL, "zone": LOCAL})
    note = "# The embedded model runs inside the gateway. It is tiny: it shows that everything works.\n"
    if not commented:
        return note + text
    return note + "".join(f"# {line}\n" for line in text.strip().splitlines()) + "\n"


def _api(key: FoundKey, known: Known) -> str:
    row = known[key.provider]
    fields: dict[str, object] = {
        "provider": key.provider, "model": key.model or "NAME", "zone": key.provider,
        "base_url": None if row.base_url else row.url_shape, "api_key": f"${{{key.variable}}}",
    }  # fmt: skip
    if usable(key, known):
        note = (
            f"# {key.variable} is set. The model is the cheapest lasting one of medium class; any other name works.\n"
        )
        return note + _table(("deployments", key.provider), fields)
    what = " and ".join(["its model"] * (key.model is None) + ["its address"] * (row.base_url is None))
    note = f"# {key.variable} is set. Write {what}, take out the last line, and add it to an alias.\n"
    return note + _table(("deployments", key.provider), fields | {"enabled": False})


def _alias(name: str, local: Sequence[str], apis: Sequence[str]) -> str:
    """An alias with what works as it stands. The embedded model is no choice where an API can answer."""
    targets = [each for each in local if each != EMBEDDED or not apis] + list(apis)
    text = _table(("aliases", name), {"deployments": targets, "policy": "local_first" if len(targets) > 1 else None})
    if name == EMBED_ALIAS:
        return text
    if apis and len(targets) > len(apis):
        more = "# overflow = true            # a full local queue may then overflow to the API\n"
    else:
        more = "" if apis else "# An API that may answer where nothing local can: add its deployment to the list.\n"
    return text.rstrip("\n") + f"\n{more}\n"


def _table(path: tuple[str, ...], fields: Mapping[str, object]) -> str:
    lines = [f"{name} = {_toml(value)}" for name, value in fields.items() if value is not None]
    return "\n".join([f"[{dotted(path)}]", *lines, "", ""])


def _toml(value: object) -> str:
    """A text, a number, a boolean or a list of texts; JSON's form of these is TOML's."""
    return json.dumps(value, ensure_ascii=False)
