"""Who may see the pages: one token, and cookies that prove that it was known.

The token is 256 random bits and is kept as its SHA-256. A cookie says until when it holds and is signed with a key of
its own, so a restart of the gateway ends no session and a new token ends all of them.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable

import msgspec

LIFE_S = 7 * 86_400.0
TOKEN_PREFIX = "xod-"  # noqa: S105 - how a token begins is no secret
_MOST = 200  # characters of a token or cookie that are looked at


class Lock(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept: the hash of the token and the key that signs cookies (hex). The token itself is nowhere."""

    token_sha256: str
    cookie_key: str


def new_lock() -> tuple[Lock, str]:
    """A lock and the token that opens it."""
    token = TOKEN_PREFIX + secrets.token_urlsafe(32)
    return Lock(token_sha256=_hash(token), cookie_key=secrets.token_hex(32)), token


class Sessions:
    """Opens with the token, and knows its own cookies again. ``wall`` gives Unix seconds."""

    def __init__(self, lock: Callable[[], Lock | None], wall: Callable[[], float]) -> None:
        self._lock = lock  # asked each time: a new token counts at once; None: nothing opens
        self._wall = wall

    def begin(self, token: str) -> str | None:
        """The value of a new cookie; None where this is not the token."""
        lock = self._lock()
        if lock is None or len(token) > _MOST or not hmac.compare_digest(_hash(token.strip()), lock.token_sha256):
            return None
        text = f"{int(self._wall() + LIFE_S)}.{secrets.token_hex(8)}"
        return f"{text}.{_sign(lock, text)}"

    def holds(self, cookie: str) -> bool:
        """Whether a cookie was made with this lock and is not too old."""
        text, _, signature = cookie[:_MOST].rpartition(".")
        until, _, _ = text.partition(".")
        lock = self._lock()
        if lock is None or not until.isascii() or not until.isdigit() or not signature.isascii():
            return False
        return hmac.compare_digest(_sign(lock, text), signature) and self._wall() < int(until)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def _sign(lock: Lock, text: str) -> str:
    return hmac.new(bytes.fromhex(lock.cookie_key), text.encode(), hashlib.sha256).hexdigest()
