"""The whole table of checks, in the order in which findings are shown."""

from __future__ import annotations

from collections.abc import Iterator

from crossover.doctor import house as rooms
from crossover.doctor import places
from crossover.doctor.words import Finding, House


def findings(house: House) -> tuple[Finding, ...]:
    """Everything that the table has to say."""
    return tuple(_all(house))


def _all(house: House) -> Iterator[Finding]:
    for check in rooms.CHECKS:
        yield from check(house)
    for place in house.places:
        for look in places.CHECKS:
            yield from look(place)
        yield from places.memory(house, place)
