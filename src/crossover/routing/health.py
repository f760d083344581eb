"""Circuit breakers: which deployments rest because they failed, and which are being tried again.

A breaker is closed (calls pass), open (it rests) or half open (a few probes pass). Refused connections count like any
other failure. Time is an argument everywhere: seconds of a monotonic clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Literal

from crossover.routing.words import BreakerRule

State = Literal["closed", "open", "half_open"]


class Breaker:
    """The breaker of one deployment."""

    __slots__ = ("_calls", "_failed", "_probing", "_row", "_until", "rests", "rule", "why")

    def __init__(self, rule: BreakerRule) -> None:
        self.rule = rule
        self.rests = 0  # how often in a row it has rested
        self.why = ""
        self._row = 0  # failures in a row
        self._failed = 0
        self._calls: deque[tuple[float, bool]] = deque(maxlen=1000)  # (when, failed) within the window
        self._until: float | None = None  # resting until then; afterwards half open
        self._probing = 0

    def state(self, now: float) -> State:
        """Closed, open or half open at this moment."""
        if self._until is None:
            return "closed"
        return "open" if now < self._until else "half_open"

    def allows(self, now: float) -> bool:
        """Whether a call may go there now."""
        if self._until is None:
            return True
        return now >= self._until and self._probing < self.rule.probes

    def rests_for(self, now: float) -> float:
        """Seconds until it is tried again; 0 where it may be called."""
        return 0.0 if self._until is None else max(0.0, self._until - now)

    def start(self, now: float) -> None:
        """A call goes there; in half open it is a probe."""
        if self._until is not None and now >= self._until:
            self._probing += 1

    def succeeded(self, now: float) -> None:
        """A call was answered. A probe that succeeds closes the breaker."""
        self._row = 0
        if self._until is not None:
            self._until, self._probing, self.rests, self.why = None, 0, 0, ""
            self._calls.clear()
            self._failed = 0
        elif self._failed:
            self._note(now, failed=False)

    def failed(self, now: float, why: str) -> None:
        """A call failed in a way that speaks against the deployment."""
        self._row += 1
        if self._until is not None:
            if now >= self._until:
                self._rest(now, why)
            return
        self._note(now, failed=True)
        calls = len(self._calls)
        too_many = calls >= self.rule.minimum and self._failed >= self.rule.share * calls
        if self._row >= self.rule.failures or too_many:
            self._rest(now, why)

    def abandoned(self, now: float) -> None:
        """A call ended without a verdict (the client left): a probe gives its place back."""
        if self._until is not None and now >= self._until:
            self._probing = max(0, self._probing - 1)

    def trip(self, now: float, why: str, seconds: float) -> None:
        """Rest for so long because the target itself asked for it (Retry-After) or a health check failed."""
        self._until = max(self._until or 0.0, now + min(seconds, self.rule.rest_max))
        self._probing, self.why = 0, why

    def _rest(self, now: float, why: str) -> None:
        self._until = now + min(self.rule.rest_max, self.rule.rest * 2.0**self.rests)
        self._probing, self.why = 0, why
        self.rests = min(self.rests + 1, 30)

    def _note(self, now: float, *, failed: bool) -> None:
        """Remember a call; while nothing failed there is nothing to remember."""
        calls, oldest = self._calls, now - self.rule.window
        if len(calls) == calls.maxlen:
            self._failed -= calls[0][1]
        calls.append((now, failed))
        self._failed += failed
        while calls and calls[0][0] < oldest:
            self._failed -= calls.popleft()[1]


class Health:
    """The breakers of all deployments, and how fast each answered lately."""

    def __init__(self, targets: Iterable[str], rule: BreakerRule) -> None:
        self.breakers = {target: Breaker(rule) for target in targets}
        self.first_s: dict[str, float] = {}  # smoothed seconds to the first token

    def of(self, target: str) -> Breaker:
        """The breaker of a deployment."""
        return self.breakers[target]

    def answered(self, target: str, now: float, first_s: float) -> None:
        """A call was answered; ``first_s`` seconds to its first token."""
        breaker = self.breakers[target]
        breaker.succeeded(now)
        before = self.first_s.get(target)
        self.first_s[target] = first_s if before is None else before + 0.2 * (first_s - before)

    def keep(self, other: Health) -> None:
        """Take over what another set knew of deployments that both have: a reload must not forget who rests."""
        for target in self.breakers.keys() & other.breakers.keys():
            self.breakers[target] = other.breakers[target]
            if target in other.first_s:
                self.first_s[target] = other.first_s[target]
