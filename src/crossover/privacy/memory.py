"""What was found in texts that were seen before, under keyed hashes: never a text, and nobody outside can tell which.

The history of a conversation comes again with every request, so most texts are looked at once and looked up from then
on. The hash is the one of the interpreter's own strings where that is keyed and strong enough (SipHash with a key that
each process draws), which costs a sixth of a cryptographic one, else BLAKE2b with the key that was handed in.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Hashable, Iterable
from typing import TypeAlias

from crossover.privacy.words import Finding

Found: TypeAlias = tuple[Finding, ...]
KeyOf: TypeAlias = Callable[[str, str], Hashable]

_ENTRY, _FINDING = 250, 150  # bytes that an entry and a finding take, about


class Memory:
    """Findings by text and field, in two halves: what is used goes into the young one, and when that is full the old
    one is forgotten. So what was not used for longest goes first, about, and a look costs no more than a dictionary's.

    Of two threads that use it at once, one may forget what the other keeps; neither sees what was not found.
    """

    def __init__(self, key: bytes, *, entries: int, size: int) -> None:
        """At most so many ``entries``, and about ``size`` bytes."""
        self._keyed = interpreter_keys()
        self.key_of: KeyOf = _by_interpreter if self._keyed else _blake2b(key)
        self._entries, self._size = max(1, entries // 2), max(1, size // 2)
        self._young: dict[Hashable, Found] = {}
        self._old: dict[Hashable, Found] = {}
        self._used = 0  # bytes of the young half, about

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def known(
        self, texts: Iterable[tuple[str, str]], silent: frozenset[str]
    ) -> tuple[list[Found], list[tuple[str, str, Hashable]]]:
        """What was found in texts seen before, where it was anything; and those not seen, with field and key.

        ``silent`` are fields that count as none. The inner loop of every request: what :meth:`get` and ``key_of`` say,
        without calling them.
        """
        young, fast = self._young, self._keyed
        hits: list[Found] = []
        new: list[tuple[str, str, Hashable]] = []
        for text, field in texts:
            said = "" if field in silent else field
            key = (hash(text) if not said else (hash(text), hash(said))) if fast else self.key_of(text, said)
            found = young.get(key)
            if found is None:
                found = self.get(key)
                young = self._young
                if found is None:
                    new.append((text, said, key))
                    continue
            if found:
                hits.append(found)
        return hits, new

    def get(self, key: Hashable) -> Found | None:
        """What was found in the text of that key; None where it was not seen, or forgotten."""
        found = self._young.get(key)
        if found is None:
            found = self._old.pop(key, None)
            if found is not None:
                self.put(key, found)
        return found

    def put(self, key: Hashable, found: Found) -> None:
        """Keeps what was found."""
        cost = _ENTRY + _FINDING * len(found)
        if len(self._young) >= self._entries or (self._young and self._used + cost > self._size):
            self._old, self._young, self._used = self._young, {}, 0
        if key not in self._young:
            self._young[key] = found
            self._used += cost


def interpreter_keys() -> bool:
    """Whether the hash of a string is keyed by this process and wide enough that two texts never meet by chance."""
    strong = sys.hash_info.algorithm.startswith("siphash") and sys.hash_info.width >= 64
    return strong and sys.flags.hash_randomization == 1


def _by_interpreter(text: str, field: str) -> Hashable:
    return (hash(text), hash(field)) if field else hash(text)


def _blake2b(key: bytes) -> KeyOf:
    keyed = hashlib.blake2b(key=hashlib.blake2b(key, digest_size=32).digest(), digest_size=16)

    def key_of(text: str, field: str) -> Hashable:
        state = keyed.copy()
        state.update(f"{len(field)} {field}{text}".encode("utf-8", "surrogatepass"))
        return state.digest()

    return key_of
