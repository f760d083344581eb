"""Flags of the command line, with the files and presets they name, as one workload.

Exactly one source may bring the traffic: a trace, a usage export, a preset or a workload file. Flags are laid over it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from crossover.errors import ContradictionError, InputError
from crossover.traffic import facts as bounds
from crossover.traffic.facts import Demand, Facts, finish, overlay
from crossover.traffic.lengths import assumed_input, assumed_note, assumed_output
from crossover.workload import Lengths, Workload, parse_slo, scaled


def workload_from_flags(**stated: Any) -> Workload:
    """The workload that the arguments of ``demand_from_flags`` describe, without its SLO and regimes."""
    return demand_from_flags(**stated).workload


def demand_from_flags(
    *,
    requests_per_day: float | None = None,
    input_tokens: float | None = None,
    output_tokens: float | None = None,
    peak_factor: float | None = None,
    cached_share: float | None = None,
    batch_share: float | None = None,
    sensitive_share: float | None = None,
    models: Sequence[str] = (),
    growth: float | None = None,
    burstiness: float | None = None,
    trace: str | Path | None = None,
    columns: str | None = None,
    usage: str | Path | None = None,
    preset: str | None = None,
    workload: str | Path | None = None,
    record: Facts | None = None,
    name: str | None = None,
    slo: str | None = None,
    regimes: Sequence[str] = (),
) -> Demand:
    """The workload, the SLO and the regimes that flags and files state together; flags win over files.

    ``record`` is what a ledger says of recorded traffic. ``trace`` may also be a usage export; it is recognised.
    Numbers out of bounds raise InputError with the flag's name, flags that cannot hold together ContradictionError,
    files FileError.
    """
    base = _source(trace, columns, usage, preset, workload, record)
    said = Facts(
        name=name,
        requests_per_day=_given(bounds.check_requests, requests_per_day, "--requests-per-day"),
        input=_around(bounds.check_tokens, input_tokens, "--input-tokens", base.input, assumed_input),
        output=_around(bounds.check_tokens, output_tokens, "--output-tokens", base.output, assumed_output),
        models=_models(models),
        cached_share=_given(bounds.check_share, cached_share, "--cached-share"),
        batch_share=_given(bounds.check_share, batch_share, "--batch-share"),
        sensitive_share=_given(bounds.check_share, sensitive_share, "--sensitive-share"),
        peak_factor=_given(bounds.check_peak, peak_factor, "--peak-factor"),
        burstiness=_given(bounds.check_burstiness, burstiness, "--burstiness"),
        growth_per_month=_given(bounds.check_growth, growth, "--growth"),
        slo=parse_slo(slo) if slo else None,
        regimes=tuple(regimes) or None,
    )
    _refuse_contradictions(base, said)
    notes = _overruled(base, said)
    free_input = None if base.input is not None else input_tokens
    free_output = None if base.output is not None else output_tokens
    if free_input is not None or free_output is not None:
        notes.append(assumed_note(free_input, free_output))
    return finish(overlay(base, _with_notes(said, notes)))


def _source(
    trace: str | Path | None,
    columns: str | None,
    usage: str | Path | None,
    preset: str | None,
    workload: str | Path | None,
    record: Facts | None,
) -> Facts:
    """The one source of traffic, or nothing."""
    given = {
        "--trace": trace, "--usage-export": usage, "--preset": preset, "--workload": workload, "--from-ledger": record,
    }  # fmt: skip
    named = [flag for flag, value in given.items() if value is not None]
    if len(named) > 1:
        raise ContradictionError(
            f"{' and '.join(named)} each bring the traffic", hint="Keep one of them", field=named[1]
        )
    if columns is not None and trace is None:
        raise ContradictionError("--columns maps the columns of a trace, and there is none", hint="Add --trace FILE")
    if trace is not None:
        from crossover.traffic.sources import facts_of_file

        return facts_of_file(trace, columns)
    if usage is not None:
        from crossover.traffic.exports import read_export

        return read_export(usage)
    if preset is not None:
        from crossover.traffic.presets import facts_of_preset

        return facts_of_preset(preset)
    if workload is not None:
        from crossover.traffic.toml import read_workload

        return read_workload(workload)
    return record or Facts()


def _refuse_contradictions(base: Facts, said: Facts) -> None:
    """Flags that speak of what the source measured, so that one of the two must be wrong."""
    if base.trace is not None:
        for value, flag, what in (
            (said.input, "--input-tokens", "how long prompts are"),
            (said.output, "--output-tokens", "how long answers are"),
            (said.burstiness, "--burstiness", "how arrivals come in bursts"),
        ):
            if value is not None:
                raise ContradictionError(
                    f"the trace {base.trace.name} says {what}, so {flag} cannot", hint="Keep one of them", field=flag
                )
        if said.peak_factor is not None and base.profile is not None:
            raise ContradictionError(
                f"the trace {base.trace.name} spans over a day and brings its own profile, so --peak-factor cannot",
                hint="Keep one of them",
                field="--peak-factor",
            )


def _overruled(base: Facts, said: Facts) -> list[str]:
    """A note for every figure of the source that a flag replaces."""
    labels = {
        "requests_per_day": ("requests/day", "--requests-per-day"),
        "cached_share": ("cached share", "--cached-share"),
        "batch_share": ("batch share", "--batch-share"),
        "sensitive_share": ("sensitive share", "--sensitive-share"),
        "burstiness": ("burstiness", "--burstiness"),
        "peak_factor": ("peak factor", "--peak-factor"),
    }
    notes = [
        f"{name} keep the shape of {base.source}, scaled from a mean of {before.mean:,.0f} to {after.mean:,.0f} tokens"
        for name, before, after in (("prompts", base.input, said.input), ("answers", base.output, said.output))
        if before is not None and after is not None
    ]
    for field, (label, flag) in labels.items():
        before, after = getattr(base, field), getattr(said, field)
        if before is not None and after is not None and before != after:
            notes.append(f"{label}: {after:,g} from {flag} instead of {before:,g} from {base.source}")
    if base.profile is not None and said.peak_factor is not None:
        notes.append(f"the profile of {base.source} is replaced by --peak-factor")
    if base.trace is not None and said.requests_per_day is not None:
        notes.append("the arrivals of the trace are scaled to the stated daily volume")
    return notes


def _around(
    check: bounds.Check, mean: float | None, flag: str, known: Lengths | None, assumed: Callable[[float], Lengths]
) -> Lengths | None:
    """Lengths with this mean: the shape that the source has, else the assumed one."""
    if mean is None:
        return None
    wanted = check(mean, flag)
    return assumed(wanted) if known is None or known.mean <= 0 else scaled(known, wanted / known.mean)


def _models(models: Sequence[str]) -> tuple[str, ...] | None:
    named = tuple(dict.fromkeys(model.strip() for model in models))
    if any(not model for model in named):
        raise InputError("a model has no name", hint="Write --model gpt-4o-mini", field="--model")
    return named or None


def _given(check: bounds.Check, value: float | None, flag: str) -> float | None:
    return None if value is None else check(value, flag)


def _with_notes(facts: Facts, notes: list[str]) -> Facts:
    import msgspec

    return msgspec.structs.replace(facts, notes=(*facts.notes, *notes))
