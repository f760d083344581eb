"""workload.toml: everything a user knows of the traffic, in one file.

``WorkloadFile`` is the shape of the file; its JSON Schema is published for editors. Unknown keys, wrong types and
numbers out of bounds are one sentence with file and line.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from crossover.errors import ContradictionError, FileError, InputError
from crossover.textfile import Document, parse_toml, read_text
from crossover.traffic import facts as bounds
from crossover.traffic.facts import Facts, overlay
from crossover.traffic.lengths import assumed_input, assumed_note, assumed_output
from crossover.traffic.presets import facts_of_preset, named_profile
from crossover.traffic.profiles import from_weights
from crossover.workload import Lengths, lognormal, parse_slo, quantiles

MAX_FILE_BYTES = 10 * 2**20
_PERCENTILE = re.compile(r"p?(\d{1,3}(?:\.\d+)?)")


class LengthsTable(msgspec.Struct, frozen=True, kw_only=True):
    """Token counts: a mean alone, a mean with the sigma of a log-normal, or quantiles."""

    mean: Annotated[float | None, Meta(description="Mean tokens per request.")] = None
    sigma: Annotated[float | None, Meta(description="Standard deviation of the logarithm: a log-normal.")] = None
    quantiles: Annotated[
        dict[str, float] | None,
        Meta(description="Tokens at percentiles: { p0 = 10, p50 = 400, p95 = 2000, p100 = 8000 }."),
    ] = None


class WorkloadFile(msgspec.Struct, frozen=True, kw_only=True):
    """A workload for Crossover: what arrives, when, how long it is, how sensitive, and what must hold."""

    name: Annotated[str | None, Meta(description="How the workload is called in the plan.")] = None
    requests_per_day: Annotated[float | None, Meta(description="Mean requests per day.")] = None
    models: Annotated[list[str] | None, Meta(description="What answers today, or is compared: provider/model.")] = None
    input: Annotated[float | LengthsTable | None, Meta(description="Tokens of a prompt: a mean or a table.")] = None
    output: Annotated[float | LengthsTable | None, Meta(description="Tokens of an answer: a mean or a table.")] = None
    profile: Annotated[
        str | list[float] | None,
        Meta(description="Shape of the week: even, office-hours, evening, night; or 24 or 168 numbers."),
    ] = None
    peak_factor: Annotated[float | None, Meta(description="Busiest hour over the mean hour; instead of a profile.")] = (
        None
    )
    burstiness: Annotated[
        float | None, Meta(description="Coefficient of variation of gaps between arrivals (1 = random).")
    ] = None
    cached_share: Annotated[float | None, Meta(description="Share of input tokens read from a cache, 0 to 1.")] = None
    batch_share: Annotated[float | None, Meta(description="Share of requests that can wait for a batch, 0 to 1.")] = (
        None
    )
    sensitive_share: Annotated[float | None, Meta(description="Share of requests that must not leave, 0 to 1.")] = None
    growth_per_month: Annotated[float | None, Meta(description="Growth of the volume per month (0.05 = 5 %).")] = None
    slo: Annotated[str | None, Meta(description="What must hold: ttft_p95<1s,itl_p95<50ms.")] = None
    regimes: Annotated[list[str] | None, Meta(description="Regimes of law that apply: hipaa, gdpr, …")] = None
    trace: Annotated[str | None, Meta(description="A CSV or JSONL trace beside this file.")] = None
    columns: Annotated[str | None, Meta(description="Columns of the trace: time=ts,input=in,output=out.")] = None
    usage: Annotated[str | None, Meta(description="A provider's usage export beside this file.")] = None
    preset: Annotated[str | None, Meta(description="A preset to start from; the keys above are laid over it.")] = None


def schema() -> dict[str, Any]:
    """The JSON Schema of workload.toml, for editors."""
    found = msgspec.json.schema(WorkloadFile)
    for definition in found["$defs"].values():
        definition["additionalProperties"] = False
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Crossover workload", **found}


def read_workload(path: str | Path) -> Facts:
    """What a workload.toml says, with the trace, export or preset it names below it. Raises FileError with the line."""
    place = Path(path)
    text = read_text(place, MAX_FILE_BYTES, too_long='A trace is named in it: trace = "requests.csv"')
    data = parse_toml(text, str(place))
    document = Document(str(place), text)
    _refuse_unknown(document, data, WorkloadFile, ())
    try:
        said = msgspec.convert(data, WorkloadFile)
    except msgspec.ValidationError as error:
        raise _wrong_type(document, error) from None
    try:
        return overlay(_base(said, place), _facts(said, place))
    except FileError:
        raise
    except InputError as error:
        raise document.at(error) from None


def _base(said: WorkloadFile, place: Path) -> Facts:
    """The traffic that the file names."""
    named = [key for key in ("trace", "usage", "preset") if getattr(said, key) is not None]
    if len(named) > 1:
        raise ContradictionError(f"{' and '.join(named)} each bring the traffic", hint="Keep one", field=named[1])
    if said.columns is not None and said.trace is None:
        raise ContradictionError("columns maps the columns of a trace, and there is none", field="columns")
    if said.trace is not None:
        from crossover.traffic.sources import facts_of_file

        return facts_of_file(place.parent / said.trace, said.columns)
    if said.usage is not None:
        from crossover.traffic.exports import read_export

        return read_export(place.parent / said.usage)
    return Facts() if said.preset is None else facts_of_preset(said.preset)


def _facts(said: WorkloadFile, place: Path) -> Facts:
    if said.trace is not None:
        for key in ("input", "output", "burstiness"):
            if getattr(said, key) is not None:
                raise ContradictionError(f"the trace says {key} already", hint="Keep one of them", field=key)
    if said.profile is not None and said.peak_factor is not None:
        raise ContradictionError(
            "profile and peak_factor both say when requests come", hint="Keep one", field="peak_factor"
        )
    notes = []
    means = [value if isinstance(value, (int, float)) else None for value in (said.input, said.output)]
    for index, table in enumerate((said.input, said.output)):
        if isinstance(table, LengthsTable) and table.sigma is None and table.quantiles is None:
            means[index] = table.mean
    if any(mean is not None for mean in means):
        notes.append(assumed_note(*means))
    return Facts(
        name=said.name or place.stem,
        requests_per_day=_given(bounds.check_requests, said.requests_per_day, "requests_per_day"),
        input=_lengths(said.input, "input"),
        output=_lengths(said.output, "output"),
        models=None if said.models is None else tuple(said.models),
        cached_share=_given(bounds.check_share, said.cached_share, "cached_share"),
        batch_share=_given(bounds.check_share, said.batch_share, "batch_share"),
        sensitive_share=_given(bounds.check_share, said.sensitive_share, "sensitive_share"),
        peak_factor=_given(bounds.check_peak, said.peak_factor, "peak_factor"),
        profile=_profile(said.profile),
        burstiness=_given(bounds.check_burstiness, said.burstiness, "burstiness"),
        growth_per_month=_given(bounds.check_growth, said.growth_per_month, "growth_per_month"),
        slo=None if said.slo is None else parse_slo(said.slo),
        regimes=None if said.regimes is None else tuple(said.regimes),
        source=str(place.name),
        notes=tuple(notes),
    )


def _profile(profile: str | list[float] | None) -> tuple[float, ...] | None:
    if profile is None:
        return None
    return named_profile(profile) if isinstance(profile, str) else from_weights(profile)


def _lengths(said: float | LengthsTable | None, key: str) -> Lengths | None:
    if said is None:
        return None
    assumed = assumed_input if key == "input" else assumed_output
    if isinstance(said, (int, float)):
        return assumed(bounds.check_tokens(said, key))
    if said.quantiles is not None:
        if said.mean is not None or said.sigma is not None:
            raise ContradictionError("quantiles give the whole distribution, mean and sigma another", field=key)
        return _quantiles(said.quantiles, key)
    if said.mean is None:
        raise InputError(
            "has no mean and no quantiles", hint="Write mean = 500, or quantiles = { p50 = 400 }", field=key
        )
    mean = bounds.check_tokens(said.mean, f"{key}.mean")
    return assumed(mean) if said.sigma is None else lognormal(mean, bounds.check(said.sigma, f"{key}.sigma", 0, 5))


def _quantiles(said: dict[str, float], key: str) -> Lengths:
    points: list[tuple[float, float]] = []
    for name, tokens in said.items():
        match = _PERCENTILE.fullmatch(name)
        if match is None or float(match[1]) > 100:
            raise InputError(
                f"{name!r} is no percentile", hint="Write p50 or p95, from p0 to p100", field=f"{key}.quantiles"
            )
        points.append(
            (float(match[1]) / 100, bounds.check(tokens, f"{key}.quantiles.{name}", 0, bounds.MAX_MEAN_TOKENS))
        )
    try:
        return quantiles(tuple(sorted(points)))
    except InputError as error:
        raise InputError(error.message, hint=error.hint, field=f"{key}.quantiles") from None


def _given(check: bounds.Check, value: float | None, key: str) -> float | None:
    return None if value is None else check(value, key)


def _refuse_unknown(
    document: Document, data: dict[str, Any], shape: type[msgspec.Struct], path: tuple[str, ...]
) -> None:
    """Raise FileError at the first key the file's shape does not have."""
    for key, value in data.items():
        here = (*path, key)
        if key not in shape.__struct_fields__:
            raise document.unknown_key(here, shape.__struct_fields__)
        if isinstance(value, dict) and key in ("input", "output") and not path:
            _refuse_unknown(document, value, LengthsTable, here)


def _wrong_type(document: Document, error: msgspec.ValidationError) -> FileError:
    """A value of the wrong type, in plain words."""
    what, _, where = str(error).partition(" - at `$")
    path = tuple(part for part in re.split(r"[.\[\]]+", where.strip("`")) if part)
    match = re.fullmatch(r"Expected `(.*)`, got `(.*)`", what)
    words = f"must be {_plain(match[1])}, not {_plain(match[2])}" if match else what
    field = ".".join(part for part in path if part != "...")
    return FileError(words, file=document.file, line=document.line(path), field=field or None)


def _plain(types: str) -> str:
    words = {
        "int": "a number",
        "float": "a number",
        "str": "a text",
        "array": "a list",
        "object": "a table",
        "bool": "a yes/no",
    }
    named = [words[part] for part in (piece.strip() for piece in types.split("|")) if part in words]
    return " or ".join(dict.fromkeys(named)) or types
