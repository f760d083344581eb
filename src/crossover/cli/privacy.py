"""``crossover privacy``: what sensitive data texts hold, and models refitted on labelled texts."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from crossover.errors import CrossoverError, CutShortError, InputError, ThresholdError, UnknownNameError
from crossover.sensitivity import CATEGORIES

if TYPE_CHECKING:
    from crossover.config.settings import Settings
    from crossover.privacy.policy import Profile
    from crossover.privacy.words import Finding
    from crossover.reports.privacy import Listing, Report
    from crossover.traffic.scan.sources import Gathered
    from crossover.traffic.scan.survey import Surveyor
    from crossover.traffic.scan.words import FileCount, Hit, Survey

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="What sensitive data texts hold; models refitted on your own labelled texts.",
)

_LISTED = 20  # findings of each file, for people
PATIENCE_S = 1.0  # how long a scan runs before a bar shows
_AFFECTED = ("hard", "soft", *CATEGORIES)


Paths = Annotated[
    list[str] | None,
    typer.Argument(metavar="PATH", help="Files, folders, - for standard input.", show_default=False),
]
ProfileName = Annotated[
    str | None, typer.Option(help="Whose verdict is shown.", show_default="that of crossover.toml, else balanced")
]
Config = Annotated[
    Path | None, typer.Option("--config", "-c", help="The configuration file with your own rules and profiles.")
]
Limit = Annotated[
    int | None,
    typer.Option(min=0, help="Findings listed of each file; all are counted.", show_default="20, with --json all"),
]


@app.command()
def scan(
    paths: Paths = None,
    profile: ProfileName = None,
    config: Config = None,
    no_names: Annotated[bool, typer.Option("--no-names", help="Do not look for names and addresses.")] = False,
    no_health: Annotated[bool, typer.Option("--no-health", help="Do not look for health stories.")] = False,
    by_line: Annotated[
        bool, typer.Option("--by-line", help="Each line of plain text is a record (always so in .log files).")
    ] = False,
    limit: Limit = None,
    show: Annotated[bool, typer.Option("--show", help="Show the values that were found instead of dots.")] = False,
    fail_on: Annotated[
        str | None, typer.Option(help=f"End with exit code 3 where records hold it: {', '.join(_AFFECTED)}.")
    ] = None,
    threshold: Annotated[
        str | None, typer.Option(help="…where more than this share of records does: 0.05 or 5%.", show_default="0")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the figures: no single finding, no bar.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write a self-contained report to this file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Say what sensitive data files, folders or standard input hold, and what could go to an API."""
    from crossover.reports.privacy import Listing
    from crossover.traffic.scan import sources
    from crossover.traffic.scan.survey import Surveyor

    most = _share(threshold)
    wanted = _affected(fail_on, threshold)
    gathered = sources.gather(_paths(paths))
    if html is not None:
        from crossover.reports.files import check

        check(html)  # before the work, not after it
    settings = _settings(config, names=not no_names, health=not no_health)
    chosen, matrices = _profiles(settings, profile)
    look, version = _look(settings)
    listing = Listing()
    writer = _JsonWriter(chosen, show=show) if as_json else None

    def keep(name: str, hit: Hit) -> None:
        if writer is not None:
            writer.finding(name, hit)
        if writer is None or html is not None:
            listing.keep(name, hit)

    most_listed = limit if limit is not None else None if as_json else _LISTED
    if quiet and html is None:
        most_listed = 0
    surveyor = Surveyor(
        look, matrices, keep=keep, per_file=most_listed, by_line=by_line, skipped=gathered.skipped
    )  # fmt: skip
    interrupted = _run(surveyor, gathered, listing, writer, bar=not (quiet or as_json))
    report = _report(surveyor.survey(), chosen, listing, version, _remarks(settings), show=show)
    _put(report, writer, quiet=quiet)
    if html is not None:
        _write(report, html, said=not as_json)
    if interrupted:
        raise CutShortError
    _judge(report.survey, wanted, most)


@app.command()
def train(
    what: Annotated[str, typer.Argument(metavar="names|health", help="Which model.")],
    data: Annotated[Path, typer.Argument(help="Your labelled texts: JSON lines, see the page of this command.")],
    out: Annotated[Path, typer.Option(help="The folder for the refitted model.")],
    force: Annotated[bool, typer.Option("--force", help="Write the model also where it does worse.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Refit a model on your own labelled texts, and measure it on a fifth of them that it did not see."""
    from crossover.privacy import labelled, refit
    from crossover.reports import privacy_training
    from crossover.reports.privacy_training import Refit
    from crossover.reports.progress import progress

    model = next((one for one in labelled.WHAT if one == what.strip().casefold()), None)
    if model is None:
        raise UnknownNameError("model", what, labelled.WHAT)
    refit.check(out)
    read = labelled.read(data, model)
    learn, held = labelled.parted(read.examples)
    before = refit.shipped(model)
    begun = time.monotonic()
    with progress(enabled=not as_json) as step:
        step(0, 0, "learning")
        after = refit.refitted(before, learn)
    seconds = time.monotonic() - begun
    done = Refit(
        what=model, learnt=len(learn), held=len(held), seconds=seconds, left_out=read.left_out,
        before=labelled.score(before.find, held, model), after=labelled.score(after.find, held, model),
    )  # fmt: skip
    place = None if done.worse and not force else refit.write(after, out)
    if as_json:
        written = None if place is None else str(place)
        typer.echo(_dumped({**privacy_training.facts(done), "written": written}))
    else:
        from crossover.reports.terminal import console

        privacy_training.render(done, console())
    if place is None:
        raise CrossoverError(
            f"the refitted model does worse on the texts held out (F1 {done.after.f1:.3f} against "
            f"{done.before.f1:.3f}), so it was not written",
            hint="Label more texts, or write it with --force", told=True,
        )  # fmt: skip
    if not as_json:
        typer.echo(f" Written to {place}. To use it, say in crossover.toml:\n")
        typer.echo(f" [privacy]\n models = {_dumped(str(out.absolute()))}\n")


def _paths(paths: Sequence[str] | None) -> Sequence[str]:
    if paths:
        return paths
    if sys.stdin is None or sys.stdin.isatty():
        raise InputError("there is nothing to look at", hint="Name files or folders, or - for standard input")
    return ("-",)


def _share(text: str | None) -> float:
    """A share as ``0.05`` or ``5%``."""
    if text is None:
        return 0.0
    word = text.strip()
    try:
        value = float(word.removesuffix("%")) / (100 if word.endswith("%") else 1)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise InputError(f"{text!r} is no share", hint="Write 0.05 or 5%, from 0 to below 1", field="--threshold")
    return value


def _affected(fail_on: str | None, threshold: str | None) -> str | None:
    """What counts for the exit code; None: nothing does."""
    if fail_on is None:
        return None if threshold is None else "hard"
    word = fail_on.strip().casefold()
    if word not in _AFFECTED:
        raise UnknownNameError("sort of finding", fail_on, _AFFECTED, field="--fail-on")
    return word


def _settings(config: Path | None, *, names: bool, health: bool) -> Settings:
    """``[privacy]`` of the file in force, with what the flags leave out."""
    import msgspec

    from crossover.config import environment
    from crossover.config.load import find, privacy
    from crossover.config.settings import Settings

    place = find(config, environment(), Path())
    settings = Settings() if place is None else privacy(place)
    own = msgspec.structs.replace(
        settings.privacy, names=settings.privacy.names and names, health=settings.privacy.health and health
    )
    return msgspec.structs.replace(settings, privacy=own)


def _profiles(settings: Settings, stated: str | None) -> tuple[Profile, dict[str, Profile]]:
    """The profile in force, and all that are shown: the shipped ones and it."""
    from crossover.config.privacy import profiles
    from crossover.privacy.policy import OFF, PROFILES

    known = profiles(settings)
    name = stated or (settings.privacy.profile if settings.privacy.profile != OFF else "balanced")
    if name not in known:
        raise UnknownNameError("profile", name, known, field="--profile")
    return known[name], {**PROFILES, name: known[name]}


def _look(settings: Settings) -> tuple[Callable[[str, str], Sequence[Finding]], str]:
    """The detector of these settings, which remembers texts that come again, and its version."""
    import gc
    import secrets

    from crossover.privacy.classify import Classifier
    from crossover.runtime.desk import detector

    classifier = Classifier(detector(settings.privacy), secret=secrets.token_bytes(32))
    gc.freeze()  # rules and models stay: what looks for rubbish need not go through them again and again
    return classifier.findings, classifier.version


def _remarks(settings: Settings) -> list[str]:
    """What the figures leave out."""
    own = settings.privacy
    left = [name for name, on in (("names and addresses", own.names), ("health stories", own.health)) if not on]
    said = [f"Not looked for: {', '.join(left)}"] if left else []
    headers = [name for name, rule in own.rules.items() if rule.header is not None]
    if headers:
        said.append(f"Rules for headers need a gateway: {', '.join(headers)}")
    return said


def _run(surveyor: Surveyor, gathered: Gathered, listing: Listing, writer: _JsonWriter | None, *, bar: bool) -> bool:
    """Looks at everything. True where it was interrupted: what was seen until then counts."""
    total = sum(source.size for source in gathered.sources)
    stdin: BinaryIO = sys.stdin.buffer
    begun, before = time.monotonic(), 0
    with ExitStack() as shown:
        report = None
        try:
            for source, done, count in surveyor.run(gathered.sources, stdin):
                if count is not None:
                    listing.ended(count)
                    if writer is not None:
                        writer.ended(count)
                    before += source.size
                if bar and report is None and time.monotonic() - begun > PATIENCE_S:
                    from crossover.reports.progress import progress

                    report = shown.enter_context(progress())
                if report is not None:
                    now = before if count is not None else before + done
                    report(now >> 20, total >> 20, f"MiB  {source.name[-40:]}")
        except KeyboardInterrupt:
            return True
    return False


def _report(
    survey: Survey, profile: Profile, listing: Listing, version: str, remarks: Sequence[str], *, show: bool
) -> Report:
    from crossover.reports.privacy import Report

    return Report(
        survey=survey, profile=profile, files=listing.files, show=show, detector=version, remarks=remarks,
        made_on=time.strftime("%Y-%m-%d", time.gmtime()),
    )  # fmt: skip


class _JsonWriter:
    """Writes one JSON object piece by piece, so that no number of findings fills the memory."""

    def __init__(self, profile: Profile, *, show: bool) -> None:
        self._profile = profile
        self._show = show
        self._files: list[dict[str, Any]] = []
        self._begun = False

    def finding(self, name: str, hit: Hit) -> None:
        """Writes a finding at once."""
        from crossover.reports.privacy import finding

        self._write(",\n" if self._begun else '{"findings": [\n')
        self._write(_dumped(finding(name, hit, self._profile, show=self._show)))
        self._begun = True

    def ended(self, count: FileCount) -> None:
        """Keeps what is known of a file for the end."""
        from crossover.reports.privacy import file_facts

        self._files.append(file_facts(count))

    def end(self, report: Report) -> None:
        """Writes all the rest."""
        from crossover.reports.privacy import summary

        self._write("" if self._begun else '{"findings": [')
        self._write(f'\n], "per_file": {_dumped(self._files)},\n{_dumped(summary(report))[1:]}\n')

    def _write(self, text: str) -> None:
        sys.stdout.write(text)


def _dumped(value: object) -> str:
    """JSON that any encoding can take; half a surrogate, which a JSON text may hold, becomes a question mark."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode()


def _put(report: Report, writer: _JsonWriter | None, *, quiet: bool) -> None:
    if writer is not None:
        writer.end(report)
        return
    from crossover.reports.privacy_terminal import render
    from crossover.reports.terminal import console

    render(report, console(), listing=not quiet)


def _write(report: Report, html: Path, *, said: bool) -> None:
    from crossover.reports.privacy_html import write

    write(report, html)
    if said:
        typer.echo(f"Report written to {html}", err=True)


def _judge(survey: Survey, wanted: str | None, most: float) -> None:
    """Raises what the exit code has to say."""
    from crossover.reports.privacy import percent

    if wanted is not None:
        count = min(_holding(survey, wanted) + survey.failed, survey.records)
        if survey.records and count / survey.records > most:
            share = percent(count / survey.records)
            failed = f" (or could not be looked at: {survey.failed:,})" if survey.failed else ""
            word = "soft or hard findings" if wanted == "soft" else f"{wanted} findings"
            raise ThresholdError(
                f"{count:,} of {survey.records:,} records ({share}) hold {word}{failed}; at most {percent(most)} may",
                told=True,
            )
    if survey.unreadable:
        files = "1 file" if survey.unreadable == 1 else f"{survey.unreadable:,} files"
        raise CrossoverError(f"{files} could not be read to the end, so nobody knows what is in there", told=True)
    if wanted is not None and not survey.records:
        raise CrossoverError("nothing was looked at, so nothing is known", hint="Is this the right place?", told=True)


def _holding(survey: Survey, wanted: str) -> int:
    """Records that hold what ``--fail-on`` names."""
    for category in CATEGORIES:
        if wanted == category:
            return survey.categories.get(category, 0)
    hard = survey.states.get("hard", 0)
    return hard if wanted == "hard" else hard + survey.states.get("soft", 0)
