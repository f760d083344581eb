"""``crossover plan``: from a workload to a ranked decision."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from crossover.planner.question import Question
    from crossover.planner.words import Plan

app = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})

LOAD, OPTIONS, MONEY, RULES, OUTPUT = "What arrives", "What is looked at", "Money", "Rules", "Output"


# One parameter per flag is what the CLI library reads its help from; the body only gathers them.
@app.command(help="Should this run on an API, on open weights per token, on own machines, or on both?")
def plan(
    requests_per_day: float | None = typer.Option(None, help="Mean requests a day.", rich_help_panel=LOAD),
    input_tokens: float | None = typer.Option(None, help="Mean prompt tokens of a request.", rich_help_panel=LOAD),
    output_tokens: float | None = typer.Option(None, help="Mean answer tokens of a request.", rich_help_panel=LOAD),
    peak_factor: float | None = typer.Option(None, help="Busiest hour over the mean hour.", rich_help_panel=LOAD),
    cached_share: float | None = typer.Option(
        None, help="Share of input tokens read from a provider's cache (0..1).", rich_help_panel=LOAD
    ),
    batch_share: float | None = typer.Option(
        None, help="Share of requests that can wait for a batch.", rich_help_panel=LOAD
    ),
    sensitive_share: float | None = typer.Option(
        None, help="Share of requests that are sensitive.", rich_help_panel=LOAD
    ),
    burstiness: float | None = typer.Option(
        None, help="Coefficient of variation of the gaps between arrivals (1: Poisson).", rich_help_panel=LOAD
    ),
    growth: float | None = typer.Option(
        None, help="Expected growth of the volume per month (0.05: 5 %).", rich_help_panel=LOAD
    ),
    model: list[str] | None = typer.Option(
        None, "--model", "-m", help="Model in use (first) or compared; repeatable.", rich_help_panel=LOAD
    ),
    trace: Path | None = typer.Option(
        None, help="Recorded requests: CSV or JSONL, plain or gzip.", rich_help_panel=LOAD
    ),
    columns: str | None = typer.Option(
        None, help="Columns of the trace: time=ts,input=prompt,output=gen[,cached=hits].", rich_help_panel=LOAD
    ),
    usage_export: Path | None = typer.Option(
        None, help="Usage export of a provider (OpenAI or Anthropic).", rich_help_panel=LOAD
    ),
    workload: Path | None = typer.Option(None, help="A workload.toml.", rich_help_panel=LOAD),
    preset: str | None = typer.Option(
        None, help="A named workload from published facts: conversation, rag, agent …", rich_help_panel=LOAD
    ),
    from_ledger: bool = typer.Option(
        False, "--from-ledger", help="The traffic that the ledger recorded.", rich_help_panel=LOAD
    ),
    since: str | None = typer.Option(
        None, help="Begin of --from-ledger: 30d, week, 2026-11 …", show_default="30d", rich_help_panel=LOAD
    ),
    until: str | None = typer.Option(None, help="End of --from-ledger.", show_default="now", rich_help_panel=LOAD),
    key: str | None = typer.Option(None, help="Of --from-ledger only this key.", rich_help_panel=LOAD),
    route: str | None = typer.Option(
        None, help="Of --from-ledger only this name that clients ask for.", rich_help_panel=LOAD
    ),
    against: Path | None = typer.Option(
        None, help="Hold the record against an earlier plan (its --json).", rich_help_panel=LOAD
    ),
    slo: str = typer.Option("", help='What must hold: "ttft_p95<1s,itl_p95<50ms".', rich_help_panel=LOAD),
    kind: list[str] | None = typer.Option(
        None, help="Only api, hosted, self or hybrid; repeatable.", rich_help_panel=OPTIONS
    ),
    open_model: list[str] | None = typer.Option(
        None, help="Open model to consider; repeatable.", rich_help_panel=OPTIONS
    ),
    device: list[str] | None = typer.Option(None, help="Accelerator to consider; repeatable.", rich_help_panel=OPTIONS),
    engine: list[str] | None = typer.Option(
        None, help="vllm, llamacpp or ollama; repeatable.", rich_help_panel=OPTIONS
    ),
    cloud: list[str] | None = typer.Option(None, help="Cloud to rent from; repeatable.", rich_help_panel=OPTIONS),
    quantisation: list[str] | None = typer.Option(
        None, help="Weight format to consider; repeatable.", rich_help_panel=OPTIONS
    ),
    purchase: list[str] | None = typer.Option(
        None, help="on_demand, reserved, spot or owned; repeatable.", rich_help_panel=OPTIONS
    ),
    spot_hours_per_day: float = typer.Option(24.0, help="Hours a day spot machines run.", rich_help_panel=OPTIONS),
    spot_interruptions: float | None = typer.Option(
        None, help="Interruptions a day and spot machine.", rich_help_panel=OPTIONS
    ),
    reserve: int = typer.Option(1, help="Replicas in reserve of a self-hosted option.", rich_help_panel=OPTIONS),
    evidence: Path | None = typer.Option(
        None, help="Measured figures (JSONL) that replace predictions.", rich_help_panel=OPTIONS
    ),
    ledger: Path | None = typer.Option(
        None,
        help="The ledger that holds what was measured.",
        show_default="in the data folder",
        rich_help_panel=OPTIONS,
    ),
    no_evidence: bool = typer.Option(
        False, "--no-evidence", help="Use nothing that the ledger measured.", rich_help_panel=OPTIONS
    ),
    this_machine: float | None = typer.Option(
        None, help="Consider this machine too, at so many dollars an hour.", rich_help_panel=OPTIONS
    ),
    requests_per_minute: float | None = typer.Option(
        None, help="Rate limit of the API in use: requests a minute.", rich_help_panel=OPTIONS
    ),
    tokens_per_minute: float | None = typer.Option(
        None, help="Rate limit of the API in use: tokens a minute.", rich_help_panel=OPTIONS
    ),
    date: str | None = typer.Option(None, help="Prices as of this day (YYYY-MM-DD).", rich_help_panel=MONEY),
    fte: float | None = typer.Option(None, help="Share of an engineer that own machines take.", rich_help_panel=MONEY),
    fte_cost: float | None = typer.Option(None, help="Cost of an engineer in dollars a month.", rich_help_panel=MONEY),
    migration_usd: float = typer.Option(0.0, help="One-off cost of moving.", rich_help_panel=MONEY),
    monitoring_usd: float | None = typer.Option(None, help="Monitoring in dollars a month.", rich_help_panel=MONEY),
    target_usd: float | None = typer.Option(None, help="A monthly budget: is it reachable?", rich_help_panel=MONEY),
    usd_per_kwh: float | None = typer.Option(
        None, help="Price of electricity for bought machines.", rich_help_panel=MONEY
    ),
    life_months: int = typer.Option(36, help="Life of bought machines.", rich_help_panel=MONEY),
    colocation_usd: float = typer.Option(
        0.0, help="Rent for space and network of a bought machine, a month.", rich_help_panel=MONEY
    ),
    pue: float | None = typer.Option(
        None, help="Power usage effectiveness of the room bought machines stand in.", rich_help_panel=MONEY
    ),
    residual_share: float | None = typer.Option(
        None,
        help="Worth of a bought machine at its end, as a share of its price.",
        rich_help_panel=MONEY,
    ),
    discount: float = typer.Option(0.0, help="Contract discount on today's API in percent.", rich_help_panel=MONEY),
    commitment_usd: float = typer.Option(0.0, help="Minimum spend a month agreed with it.", rich_help_panel=MONEY),
    provisioned: str | None = typer.Option(
        None,
        help="Reserved throughput of it: usd_per_unit_hour=10,tokens_per_minute=50000[,output_weight=3][,units=2].",
        rich_help_panel=MONEY,
    ),
    service_tier: str = typer.Option(
        "default", help="Service tier of it: default, flex, priority …", rich_help_panel=MONEY
    ),
    price: list[str] | None = typer.Option(
        None, help="Your own price: provider/model=input,output in $ per million tokens.", rich_help_panel=MONEY
    ),
    regime: list[str] | None = typer.Option(
        None, help="hipaa, gdpr, fedramp, soc2 or pci-dss; repeatable.", rich_help_panel=RULES
    ),
    agreement: list[str] | None = typer.Option(
        None, help="What is signed with whom: openai=baa,dpa; repeatable.", rich_help_panel=RULES
    ),
    rules_confirmed: str | None = typer.Option(
        None, help="Day on which you compared the rules with their sources (YYYY-MM-DD).", rich_help_panel=RULES
    ),
    capability: str | None = typer.Option(
        None, help="Least class of model that will do: small, medium, large, frontier.", rich_help_panel=RULES
    ),
    quality_floor: float | None = typer.Option(None, help="Least published score of a model.", rich_help_panel=RULES),
    require_proof: bool = typer.Option(
        False,
        "--require-proof",
        help="Only models that an evaluation found not worse than today's.",
        rich_help_panel=RULES,
    ),
    team: str = typer.Option(
        "some", help="Experience with operating models: none, some or strong.", rich_help_panel=RULES
    ),
    fine_tuning: bool = typer.Option(False, help="Own fine-tuned weights are needed.", rich_help_panel=RULES),
    colocate: bool = typer.Option(False, help="The model must run beside the data.", rich_help_panel=RULES),
    what_if: list[str] | None = typer.Option(
        None,
        help="Ask again with one thing different: volume=x2, growth=5%, price:openai=-30%, model=NAME; repeatable.",
        rich_help_panel=OUTPUT,
    ),
    explain: str | None = typer.Option(None, help="Show every figure behind one option.", rich_help_panel=OUTPUT),
    json: bool = typer.Option(False, "--json", help="Print the plan as JSON (schema in docs).", rich_help_panel=OUTPUT),
    html: Path | None = typer.Option(None, help="Write a self-contained report to this file.", rich_help_panel=OUTPUT),
    top: int = typer.Option(10, min=1, help="Options to list.", rich_help_panel=OUTPUT),
    draws: int = typer.Option(2000, help="Futures drawn for the intervals.", rich_help_panel=OUTPUT),
    seed: int = typer.Option(0, help="Fixes every draw: same question, same plan.", rich_help_panel=OUTPUT),
) -> None:
    """Gather the flags, ask the planner, show the plan."""
    flags = dict(locals())
    from crossover.cli.questions import question_from
    from crossover.errors import ContradictionError

    if json and explain is not None:
        raise ContradictionError(
            "--json holds every option, --explain shows one", hint="Keep one of them", field="--explain"
        )
    question = question_from(flags, dt.datetime.now(dt.UTC).date())
    if html is not None:
        from crossover.reports.files import check

        check(html)  # before the work, not after it
    show(ask(question, quiet=json), as_json=json, html=html, explain=explain, top=top)


def ask(question: Question, *, quiet: bool) -> Plan:
    """The plan for this question, with a progress bar on stderr where that is a terminal."""
    from crossover.reports.progress import progress
    from crossover.runtime import plan_for

    with progress(enabled=not quiet) as step:
        return plan_for(question, step)


def show(plan: Plan, *, as_json: bool, html: Path | None, explain: str | None, top: int) -> None:
    """Print the plan, one option of it, or its JSON, and write the report.

    For people the plan is printed first: a disk that fills up costs the report only. A program gets one answer on
    stdout: the plan once its report is written, or the error.
    """
    if as_json:
        import msgspec

        if html is not None:
            report(plan, html)
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(plan), indent=2).decode() + "\n")
        return
    from crossover.reports import terminal

    console = terminal.console()
    if explain is not None:
        from crossover.reports.explanation import explain as show_option

        show_option(plan, explain, console)
    else:
        terminal.render(plan, console, top=top)
    if html is not None:
        report(plan, html)
        console.print(f"Report written to {html}", markup=False)


def report(plan: Plan, html: Path) -> None:
    """Write the HTML report."""
    from crossover.reports.html import write

    write(plan, html)
