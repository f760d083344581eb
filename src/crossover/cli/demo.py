"""``crossover demo``: decide, prove and run, end to end, with nothing to prepare."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from crossover.reports.paper import Paper

app = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})

PRESET = "conversation"
MODEL = "gpt-4o"
REQUESTS_PER_DAY = 100_000.0
SLO = "ttft_p95<1s,itl_p95<50ms"
PLAN_PAGE, EVAL_PAGE = "plan.html", "eval.html"
INTRO = (
    "Crossover decides which LLM traffic belongs on a hosted API and which on your own machines, proves whether a "
    "cheaper model is good enough for it, serves it that way, and learns from what it served. This demo shows all of "
    "it with nothing to prepare: no key, no GPU, no network, nothing to pay."
)
SWITCH = """\
from openai import OpenAI

client = OpenAI(base_url="http://127.0.0.1:4000/v1", api_key="unused")
answer = client.chat.completions.create(model="auto", messages=[…])"""


@app.command(help="Decide, prove and run: plan a published workload, compare two models, serve real requests.")
def demo(
    out: Annotated[Path, typer.Option(help="Folder for reports, the configuration and the ledger.")] = Path(
        "demo-output"
    ),
    only: Annotated[Literal["plan", "prove", "run", "learn"] | None, typer.Option(help="Show only this part.")] = None,
    stay: Annotated[
        bool | None,
        typer.Option(
            "--dashboard/--no-dashboard",
            help="Leave the dashboard open at the end.",
            show_default="in a terminal, yes",
        ),
    ] = None,
) -> None:
    """Plan the preset, compare the two tiny models, serve requests, learn and plan again; print all of it."""
    from crossover.cli.loop import dashboard, learn, replan, serve
    from crossover.cli.tour import new_ledger
    from crossover.errors import FileError
    from crossover.reports.paper import Paper
    from crossover.reports.terminal import console

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"cannot be made: {error.strerror}", file=str(out)) from None
    paper = Paper(console())
    paper.blank()
    paper.line(INTRO)
    pages: list[Path | None] = []
    if only in (None, "plan"):
        pages.append(_plan(paper, out))
    results = ledger = None
    if only in (None, "prove", "learn"):
        results = _prove(paper, out)
        pages.append(out / EVAL_PAGE if results is not None else None)
    if only in (None, "run"):
        ledger = _run(paper, out)
    config = None
    if only in (None, "learn") and results is not None:
        ledger = ledger or new_ledger(out)
        config = learn(paper, out, results)
        if config is not None:
            serve(paper, config, ledger, results)
            pages.append(replan(paper, out, ledger))
    _next(paper, [page for page in pages if page is not None])
    if config is not None and ledger is not None:
        dashboard(paper, config, ledger, stay=sys.stdout.isatty() if stay is None else stay)


def _plan(paper: Paper, out: Path) -> Path:
    """The decision for the preset, and its report, whose place comes back."""
    from crossover.cli.plan import ask, report
    from crossover.planner.question import Costs, Question
    from crossover.reports import terminal
    from crossover.traffic.flags import demand_from_flags

    paper.section("Decide", "one published trace of conversations, as if it cost you an API bill today")
    page = out / PLAN_PAGE
    paper.line(
        f'crossover plan --preset {PRESET} --requests-per-day {REQUESTS_PER_DAY:.0f} --model {MODEL} --slo "{SLO}" '
        f"--migration-usd 30000 --html {page}",
        lead=" $ ",
        style="dim",
    )
    demand = demand_from_flags(preset=PRESET, requests_per_day=REQUESTS_PER_DAY, models=(MODEL,), slo=SLO)
    today = dt.datetime.now(dt.UTC).date()
    question = Question(
        workload=demand.workload, today=today, as_of=today, slo=demand.slo, costs=Costs(migration_usd=30_000.0)
    )
    plan = ask(question, quiet=False)
    terminal.brief(plan, paper.console)
    report(plan, page)
    paper.blank()
    paper.line(f"Every option, bill, curve, assumption and source: {page}", style="dim")
    return page


def _prove(paper: Paper, out: Path) -> Path | None:
    """A verdict on the two tiny models with its report; the folder of results, None without a model to ask."""
    from crossover.cli.prove import TICKETS, prove
    from crossover.errors import MissingExtraError

    paper.section("Prove", f"is the tiny local model good enough for the API's work? {TICKETS} tickets, both answers")
    try:
        return prove(paper, out, out / EVAL_PAGE)
    except MissingExtraError as error:
        paper.line(f"Left out: {error.message}.")
        paper.line(error.hint or "")
        return None


def _run(paper: Paper, out: Path) -> Path | None:
    """Real requests through a gateway, and their ledger; without a model to ask, the line that installs one."""
    from crossover.cli.tour import tour
    from crossover.errors import MissingExtraError

    paper.section("Run", "a gateway in this process, and real requests through it")
    try:
        return tour(paper, out)
    except MissingExtraError as error:
        paper.line(f"Left out: {error.message}.")
        paper.line(error.hint or "")
        return None


def _next(paper: Paper, pages: Sequence[Path]) -> None:
    """What to type next, and the pages to open."""
    paper.section("Yours next")
    rows = (
        ("crossover plan --help", "plan your own traffic"),
        ("crossover eval init", "write a first file of questions to compare models on"),
        ("crossover serve", "serve the models of this machine, or the tiny one"),
        ("crossover init", "write a crossover.toml with your engines and API keys"),
    )
    for command, what in rows:
        paper.line(f"{command:<23} {what}")
    paper.blank()
    paper.line("Code that speaks to OpenAI changes base_url, api_key and model, and nothing else:")
    paper.blank()
    for line in SWITCH.splitlines():
        paper.line(line, lead="   ", style="cyan")
    paper.blank()
    if pages:
        what = "The report" if len(pages) == 1 else "The reports"
        paper.line(f"{what}, to open in a browser: {' and '.join(str(page) for page in pages)}")
        paper.blank()
