"""The last lock before a place that is not the user's own: no pass, no call.

A backend of such a place is made with the one :class:`Guard` of the plant, and calls nothing without a :class:`Pass`
that this guard gave out for this place and for this very content. Only what decides about privacy asks for passes. So
a new path in the code that forgets to ask reaches nobody: it fails here, before a connection is opened.
"""

from __future__ import annotations

import operator

from crossover.errors import EgressError


class Pass:
    """Permission for one content to go to one place, under a rule. Only a guard makes one."""

    __slots__ = ("content", "place", "rule", "seal")

    def __init__(self, seal: object, place: str, rule: str, content: tuple[object, ...]) -> None:
        self.seal = seal
        self.place = place
        self.rule = rule
        self.content = content


class Guard:
    """Gives passes out and recognises its own: the seal is an object that nobody else can hold."""

    __slots__ = ("_seal",)

    def __init__(self) -> None:
        self._seal = object()

    def permit(self, place: str, rule: str, content: tuple[object, ...]) -> Pass:
        """A pass for this content (the objects themselves, not their values) to the deployment ``place``."""
        return Pass(self._seal, place, rule, content)

    def check(self, shown: Pass | None, place: str, content: tuple[object, ...]) -> None:
        """Raise EgressError where the pass is missing, foreign, for another place or for other content."""
        if shown is None:
            raise EgressError(f"nothing permits this call to {place}", hint="Nothing was sent; please report this")
        if shown.seal is not self._seal or shown.place != place:
            raise EgressError(f"the pass shown is not for {place}", hint="Nothing was sent; please report this")
        if len(content) != len(shown.content) or not all(map(operator.is_, content, shown.content)):
            raise EgressError(f"the pass shown for {place} is for other content", hint="Nothing was sent")
