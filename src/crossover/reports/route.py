"""A learned policy in the terminal: its promise, what it rests on, and what each threshold would keep and lose."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from crossover.learning.model import Card, Learned, Step
from crossover.reports.paper import Paper, plain_table

ROWS = 12
SPEAKS = "What speaks for the stronger model"
_NEAR = 0.01  # of all prompts: points as near to the chosen one are left out
_BAR = 24


def render(learned: Learned, console: Console, *, file: str = "") -> None:
    """The whole card with its curve."""
    card, paper = learned.card, Paper(console)
    paper.line(Text(headline(learned), style="bold green" if card.promise is not None else "bold yellow"))
    paper.line(f"{file} · {what(learned)}" if file else what(learned), style="dim")
    paper.section("What it rests on")
    for name, text in facts(learned):
        paper.line(text, lead=Text(f" {name:11} ", style="dim"))
    if card.curve:
        _curve(learned, paper)
    paper.section(SPEAKS)
    for words in weights(learned):
        paper.line(words, lead=" · ")
    if card.notes:
        paper.section("Notes")
        for note in card.notes:
            paper.line(note, lead=" · ")


def headline(learned: Learned) -> str:
    """The promise with a capital letter."""
    words = learned.card.words
    return words[:1].upper() + words[1:]


def what(learned: Learned) -> str:
    """Kind, models and day on one line."""
    card = learned.card
    kind = "a cascade (judges the answer)" if learned.kind == "cascade" else "a route (judges the prompt)"
    how = "learned" if card.learned else "the rule on length"
    return f"{kind}, {how} · {card.weak} or else {card.strong} · made {card.made[:10]}"


def facts(learned: Learned) -> list[tuple[str, str]]:
    """Pairs (name, words): the parts, the promise, the measure, the year's budget."""
    card = learned.card
    found = [
        ("from", card.source),
        ("parts", f"{card.trained:,} prompts to learn, {card.calibrated:,} to calibrate, {card.reported:,} to report"),
    ]
    promise = card.promise
    if promise is not None:
        bound = "guaranteed (exact bound)" if promise.bound == "exact" else "guaranteed (bound by betting)"
        found.append((
            "promise",
            f"{bound}: in the calibration {share(promise.kept)} stayed and {share(promise.observed)} was lost; for "
            f"prompts like these the loss is at most {share(promise.loss)}, {share(promise.confidence)} sure",
        ))  # fmt: skip
    if card.apgr is not None and card.length_apgr is not None:
        found.append((
            "gap",
            f"recovers {card.apgr:.3f} of the gap between the models on average (APGR, estimated); "
            f"the rule on length {card.length_apgr:.3f}, chance .500",
        ))  # fmt: skip
    if card.budget is not None:
        budget = card.budget
        found.append((
            "budget",
            f"{budget.used} of {budget.calibrations} calibrations of {budget.year} made: {share(budget.spent)} of the "
            f"{share(budget.delta)} chance of a broken promise is spent",
        ))  # fmt: skip
    found.append(("models", f"digest {card.digest}"))
    return found


def points(learned: Learned, most: int = ROWS) -> list[Step]:
    """Up to so many points of the curve, evenly spread, the chosen one always among them."""
    chosen = chosen_step(learned)
    steps: list[Step] = []
    for step in learned.card.curve:
        if steps and step.kept == steps[-1].kept and steps[-1] is not chosen:
            steps.pop()  # another threshold that keeps the same prompts
        if step is chosen or chosen is None or abs(step.kept - chosen.kept) > _NEAR:
            steps.append(step)
    if len(steps) > most:
        some = [steps[round(number * (len(steps) - 1) / (most - 1))] for number in range(most)]
        steps = [step for step in steps if step in some or step is chosen]
    return steps


def chosen_step(learned: Learned) -> Step | None:
    """The point at the threshold that is used."""
    return next((step for step in learned.card.curve if step.threshold == learned.threshold), None)


def weights(learned: Learned, most: int = 8) -> list[str]:
    """What speaks for the stronger model, in words, the weightiest first."""
    from crossover.learning.features import FEATURES

    found = []
    for number, row in enumerate(learned.features):
        weight = sum(head.weights[number] for head in learned.heads)
        feature = FEATURES[row.name]
        found.append((abs(weight), feature.high if weight > 0 else feature.low))
    kept = [words for size, words in sorted(found, reverse=True)[:most] if size > 0]
    if any(head.words for head in learned.heads):
        kept.append(f"{max(len(head.words) for head in learned.heads):,} buckets of hashed words")
    return kept


def share(value: float) -> str:
    """A share as percent, as exact as it needs to be."""
    return f"{value * 100:.3g} %"


def dollars_of(value: float | None) -> str:
    """Dollars to three digits, however small."""
    return "–" if value is None else f"${value:,.3g}" if value < 1_000 else f"${value:,.0f}"


def quality_range(card: Card) -> tuple[float, float]:
    """The least and the largest quality of the curve, for bars."""
    values = [step.quality for step in card.curve]
    values += [value for value in (card.weak_score, card.strong_score) if value is not None]
    return min(values), max(values)


def _curve(learned: Learned, paper: Paper) -> None:
    card = learned.card
    paper.section("What each threshold keeps and loses", f"on {card.reported:,} prompts apart, estimated")
    dollars = any(step.cost is not None for step in card.curve)
    bars = not paper.narrow
    heads = [("", "left"), ("stays local", "right"), ("quality", "right"), ("lost", "right")]
    heads += [("$ / 1,000", "right")] if dollars else []
    heads += [("", "left")] if bars else []
    table = plain_table(*heads)
    low, high = quality_range(card)
    for step in points(learned):
        used = step.threshold == learned.threshold
        cells: list[str | Text] = ["▶" if used else "", share(step.kept), f"{step.quality:.3f}", share(step.loss)]
        cells += [dollars_of(step.cost)] if dollars else []
        cells += [_bar(step.quality, low, high)] if bars else []
        table.add_row(*cells, style="bold" if used else "")
    paper.indented(table)
    if card.weak_score is not None and card.strong_score is not None:
        paper.line(f"all {card.weak}: {card.weak_score:.3f} · all {card.strong}: {card.strong_score:.3f}", style="dim")
    if learned.threshold is None:
        paper.line("No threshold is chosen: everything goes to the stronger model.", style="dim")


def _bar(value: float, low: float, high: float) -> Text:
    filled = round((value - low) / (high - low) * (_BAR - 1)) + 1 if high > low else _BAR
    return Text("█" * filled, style="cyan")


def tried(headline: str, rows: Sequence[tuple[str, str]], examples: Sequence[tuple[str, str]], paper: Paper) -> None:
    """A dry run: its sentence, its facts, and prompts for which it would matter."""
    paper.line(Text(headline, style="bold"))
    paper.blank()
    for name, text in rows:
        paper.line(text, lead=Text(f" {name:11} ", style="dim"))
    if examples:
        paper.section("Kept, and the stronger model was better")
        for why, prompt in examples:
            paper.line(prompt, lead=" · ")
            paper.line(why, lead="   ", style="dim")
