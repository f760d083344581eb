"""Turns the flags of ``crossover loadtest`` into a load, its bounds, and what is asked; errors name the flag."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from crossover.errors import ContradictionError, InputError, UnknownNameError
from crossover.loadtest.conduct import Course
from crossover.loadtest.drive import Limits
from crossover.loadtest.prompts import Source, Synthetic, drawn, of_trace, parse_lengths, read_prompts
from crossover.loadtest.words import Load, Style
from crossover.workload import Lengths, Slo, Trace, Workload

if TYPE_CHECKING:
    from crossover.cli.loadtesting import Flags

CONCURRENCY = 8
INPUT, OUTPUT = "256", "128"
ROWS = 4096  # lengths drawn; longer runs use them again, never their texts
MOST_HOURS = 24


def course_of(flags: Flags, slo: Slo, trace: Trace | None, seed: int) -> Course:
    """What is to be done. Raises InputError and ContradictionError."""
    load = _load(flags)
    if flags.max_rate and not slo.targets:
        raise ContradictionError("--max-rate needs limits", hint='Add --slo "ttft_p95<1s"', field="--max-rate")
    most = math.inf if flags.most is None else flags.most
    if not most > 0:
        raise InputError(f"{most:g} is out of range", hint="Write a number above 0", field="--most")
    if flags.most is not None and not (flags.sweep or flags.max_rate):
        raise ContradictionError("--most bounds a search", hint="Add --sweep or --max-rate", field="--most")
    duration = flags.duration
    if duration is not None and not 0 < duration <= MOST_HOURS * 3600:
        raise InputError(f"{duration:g} is out of range", hint="Write seconds, up to a day", field="--duration")
    if flags.ramp is not None and duration is None:
        duration = 60.0
    return Course(
        kind="sweep" if flags.sweep else "max_rate" if flags.max_rate else "one",
        load=load,
        limits=Limits(drain_s=flags.timeout + 1.0),
        requests=flags.requests,
        duration_s=duration,
        warmup=flags.warmup,
        most=most,
        slo=slo,
        trace=trace,
        seed=seed,
    )


def _load(flags: Flags) -> Load:
    """The one load, or where a search begins."""
    stated: dict[str, Any] = {
        "--concurrency": flags.concurrency, "--rate": flags.rate, "--ramp": flags.ramp, "--trace": flags.trace,
        "--sweep": flags.sweep or None,
    }  # fmt: skip
    named = [flag for flag, value in stated.items() if value is not None]
    if flags.max_rate:
        named = [flag for flag in named if flag != "--rate"] + ["--max-rate"]  # --rate is where the search begins
    if len(named) > 1:
        raise ContradictionError(f"{' and '.join(named)} are two loads", hint="Keep one", field=named[1])
    opened = flags.rate is not None or flags.ramp is not None or flags.max_rate
    for value, flag in ((flags.arrivals, "--arrivals"), (flags.burstiness, "--burstiness")):
        if value is not None and not opened:
            raise ContradictionError(f"{flag} shapes an open loop", hint="Add --rate", field=flag)
    if flags.time_scale is not None and flags.trace is None:
        raise ContradictionError("--time-scale changes a trace's clock", hint="Add --trace FILE", field="--time-scale")
    if flags.trace is not None:
        return Load(style="trace", time_scale=flags.time_scale or 1.0, trace=flags.trace.name)
    if not opened:
        return Load(concurrency=flags.concurrency or CONCURRENCY)
    first, last = _ramp(flags.ramp) if flags.ramp is not None else (flags.rate or 0.0, None)
    if flags.rate is not None and not (math.isfinite(flags.rate) and flags.rate > 0):
        raise InputError(f"a rate of {flags.rate:g} cannot be", hint="Write a number above 0", field="--rate")
    return Load(style=_style(flags), rate_rps=first, to_rate_rps=last, burstiness=_burstiness(flags))


def _style(flags: Flags) -> Style:
    if flags.arrivals is None:
        return "gamma" if flags.burstiness is not None else "poisson"
    known = [style for style in get_args(Style) if style != "trace"]
    word = flags.arrivals.strip().lower()
    if word not in known:
        raise UnknownNameError("kind of arrivals", flags.arrivals, known, field="--arrivals")
    if flags.burstiness is not None and word != "gamma":
        raise ContradictionError(f"{word} arrivals have their own burstiness", hint="Write gamma", field="--arrivals")
    return next(style for style in get_args(Style) if style == word)


def _burstiness(flags: Flags) -> float:
    return 1.0 if flags.burstiness is None else flags.burstiness


def _ramp(text: str) -> tuple[float, float]:
    try:
        first, last = (float(part) for part in text.split(":"))
    except ValueError:
        first = last = math.nan
    if not (math.isfinite(first) and math.isfinite(last) and first >= 0 and last >= 0 and first + last > 0):
        raise InputError(f"{text!r} is no ramp", hint="Write two rates, like 1:20", field="--ramp")
    return first, last


# -------------------------------------------------------------------------------------------------------- what is asked


def trace_of(flags: Flags) -> Trace | None:
    """The trace to replay."""
    if flags.trace is None:
        if flags.columns is not None:
            raise ContradictionError("--columns maps a trace's columns", hint="Add --trace FILE", field="--columns")
        return None
    from crossover.traffic.trace import read_trace

    return read_trace(flags.trace, columns=flags.columns)


def source_of(flags: Flags, trace: Trace | None, seed: int) -> Source:
    """What requests ask. Raises InputError, FileError, ContradictionError."""
    brings = {"--trace": flags.trace, "--preset": flags.preset, "--prompts": flags.prompts}
    named = [flag for flag, value in brings.items() if value is not None]
    if len(named) > 1:
        raise ContradictionError(f"{' and '.join(named)} each say what is asked", hint="Keep one", field=named[1])
    if flags.prompts is not None:
        for value, flag in ((flags.input_tokens, "--input-tokens"), (flags.shared_prefix, "--shared-prefix")):
            if value is not None:
                raise ContradictionError("--prompts are as they are", hint=f"Drop {flag}", field=flag)
        return read_prompts(flags.prompts, round(_lengths(flags.output_tokens or OUTPUT, "--output-tokens").mean))
    rng = np.random.default_rng([seed, 0])
    if trace is not None:
        for text, flag in ((flags.input_tokens, "--input-tokens"), (flags.output_tokens, "--output-tokens")):
            if text is not None:
                raise ContradictionError("the trace says how long requests are", hint=f"Drop {flag}", field=flag)
        return Synthetic(of_trace(trace, shared=_share(flags)), seed=seed)
    found = _preset(flags)
    into = _lengths(flags.input_tokens, "--input-tokens") if flags.input_tokens or found is None else found.input
    out = _lengths(flags.output_tokens, "--output-tokens") if flags.output_tokens or found is None else found.output
    shared = _share(flags)
    if shared is None:
        shared = 0.0 if found is None else found.cached_share
    return Synthetic(drawn(into, out, rng, count=ROWS, shared=shared), seed=seed)


def described(flags: Flags) -> str:
    """What requests ask, in words."""
    if flags.prompts is not None:
        return f"own prompts of {flags.prompts.name}, at most {flags.output_tokens or OUTPUT} tokens out"
    if flags.trace is not None:
        said = f"made-up text with the lengths of {flags.trace.name}"
    else:
        found = _preset(flags)
        into = flags.input_tokens or (INPUT if found is None else f"{found.input.mean:,.0f} (preset {flags.preset})")
        out = flags.output_tokens or (OUTPUT if found is None else f"{found.output.mean:,.0f} (preset {flags.preset})")
        said = f"made-up text, {into} tokens in, {out} out"
    return said if flags.shared_prefix is None else f"{said}, {flags.shared_prefix * 100:.0f} % of each prompt shared"


def _preset(flags: Flags) -> Workload | None:
    if flags.preset is None:
        return None
    from crossover.traffic.presets import preset

    return preset(flags.preset)


def _share(flags: Flags) -> float | None:
    share = flags.shared_prefix
    if share is not None and not 0 <= share <= 1:
        raise InputError(f"{share:g} is no share", hint="Write 0 to 1", field="--shared-prefix")
    return share


def _lengths(text: str | None, field: str) -> Lengths:
    return parse_lengths(text or (INPUT if field == "--input-tokens" else OUTPUT), field)
