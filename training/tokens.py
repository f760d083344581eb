"""A byte-level BPE for the tiny models: learned here, written into the GGUF, read back by llama.cpp.

Two rules make copying easy for a tiny model. Numbers are cut from the left into groups of three digits, each a token. A
word is built without the space before it, so "desk" is the same token after a space and after a quote; only for the
most frequent words is the space merged too.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

SPECIAL = ("<|pad|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>")
# The pattern of llama.cpp's pre-tokenizer "llama-bpe"; \p{L} and \p{N} written for Python's re.
SPLIT = re.compile(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|(?:[^\w\r\n]|_)?[^\W\d_]+|\d{1,3}| ?(?:[^\s\w]|_)+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
NUMBERS = tuple(f"{n:0{digits}d}" for digits in (2, 3) for n in range(10**digits))


def byte_letters() -> list[str]:
    """The printable letter that stands for each byte in a byte-level vocabulary (GPT-2's table)."""
    kept = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    letters, extra = {}, 0
    for byte in range(256):
        if byte in kept:
            letters[byte] = chr(byte)
        else:
            letters[byte] = chr(256 + extra)
            extra += 1
    return [letters[byte] for byte in range(256)]


LETTERS = byte_letters()
SPACE = LETTERS[32]
DIGITS = frozenset("0123456789")


class Tokens(NamedTuple):
    """A vocabulary: the tokens in order of their ids (special ones first), the merges by rank."""

    vocabulary: dict[str, int]
    merges: dict[tuple[str, str], int]
    cache: dict[str, list[int]]

    def encode(self, text: str) -> list[int]:
        """Token ids of a text without special tokens."""
        ids: list[int] = []
        for word in SPLIT.findall(text):
            found = self.cache.get(word)
            if found is None:
                found = self.cache[word] = [self.vocabulary[part] for part in self._merged(word)]
            ids.extend(found)
        return ids

    def _merged(self, word: str) -> list[str]:
        parts = [LETTERS[byte] for byte in word.encode()]
        if "".join(parts) in self.vocabulary:  # llama.cpp's "ignore_merges"
            return ["".join(parts)]
        while len(parts) > 1:
            ranks = [self.merges.get(pair, len(self.merges)) for pair in itertools.pairwise(parts)]
            best = min(range(len(ranks)), key=ranks.__getitem__)
            if ranks[best] == len(self.merges):
                break
            parts[best : best + 2] = [parts[best] + parts[best + 1]]
        return parts

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids; special tokens show as they are written."""
        names = list(self.vocabulary)
        back = {letter: byte for byte, letter in enumerate(LETTERS)}
        parts = [names[i].encode() if names[i] in SPECIAL else bytes(back[c] for c in names[i]) for i in ids]
        return b"".join(parts).decode(errors="replace")


def learn(texts: Iterable[str], size: int, spaced: int, never_spaced: frozenset[str]) -> Tokens:
    """``size`` tokens in all; ``spaced`` of them are frequent words with their space, none of ``never_spaced``."""
    counts = Counter(word for text in texts for word in SPLIT.findall(text))
    bare: Counter[str] = Counter()
    for word, count in counts.items():
        bare[word[1:] if len(word) > 1 and word[1].isalpha() and not word[0].isalpha() else word] += count
    words = {tuple(LETTERS[b] for b in word.encode()): n for word, n in bare.items() if not word[0].isdigit()}
    merges: list[tuple[str, str]] = []
    while len(SPECIAL) + 256 + len(NUMBERS) + len(merges) + spaced < size:
        pairs: Counter[tuple[str, str]] = Counter()
        for parts, count in words.items():
            for pair in itertools.pairwise(parts):
                if not (DIGITS & set(pair[0] + pair[1])):
                    pairs[pair] += count
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        words = {tuple(_apply(parts, best)): count for parts, count in words.items()}
    whole = {parts[0] for parts in words if len(parts) == 1}
    frequent = Counter({w[1:]: n for w, n in counts.items() if w[0] == " " and w[1:] in whole})
    chosen = [word for word, _ in frequent.most_common() if word not in never_spaced and not DIGITS & set(word)]
    merges += [(SPACE, word) for word in chosen[:spaced]]
    names = [*SPECIAL, *LETTERS, *NUMBERS, *(first + second for first, second in merges)]
    vocabulary = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return Tokens(vocabulary, {pair: rank for rank, pair in enumerate(merges)}, {})


def _apply(parts: tuple[str, ...], pair: tuple[str, str]) -> list[str]:
    out: list[str] = []
    for part in parts:
        if out and (out[-1], part) == pair:
            out[-1] += part
        else:
            out.append(part)
    return out
