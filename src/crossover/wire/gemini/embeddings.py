"""Embeddings in the Gemini dialect: ``embedContent`` for one text, ``batchEmbedContents`` for many."""

from __future__ import annotations

from typing import Any

from crossover.chat import Caller, EmbedRequest, EmbedResponse
from crossover.errors import UpstreamError
from crossover.usage import Usage
from crossover.wire import checks, fit, tree, vectors
from crossover.wire.failure import unsupported
from crossover.wire.gemini import shapes
from crossover.wire.gemini.upstream import path_of
from crossover.wire.words import Outgoing, Profile


def read_embed(tree: dict[str, Any], caller: Caller, *, model: str) -> EmbedRequest:
    """The request of a parsed body of either method. RequestError 400 names the field that is wrong."""
    checks.table(tree, "the body")
    batch = tree.get("requests")
    rows = [(tree, "")] if batch is None else _rows(batch)
    inputs = tuple(_text(row, at) for row, at in rows)
    sizes = {_size(row, at) for row, at in rows}
    if len(sizes) > 1:
        raise checks.wrong("requests", "a list whose outputDimensionality is the same throughout")
    kinds = {name: value for row, _ in rows for name in ("taskType", "title") if (value := shapes.field(row, name))}
    return EmbedRequest(
        model=checks.name(model, "model"),
        inputs=inputs,
        dimensions=sizes.pop(),
        extra=kinds or None,
        dialect="gemini",
        tree=tree,
        caller=caller,
    )


def _rows(batch: Any) -> list[tuple[dict[str, Any], str]]:
    rows = checks.rows(batch, "requests")
    if not rows:
        raise checks.wrong("requests", "a list with a request in it")
    return [(checks.table(row, f"requests[{place}]"), f"requests[{place}].") for place, row in enumerate(rows)]


def _text(row: dict[str, Any], at: str) -> str:
    content = checks.table(row.get("content"), f"{at}content")
    parts = checks.rows(content.get("parts"), f"{at}content.parts")
    texts = [
        checks.text(checks.table(part, f"{at}content.parts[{place}]").get("text"), f"{at}content.parts[{place}].text")
        for place, part in enumerate(parts)
    ]
    return "\n".join(texts)


def _size(row: dict[str, Any], at: str) -> int | None:
    size = shapes.field(row, "outputDimensionality")
    return None if size is None else checks.whole(size, f"{at}outputDimensionality", 1)


def write_embed(request: EmbedRequest, profile: Profile) -> Outgoing:
    """The request for one target: always the method for many texts."""
    foreign = frozenset() if request.dialect in (None, "gemini") else frozenset(request.extra or ())
    refused = frozenset({"user"}) | profile.drops | foreign
    said = [name for name, value in (("user", request.user), ("dimensions", request.dimensions)) if value is not None]
    dropped = fit.dropped([*said, *(request.extra or ())], refused, profile.model)
    model = profile.model if "/" in profile.model else f"models/{profile.model}"
    common: dict[str, Any] = {"model": model}
    if request.dimensions is not None:
        common["outputDimensionality"] = request.dimensions
    common.update({name: value for name, value in (request.extra or {}).items() if name not in refused})
    rows = []
    for text in request.inputs:
        if type(text) is not str:
            raise unsupported("the Gemini dialect embeds texts, not lists of tokens")
        rows.append({**common, "content": {"parts": [{"text": text}]}})
    return Outgoing(
        path=path_of(profile, "batchEmbedContents"), body=tree.dump({"requests": rows}), dropped=tuple(dropped)
    )


def read_embedded(body: bytes) -> EmbedResponse:
    """The vectors of an answer of either method, in order."""
    found = tree.body_of(body)
    rows = tree.rows(found.get("embeddings")) or [found.get("embedding")]
    made = tuple(vectors.floats(tree.table(row).get("values")) for row in rows)
    if not made or any(not vector for vector in made):
        raise UpstreamError("the answer has no vectors", upstream="malformed")
    said = tree.table(shapes.field(found, "usageMetadata"))
    tokens = tree.count(shapes.field(said, "promptTokenCount"))
    return EmbedResponse(
        vectors=made, usage=None if tokens is None else Usage(input=tokens), raw=body, dialect="gemini"
    )


def write_embedded(response: EmbedResponse, request: EmbedRequest) -> bytes:
    """The body of an answer, in the shape of the method that was called."""
    batch = "requests" in (request.tree or {})
    own = response.raw is not None and response.dialect == "gemini"
    if response.raw is not None and own and batch:
        return response.raw
    rows = [{"values": vectors.floats_of(vector)} for vector in response.vectors]
    body: dict[str, Any] = {"embeddings": rows} if batch else {"embedding": rows[0] if rows else {"values": []}}
    if response.usage is not None:
        body["usageMetadata"] = {"promptTokenCount": response.usage.input, "totalTokenCount": response.usage.input}
    return tree.dump(body)
