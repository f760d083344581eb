"""``crossover chat``: talk to a model, and see where it went and what it cost."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from crossover.chat import ChatChunk, Served
    from crossover.client import AsyncClient

app = typer.Typer(add_completion=False, rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]})


@app.command()
def chat(
    prompt: Annotated[list[str] | None, typer.Argument(help="What to ask; without it, line by line.")] = None,
    model: Annotated[str, typer.Option("--model", "-m", help="An alias, a deployment or a model.")] = "auto",
    system: Annotated[str | None, typer.Option("--system", "-s", help="Instructions before everything.")] = None,
    url: Annotated[str | None, typer.Option(help="A gateway to ask instead of answering in this process.")] = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="The configuration file.")] = None,
    policy: Annotated[str | None, typer.Option(help="local_first, cheapest, fastest, quality_first or pinned.")] = None,
    sensitivity: Annotated[str | None, typer.Option(help="A label, such as hard or local_only.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="At most so many tokens of answer.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The answer as JSON; needs a prompt.")] = False,
) -> None:
    """Talk to a model: the answer streams, and a line below says where it went, why, and what it cost.

    A prompt may also be piped in. With --url the key is read from CROSSOVER_API_KEY.
    """
    import asyncio

    from crossover.errors import InputError

    words = " ".join(prompt or ())
    if not words and not sys.stdin.isatty():
        words = sys.stdin.read().strip()
        if not words:
            raise InputError("there is nothing to ask", hint='Write it behind the command: crossover chat "Hello"')
    if as_json and not words:
        raise InputError("--json needs a prompt", hint='crossover chat --json "Hello"')
    talk = Talk(model, system, {} if max_tokens is None else {"max_tokens": max_tokens})
    asyncio.run(_talk(talk, words, as_json, _options(url, config, policy, sensitivity)))


def _options(url: str | None, config: Path | None, policy: str | None, sensitivity: str | None) -> dict[str, Any]:
    from crossover.config import api_key

    options: dict[str, Any] = {"config": config, "policy": policy, "sensitivity": sensitivity}
    if url is not None:
        from crossover.providers.gateway import gateway_url

        options |= {"url": gateway_url(url), "api_key": api_key()}
    return options


class Talk:
    """A conversation: the messages so far, as plain dicts."""

    def __init__(self, model: str, system: str | None, options: dict[str, Any]) -> None:
        self.model = model
        self.options = options
        self.messages: list[dict[str, Any]] = [] if system is None else [{"role": "system", "content": system}]

    async def ask(self, client: AsyncClient, words: str) -> None:
        """One question; the answer streams to the terminal."""
        self.messages.append({"role": "user", "content": words})
        said: list[str] = []
        served: Served | None = None
        async for chunk in self._answer(client):
            served = chunk.served or served
            for delta in chunk.deltas:
                if delta.choice == 0 and delta.text:
                    said.append(delta.text)
                    typer.echo(delta.text, nl=False)
        typer.echo()
        self.messages.append({"role": "assistant", "content": "".join(said)})
        if served is not None:
            typer.echo(typer.style(told(served), dim=True), err=True)

    def _answer(self, client: AsyncClient) -> AsyncGenerator[ChatChunk, None]:
        return client.stream(self.model, self.messages, **self.options)


def told(served: Served) -> str:
    """Where it went, why, and what it cost, in one line."""
    from crossover.money import show

    cost = "price unknown" if served.cost is None else show(served.cost)
    tries = f", {served.attempts} attempts" if served.attempts > 1 else ""
    dropped = f", without {', '.join(served.dropped)}" if served.dropped else ""
    place = f" in {served.zone}" if served.zone else ""
    return f"[{served.deployment}{place} · {served.reason} · {cost}{tries}{dropped} · {served.request_id}]"


async def _talk(talk: Talk, words: str, as_json: bool, options: dict[str, Any]) -> None:
    from crossover.client import AsyncClient
    from crossover.errors import ServingError

    async with AsyncClient(**options) as client:
        if as_json:
            await _json(client, talk, words)
            return
        if words:
            await talk.ask(client, words)
            return
        typer.echo(f"Talking to {talk.model}. An empty line or Ctrl-D ends it.", err=True)
        while line := await _line():
            try:
                await talk.ask(client, line)
            except ServingError as error:  # the conversation goes on
                talk.messages.pop()
                typer.echo(f"crossover: {error.sentence()}", err=True)


async def _json(client: AsyncClient, talk: Talk, words: str) -> None:
    import msgspec

    talk.messages.append({"role": "user", "content": words})
    answer = await client.chat(talk.model, talk.messages, **talk.options)
    plain = {
        "text": answer.text,
        "finish": answer.choices[0].finish if answer.choices else None,
        "model": answer.model,
        "usage": None if answer.usage is None else msgspec.to_builtins(answer.usage),
        "served": None if answer.served is None else msgspec.to_builtins(answer.served),
    }
    typer.echo(msgspec.json.encode(plain).decode())


async def _line() -> str:
    """A line from the terminal; "" at its end. Read in a thread, so that the loop goes on."""
    import asyncio

    def read() -> str:
        typer.echo("› ", nl=False, err=True)
        return sys.stdin.readline().strip()

    return await asyncio.to_thread(read)
