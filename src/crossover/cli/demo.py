"""``crossover demo``: decide and run, end to end, with nothing to prepare."""

from __future__ import annotations

import datetime as dt
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
INTRO = (
    "Crossover decides which LLM traffic belongs on a hosted API and which on your own machines, and then serves it "
    "that way. This demo shows both with nothing to prepare: no key, no GPU, no network, nothing to pay."
)
SWITCH = """\
from openai import OpenAI

client = OpenAI(base_url="http://127.0.0.1:4000/v1", api_key="unused")
answer = client.chat.completions.create(model="auto", messages=[…])"""


@app.command(help="Decide and run, end to end: plan a published workload, then serve real requests and price them.")
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the report, the configuration and the ledger.")] = Path(
        "demo-output"
    ),
    only: Annotated[Literal["plan", "run"] | None, typer.Option(help="Show only this half.")] = None,
) -> None:
    """Plan the preset, serve requests, print both."""
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
    if only != "run":
        _plan(paper, out)
    if only != "plan":
        _run(paper, out)
    _next(paper)


def _plan(paper: Paper, out: Path) -> None:
    """The decision for the preset, and its report."""
    from crossover.cli.plan import ask, report
    from crossover.planner.question import Costs, Question
    from crossover.reports import terminal
    from crossover.traffic.flags import demand_from_flags

    paper.section("Decide", "one published trace of conversations, as if it cost you an API bill today")
    page = out / "plan.html"
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


def _run(paper: Paper, out: Path) -> None:
    """Real requests through a gateway; without a model to ask, the line that installs one."""
    from crossover.cli.tour import tour
    from crossover.errors import MissingExtraError

    paper.section("Run", "a gateway in this process, and real requests through it")
    try:
        tour(paper, out)
    except MissingExtraError as error:
        paper.line(f"Left out: {error.message}.")
        paper.line(error.hint or "")


def _next(paper: Paper) -> None:
    """What to type next."""
    paper.section("Yours next")
    rows = (
        ("crossover plan --help", "plan your own traffic"),
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
