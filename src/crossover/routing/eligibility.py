"""Filter: which deployments may answer a request at all, and the reason for each that may not.

Every rule is one small function that gives a refusal or None. What passes is the *eligible set*: no retry, fallback or
overflow may ever go beyond it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping

import msgspec

from crossover import compliance
from crossover.chat import Dialect
from crossover.privacy.policy import UNKNOWN, Known, Place, verdict
from crossover.routing.health import Health
from crossover.routing.words import Need, Refusal, Target
from crossover.sensitivity import NOT_SENSITIVE, Sensitivity

# Refusals that no waiting changes; the others are only for now.
FOR_GOOD = frozenset(
    {"local_only", "privacy", "law", "ability", "dialect", "context", "max_output", "pinned", "unpriced"}
)

_OPAQUE: frozenset[Need] = frozenset({"unknown"})  # a part that no word fits: a target of the same dialect may know it

# An estimate of the prompt may be off: only what is clearly too long is refused before the target has counted itself.
_MARGIN = 1.25
_NOBODY_ASKED = "nobody has asked yet"


class Ask(msgspec.Struct, frozen=True):
    """What routing must know of a request: nothing of what it says.

    ``input_tokens`` is an estimate, ``output_tokens`` the stated maximum of each of ``choices`` answers (None: not
    stated). ``local_only`` was said by the caller or the configuration; ``sensitivity`` and ``regimes`` decide through
    the law. ``dialect`` is the one it came in. ``known`` is what was found and said, and the matrices that judge it.
    """

    needs: frozenset[Need]
    input_tokens: int = 0
    output_tokens: int | None = None
    choices: int = 1
    regimes: tuple[str, ...] = ()
    local_only: bool = False
    dialect: Dialect | None = None
    known: Known = UNKNOWN

    @property
    def sensitivity(self) -> Sensitivity:
        """The stricter of what was found and what was said."""
        return self.known.sensitivity


Law = Callable[[Target, Ask], str | None]  # the refusing sentence, or None where it is permitted


class Laws:
    """``compliance.permit`` for every zone, remembered: its answer depends on few words and the day."""

    def __init__(self, confirmed: dt.date | None, today: Callable[[], dt.date]) -> None:
        self._confirmed = confirmed
        self._today = today
        self._day = today()
        self._known: dict[tuple[str, Sensitivity, tuple[str, ...], bool], str | None] = {}
        self._plain: dict[str, str | None] = {}  # the same by deployment, for requests without labels or regimes
        self.barred: Mapping[str, str] = {}  # deployments whose declared zone was not confirmed, and why

    def __call__(self, target: Target, ask: Ask) -> str | None:
        """The sentence of the rule that stands against it, or None."""
        if target.id in self.barred:
            return self.barred[target.id]
        day = self._today()
        if day != self._day:
            self._day = day
            self._known.clear()
            self._plain.clear()
        if ask.known is UNKNOWN and not ask.regimes:  # nothing is asked for and nothing was found: nearly all requests
            against = self._plain.get(target.id, _NOBODY_ASKED)
            if against is _NOBODY_ASKED:
                against = self._plain[target.id] = self._asked(target, NOT_SENSITIVE, (), day, True)
            return against
        house = not ask.known.profiles  # else the matrix has spoken
        sensitivity = ask.known.sensitivity
        key = (target.id, sensitivity, ask.regimes, house)
        against = self._known.get(key, _NOBODY_ASKED)
        if against is _NOBODY_ASKED:
            if len(self._known) >= 4096:  # regimes may come with a request: do not remember without end
                self._known.clear()
            against = self._known[key] = self._asked(target, sensitivity, ask.regimes, day, house)
        return against

    def _asked(
        self, target: Target, sensitivity: Sensitivity, regimes: tuple[str, ...], day: dt.date, house: bool
    ) -> str | None:
        zone = target.deployment.zone
        answer = compliance.permit(zone, sensitivity, regimes, day, confirmed=self._confirmed, house=house)
        return answer.sentence if isinstance(answer, compliance.Refusal) else None


def refusal(target: Target, ask: Ask, law: Law, health: Health, now: float) -> Refusal | None:
    """Why this deployment may not answer this request now; None where it may. The law is asked first.

    Asked for the decision and once more right before each attempt: no list built earlier is trusted.
    """
    name = target.id
    if ask.local_only and not target.local:
        return Refusal(name, "local_only", f"the request must stay local and {name} is not local")
    if not ask.known.clean:
        judged = verdict(ask.known, Place(target.deployment.zone.name, target.local))
        if judged.action in ("local_only", "block"):
            where = f"{name} is not local" if judged.action == "local_only" else f"{name} is blocked"
            return Refusal(name, "privacy", f"{judged.why}: {where} ({judged.rule})")
    against = law(target, ask)
    if against is not None:
        return Refusal(name, "law", against)
    if not ask.needs <= target.can:
        lacks = ask.needs - target.can
        if lacks - _OPAQUE:
            return Refusal(name, "ability", f"{name} cannot do: {', '.join(sorted(lacks - _OPAQUE))}")
        if target.dialect is None or target.dialect != ask.dialect:
            text = f"the request holds a part that only its own dialect knows, and {name} speaks another"
            return Refusal(name, "dialect", text)
    if target.context is not None and ask.input_tokens > target.context * _MARGIN:
        text = f"about {ask.input_tokens:,} tokens do not fit the {target.context:,} of {name}"
        return Refusal(name, "context", text)
    if target.max_output is not None and ask.output_tokens is not None and ask.output_tokens > target.max_output:
        text = f"{name} writes at most {target.max_output:,} tokens, {ask.output_tokens:,} were asked for"
        return Refusal(name, "max_output", text)
    breaker = health.breakers[name]
    if breaker.drained:
        return Refusal(name, "drained", f"{name} is drained: somebody took it out on the dashboard")
    if not breaker.allows(now):
        return Refusal(name, "resting", f"{name} rests: {breaker.why}")
    return None
