"""What a name promises of its value: the key of an object, a variable, a flag, a header, an XML element.

``DB_PASSWORD`` promises a password, ``password_reset_url`` does not: the name is taken apart, what stands last decides.
"""

from __future__ import annotations

import re
from enum import IntEnum

from crossover.privacy.secret_values import words

_PARTS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^\W\d_]+")

_PASS_WHAT = frozenset({"word", "phrase", "code"})
_PASSWORD_END = ("password", "passwd", "passphrase", "passwort", "kennwort", "wachtwoord", "pwd")
_SECRET_END = (
    "secret",
    "apikey",
    "secretkey",
    "accesskey",
    "privatekey",
    "authkey",
    "masterkey",
    "licensekey",
    "sharedkey",
)


class Promise(IntEnum):
    """How much a name says: from nothing to a password."""

    NOTHING = 0
    VAGUE = 1  # a key, a cookie: only what is random beyond doubt
    TOKEN = 2  # a token: random, of some length
    SECRET = 3  # an API key, a secret: random, or chosen with care
    PASSWORD = 4  # a password: weak ones too


def promise(name: str) -> Promise:
    """What a value under this name is."""
    parts = [part.lower() for part in _PARTS.findall(name[-80:])]
    while len(parts) > 1 and (parts[-1] in words("name-tail") or parts[-1].isdigit()):
        parts.pop()
    if not parts or parts[-1].startswith("pub") or not words("name-public").isdisjoint(parts):
        return Promise.NOTHING
    last = parts[-1]
    before = parts[-2] if len(parts) > 1 else ""
    if before in words("name-verb"):
        return Promise.NOTHING
    if last == "id":
        return Promise.VAGUE if before in {"session", "sess"} else Promise.NOTHING
    return _of_last(last, before)


def _of_last(last: str, before: str) -> Promise:
    if last in words("name-password") or last.endswith(_PASSWORD_END) or (before == "pass" and last in _PASS_WHAT):
        return Promise.PASSWORD
    if last in words("name-secret") or last.endswith(_SECRET_END) or (last == "key" and before in words("name-key")):
        return Promise.SECRET
    if last in words("name-token") or last.endswith("token"):
        return Promise.NOTHING if before in words("name-no-token") else Promise.TOKEN
    if last in words("name-vague") or last.endswith("key"):
        return Promise.NOTHING if last == "key" and before in words("name-no-key") else Promise.VAGUE
    return Promise.NOTHING
