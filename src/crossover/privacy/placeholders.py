"""Placeholders: what stands in a request where a value stood, and is turned back into it in the answer.

``[PERSON_7KQX3]`` is a type and a code. The code is a keyed hash of the conversation and the value: the same value has
the same placeholder in every turn of a conversation (the model stays coherent, the provider's prompt cache warm), and
another one in every other conversation. Who does not hold the key learns from it that two values are the same, and
nothing of the value. Other spellings of a value (spaces, hyphens, case) have the first four letters of the code in
common and differ in the digit at its end, so that each comes back as it was written.

Values exist in memory only, and in no ``repr``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b, sha256
from typing import NamedTuple

from crossover.chat import ChatRequest, EmbedRequest
from crossover.errors import InputError

STEM = "23456789BCDFGHJKMNPQRSTVWXZ"  # no vowels, so no words; no letter that looks like a digit or another letter
FORM = "23456789"
SIZE = 5  # letters of a code: four of the stem, one digit
REMOVED = "REMOVED"  # stands where a code would, and is never turned back
LONGEST_TYPE = 12


class Placeholder(NamedTuple):
    """A placeholder and the value it stands for. ``code`` is empty for a value that is gone for good."""

    type: str
    code: str
    value: str

    @property
    def bare(self) -> str:
        """As it is written where brackets are not allowed: in names, ids and keys."""
        return f"{self.type}_{self.code or REMOVED}"

    @property
    def bracketed(self) -> str:
        """As it is written in text."""
        return f"[{self.bare}]"

    def __repr__(self) -> str:
        return f"Placeholder({self.bare})"


_CODES = re.compile(f"(?=([{STEM}]{{{SIZE - 1}}}[{FORM}]))")  # all that could be a code, also where they overlap
_ONE = re.compile(rf"\[?[A-Z][A-Z0-9]{{1,{LONGEST_TYPE - 1}}}_(?:[{STEM}]{{{SIZE - 1}}}[{FORM}]|{REMOVED})\]?")


def is_placeholder(text: str) -> bool:
    """Whether a text is written like a placeholder: nothing that would have to be hidden."""
    return _ONE.fullmatch(text) is not None


def without(text: str, instead: str) -> str:
    """A text with all that is written like a placeholder taken out."""
    return _ONE.sub(instead, text)


def removed(kind: str, value: str) -> Placeholder:
    """What stands for a value that is gone for good."""
    return Placeholder(type_of(kind), "", value)


@lru_cache(maxsize=256)
def type_of(kind: str) -> str:
    """The type of a placeholder: a finding's kind in at most twelve capitals and digits."""
    plain = unicodedata.normalize("NFKD", kind).upper()
    letters = "".join(char for char in plain if char.isascii() and char.isalnum()).lstrip("0123456789")
    return letters[:LONGEST_TYPE] if len(letters) > 1 else "VALUE"


def conversation(request: ChatRequest | EmbedRequest, secret: bytes) -> bytes:
    """The key of a conversation: who asks, and the words it began with.

    Texts to embed are no conversation: a value has the same placeholder in all of a caller's texts, else nothing that
    was embedded could be found again. Raises InputError where ``secret`` is empty.
    """
    if not secret:
        raise InputError("the key of the placeholders is empty")
    begun = ""
    if isinstance(request, ChatRequest):
        first = next((message for message in request.messages if message.role == "user"), None)
        begun = "chat\0" if first is None else f"chat\0{first.text}"
    return blake2b(_bytes(f"{request.caller.key}\0{begun}"), key=sha256(secret).digest(), digest_size=32).digest()


class Mint:
    """Gives out the placeholders of one request. ``said`` are all its strings: no code is given out that they hold.

    Of two values with one code, the later gets another; so the order of asking counts, and a conversation that goes on
    asks in the same order.
    """

    __slots__ = ("_codes", "_key", "_said", "_texts")

    def __init__(self, key: bytes, said: Iterable[str]) -> None:
        self._key = key
        self._texts = said
        self._said: frozenset[str] | None = None
        self._codes: set[str] = set()

    def issue(self, kind: str, value: str) -> Placeholder:
        """A new placeholder. The caller remembers it: the same value must not be asked for twice."""
        plain = "".join(filter(str.isalnum, unicodedata.normalize("NFKC", value).casefold()))
        kind = type_of(kind)
        turn = 0
        while True:
            stem = self._hashed(kind, plain or value, turn)[: SIZE - 1].translate(_STEMS)
            code = (stem + self._hashed(kind, value, turn)[:1].translate(_FORMS)).decode()
            if code not in self._codes and not self._seen(code):
                self._codes.add(code)
                return Placeholder(kind, code, value)
            turn += 1

    def _hashed(self, kind: str, value: str, turn: int) -> bytes:
        return blake2b(_bytes(f"{kind}\0{turn}\0{value}"), key=self._key, digest_size=8).digest()

    def _seen(self, code: str) -> bool:
        if self._said is None:
            self._said = frozenset(
                _CODES.findall(_bytes("\n".join(self._texts)).upper().decode("utf-8", "surrogatepass"))
            )
        return code in self._said


_STEMS = bytes(ord(STEM[byte % len(STEM)]) for byte in range(256))
_FORMS = bytes(ord(FORM[byte % len(FORM)]) for byte in range(256))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
