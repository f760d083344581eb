"""``crossover loadtest``: what an endpoint, a deployment or a whole policy really does under load."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})

WHAT, LOAD, ASKED, BOUNDS, OUTPUT = "What is tested", "The load", "What is asked", "Bounds", "Output"


@app.command()
def loadtest(
    target: Annotated[
        list[str] | None,
        typer.Argument(help="A deployment (called directly), an alias, or a .gguf file; with --compare several."),
    ] = None,
    compare: Annotated[
        bool,
        typer.Option("--compare", help="Targets in turns: those named, or all engines found.", rich_help_panel=WHAT),
    ] = False,
    url: Annotated[str | None, typer.Option(help="An OpenAI-compatible server instead.", rich_help_panel=WHAT)] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help="The model there.", rich_help_panel=WHAT)] = None,
    api_key_env: Annotated[
        str | None, typer.Option(help="The environment variable with the key of --url.", rich_help_panel=WHAT)
    ] = None,
    routed: Annotated[
        bool, typer.Option("--routed", help="Through the dispatcher and its policy.", rich_help_panel=WHAT)
    ] = False,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The configuration file.", rich_help_panel=WHAT)
    ] = None,
    read: Annotated[
        Path | None, typer.Option(help="Report on a file of --out instead; asks nothing.", rich_help_panel=WHAT)
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="A closed loop: so many at once.", rich_help_panel=LOAD)
    ] = None,
    rate: Annotated[
        float | None, typer.Option(help="An open loop: so many requests a second.", rich_help_panel=LOAD)
    ] = None,
    arrivals: Annotated[
        str | None, typer.Option(help="constant, poisson or gamma.", show_default="poisson", rich_help_panel=LOAD)
    ] = None,
    burstiness: Annotated[
        float | None, typer.Option(help="Variation of gamma's gaps (1: Poisson).", rich_help_panel=LOAD)
    ] = None,
    ramp: Annotated[
        str | None, typer.Option(help="A rate that changes over --duration: 1:20.", rich_help_panel=LOAD)
    ] = None,
    trace: Annotated[
        Path | None, typer.Option(help="Recorded requests, replayed: times and lengths.", rich_help_panel=LOAD)
    ] = None,
    columns: Annotated[
        str | None, typer.Option(help="Columns of the trace: time=ts,input=in,output=out.", rich_help_panel=LOAD)
    ] = None,
    time_scale: Annotated[
        float | None, typer.Option(help="Replay the trace so much faster.", rich_help_panel=LOAD)
    ] = None,
    sweep: Annotated[
        bool, typer.Option("--sweep", help="Raise the concurrency to the knee.", rich_help_panel=LOAD)
    ] = False,
    max_rate: Annotated[
        bool, typer.Option("--max-rate", help="Find the highest rate under --slo.", rich_help_panel=LOAD)
    ] = False,
    slo: Annotated[str, typer.Option(help='What must hold: "ttft_p95<1s,itl_p95<50ms".', rich_help_panel=LOAD)] = "",
    input_tokens: Annotated[
        str | None, typer.Option(help="Of a prompt: 256, lognormal:256,0.6 …", rich_help_panel=ASKED)
    ] = None,
    output_tokens: Annotated[
        str | None, typer.Option(help="Of an answer, at most: 128, uniform:50-200 …", rich_help_panel=ASKED)
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="Lengths of a named workload: conversation, rag …", rich_help_panel=ASKED)
    ] = None,
    prompts: Annotated[Path | None, typer.Option(help="Your own prompts, as JSONL.", rich_help_panel=ASKED)] = None,
    shared_prefix: Annotated[
        float | None, typer.Option(help="Share of each prompt that is the same (0..1).", rich_help_panel=ASKED)
    ] = None,
    ignore_eos: Annotated[
        bool | None,
        typer.Option("--ignore-eos/--no-ignore-eos", help="Ask for answers of full length.", rich_help_panel=ASKED),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="The same prompts and times again.", rich_help_panel=ASKED)
    ] = None,
    requests: Annotated[
        int | None, typer.Option(min=1, help="Measured requests of each load.", rich_help_panel=BOUNDS)
    ] = None,
    duration: Annotated[
        float | None, typer.Option(help="Seconds that each load is measured.", rich_help_panel=BOUNDS)
    ] = None,
    warmup: Annotated[
        int | None, typer.Option(min=0, help="Requests before, in no latency.", rich_help_panel=BOUNDS)
    ] = None,
    most: Annotated[
        float | None, typer.Option(help="The highest concurrency or rate that is tried.", rich_help_panel=BOUNDS)
    ] = None,
    rounds: Annotated[
        int | None,
        typer.Option(help="Of --compare, in each of which every target is measured.", rich_help_panel=BOUNDS),
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds that an answer may take.", rich_help_panel=BOUNDS)] = 120.0,
    max_usd: Annotated[float, typer.Option(help="Dollars that it may cost.", rich_help_panel=BOUNDS)] = 1.0,
    against: Annotated[
        list[Path] | None, typer.Option(help="An earlier file of --out; repeatable.", rich_help_panel=OUTPUT)
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Keep every request, as JSONL.", rich_help_panel=OUTPUT)] = None,
    html: Annotated[Path | None, typer.Option(help="Write a self-contained report.", rich_help_panel=OUTPUT)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.", rich_help_panel=OUTPUT)] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No bar, no definitions.", rich_help_panel=OUTPUT)
    ] = False,
    fail_if: Annotated[
        list[str] | None, typer.Option(help="Exit code 3: slo (missed), slower.", rich_help_panel=OUTPUT)
    ] = None,
    no_evidence: Annotated[
        bool, typer.Option("--no-evidence", help="Write nothing into the ledger.", rich_help_panel=OUTPUT)
    ] = False,
    subject: Annotated[
        str | None, typer.Option(help="The planner's name for what is tested.", rich_help_panel=OUTPUT)
    ] = None,
    ledger: Annotated[Path | None, typer.Option(help="The ledger's file.", rich_help_panel=OUTPUT)] = None,
) -> None:
    """Measure an endpoint, a deployment or an alias under load.

    Without a load: 8 at once, for ten seconds and at least 100 answers. Prompts are made up, unless you bring some.
    """
    flags = {**locals(), "targets": tuple(target or ()), "target": target[0] if target else None}
    from crossover.cli.loadtesting import Flags, load_test

    load_test(Flags(**flags))
