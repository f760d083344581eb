"""``crossover route``: what may stay local, learned from proof: train with a promise, show it, try it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossover.cli import route_watch
from crossover.errors import ContradictionError, InputError, UnknownNameError

if TYPE_CHECKING:
    from crossover.cli.route_data import Asked
    from crossover.learning.model import Learned

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Learn from results which work may stay local, with a promise.",
)
route_watch.register(app)
KINDS = ("cascade", "route")
METHODS = ("auto", "learned", "length")

Results = Annotated[
    list[Path] | None,
    typer.Argument(help="Folders that crossover eval run wrote, or one table with both models' scores."),
]
Weak = Annotated[
    str | None,
    typer.Option(help="The local model; of a table: the column of its scores.", show_default="the candidate"),
]
Strong = Annotated[
    str | None, typer.Option(help="The stronger model; of a table: its column.", show_default="the reference")
]
Other = Annotated[
    str | None, typer.Option(help="A second local model whose agreement counts; of a table: the column of its answers.")
]
Prompt = Annotated[str, typer.Option(help="Of a table: the column of prompts.", metavar="COLUMN")]
Answer = Annotated[
    str | None, typer.Option(help="Of a table: the column of the local model's answers.", metavar="COLUMN")
]
Group = Annotated[
    str | None, typer.Option(help="Of a table: prompts that belong together have one value here.", metavar="COLUMN")
]
FromLedger = Annotated[
    bool, typer.Option("--from-ledger", help="Use the requests that both models answered while the policy was in use.")
]
Book = Annotated[Path | None, typer.Option("--ledger", help="The ledger.", show_default="in the data folder")]
Alias = Annotated[str | None, typer.Option(help="With --from-ledger: the alias that the policy serves.")]
Since = Annotated[str, typer.Option(help="With --from-ledger: from when on: 24h, 7d, month, all, a day.")]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


@app.command()
def train(
    results: Results = None,
    kind: Annotated[str, typer.Option(help="cascade: judge the local answer; route: judge the prompt.")] = "cascade",
    weak: Weak = None,
    strong: Strong = None,
    other: Other = None,
    loss: Annotated[float, typer.Option(help="The share of quality that may be lost at most: 0.05 are 5 %.")] = 0.05,
    confidence: Annotated[float, typer.Option(help="How sure the promise is to be.")] = 0.95,
    calibrations: Annotated[
        int, typer.Option(help="So many calibrations a year share the doubt; each needs more prompts.")
    ] = 1,
    after: Annotated[
        Path | None, typer.Option(help="The policy that this one follows: its budget of the year goes on.")
    ] = None,
    method: Annotated[
        str, typer.Option(help="auto: the rule on length stays unless cross-validation beats it; learned; length.")
    ] = "auto",
    prompt: Prompt = "prompt",
    answer: Answer = None,
    group: Group = None,
    from_ledger: FromLedger = False,
    ledger: Book = None,
    alias: Alias = None,
    since: Since = "all",
    seed: Annotated[int, typer.Option(min=0, help="For the parts.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="The file of the policy.", show_default="cascade.json or route.json")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page that works offline.", metavar="FILE")] = None,
    as_json: Json = False,
) -> None:
    """Learn a policy, choose its threshold by exact risk control, and write it with its card."""
    from crossover.cli.routing import Book as Held
    from crossover.cli.routing import Training, learn

    if method not in METHODS:
        raise UnknownNameError("method", method, METHODS, field="--method")
    policy = learn(
        Training(
            asked=_asked(results, kind, weak, strong, other, prompt, answer, group),
            loss=loss, confidence=confidence, calibrations=calibrations, after=after,
            method=None if method == "auto" else method, seed=seed, now=dt.datetime.now(dt.UTC),
            book=Held(file=ledger, alias=_alias(alias, results), since=since) if from_ledger else None,
        )
    )  # fmt: skip
    _shown(policy, out or Path(f"{policy.kind}.json"), html, as_json, write=True)


@app.command()
def show(
    policy: Annotated[Path, typer.Argument(help="The file that crossover route train wrote.")],
    html: Annotated[Path | None, typer.Option(help="Write a page that works offline.", metavar="FILE")] = None,
    as_json: Json = False,
) -> None:
    """Show a policy: its promise, the cost–quality curve with the chosen point, and what it looks at."""
    from crossover.learning.artifact import load

    _shown(load(policy), policy, html, as_json, write=False)


@app.command("try")
def try_(
    policy: Annotated[Path, typer.Argument(help="The file that crossover route train wrote.")],
    results: Results = None,
    weak: Weak = None,
    strong: Strong = None,
    other: Other = None,
    prompt: Prompt = "prompt",
    answer: Answer = None,
    from_ledger: FromLedger = False,
    ledger: Book = None,
    alias: Alias = None,
    since: Since = "30d",
    as_json: Json = False,
) -> None:
    """Say what would change, without asking anybody: over results, or over what the ledger compared."""
    import json

    from crossover.cli.routing import Book as Held
    from crossover.cli.routing import over_ledger, over_results
    from crossover.learning.artifact import load
    from crossover.reports.paper import Paper
    from crossover.reports.route import tried
    from crossover.reports.terminal import console

    learned = load(policy)
    if from_ledger:
        found = over_ledger(learned, Held(file=ledger, alias=_alias(alias, results), since=since))
    else:
        found = over_results(learned, _asked(results, learned.kind, weak, strong, other, prompt, answer, None))
    if as_json:
        typer.echo(json.dumps(found.facts, ensure_ascii=False, indent=1))
        return
    tried(found.headline, found.rows, found.examples, Paper(console()))


def _shown(policy: Learned, path: Path, html: Path | None, as_json: bool, *, write: bool) -> None:
    from crossover.learning.artifact import encoded, save
    from crossover.reports.route import render
    from crossover.reports.terminal import console

    if write:
        save(policy, path)
    if html is not None:
        from crossover.reports import route_html

        typer.echo(f"Page: {route_html.write(policy, html)}", err=True)
    if as_json:
        typer.echo(encoded(policy).decode().rstrip())
    elif html is None or write:
        render(policy, console(), file=str(path))
    if write:
        line = f'learned = "{path}"'
        typer.echo(f'Written to {path}. Use it: policy = "{policy.kind}" and {line} in an alias.', err=True)


def _asked(
    results: list[Path] | None,
    kind: str,
    weak: str | None,
    strong: str | None,
    other: str | None,
    prompt: str,
    answer: str | None,
    group: str | None,
) -> Asked:
    from crossover.cli.route_data import Asked, Columns

    known = next((one for one in KINDS if one == kind), None)
    if known is None:
        raise UnknownNameError("kind", kind, KINDS, field="--kind")
    return Asked(
        results=tuple(results or ()), kind="cascade" if known == "cascade" else "route", weak=weak, strong=strong,
        other=other, columns=Columns(prompt=prompt, answer=answer, other=other, group=group),
    )  # fmt: skip


def _alias(alias: str | None, results: list[Path] | None) -> str:
    if results:
        raise ContradictionError("results and --from-ledger cannot both be used", field="--from-ledger")
    if alias is None:
        raise InputError("whose requests? Name the alias that the policy serves", field="--alias")
    return alias
