"""Where the rows of a moment stand: rows are numbered in the order of their commits, which is nearly that of time.

The tables of a month have no index on time, which would cost every write; a few probes find the place instead. A row
may stand up to SLACK_S away from where its time belongs (long requests, rows that waited in the spill file), so whoever
looks for all rows of a period widens it by that and compares the times themselves.
"""

from __future__ import annotations

import msgspec

from crossover.ledger.rows import MICRO
from crossover.ledger.schema import bounds_of
from crossover.ledger.store import Ledger

SLACK_S = 3600.0


class Stretch(msgspec.Struct, frozen=True):
    """Rows of one month: numbers from ``low`` up to and without ``high``."""

    month: str
    low: int
    high: int

    def __len__(self) -> int:
        return max(0, self.high - self.low)


def stretches(ledger: Ledger, since: float, until: float) -> list[Stretch]:
    """Where the rows of a period stand, oldest month first."""
    found = []
    for (month,) in ledger.rows("SELECT month FROM segments ORDER BY month"):
        begin, end = bounds_of(month)
        if begin >= until or end <= since:
            continue
        ends = f"SELECT (SELECT min(number) FROM records_{month}), (SELECT max(number) FROM records_{month})"
        low, high = ledger.rows(ends)[0]  # both in one SELECT would read the whole table
        if low is None:
            continue
        first = low if since <= begin else _place(ledger, month, since, low, high + 1)
        last = high + 1 if until >= end else _place(ledger, month, until, low, high + 1)
        if last > first:
            found.append(Stretch(month, first, last))
    return found


def _place(ledger: Ledger, month: str, moment: float, low: int, high: int) -> int:
    """The number of the first row that is not older than ``moment``, as far as rows stand in the order of time."""
    at = round(moment * MICRO)
    while low < high:
        middle = (low + high) // 2
        found = ledger.rows(f"SELECT time FROM records_{month} WHERE number >= ? ORDER BY number LIMIT 1", (middle,))
        if found and found[0][0] < at:
            low = middle + 1
        else:
            high = middle
    return low
