"""The rules of routes that tell work for a stronger model from other work: from settings and files to functions.

Three kinds: visible points before the call (``complexity``), what was learned of prompts (``route``), and what is seen
of a weaker model's answer (``cascade``): its shape first, its confidence where the user set a limit, and what was
learned of answers.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from crossover.chat import ChatRequest
from crossover.config.learning import AGREEMENT
from crossover.config.settings import AliasSettings, Settings
from crossover.learning.agreement import agreement
from crossover.learning.artifact import load
from crossover.learning.complexity import complexity
from crossover.learning.model import Learned, Verdict, decide
from crossover.learning.signals import AnswerSignals, answer_signals, of_request
from crossover.ledger.grades import Grade
from crossover.routing.shape import fault
from crossover.routing.words import Cascade, Guess, Judged, Shown
from crossover.runtime.watch import Rule

if TYPE_CHECKING:
    from crossover.learning.drift import Compared

GOOD = "its answer is good enough"


def simple_or_not(request: ChatRequest) -> Guess:
    """The guess of the policy ``complexity``: points by rules that anybody can read."""
    found = complexity(of_request(request))
    return Guess(found.level == "complex", found.why)


def by_prompt(learned: Learned) -> Callable[[ChatRequest], Guess]:
    """The guess of the policy ``route``: what was learned of prompts."""

    def think(request: ChatRequest) -> Guess:
        found = decide(learned, of_request(request))
        return Guess(found.escalate, _words(found), found.score)

    return think


def judge_of(learned: Learned | None, confidence: float | None) -> Callable[[Shown], Judged]:
    """What a cascade says of an answer. ``confidence``: the least geometric mean of its tokens' probabilities."""

    def judge(shown: Shown) -> Judged:
        if (wrong := fault(shown)) is not None:
            return Judged(True, wrong)
        sure = _confidence(shown)
        if confidence is not None and sure is not None and sure < confidence:
            return Judged(True, f"its answer is unsure ({sure:.2f} of {confidence:.2f})")
        if learned is None:
            return Judged(False, GOOD)
        found = decide(learned, _signals(shown))
        why = _words(found) if shown.whole else f"{_words(found)} (by its beginning: nothing is promised)"
        return Judged(found.escalate, why, found.score)

    return judge


def _words(found: Verdict) -> str:
    """Why, in words that repeat: the ledger keeps each of them once, and a score of many digits is never the same."""
    if found.gain is None:
        return found.why
    because = found.why.partition(": ")[2]
    return f"expected gain {found.gain:+.2f}{': ' if because else ''}{because}"


def _confidence(shown: Shown) -> float | None:
    """The geometric mean of the probabilities of the chosen tokens; None where nobody said them."""
    pairs = shown.logprobs
    return math.exp(sum(chosen for chosen, _ in pairs) / len(pairs)) if pairs else None


def _signals(shown: Shown) -> AnswerSignals:
    request = shown.request
    questions = [message.text for message in request.messages if message.role == "user"]
    structured = request.output is not None and request.output.kind != "text"
    return answer_signals(
        shown.text,
        asked=of_request(request),
        question=questions[-1] if questions else None,
        finish=shown.finish,
        logprobs=shown.logprobs,
        schema_valid=True if structured else None,  # else its shape was wrong
        calls_valid=True if shown.calls else None,
        agreement=None if shown.second is None else agreement(shown.text, shown.second),
    )


def cascade_of(alias: AliasSettings, learned: Learned | None) -> Cascade:
    """How answers under this alias are judged."""
    said = alias.cascade
    return Cascade(
        judge=judge_of(learned, said.confidence),
        stream=said.stream,
        first_tokens=said.first_tokens,
        second=said.second,
    )


def learned_of(alias: AliasSettings) -> Learned | None:
    """What the alias's file has learned. Raises FileError where it cannot be read."""
    return None if alias.learned is None else load(Path(alias.learned))


def watch_rules(settings: Settings) -> dict[str, Rule]:
    """What is watched of each alias that has a rule to check or a shadow; none of most configurations."""
    several = settings.aliases.items()
    return {name: rule_of(name, one) for name, one in several if one.watch.explore or one.watch.shadow is not None}


def rule_of(name: str, alias: AliasSettings) -> Rule:
    """How an alias is compared, and what its file promised. Raises FileError where that cannot be read."""
    learned = learned_of(alias)
    promise = None if learned is None else learned.card.promise
    return Rule(
        route=name,
        grader=alias.watch.grader,
        per_day=alias.watch.per_day,
        loss=None if promise is None else promise.loss,
        beside=promise.differs if promise is not None and alias.watch.grader == AGREEMENT else 0.0,
        since=0.0 if learned is None else _since(learned.card.made),
    )


def _since(made: str) -> float:
    """The Unix second at which a rule was made."""
    moment = dt.datetime.fromisoformat(made)
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)).timestamp()


def compared(row: Grade) -> Compared:
    """A comparison of the ledger as those who learn see it: of a shadow all counts, as if nothing went to the API."""
    from crossover.learning.drift import Compared

    kept = row.kept or row.kind == "shadow"
    return Compared(request=row.request, probability=row.probability, kept=kept, loss=row.loss, score=row.score)


def doubt_of(rows: Sequence[Grade], rule: Rule) -> str:
    """The words of a doubt, where audits prove that more is lost than was promised; empty where they do not."""
    from crossover.learning.drift import drift  # numpy, only where a rule has promised something

    if rule.loss is None:
        return ""
    found = drift([compared(row) for row in rows], rule.loss, beside=rule.beside)
    return found.words if found.left else ""
