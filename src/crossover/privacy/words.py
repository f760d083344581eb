"""The words of privacy: what a rule is, what was found, and what is known of a whole request.

Offsets count characters of the text that was scanned. They and the values they point at live in memory only: what is
written down anywhere (ledger, audit, logs, errors) are kinds and counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from crossover.sensitivity import NOT_SENSITIVE, Category, Sensitivity, Tier


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One row of ``privacy/data/*.toml``: a shape, and how a match is verified.

    ``pattern`` is in the syntax that RE2 and ``re`` share (no look-around, no back references; ASCII classes); the
    value is its group ``group`` (0: the whole match). With ``edges`` the characters beside the value must not be ASCII
    letters, digits or ``_``, nor a decimal point with digits on both sides. ``verify`` names a function of
    :mod:`crossover.privacy.verify` (``group.function``) that says yes or no to the value; ``around`` one of its group
    ``around`` that asks the text beside the value.

    ``context`` are words of which one must stand near (up to ``window`` characters before, or 24 behind, or in the name
    of the field); needed only with ``needs_context``, else it raises the score. Further off a word counts up to
    ``reach`` characters to either side, where no other number may be meant (for values with a check digit), and where
    the sentence points at the value ("8812345? that is her passport number"). ``unless`` are words of which none may
    end right before the value (only marks and spaces between), unless one of ``context`` stands right before that.

    Words are whole words, whatever their case, a plural *s* allowed, or ``no`` and the like (``taxno``); one that ends
    in ``*`` is the beginning of a word, and one in capitals (``EIN``) counts in capitals only, but for names of fields
    and where its value follows as that of a field (``ein: 91-``, ``ein no. 91-``). ``alone``: a text that holds the
    value and nothing else needs no word (an answer to a question). ``apart``: the value is no piece of a longer row
    with the same separator.

    For the gate: ``keywords`` are lower-case literals of which every match holds at least one; ``digits`` is how many
    digits every match holds at least in one row (up to three marks or spaces between two of them); ``gate`` is a short
    pattern that stands in every match, for a rule whose own pattern is long and whose literals are common.

    ``words`` instead of a pattern: a dictionary, any of these words or phrases. ``untrusted``: a user's pattern; it is
    tried by RE2, whose time is bounded. Every rule matches its ``example``, which is proved (a user's may have none).
    """

    id: str
    kind: str
    category: Category
    tier: Tier
    pattern: str
    example: str
    title: str = ""
    group: int = 0
    ignore_case: bool = False
    edges: bool = True
    verify: str = ""
    around: str = ""
    context: tuple[str, ...] = ()
    needs_context: bool = False
    unless: tuple[str, ...] = ()
    window: int = 48
    reach: int = 0
    alone: bool = False
    apart: bool = False
    keywords: tuple[str, ...] = ()
    digits: int = 0
    gate: str = ""
    words: tuple[str, ...] = ()
    untrusted: bool = False
    score: float = 0.9
    country: str = ""
    vendor: str = ""
    source: str = ""
    url: str = ""
    checked: str = ""


class Finding(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Something sensitive from ``start`` to ``end``. ``kind`` is a rule's kind, ``person``, ``address``, ``health``.

    ``score`` from 0 to 1 is how sure the detector is. ``rule`` names the rule or model that found it.
    """

    category: Category
    kind: str
    tier: Tier
    start: int
    end: int
    score: float = 1.0
    rule: str = ""


class Find(Protocol):
    """A detector of one sort: the findings of a text. ``field`` is the name under which the text stood (a JSON key)."""

    def __call__(self, text: str, field: str = "") -> Sequence[Finding]:
        """Every finding, in no order; they may overlap."""
        ...


class Classified(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a request: nothing of what it says.

    ``counts`` are findings by (category, kind, tier), in that order. ``opaque`` says why the request holds something
    that nobody can read (an image, an unknown part, a text beyond every limit); empty: all of it was read. ``failed``:
    the detector did, so nothing is known.
    """

    sensitivity: Sensitivity = NOT_SENSITIVE
    counts: tuple[tuple[Category, str, Tier, int], ...] = ()
    opaque: str = ""
    failed: bool = False


NOTHING_FOUND = Classified()
