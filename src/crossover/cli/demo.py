"""``crossover demo``: the main job on a real workload, end to end, with nothing to prepare."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import typer

app = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})

PRESET = "conversation"
MODEL = "gpt-4o"
REQUESTS_PER_DAY = 100_000.0
SLO = "ttft_p95<1s,itl_p95<50ms"


@app.command(help="Plan a real workload (a published conversation trace) end to end and write its report.")
def demo(
    out: Path = typer.Option(Path("demo-output"), help="Folder for the report."),
) -> None:
    """Plan the preset, print the decision and write the HTML report."""
    from crossover.cli.plan import ask, show
    from crossover.errors import FileError
    from crossover.planner.question import Question
    from crossover.reports import terminal
    from crossover.traffic.flags import demand_from_flags

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"cannot be made: {error.strerror}", file=str(out)) from None
    console = terminal.console()
    command = (
        f'crossover plan --preset {PRESET} --requests-per-day {REQUESTS_PER_DAY:.0f} --model {MODEL} --slo "{SLO}" '
        f"--migration-usd 30000 --html {out / 'plan.html'}"
    )
    console.print(
        "Crossover decides which LLM traffic belongs on an API and which on own machines. This demo plans a published "
        "trace of conversations as if it cost you an API bill today. It runs:",
        markup=False,
    )
    console.print(f"  {command}", highlight=False, markup=False)
    demand = demand_from_flags(preset=PRESET, requests_per_day=REQUESTS_PER_DAY, models=(MODEL,), slo=SLO)
    today = dt.datetime.now(dt.UTC).date()
    from crossover.planner.question import Costs

    question = Question(
        workload=demand.workload, today=today, as_of=today, slo=demand.slo, costs=Costs(migration_usd=30_000.0)
    )
    show(ask(question, quiet=False), as_json=False, html=out / "plan.html", explain=None, top=10)
