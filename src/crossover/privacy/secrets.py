"""Secrets that no form gives away: by the name they stand under, by what is said of them, by their randomness.

Forms (keys of vendors, JWTs, URLs with a password, headers, hashes) are rules in ``data/secrets.toml``. Here is what a
pattern cannot decide: a value beside a name (``password = "…"``, ``"api_key": "…"``, YAML, XML, .env, flags, cookies),
sentences that tell one, and blocks with a private key. Text that speaks of no secret costs one pass of RE2.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator

from crossover.privacy import secret_values as values
from crossover.privacy.secret_names import Promise, promise
from crossover.privacy.secret_prose import DIGEST_OF, NEAR, TELLING, Place, near, said
from crossover.privacy.seeking import Seek, Sieve, seeker, sieve
from crossover.privacy.words import Finding

# A name with a secret in it, what assigns, and how a value begins: in the syntax that RE2 and re share. Values are such
# as no name in ordinary code is: quoted, with a digit or a sign, beside a constant or a flag.
_STEM = (
    r"passw(?:or)?d|passphrase|passcode|passwort|kennwort|wachtwoord|contrase(?:ñ|n)a|senha|pass|pwd|psw|\bpw|mdp|secrets?"
    r"|credentials?|creds?|token|bearer|pat|key|auth|sess(?:ion)?(?:_?id)?|sid|cookie|api"
)
_REST = r"(?:[_.\-][\w.\-]{0,32}|[0-9]{1,3}|[A-Z][A-Za-z]{0,16})?\\?[\"'`\])]{0,3}"
_QUOTED = r"[a-zA-Z@$]{0,2}\\?[\"'`]\\?[^\s][^\s\"'`]{3}"
_BARE = r"[^\s\"'`(){}\[\]<>;,=]{0,60}"
_MIXED = rf"(?:{_BARE}[A-Za-z]{_BARE}[0-9!@#$%^&*]|[0-9!@#$%^&*]{_BARE}[A-Za-z])"
_ASSIGNED = (
    rf"({_STEM}){_REST}(?:"
    rf"(?:\s(?:string|str|text)\b)?\s{{0,24}}(?:[:=!<>\-]{{1,3}}|,|\(|\bis\b)\s{{0,8}}{_QUOTED}"
    rf"|\s{{0,8}}[:=>]{{1,2}}\s{{0,8}}{_MIXED}"
    r"|\s{0,2}[:=]\s{0,2}\$\{\w{1,40}:?[-=][^\s}]{4}"
    rf"|[^\n]{{0,60}}(?:\|\||\?\?|\bor\b)\s?{_QUOTED}"
    r"|\s{0,3}[,{]?\s{1,12}[\"']?(?:value|default|content)[\"']?\s{0,3}[:=]"
    r")"
    r"|(pass(?:w(?:or)?d|phrase)?|pwd|psw)[\w\-]{0,16}[\"']?\s?[:=>]\s?[a-z]{5}"
    r"|-[\w\-]{0,24}(passw(?:or)?d|pass|pwd|token|secret|key)\s[\"']?[^\s\"'\-<]{4}"
    rf"|(?:define|env|set)\s\w{{0,24}}({_STEM})\w{{0,16}}\s{{1,24}}[\"']?[^\s\"']{{4}}"
)
_FIRST = (
    r"pass|kennw|wachtw|contrase|senha|pwd|psw|pw|mdp|secret|cred|token|bearer|pat|key|auth|sess|sid|cookie|api|-|def|env"
    r"|set"
)

_QUOTE = r"\\{0,2}[\"'`]"
_AFTER = re.compile(
    r"(?P<rest>[\w.\-]{0,40}?)(?P<close>" + _QUOTE + r"?\]?\)?)"
    r"(?:"
    r"(?P<pair>\s{0,3}[,{]?\s{0,12}[\"']?\b(?:value|Value|default|content)[\"']?\s{0,3}[:=]\s{0,3})"
    r"|(?P<sep>(?:"
    r"\s{0,24}(?:(?:string|str|text)\b\s?)?(?::[ \t]*[A-Za-z][\w.\[\]<>?|& ]{0,30}?)?\s{0,3}(?:[!=]==?|:=|=>|->|=)"
    r"|\s{0,20}:{1,2}|\s{0,3},|\s{0,2}\(|>)"
    r"[ \t]{0,20}(?:\n[ \t]{1,20})?"
    r"(?:[\w.$\[\]\"'(), ]{1,60}?\s{0,3}(?:\|\||\?\?|\bor\b)\s{0,3})?)"  # what is taken where a variable is not set
    r"|(?P<space>[ \t]{1,24})"
    r")"
    r"(?:[bBrRuUfFL@$]{0,2}(?P<quote>" + _QUOTE + r")(?P<text>(?:(?!(?P=quote))[^\n]){1,512})(?P=quote)"
    r"|(?P<bare>\$\{\w+:?[-=][^\s}]{4,256}\}|[^\s\"'`;,()\[\]{}<>]{1,512}))"
)
_BEFORE = re.compile(r"[\w.\-$]{0,48}\Z")
_WORD_BEFORE = re.compile(r"([A-Za-z]{2,20}) \Z")
_DEFAULT = re.compile(r"\$\{\w+:?[-=]([^}]+)\}")
_LINE_REST = re.compile(r"[ \t]*(?:[#\n\r]|//|\Z|\\[nr])")
_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?)-----|PuTTY-User-Key-File-\d: ")
_BODY = re.compile(
    r"(?:\\[nr]|[\s\"'+,\\|>#*]){0,40}(?:[A-Za-z\-]{3,24}: [^\n\\]{1,120}(?:\\[nr]|\s){1,8}){0,8}[A-Za-z0-9+/=]{16}"
)
_KEY_LINES = re.compile(r"(?:[A-Za-z0-9+/=\s\\]|[A-Za-z\-]{3,24}: [^\n]{0,120})*")


@functools.cache
def _seek() -> Seek:
    return seeker(_ASSIGNED, _FIRST)


def find(text: str, field: str = "") -> list[Finding]:
    """The secrets of a text, see the module; ``field`` is the name under which the text stood. They may overlap."""
    found = list(_findings("field-name", _of_field(text, field))) if field else []
    for which in _sift()(text):
        rule, look = _SORTS[which]
        found.extend(_findings(rule, look(text)))
    if "PRIVATE KEY" in text or "PuTTY-User-Key" in text:
        found.extend(_findings("private-key", _private_keys(text)))
    return found


@functools.cache
def _sift() -> Sieve:
    return sieve((_ASSIGNED, TELLING, NEAR))


def _findings(rule: str, places: Iterable[Place]) -> Iterator[Finding]:
    for start, end, kind, score in places:
        yield Finding(category="secrets", kind=kind, tier="hard", start=start, end=end, score=score, rule=rule)


def _of_field(text: str, field: str) -> Iterator[Place]:
    """The whole text, where its field promises a secret."""
    value = text.strip()
    kind = _judge(promise(field), value, quoted=True) if 4 <= len(value) <= 4096 else ""
    if kind:
        start = text.index(value)
        yield start, start + len(value), kind, 0.9


def _judge(what: Promise, value: str, *, quoted: bool) -> str:
    """The kind of secret that a value is under a name, or nothing."""
    if what == Promise.PASSWORD:
        return "password" if (values.is_password(value) if quoted else values.is_chosen(value)) else ""
    if what == Promise.SECRET:
        return "secret" if values.is_token(value) or (quoted and values.is_careful(value)) else ""
    if what == Promise.TOKEN:
        return "token" if values.is_token(value, 12) else ""
    return "secret" if what == Promise.VAGUE and values.is_strong_token(value) else ""


def _assigned(text: str) -> Iterator[Place]:
    """Values beside a name."""
    after = 0
    for stem, end in _seek()(text):
        match = _AFTER.match(text, end) if stem >= after else None
        if match is None:
            continue
        head = _BEFORE.search(text, max(0, stem - 48), stem)
        start = head.start() if head else stem
        name = text[start:end] + match["rest"].rstrip(".-")
        if start == stem and text[stem:end].lower() in {"key", "secret", "token"}:
            word = _WORD_BEFORE.search(text, max(0, start - 24), start)
            name = f"{word[1]}_{name}" if word else name
        what = promise(name)
        if what == Promise.NOTHING or not _assigns(text, start, match, what):
            continue
        place = _value(text, start, name, match, what)
        if place is not None:
            after = place[1]
            yield place


def _assigns(text: str, start: int, match: re.Match[str], what: Promise) -> bool:
    """Whether what stands between name and value hands the value to the name."""
    quoted = match["text"] is not None
    ahead = text[start - 1] if start else "\n"
    if ahead == "/" and DIGEST_OF.search(text, max(0, start - 16), start) is not None:
        return False  # checksum/secret: …
    if match["pair"] is not None:
        return True
    if match["space"] is not None:
        flag = text[start : start + 1] == "-" and not quoted
        told = text[max(0, start - 8) : start].upper().rstrip().endswith(("DEFINE", "ENV", "SET", "BY", "WITH"))
        return flag or (quoted and (what == Promise.PASSWORD or told)) or (told and text[start : start + 1].isupper())
    sep = match["sep"].strip()
    if quoted and match["close"] == "" and match["quote"].endswith(ahead):
        return False  # "Password:" and what follows it: the quote closes
    if sep == ",":
        return quoted and match["close"] != ""
    if sep == "(":
        return quoted and match["close"] == ""
    if sep == ">":
        return not quoted and (ahead == "<" or match["close"] != "")
    return True


def _value(text: str, start: int, name: str, match: re.Match[str], what: Promise) -> Place | None:
    """Where the value stands, if it is a secret of the kind that was promised."""
    group = "text" if match["text"] is not None else "bare"
    at, value = match.start(group), match[group]
    default = _DEFAULT.fullmatch(value)
    if default:
        at, value = at + default.start(1), default[1]
    elif group == "bare":
        value = _trimmed(text, start, value)
    behind = text[at + len(value) : at + len(value) + 1]
    if group == "bare" and (behind == "(" or (match["sep"] == ">" and behind != "<")):
        return None
    inner = value.strip(" \"'\\")
    at += value.find(inner) if inner else 0
    quoted = group == "text" or default is not None or _is_configuration(text, name, match, at + len(inner))
    if match["sep"] is not None and match["sep"].strip() == "," and text[max(0, start - 2) : start - 1] != "(":
        quoted = False  # a list of words; only the first argument of a call is a name for the second
    kind = _judge(what, inner, quoted=quoted)
    if not kind and ";" in inner and what == Promise.PASSWORD and values.is_chosen(inner.split(";", maxsplit=1)[0]):
        inner, kind = inner.split(";", maxsplit=1)[0], "password"
    return (at, at + len(inner), kind, 0.9 if quoted else 0.8) if kind else None


def _trimmed(text: str, start: int, value: str) -> str:
    """A bare value without what follows it: the next parameter of a query, an escaped line end, a full stop."""
    if start and text[start - 1] in "?&":
        value = re.split(r"[&#]", value, maxsplit=1)[0]
    value = re.split(r"\\[nrt]|&(?:amp|quot|lt|gt);", value, maxsplit=1)[0]
    return value.rstrip(".,:;")


def _is_configuration(text: str, name: str, match: re.Match[str], end: int) -> bool:
    """Whether a bare value stands in configuration, where values need no quotes: .env, YAML, INI, XML, a flag.

    A line of code reads alike (``password = generated``); a constant's name without spaces around ``=``, an element of
    XML, a flag and a connection string do not.
    """
    if match["space"] is not None or match["pair"] is not None:
        return True
    sep = match["sep"]
    if sep == ">" or (sep == "=" and text[end : end + 1] in {";", "&"}):
        return True
    if not _LINE_REST.match(text, end):
        return False
    return (sep == "=" and name.upper() == name) or (sep == ": " and name.lower() == name and "." not in name)


def _private_keys(text: str) -> Iterator[Place]:
    """Blocks with a private key: whole, on one line, cut off; not a header that code compares with."""
    for head in _BLOCK.finditer(text):
        cut_off = not text[head.end() :].strip()
        if head[1] is not None and _BODY.match(text, head.end()) is None and not cut_off:
            continue
        foot = f"-----END {head[1]}-----"
        close = text.find(foot, head.end()) if head[1] else -1
        lines = _KEY_LINES.match(text, head.end())
        end = close + len(foot) if close >= 0 else lines.end() if lines else head.end()
        yield head.start(), end, "private_key", 1.0


_SORTS = (
    ("assigned-secret", _assigned),
    ("said-secret", said),
    ("token-near-word", near),
)  # as :func:`_sift` counts them
