"""What a scan found, ready to be shown: findings by file, values masked, shares with their intervals, plain data.

A value is shown whole only where the user asked for it (``show``). Else two characters of each end are left of a long
one and none of a short one, a secret or a story; of what else was found beside it nothing is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from crossover.privacy.policy import NARRATIVE, Action, Place, Profile, action_of
from crossover.reports import figures
from crossover.sensitivity import Category, Tier
from crossover.stats import wilson
from crossover.traffic.scan.words import STATES, FileCount, Hit, Piece, State, Survey

FORMAT = 1  # of the plain data; fields are added, never renamed or removed
MOST_FILES = 1_000  # with findings of their own in a listing
MOST_LISTED = 5_000  # findings in all
OUTSIDE = Place(zone="", local=False)
STATE_TITLES: Mapping[State, str] = {
    "hard": "hard",
    "soft": "soft only",
    "unread": "not readable",
    "clean": "nothing found",
}
STATE_WORDS: Mapping[State, str] = {
    "hard": "cards, keys, numbers of people, health of a person",
    "soft": "names, addresses, a story that points at nobody",
    "unread": "a picture, a file, or the detector failed",
    "clean": "no finding",
}
ACTION_TITLES: Mapping[Action, str] = {
    "allow": "allow",
    "redact": "redact",
    "local_only": "local only",
    "block": "block",
}
_DOTS = 12
_BLANKS = re.compile(r"\s+")


class Listed(msgspec.Struct):
    """A file with the findings that are shown; ``count`` None: it was interrupted in the middle of it."""

    name: str
    hits: list[Hit] = []
    count: FileCount | None = None

    @property
    def more(self) -> int:
        """Findings that are not shown; 0 where that is not known."""
        return max(self.count.findings - len(self.hits), 0) if self.count is not None else 0


class Listing:
    """Keeps the findings that are shown, by file: bounded, however many there are."""

    def __init__(self) -> None:
        self._files: dict[str, Listed] = {}
        self._kept = 0

    def keep(self, name: str, hit: Hit) -> None:
        """Keeps a finding, where there is room."""
        if self._kept >= MOST_LISTED or (name not in self._files and len(self._files) >= MOST_FILES):
            return
        self._kept += 1
        self._files.setdefault(name, Listed(name)).hits.append(hit)

    def ended(self, count: FileCount) -> None:
        """A file was read to its end."""
        if count.findings and (count.name in self._files or len(self._files) < MOST_FILES):
            self._files.setdefault(count.name, Listed(count.name)).count = count

    @property
    def files(self) -> Sequence[Listed]:
        """The files with findings, in the order in which they were read."""
        return tuple(self._files.values())


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A scan with all that is said about it. ``profile`` is the one in force, ``show`` shows values."""

    survey: Survey
    profile: Profile
    files: Sequence[Listed] = ()
    show: bool = False
    detector: str = ""
    made_on: str = ""
    remarks: Sequence[str] = ()

    @property
    def inside(self) -> int:
        """Records that may not leave under the profile in force."""
        return self.survey.kept_inside(self.profile.name)

    @property
    def sensitive_share(self) -> float:
        """Their share; 0 of nothing."""
        return self.inside / self.survey.records if self.survey.records else 0.0


# -------------------------------------------------------------------------------------------------------------- values


def masked(value: str, category: Category, kind: str) -> str:
    """A value of which little is left: two characters of each end at most, and how long it is where it is long."""
    text = _BLANKS.sub(" ", value.strip())
    size = len(text)
    if kind in NARRATIVE:
        ends = 0
    elif category == "secrets":
        ends = 2 if size >= 24 else 0
    else:
        ends = 2 if size >= 12 else 1 if size >= 8 else 0
    dots = "•" * min(max(size - 2 * ends, 3), _DOTS)
    long = f" ({size:,} characters)" if size > 40 else ""
    return f"{text[:ends]}{dots}{text[size - ends :] if ends else ''}{long}"


def context(hit: Hit, room: int, *, show: bool) -> tuple[Piece, ...]:
    """What stands around a finding as one line of at most about ``room`` characters, the value masked or whole."""
    said = hit.value if show else masked(hit.value, hit.category, hit.kind)
    said = _BLANKS.sub(" ", said.strip()) if show else said
    if len(said) > room:
        said = said[: max(room - 1, 1)] + "…"
    at = next((number for number, piece in enumerate(hit.context) if piece.role == "value"), 0)
    before = _flat(hit.context[:at], show=show)
    after = _flat(hit.context[at + 1 :], show=show)
    spare = max(room - len(said) - 2, 0)  # for two ellipses
    lengths = [sum(len(piece.text) for piece in pieces) for pieces in (before, after)]
    left = min(lengths[0], max(spare // 2, spare - lengths[1]))
    return (*_cut(before, left, from_end=True), Piece(said, "value"), *_cut(after, spare - left, from_end=False))


def _flat(pieces: Sequence[Piece], *, show: bool) -> list[Piece]:
    """Pieces on one line; other findings are dots, so that no value shows beside another."""
    return _joined(
        [
            Piece("••••" if piece.role == "other" and not show else _BLANKS.sub(" ", piece.text), piece.role)
            for piece in pieces
        ]
    )


def _joined(pieces: Sequence[Piece]) -> list[Piece]:
    """Pieces with neighbours of one sort put together."""
    row: list[Piece] = []
    for piece in pieces:
        if row and row[-1].role == piece.role == "plain":
            row[-1] = Piece(row[-1].text + piece.text, "plain")
        else:
            row.append(piece)
    return row


def _cut(pieces: Sequence[Piece], room: int, *, from_end: bool) -> list[Piece]:
    """As many pieces as there is room for, next to the value first; an ellipsis where something is left out."""
    kept: list[Piece] = []
    for piece in reversed(pieces) if from_end else pieces:
        if len(piece.text) <= room:
            kept.append(piece)
            room -= len(piece.text)
            continue
        if piece.role != "plain" or room < 2:
            kept.append(Piece("…", "plain"))
        else:
            part = piece.text[-(room - 1) :] if from_end else piece.text[: room - 1]
            kept.append(Piece(f"…{part.lstrip(' …')}" if from_end else f"{part.rstrip(' …')}…", "plain"))
        break
    return kept[::-1] if from_end else kept


def action(hit: Hit, profile: Profile) -> Action:
    """What a profile does with a finding on its way to a place outside."""
    found = action_of((profile,), OUTSIDE, hit.category, hit.kind, hit.tier)
    return "local_only" if found == "redact" and hit.kind in NARRATIVE else found


def title(kind: str) -> str:
    """A kind as people read it."""
    return kind.replace("_", " ")


def tier_word(category: Category, tier: Tier) -> str:
    """Category and tier: ``financial, hard``."""
    return f"{category}, {tier}"


# -------------------------------------------------------------------------------------------------------------- shares


def percent(share: float) -> str:
    """A share of 0..1 as percent with the digits it needs: ``0 %``, ``0.3 %``, ``12 %``."""
    points = share * 100
    if points in (0, 100):
        return f"{points:.0f} %"
    if points < 0.05:
        return "<0.1 %"
    if points > 99.95:
        return ">99.9 %"
    return f"{points:.1f} %"


def interval(count: int, total: int) -> str:
    """The 95 % interval of a share: ``7.1–18.6 %``."""
    low, high = wilson(count, total)
    return f"{low * 100:.1f}–{high * 100:.1f} %"


def states(survey: Survey) -> Iterator[tuple[State, int]]:
    """How many records are hard, soft, not readable, clean; what has none is left out, the first and last never."""
    for state in STATES:
        count = survey.states.get(state, 0)
        if count or state in ("hard", "clean"):
            yield state, count


def headline(report: Report) -> str:
    """The scan in one sentence."""
    survey = report.survey
    if not survey.records:
        return "Nothing was looked at"
    where = f"{figures.plural(survey.records, 'record')}"
    if report.inside:
        share = percent(report.sensitive_share)
        return f"{report.inside:,} of {where} ({share}) may not leave under the profile {report.profile.name}"
    touched = survey.states.get("hard", 0) + survey.states.get("soft", 0)
    unread = survey.states.get("unread", 0)
    if touched:
        what = "holds something; it may leave" if touched == 1 else "hold something; all of them may leave"
        return f"{touched:,} of {where} {what} under the profile {report.profile.name}"
    return f"No finding in {where}, of which {unread:,} cannot be read" if unread else f"Nothing sensitive in {where}"


def plan_line(report: Report) -> str:
    """What to hand to PLAN."""
    return f"crossover plan … --sensitive-share {_digits(report.sensitive_share)}"


def _digits(share: float) -> str:
    """A share with three digits, small ones with more: never 0 for something."""
    if share in (0, 1):
        return f"{share:.0f}"
    text = f"{share:.3f}" if share >= 0.001 else f"{share:.2g}"
    return text if 0 < float(text) < 1 else f"{share:.6f}"


def plan_reason(report: Report) -> str:
    """How sure that share is."""
    low, high = wilson(report.inside, report.survey.records)
    return f"between {low:.3f} and {high:.3f} (95 %), where these records are a fair sample of the traffic"


def remarks(report: Report) -> Iterator[str]:
    """What must be known beside the figures."""
    survey = report.survey
    if not survey.complete:
        yield "Interrupted: these figures are of what was read until then"
    for reason, count in survey.opaque.items():
        yield f"{figures.plural(count, 'record')}: {reason}"
    for note in survey.notes:
        yield f"{note.file}: {note.text}"
    if survey.skipped:
        skipped = ", ".join(f"{count:,} {reason}" for reason, count in survey.skipped.items())
        yield f"Files left out: {skipped}"
    yield from report.remarks


# ---------------------------------------------------------------------------------------------------------- plain data


def finding(name: str, hit: Hit, profile: Profile, *, show: bool) -> dict[str, Any]:
    """A finding as plain data; no value unless it is asked for."""
    facts: dict[str, Any] = {
        "file": name,
        "line": hit.spot.line,
        "column": hit.spot.column,
        "path": hit.spot.path,
        "category": hit.category,
        "kind": hit.kind,
        "tier": hit.tier,
        "score": round(hit.score, 3),
        "rule": hit.rule,
        "length": len(hit.value),
        "action": action(hit, profile),
    }
    if show:
        facts["value"] = hit.value
        facts["context"] = "".join(piece.text for piece in hit.context)
    return facts


def file_facts(count: FileCount) -> dict[str, Any]:
    """A file as plain data."""
    facts: dict[str, Any] = msgspec.to_builtins(count)
    return facts


def summary(report: Report) -> dict[str, Any]:
    """Everything but findings and files as plain data."""
    survey = report.survey
    return {
        "format": FORMAT,
        "complete": survey.complete,
        "totals": {
            "files": survey.files,
            "bytes": survey.bytes,
            "records": survey.records,
            "findings": survey.findings,
        },
        "shares": {state: _share(survey.states.get(state, 0), survey.records) for state in STATES},
        "categories": {
            category: _share(count, survey.records) for category, count in sorted(survey.categories.items())
        },
        "kinds": [msgspec.to_builtins(kind) for kind in survey.kinds],
        "profiles": {
            name: {one: counts.get(one, 0) for one in ACTION_TITLES} for name, counts in survey.profiles.items()
        },
        "profile": report.profile.name,
        "sensitive": _share(report.inside, survey.records),
        "opaque": dict(survey.opaque),
        "failed": survey.failed,
        "unreadable_files": survey.unreadable,
        "skipped_files": dict(survey.skipped),
        "notes": [{"file": note.file, "line": note.line, "text": note.text} for note in survey.notes],
        "remarks": list(report.remarks),
        "detector": report.detector,
    }


def _share(count: int, total: int) -> dict[str, Any]:
    low, high = wilson(count, total)
    share = count / total if total else None
    return {"records": count, "share": share, "low": round(low, 6), "high": round(high, 6)}
