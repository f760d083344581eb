"""``crossover models``: the models on this machine: shipped, pulled from a hub, and what engines offer."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from crossover.config import colour_wanted, hub_token, paths
from crossover.engines import embedded, gguf, hub
from crossover.errors import FileError, InputError, UnknownNameError

if TYPE_CHECKING:
    from rich.console import Console

    from crossover.engines.words import Engine, EngineModel

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="List, pull, look into and remove models on this machine.",
)

Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
_REPO = "owner/name, with :FILE or :QUANTISATION where it has several (owner/name:Q4_K_M)."
_FILE = "A path, or a name that `crossover models list` shows."
INTERRUPTED = 130


@app.command("list")
def list_models(
    as_json: Json = False,
    engines: Annotated[bool, typer.Option(help="Ask the engines on this machine too.")] = True,
) -> None:
    """List models: shipped with Crossover, pulled, and what the engines that run here offer."""
    rows = [*_files(), *(_engine_rows(asyncio.run(_engines())) if engines else ())]
    if as_json:
        _print_json(rows)
        return
    console = _console()
    _table(console, rows)
    if any(row["cloud"] for row in rows):
        console.print("cloud: the engine only relays to its maker's servers; never counted as local.")
    if engines and not any(row["where"] not in ("shipped", "pulled") for row in rows):
        console.print("No engine answers here (asked: Ollama, LM Studio, vLLM, SGLang, llama.cpp, MLX).")


@app.command()
def pull(
    repo: Annotated[str, typer.Argument(metavar="REPO[:FILE|:QUANT]", help=_REPO)],
    hub_url: Annotated[str, typer.Option("--hub", help="Address of the hub.")] = hub.HUB,
    as_json: Json = False,
) -> None:
    """Fetch a GGUF file from a hub; what broke off is resumed, size and SHA-256 are checked."""
    from crossover.reports.progress import progress

    name, wanted = hub.parse(repo)
    token, folder = hub_token(), paths().models
    chosen = _chosen(name, wanted, hub_url, token)
    done: list[hub.Pulled] = []
    with progress(enabled=not as_json) as report:
        for file in chosen:

            def tell(have: int, total: int, label: str = file.path) -> None:
                report(have // 2**20, total // 2**20, f"{label} (MiB)")

            try:
                done.append(hub.pull(name, file, folder, hub=hub_url, token=token, report=tell))
            except KeyboardInterrupt:
                kept = sorted((folder / name).rglob("*.part"))
                where = f"; what came is kept in {kept[0]}, the same command goes on from there" if kept else ""
                typer.echo(f"crossover: interrupted{where}", err=True)
                raise typer.Exit(INTERRUPTED) from None
    if as_json:
        _print_json([{**msgspec.to_builtins(one, enc_hook=str), "path": str(one.path)} for one in done])
        return
    for one in done:
        checked = "SHA-256 as the hub named it" if one.verified else "the hub named no SHA-256 to check"
        verb = "Pulled" if one.fresh else "Already here:"
        typer.echo(f"{verb} {one.path} ({_size(one.size)}; {checked})")


@app.command()
def show(file: Annotated[str, typer.Argument(help=_FILE)], as_json: Json = False) -> None:
    """Show what a GGUF file says of itself: architecture, context, quantisation, size."""
    path = _path_of(file)
    facts = gguf.read(path)
    said = {**msgspec.to_builtins(facts), "sha256": hub.sha256_of(path)}
    if as_json:
        _print_json(said)
        return
    lines = {
        "file": facts.path,
        "name": facts.name or "–",
        "architecture": facts.architecture or "–",
        "quantisation": facts.quantisation or "–",
        "parameters": _count(facts.parameters),
        "context": f"{facts.context:,} tokens" if facts.context else "–",
        "layers": f"{facts.layers} of width {facts.embedding}, {facts.heads} heads ({facts.kv_heads} for keys)",
        "vocabulary": f"{facts.vocabulary:,} tokens",
        "size": f"{_size(facts.bytes)} ({facts.bytes:,} bytes)",
        "chat template": "yes" if facts.chat_template else "no: only plain completion",
        "licence": facts.license or "not said",
        "sha256": said["sha256"] or "not recorded",
    }
    for name, value in lines.items():
        typer.echo(f"{name:14} {value}")


@app.command("rm")
def remove(
    file: Annotated[str, typer.Argument(help=_FILE)],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove a pulled model file."""
    path = _path_of(file)
    folder = paths().models
    if not path.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{path} was not pulled by Crossover", hint=f"Only files below {folder} are removed")
    if not yes:
        typer.confirm(f"Remove {path}?", abort=True)
    typer.echo(f"Removed {path}; {_size(hub.remove(path))} freed")


def _chosen(name: str, wanted: str, hub_url: str, token: str | None) -> tuple[hub.RemoteFile, ...]:
    """The files to fetch; a named file needs no listing where a hub has none."""
    try:
        found = hub.files(name, hub=hub_url, token=token)
    except InputError:
        if not wanted.lower().endswith(".gguf"):
            raise
        return (hub.RemoteFile(path=wanted),)
    return hub.choose(found, wanted, name)


def _path_of(text: str) -> Path:
    """A file named by path, or by (a part of) the name of a listed one."""
    path = Path(text)
    if path.is_file():
        return path
    known = (*embedded.shipped(), *hub.pulled(paths().models))
    fitting = [one for one in known if text in (one.name, one.stem, str(one.relative_to(_root_of(one))))]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise InputError(f"{text!r} is the name of several files: {', '.join(map(str, fitting))}", hint="Give the path")
    if path.suffix == ".gguf" and len(path.parts) > 1:
        raise FileError("no such file", file=text)
    raise UnknownNameError("model file", text, [one.stem for one in known])


def _root_of(path: Path) -> Path:
    models = paths().models
    return models if path.is_relative_to(models) else embedded.DATA


def _files() -> list[dict[str, Any]]:
    rows = []
    for where, found in (("shipped", embedded.shipped()), ("pulled", hub.pulled(paths().models))):
        for path in found:
            try:
                facts = gguf.read(path)
            except FileError as error:
                rows.append(_row(where, path.stem, path=str(path), bytes=path.stat().st_size, note=error.message))
                continue
            rows.append(
                _row(
                    where,
                    path.stem,
                    path=str(path),
                    bytes=facts.bytes,
                    quantisation=facts.quantisation or None,
                    parameters=facts.parameters or None,
                    max_context=facts.context or None,
                    digest=hub.sha256_of(path),
                )
            )
    return rows


async def _engines() -> tuple[Engine, ...]:
    from crossover.engines.discover import discover
    from crossover.engines.inspect import inspect
    from crossover.transport import Transport

    transport = Transport()
    try:
        found = await discover(transport)
        return tuple(await asyncio.gather(*(inspect(transport, one) for one in found)))
    finally:
        await transport.aclose()


def _engine_rows(engines: tuple[Engine, ...]) -> list[dict[str, Any]]:
    return [_model_row(engine, model) for engine in engines for model in engine.models]


def _model_row(engine: Engine, model: EngineModel) -> dict[str, Any]:
    facts = {name: value for name, value in msgspec.to_builtins(model).items() if name not in ("name", "can")}
    notes = [*(["cloud"] if model.cloud else ()), *(["loaded"] if model.loaded else ()), *sorted(model.can)]
    return _row(engine.found.title, model.name, url=engine.found.base_url, note=", ".join(notes), **facts)


def _row(where: str, name: str, **facts: Any) -> dict[str, Any]:
    """One row; every row has the same keys."""
    keys = ("path", "url", "bytes", "quantisation", "parameters", "context", "max_context", "digest", "loaded")
    return {"where": where, "name": name, **dict.fromkeys(keys), "cloud": False, "remote": None, "note": "", **facts}


def _table(console: Console, rows: list[dict[str, Any]]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("Where", "Model", "Stored as", ">Parameters", ">Context", ">Size", "Note"):
        right = name.startswith(">")
        table.add_column(name.removeprefix(">"), justify="right" if right else "left", no_wrap=right, overflow="fold")
    for row in rows:
        context = row["context"] or row["max_context"]
        cells = (
            row["where"],
            row["name"],
            row["quantisation"] or "–",
            _count(row["parameters"]),
            f"{context:,}" if context else "–",
            _size(row["bytes"]) if row["bytes"] else "–",
            row["note"],
        )
        table.add_row(*(Text(cell) for cell in cells))
    console.print(table)


def _count(number: int | None) -> str:
    """``8.03 B``, ``1.8 M``."""
    for unit, letter in ((10**9, "B"), (10**6, "M"), (10**3, "K")):
        if number and number >= unit:
            return f"{number / unit:.3g} {letter}"
    return str(number) if number else "–"


def _size(number: int) -> str:
    """``4.4 GiB``, ``1.9 MiB``."""
    for unit, name in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if number >= unit:
            return f"{number / unit:.1f} {name}"
    return f"{number} bytes"


def _console() -> Console:
    from rich.console import Console

    return Console(no_color=not colour_wanted(), highlight=False, markup=False)


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=1, ensure_ascii=False))
