"""``crossover deploy``: the option of a plan as files for compose or Kubernetes."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast, get_args

import typer

from crossover.errors import FileError, InputError, UnknownNameError

if TYPE_CHECKING:
    from crossover.deploy.words import Artefact
    from crossover.planner.words import Plan

app = typer.Typer(add_completion=False, rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]})
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_IMAGE = re.compile(r"[a-z0-9][A-Za-z0-9._/:@-]{0,254}")


@app.command()
def deploy(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="What crossover plan --json wrote; - reads stdin.")],
    to: Annotated[str, typer.Option("--to", help="compose or kubernetes.")],
    option: Annotated[
        str | None, typer.Option(help="Rank or id of the option.", show_default="the plan's recommendation")
    ] = None,
    out: Annotated[Path, typer.Option(help="The folder to write into.")] = Path("deploy"),
    force: Annotated[bool, typer.Option("--force", help="Write over files that are there already.")] = False,
    weights: Annotated[str, typer.Option(help="Repository (vLLM) or GGUF file (llama.cpp) instead of the usual.")] = "",
    base_url: Annotated[
        str | None, typer.Option(help="Address of a seller that has none of its own, such as Azure.")
    ] = None,
    gateway_image: Annotated[
        str | None, typer.Option(help="Name of the gateway's image, which you build.", show_default="crossover:VERSION")
    ] = None,
    namespace: Annotated[str, typer.Option(help="Namespace of Kubernetes.")] = "crossover",
    autoscaler: Annotated[str, typer.Option(help="hpa (with prometheus-adapter) or keda.")] = "hpa",
    max_replicas: Annotated[
        int, typer.Option(min=0, help="Most replicas the autoscaler may start; 0: those that the plan pays for.")
    ] = 0,
    prometheus: Annotated[str, typer.Option(help="Address of Prometheus, for KEDA.")] = (
        "http://prometheus-server.monitoring.svc"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print the files as one object, and write none.")] = False,
) -> None:
    """Write a plan's option as artefacts: engines with the planned flags, the gateway, health checks, growth."""
    from crossover import __version__
    from crossover.catalog.load import load
    from crossover.deploy import site as sites
    from crossover.deploy.images import image_for
    from crossover.deploy.words import Autoscaler, Target, Wishes
    from crossover.deploy.write import artefacts
    from crossover.providers.registry import providers

    _one_of("--to", to, get_args(Target))
    _one_of("--autoscaler", autoscaler, get_args(Autoscaler))
    _matches("--namespace", namespace, _NAMESPACE, "lower case letters, digits and hyphens")
    image = gateway_image or f"crossover:{__version__}"
    _matches("--gateway-image", image, _IMAGE, "a name such as registry.example.org/crossover:1")
    wishes = Wishes(
        target=cast(Target, to), gateway_image=image, python_image=image_for("gateway", "any").name,
        version=__version__, namespace=namespace, autoscaler=cast(Autoscaler, autoscaler), prometheus=prometheus,
        most=max_replicas,
    )  # fmt: skip
    read = _read(plan)
    accelerators = {row.name: row for row in load().accelerators}
    chosen = sites.chosen(read, option)
    found = sites.site_of(read, chosen, accelerators, providers(), weights=weights, base_url=base_url)
    files = artefacts(found, wishes)
    if as_json:
        texts = {one.path: one.text for one in files}
        typer.echo(json.dumps({"option": found.option, "files": texts, "notes": found.notes}, ensure_ascii=False))
        return
    _write(out, files, force=force)
    typer.echo(f"{found.title}")
    for one in files:
        typer.echo(f"  {out / one.path}")
    for note in found.notes:
        typer.echo(f"Note: {note}")
    typer.echo(f"Next: {out / 'README.md'} has the steps")


def _read(place: Path) -> Plan:
    """The plan of a file. Raises FileError where it is no plan, or one of another version."""
    import msgspec

    from crossover.planner.words import Plan
    from crossover.reports.schema import SCHEMA_VERSION

    name = "stdin" if str(place) == "-" else str(place)
    try:
        data = sys.stdin.buffer.read() if name == "stdin" else place.read_bytes()
    except OSError as error:
        raise FileError(f"it cannot be read: {error.strerror or error}", file=name) from None
    try:
        found = msgspec.json.decode(data, type=Plan)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise FileError(f"this is no plan: {error}", hint="crossover plan --json > plan.json", file=name) from None
    if found.schema_version != SCHEMA_VERSION:
        raise FileError(f"the plan has format {found.schema_version}, this Crossover reads {SCHEMA_VERSION}", file=name)
    return found


def _write(folder: Path, files: list[Artefact], *, force: bool) -> None:
    from crossover.reports import files as writing

    there = [one.path for one in files if (folder / one.path).exists()]
    if there and not force:
        raise FileError(
            f"{', '.join(there)} {'is' if len(there) == 1 else 'are'} there already",
            hint="--force writes over them, --out names another folder", file=str(folder),
        )  # fmt: skip
    try:
        for one in files:
            (folder / one.path).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"it cannot be made: {error.strerror or error}", file=str(folder)) from None
    for one in files:
        writing.write(folder / one.path, one.text)


def _one_of(flag: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UnknownNameError(flag.removeprefix("--"), value, known, field=flag)


def _matches(flag: str, value: str, pattern: re.Pattern[str], what: str) -> None:
    if not pattern.fullmatch(value):
        raise InputError(f"{value!r} is no name that can be used", hint=f"Write {what}", field=flag)
