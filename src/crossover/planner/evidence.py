"""Evidence weighed: which figures that were brought count, which do not and why, and what evaluations say of whom.

Measured before published before assumed; within one kind the newest. A measurement counts for 90 days, and only while
what answers behind its name is what was measured. Figures that do not count are shown, and nothing is computed with
them.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import math
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from crossover.catalog import match, prices
from crossover.catalog.items import Catalog
from crossover.errors import InputError
from crossover.evidence import PREFERENCE, STALE_AFTER_DAYS, Evidence
from crossover.planner.question import Question
from crossover.planner.words import Figure, Option, Proof, Standing

SPEEDS = frozenset({"tpot_s", "ttft_s", "output_tokens_per_s"})
KNEE = "knee_concurrency"
GAP = "quality_gap"
NO_FORMAT = "in which format it was evaluated is not known"
# Verdicts of an evaluation (crossover.evaluation): their words, and whether they permit taking the candidate instead.
VERDICTS: dict[str, tuple[str, bool]] = {
    "better": ("better than {0}", True),
    "equivalent": ("as good as {0} within {1}", True),
    "not_worse": ("not worse than {0} by more than {1}", True),
    "worse_than_margin": ("worse than {0} by more than {1}", False),
    "worse": ("worse than {0}, by how much is open", False),
    "inconclusive": ("not decided against {0} at {1}", False),
}


class Weighed(msgspec.Struct, frozen=True, kw_only=True):
    """What of the evidence counts (``usable``), and where every figure stands, in the order they came.

    ``proofs`` are pairs (the candidate's model as it named itself, the format of its weights, the verdict).
    """

    usable: tuple[Evidence, ...]
    standing: tuple[tuple[Evidence, Standing, str], ...]
    proofs: tuple[tuple[str, str, Proof], ...]


def weigh(question: Question) -> Weighed:
    """Every figure of the question judged."""
    rows = (*question.recorded, *question.evidence)
    identities = dict(question.identities)
    deaths = [_dead(row, question.today, identities) for row in rows]
    # A slip in the user's own file is an error where it is used; a figure that another version wrote must not be one.
    deaths = [
        dead or (_unusable(row) if place < len(question.recorded) else None)
        for place, (row, dead) in enumerate(zip(rows, deaths, strict=True))
    ]
    newest = _newest(row for row, dead in zip(rows, deaths, strict=True) if dead is None)
    standing: list[tuple[Evidence, Standing, str]] = []
    for row, dead in zip(rows, deaths, strict=True):
        if dead is not None:
            standing.append((row, *dead))
        elif newest[_place(row)] != (PREFERENCE[row.kind], -row.when.toordinal()):
            standing.append((row, "superseded", "a newer or a better one counts"))
        elif not row.verified:
            standing.append((row, "unverified", "fewer people than needed agreed with the judge behind it"))
        else:
            standing.append((row, "used", ""))
    usable = tuple(row for row, state, _ in standing if state == "used")
    return Weighed(usable=usable, standing=tuple(standing), proofs=_proofs(standing))


def _dead(row: Evidence, today: dt.date, identities: Mapping[str, str]) -> tuple[Standing, str] | None:
    age = (today - row.when).days
    if not row.valid(today) or (row.kind == "measured" and age > STALE_AFTER_DAYS):
        return "expired", f"{age} days old; measurements count for {STALE_AFTER_DAYS}"
    for kind, name in (("identity", row.subject), ("digest", str(row.context.get("model", "")))):
        mark, now = row.context.get(kind), identities.get(f"{kind}:{name}")
        if mark is not None and now is not None and mark != now:
            return "changed", f"something else answers behind {name} now"
    return None


def _unusable(row: Evidence) -> tuple[Standing, str] | None:
    """A speed that no capacity model can be refit to: its load is not known, or it is none."""
    if row.metric not in SPEEDS:
        return None
    loads = [row.context.get(name) for name in ("concurrency", "input_tokens", "output_tokens")]
    known = all(isinstance(load, (int, float)) and 0 < load < math.inf for load in loads)
    return None if known and 0 < row.value < math.inf else ("shown", "its load is not known")


def _place(row: Evidence) -> tuple[object, ...]:
    """What one figure stands for: of these, only the newest of the best kind counts (equally new ones all do)."""
    load = row.context.get("concurrency", row.context.get("rate_rps", ""))
    return row.subject, row.metric, load, row.context.get("reference", ""), row.context.get("samples", "")


def _newest(rows: Iterable[Evidence]) -> dict[tuple[object, ...], tuple[int, int]]:
    found: dict[tuple[object, ...], tuple[int, int]] = {}
    for row in rows:
        rank = (PREFERENCE[row.kind], -row.when.toordinal())
        place = _place(row)
        found[place] = min(rank, found.get(place, rank))
    return found


def figure(row: Evidence, standing: Standing = "used", why: str = "") -> Figure:
    """A figure as the plan shows it."""
    return Figure(
        subject=row.subject, metric=row.metric, value=row.value, unit=row.unit, kind=row.kind, source=row.source,
        when=row.when, standing=standing, why=why, low=row.low, high=row.high, n=row.n, load=_load(row),
        method=row.method,
    )  # fmt: skip


def _load(row: Evidence) -> str:
    parts = []
    if (at_once := row.context.get("concurrency")) is not None:
        parts.append(f"{at_once:g} at once" if isinstance(at_once, (int, float)) else str(at_once))
    if isinstance(rate := row.context.get("rate_rps"), (int, float)):
        parts.append(f"{rate:.3g}/s")
    lengths = [row.context.get(name) for name in ("input_tokens", "output_tokens")]
    if all(isinstance(length, (int, float)) for length in lengths):
        parts.append(f"{lengths[0]:.4g} in + {lengths[1]:.4g} out tokens")
    return ", ".join(parts)


# ---------------------------------------------------------------------------------------------------------------- names


def names_of(option_id: str) -> tuple[str, ...]:
    """The names under which a model sold per token may be filed: whoever measured did not know its class."""
    kind, _, rest = option_id.partition(":")
    return (option_id,) if kind not in ("api", "hosted") else (option_id, f"api:{rest}", f"hosted:{rest}")


def latency_of(question: Question, option_id: str, metric: str) -> Evidence | None:
    """The latency of an API to hold against a promise: the newest of the best kind, with the most observations."""
    names = names_of(option_id)
    rows = [row for row in question.evidence if row.subject in names and row.metric == metric]
    return min(
        rows, key=lambda row: (PREFERENCE[row.kind], -row.when.toordinal(), -(row.n or 0)), default=None
    )  # fmt: skip


# --------------------------------------------------------------------------------------------------------------- proofs


def _proofs(standing: Sequence[tuple[Evidence, Standing, str]]) -> tuple[tuple[str, str, Proof], ...]:
    rows = []
    for row, state, why in standing:
        if row.metric == GAP and row.context.get("verdict") in VERDICTS and state != "superseded":
            model = str(row.context.get("model", row.subject))
            rows.append((model, str(row.context.get("quantisation", "")), _proof(row, state, why)))
    return tuple(rows)


def _proof(row: Evidence, state: Standing, why: str) -> Proof:
    said = str(row.context["verdict"])
    reference = str(row.context.get("reference_model", row.context.get("reference", "")))
    margin = row.context.get("margin", 0.0)
    margin = float(margin) if isinstance(margin, (int, float)) else 0.0
    words, passed = VERDICTS[said]
    text = words.format(reference or "its reference", f"{margin * 100:.3g} points")
    return Proof(
        candidate=str(row.context.get("model", row.subject)),
        reference=reference,
        verdict=said,
        words=f"{text} (n = {row.n or 0:,}, {row.when})",
        passed=passed and state == "used",
        standing=state,
        gap=row.value,
        margin=margin,
        n=row.n or 0,
        when=row.when,
        note=why,
    )


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """Proofs by the model they are about: a folded name of the price list or the catalog → (format, proof)."""

    rows: dict[str, list[tuple[str, Proof]]]
    today: frozenset[str]

    def of(self, names: Iterable[str], quantisation: str = "") -> tuple[Proof, ...]:
        """What evaluations said of a model, the newest first; weights of another format are another model."""
        found: list[Proof] = []
        for name in dict.fromkeys(names):
            for form, proof in self.rows.get(name, ()):
                if form and quantisation and form != quantisation:
                    continue
                known = bool(form) or not quantisation
                found.append(proof if known else msgspec.structs.replace(proof, note=_joined(proof.note, NO_FORMAT)))
        return tuple(sorted(dict.fromkeys(found), key=lambda proof: (-proof.when.toordinal(), proof.reference)))

    def proved(self, proofs: Iterable[Proof], catalog: Catalog) -> bool:
        """Whether one of them permits the model in the place of today's (of any reference where none is known)."""
        return any(
            proof.passed and (not self.today or self.today & set(_known_as(catalog, proof.reference)))
            for proof in proofs
        )  # fmt: skip


def book_of(question: Question, weighed: Weighed, catalog: Catalog) -> Book:
    """The proofs, found by every name that their model has."""
    rows: dict[str, list[tuple[str, Proof]]] = {}
    for model, form, proof in weighed.proofs:
        for name in _known_as(catalog, model):
            rows.setdefault(name, []).append((_format(catalog, form), proof))
    today = question.workload.models[:1]
    return Book(rows=rows, today=frozenset(name for model in today for name in _known_as(catalog, model)))


def _known_as(catalog: Catalog, name: str) -> tuple[str, ...]:
    """A model's name in the price list and in the catalog; what neither knows keeps its own."""
    found = [name]
    bare = name.rpartition("/")[2] if name.count("/") > 1 else name
    with contextlib.suppress(InputError):
        sold = prices.resolve(bare)
        hosted = f"{sold.provider}/{sold.model}"
        found += [hosted, sold.model, *(model.name for model in catalog.models if hosted in model.hosted)]
    with contextlib.suppress(InputError):
        found.append(match.model(catalog, name.replace(":", " ")).name)
    return tuple(dict.fromkeys(found))


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def _format(catalog: Catalog, form: str) -> str:
    if not form:
        return ""
    try:
        return match.quantisation(catalog, form).name
    except InputError:
        return form


# ------------------------------------------------------------------------------------------------------------- for show


def shown(weighed: Weighed, options: Sequence[Option], subjects: Iterable[str]) -> tuple[Figure, ...]:
    """Figures about anything that was looked at, and what became of each; what was superseded is left out.

    ``subjects`` are the names of everything enumerated. A figure counts as used where an option holds it.
    """
    known = {name for subject in subjects for name in names_of(subject)}
    used = {(row.subject, row.metric, row.when, row.load) for option in options for row in option.measured}
    found: list[Figure] = []
    for row, state, why in weighed.standing:
        if row.subject not in known or state == "superseded" or row.metric == GAP:
            continue
        made = figure(row, state, why)
        if state == "used" and (made.subject, made.metric, made.when, made.load) not in used:
            made = msgspec.structs.replace(made, standing="shown", why="no ranked option stands on it")
        found.append(made)
    return tuple(found)
