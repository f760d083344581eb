"""What may go where: a matrix of what was found × the place it would go to → allow, redact, local_only, block.

A *profile* is such a matrix. Three ship; users write more on top of them. Its rows are categories and, above them,
kinds (``email``, ``person``); a place (a zone by its name) may have rows of its own. *Soft* findings (names, addresses,
a health story that points at nobody) follow the row ``personal`` where that is laxer than their category's. Labels from
outside cannot be redacted, nobody knows where the thing is: they count as ``local_only`` there.

- ``allow``: it may go as it is.
- ``redact``: it may go once the value is replaced by a placeholder; the answer gets the value back. Secrets are blotted
  out for good.
- ``local_only``: only deployments that are not a provider's may answer.
- ``block``: nobody may answer; in a row of a zone: nobody there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, get_args

import msgspec

from crossover.privacy.words import NOTHING_FOUND, Classified, Finding
from crossover.sensitivity import (
    CATEGORIES,
    DEFAULT_TIER,
    NOT_SENSITIVE,
    Category,
    Sensitivity,
    Tier,
    stricter,
    unspecified,
)

Action = Literal["allow", "redact", "local_only", "block"]
Rows = Mapping[str, Action]

ACTIONS: tuple[Action, ...] = get_args(Action)  # from lax to strict
_OUTSIDE_DEFAULT: Rows = {
    "secrets": "local_only",
    "financial": "local_only",
    "health": "local_only",
    "identifiers": "local_only",
    "personal": "redact",
    "custom": "local_only",
}
NARRATIVE = frozenset({"health"})  # kinds without a value that could be replaced: the story itself is the secret
ONE_WAY = frozenset({"secrets"})  # never given back
OPAQUE = "opaque"  # the row of what nobody can read: images, files, unknown parts; what a failed detector left unseen


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """One matrix. ``rows`` hold for places outside, ``zones`` for single places (inside or outside) above them."""

    name: str
    rows: Rows
    zones: Mapping[str, Rows] = {}


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a place may get of a request. ``rule`` says which row decided, ``why`` is a sentence for people."""

    action: Action
    rule: str = ""
    why: str = ""


ALLOWED = Verdict(action="allow")

PROFILES: Mapping[str, Profile] = {
    "strict": Profile(name="strict", rows={**_OUTSIDE_DEFAULT, "personal": "local_only", OPAQUE: "local_only"}),
    "balanced": Profile(name="balanced", rows={**_OUTSIDE_DEFAULT, OPAQUE: "local_only"}),
    "open": Profile(name="open", rows={**_OUTSIDE_DEFAULT, "personal": "allow", OPAQUE: "allow"}),
}
OFF = "off"  # no profile: nothing is looked at, only labels and the law count


def profile(name: str, base: Profile, rows: Rows, zones: Mapping[str, Rows]) -> Profile:
    """A profile on top of another: rows that are said replace the other's."""
    merged = {place: {**base.zones.get(place, {}), **own} for place, own in zones.items()}
    return Profile(name=name, rows={**base.rows, **rows}, zones={**base.zones, **merged})


def strictest(actions: Iterable[Action]) -> Action:
    """The strictest of several; ``allow`` of none."""
    return max(actions, key=ACTIONS.index, default="allow")


class Place(msgspec.Struct, frozen=True):
    """Where a request would go: the zone's name, and whether it is the user's own."""

    zone: str
    local: bool


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a request: what was found, what was said from outside, and the matrices that judge both.

    ``sensitivity`` is the stricter of both. ``clean``: nothing is known that any matrix could mind. ``detector`` is the
    version of rules and models that looked. Made by :func:`knowing`. Without ``profiles`` privacy is off, and only the
    law looks at the labels.
    """

    found: Classified = NOTHING_FOUND
    labels: Sensitivity = NOT_SENSITIVE
    profiles: tuple[Profile, ...] = ()
    sensitivity: Sensitivity = NOT_SENSITIVE
    clean: bool = True
    detector: str = ""

    @property
    def profile(self) -> str:
        """The names of the matrices, for records."""
        return _named(self.profiles)


UNKNOWN = Known()


def knowing(
    found: Classified, labels: Sensitivity, profiles: tuple[Profile, ...], detector: str = ""
) -> Known:  # fmt: skip
    """What is known of a request, put together once."""
    if found is NOTHING_FOUND and labels is NOT_SENSITIVE:
        if not (profiles or detector):
            return UNKNOWN
        return Known(profiles=profiles, detector=detector)
    clean = not profiles or not (found.counts or found.opaque or labels.categories or labels.tier != "none")
    return Known(
        found=found,
        labels=labels,
        profiles=profiles,
        sensitivity=stricter(labels, found.sensitivity),
        clean=clean,
        detector=detector,
    )


def action_of(profiles: Sequence[Profile], place: Place, category: Category, kind: str, tier: Tier) -> Action:
    """What may happen to such a finding on its way to ``place``; under several profiles the strictest counts."""
    return strictest([_action(one, place, category, kind, tier) for one in profiles])


def _action(one: Profile, place: Place, category: Category, kind: str, tier: Tier) -> Action:
    own = one.zones.get(place.zone, {})
    named = kind not in CATEGORIES and (kind in own or (kind in one.rows and category not in own))
    if named:  # what a zone says of a kind or of its category stands above all that the profile says
        return _row(own, one.rows, kind, place.local)
    row = _row(own, one.rows, category, place.local)
    if tier == "soft" and DEFAULT_TIER[category] == "hard":  # a soft finding of a hard category
        return min(row, _row(own, one.rows, "personal", place.local), key=ACTIONS.index)
    return row


def _row(own: Rows, rows: Rows, name: str, local: bool) -> Action:
    """The zone's own row, else the profile's: its rows speak of places outside, and only ``block`` holds at home."""
    if name in own:
        return own[name]
    said = rows.get(name, "local_only")
    return said if not local or said == "block" else "allow"


def verdict(known: Known, place: Place) -> Verdict:
    """What ``place`` may get of a request of which this is known. Without profiles everything is allowed."""
    if known.clean:
        return ALLOWED
    worst: Action = "allow"
    rule = why = ""
    for action, name, text in _judged(known.profiles, place, known.found, known.labels):
        if ACTIONS.index(action) > ACTIONS.index(worst):
            worst, rule, why = action, name, text
    if worst == "allow":
        return Verdict(action="allow", rule=_named(known.profiles))
    return Verdict(action=worst, rule=rule, why=why)


def _judged(
    profiles: Sequence[Profile], place: Place, found: Classified, labels: Sensitivity
) -> Iterable[tuple[Action, str, str]]:
    """(action, rule, what it concerns) for everything known of a request."""
    name = _named(profiles)
    for category, kind, tier, count in found.counts:
        action = action_of(profiles, place, category, kind, tier)
        if action == "redact" and kind in NARRATIVE:
            action = "local_only"
        yield action, f"{name}: {_label(category, kind)} {action}", f"{kind.replace('_', ' ')} ×{count} found"
    if found.opaque:
        action = strictest([_opaque(one, place) for one in profiles])
        if action == "redact" or (found.failed and action == "allow" and not place.local):
            action = "local_only"  # who lets pictures out has not said that anything may go where a detector fails
        yield action, f"{name}: {OPAQUE} {action}", found.opaque
    seen = {category for category, *_ in found.counts}
    for category in labels.categories:
        action = action_of(profiles, place, category, category, DEFAULT_TIER[category])
        if action == "redact":
            action = "local_only"  # also where something of it was found: there may be more
        yield action, f"{name}: {category} {action}", f"labelled {category}{' and found' * (category in seen)}"
    stated = unspecified(labels)
    if stated != "none":
        concerned: tuple[Category, ...] = ("personal",) if stated == "soft" else CATEGORIES
        action = strictest([action_of(profiles, place, one, one, DEFAULT_TIER[one]) for one in concerned])
        if action == "redact":
            action = "local_only"
        yield action, f"{name}: {stated} {action}", f"labelled {stated}"


def _opaque(one: Profile, place: Place) -> Action:
    return _row(one.zones.get(place.zone, {}), one.rows, OPAQUE, place.local)


def _named(profiles: Sequence[Profile]) -> str:
    return "+".join(dict.fromkeys(one.name for one in profiles))


def _label(category: str, kind: str) -> str:
    return kind if kind == category else f"{category}/{kind}"


Chosen = Literal["keep", "placeholder", "blank"]


def chosen(profiles: Sequence[Profile], place: Place, finding: Finding) -> Chosen:
    """What redaction does with a finding on its way to ``place``."""
    action = action_of(profiles, place, finding.category, finding.kind, finding.tier)
    if action == "allow":
        return "keep"
    return "blank" if finding.category in ONE_WAY else "placeholder"
