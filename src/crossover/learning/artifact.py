"""A learned policy as a file: small JSON, versioned, refused with a sentence where it is broken."""

from __future__ import annotations

import datetime as dt
import hashlib
import math
import os
from itertools import pairwise
from pathlib import Path

import msgspec

from crossover.errors import FileError, StoreError, nearest
from crossover.learning.features import FEATURES
from crossover.learning.model import Head, Learned

VERSION = 1
MOST_BYTES = 4 * 2**20
MOST_BUCKETS = 2**18
_MOST_HEADS = 16


def load(path: Path) -> Learned:
    """The policy of a file. Raises FileError with what is wrong and, where it helps, what to do."""
    name = str(path)
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        hint = "`crossover route train` writes one"
        raise FileError("there is no such file", file=name, hint=hint) from None
    except IsADirectoryError:
        raise FileError("is a folder, not a learned policy", file=name) from None
    except OSError as error:
        raise FileError(f"cannot be read: {error.strerror or error}", file=name) from None
    return decoded(data, name)


def decoded(data: bytes, file: str) -> Learned:
    """The policy of these bytes; ``file`` is for the sentence where they are none. Raises FileError."""
    if len(data) > MOST_BYTES:
        raise FileError(f"is over {MOST_BYTES // 2**20} MiB: no learned policy is so large", file=file)
    try:
        version = msgspec.json.decode(data, type=_Version).version
    except (msgspec.DecodeError, RecursionError) as error:
        raise FileError(f"is no learned policy: {error}", file=file) from None
    if version != VERSION:
        hint = "Train it again with this version of Crossover"
        raise FileError(f"has version {version}; this Crossover reads version {VERSION}", file=file, hint=hint)
    try:
        learned = msgspec.json.decode(data, type=Learned)
    except (msgspec.DecodeError, RecursionError) as error:
        raise FileError(f"is a broken learned policy: {error}", file=file) from None
    wrong = _wrong(learned)
    if wrong is not None:
        raise FileError(f"is a broken learned policy: {wrong}", file=file, hint="Train it again")
    return learned


def encoded(learned: Learned) -> bytes:
    """The file's bytes: indented by one, so that people and version control can read it."""
    return msgspec.json.format(msgspec.json.encode(learned), indent=1) + b"\n"


def save(learned: Learned, path: Path) -> None:
    """Write it: whole, or as it was before. Raises StoreError."""
    beside = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(encoded(learned))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise StoreError(f"cannot be written: {error.strerror or error}", file=str(path)) from None


def digest(learned: Learned) -> str:
    """Twelve letters that name exactly this policy, for a record of what decided."""
    return hashlib.sha256(encoded(learned)).hexdigest()[:12]


class _Version(msgspec.Struct):
    version: int


def _wrong(learned: Learned) -> str | None:
    """What no decision can be made with, in words; None where all is well."""
    for row in learned.features:
        if row.name not in FEATURES:
            near = nearest(row.name, FEATURES)
            return f"there is no feature {row.name!r}" + (f"; did you mean {near[0]}?" if near else "")
        if learned.kind == "route" and not row.name.startswith("prompt."):
            return f"the feature {row.name!r} is of an answer, which a policy of the kind route has not seen"
        if not (math.isfinite(row.centre) and math.isfinite(row.spread) and row.spread > 0):
            return f"the scale of {row.name!r} is no positive number"
    if not 1 <= len(learned.heads) <= _MOST_HEADS:
        return f"it has {len(learned.heads)} heads"
    if not 1 <= learned.buckets <= MOST_BUCKETS:
        return f"it has {learned.buckets} buckets of words"
    for number, head in enumerate(learned.heads, start=1):
        found = _wrong_head(head, len(learned.features), learned.buckets)
        if found is not None:
            return f"head {number} {found}"
    try:
        dt.datetime.fromisoformat(learned.card.made)
    except ValueError:
        return f"the day it was made is {learned.card.made[:40]!r}"
    if learned.threshold is not None and not math.isfinite(learned.threshold):
        return "its threshold is no number"
    if learned.threshold is not None and learned.card.promise is None:
        return "it keeps requests without a promise"
    if any(one[0] > two[0] for one, two in pairwise(learned.calibration)):
        return "the points of its calibration do not rise"
    return None


def _wrong_head(head: Head, features: int, buckets: int) -> str | None:
    if len(head.weights) != features:
        return f"has {len(head.weights)} weights for {features} features"
    if not all(map(math.isfinite, (head.bias, *head.weights, *head.words.values()))):
        return "has a weight that is no number"
    if not all(0 <= bucket < buckets for bucket in head.words):
        return "has a bucket of words that is none"
    return None
