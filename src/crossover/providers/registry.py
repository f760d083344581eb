"""Which providers and engines there are: rows of facts, read from one data file.

A provider that differs from another only in facts is a row here; how requests are sent is in :mod:`.http`. The facts
of a row become the :class:`crossover.wire.words.Profile` of a target by :func:`profile`.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from crossover.chat import Dialect
from crossover.deployment import Engine
from crossover.errors import InputError, UnknownNameError
from crossover.evidence import Source
from crossover.wire.words import Profile

Auth = Literal["bearer", "x-api-key", "x-goog-api-key", "api-key", "none"]
StreamUsage = Literal["include_usage", "continuous", "none"]
JsonSchema = Literal["native", "tool", "json"]
MaxTokensField = Literal["max_tokens", "max_completion_tokens"]


class Provider(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A place that serves models, or a kind of engine: what every deployment there has in common.

    ``base_url`` None: every user has an own address, which looks like ``url_shape``; one that is stated
    without any path gets ``path``. ``auth`` is the header the key
    goes into, ``key_env`` the environment variable its users usually keep the key in ("": none is usual). ``local``:
    an engine that users run themselves. ``price_provider`` is its id in the price list ("": it has none). ``can``
    holds abilities by the names that routing uses: what at least one model there can do. ``drops`` and the fields
    after it are those of :class:`~crossover.wire.words.Profile`. ``unverified`` names fields that were not found in
    the maker's own documentation.
    """

    title: str
    dialect: Dialect
    auth: Auth
    can: frozenset[str]
    source: Source
    name: str = ""
    base_url: str | None = None
    url_shape: str = ""
    path: str = ""
    key_env: str = ""
    headers: dict[str, str] = {}
    engine: Engine | None = None
    local: bool = False
    price_provider: str = ""
    drops: frozenset[str] = frozenset()
    max_tokens_field: MaxTokensField = "max_tokens"
    stream_usage: StreamUsage = "include_usage"
    developer_role: bool = False
    flatten_text: bool = False
    reasoning_field: str | None = None
    json_schema: JsonSchema = "native"
    max_output: int | None = None
    note: str = ""
    unverified: frozenset[str] = frozenset()

    @property
    def verified(self) -> bool:
        """Whether every field was found in the maker's own documentation."""
        return not self.unverified


@cache
def _rows() -> MappingProxyType[str, Provider]:
    data = resources.files("crossover.providers").joinpath("data/providers.toml").read_bytes()
    rows = msgspec.toml.decode(data, type=dict[str, Provider])
    return MappingProxyType({name: _named(name, row) for name, row in rows.items()})


def _named(name: str, row: Provider) -> Provider:
    source = msgspec.structs.replace(row.source, verified=row.verified)
    return msgspec.structs.replace(row, name=name, source=source)


def providers() -> dict[str, Provider]:
    """All rows by name; read once."""
    return dict(_rows())


def provider(name: str, field: str | None = None) -> Provider:
    """The row of this name. Raises UnknownNameError with the nearest names; ``field`` says where the name stood."""
    found = _rows().get(name)
    if found is None:
        raise UnknownNameError("provider", name, _rows(), field=field)
    return found


def base_url(row: Provider, stated: str | None = None) -> str:
    """The address to call: what the user stated, with the usual path where it has none, else the row's own.

    Raises InputError where neither says one.
    """
    url = (stated or row.base_url or "").rstrip("/")
    if not url:
        raise InputError(
            f"{row.title} has no address of its own", hint=f"Write base_url, like {row.url_shape}", field="base_url"
        )
    return url if urlsplit(url).path else url + row.path


def profile(
    row: Provider,
    model: str,
    *,
    context: int | None = None,
    max_output: int | None = None,
    keep_alive: str | None = None,
    options: dict[str, Any] | None = None,
    drops: Iterable[str] = (),
    reasoning_field: str | None = None,
) -> Profile:
    """What the dialects need to know of one model there. What a deployment states wins over the row's defaults."""
    return Profile(
        model=model,
        drops=row.drops.union(drops),
        max_tokens_field=row.max_tokens_field,
        max_output=max_output or row.max_output,
        flatten_text=row.flatten_text,
        developer_role=row.developer_role,
        stream_usage=row.stream_usage,
        reasoning_field=reasoning_field or row.reasoning_field,
        json_schema=row.json_schema,
        context=context,
        keep_alive=keep_alive,
        options=options or {},
    )
