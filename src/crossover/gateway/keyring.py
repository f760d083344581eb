"""Who may ask: API keys, and what holds where there are none."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Callable, Mapping
from functools import lru_cache

from crossover.errors import RequestError
from crossover.ledger.words import Key

_ANONYMOUS = Key(id="", name="", hash="", created=0.0)


class KeyRing:
    """The keys in force. ``required`` None: as soon as one exists. Without keys only this machine is served."""

    def __init__(
        self, keys: Callable[[], Mapping[str, Key]], *, required: bool | None, wall: Callable[[], float]
    ) -> None:
        self._keys = keys  # hash → key, as they are now
        self._required = required
        self._wall = wall

    @property
    def required(self) -> bool:
        """Whether a request needs a key. A revoked key still is one: revoking the last must not open the door."""
        return bool(self._keys()) if self._required is None else self._required

    def admit(self, presented: bytes | None, client: str) -> Key:
        """The key behind ``presented`` (the secret as sent), or the anonymous key where none is needed.

        Raises RequestError 401 for a missing, unknown, revoked or expired key, 403 for a stranger where there are no
        keys. Keys are looked up by their SHA-256: comparing hashes gives no hint about a secret.
        """
        if not self.required:
            if not _is_loopback(client):
                raise RequestError(
                    "without keys this gateway serves its own machine only",
                    status=403,
                    code="keys_required",
                    hint="Create one: crossover keys create NAME",
                )
            return _ANONYMOUS
        if not presented:
            hint = "Send Authorization: Bearer KEY"
            raise RequestError("an API key is needed", status=401, code="missing_api_key", hint=hint)
        key = self._keys().get(hashlib.sha256(presented).hexdigest())
        now = self._wall()
        if key is None or key.revoked is not None or (key.expires is not None and now >= key.expires):
            raise RequestError("this API key is not valid", status=401, code="invalid_api_key")
        return key


def presented(headers: Mapping[bytes, bytes]) -> bytes | None:
    """The secret in the headers: ``Authorization: Bearer`` or one of the vendors' own headers."""
    bearer = headers.get(b"authorization")
    if bearer is not None and bearer[:7].lower() == b"bearer ":
        return bearer[7:].strip()
    return headers.get(b"x-api-key") or headers.get(b"x-goog-api-key") or headers.get(b"api-key")


@lru_cache(maxsize=1024)
def _is_loopback(client: str) -> bool:
    try:
        return ipaddress.ip_address(client).is_loopback
    except ValueError:
        return False
