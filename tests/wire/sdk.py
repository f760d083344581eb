"""The official SDK on a wire that always gives the same bytes: what the door writes, read by what clients use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import openai


@contextmanager
def sdk(status: int, body: bytes) -> Iterator[openai.OpenAI]:
    kind = "text/event-stream" if body.startswith((b"data:", b"event:")) else "application/json"

    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(status, content=body, headers={"content-type": kind})

    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    with openai.OpenAI(api_key="none", base_url="http://door/v1", max_retries=0, http_client=http) as client:
        yield client
