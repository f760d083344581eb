"""Facts about a workload as they come in, from a file, a preset or flags, and how they become one Workload.

Every source says a part; ``None`` means "not said". Sources are laid over each other, and at the end gaps are filled
with assumptions that stand in the notes, or refused with one sentence that says what to add.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec

from crossover.errors import ContradictionError, InputError
from crossover.traffic.profiles import daily_peak, peak_of
from crossover.workload import FLAT_PROFILE, HOURS_PER_WEEK, Lengths, Slo, Trace, Workload

Check = Callable[[float, str], float]
MAX_REQUESTS_PER_DAY = 1e11  # more than ten for every person alive, every day
MAX_MEAN_TOKENS = 1e7  # the longest context on the market, as a mean
_START = "Start with --requests-per-day 10000 --input-tokens 500 --output-tokens 300, or --trace FILE, or --preset NAME"


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What one source says about a workload. Fields as in Workload; ``slo`` and ``regimes`` ride along.

    ``input_per_day`` and ``output_per_day`` are tokens a day from a source that counts tokens but no requests.
    """

    name: str | None = None
    requests_per_day: float | None = None
    input: Lengths | None = None
    output: Lengths | None = None
    models: tuple[str, ...] | None = None
    cached_share: float | None = None
    batch_share: float | None = None
    sensitive_share: float | None = None
    peak_factor: float | None = None
    profile: tuple[float, ...] | None = None
    burstiness: float | None = None
    growth_per_month: float | None = None
    trace: Trace | None = None
    slo: Slo | None = None
    regimes: tuple[str, ...] | None = None
    source: str | None = None
    notes: tuple[str, ...] = ()
    input_per_day: float | None = None
    output_per_day: float | None = None


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """A workload, and what must hold for it: the SLO and the regimes of law a file may state beside it."""

    workload: Workload
    slo: Slo = Slo()
    regimes: tuple[str, ...] = ()


def overlay(base: Facts, top: Facts) -> Facts:
    """What both say, with ``top`` winning; a peak replaces a profile and the other way round."""
    said = {name: value for name in top.__struct_fields__ if (value := getattr(top, name)) is not None}
    said["notes"] = (*base.notes, *top.notes)
    if top.peak_factor is not None and top.profile is None:
        said["profile"] = None
    if top.profile is not None and top.peak_factor is None:
        said["peak_factor"] = None
    return msgspec.structs.replace(base, **said)


def finish(facts: Facts) -> Demand:
    """The workload, with gaps filled and the assumptions in its notes. Raises InputError where a gap is too wide."""
    facts = _counted(facts)
    if facts.requests_per_day is None and facts.trace is not None:
        count = "one request" if facts.trace.requests == 1 else f"{facts.trace.requests:,} requests at one moment"
        raise InputError(
            f"the trace {facts.trace.name} holds {count}, which has no rate",
            hint="Add --requests-per-day",
            field="--requests-per-day",
        )
    if facts.requests_per_day is None:
        raise InputError("how many requests a day is not known", hint=_START, field="--requests-per-day")
    if facts.input is None or facts.output is None:
        flag = "--input-tokens" if facts.input is None else "--output-tokens"
        what = "prompts" if facts.input is None else "answers"
        raise InputError(f"how long {what} are is not known", hint=_START, field=flag)
    profile = facts.profile
    notes = list(facts.notes)
    if profile is None:
        profile = FLAT_PROFILE if facts.peak_factor is None else daily_peak(facts.peak_factor)
        if facts.peak_factor is None and facts.trace is None:
            notes.append("no peak given: the load is taken as even over the week; real traffic peaks (--peak-factor 2)")
        elif facts.peak_factor is not None and facts.peak_factor > 1:
            notes.append(
                f"the week is a hill around 14 h on every day, its busiest hour {facts.peak_factor:g} times the mean"
            )
    peak = facts.peak_factor if facts.peak_factor is not None and facts.profile is None else peak_of(profile)
    workload = Workload(
        name=facts.name or "workload",
        requests_per_day=facts.requests_per_day,
        input=facts.input,
        output=facts.output,
        models=facts.models or (),
        cached_share=facts.cached_share or 0.0,
        batch_share=facts.batch_share or 0.0,
        sensitive_share=facts.sensitive_share or 0.0,
        peak_factor=peak,
        profile=profile,
        burstiness=1.0 if facts.burstiness is None else facts.burstiness,
        growth_per_month=facts.growth_per_month or 0.0,
        trace=facts.trace,
        source=facts.source or "flags",
        notes=tuple(dict.fromkeys(notes)),
    )
    return Demand(workload=workload, slo=facts.slo or Slo(), regimes=facts.regimes or ())


def _counted(facts: Facts) -> Facts:
    """Requests and mean lengths of a source that counts tokens only, from the one of them that the user knows."""
    if facts.input_per_day is None or facts.output_per_day is None:
        return facts
    from crossover.traffic.lengths import assumed_input, assumed_output

    if facts.requests_per_day is None and facts.input is None:
        raise InputError(
            "the export counts tokens but no requests",
            hint="Add how many requests they were (--requests-per-day) or how long a prompt is (--input-tokens)",
            field="--requests-per-day",
        )
    if facts.requests_per_day is not None and facts.input is not None:
        raise ContradictionError(
            "the export gives the tokens a day, so requests a day and tokens per request cannot both be chosen",
            hint="Keep --requests-per-day or --input-tokens",
            field="--input-tokens",
        )
    requests = facts.requests_per_day
    if requests is None:
        assert facts.input is not None
        requests = check(facts.input_per_day / facts.input.mean, "requests_per_day", 1e-3, MAX_REQUESTS_PER_DAY)
    prompt, answer = (max(tokens / requests, 1.0) for tokens in (facts.input_per_day, facts.output_per_day))
    return msgspec.structs.replace(
        facts, requests_per_day=requests, input=assumed_input(prompt), output=facts.output or assumed_output(answer)
    )


def check(value: float, field: str, low: float, high: float, hint: str | None = None) -> float:
    """A number within its bounds, else InputError with the flag or key that holds it."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InputError(f"{value!r} is not a number", hint=hint, field=field)
    if math.isnan(value) or not low <= value <= high:
        right = hint or f"Write a number from {low:g} to {high:,g}"
        raise InputError(f"{value:g} is out of range", hint=right, field=field)
    return float(value)


def check_requests(value: float, field: str) -> float:
    """Requests a day: above zero and possible."""
    return check(value, field, 1e-3, MAX_REQUESTS_PER_DAY, "Write requests per day, above 0 and up to 100 billion")


def check_tokens(value: float, field: str) -> float:
    """A mean length in tokens."""
    return check(value, field, 1, MAX_MEAN_TOKENS, "Write tokens per request, from 1 to 10,000,000")


def check_share(value: float, field: str) -> float:
    """A share from 0 to 1; a percentage is recognised and put right in the hint."""
    percent = not isinstance(value, bool) and isinstance(value, (int, float)) and 1 < value <= 100
    hint = f"Write {value / 100:g} for {value:g} %" if percent else "Write a share from 0 to 1 (0.4 is 40 %)"
    return check(value, field, 0, 1, hint)


def check_peak(value: float, field: str) -> float:
    """The busiest hour over the mean hour."""
    hint = "Write the busiest hour over the mean hour, from 1 (even load) to 168 (a week within one hour)"
    return check(value, field, 1, HOURS_PER_WEEK, hint)


def check_burstiness(value: float, field: str) -> float:
    """The coefficient of variation of gaps between arrivals."""
    hint = "Write the coefficient of variation of the gaps between arrivals: 1 is random (Poisson), 3 comes in bursts"
    return check(value, field, 0, 1000, hint)


def check_growth(value: float, field: str) -> float:
    """Growth per month as a share."""
    return check(value, field, -0.9, 5, "Write the growth per month as a share from -0.9 to 5 (0.05 is 5 % a month)")
