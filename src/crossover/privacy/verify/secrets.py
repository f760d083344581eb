"""Checks of secrets: what a vendor's form cannot say. Each takes the value as it stands in the text."""

from __future__ import annotations

import base64
import binascii
import re

from crossover.privacy import secret_values as values

_KEYISH = re.compile(r"(?i)(?:key|tok(?:en)?|secret|sk|pat|api|live|prod|auth|access|private|priv|pw|svc)$")
_PARTS = re.compile(r"[_\-.]")


def genuine(value: str) -> bool:
    """Not a placeholder, and not a value that its vendor prints for everybody."""
    return not values.is_placeholder(value)


def unpatterned(value: str) -> bool:
    """Not made by hand on a keyboard: for forms that words like "example" could be part of."""
    return not values.is_patterned(value)


def mixed(value: str) -> bool:
    """Genuine, with digits and letters mixed as no name mixes them: for forms that a word could fill."""
    return genuine(value) and values.is_random(value) and _has_both(value)


def _has_both(value: str) -> bool:
    return bool(re.search("[0-9]", value)) and bool(re.search("[A-Za-z]", value))


def strong(value: str) -> bool:
    """Random beyond doubt."""
    return values.is_strong_token(value)


def strong_url(value: str) -> bool:
    """Random beyond doubt, with the escapes of a URL."""
    return values.is_strong_token(re.sub("%[0-9A-Fa-f]{2}", "", value))


def chosen(value: str) -> bool:
    """Looks like a password that a human or a program chose."""
    return values.is_chosen(value) and not value.startswith(("--", "http"))


def password(value: str) -> bool:
    """A password, where the place says that one stands there."""
    return values.is_password(value)


def url_password(value: str) -> bool:
    """What stands where a URL, a flag or a connection string has its password. A word is one, a placeholder is none."""
    low = value.casefold()
    if (
        not value
        or value[0] in "([{"
        or low
        in values.words("values")
        - {
            "secret",
            "letmein",
            "qwerty",
            "welcome",
            "monkey",
            "dragon",
            "hunter",
            "geheim",
        }
    ):
        return False
    return low == "secret" or not (
        values.is_reference(value) or values.is_placeholder(value) or _NAMES_ITSELF.fullmatch(low)
    )


_WEAK = frozenset({"secret", "letmein", "qwerty", "welcome", "monkey", "dragon", "hunter", "geheim"})
_NAMES_ITSELF = re.compile(
    r"[a-z_\-]*(?:pass(?:word|wd|phrase)|passwort|contraseña|pwd|token|api_?key)[a-z_\-]*|(?:my|db|user)_?pass"
)


def header(value: str) -> bool:
    """A credential in a header: a token, or what is at least long and no word."""
    return values.is_token(value, 12)


def basic(value: str) -> bool:
    """Base64 of ``user:password``, as HTTP Basic sends it."""
    if not genuine(value):
        return False
    user, colon, secret = _decoded(value).partition(":")
    return bool(colon and user.isprintable() and secret.isprintable()) and url_password(secret)


def jwt(value: str) -> bool:
    """Three parts of which the first is the header of a JSON Web Token (or an encrypted one)."""
    if not values.words("published").isdisjoint(value.split(".")):
        return False
    head = _decoded(value.partition(".")[0].replace("-", "+").replace("_", "/"))
    return head.startswith("{") and any(name in head for name in ('"alg"', '"typ"', '"enc"', '"kid"'))


def base64_private_key(value: str) -> bool:
    """Base64 of a PEM block with a private key."""
    return "PRIVATE KEY-----" in _decoded(value[:120])


def prefixed(value: str) -> bool:
    """A token behind a prefix: the end is random beyond doubt, and the prefix names no ordinary identifier."""
    parts = _PARTS.split(value)
    body = max(parts, key=len)
    prefix = parts[: parts.index(body)] or parts[:1]
    if len(body) < 20 or "/" in value.partition(body)[0] or not genuine(value):
        return False
    words = [part.lower() for part in prefix if part[:1].isalpha()]
    keyish = any(_KEYISH.search(part) for part in prefix)
    if not keyish and (prefix[0].lower().rstrip("0123456789") in values.words("identifier") or not words):
        return False
    if re.fullmatch("[0-9a-f]+|[0-9A-F]+", body):  # behind a hyphen rather a digest: caches, builds
        own = value[value.index(body) - 1] != "-" and len(words) == len(prefix)
        return len(body) >= 32 and (keyish or own) and not values.is_named_digest(value)
    kinds = sum(re.search(kind, body) is not None for kind in ("[a-z]", "[A-Z]", "[0-9]"))
    return (kinds == 3 or (kinds == 2 and len(body) >= 24)) and values.is_strong_token(body)


def prefixed_uuid(value: str) -> bool:
    """A UUID behind a prefix that speaks of a key: ``sk-…``, ``access-production-…``."""
    return genuine(value) and any(_KEYISH.fullmatch(part) for part in re.split("[_-]", value[:-36]))


def _decoded(value: str) -> str:
    """Base64 as text; what is none gives nothing."""
    body = value.rstrip("=")
    try:
        return base64.b64decode(body[: len(body) // 4 * 4] + _tail(body)).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""


def _tail(body: str) -> str:
    rest = body[len(body) // 4 * 4 :]
    return rest + "=" * (4 - len(rest)) if len(rest) >= 2 else ""
