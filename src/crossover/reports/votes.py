"""Votes counted, in sentences and in a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from crossover.evaluation.tally import Preference, Share, Tally
from crossover.evaluation.words import PHRASES, Ranking
from crossover.reports.evaluation_axis import COLOURS, interval
from crossover.reports.figures import plural
from crossover.reports.paper import Paper, joined, plain_table


def sentences(tally: Tally) -> list[str]:
    """The result, one paragraph a candidate, and what must be known of the voting."""
    if not _counted(tally):
        return ["Nobody has voted yet."]
    return [f"{verdict(one, tally)} {one.comparison.advice}" for one in tally.preferences] + list(remarks(tally))


def _counted(tally: Tally) -> bool:
    """Whether there is anything to tell: votes, or ballots that needed none because they all are settled."""
    return bool(tally.votes) or (not tally.asked and any(one.comparison.n for one in tally.preferences))


def verdict(one: Preference, tally: Tally) -> str:
    """Who was preferred how often, and what that is worth on the Bradley-Terry scale."""
    seen = one.won + one.lost + one.tied + one.bad
    head = (
        f"{one.candidate} against {tally.reference}: preferred in {one.won:,} of {plural(seen, 'vote')}, the other one "
        f"in {one.lost:,}; {one.tied:,} equally good, {one.bad:,} both bad."
    )
    if not seen:
        head = f"{one.candidate} against {tally.reference}: nothing was voted on."
    if one.settled:
        counted = ", ".join(f"{count:,} {why}" for why, count in one.settled.items())
        head += f" Settled without a vote: {counted}."
    strength = None
    if tally.ranking is not None:
        strength = next((row for row in tally.ranking.strengths if row.name == one.candidate), None)
    if strength is None:
        return head
    return (
        f"{head} By the Bradley-Terry model it wins {_percent(strength.share)} of votes against {tally.reference} "
        f"({_percent(strength.share_low)} to {_percent(strength.share_high)}, estimated; a tie counts half)."
    )


def remarks(tally: Tally) -> Iterator[str]:
    """What must be known of the voting itself."""
    if tally.left is not None and not tally.left.low <= 0.5 <= tally.left.high:
        yield (
            f"The answer on the left was taken in {_of(tally.left)} of votes for a side: the side decided some of "
            "them. Sides were drawn by chance, so no candidate gains, but the votes say less."
        )
    if tally.agreed is not None:
        yield f"Two raters who saw the same answers agreed in {_of(tally.agreed)}."
    if tally.void:
        yield f"{plural(tally.void, 'vote')} for answers that are not among these: not counted."
    if tally.damaged:
        yield f"Damaged lines of the file of votes, not counted: {', '.join(str(line) for line in tally.damaged[:8])}."
    for why, count in tally.left_out.items():
        yield f"{plural(count, 'pair')} left out: {why}."
    if tally.ranking is not None and tally.ranking.half_votes:
        yield (
            "Somebody never lost or never won, so half a vote each way was added to every pair for the Bradley-Terry "
            "model; the verdict does without."
        )


def render(tally: Tally, console: Console) -> None:
    """Print the result."""
    paper = Paper(console)
    paper.blank()
    who = ", ".join(f"{name} {count:,}" if name else f"{count:,}" for name, count in tally.raters.items())
    head: list[tuple[str, str]] = [("Votes", "bold"), (plural(tally.votes, "vote"), "dim")]
    if len(tally.raters) > 1 or any(tally.raters):
        head.append((f"by {who}", "dim"))
    paper.line(joined([*head, (f"{plural(tally.asked, 'ballot')} a rater", "dim")]))
    if not _counted(tally):
        paper.line("Nobody has voted yet.")
    for one in tally.preferences if _counted(tally) else ():
        colour = COLOURS[one.comparison.verdict]
        bar = Text(" ▌ ", style=f"bold {colour}")
        title = f"{one.candidate} against {tally.reference}: {PHRASES[one.comparison.verdict]}"
        paper.blank()
        paper.line(Text(title, style="bold"), lead=bar, bar=True)
        paper.line(one.comparison.advice, lead=bar, bar=True)
        paper.line(verdict(one, tally), lead=bar, bar=True, style="dim")
        if one.comparison.gap is not None:
            paper.blank()
            for line in interval(one.comparison, min(paper.width - 4, 72), colour):
                paper.line(line, lead="   ")
    if tally.ranking is not None and len(tally.ranking.strengths) > 2:
        _scale(tally.ranking, paper)
    rows = list(remarks(tally))
    if rows:
        paper.section("Notes")
    for row in rows:
        paper.line(row, lead=" • ")
    paper.blank()


def _scale(ranking: Ranking, paper: Paper) -> None:
    paper.section("Bradley-Terry", f"share of votes against {ranking.reference}, a tie counting half; estimated")
    table = plain_table(("", "left"), ("share", "right"), ("90 %", "left"), ("votes", "right"))
    for row in ranking.strengths:
        own = row.name == ranking.reference
        table.add_row(
            Text(row.name, style="bold"), _percent(row.share),
            "the reference" if own else f"{_percent(row.share_low)} to {_percent(row.share_high)}", f"{row.votes:,}",
        )  # fmt: skip
    paper.indented(table)


def _of(share: Share) -> str:
    part = share.count / share.n
    return f"{_percent(part)} {_percent(share.low)} to {_percent(share.high)}; {share.n:,} counted)"


def _percent(share: float) -> str:
    return f"{share * 100:.0f} %"
