"""Findings that overlap, made disjoint: the stronger keeps its place, the weaker what is left of its own.

Stronger is: hard before soft, then the higher score, then the longer, then the earlier, then by name. A weaker finding
loses what a stronger one covers; what remains is kept from three characters on. So no place counts twice, and of what
was found at most ends of one or two characters go uncovered: a card with its check digit beats the phone number that
some of its digits could be.

Health and the user's own categories stay out of it, whole and beside the others: a policy may hang on each of them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from crossover.privacy.words import Finding

_BESIDE = frozenset({"health", "custom"})
_LEAST = 3  # characters of a piece that is kept


def merge(findings: Sequence[Finding]) -> list[Finding]:
    """The findings by their place, none overlapping another of its kin, none twice."""
    if len(findings) < 2:
        return list(findings)
    kept: list[Finding] = []
    beside: set[tuple[str, str, int, int]] = set()
    crowd: list[Finding] = []  # findings of which each overlaps another, and none any outside
    reach = 0
    for finding in sorted(findings, key=_place):
        if finding.category in _BESIDE:
            place = (finding.category, finding.kind, finding.start, finding.end)
            if place not in beside:
                beside.add(place)
                kept.append(finding)
            continue
        if crowd and finding.start >= reach:
            kept += _disjoint(crowd)
            crowd = []
        crowd.append(finding)
        reach = max(reach, finding.end)
    kept += _disjoint(crowd)
    return sorted(kept, key=_place)


def _place(finding: Finding) -> tuple[int, int, str]:
    return finding.start, finding.end, finding.kind


def _disjoint(crowd: Sequence[Finding]) -> list[Finding]:
    """The findings of a crowd, made disjoint."""
    if len(crowd) < 2:
        return list(crowd)
    kept: list[Finding] = []
    taken: list[tuple[int, int]] = []  # disjoint, in order
    for finding in sorted(crowd, key=_strength):
        for start, end in _left_over(finding, taken):
            whole = (start, end) == (finding.start, finding.end)
            kept.append(finding if whole else _part(finding, start, end))
            taken.insert(bisect_left(taken, (start, end)), (start, end))
    return kept


def _strength(finding: Finding) -> tuple[bool, float, int, int, str]:
    """Sorts the stronger first."""
    return (finding.tier != "hard", -finding.score, finding.start - finding.end, finding.start, finding.rule)


def _left_over(finding: Finding, taken: Sequence[tuple[int, int]]) -> Iterable[tuple[int, int]]:
    """What of a finding no stronger one covers, as places of some length."""
    pieces: list[tuple[int, int]] = []
    at = finding.start
    first = max(0, bisect_left(taken, (finding.start, finding.start)) - 1)
    for start, end in taken[first:]:
        if start >= finding.end:
            break
        if end <= at:
            continue
        if start > at:
            pieces.append((at, start))
        at = max(at, end)
    if at < finding.end:
        pieces.append((at, finding.end))
    if len(pieces) == 1 and pieces[0] == (finding.start, finding.end):
        return pieces
    return [(start, end) for start, end in pieces if end - start >= _LEAST]


def _part(finding: Finding, start: int, end: int) -> Finding:
    return Finding(
        category=finding.category, kind=finding.kind, tier=finding.tier, start=start, end=end,
        score=finding.score, rule=finding.rule,
    )  # fmt: skip
