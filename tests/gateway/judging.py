"""Judging what became of requests by the law that was in force when they began."""

from __future__ import annotations

import json
from collections import Counter

import msgspec

from tests.gateway.canaries import Haystack, Mark
from tests.gateway.house import Answer
from tests.gateway.laws import CATEGORIES, LOCAL, PLACES, Action, outside
from tests.gateway.walled import Arrived, Asked


class Tally(msgspec.Struct):
    """What was seen, so that no wall is passed by doing nothing."""

    requests: int = 0
    left: Counter[str] = msgspec.field(default_factory=Counter)  # by deployment
    allowed: int = 0  # canaries that went outside because they may
    stayed: int = 0  # canaries that were seen at home and nowhere else
    redacted: int = 0  # canaries that were replaced in what went outside
    restored: int = 0
    places: Counter[str] = msgspec.field(default_factory=Counter)
    kinds: Counter[str] = msgspec.field(default_factory=Counter)
    troubles: Counter[str] = msgspec.field(default_factory=Counter)
    statuses: Counter[int] = msgspec.field(default_factory=Counter)


class Judge:
    """Judges what became of requests by the law that was in force when they began."""

    def __init__(self) -> None:
        self.tally = Tally()

    def __call__(self, asked: Asked) -> None:
        """One request, when it has ended."""
        tally = self.tally
        tally.requests += 1
        tally.troubles[asked.trouble] += 1
        if asked.answer is not None:
            tally.statuses[asked.answer.status] += 1
        for canary in asked.canaries:
            tally.places[canary.place] += 1
            tally.kinds.update(mark.kind for mark in canary.marks)
        home = away = False
        for one in asked.arrived:
            if outside(one.deployment):
                tally.left[one.deployment] += 1
                away = True
            else:
                home = True
            self._arrival(asked, one)
        tally.stayed += len(asked.canaries) if home and not away else 0
        self._answer(asked)

    def _arrival(self, asked: Asked, one: Arrived) -> None:
        """Whatever a deployment received: nothing in it that may not be there."""
        zone, away, hay = PLACES[one.deployment].zone, outside(one.deployment), Haystack(one.data)

        def never(wrong: object, what: object) -> None:
            assert not wrong, f"{one.deployment} in {zone} received {what} of {asked}\n{hay.raw}"

        never(asked.failed and away, "something that nobody could look at")
        never(asked.failed and asked.trouble == "breaks", "something that ended in a mistake")
        for canary in asked.canaries:
            if canary.never:
                never(any(map(hay.holds, canary.values)), canary)
                continue
            if asked.failed:
                continue  # at home: nobody knows that it holds what nobody may have
            for mark in canary.marks:
                action, found = judged(asked, zone, mark), hay.holds(mark.value)
                never(action in ("local_only", "block"), f"something with {mark}, which is {action},")
                never(action == "redact" and found, f"{mark}, which is to be redacted,")
                self.tally.redacted += action == "redact" and away
                self.tally.allowed += found and away
            if canary.opaque:
                never(asked.action(zone, "opaque", "opaque") != "allow", "what nobody can read")
        for label in asked.labels:
            never(not _may_have(asked, zone, label), f"something labelled {label}")

    def _answer(self, asked: Asked) -> None:
        """Whatever its client was told: no value in an error of the gateway's own, and in an answer all of them."""
        answer = asked.answer
        if answer is None:
            return
        if answer.status != 200:
            if not asked.told:
                hay = Haystack(b"\r\n\r\n" + answer.body)
                for canary in asked.canaries:
                    assert not any(map(hay.holds, canary.values)), f"an error says {canary} of {asked}: {hay.raw}"
            return
        deployment = answer.headers["x-crossover-deployment"]
        if asked.path != "/v1/chat/completions" or not answer.headers.get("x-crossover-redacted"):
            return
        said = heard(answer)
        if said is None:
            return
        zone = PLACES[deployment].zone
        echoes = PLACES[deployment].dialect == "openai"  # what came in this dialect is sent on with every field
        for canary in asked.canaries:
            secrets = [mark.value for mark in canary.marks if mark.category == "secrets"]
            for mark in canary.marks:
                if canary.never or judged(asked, zone, mark) != "redact":
                    continue
                if mark.category == "secrets":
                    assert not Haystack(b"\r\n\r\n" + said.encode()).holds(mark.value), f"{mark} came back to {asked}"
                elif (canary.echoed or echoes) and not any(one in mark.value or mark.value in one for one in secrets):
                    came = mark.value in said or json.dumps(mark.value)[1:-1] in said
                    assert came, f"{mark} did not come back to {asked}:\n{said}"
                    self.tally.restored += 1


def heard(answer: Answer) -> str | None:
    """All that an answer says; None where it broke off."""
    if not answer.headers["content-type"].startswith("text/event-stream"):
        rows = [(choice, choice["message"]) for choice in answer.tree["choices"]]
    else:
        events = answer.events
        if not events or events[-1] != "[DONE]" or any("error" in event for event in events[:-1]):
            return None
        rows = [(choice, choice["delta"]) for event in events[:-1] for choice in event.get("choices", ())]
    said: dict[tuple[int, str], str] = {}
    for choice, message in rows:
        for name in ("content", "reasoning_content"):
            key = choice["index"], name
            said[key] = said.get(key, "") + (message.get(name) or "")
    return "\n".join(said.values())


def judged(asked: Asked, zone: str, mark: Mark) -> Action:
    """What may happen to a finding of a request on its way to a zone."""
    soft = mark.soft and not (mark.category == "health" and asked.points_at_somebody)
    action = asked.action(zone, mark.category, mark.kind, soft=soft)
    return "local_only" if action == "redact" and mark.kind == "health" else action


def _may_have(asked: Asked, zone: str, label: str) -> bool:
    """Whether a zone may have what is labelled so: what cannot be found cannot be redacted."""
    if label == "local_only":
        return zone in LOCAL
    concerned = {"hard": CATEGORIES, "soft": ("personal",)}.get(label, (label,))
    return all(asked.action(zone, name, name) == "allow" for name in concerned)
