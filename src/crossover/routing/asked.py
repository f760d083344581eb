"""What a caller says beside its question: a name, a policy, labels. Labels may only raise what is known already."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from crossover.chat import Caller, ChatRequest, EmbedRequest
from crossover.errors import CrossoverError, RequestError, UnknownNameError, nearest
from crossover.routing.policy import POLICIES
from crossover.routing.words import Route
from crossover.sensitivity import Sensitivity, stricter, unspecified

LOCAL_ONLY = "local_only"  # a label beside those of sensitivity: no paid deployment, whatever was signed
_LONGEST = 1000  # characters of a name or of labels that are looked at: nobody means more


def route_of(routes: Mapping[str, Route], name: str, policy: str | None) -> Route:
    """The route of this name, under the caller's own policy where it states one. RequestError for unknown names."""
    route = routes.get(name)
    if route is None:
        name = name[:_LONGEST]
        close = nearest(name, routes)
        hint = f"Did you mean {' or '.join(close)}?" if close else "GET /v1/models lists the names"
        raise RequestError(f"no model {name!r} here", status=404, code="model_not_found", field="model", hint=hint)
    if policy is None or policy == route.policy:
        return route
    known = next((word for word in POLICIES if word == policy), None)
    if known is None:
        policy = policy[:_LONGEST]
        close = nearest(policy, POLICIES)
        hint = f"Did you mean {' or '.join(close)}?" if close else f"Known: {', '.join(POLICIES)}"
        raise RequestError(f"unknown policy {policy!r}", code="unknown_policy", hint=hint)
    return msgspec.structs.replace(route, policy=known)


def beside(route: Route, caller: Caller, request_id: str, door: str) -> Caller:
    """The caller of a question that is asked because of one under this route: another model's opinion, a judge's.

    Whatever was said of the first holds for the second: labels, law, key, and the name it was asked under, with its
    privacy profile.
    """
    own, tier = route.sensitivity, unspecified(route.sensitivity)
    words = (*sorted(own.categories), "" if tier == "none" else tier, LOCAL_ONLY if route.local_only else "")
    said = [word for word in (caller.sensitivity, *words) if word]
    return Caller(
        request_id=request_id,
        key=caller.key,
        sensitivity=",".join(said) or None,
        regimes=caller.regimes,
        door=door,
        under=(*caller.under, route.name),
    )


def metadata_of(request: ChatRequest | EmbedRequest) -> Mapping[str, Any] | None:
    """What a request says of itself beside its question. RequestError where that is no object."""
    if isinstance(request, ChatRequest):
        return request.metadata
    stated = None if request.extra is None else request.extra.get("metadata")  # OpenAI's embeddings have no such field
    if stated is not None and not isinstance(stated, Mapping):
        raise RequestError("metadata must be an object", code="invalid_value", field="metadata")
    return stated


def labelled(
    known: Sensitivity, local_only: bool, said: str | None, metadata: Mapping[str, Any] | None,
    label: Callable[[str], Sensitivity],
) -> tuple[Sensitivity, bool]:  # fmt: skip
    """(sensitivity, local only) with the labels that came with a request: ``said``, and its metadata's ``sensitivity``.

    Labels are separated by commas; ``label`` reads one. A label that cannot be read is a RequestError: it must not
    count as none.
    """
    labels = said or ""
    if metadata is not None and (stated := metadata.get("sensitivity")) is not None:
        if not isinstance(stated, str):
            raise RequestError("a sensitivity label is text", code="bad_label", field="metadata.sensitivity")
        labels = f"{labels},{stated}"
    if len(labels) > _LONGEST:
        raise RequestError(f"sensitivity labels have at most {_LONGEST:,} characters", code="bad_label")
    for word in filter(None, map(str.strip, labels.split(","))):
        if word.casefold() == LOCAL_ONLY:
            local_only = True
            continue
        try:
            known = stricter(known, label(word))
        except UnknownNameError as error:  # the list of labels knows those of the law only
            if nearest(word, (LOCAL_ONLY,)):
                error.hint = f"Did you mean {LOCAL_ONLY}?"
            elif not error.nearest:
                error.hint = f"{error.hint}, {LOCAL_ONLY}"
            raise
    return known, local_only


def mistake(error: CrossoverError) -> RequestError:
    """A label or a regime that no list holds, as what it is: the caller's mistake."""
    return RequestError(error.message, code=error.kind, field=error.field, hint=error.hint)
