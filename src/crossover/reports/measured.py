"""What was measured, as every report of a plan shows it: figures with their standing, verdicts of evaluations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from crossover.planner.words import Figure, Option, Plan, Proof, Standing
from crossover.reports import figures
from crossover.reports.markup import Child, Column, Markup, items, join, table, tag

TITLES: dict[str, str] = {
    "tpot_s": "time per output token",
    "ttft_s": "time to first token",
    "output_tokens_per_s": "output tokens a second",
    "knee_concurrency": "knee of a sweep",
    "max_rate_rps": "highest rate under the SLO",
    "quality": "score",
    "output_token_ratio": "tokens written for one of today's model",
}
NOT_USED: dict[Standing, str] = {
    "expired": "too old, not used",
    "changed": "about something else, not used",
    "unverified": "unverified, not used",
    "shown": "",
    "superseded": "",
    "used": "",
}


def title(metric: str) -> str:
    """A metric in words; a percentile keeps its short name: ``ttft p95``."""
    return TITLES.get(metric, metric.removesuffix("_s").replace("_", " "))


def value(figure: Figure) -> str:
    """A figure with its 80 % interval, to three digits: what a machine does in less than a millisecond counts too."""
    scale, unit = (1.0, "") if figure.unit != "s" else (1000.0, " ms") if figure.value < 1 else (1.0, " s")
    ends = [_digits(end * scale) for end in (figure.low, figure.high) if end is not None]
    return f"{_digits(figure.value * scale)}{unit}" + (f" ({ends[0]}–{ends[1]})" if len(ends) == 2 else "")


def _digits(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"


def origin(figure: Figure) -> str:
    """Of which kind it is, from where, when, and from how many observations."""
    count = f"n = {figure.n:,}" if figure.n else ""
    return " · ".join(part for part in (figure.kind, figure.source, str(figure.when), count) if part)


def line(figure: Figure) -> str:
    """One figure in one line, its subject left out."""
    load = f" at {figure.load}" if figure.load else ""
    return f"{title(figure.metric)} {value(figure)}{load} · {origin(figure)}"


def said(option: Option) -> list[str]:
    """Short remarks beside an option: measured speed, and the newest verdict that stands."""
    rows = []
    if option.speed == "measured":
        rows.append("speed measured")
    elif any(check.basis == "measured" for check in option.slo):
        rows.append("latency measured")
    best = next((proof for proof in option.quality if proof.standing == "used"), None)
    if best is not None:
        rows.append(best.words)
    elif option.quality:
        rows.append(f"{option.quality[0].words}: {NOT_USED[option.quality[0].standing]}")
    return rows


def summary(plan: Plan) -> list[tuple[str, str]]:
    """The measurements of a plan in a few lines: (what they are about, what there is and what became of it)."""
    rows: list[tuple[str, str]] = []
    for subject, group in _by_subject(plan.evidence):
        used = [row for row in group if row.standing == "used"]
        dead = [row for row in group if NOT_USED[row.standing]]
        if used:
            knee = next((f"; knee at {row.value:g} at once" for row in used if row.metric == "knee_concurrency"), "")
            rows.append((subject, f"{_several(used)}{knee}"))
        if dead:
            rows.append((subject, f"{_several(dead)}: {NOT_USED[dead[0].standing]} ({dead[0].why})"))
    rows += [(proof.candidate, _proof(proof)) for proof in plan.proofs]
    return rows


def _by_subject(rows: Iterable[Figure]) -> list[tuple[str, list[Figure]]]:
    found: dict[str, list[Figure]] = {}
    for row in rows:
        found.setdefault(row.subject, []).append(row)
    return list(found.items())


def _several(rows: Sequence[Figure]) -> str:
    names = ", ".join(dict.fromkeys(title(row.metric) for row in rows if row.metric != "knee_concurrency"))
    newest = max(rows, key=lambda row: row.when)
    return f"{figures.plural(len(rows), 'figure')} ({names}) · {newest.kind} · {newest.source} · {newest.when}"


def _proof(proof: Proof) -> str:
    why = NOT_USED[proof.standing]
    return " · ".join(part for part in (proof.words, why, proof.note) if part)


# ---------------------------------------------------------------------------------------------------------------- HTML


def section(plan: Plan) -> Markup | None:
    """The figures and the verdicts of a plan as tables; None where nothing was measured."""
    shown = [row for row in plan.evidence if row.standing == "used" or NOT_USED[row.standing]]
    if not shown and not plan.proofs:
        return None
    parts: list[Child] = []
    if shown:
        parts.append(_figures(shown))
    if plan.proofs:
        parts.append(_verdicts(plan.proofs))
    return tag("div", *parts, cls="panel")


def _figures(rows: Sequence[Figure]) -> Markup:
    columns = [
        Column("about", wide=True),
        Column("figure"),
        Column("value (80 %)", number=True),
        Column("measured at"),
        Column("n", number=True),
        Column("source", wide=True),
        Column("day"),
        Column("standing"),
    ]
    cells = [
        (
            row.subject,
            title(row.metric),
            value(row),
            row.load,
            f"{row.n:,}" if row.n else "",
            row.source,
            tag("span", str(row.when), cls="date"),
            _standing(row.standing, row.why),
        )
        for row in rows
    ]
    return table("Figures that replace predictions, and figures that do not count", columns, cells)


def _verdicts(rows: Sequence[Proof]) -> Markup:
    columns = [
        Column("model", wide=True),
        Column("verdict", wide=True),
        Column("gap", number=True),
        Column("margin", number=True),
        Column("n", number=True),
        Column("day"),
        Column("standing"),
    ]
    cells = [
        (
            row.candidate,
            row.words,
            f"{row.gap * 100:+.1f} points",
            f"{row.margin * 100:.3g} points",
            f"{row.n:,}",
            tag("span", str(row.when), cls="date"),
            _standing(row.standing, row.note),
        )
        for row in rows
    ]
    return table("What evaluations on your own prompts said of quality", columns, cells)


def _standing(standing: Standing, why: str) -> Markup:
    word = NOT_USED[standing] or standing
    flag = tag("span", word, cls="flag bad" if NOT_USED[standing] else "flag good")
    return join([flag, tag("span", why, cls="note") if why else None])


def facts(option: Option) -> Markup | None:
    """The measurements behind one option."""
    rows = [line(row) for row in option.measured] + [_proof(proof) for proof in option.quality]
    return join([tag("h4", "Measured"), items(rows)]) if rows else None
