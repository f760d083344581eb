"""The outermost door: finds the command, runs it, and turns every error into one sentence and an exit code.

Exit codes: 0 ok, 1 failure, 2 usage or bad input, 3 a threshold that the user set is not met, 130 interrupted.
Commands are rows of a table and their modules are imported when they run, so ``crossover --help`` stays fast.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import sys
from importlib import import_module
from typing import Any, cast

import typer
from typer.core import TyperCommand, TyperGroup

from crossover import __version__
from crossover.errors import CrossoverError, FileError

INTERRUPTED = 130
COMMANDS: dict[str, tuple[str, str]] = {
    "serve": ("crossover.cli.serve", "The gateway: one interface over API and local models; routed, priced, recorded."),
    "chat": ("crossover.cli.chat", "Talk to a model; see where it went and what it cost."),
    "eval": ("crossover.cli.eval", "Is one model good enough in another's place, for your own task? A verdict."),
    "route": (
        "crossover.cli.route",
        "Learn from results which work may stay local, with a promise; show it, try it, calibrate it anew.",
    ),
    "explain": ("crossover.cli.explain", "One request's whole story: decision, refusals, attempts, prices."),
    "plan": (
        "crossover.cli.plan",
        "API, hosted open weights, own machines or both: a ranked decision with error bars.",
    ),
    "deploy": (
        "crossover.cli.deploy",
        "A plan's option as files for compose or Kubernetes: engines, gateway, autoscaling.",
    ),
    "loadtest": (
        "crossover.cli.loadtest",
        "What an endpoint really does under load: latencies, throughput, the knee, the highest rate.",
    ),
    "doctor": ("crossover.cli.doctor", "What works on this machine, what does not, and how to mend it."),
    "fit": ("crossover.cli.fit", "What can this machine, or one you name, run, and how fast?"),
    "catalog": ("crossover.cli.catalog", "Look up accelerators, prices and models with their sources; add your own."),
    "models": ("crossover.cli.models", "List, pull, look into and remove models on this machine."),
    "init": ("crossover.cli.init", "Write a first crossover.toml from what is found on this machine."),
    "config": ("crossover.cli.config", "Check crossover.toml, show what it says, print its schema for editors."),
    "ledger": ("crossover.cli.ledger", "What was asked, paid and saved, and where it went; export, check, backup."),
    "privacy": ("crossover.cli.privacy", "What sensitive data texts hold; models refitted on your own labelled texts."),
    "audit": ("crossover.cli.audit", "What left, to whom, under which rule; prove that nobody changed what says so."),
    "dashboard": ("crossover.cli.dashboard", "A ledger as pages: spend, every request, deployments, quality, privacy."),
    "keys": ("crossover.cli.keys", "API keys of the gateway: create, list, revoke."),
    "demo": (
        "crossover.cli.demo",
        "Decide and run, end to end, with nothing to prepare: a plan, then a gateway at work.",
    ),
}


class LazyGroup(TyperGroup):
    """A command group whose commands are imported only when one of them runs."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Replace the row of the table by the real command."""
        name, row, rest = super().resolve_command(ctx, args)
        if name is None or row is None:
            return name, row, rest
        return name, typer.main.get_command(import_module(COMMANDS[name][0]).app), rest


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"crossover {__version__}\n")
        raise typer.Exit()


def build() -> LazyGroup:
    """The command group with one light row per command."""
    app = typer.Typer(
        cls=LazyGroup,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,  # plain help: rich alone would cost more than all the rest of the start
        context_settings={"help_option_names": ["-h", "--help"]},
        help="Decide, prove and run the split between hosted LLM APIs and local models.",
        epilog="Start with: crossover plan --requests-per-day 10000 --input-tokens 500 --output-tokens 300 "
        "--model gpt-4o",
    )

    @app.callback()
    def options(
        version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
    ) -> None:
        pass

    group = cast(LazyGroup, typer.main.get_command(app))
    for name, (_, text) in COMMANDS.items():
        group.add_command(TyperCommand(name, help=text, short_help=text))
    return group


def run(argv: list[str]) -> int:
    """Run one command line and give its exit code; no exception leaves this function."""
    as_json = "--json" in argv
    if as_json and isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # JSON is UTF-8 wherever it goes
    try:
        code = build().main(args=argv, prog_name="crossover", standalone_mode=False)
        if sys.stdout is not None:  # it is None where the caller closed it
            sys.stdout.flush()
    except CrossoverError as error:
        more = error.more if isinstance(error, FileError) else ()  # each mistake of a file on a line of its own
        lines = "\ncrossover: ".join(each.sentence() for each in (error, *more))
        return _report(lines, error.exit_code, error.as_dict() if as_json and not error.told else None)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except (BrokenPipeError, SystemExit):  # the libraries for flags and for tables leave so when the reader has left
        _forget_output()
        return 0  # `| head` is not an error
    except Exception as error:
        if isinstance(error, OSError) and error.filename is None:  # files have names; what has none is the output
            _forget_output()
            return _report(f"the output cannot be written: {error.strerror or error}", 1, None)
        usage = getattr(error, "format_message", None)  # the CLI library's own usage errors
        if usage is not None:
            if not usage():  # no command was given: the help has been printed
                return 2
            if type(error).__name__ == "NoArgsIsHelpError":  # its message is the help itself, not a mistake
                sys.stderr.write(f"{usage()}\n")
                return 2
            facts = {"error": "usage", "message": usage(), "exit_code": 2}
            return _report(str(usage()), 2, facts if as_json else None)
        from crossover.config import debug  # here, because a healthy start needs no settings

        if debug():
            raise
        text = (
            f"unexpected {type(error).__name__}: {error}. Please report it; CROSSOVER_DEBUG=1 shows where it happened"
        )
        return _report(text, 1, {"error": "unexpected", "message": text, "exit_code": 1} if as_json else None)
    if code == INTERRUPTED:
        facts = {"error": "interrupted", "message": "interrupted", "exit_code": INTERRUPTED}
        return _report("interrupted; nothing was left half-written", INTERRUPTED, facts if as_json else None)
    return code if isinstance(code, int) else 0


def _forget_output() -> None:
    """Point stdout at nothing, so that what waits in its buffer cannot fail once more at exit."""
    with contextlib.suppress(OSError, ValueError):  # a stdout without a file number has no buffer that could fail
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _report(sentence: str, exit_code: int, facts: dict[str, object] | None) -> int:
    if facts is not None:
        try:
            sys.stdout.write(json.dumps(facts, ensure_ascii=False) + "\n")
            sys.stdout.flush()
        except OSError:
            _forget_output()
    sys.stderr.write(f"crossover: {sentence}\n")
    return exit_code


def main() -> None:
    """Entry point of the ``crossover`` command."""
    gc.set_threshold(100_000)  # a short process with many small objects: collecting them all the time costs a tenth
    sys.exit(run(sys.argv[1:]))
