"""OpenAI's embeddings and its list of models."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from crossover.chat import NOBODY, Caller, EmbedRequest, EmbedResponse
from crossover.errors import RequestError, UpstreamError
from crossover.wire import checks, fit, tree, vectors
from crossover.wire.openai_errors import error_inside
from crossover.wire.openai_usage import read_usage
from crossover.wire.words import Outgoing, Profile

_KNOWN = frozenset({"model", "input", "dimensions", "encoding_format", "user"})
_FORMATS = ("float", "base64")

# --------------------------------------------------------------------------------------------------------------- door


def read_embed(body: Any, caller: Caller = NOBODY) -> EmbedRequest:
    """A parsed body as a request for vectors: a text, texts, a list of token ids, or lists of them."""
    if type(body) is not dict:
        raise RequestError("the body must be a JSON object", code="invalid_body")
    dimensions = body.get("dimensions")
    encoding = body.get("encoding_format")
    extra = {name: value for name, value in body.items() if name not in _KNOWN and value is not None}
    return EmbedRequest(
        model=checks.name(body.get("model"), "model"),
        inputs=_inputs(body.get("input")),
        dimensions=None if dimensions is None else checks.whole(dimensions, "dimensions", 1),
        encoding="float" if encoding is None else checks.one_of(encoding, "encoding_format", _FORMATS),  # type: ignore[arg-type]
        user=checks.optional_text(body.get("user"), "user"),
        extra=extra or None,
        dialect="openai",
        tree=body,
        caller=caller,
    )


def _inputs(value: Any) -> tuple[str | tuple[int, ...], ...]:
    if type(value) is str:
        return (value,)
    if type(value) is not list or not value:
        raise checks.wrong("input", "a string, a list of strings, or token ids")
    if type(value[0]) is int:
        return (_tokens(value, "input"),)
    return tuple([row if type(row) is str else _tokens(row, f"input[{index}]") for index, row in enumerate(value)])


def _tokens(value: Any, at: str) -> tuple[int, ...]:
    if type(value) is not list or not value:
        raise checks.wrong(at, "a string or a list of token ids")
    return tuple([checks.whole(token, f"{at}[{index}]", 0) for index, token in enumerate(value)])


def write_embedded(response: EmbedResponse, request: EmbedRequest) -> bytes:
    """The body of an answer, its vectors as the client asked: numbers, or base64 of 32-bit floats.

    UpstreamError ``malformed`` where base64 of a target cannot be read.
    """
    if response.dialect == "openai" and response.raw is not None:
        return response.raw
    used = response.usage.input if response.usage is not None else 0
    rows = [
        {"object": "embedding", "index": index, "embedding": _encoded(vector, request.encoding)}
        for index, vector in enumerate(response.vectors)
    ]
    return tree.dump(
        {
            "object": "list",
            "data": rows,
            "model": response.model or request.model,
            "usage": {"prompt_tokens": used, "total_tokens": used},
        }
    )


def _encoded(vector: tuple[float, ...] | str, encoding: str) -> tuple[float, ...] | str:
    if encoding == "base64" and not isinstance(vector, str):
        return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
    return vectors.floats_of(vector) if encoding == "float" else vector


def write_models(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """The list of models. A row holds at least ``id``; ``created``, ``owned_by`` and more are laid over the rest."""
    data = [{"object": "model", "created": 0, "owned_by": "crossover", **row} for row in rows]
    return tree.dump({"object": "list", "data": data})


# ----------------------------------------------------------------------------------------------------------- upstream


def write_embed(request: EmbedRequest, profile: Profile) -> Outgoing:
    """A request for vectors to a target of this dialect."""
    if request.dialect == "openai" and request.tree is not None:
        body = dict(request.tree)
    else:
        body = {"input": [text if isinstance(text, str) else list(text) for text in request.inputs]}
        fields: dict[str, Any] = {
            "dimensions": request.dimensions,
            "encoding_format": None if request.encoding == "float" else request.encoding,
            "user": request.user,
        }
        body.update({name: value for name, value in fields.items() if value is not None})
        if request.dialect is None:
            body.update(request.extra or {})
    dropped = fit.dropped([name for name in body if body[name] is not None], profile.drops, profile.model)
    for name in dropped:
        del body[name]
    body["model"] = profile.model
    return Outgoing(path=profile.path or "/embeddings", body=tree.dump({**profile.options, **body}), dropped=dropped)


class _Row(msgspec.Struct):
    embedding: tuple[float, ...] | str
    index: int = 0


class _Body(msgspec.Struct):
    data: list[_Row] = []
    model: Any = None
    usage: Any = None
    error: Any = None


_DECODER = msgspec.json.Decoder(_Body)


def read_embedded(body: bytes) -> EmbedResponse:
    """Vectors in the order of the inputs. UpstreamError: an ``error`` inside, another shape, nothing in it."""
    try:
        answer = _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = tree.table(tree.parse(body)).get("error")
        if found:
            raise error_inside(found) from None
        raise UpstreamError("the answer is no list of embeddings", upstream="malformed") from None
    if answer.error:
        raise error_inside(answer.error)
    if not answer.data:
        raise UpstreamError("the target answered without a vector", upstream="empty")
    rows = sorted(answer.data, key=lambda row: row.index)
    return EmbedResponse(
        vectors=tuple([row.embedding for row in rows]),
        model=tree.text(answer.model),
        usage=read_usage(answer.usage),
        raw=body,
        dialect="openai",
    )
