"""Circuit breakers: which deployments rest because they failed, and which are being tried again.

A breaker is closed (calls pass), open (it rests) or half open (a few probes pass, and only they decide how it goes
on: a call from before the failures says nothing of now). Refused connections count like any other failure. Beside
that a deployment may be *paused* because it asked for time itself (Retry-After); afterwards it goes on as before.
Time is an argument everywhere: seconds of a monotonic clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Literal

from crossover.routing.words import BreakerRule

State = Literal["closed", "open", "half_open"]

LONGEST_PAUSE = 3600.0  # seconds: no target locks itself out for longer by what it answers
_MEMORY = 600.0  # seconds for which an observed speed counts: a slow one gets another chance
_SMOOTHING = 0.2  # weight of the newest observation


class Breaker:
    """The breaker of one deployment. Every ``start`` is followed by one of succeeded, failed and abandoned."""

    __slots__ = (
        "_calls", "_failed", "_paused", "_probing", "_row", "_since", "_until", "drained", "rests", "rule", "why",
    )  # fmt: skip

    def __init__(self, rule: BreakerRule) -> None:
        self.rule = rule
        self.rests = 0  # how often in a row it has rested
        self.why = ""
        self.drained = False  # somebody took it out: no call goes there, whatever its health
        self._row = 0  # failures in a row
        self._failed = 0
        self._calls: deque[tuple[float, bool]] = deque(maxlen=1000)  # (when, failed) within the window
        self._until: float | None = None  # resting until then; afterwards half open
        self._paused: float | None = None  # asked for time until then
        self._since = 0.0  # when the latest rest or pause began
        self._probing = 0  # probes under way

    def state(self, now: float) -> State:
        """Closed, open or half open at this moment; open while it is paused."""
        if self._until is None and self._paused is None:
            return "closed"
        if self.rests_for(now) > 0:
            return "open"
        return "closed" if self._until is None else "half_open"

    def allows(self, now: float) -> bool:
        """Whether a call may go there now."""
        if self.drained:
            return False
        if self._until is None and self._paused is None:
            return True
        state = self.state(now)
        return state == "closed" or (state == "half_open" and self._probing < self.rule.probes)

    def rests_for(self, now: float) -> float:
        """Seconds until it is tried again; 0 where it may be called."""
        if now < self._since:  # the clock went back: it rests as long as it was meant to, not longer
            back = self._since - now
            self._until = None if self._until is None else self._until - back
            self._paused = None if self._paused is None else self._paused - back
            self._since = now
        if self._paused is not None and self._paused <= now:
            self._paused = None
        return max(0.0, (self._until or now) - now, (self._paused or now) - now)

    def start(self, now: float) -> bool:
        """A call goes there. True: it is a probe, and whoever ends the call has to say so."""
        if self._until is None or self.state(now) != "half_open":
            return False
        self._probing += 1
        return True

    def succeeded(self, now: float, *, probe: bool = False) -> None:
        """A call was answered. A probe that succeeds closes the breaker."""
        if self._until is None:
            self._row = 0
            self._note(now, failed=False)
        elif probe and self._until <= now:
            self._close()
        if probe:
            self._probing -= 1

    def failed(self, now: float, why: str, *, probe: bool = False) -> None:
        """A call failed in a way that speaks against the deployment."""
        if self._until is None:
            self._row += 1
            self._note(now, failed=True)
            calls = len(self._calls)
            too_many = calls >= self.rule.minimum and self._failed >= self.rule.share * calls
            if self._row >= self.rule.failures or too_many:
                self._rest(now, why)
        elif probe and self._until <= now:
            self._rest(now, why)
        if probe:
            self._probing -= 1

    def abandoned(self, *, probe: bool = False) -> None:
        """A call ended without a verdict (the client left): a probe gives its place back."""
        if probe:
            self._probing -= 1

    def pause(self, now: float, why: str, seconds: float) -> None:
        """The target itself asked to be left alone for so long (Retry-After)."""
        self.rests_for(now)
        self._paused = max(self._paused or 0.0, now + min(seconds, LONGEST_PAUSE))
        self._since, self.why = now, why

    def trip(self, now: float, why: str) -> None:
        """A health check failed: rest now, whatever the calls said."""
        self._rest(now, why)

    def recovered(self) -> None:
        """A health check passed: calls may go there again."""
        self._close()

    def _rest(self, now: float, why: str) -> None:
        self.rests_for(now)
        self._until = now + min(self.rule.rest_max, self.rule.rest * 2.0**self.rests)
        self._since, self.why = now, why
        self.rests = min(self.rests + 1, 30)

    def _close(self) -> None:
        self._until, self.rests, self.why, self._row, self._failed = None, 0, "", 0, 0
        self._calls.clear()

    def _note(self, now: float, *, failed: bool) -> None:
        """Remember a call for as long as the window."""
        calls, oldest = self._calls, now - self.rule.window
        if len(calls) == calls.maxlen:
            self._failed -= calls[0][1]
        calls.append((now, failed))
        self._failed += failed
        while calls[0][0] < oldest:
            self._failed -= calls.popleft()[1]


class Health:
    """The breakers of all deployments, and how fast each answered lately."""

    def __init__(self, targets: Iterable[str], rule: BreakerRule) -> None:
        self.breakers = {target: Breaker(rule) for target in targets}
        self._seen: dict[tuple[str, bool], tuple[float, float]] = {}  # (target, streamed): (seconds, when)

    def of(self, target: str) -> Breaker:
        """The breaker of a deployment."""
        return self.breakers[target]

    def took(self, target: str, now: float, seconds: float, *, streamed: bool) -> None:
        """An answer began after so long: its first piece where it was ``streamed``, else the whole of it."""
        key = (target, streamed)
        seen = self._seen.get(key)
        if seen is not None and now - seen[1] <= _MEMORY:
            seconds = seen[0] + _SMOOTHING * (seconds - seen[0])
        self._seen[key] = (seconds, now)

    def seconds(self, target: str, now: float, *, streamed: bool) -> float | None:
        """How long answers took lately, smoothed; None where nobody saw one in the last ten minutes."""
        seen = self._seen.get((target, streamed))
        return None if seen is None or now - seen[1] > _MEMORY else seen[0]

    def keep(self, other: Health) -> None:
        """Take over what another set knew of deployments that both have: a reload must not forget who rests."""
        for target in self.breakers.keys() & other.breakers.keys():
            breaker = other.breakers[target]
            breaker.rule = self.breakers[target].rule
            self.breakers[target] = breaker
        self._seen.update({key: seen for key, seen in other._seen.items() if key[0] in self.breakers})

    def forget(self, targets: Iterable[str]) -> None:
        """What was known of these counts no more: something else answers there from now on."""
        for target in targets:
            drained = self.breakers[target].drained  # whoever drained it meant the name
            self.breakers[target] = Breaker(self.breakers[target].rule)
            self.breakers[target].drained = drained
            for streamed in (True, False):
                self._seen.pop((target, streamed), None)
