"""A first file of samples: a template to fill in, or a stratified draw from prompts that the ledger was told to keep.

What was sensitive when it was asked is marked ``local_only``: such a sample is answered by own machines alone, also in
an evaluation. What was answered then is kept beside the question as ``recorded``; whether it was right, a person says.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from crossover.chat import ChatRequest
from crossover.errors import InputError, UpstreamError
from crossover.evaluation.samples.rows import OPTIONS, Ignored, sample_of
from crossover.ledger.kept import Kept
from crossover.wire import openai
from crossover.wire.words import Profile

TEMPLATE: tuple[dict[str, Any], ...] = (
    {
        "id": "greeting-1",
        "prompt": "Classify as billing, delivery or other: Where is my parcel?",
        "expected": "delivery",
        "tags": ["short"],
    },
    {
        "id": "facts-1",
        "messages": [
            {"role": "system", "content": "Answer with JSON: order, amount."},
            {"role": "user", "content": "I paid 19.90 for order A-17."},
        ],
        "expected": {"order": "A-17", "amount": 19.9},
        "scorer": "json-fields",
        "group": "letter 1",
    },
    {
        "id": "sum-1",
        "prompt": "A pen costs 2 dollars and a pad 3. What do two pens and a pad cost?",
        "expected": 7,
        "scorer": "numeric",
    },
    {
        "id": "choice-1",
        "input": "Which of these is a gas at room temperature?",
        "choices": ["iron", "neon", "salt"],
        "target": "B",
    },
    {
        "id": "private-1",
        "prompt": "When is the appointment? Ms Keller comes on Monday.",
        "expected": "Monday",
        "scorer": "icontains",
        "sensitivity": "local_only",
    },
)
LOCAL_ONLY = "local_only"  # the label with which a request stays on own machines
_BANDS = 3  # thirds of the lengths


class Drawn(msgspec.Struct, frozen=True, kw_only=True):
    """Rows for a file of samples, of how many requests they were drawn, and how many of them stay local."""

    rows: tuple[dict[str, Any], ...]
    of: int
    local: int
    unusable: int


def template() -> str:
    """Sample samples, a line each."""
    return lines(TEMPLATE)


def lines(rows: Sequence[dict[str, Any]]) -> str:
    """Rows as lines of JSON."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def draw(kept: Sequence[Kept], body: Callable[[str], tuple[str, str] | None], count: int, seed: int) -> Drawn:
    """So many requests by chance, each stratum (alias, sensitive or not, third of the length) by its share.

    ``body`` gives what was asked and answered in a request. What cannot be read or asks what another asked already is
    passed over, and the next of its stratum taken.
    """
    chance = random.Random(f"samples {seed}")  # noqa: S311 - a draw, not a secret
    rows: list[dict[str, Any]] = []
    asked: set[str] = set()
    unusable = 0
    for stratum, share in shares(kept, count):
        chance.shuffle(stratum)
        taken = 0
        for one in stratum:
            if taken == share:
                break
            row = _row(one, body(one.request))
            if row is None:
                unusable += 1
                continue
            mark = sample_of(row, 0, Ignored()).asked()
            if mark not in asked:
                asked.add(mark)
                rows.append(row)
                taken += 1
    rows.sort(key=lambda row: str(row["id"]))
    local = sum("sensitivity" in row for row in rows)
    return Drawn(rows=tuple(rows), of=len(kept), local=local, unusable=unusable)


def shares(kept: Sequence[Kept], count: int) -> Iterator[tuple[list[Kept], int]]:
    """The strata with how many to take of each: in proportion, at least one of each as long as there are enough."""
    strata: dict[tuple[str, bool, int], list[Kept]] = {}
    ordered = sorted(one.input_tokens for one in kept)
    bounds = [ordered[len(ordered) * band // _BANDS] for band in range(1, _BANDS)] if ordered else []
    for one in kept:
        band = sum(one.input_tokens >= bound for bound in bounds)
        strata.setdefault((one.asked, one.tier != "none", band), []).append(one)
    wanted = min(count, len(kept))
    names = sorted(strata, key=lambda name: (-len(strata[name]), name))
    exact = {name: wanted * len(strata[name]) / len(kept) for name in names}
    given = {name: int(exact[name]) for name in names}
    by_remainder = sorted(names, key=lambda name: given[name] - exact[name])
    for name in by_remainder[: wanted - sum(given.values())]:
        given[name] += 1
    for name in names:
        largest = max(given, key=lambda other: given[other])
        if not given[name] and given[largest] > 1:
            given[largest] -= 1
            given[name] = 1
    for name in names:
        if given[name]:
            yield strata[name], given[name]


def _row(one: Kept, body: tuple[str, str] | None) -> dict[str, Any] | None:
    """A request as a row of a file of samples; None where it cannot be one."""
    if body is None:
        return None
    try:
        asked = _body(body[0])
        row: dict[str, Any] = {"id": one.request, **asked, "tags": [one.asked]}
        sample_of(row, 0, Ignored())
    except (InputError, UpstreamError):
        return None
    if one.tier != "none":
        row["sensitivity"] = LOCAL_ONLY
    return {**row, "recorded": body[1], "expected": None}


def _body(text: str) -> dict[str, Any]:
    """What a sample keeps of a request as the ledger has it: as a client sent it, or in our own words."""
    try:
        tree = msgspec.json.decode(text)
        if isinstance(tree, dict) and any("parts" in message for message in tree.get("messages", ())):
            request = msgspec.json.decode(text, type=ChatRequest)
            tree = msgspec.json.decode(openai.write_request(request, Profile(model="-")).body)
    except (msgspec.DecodeError, TypeError):
        raise InputError("it cannot be read") from None
    if not isinstance(tree, dict):
        raise InputError("it is no request")
    names = ("messages", "tools", "response_format", *OPTIONS)
    return {name: tree[name] for name in names if tree.get(name) is not None}
