"""What a value looks like: a random token, a password that somebody chose, or what merely stands where one would stand.

Nothing here knows where the value was found; :mod:`crossover.privacy.secrets` asks the question that fits the place.
Every function takes the value as it stands in the text, without its quotes, and answers yes or no.
"""

from __future__ import annotations

import functools
import re
from itertools import pairwise
from pathlib import Path

from crossover.privacy.late import Late

DATA = Path(__file__).with_name("data")
_CENTRE, _STEP = ord("P"), 0.25  # how randomness.txt writes log-odds, see training/privacy_randomness.py
_ORDER = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
_RANDOM = 0.2  # mean log-odds: names of 16 characters and more reach it once in 5,000, random tokens of 16 in 98 of 100

_UUID = Late(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
_HEX = Late(r"[0-9a-f]+|[0-9A-F]+")
_TOKEN = Late(r"[A-Za-z0-9_\-+/=.~:%!@#$^&*]+")
_SPECIAL = Late(r"[!@#$%^&*+=?~|;]")
_PATH = Late(
    r"\.{0,2}/|~/|[A-Za-z]:[\\/]|[a-z][a-z0-9+.\-]*://|[\w\-]+(?:\.[\w\-]+)*\.(?:com|org|net|io|dev)(?:[/:?]|$)"
)
_FILE = Late(
    r"(?i)[\w\-./]+\.(?:txt|json|ya?ml|pem|key|crt|cer|p12|pfx|jks|env|ini|conf|cfg|toml|xml|properties|js|ts|tsx|jsx|py|go"
    r"|rb|rs|java|kt|cs|php|html?|css|scss|md|csv|sql|sh|png|jpe?g|svg|gif|pdf|zip|gz|log|lock|map)"
)
_TECHNICAL = Late(
    r"(?i)(?:sha|md|utf|oauth|base|aes|rsa|argon|bcrypt|scrypt|pbkdf|hmac|hs|rs|es|ed|ecdsa|http|tls|ssl|ipv|x|v|web|log"
    r"|int|uint|float|str|char|varchar|pkcs|fido|wpa|step|layer|level|stage|phase|part|day|week|q|h|gpt|mp|win|log4j)"
    r"[-_. ]?\d[\d.\-_/]*[a-z]?"
)
# Where a value is fetched from, not what it is: variables, templates, calls, attributes of a configuration.
_REFERENCE = Late(
    r"\$\{|\$\(|\{\{|\}\}|#\{|<%|%\(\w+\)|%>|\{[\w.:!]*\}|^\$[A-Za-z_]\w*(?:$|[/.\-])|^%[A-Za-z_]\w*%$|^%[sdvqr@]$|^@[\w.\-]+@$|^<[^>]*>?$"
    r"|^\[[^\]]*\]?$|^&[lg]t;|^!(?:Ref|Sub|GetAtt|ImportValue|Join|secret|vault|env)\b|^ENC[\[(]|^(?:op|vault|ssm|arn|awssm"
    r"|gcpsm|secretsmanager|keyvault|kms|file|env|data|keyring)[:/]"
    r"|^(?:process\.env|os\.environ|os\.getenv|getenv|env|ENV|System|config|configuration|cfg|settings|secrets|var|vars|local"
    r"|module|self|this|app|ctx|args|opts|options|params|props|state|form|req|request|res|response|user|data|event|input"
    r"|values|credentials|creds|auth|session|cls|event|account|db|client)(?:\.|\[|\(|->|::)"
    r"|\w\(|\w\[['\"]|->|::|=>|&&|\|\|"
)
# Words joined by separators, each alphabetic: whatever the model thinks of them together.
_NAME_PARTS = Late(r"[A-Za-z]{2,12}(?:[_\-.:/][A-Za-z]{2,12})+")
_LETTERS = Late(r"[A-Za-z]{7,}")
_WORD = -0.3  # seven letters in a row as natural as this are a word, and the token is a name
_MONEY = Late(r"[$€£¥]\d|[^/]*\d/[a-z]")
_SNAKE = Late(r"[A-Za-z]{2,}(?:_[A-Za-z]{2,})*_(?:[A-Za-z]{2,}|[a-z]?\d{1,2})")
# What its name says is encrypted: OpenSSL's salt, a key service's header, a sealed secret's length.
_CIPHERTEXT = Late(r"U2FsdGVkX1[89]|AQICAH[A-Za-z0-9]|Ag[A-D][A-Za-z0-9+/]{200}|vault:v[0-9]")
# A digest behind words, as caches and builds are named: ``npm-3f78…-linux``.
_NAMED_DIGEST = Late(
    r"(?:[A-Za-z0-9_.]{1,32}-){1,6}(?:[0-9a-f]{128}|[0-9a-f]{64}|[0-9a-f]{56}|[0-9a-f]{40}|[0-9a-f]{32})"
    r"(?:-[A-Za-z0-9_.]{1,24}){0,4}"
)
_KEYISH = frozenset(
    {"key", "token", "tok", "secret", "sk", "pk", "pat", "api", "apikey", "access", "auth", "private", "live", "pw"}
)
_SUM = Late(r"[\d.,+\-*/=%$€£^~<> ]+")
_DATED = Late(
    r"\d+(?:st|nd|rd|th|px|em|ms|mb|gb|kb|tb|s|m|h|d|x|k|am|pm|bit|chars?|characters?|days?)"
    r"|\d{1,4}[-/.](?:\d{1,2}|[A-Za-z]{3,9})[-/.]\d{1,4}.*"
)
_NAMES_ITSELF = Late(
    r"(?i)[a-z_\-./# ]*(?:pass(?:word|wd|phrase|code)?|pwd|passwort|kennwort|contraseña|senha|secret|token|credential)"
    r"[a-z_\-./ ]*(?:1|12|123|1234|12345|123456)?[!.:*]?"
)
_CAMEL = Late(r"[A-Z][a-z]+$|[a-z]+[A-Z][a-z]|(?:[A-Z][a-z]*){2,}$")
_VALIDATION = Late(
    r"(?i)\b(?:min|max|required|nullable|confirmed|length|string|regex)\b[:|]|\|(?:min|max|string|required)"
)


@functools.cache
def _log_odds() -> dict[str, float]:
    rows = [line for line in (DATA / "randomness.txt").read_text("ascii").splitlines() if not line.startswith("#")]
    return {
        first + second: (ord(letter) - _CENTRE) * _STEP
        for first, row in zip(_ORDER, rows, strict=True)
        for second, letter in zip(_ORDER, row, strict=True)
    }


@functools.cache
def _sections() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    now: set[str] = set()
    for line in (DATA / "secret_words.txt").read_text("utf-8").splitlines():
        if line.startswith("["):
            now = found.setdefault(line.strip("[]"), set())
        elif not line.startswith("#"):
            now.update(line.split())
    return {name: frozenset(words) for name, words in found.items()}


def words(section: str) -> frozenset[str]:
    """The words of a section of ``data/secret_words.txt``."""
    return _sections()[section]


@functools.cache
def _parts() -> re.Pattern[str]:
    return re.compile("|".join(re.escape(part) for part in sorted(words("parts"))))


def lowered(text: str) -> str:
    """The text in lower case, every character in its place (one letter of Turkish would become two)."""
    low = text.lower()
    return low if len(low) == len(text) else "".join(char.lower()[:1] for char in text)


def randomness(value: str) -> float:
    """Mean log-odds per pair of neighbours: above 0 a random token, below a name. Other characters are left out."""
    table = _log_odds()
    odds = [table[pair] for pair in map(str.__add__, value, value[1:]) if pair in table]
    return sum(odds) / len(odds) if odds else -1.0


def is_random(value: str) -> bool:
    """Whether the longest piece of a token, which carries its randomness, is random."""
    return randomness(_longest(value)) > _RANDOM


def is_patterned(value: str) -> bool:
    """Made by hand on a keyboard: one character over and over, alphabet or numbers in order, few characters in all."""
    if len(set(value)) <= max(3, min(len(value) // 12, 6)):
        return True
    runs = max((len(run.group()) for run in re.finditer(r"([^A])\1+", value)), default=0)
    if runs >= 6 or runs * 2 > len(value):
        return True
    codes = [ord(char) for char in value.lower()]
    beside = sum(b - a in {1, -1} for a, b in pairwise(codes))
    woven = sum(b - a == 1 for a, b in zip(codes, codes[2:], strict=False))
    return max(beside, woven) >= 0.6 * (len(value) - 1)


def is_placeholder(value: str) -> bool:
    """Says itself that it is none, or is printed in a vendor's documentation for everybody to copy."""
    low = value.casefold().strip(" .,:;")
    if low in words("values") or value in words("published") or _parts().search(low):
        return True
    if any(known in value for known in words("published") if len(known) >= 16):
        return True
    return not low or is_patterned(low)


def is_reference(value: str) -> bool:
    """Names the place where the value is kept: a variable, a template, a call, a path, an address."""
    return bool(_REFERENCE.search(value) or _PATH.match(value) or _FILE.fullmatch(value))


def is_careful(value: str) -> bool:
    """Chosen with care: eight characters or more, with a sign, and no sum of money or path."""
    return len(value) >= 8 and bool(_SPECIAL.search(value)) and not _MONEY.match(value) and is_chosen(value)


def is_token(value: str, least: int = 8) -> bool:
    """A token of at least ``least`` characters that no human made up; the place already speaks for a secret."""
    if not least <= len(value) <= 4096 or not _TOKEN.fullmatch(value):
        return False
    if is_reference(value) or is_placeholder(value) or is_ciphertext(value):
        return False
    if _UUID.fullmatch(value):
        return True
    digits = sum(char.isdigit() for char in value)
    if digits == len(value):
        return False
    if digits == 0:
        return len(value) >= 16 and randomness(value) > _RANDOM and not _NAME_PARTS.fullmatch(value)
    return randomness(_longest(value)) > (_RANDOM if len(value) < 16 else 0.0)


def _longest(value: str) -> str:
    """The longest piece between separators, which carries the randomness where a prefix of words stands before it."""
    return max(re.split(r"[_\-.:/+=]", value), key=len) if len(value) >= 24 else value


def is_strong_token(value: str) -> bool:
    """Random beyond doubt: a secret where hardly anything speaks for one. No UUID, no address, no plain number."""
    if not 20 <= len(value) <= 4096 or _UUID.search(value) or not is_token(value, 20) or is_named_digest(value):
        return False
    body = value.rstrip("=")
    if _HEX.fullmatch(body):
        return len(body) >= 32
    kinds = any(c.islower() for c in body) + any(c.isupper() for c in body) + any(c.isdigit() for c in body)
    if kinds < 2 or len(set(body)) < 10 or not is_random(body):
        return False
    pieces = re.split(r"[_\-.:/+=]", body)
    return max(map(len, pieces)) >= 12 and not any(randomness(word) < _WORD for word in _LETTERS.findall(body))


def is_ciphertext(value: str) -> bool:
    """What a secret became by encryption: it may be read by everybody."""
    return _CIPHERTEXT.match(value) is not None


def is_named_digest(value: str) -> bool:
    """A digest with words before it that speak of no key, as caches and builds are named."""
    return _NAMED_DIGEST.fullmatch(value) is not None and _KEYISH.isdisjoint(re.split(r"[-_.]", value.lower()))


def is_chosen(value: str) -> bool:
    """Looks like a password, whatever the place: kinds of characters mixed as no word mixes them."""
    if not 5 <= len(value) <= 128 or is_reference(value) or is_placeholder(value) or _TECHNICAL.fullmatch(value):
        return False
    if _SNAKE.fullmatch(value):
        return False
    letters = sum(char.isalpha() for char in value)
    digits = sum(char.isdigit() for char in value)
    inner = bool(_SPECIAL.search(value, 0, len(value) - 1)) or (bool(_SPECIAL.search(value)) and digits > 0)
    if letters >= 3 and (digits or inner):
        return inner or not _DATED.fullmatch(value)
    if digits and inner and letters + digits >= 5:
        return not _SUM.fullmatch(value)
    return letters >= 8 and randomness(value) > _RANDOM


def is_password(value: str) -> bool:
    """A password, where the place says that one stands there: weak ones too, placeholders and labels not."""
    if not 4 <= len(value) <= 256 or is_reference(value) or is_placeholder(value) or _NAMES_ITSELF.fullmatch(value):
        return False
    if " " in value.strip():
        return _is_phrase(value)
    if value.isdigit():
        return len(value) >= 6
    if value.isalpha():
        return len(value) >= 5 and (
            value.islower() or value.isupper() or randomness(value) > _RANDOM or not _CAMEL.match(value)
        )
    return not _VALIDATION.search(value) and any(char.isalnum() for char in value)


def _is_phrase(value: str) -> bool:
    """Several words: a passphrase only where it cannot be a label or a sentence."""
    parts = value.split()
    plain = all(part.isalpha() and part.islower() and len(part) >= 3 for part in parts)
    return plain and 4 <= len(parts) <= 12 and sum(part in words("said") for part in parts) < 2
