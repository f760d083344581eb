"""Every field of ``crossover.toml``: its unit, its bounds and its meaning, one row each.

The reader checks by these rows, the JSON Schema and the page ``docs/configuration.md`` are made from them. Types and
defaults are those of the structs. ``seconds`` and ``bytes`` may be written as text with a unit (``"30s"``, ``"32MB"``);
a ``file`` is absolute or lies beside crossover.toml.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import msgspec

from crossover.config.settings import (
    AliasSettings,
    BudgetSettings,
    CascadeSettings,
    DashboardSettings,
    DeploymentSettings,
    PriceSettings,
    PrivacySettings,
    ProfileSettings,
    ReserveSettings,
    RetentionSettings,
    RuleSettings,
    ServerSettings,
    Settings,
    WatchSettings,
    ZoneSettings,
)
from crossover.deployment import Timeouts
from crossover.routing.words import BreakerRule, Retries

Unit = Literal["", "seconds", "bytes", "tokens", "dollars", "days", "file", "folder"]
Rows = Mapping[str, "Field"]
_DAY = 86_400.0
_TOKENS = 100_000_000  # of one prompt or answer; more is a typing error
_USD_MTOK = 1_000_000.0  # a dollar a token; more is a typing error
_PRICE = "dollars per million {}; left out: the list price"


class Field(msgspec.Struct, frozen=True):
    """One field: what it means, its unit, and the smallest and largest number it may be."""

    meaning: str
    unit: Unit = ""
    low: float = 0.0
    high: float = 1e9


_SETTINGS: Rows = {
    "server": Field("the HTTP door"),
    "dashboard": Field("the pages for people, on this machine alone"),
    "policy": Field("how targets are ranked where neither header, key nor alias says it"),
    "require_keys": Field("whether every request needs a key; left out: as soon as one key exists"),
    "regimes": Field("regimes of law that bind all traffic, such as hipaa or gdpr"),
    "rules_confirmed": Field("day on which you last compared the rules of law with their sources"),
    "sensitivity": Field(
        "label of all traffic: soft, hard, a category or local_only; several with commas; can only be raised"
    ),
    "sensitivity_header": Field("whether clients may raise the label by header"),
    "policy_header": Field("whether clients may choose the policy by header"),
    "zones": Field("declared places, by name"),
    "deployments": Field("places where a model answers, by name"),
    "aliases": Field("names that clients ask for"),
    "budgets": Field("limits on what may be spent, by name"),
    "timeouts": Field("how long is waited for every deployment"),
    "retries": Field("calls to the same and to other deployments after a failure"),
    "breaker": Field("when a failing deployment rests"),
    "retention": Field("how long the ledger keeps rows"),
    "reserve": Field("what a budget sets aside before a call"),
    "privacy": Field("what is looked for in every request, and what may leave"),
}
_SERVER: Rows = {
    "host": Field("address to listen on; anything but loopback needs require_keys = true"),
    "port": Field("port to listen on; 0 takes a free one", high=65_535),
    "hosts": Field("Host headers accepted beside those of loopback and of the host itself"),
    "tls_cert": Field("PEM file with the certificate chain; absolute or beside crossover.toml", "file"),
    "tls_key": Field("PEM file with its private key", "file"),
    "body_limit": Field("largest body of a request", "bytes", 1024, 2**31),
    "header_limit": Field("largest header of a request, all lines together", "bytes", 1024, 2**20),
    "header_timeout": Field("longest time a client may take for its headers", "seconds", 0.1, 600),
    "body_timeout": Field("longest time a client may take for its body", "seconds", 0.1, 3_600),
    "connections": Field("connections open at once", low=1, high=1_000_000),
    "drain": Field("how long requests in flight may go on when the gateway stops", "seconds", 0, 3_600),
}
_DASHBOARD: Rows = {
    "enabled": Field("whether crossover serve shows it"),
    "port": Field("its port on 127.0.0.1; 0 takes a free one; left out: the one after server.port", high=65_535),
}
_ZONE: Rows = {
    "operator": Field("who runs the machines: own, rented or provider"),
    "party": Field("the name of that operator; needed where it is not you"),
    "country": Field("where data is processed: two letters such as DE"),
    "agreements": Field("what is signed or in force with that party, such as dpa, baa or zero_retention"),
}
_DEPLOYMENT: Rows = {
    "provider": Field("row of the registry: openai, anthropic, ollama, vllm …"),
    "model": Field("the provider's own name of the model"),
    "zone": Field("name of a zone declared in this file"),
    "base_url": Field("address of the API; needed where the provider has none of its own"),
    "api_key": Field('"${NAME}" or "file:PATH"; "none" where an engine wants any text'),
    "context": Field(
        "longest prompt with its answer; for Ollama always say it: it cuts longer ones", "tokens", 1, _TOKENS
    ),
    "max_output": Field("longest answer", "tokens", 1, _TOKENS),
    "concurrency": Field("calls at once; 0: no limit", high=100_000),
    "queue": Field("how many may wait for a place", high=100_000),
    "queue_wait": Field("how long one may wait for a place", "seconds", 0, 3_600),
    "quality": Field("your own rank for the policy quality_first; higher is better", low=-1e9),
    "can": Field("abilities this model has beyond those of its provider's row"),
    "cannot": Field("abilities this model lacks: tools, images, schema, logprobs …"),
    "drops": Field("parameters this model does not accept, by OpenAI's names, such as temperature"),
    "reasoning_field": Field("how this model is told how much to think, where its provider's row is wrong for it"),
    "price": Field("your own price instead of the list price"),
    "timeouts": Field("time-outs of this deployment; what is left out is taken from [timeouts]"),
    "keep_alive": Field('how long Ollama keeps the model loaded: "10m", or "-1m" for ever'),
    "headers": Field('more headers of every call; values may hold "${NAME}" or be "file:PATH"'),
    "options": Field("engine options sent with every call, such as num_gpu for Ollama"),
    "tls_ca": Field("PEM file with the authorities to trust for this deployment", "file"),
    "enabled": Field("false: kept in the file and never called; its secrets are not read"),
}
_PRICE_ROWS: Rows = {
    "like": Field("priced as this model of the price list, such as openai/gpt-4o-mini"),
    "input": Field(_PRICE.format("input tokens"), "dollars", 0, _USD_MTOK),
    "output": Field(_PRICE.format("output tokens"), "dollars", 0, _USD_MTOK),
    "cached_read": Field(_PRICE.format("input tokens read from a cache"), "dollars", 0, _USD_MTOK),
    "cache_write_5m": Field(_PRICE.format("tokens written to a cache for 5 minutes"), "dollars", 0, _USD_MTOK),
    "cache_write_1h": Field(_PRICE.format("tokens written to a cache for an hour"), "dollars", 0, _USD_MTOK),
    "per_hour": Field("dollars of the machine an hour, for own and rented zones", "dollars", 0, 100_000),
    "tokens_per_hour": Field("tokens it does in a busy hour, over which the hour is shared out", "tokens", 1, 1e12),
}
_ALIAS: Rows = {
    "deployments": Field("deployments that may answer, in order of preference"),
    "policy": Field("how they are ranked; left out: the policy of the file"),
    "sensitivity": Field("label of all requests to this name; it can only raise what is known"),
    "overflow": Field("whether a full local queue may overflow to a permitted API"),
    "privacy": Field("privacy profile of this name; beside a key's own the stricter action counts"),
    "strong": Field("the stronger ones, for complexity, cascade and route; left out: those paid by the token"),
    "learned": Field("what crossover route train made; absolute or beside crossover.toml", "file"),
    "cascade": Field("how a cascade judges answers"),
    "watch": Field("how the rule of this name is checked while it is used"),
}
_CASCADE: Rows = {
    "confidence": Field("least geometric mean of the probabilities of an answer's tokens, 0 to 1", high=1),
    "stream": Field(
        "what is judged of a stream: hold (the whole, held back until then), first (its beginning) or never"
    ),
    "first_tokens": Field("pieces of a stream that are held back and judged with first", low=1, high=10_000),
    "second": Field("another own deployment that is asked the same, to see whether the two agree"),
}
_WATCH: Rows = {
    "explore": Field(
        "share of all requests that get both answers at random, so that the rule can be checked", high=0.5
    ),
    "shadow": Field("own deployment that is asked in the background what a paid one answered"),
    "shadow_share": Field("share of such requests that it is asked", high=1),
    "grader": Field("who compares two answers: agreement (of their words), or the name of a model that judges"),
    "per_day": Field("pairs of answers compared in 24 hours at most", high=1_000_000),
}
_BUDGET: Rows = {
    "usd": Field("at most so many dollars a period", "dollars", 0, 1e9),
    "period": Field("day, week, month or total; periods are UTC"),
    "keys": Field("ids of keys that draw on it together; * for all"),
    "aliases": Field("aliases or deployments it counts; * for all"),
}
_TIMEOUTS: Rows = {
    "connect": Field("for a connection", "seconds", 0.01, 600),
    "first_byte": Field("for the first byte of a streamed answer", "seconds", 0.01, _DAY),
    "whole": Field("for an answer in one piece, which models send when all is written", "seconds", 0.01, _DAY),
    "gap": Field("between two pieces of an answer", "seconds", 0.01, _DAY),
    "total": Field("for a whole answer", "seconds", 0.01, _DAY),
    "cold": Field("for the first byte while a local engine still loads the model", "seconds", 0.01, _DAY),
}
_RETRIES: Rows = {
    "attempts": Field("calls to one deployment, the first included", low=1, high=20),
    "backoff": Field("first wait before the same deployment is called again, doubled each time", "seconds", 0, 600),
    "backoff_max": Field("longest such wait", "seconds", 0, 3_600),
    "fallbacks": Field("other deployments that may be tried after the first", high=100),
}
_BREAKER: Rows = {
    "failures": Field("failures in a row after which a deployment rests", low=1, high=10_000),
    "window": Field("how long calls count", "seconds", 1, 3_600),
    "share": Field("share of failed calls at which it rests, 0 to 1", low=0.01, high=1),
    "minimum": Field("calls in the window before the share counts", low=1, high=100_000),
    "rest": Field("first rest, doubled each time", "seconds", 0.1, _DAY),
    "rest_max": Field("longest rest", "seconds", 0.1, _DAY),
    "probes": Field("calls at a time that are let through afterwards", low=1, high=1_000),
}
_RETENTION: Rows = {
    "records": Field("rows of requests; 0: for ever", "days", 0, 36_500),
    "bodies": Field("whether prompts and answers are kept"),
    "bodies_days": Field("prompts and answers; 0: for ever", "days", 0, 36_500),
    "audit_days": Field("entries of the audit of what left; 0: for ever", "days", 0, 36_500),
}
_RESERVE: Rows = {
    "output_tokens": Field("answer assumed where the request states no maximum", "tokens", 1, _TOKENS),
}
_PROFILE: Rows = {
    "base": Field("the profile whose rows count where this one says nothing"),
    "actions": Field("by category, kind or opaque: allow, redact, local_only or block, for places outside"),
    "zones": Field("the same for single zones, by name"),
}
_RULE: Rows = {
    "pattern": Field("what is sensitive, as a regular expression of RE2"),
    "words": Field("words or phrases that are sensitive"),
    "file": Field("file with such words, one a line; absolute or beside crossover.toml", "file"),
    "header": Field("name of a header whose presence makes a request sensitive"),
    "field": Field("name of a field whose value is sensitive"),
    "value": Field("pattern that the value of the header or field must hold; left out: any value"),
    "category": Field("category of what is found: secrets, financial, health, identifiers, personal or custom"),
    "ignore_case": Field("whether upper and lower case are the same"),
}
_PRIVACY: Rows = {
    "profile": Field("strict, balanced, open, a profile of this file, or off"),
    "names": Field("whether names and addresses are looked for"),
    "health": Field("whether texts about somebody's health are looked for"),
    "presidio": Field("whether Presidio is asked as well; it must be installed"),
    "models": Field(
        "folder with models trained by crossover privacy train; absolute or beside crossover.toml", "folder"
    ),
    "keys": Field("profile by key id; beside an alias's own the stricter action counts"),
    "profiles": Field("your own profiles, by name"),
    "rules": Field("your own rules, by name"),
}
FIELDS: Mapping[type[msgspec.Struct], Rows] = MappingProxyType(
    {
        Settings: _SETTINGS,
        ServerSettings: _SERVER,
        DashboardSettings: _DASHBOARD,
        ZoneSettings: _ZONE,
        DeploymentSettings: _DEPLOYMENT,
        PriceSettings: _PRICE_ROWS,
        AliasSettings: _ALIAS,
        CascadeSettings: _CASCADE,
        WatchSettings: _WATCH,
        BudgetSettings: _BUDGET,
        Timeouts: _TIMEOUTS,
        Retries: _RETRIES,
        BreakerRule: _BREAKER,
        RetentionSettings: _RETENTION,
        ReserveSettings: _RESERVE,
        PrivacySettings: _PRIVACY,
        ProfileSettings: _PROFILE,
        RuleSettings: _RULE,
    }
)
