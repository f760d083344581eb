"""The tables of an evaluation's report: tags, sides, what more samples would bring, the judge, what was run, notes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from crossover.evaluation.controls import FEWEST_AGREE, FEWEST_LABELS, MOST_WINS
from crossover.evaluation.findings import Findings, Side, Versus
from crossover.evaluation.summary import Answering, Summary
from crossover.reports import figures
from crossover.reports.evaluation_words import remarks
from crossover.reports.intervals import Scale, signed, small
from crossover.reports.markup import Child, Column, Markup, items, table, tag

_MOST_TAGS = 100
_MOST_NAMES = 6


def tags(found: Findings) -> Markup | None:
    """A table of tags for each candidate, the worst first, with intervals on one scale."""
    made = [_tags(one, found) for one in found.versus if one.tags]
    if len(found.versus) > 1:
        names = [one.candidate for one in found.versus if one.tags]
        made = [
            tag("details", tag("summary", f"{name} less {found.reference}"), content, open=number == 0)
            for number, (name, content) in enumerate(zip(names, made, strict=True))
        ]
    if not made:
        return None
    said = (
        "Worst first. Each interval is for somebody who looks at this tag alone, once: among ten tags one misses by "
        "chance, so the worst tag is a place to look, not a verdict."
    )
    return tag("div", tag("p", said, cls="small"), *made, cls="panel")


def _tags(one: Versus, found: Findings) -> Markup:
    shown = one.tags[:_MOST_TAGS]
    ends = [abs(end) for row in shown for end in (row.low, row.high, row.gap) if end is not None]
    scale = Scale(min(max([*ends, found.margin, 0.02]) * 1.05, 1.0))
    columns = [
        Column("tag"), Column("n", number=True), Column(one.candidate, number=True),
        Column(found.reference, number=True), Column("gap", number=True), Column("90 %", number=True),
        Column("interval", wide=True),
    ]  # fmt: skip
    rows: list[list[Child]] = [
        [
            row.tag, f"{row.n:,}", _percent(row.candidate), _percent(row.reference), signed(row.gap),
            figures.NONE if row.low is None or row.high is None else f"{signed(row.low)} to {signed(row.high)}",
            small(row.low, row.high, row.gap, scale),
        ]
        for row in shown
    ]  # fmt: skip
    more = f"; {len(one.tags) - _MOST_TAGS:,} more in --json" if len(one.tags) > _MOST_TAGS else ""
    return table(f"{one.candidate} less {found.reference}, in points{more}", columns, rows)


def sides(found: Findings) -> Markup:
    """Every candidate and the reference: how good, how fast, how dear, what failed; no column that nobody measured."""
    asked = any(side.seconds_p50 is not None for side in found.sides)
    shown = [
        (column, cell)
        for column, cell in _COLUMNS
        if any(cell(side) not in (figures.NONE, _NOT_PAID) for side in found.sides) and (asked or column in _RECORDED)
    ]
    columns = [Column("name"), *(Column(column, number=True) for column, _ in shown)]
    rows: list[list[Child]] = [
        [_marked(side.name, found.reference), *(cell(side) for _, cell in shown)] for side in found.sides
    ]
    caption = "Times as measured in this run, at its concurrency; first token is a median" if asked else "As recorded"
    said = remarks(found.sides)
    return tag("div", table(caption, columns, rows), items(said) if said else None, cls="panel")


_NOT_PAID = "$0"
_RECORDED = ("score", "answers", "failed")
_COLUMNS: tuple[tuple[str, Callable[[Side], str]], ...] = (
    ("score", lambda side: figures.NONE if side.mean is None else _percent(side.mean)),
    ("answers", lambda side: f"{side.asked - side.failed - side.withheld:,}"),
    ("failed", lambda side: f"{side.failed + side.unscored:,}"),
    ("median", lambda side: figures.seconds(side.seconds_p50)),
    ("95 % within", lambda side: figures.seconds(side.seconds_p95)),
    ("first token", lambda side: figures.seconds(side.ttft_p50)),
    ("tokens in", lambda side: figures.NONE if side.input_tokens is None else f"{side.input_tokens:,.0f}"),
    ("tokens out", lambda side: figures.NONE if side.output_tokens is None else f"{side.output_tokens:,.0f}"),
    ("$ per 1,000", lambda side: "unknown" if side.per_thousand is None else figures.usd(side.per_thousand)),
    ("paid", lambda side: figures.usd(float(side.paid))),
)


def _marked(name: str, reference: str) -> Markup:
    return tag("span", name, " ", tag("span", "reference", cls="flag") if name == reference else None)


def more(found: Findings) -> Markup | None:
    """How many more samples settle what is open; None where nothing is."""
    rows: list[list[Child]] = []
    for one in found.versus:
        need, unit = one.comparison.need, one.comparison.unit
        if need is not None:
            rows.append(
                [
                    one.candidate, f"{one.comparison.units:,} {unit}", _needed(need.even, unit),
                    _needed(need.more, unit), _needed(need.safe, unit),
                ]
            )  # fmt: skip
    if not rows:
        return None
    power = next(one.comparison.need.power for one in found.versus if one.comparison.need is not None)
    columns = [
        Column("candidate"), Column("so far", number=True), Column("even chance", number=True),
        Column(f"{power * 100:g} %", number=True), Column("95 %", number=True),
    ]  # fmt: skip
    said = (
        "A forecast from what was seen (estimated). Look at any time and stop at a verdict: looking, and topping up, "
        "costs nothing of the promise. A wider margin needs fewer, and has to be declared in a new run."
    )
    caption = "Further ones until there is a verdict, with this chance"
    return tag("div", table(caption, columns, rows), tag("p", said, cls="small"), cls="panel")


def _needed(count: int | None, unit: str) -> str:
    return "over a million" if count is None else f"{count:,} {unit}"


def judge(found: Findings) -> Markup | None:
    """The judge's controls; None where no model judged."""
    controls = found.judge
    if controls is None:
        return None
    columns = [
        Column("canary"), Column("compared", number=True), Column("won, in the judge's eyes", number=True), Column(""),
    ]  # fmt: skip
    rows: list[list[Child]] = [
        [
            one.canary, f"{one.n:,}", _percent(one.share),
            tag("b", "passed" if one.passed else "failed", cls="right" if one.passed else "wrong"),
        ]
        for one in controls.canaries
    ]  # fmt: skip
    facts = [f"The order of the answers decided {_percent(controls.order_decided)} of comparisons; those are ties"]
    if controls.kin:
        facts.append(f"The judge shares a maker with what it judges: {', '.join(controls.kin)}")
    for name, length in controls.length.items():
        facts.append(
            f"{name} won {_percent(length.share)} of comparisons (a tie counts half), "
            f"{_percent(length.at_equal_length)} at equal length; its answers are {length.mean_ratio:.2g} times as long"
        )
    for name, agreed in controls.agreement.items():
        verdict = "enough to stand in for people" if agreed.enough else "not enough to stand in for people"
        facts.append(
            f"{name}: agrees with people on {_percent(agreed.share)} of {figures.plural(agreed.n, 'label')} "
            f"({_percent(agreed.low)} to {_percent(agreed.high)}, kappa {agreed.kappa:.2f}): {verdict} "
            f"({FEWEST_LABELS} labels and a lower bound of {FEWEST_AGREE * 100:g} % are asked for)"
        )
    if not controls.agreement:
        facts.append("Nobody has compared this judge with people yet: `crossover eval vote` gathers labels")
    caption = f"{controls.model} before worthless answers: more than {MOST_WINS * 100:g} % won closes the gate"
    return tag("div", table(caption, columns, rows), items(facts), cls="panel")


def ran(summary: Summary) -> Markup:
    """Models, parameters, dates, scorer, seed."""
    found = summary.findings
    columns = [
        Column("name"), Column("models that answered", wide=True), Column("deployments", wide=True),
        Column("answers", number=True), Column("first", number=True), Column("last", number=True),
    ]  # fmt: skip
    rows = [_answering(one, found.reference) for one in summary.answering]
    options = ", ".join(f"{name} {value}" for name, value in sorted(summary.options.items()))
    facts: list[Child] = [
        f"Samples: {found.samples:,} of {found.file}",
        f"Scorer: {found.scorer}",
        f"Margin: {found.margin * 100:g} points; errors: {found.errors}; both declared before the first answer",
        f"Parameters of every request: {options or 'none beyond the samples and the deployments'}" if rows else None,
        f"Seed: {summary.seed}; begun {summary.started}" if summary.started else None,
        f"Verdict by: {found.versus[0].comparison.method}" if found.versus else None,
    ]
    caption = "Who answered, and when (UTC)"
    who = table(caption, columns, rows) if rows else tag("p", "Answers that were recorded before; nobody was asked.")
    return tag("div", who, items([fact for fact in facts if fact]), cls="panel")


def _answering(one: Answering, reference: str) -> list[Child]:
    extra = [
        f"{one.local:,} on own machines" if one.local else "",
        f"{one.reused:,} from another run" if one.reused else "",
        f"{one.redacted:,} with placeholders" if one.redacted else "",
    ]
    answers = "; ".join(text for text in (f"{one.answers:,}", *extra) if text)
    return [
        _marked(one.name, reference), _counted(one.models), _counted(one.deployments), answers,
        one.first_at[:16].replace("T", " ") or figures.NONE, one.last_at[:16].replace("T", " ") or figures.NONE,
    ]  # fmt: skip


def _counted(counts: Mapping[str, int]) -> str:
    if not counts:
        return figures.NONE
    if len(counts) == 1:
        return next(iter(counts))
    named = [f"{name} ({count:,})" for name, count in list(counts.items())[:_MOST_NAMES]]
    return ", ".join(named) + (f" and {len(counts) - _MOST_NAMES} more" if len(counts) > _MOST_NAMES else "")


def notes(found: Findings) -> Markup | None:
    """What must be known beside the figures."""
    rows = list(found.notes)
    for one in found.versus:
        for why, count in one.left_out.items():
            rows.append(f"{one.candidate}: {figures.plural(count, 'pair')} left out: {why}")
    return tag("div", items(rows), cls="panel") if rows else None


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"
