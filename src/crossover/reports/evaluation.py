"""An evaluation in a terminal: the verdict first, its interval against the margin, then what stands behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from crossover.evaluation.advice import points
from crossover.evaluation.controls import Controls
from crossover.evaluation.estimate import Estimate
from crossover.evaluation.findings import Disagreement, Findings, Side, TagRow, Versus
from crossover.evaluation.words import PHRASES, PowerRow
from crossover.money import show
from crossover.reports import evaluation_many as many
from crossover.reports.evaluation_axis import COLOURS, interval
from crossover.reports.evaluation_words import apart, caution, failed_control, remarks
from crossover.reports.figures import plural
from crossover.reports.intervals import signed
from crossover.reports.paper import Paper, joined, plain_table

DISAGREEMENTS = 5
TAGS = 12
MOST_WHOLE = 2  # candidates of which everything is shown
_TEXT = 300  # characters of an answer that are shown
_NONE = "–"


def _score(side: Side) -> str:
    return _NONE if side.mean is None else f"{side.mean * 100:.1f} %"


def _per_thousand(side: Side) -> str:
    if side.seconds_p50 is None:  # nobody called anybody here
        return _NONE
    return "unknown" if side.per_thousand is None else show(side.per_thousand)


def _seconds(value: float | None) -> str:
    if value is None:
        return _NONE
    return f"{value * 1000:,.0f} ms" if value < 10 else f"{value:,.1f} s"


_COLUMNS: tuple[tuple[str, Callable[[Side], str]], ...] = (
    ("score", _score),
    ("scored", lambda side: f"{side.scored:,}"),
    ("failed", lambda side: f"{side.failed + side.unscored:,}"),
    ("p50", lambda side: _seconds(side.seconds_p50)),
    ("p95", lambda side: _seconds(side.seconds_p95)),
    ("TTFT p50", lambda side: _seconds(side.ttft_p50)),
    ("TTFT p95", lambda side: _seconds(side.ttft_p95)),
    ("tokens out", lambda side: _NONE if side.output_tokens is None else f"{side.output_tokens:,.0f}"),
    ("$ per 1,000", _per_thousand),
)
_KEPT_FIRST = ("score", "failed", "$ per 1,000", "p50", "scored", "p95", "TTFT p50", "tokens out", "TTFT p95")


def render(found: Findings, console: Console, *, disagreements: int = DISAGREEMENTS) -> None:
    """Print the findings of a run. Of many candidates the details stay in the page and in --json."""
    paper = Paper(console)
    paper.blank()
    paper.line(
        joined(
            [
                ("Evaluation", "bold"),
                (found.file, "dim"),
                (plural(found.samples, "sample"), "dim"),
                (f"scored by {found.scorer}", "dim"),
                (f"margin {points(found.margin)}, declared before", "dim"),
            ]
        )
    )
    several = len(found.versus) > MOST_WHOLE and (found.judge is None or found.judge.passed)
    if several:
        many.verdicts(found, paper)
    else:
        for one in found.versus:
            _verdict(one, found, paper)
    if found.judge is not None:
        _judge(found.judge, paper)
    many.frontier(found, paper)
    _sides(found.sides, paper)
    for one in () if several else found.versus:
        _tags(one, found, paper)
        _disagreements(one, found, paper, disagreements)
    if several:
        paper.line("Tags and disagreements of each candidate: --html FILE, or --json", lead=" • ")
    _notes(found, paper)


def brief(found: Findings, paper: Paper) -> None:
    """Print the verdicts, and both sides beside each other, on a paper that others write on too."""
    for one in found.versus:
        _verdict(one, found, paper)
    paper.blank()
    paper.indented(_table(found.sides, paper), left=3)


def _verdict(one: Versus, found: Findings, paper: Paper) -> None:
    paper.blank()
    comparison = one.comparison
    if found.judge is not None and not found.judge.passed:
        _no_verdict(one, found.reference, found.judge, paper)
        return
    colour = COLOURS[comparison.verdict]
    bar = Text(" ▌ ", style=f"bold {colour}")
    head = f"{one.candidate} against {found.reference}: {PHRASES[comparison.verdict]}"
    paper.line(Text(head, style="bold"), lead=bar, bar=True)
    paper.line(comparison.advice, lead=bar, bar=True)
    if said := caution(one, found):
        paper.line(said, lead=" ! ", style="yellow")
    if comparison.gap is not None:
        paper.blank()
        for line in interval(comparison, min(paper.width - 4, 72), colour):
            paper.line(line, lead="   ")
    for why, count in one.left_out.items():
        paper.line(f"{plural(count, 'pair')} left out: {why}", lead="   ", style="dim")


def _no_verdict(one: Versus, reference: str, judge: Controls, paper: Paper) -> None:
    """Nothing is said of a candidate where its judge cannot be believed."""
    bar = Text(" ▌ ", style="bold red")
    paper.line(Text(f"{one.candidate} against {reference}: no verdict", style="bold"), lead=bar, bar=True)
    reasons = "; ".join(failed_control(control) for control in judge.failed)
    paper.line(f"The judge {judge.model} failed its controls: {reasons}. Take another judge.", lead=bar, bar=True)


def _judge(judge: Controls, paper: Paper) -> None:
    """What is known of the judge."""
    paper.section(f"The judge {judge.model}", "canaries must not win more than 5 %")
    shares = ", ".join(f"{one.canary} {one.won} of {one.n}" for one in judge.canaries)
    paper.line(f"Canaries that won in its eyes: {shares}", lead=" • ")
    paper.line(f"The order of the answers decided {judge.order_decided * 100:.0f} % of comparisons: ties", lead=" • ")
    for name, length in judge.length.items():
        text = f"{name} wins {length.share * 100:.1f} % (a tie counts half), "
        text += f"{length.at_equal_length * 100:.1f} % at equal "
        paper.line(f"{text}length; its answers are {length.mean_ratio:.2f} times as long", lead=" • ")
    if judge.kin:
        makers = " and ".join(judge.kin)
        paper.line(
            f"Judge and judged are both by {makers}: a judge of another family is better", lead=" ! ", style="yellow"
        )
    for name, found in judge.agreement.items():
        enough = "" if found.enough else "; too little to stand in for people"
        paper.line(
            f"{name}: it says what people say on {found.share * 100:.0f} % of {plural(found.n, 'sample')} "
            f"({found.low * 100:.0f} to {found.high * 100:.0f} %, kappa {found.kappa:.2f}){enough}", lead=" • ",
        )  # fmt: skip
    if not judge.agreement:
        paper.line("No human labels (--labels): its verdict is not verified", lead=" • ")


def _sides(sides: Sequence[Side], paper: Paper) -> None:
    """Quality, time and cost beside each other; what nobody measured has no column."""
    timed = any(side.seconds_p50 is not None for side in sides)
    paper.section("Side by side", "latency as measured in this run, at its concurrency" if timed else "")
    paper.indented(_table(sides, paper))
    for text in remarks(sides):
        paper.line(text, lead=" • ")


def _table(sides: Sequence[Side], paper: Paper) -> Table:
    """The columns that somebody measured, as many as there is room for, the most telling ones first."""
    shown = [(name, cell) for name, cell in _COLUMNS if any(cell(side) != _NONE for side in sides)]
    most = max(paper.width // 3, 12)
    names = list(apart([side.name for side in sides], most).values())
    room = paper.width - max(map(len, names)) - 6
    kept: list[str] = []
    for name, cell in sorted(shown, key=lambda one: _KEPT_FIRST.index(one[0])):
        room -= max(len(name), *(len(cell(side)) for side in sides)) + 2
        if room < 0:
            break
        kept.append(name)
    drawn = [(name, cell) for name, cell in shown if name in kept]
    table = plain_table(("", "left"), *((name, "right") for name, _ in drawn))
    for name, side in zip(names, sides, strict=True):
        table.add_row(Text(name, style="bold"), *(cell(side) for _, cell in drawn))
    return table


def _tags(one: Versus, found: Findings, paper: Paper) -> None:
    if not one.tags:
        return
    paper.section(f"By tag: {one.candidate} less {found.reference}", "each interval for itself, for one look")
    table = plain_table(("tag", "left"), ("n", "right"), ("candidate", "right"), ("reference", "right"),
                        ("gap", "right"), ("90 %", "right"))  # fmt: skip
    for row in one.tags[:TAGS]:
        table.add_row(
            row.tag, f"{row.n:,}", f"{row.candidate * 100:.1f} %", f"{row.reference * 100:.1f} %", signed(row.gap),
            _bounds(row),
        )  # fmt: skip
    paper.indented(table)
    if len(one.tags) > TAGS:
        paper.line(f"{len(one.tags) - TAGS:,} more tags in --json and --html", style="dim")


def _bounds(row: TagRow) -> str:
    return "" if row.low is None or row.high is None else f"{signed(row.low)} to {signed(row.high)}"


def _disagreements(one: Versus, found: Findings, paper: Paper, most: int) -> None:
    rows = one.disagreements
    if not rows or most <= 0:
        return
    lost = sum(row.loss > 0 for row in rows)
    aside = f"{one.candidate} lost {lost:,} and won {len(rows) - lost:,}; largest loss first"
    paper.section("Where they differ", aside)
    for row in rows[:most]:
        _disagreement(row, one.candidate, found.reference, paper)
    if len(rows) > most:
        paper.line(f"{len(rows) - most:,} more in --html and --json", style="dim")


def _disagreement(row: Disagreement, candidate: str, reference: str, paper: Paper) -> None:
    place = f"line {row.line}" if row.line else ""
    name = row.sample if row.sample != str(row.line) else ""
    paper.line(joined([(_short(row.prompt), "bold"), (name, "dim"), (place, "dim")]), lead=" • ")
    width = max(len(candidate), len(reference), len("right"))
    if row.expected:
        paper.line(_short(" or ".join(row.expected)), lead=f"   {'right':<{width}}  ", style="dim")
    for who, said, score, detail in (
        (candidate, row.candidate, row.candidate_score, row.candidate_detail),
        (reference, row.reference, row.reference_score, row.reference_detail),
    ):
        text = Text(f"{score:.2g}  {_short(said)}", style="green" if score >= 1 else "red" if score <= 0 else "yellow")
        if detail:
            text.append(f"  ({_short(detail)})", style="dim")
        paper.line(text, lead=f"   {who:<{width}}  ")


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _TEXT else f"{flat[: _TEXT - 1]}…"


def _notes(found: Findings, paper: Paper) -> None:
    rule = {
        "as-wrong": "A failed call or scorer counts as a wrong answer.",
        "exclude": "Pairs with a failed call or scorer are left out.",
    }[found.errors]
    paper.section("Notes")
    for note in ([found.ended] if found.ended else []) + [rule, *found.notes]:
        paper.line(note, lead=" • ")
    paper.blank()


# ------------------------------------------------------------------------------------------------------- other screens


def render_estimates(
    rows: Sequence[Estimate], samples: int, wanted: PowerRow, asking: Sequence[str], console: Console, *,
    budget: Decimal | None = None,
) -> None:  # fmt: skip
    """Print what a run would cost, and what so many samples can show. ``asking`` are scorers that ask a model too."""
    paper = Paper(console)
    paper.section("Before the first call")
    table = plain_table(("", "left"), ("calls", "right"), ("kept", "right"), ("tokens in", "right"),
                        ("at most", "right"))  # fmt: skip
    for row in rows:
        most = "nothing to pay" if not row.paid else "price unknown" if row.highest is None else show(row.highest)
        table.add_row(
            Text(row.candidate, style="bold"), f"{row.calls:,}", f"{row.kept:,}", f"{row.input_tokens:,}", most
        )
    paper.indented(table)
    paper.line(
        "Tokens are estimated; at most: every answer as long as allowed (--max-tokens lowers it).", style="dim"
    )  # fmt: skip
    total = sum((row.highest for row in rows if row.highest is not None), Decimal(0))
    if budget is not None and total > budget:
        said = f"In all at most {show(total)}, more than the budget of {show(budget)}: the run may end early, with the "
        paper.line(f"{said}pairs there are by then.", lead=" ! ", style="yellow")
    elif sum(row.paid for row in rows) > 1:
        paper.line(f"In all at most {show(total)}.")
    if asking:
        paper.line(f"Not in it: what the scorer {' and '.join(asking)} asks of its own model.", style="dim")
    enough = "over a million" if wanted.n is None else f"about {wanted.n:,}"
    paper.line(
        f"{plural(samples, 'sample')}: between models that are equally good and differ on "
        f"{wanted.discordance * 100:.0f} % of them, {enough} settle it with a margin of {points(wanted.margin)} "
        "(crossover eval power says it for others).", style="dim",
    )  # fmt: skip
    paper.blank()


def render_power(rows: Sequence[PowerRow], console: Console) -> None:
    """Print how many samples a verdict takes."""
    paper = Paper(console)
    paper.section("How many samples a verdict takes")
    table = plain_table(
        ("margin", "right"), ("differ", "right"), ("true gap", "right"), ("likely verdict", "left"),
        ("needed", "right"), ("half the time", "right"), ("one look", "right"),
    )  # fmt: skip
    for row in rows:
        table.add_row(
            points(row.margin), f"{row.discordance * 100:g} %", points(row.gap, signed=True), PHRASES[row.likely],
            _count(row.n), _count(row.even), _count(row.fixed),
        )  # fmt: skip
    paper.indented(table)
    share = f"{rows[0].power * 100:g} %" if rows else ""
    paper.line(
        f"needed: conclusive with a chance of {share}, however often you look. one look: what a test needs that is "
        "looked at once; a second look, or topping up, breaks its promise.", style="dim",
    )  # fmt: skip


def _count(value: int | None) -> str:
    return "over a million" if value is None else f"{value:,}"
