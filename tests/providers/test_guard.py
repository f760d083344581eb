"""A backend outside calls nobody without a pass."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from crossover.chat import ChatRequest, EmbedRequest, Message, Text, Tool, substance
from crossover.egress import Guard
from crossover.errors import EgressError
from crossover.providers.http import HttpBackend
from crossover.providers.registry import profile, provider
from crossover.transport import Transport, endpoint

ASK = ChatRequest(model="m", messages=(Message("user", (Text("hello"),)),), tree={"model": "m", "messages": []})
EMBED = EmbedRequest(model="m", inputs=("hello",))


class Never(Transport):
    """A transport that must not be asked."""

    async def send(self, *args: Any, **more: Any) -> Any:
        raise AssertionError("something was sent")


def backend(guard: Guard) -> HttpBackend:
    row = provider("openai-compatible")
    return HttpBackend(row, profile(row, "m"), endpoint("http://127.0.0.1:9/v1"), Never(), guard=guard, place="api")


async def pieces(one: HttpBackend, request: ChatRequest) -> None:
    async for _ in one.stream(request):
        pass


def test_nothing_is_sent_without_a_pass_for_this_place_and_this_content() -> None:
    guard = Guard()
    one = backend(guard)
    passed = guard.permit("api", "", substance(ASK))
    changed = msgspec.structs.replace(ASK, clearance=passed, messages=(*ASK.messages, Message("user", (Text("more"),))))
    equipped = msgspec.structs.replace(ASK, clearance=passed, tools=(Tool(name="look"),))
    foreign = msgspec.structs.replace(ASK, clearance=guard.permit("other", "", substance(ASK)))
    for request in (ASK, changed, equipped, foreign):
        for call in (one.complete(request), pieces(one, request)):
            with pytest.raises(EgressError):
                asyncio.run(call)
    with pytest.raises(EgressError):
        asyncio.run(one.embed(EMBED))
    for lasting in (
        one.complete(msgspec.structs.replace(ASK, clearance=passed)),
        pieces(one, msgspec.structs.replace(ASK, clearance=passed)),
        one.embed(msgspec.structs.replace(EMBED, clearance=guard.permit("api", "", substance(EMBED)))),
    ):
        with pytest.raises(AssertionError, match="was sent"):
            asyncio.run(lasting)
