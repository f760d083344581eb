"""``crossover eval``: is one model good enough in another's place, for your own task? A verdict that keeps its word."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crossover.cli import eval_report, vote

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Is one model good enough in another's place, for your own task?",
)

Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
Margin = Annotated[
    float, typer.Option(min=0, max=0.99, help="The loss you would accept, declared before: 0.05 are 5 points.")
]
FailIf = Annotated[
    list[str] | None,
    typer.Option(help="Exit code 3 where a verdict is worse, or unproven (worse or inconclusive)."),
]
Power = Annotated[float, typer.Option(help="The chance that the number of samples advised settles it.")]
Html = Annotated[Path | None, typer.Option(help="Write a page that works offline.", metavar="FILE")]


@app.command()
def run(
    samples: Annotated[Path, typer.Argument(help="Questions and right answers: JSON lines, CSV, promptfoo's YAML …")],
    candidate: Annotated[
        list[str], typer.Option(help="A deployment, alias, model or NAME@POLICY; may be repeated.", metavar="NAME")
    ],
    reference: Annotated[str, typer.Option(help="What the candidates are compared with.", metavar="NAME")],
    scorer: Annotated[
        str | None,
        typer.Option(
            help="How answers are judged: NAME or NAME:ARGUMENT.", show_default="the samples', else normalised"
        ),
    ] = None,
    margin: Margin = 0.05,
    errors: Annotated[
        str, typer.Option(help="What failed calls and scorers count as: as-wrong or exclude; declared before.")
    ] = "as-wrong",
    out: Annotated[
        Path | None, typer.Option(help="The folder for answers and results.", show_default="SAMPLES-eval")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with what is in the folder; nothing is paid twice.")
    ] = False,
    reuse: Annotated[
        list[Path] | None, typer.Option(help="A folder of another run whose answers may be used; may be repeated.")
    ] = None,
    budget: Annotated[str | None, typer.Option(help="Dollars this folder may cost in all.", metavar="USD")] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=1024, help="Calls of each candidate at once.")] = 8,
    limit: Annotated[int | None, typer.Option(min=1, help="So many samples, drawn by chance.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="For the order, --limit and the bootstrap.")] = 0,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="At most so many tokens of each answer.")] = None,
    temperature: Annotated[float | None, typer.Option(min=0, max=2, help="Of every answer.")] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds that a call may take.")] = 300.0,
    tries: Annotated[int, typer.Option(min=1, max=20, help="How often a call that fails for a moment is made.")] = 4,
    stop_when_settled: Annotated[
        bool, typer.Option("--stop-when-settled", help="End the run once every candidate has a verdict.")
    ] = False,
    power: Power = 0.8,
    logprobs: Annotated[
        bool, typer.Option("--logprobs", help="Ask for token log-probabilities, where they are given: routers learn.")
    ] = False,
    whole: Annotated[
        bool, typer.Option("--whole", help="Ask for answers in one piece; no time to first token.")
    ] = False,
    allow_code: Annotated[
        bool, typer.Option("--allow-code", help="Let the scorer code run programs of models.")
    ] = False,
    judge: Annotated[str | None, typer.Option(help="The model of scorers that ask one.", metavar="NAME")] = None,
    rubric: Annotated[str | None, typer.Option(help="What the judge should look at, in words.")] = None,
    labels: Annotated[Path | None, typer.Option(help="What people preferred, to hold the judge against.")] = None,
    embedder: Annotated[str | None, typer.Option(help="The model of the scorer embedding.", metavar="NAME")] = None,
    url: Annotated[str | None, typer.Option(help="A gateway to ask instead of answering in this process.")] = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="The configuration file.")] = None,
    ledger: Annotated[Path | None, typer.Option(help="The ledger for calls and evidence.")] = None,
    skip_broken: Annotated[
        bool, typer.Option("--skip-broken", help="Leave out rows that are wrong, and say so.")
    ] = False,
    fail_if: FailIf = None,
    html: Html = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would cost, and ask nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Ask every sample of every candidate and the reference, and say which verdict the answers support."""
    from crossover.cli.evaluating import Flags, evaluate

    evaluate(
        Flags(
            samples=samples, candidates=tuple(candidate), reference=reference, scorer=scorer, margin=margin,
            errors=errors, out=out, resume=resume, reuse=tuple(reuse or ()), budget=budget, concurrency=concurrency,
            limit=limit, seed=seed, max_tokens=max_tokens, temperature=temperature, timeout=timeout, tries=tries,
            stop_when_settled=stop_when_settled, power=power, logprobs=logprobs, whole=whole, allow_code=allow_code,
            judge=judge, rubric=rubric, labels=labels, embedder=embedder, url=url, config=config, ledger=ledger,
            skip_broken=skip_broken, fail_if=tuple(fail_if or ()), dry_run=dry_run, html=html, as_json=as_json,
        )
    )  # fmt: skip


@app.command()
def power(
    margin: Annotated[list[float] | None, typer.Option(min=0, max=0.99, help="Margins.", show_default="0.05")] = None,
    discordance: Annotated[
        list[float] | None,
        typer.Option(min=0, max=1, help="Shares of samples on which scores differ.", show_default="0.1, 0.2, 0.3"),
    ] = None,
    gap: Annotated[list[float] | None, typer.Option(help="True gaps.", show_default="0, −margin, −2 × margin")] = None,
    chance: Annotated[float, typer.Option("--power", help="The chance of a verdict.")] = 0.8,
    as_json: Json = False,
) -> None:
    """Say how many samples a verdict takes, before the first call."""
    from crossover.cli.evaluating import dumped
    from crossover.evaluation.power import power_table

    margins = margin or [0.05]
    gaps = gap or sorted({0.0, *(-one for one in margins), *(-2 * one for one in margins)}, reverse=True)
    rows = power_table(margins, discordance or [0.1, 0.2, 0.3], gaps, power=chance)
    if as_json:
        typer.echo(dumped({"rows": rows}))
        return
    from crossover.reports.evaluation import render_power
    from crossover.reports.terminal import console

    render_power(rows, console())


@app.command()
def compare(
    results: Annotated[
        list[Path], typer.Argument(help="Folders of results, or a table with recorded answers: CSV, JSON lines.")
    ],
    candidate: Annotated[list[str], typer.Option(help="A name of the results, or a column.", metavar="NAME")],
    reference: Annotated[str, typer.Option(help="What the candidates are compared with.", metavar="NAME")],
    expected: Annotated[
        str | None, typer.Option(help="The column of right answers; without it columns hold scores.", metavar="COLUMN")
    ] = None,
    scorer: Annotated[
        str | None, typer.Option(help="How a table's answers are judged.", show_default="normalised")
    ] = None,
    id_column: Annotated[str, typer.Option("--id", help="The column of ids.", metavar="COLUMN")] = "id",
    prompt: Annotated[str, typer.Option(help="The column of questions.", metavar="COLUMN")] = "prompt",
    group: Annotated[str | None, typer.Option(help="The column of groups.", metavar="COLUMN")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="A column of tags; may be repeated.", metavar="COLUMN")] = None,
    margin: Margin = 0.05,
    errors: Annotated[str, typer.Option(help="What missing answers count as: as-wrong or exclude.")] = "as-wrong",
    seed: Annotated[int, typer.Option(min=0, help="For the bootstrap.")] = 0,
    power: Power = 0.8,
    fail_if: FailIf = None,
    html: Html = None,
    as_json: Json = False,
) -> None:
    """Compare answers that were recorded: of earlier runs, or in two columns of a table."""
    from crossover.cli.eval_compare import Flags
    from crossover.cli.eval_compare import compare as work
    from crossover.evaluation.recorded import Columns

    columns = Columns(
        answers=(*candidate, reference), expected=expected, id=id_column, prompt=prompt, group=group,
        tags=tuple(tag or ()),
    )  # fmt: skip
    work(
        Flags(
            results=tuple(results), candidates=tuple(candidate), reference=reference, scorer=scorer, columns=columns,
            margin=margin, errors=errors, seed=seed, power=power, fail_if=tuple(fail_if or ()), html=html,
            as_json=as_json,
        )
    )  # fmt: skip


@app.command()
def init(
    file: Annotated[Path, typer.Argument(help="The file to write.")] = Path("samples.jsonl"),
    from_ledger: Annotated[
        bool, typer.Option("--from-ledger", help="Draw from prompts that the ledger was told to keep.")
    ] = False,
    count: Annotated[int, typer.Option(min=1, max=100_000, help="So many of them.")] = 200,
    alias: Annotated[str | None, typer.Option(help="Only what was asked of this name.", metavar="NAME")] = None,
    since: Annotated[
        str, typer.Option(help="Begin (UTC): 24h, 7d, today, week, month, all, a day or a moment.")
    ] = "30d",
    until: Annotated[str, typer.Option(help="End (UTC), written like --since, or now.")] = "now",
    seed: Annotated[int, typer.Option(min=0, help="Of the draw.")] = 0,
    ledger: Annotated[
        Path | None, typer.Option(help="The file of the ledger.", show_default="in the data folder")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there already.")] = False,
) -> None:
    """Write a first file of samples: a template, or a stratified draw from your own traffic."""
    from crossover.cli.eval_init import write

    write(
        file, from_ledger=from_ledger, count=count, alias=alias, since=since, until=until, seed=seed, ledger=ledger,
        force=force,
    )  # fmt: skip


eval_report.register(app)
vote.register(app)
