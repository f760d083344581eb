"""A book in memory: the same decisions as the file, for tests and for a client that keeps no ledger."""

from __future__ import annotations

from crossover.ledger.budgets import Standing, amount_of, limit_of, since_of
from crossover.ledger.words import Budget, Health, Key, Period, Record

_Place = tuple[str, Period, int]  # name, period and beginning of one period of a budget


class MemoryBook:
    """A :class:`crossover.ledger.words.Book`. ``records`` holds what was appended; the latest ``most`` are kept.

    Every row is taken at once; reservations end with the process.
    """

    def __init__(self, *, most: int | None = None, keys: dict[str, Key] | None = None) -> None:
        self.records: list[Record] = []
        self.keys: dict[str, Key] = keys or {}
        self._most = most
        self._written = 0
        self._standings: dict[_Place, list[int]] = {}  # spent, reserved, limit
        self._reserved: dict[str, dict[_Place, int]] = {}

    def append(self, record: Record) -> None:
        """Take a row and settle its reservation."""
        self.records.append(record)
        self._written += 1
        if self._most is not None and len(self.records) > self._most:
            del self.records[: len(self.records) - self._most]
        if record.reserved:
            self._settle(record.id, record.marginal)

    async def reserve(self, request_id: str, budgets: tuple[Budget, ...], amount: int, now: float) -> Budget | None:
        """Set ``amount`` aside in every budget, or in none: the first that is too small."""
        amount = amount_of(amount)
        if amount == 0:
            return None
        taken: list[_Place] = []
        for budget in budgets:
            place, standing = self._open(budget, now)
            if standing[0] + standing[1] + amount > limit_of(budget):
                for before in taken:
                    self._standings[before][1] -= amount
                return budget
            standing[1] += amount
            standing[2] = limit_of(budget)
            taken.append(place)
        for place in taken:
            own = self._reserved.setdefault(request_id, {})
            own[place] = own.get(place, 0) + amount
        return None

    def release(self, request_id: str) -> None:
        """Give a reservation back."""
        self._settle(request_id, 0)

    def standings(self) -> list[Standing]:
        """Every period of every budget, by name and beginning."""
        return [
            Standing(name=name, period=period, since=since, spent=spent, reserved=reserved, limit=limit)
            for (name, period, since), (spent, reserved, limit) in sorted(self._standings.items())
        ]

    def health(self) -> Health:
        """Always well: there is no file that could fail."""
        return Health(healthy=True, queued=0, lag_s=0.0, written=self._written, spilled=0, lost=0, mended=0)

    def _open(self, budget: Budget, now: float) -> tuple[_Place, list[int]]:
        known = [since for name, period, since in self._standings if (name, period) == (budget.name, budget.period)]
        place = (budget.name, budget.period, max([since_of(budget.period, now), *known]))
        return place, self._standings.setdefault(place, [0, 0, limit_of(budget)])

    def _settle(self, request_id: str, spent: int) -> None:
        charged: set[tuple[str, Period]] = set()
        for place, amount in sorted(self._reserved.pop(request_id, {}).items()):
            standing = self._standings[place]
            standing[1] -= amount
            if place[:2] not in charged:
                charged.add(place[:2])
                standing[0] += amount_of(spent)
