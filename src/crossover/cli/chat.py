"""``crossover chat``: talk to a model, and see where it went and what it cost."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

if TYPE_CHECKING:
    from crossover.chat import Served
    from crossover.client import Client

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
    from crossover.client import Client
    from crossover.errors import InputError

    words = " ".join(prompt or ())
    if not words and not sys.stdin.isatty():
        words = sys.stdin.read().strip()
        if not words:
            raise InputError("there is nothing to ask", hint='Write it behind the command: crossover chat "Hello"')
    if as_json and not words:
        raise InputError("--json needs a prompt", hint='crossover chat --json "Hello"')
    _check(policy, sensitivity)
    messages: list[dict[str, Any]] = [] if system is None else [{"role": "system", "content": system}]
    options = {} if max_tokens is None else {"max_tokens": max_tokens}
    with Client(url, config=config, policy=policy, sensitivity=sensitivity) as client:
        talk = Talk(client, model, messages, options)
        if as_json:
            typer.echo(talk.whole(words))
        elif words:
            talk.ask(words)
        else:
            _line_by_line(talk)


def _check(policy: str | None, sensitivity: str | None) -> None:
    """A word that no list holds is a mistake in the flag, wherever the request would go."""
    from crossover.errors import UnknownNameError
    from crossover.routing.asked import LOCAL_ONLY
    from crossover.routing.words import PolicyName
    from crossover.sensitivity import label

    known = get_args(PolicyName)
    if policy is not None and policy not in known:
        raise UnknownNameError("policy", policy, known, field="--policy")
    for word in (sensitivity or "").split(","):
        if word.strip() and word.strip() != LOCAL_ONLY:
            label(word, field="--sensitivity")


class Talk:
    """A conversation: the messages so far, as plain dicts."""

    def __init__(self, client: Client, model: str, messages: list[dict[str, Any]], options: dict[str, Any]) -> None:
        self.model = model
        self._client = client
        self._messages = messages
        self._options = options

    def ask(self, words: str) -> None:
        """One question; the answer streams to the terminal. What failed is not part of the conversation."""
        from crossover.config import colour_wanted

        asked = [*self._messages, {"role": "user", "content": words}]
        said: list[str] = []
        served: Served | None = None
        try:
            for chunk in self._client.stream(self.model, asked, **self._options):
                served = chunk.served or served
                for delta in chunk.deltas:
                    if delta.choice == 0 and delta.text:
                        said.append(delta.text)
                        typer.echo(delta.text, nl=False)
        finally:
            if said:
                typer.echo()
        self._messages = [*asked, {"role": "assistant", "content": "".join(said)}]
        if served is not None:
            line = told(served)
            typer.echo(typer.style(line, dim=True) if colour_wanted() else line, err=True)

    def whole(self, words: str) -> str:
        """One question, its answer as JSON text."""
        import msgspec

        answer = self._client.chat(self.model, [*self._messages, {"role": "user", "content": words}], **self._options)
        plain = {
            "text": answer.text,
            "finish": answer.choices[0].finish if answer.choices else None,
            "model": answer.model,
            "usage": None if answer.usage is None else msgspec.to_builtins(answer.usage),
            "served": None if answer.served is None else msgspec.to_builtins(answer.served),
        }
        return msgspec.json.encode(plain).decode()


def told(served: Served) -> str:
    """Where it went, why, and what it cost, in one line."""
    from crossover.money import show

    unknown = "no price stated" if served.local else "price unknown"
    cost = unknown if served.cost is None else show(served.cost)
    tries = f" · {served.attempts} attempts" if served.attempts > 1 else ""
    dropped = f" · without {', '.join(served.dropped)}" if served.dropped else ""
    place = f" in {served.zone}" if served.zone else ""
    return f"[{served.deployment}{place} · {served.reason} · {cost}{tries}{dropped} · {served.request_id}]"


def _line_by_line(talk: Talk) -> None:
    """A person types; an error ends the answer and not the conversation."""
    from importlib.util import find_spec

    from crossover.errors import ServingError

    if find_spec("readline") is not None:
        import readline  # noqa: F401 - input() then edits the line and remembers earlier ones
    typer.echo(f"Talking to {talk.model}. An empty line or Ctrl-D ends it.", err=True)
    while words := _typed():
        try:
            talk.ask(words)
        except ServingError as error:
            typer.echo(f"crossover: {error.sentence()}", err=True)


def _typed() -> str:
    """A line from the terminal; "" at its end."""
    try:
        return input("› ").strip()
    except EOFError:
        typer.echo()
        return ""
