"""Which engines run on this machine: asked on their own ports, all at once, told apart by what they say.

A port number proves nothing: every port is asked everything, and only an answer that fits a row of
``data/engines.csv`` counts. Nothing that a strange server does is an error here.
"""

from __future__ import annotations

import asyncio
import csv
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from crossover.deployment import Timeouts
from crossover.engines.words import EngineKind, Found, Row
from crossover.errors import InputError, UpstreamError
from crossover.transport import Transport, endpoint, head

DATA = Path(__file__).with_name("data")
PATIENCE_S = 0.4  # on loopback a live server answers within milliseconds; a hanging one is not waited for
MOST_BYTES = 4 * 2**20


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One answer, small and complete: status 0 where there was none."""

    status: int = 0
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    body: bytes = b""

    def json(self) -> Any:
        """The body as JSON; None where it is none."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, RecursionError):
            return None


NO_ANSWER = Answer()


@functools.cache
def rows() -> tuple[Row, ...]:
    """The known engines; where two fit one answer, the earlier row counts."""
    text = (DATA / "engines.csv").read_text(encoding="utf-8")
    return tuple(msgspec.convert(row, Row, strict=False) for row in csv.DictReader(text.splitlines()))


def row_of(kind: EngineKind) -> Row:
    """The row of one engine."""
    return {row.kind: row for row in rows()}[kind]


async def discover(
    transport: Transport, *, ports: Sequence[int] | None = None, host: str = "127.0.0.1", patience: float = PATIENCE_S
) -> tuple[Found, ...]:
    """The engines that answer on ``host`` within ``patience`` seconds, ordered as the rows, then by port.

    ``ports`` replaces the engines' own ports. Never raises for what a server does.
    """
    asked = dict.fromkeys(ports if ports is not None else (row.port for row in rows()))
    found = await asyncio.gather(*(_at(transport, f"http://{_bracketed(host)}:{port}", patience) for port in asked))
    order = [row.kind for row in rows()]
    return tuple(sorted((one for one in found if one is not None), key=lambda one: order.index(one.kind)))


async def identify(transport: Transport, url: str, *, patience: float = 2.0) -> Found | None:
    """Which engine answers at ``url`` (``http://host:port``, with or without ``/v1``); None where it is none known."""
    return await _at(transport, url.rstrip("/").removesuffix("/v1"), patience)


async def fetch(
    transport: Transport, url: str, path: str, *, patience: float, body: Any = None, limit: int = MOST_BYTES
) -> Answer:
    """GET (or POST of JSON) with all errors turned into :data:`NO_ANSWER`."""
    timeouts = Timeouts(connect=patience, first_byte=patience, gap=patience, total=patience)
    headers = [("accept", "application/json, text/plain;q=0.9, */*;q=0.1")]
    try:
        place = endpoint(url)
        if body is None:
            start, data = head(place, "GET", path, headers), b""
        else:
            start = head(place, "POST", path, [*headers, ("content-type", "application/json")])
            data = msgspec.json.encode(body)
        with await transport.send(place, start, data, timeouts) as reply:
            return Answer(status=reply.status, headers=reply.headers, body=await reply.read(limit))
    except (UpstreamError, InputError):
        return NO_ANSWER


async def _at(transport: Transport, url: str, patience: float) -> Found | None:
    paths = tuple(dict.fromkeys(row.probe for row in rows()))
    given = await asyncio.gather(*(fetch(transport, url, path, patience=patience) for path in paths))
    answers = dict(zip(paths, given, strict=True))
    for row in rows():
        answer = answers[row.probe]
        if answer.status and _TELLS[row.tell](answer, row.value):
            return Found(
                kind=row.kind,
                title=row.title,
                url=url,
                base_url=url + row.base,
                dialect=row.dialect,
                loading=answer.status == 503,
            )
    return None


def _says_text(answer: Answer, value: str) -> bool:
    return answer.status == 200 and answer.body.strip() == value.encode()


def _true_field(answer: Answer, value: str) -> bool:
    said = answer.json()
    return answer.status == 200 and isinstance(said, dict) and said.get(value) is True


def _owned_by(answer: Answer, value: str) -> bool:
    return any(isinstance(one, dict) and one.get("owned_by") == value for one in _listed(answer))


def _server(answer: Answer, value: str) -> bool:
    """By the header; while it loads, llama.cpp lists nothing yet. Some builds give no header but own their models."""
    if answer.headers.get("server") == value:
        return answer.status == 503 or isinstance(answer.json(), dict)
    return _owned_by(answer, value.replace(".", ""))


def _bare_list(answer: Answer, value: str) -> bool:
    said = answer.json()
    if not answer.headers.get("server", "").startswith(value) or not isinstance(said, dict):
        return False
    listed = _listed(answer)
    bare = all(isinstance(one, dict) and set(one) == {"id", "object", "created"} for one in listed)
    return said.keys() == {"object", "data"} and said["object"] == "list" and bare


def _listed(answer: Answer) -> list[Any]:
    said = answer.json() if answer.status == 200 else None
    listed = said.get("data") if isinstance(said, dict) else None
    return listed if isinstance(listed, list) else []


_TELLS: dict[str, Callable[[Answer, str], bool]] = {
    "text": _says_text,
    "true_field": _true_field,
    "owned_by": _owned_by,
    "server": _server,
    "bare_list": _bare_list,
}


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
