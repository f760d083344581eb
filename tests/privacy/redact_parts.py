"""Hand-made findings: the room of redaction is tested without a detector."""

from __future__ import annotations

from collections.abc import Mapping

from crossover.privacy.policy import Chosen
from crossover.privacy.words import Find, Finding
from crossover.sensitivity import Category, Tier

SECRET = b"a key of this installation's own"
NAME = "Anna Schmidt"
MAIL = "anna@example.org"
CARD = "4111 1111 1111 1111"
BARE_CARD = "4111111111111111"
KEY = "sk-live-Zx81kQpL33"
KINDS: dict[str, tuple[Category, str, Tier]] = {
    NAME: ("personal", "person", "soft"),
    MAIL: ("identifiers", "email", "hard"),
    CARD: ("financial", "card", "hard"),
    BARE_CARD: ("financial", "card", "hard"),
    KEY: ("secrets", "api_key", "hard"),
}


def finding(
    start: int, end: int, kind: str = "person", category: Category = "personal", tier: Tier = "soft"
) -> Finding:
    return Finding(category=category, kind=kind, tier=tier, start=start, end=end)


def finds(values: Mapping[str, tuple[Category, str, Tier]] = KINDS) -> Find:
    """A detector that finds these values wherever they stand, letter by letter."""

    def find(text: str, field: str = "") -> list[Finding]:
        found = []
        for value, (category, kind, tier) in values.items():
            start = text.find(value)
            while start >= 0:
                found.append(finding(start, start + len(value), kind, category, tier))
                start = text.find(value, start + 1)
        return found

    return find


def chosen(found: Finding) -> Chosen:
    return "blank" if found.category == "secrets" else "placeholder"
