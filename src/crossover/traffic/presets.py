"""Named workloads and named shapes of a week, from published facts in a data file."""

from __future__ import annotations

from functools import cache
from importlib import resources

import msgspec

from crossover.errors import UnknownNameError
from crossover.evidence import Source
from crossover.traffic.facts import Facts, finish
from crossover.traffic.profiles import from_weights
from crossover.workload import Lengths, Workload, lognormal

_WEEKDAYS, _WEEKEND_DAYS = 5, 2


class PresetLengths(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Lengths of a preset: quantiles with the true mean of the source, or a log-normal."""

    mean: float
    sigma: float | None = None
    quantiles: tuple[tuple[float, float], ...] = ()


class Preset(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A workload from published facts; ``assumed`` says which of its figures nobody published."""

    title: str
    requests_per_day: float
    input: PresetLengths
    output: PresetLengths
    sources: tuple[Source, ...]
    assumed: tuple[str, ...]
    burstiness: float = 1.0
    peak_factor: float | None = None
    shape: str | None = None
    cached_share: float = 0.0
    batch_share: float = 0.0


class Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A week: 24 weights of a working day, the load of a weekend day over a working day, and where that comes from."""

    day: tuple[float, ...]
    weekend: float
    note: str


class _Shelf(msgspec.Struct):
    presets: dict[str, Preset]
    shapes: dict[str, Shape]


@cache
def _shelf() -> _Shelf:
    data = resources.files("crossover.traffic").joinpath("data/presets.toml").read_bytes()
    return msgspec.toml.decode(data, type=_Shelf)


def names() -> tuple[str, ...]:
    """The names of all presets."""
    return tuple(_shelf().presets)


def shapes() -> dict[str, Shape]:
    """All named shapes of a week."""
    return dict(_shelf().shapes)


def preset(name: str) -> Workload:
    """The workload of this name; UnknownNameError offers the nearest."""
    return finish(facts_of_preset(name)).workload


def find(name: str) -> Preset:
    """The preset of this name with its sources; UnknownNameError offers the nearest."""
    found = _shelf().presets.get(name)
    if found is None:
        error = UnknownNameError("preset", name, names(), field="--preset")
        error.hint = error.hint or f"Presets: {', '.join(names())}"
        raise error
    return found


def named_profile(name: str, field: str = "profile") -> tuple[float, ...]:
    """The 168 hours of a named shape, with mean 1."""
    known = _shelf().shapes
    if name not in known:
        error = UnknownNameError("shape of a week", name, known, field=field)
        error.hint = error.hint or f"Shapes: {', '.join(known)}; or write 24 or 168 numbers"
        raise error
    shape = known[name]
    return from_weights(
        [*shape.day * _WEEKDAYS, *(hour * shape.weekend for _ in range(_WEEKEND_DAYS) for hour in shape.day)]
    )


def facts_of_preset(name: str) -> Facts:
    """A preset as facts, so that a file or flags can be laid over it."""
    found = find(name)
    said = "; ".join(source.text + ("" if source.verified else " (not yet checked)") for source in found.sources)
    return Facts(
        name=name,
        requests_per_day=found.requests_per_day,
        input=_lengths(found.input),
        output=_lengths(found.output),
        cached_share=found.cached_share,
        batch_share=found.batch_share,
        burstiness=found.burstiness,
        peak_factor=found.peak_factor,
        profile=None if found.shape is None else named_profile(found.shape),
        source=f"preset {name}",
        notes=(f"preset {name}: {said}", f"assumed in preset {name}: {', '.join(found.assumed)}"),
    )


def _lengths(found: PresetLengths) -> Lengths:
    if found.sigma is not None:
        return lognormal(found.mean, found.sigma)
    return Lengths(kind="quantiles", mean=found.mean, points=found.quantiles)
