"""Clearance: what one deployment gets of one request, judged anew for every attempt, and the pass that lets it out.

A request is looked at once. For each deployment it might go to, :func:`clear` asks the matrix again, takes out what may
not leave, makes sure that it is out, and only then asks the guard for a pass. Everything else is *withheld*.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import msgspec

from crossover.chat import ChatRequest, EmbedRequest, substance
from crossover.egress import Guard
from crossover.errors import DetectionError
from crossover.privacy.policy import ALLOWED, Known, Place, Profile, Verdict, chosen, verdict
from crossover.privacy.redact import redact
from crossover.privacy.restore import Restorer
from crossover.privacy.words import Classified, Find

Asked: TypeAlias = ChatRequest | EmbedRequest
_INLINE = 16_384  # characters of a request that are redacted while others wait: some milliseconds
_EACH = 16  # a value of a request costs as much as so many characters more
UNCLASSIFIED = "the detector failed, so nobody knows what it holds"


class Desk(msgspec.Struct, frozen=True, kw_only=True):
    """Privacy in force: who looks, by which matrices.

    ``classify`` looks at a whole request, ``findings`` at one text again (remembered). ``profiles`` gives the matrices
    for a key's id and a route's name. ``secret`` keys the placeholders. ``version`` names rules and models.
    """

    classify: Callable[[Asked], Awaitable[Classified]]
    findings: Find
    profiles: Callable[[str, str], tuple[Profile, ...]]
    version: str
    secret: bytes


class Cleared(msgspec.Struct, frozen=True):
    """A request as one deployment may see it. ``restorer`` puts the values back into the answer."""

    request: Any  # a ChatRequest or an EmbedRequest, as it came
    verdict: Verdict = ALLOWED
    restorer: Restorer | None = None
    redacted: int = 0


class Withheld(Exception):  # noqa: N818 - not an error: a reason to try another deployment
    """This deployment may not have the request, and why."""


async def look(desk: Desk, request: Asked) -> Classified:
    """What the request holds. After a failure of the detector it is opaque: nobody knows."""
    try:
        return await desk.classify(request)
    except DetectionError as error:
        return Classified(opaque=f"{UNCLASSIFIED} ({error.message})", failed=True)


async def clear_in_turn(
    desk: Desk | None, guard: Guard, request: Any, known: Known, place: Place, deployment: str
) -> Cleared:  # fmt: skip
    """As :func:`clear`; a large request is redacted in a worker thread, while others are served. Raises Withheld."""
    if known.clean or verdict(known, place).action != "redact" or not _is_large(request):
        return clear(desk, guard, request, known, place, deployment)
    return await asyncio.to_thread(clear, desk, guard, request, known, place, deployment)


def _is_large(request: Asked) -> bool:
    """Whether a request holds more than is redacted while others wait. Looks at no more of it than tells that."""
    stack: list[Any] = [request if request.tree is None else request.tree]
    room = _INLINE
    while stack and room > 0:
        node = stack.pop()
        room -= _EACH
        if isinstance(node, str):
            room -= len(node)
        elif isinstance(node, dict):
            room -= sum([len(key) for key in node])
            stack.extend(node.values())
        elif isinstance(node, list | tuple):
            stack.extend(node)
        elif isinstance(node, msgspec.Struct):
            stack.extend(getattr(node, name) for name in node.__struct_fields__)
    return room <= 0


def clear(
    desk: Desk | None, guard: Guard, request: Any, known: Known, place: Place, deployment: str
) -> Cleared:  # fmt: skip
    """The request for this deployment, with its pass where it goes outside. Raises Withheld."""
    judged = ALLOWED if known.clean else verdict(known, place)
    if judged.action in ("local_only", "block"):
        raise Withheld(f"{judged.why}: not for {deployment} ({judged.rule})")
    restorer, redacted = None, 0
    if judged.action == "redact":
        if desk is None:
            raise Withheld(f"{judged.why}: nobody is there to redact it ({judged.rule})")
        try:
            done = redact(
                request, desk.findings, lambda finding: chosen(known.profiles, place, finding), desk.secret
            )  # fmt: skip
        except DetectionError:
            raise Withheld(f"{judged.why}, and redaction failed") from None
        if done.left:
            raise Withheld(f"{judged.why} where it cannot be replaced: not for {deployment} ({judged.rule})")
        request, restorer, redacted = done.request, done.restorer, done.count
    if not place.local:
        passed = guard.permit(deployment, judged.rule, substance(request))
        request = msgspec.structs.replace(request, clearance=passed)
    return Cleared(request, judged, restorer, redacted)
