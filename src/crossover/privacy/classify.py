"""What a whole request holds: every text of it looked at once, what is known of them put together.

Texts seen before are looked up (:mod:`crossover.privacy.memory`), so a conversation costs its newest message. More than
one window of new text is looked at in a worker thread, a window at a time, while others are served. What nobody can
read, and a value in pieces that no single text holds, makes the request *opaque*: then the policy decides without
knowing. A detector that fails raises DetectionError, and nothing is known at all.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import TypeAlias
from weakref import WeakKeyDictionary

from crossover.errors import DetectionError
from crossover.privacy.detector import WINDOW, Detector
from crossover.privacy.extract import MOST, SILENT, Asked, Joint, Large, read
from crossover.privacy.memory import Found, Memory
from crossover.privacy.merge import merge
from crossover.privacy.words import NOTHING_FOUND, Classified, Finding
from crossover.sensitivity import TIERS, Category, Sensitivity, Tier

MOST_OF_ALL = 16 * MOST  # characters of new text in one request, each text counted as ``_EACH`` more
_WORKERS = 2  # large requests looked at at a time; more would only take turns at the interpreter
_INLINE = 2 * WINDOW  # characters of new text that are looked at while others wait: some 2 ms
_EACH = 150  # a text costs as much as so many characters more
_AT_ONCE = 512  # texts looked up before others are served
_IDENTITIES = frozenset({"identifiers", "financial"})
_PERSONS = frozenset({"person", "address"})
IN_PIECES = "a value goes on from one part of a message into the next"

_New: TypeAlias = tuple[str, str, Hashable]  # a text that was not seen before, its field, its key


class Classifier:
    """Classifies requests, for one thread. ``made_of`` names what it was made of, for who wants to keep it."""

    def __init__(
        self,
        detector: Detector,
        *,
        secret: bytes,
        made_of: object = None,
        entries: int = 32_768,
        size: int = 16 << 20,
    ) -> None:
        """``secret`` keys the memory where the interpreter's own hash is not keyed; ``entries`` and bytes bound it."""
        self._detector = detector
        self._memory = Memory(secret, entries=entries, size=size)
        self._silent: frozenset[str] = frozenset() if detector.by_field else SILENT
        self._workers: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()
        self.made_of = made_of
        self.version = detector.version

    async def classify(self, request: Asked) -> Classified:
        """What is known of the request. Raises DetectionError where a detector failed, or nobody looks at so much."""
        try:
            texts, joints, opaque = read(request, numbers=self._detector.by_field, swiftly=True)
        except Large:
            async with self._worker():
                texts, joints, opaque = await asyncio.to_thread(read, request, numbers=self._detector.by_field)
        tally = Tally()
        new: list[_New] = []
        for start in range(0, len(texts), _AT_ONCE):
            if start:
                await asyncio.sleep(0)
            hits, missing = self._memory.known(texts[start : start + _AT_ONCE], self._silent)
            new += missing
            for found in hits:
                tally.add(found)
        if new:
            await self._look(new, tally)
        for joint in joints:
            if over := await self._over(joint):
                tally.add(over)
                opaque = opaque or IN_PIECES
        return tally.classified(opaque)

    def findings(self, text: str, field: str = "") -> Found:
        """The findings of one text, remembered. Raises DetectionError as :meth:`Detector.scan` does."""
        said = "" if field in self._silent or field == text else field
        key = self._memory.key_of(text, said)
        found = self._memory.get(key)
        if found is None:
            found = self._detector.scan(text, said)
            self._memory.put(key, found)
        return found

    def _worker(self) -> asyncio.Semaphore:
        return self._workers.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(_WORKERS))

    async def _look(self, new: Sequence[_New], tally: Tally) -> None:
        """Looks at texts that were not seen before."""
        sizes = [len(text) for text, _, _ in new]
        total = sum(sizes)
        if total > MOST_OF_ALL or max(sizes) > MOST:
            raise DetectionError(f"it holds {total // 1000:,} thousand characters, more than are looked at")
        if total + _EACH * len(new) <= _INLINE:
            for text, field, key in new:
                found = self._memory.get(key)  # the same text may stand there twice
                if found is None:
                    found = self._detector.scan(text, field)
                    self._memory.put(key, found)
                if found:
                    tally.add(found)
            return
        often = Counter(key for _, _, key in new)
        once = list({one[2]: one for one in new}.values())
        if sum(len(text) for text, _, _ in once) + _EACH * len(once) > MOST_OF_ALL:
            raise DetectionError(f"it holds {len(once):,} texts, more than are looked at")
        async with self._worker():
            for batch in _batches(once):
                for (_, _, key), found in zip(batch, await self._in_worker(batch), strict=True):
                    self._memory.put(key, found)
                    if found:
                        tally.add(found * often[key])

    async def _in_worker(self, batch: Sequence[_New]) -> list[Found]:
        """The findings of a batch: several short texts at once, or one long text, a window at a time."""
        text, field, _ = batch[0]
        if len(text) <= WINDOW:
            return await asyncio.to_thread(self._scan_all, batch)
        steps = self._detector.steps(text, field)
        found: list[Finding] = []
        while (step := await asyncio.to_thread(next, steps, None)) is not None:
            found += step
        return [tuple(await asyncio.to_thread(merge, found))]

    def _scan_all(self, batch: Sequence[_New]) -> list[Found]:
        return [self._detector.scan(text, field) for text, field, _ in batch]

    async def _over(self, joint: Joint) -> list[Finding]:
        """What is found over the edges of joined parts."""
        key = self._memory.key_of(joint.text, "")
        found = self._memory.get(key)
        if found is None:
            found = self._detector.scan(joint.text)
            self._memory.put(key, found)
            await asyncio.sleep(0)
        return [one for one in found if any(one.start < edge < one.end for edge in joint.edges)] if found else []


class Tally:
    """Findings counted: nothing of where they stand or what they say is kept."""

    def __init__(self) -> None:
        self._counts: dict[tuple[Category, str, Tier], int] = {}

    def add(self, found: Sequence[Finding]) -> None:
        """Counts some findings."""
        counts = self._counts
        for one in found:
            kind = one.category, one.kind, one.tier
            counts[kind] = counts.get(kind, 0) + 1

    def classified(self, opaque: str = "") -> Classified:
        """What is known. A health story beside anything that says whose it is, is hard: it is health information."""
        counts = self._counts
        if not counts:
            return Classified(opaque=opaque) if opaque else NOTHING_FOUND
        health = [kind for kind in counts if kind[0] == "health" and kind[2] == "soft"]
        if health and any(category in _IDENTITIES or kind in _PERSONS for category, kind, _ in counts):
            for category, kind, tier in health:
                hard: tuple[Category, str, Tier] = category, kind, "hard"
                counts[hard] = counts.get(hard, 0) + counts.pop((category, kind, tier))
        tier = max((tier for _, _, tier in counts), key=TIERS.index)
        categories = frozenset(category for category, _, _ in counts)
        rows = tuple(sorted((*kind, count) for kind, count in counts.items()))
        return Classified(sensitivity=Sensitivity(tier, categories), counts=rows, opaque=opaque)


def _batches(new: Sequence[_New]) -> list[list[_New]]:
    """Texts put into batches of about one window's work; a longer one is a batch of its own."""
    batches: list[list[_New]] = []
    room = 0
    for one in new:
        size = len(one[0]) + _EACH
        if size > room:
            batches.append([])
            room = WINDOW
        batches[-1].append(one)
        room -= size
    return batches
