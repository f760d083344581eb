"""Secrets that somebody tells: "the password is …", "mein Passwort lautet …"; tokens near a word that names them."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import TypeAlias

from crossover.privacy import secret_values as values
from crossover.privacy.late import Late
from crossover.privacy.seeking import Seek, seeker

Place: TypeAlias = tuple[int, int, str, float]  # start, end, kind, score

# Nouns for what opens a door: English, German, French, Spanish, Italian, Portuguese, Dutch, Polish, Czech, Swedish,
# Danish, Norwegian, Finnish, Turkish, Russian, Ukrainian, Chinese, Japanese, Korean.
_PASSWORDS = (
    r"pass ?(?:word|phrase|code)|passwd|pwd|\bpw\b|passwort|kennwort|zugangscode|mots? de passe|code d'acc[eè]s"
    r"|contrase[ñn]a|palabra clave|clave(?: secreta| de acceso)?|parola d'ordine|senha|palavra-passe|wachtwoord"
    r"|toegangscode|has[łl]o|heslo|l[öo]senord|adgangskode|passord|salasana|[şs]ifre|parola|парол[ья]"
    r"|密码|密碼|口令|パスワード|暗証番号|비밀번호"
)
_PINS = (
    r"\bpin(?:[- ]?(?:code|number|nummer))?\b"
    r"|(?:door|gate|alarm|safe|entry|security|unlock|access|vault|backup|recovery|2fa|mfa|otp) (?:codes?|combination)\b"
)
_KEYS = (
    r"(?:api|secret|access|private|auth(?:entication)?|encryption|licen[sc]e|master|account|storage|signing|shared)"
    r"[-_ ]?keys?\b|secrets?\b|tokens?\b|cred(?:ential)?s?\b|zugangsdaten|api-schl[üu]ssel|schl[üu]ssel"
    r"|cl[ée] (?:api|secr[eè]te|d'acc[eè]s|priv[ée]e)|jetons?\b|chiave (?:api|segreta|privata)"
    r"|chave (?:de api|secreta|privada)|sleutel|клю[чк]|токен|密钥|秘钥|令牌|トークン"
)
_IS = (
    r"is|was|are|be|been|becomes|reads|says|ist|war|lautet|hei(?:ß|ss)t|est|[ée]tait|c'est|es|era|sera|ser[áà]|[éèe]"
    r"|luidt|jest|brzmi|[äa]r|er|on|je|to|это|будет|now|still|currently|jetzt|nun|maintenant|ahora|adesso|agora|nu"
)
_LINK = (
    rf"(?:\s*[:=：]\s*|\s+(?:-|–|—|->|→)\s+|(?:\s+(?:{_IS})\b)+\s*:?\s*"
    r"|\s*(?:是|为|為|は|는|은|が)\s*)"
)
_AS = r"as|is|was|als|ist|comme|est|como|es|come|è|é"  # "use … as the root password"
_AS_WORDS = frozenset(_AS.split("|"))
_OPEN, _CLOSE = r"[\"'`“„«「『*]{1,3}", r"[\"'`”“»」』*]{1,3}"

# Where a sentence could tell something: a noun and, close behind, what links it to a value that looks like one. In the
# syntax that RE2 and re share.
_SOMETHING = (
    rf"(?:{_OPEN}[^\s\"'`]{{4}}|[^\s]{{0,40}}[^\s0-9][^\s]{{0,20}}[0-9!@#$%^&*]|[0-9][^\s]{{3}}"
    r"|[a-z]{5,20}(?:[.!\n]|$)|[^\s/:|,]{2,40}\s?[/:|]\s?[^\s]{5})"
)
TELLING = (
    rf"({_PASSWORDS}|{_PINS}|{_KEYS}|log(?:in|on)\b)\w{{0,3}}[)\]*”]{{0,2}}"
    rf"(?:[^\n:=：]{{0,48}}?(?:[:=：]|\s(?:{_IS})\s|\s[-–—>]{{1,2}}\s|[是为為は는은が])\s{{0,3}}|\s){_SOMETHING}"
    r"|(pass ?phrase)\b[^\n:]{0,40}?(?::|\sis)\s(?:[a-z]{3,12}[ \-]){3}"
    rf"|[0-9!@#$%^&*][\"'`”»]?\s(?:{_AS})\s(?:[^\s]{{1,12}}\s){{0,3}}({_PASSWORDS})"
)
_FIRST_TELLING = (
    r"pass|pwd|pw|kennw|zugang|mots? de|code d|contrase|palabra|clave|parola|senha|palavra|wachtw|toegang|hasł|hasl"
    r"|hesl|lös|los|adgang|salas|şifr|sifr|парол|密|口令|パス|暗証|비밀|pin|door|gate|alarm|safe|entry|secur|unlock|access|vault"
    r"|api|secret|private|auth|encry|licen|master|account|storag|signin|shared|token|cred|schl|clé|cle |jeton|chiave"
    r"|chave|sleut|клю|токен|秘|令牌|トーク|log|backup|recov|2fa|mfa|otp"
    rf"|[0-9!@#$%^&*][\"'`”»]?\s(?:{_AS})\s"
)
_THING = rf"(?:(?P<password>{_PASSWORDS})|(?P<pin>{_PINS})|(?P<key>{_KEYS}))\w{{0,3}}[)\]*”]{{0,2}}"
_WHAT = (
    rf"(?:{_OPEN}(?P<quoted>[^\s\"'`“”«»「」『』*,][^\n\"'`“”«»「」『』*]{{2,80}}){_CLOSE}"
    r"|(?P<bare>[^\s\"'`“”„«»「」『』*，。、]{4,512}))"
)
_OF = rf"(?:\s+(?!(?:{_IS})\b)[^\s:=：.!?;,\"'`]{{1,24}}){{0,8}}?"  # "for the staging server"
_LINKED = Late(_THING + _OF + _LINK + _WHAT, re.IGNORECASE)
_BESIDE = Late(_THING + r"\s+" + _WHAT, re.IGNORECASE)
_PAIR = Late(
    r"(?:cred(?:ential)?s?|log(?:in|on)(?: data| details)?|zugangsdaten|identifiants|credenciales|credenziali"
    r"|credenciais)\b[^\n:]{0,40}?(?::|\b(?:is|are|sind|sont|son|sono|são)\b)\s*[^\s/:|,]{2,64}\s*[/:|,]\s*"
    r"(?P<password>[^\s,;]{5,80})",
    re.IGNORECASE,
)
_PHRASE = Late(
    r"pass ?phrase\b[^\n:]{0,40}?(?::|\bis\b)\s*((?:[a-z]{3,12}[ \-]){3,11}[a-z]{3,12})[.!]?[ \t]*(?:\n|\Z)",
    re.IGNORECASE,
)
_OWNED = Late(
    r"(?:\b(?:my|our|the|his|her|their|wi-?fi|router|login|admin|root|database|server|das|mein|meine|unser|dein|ihr|mon"
    r"|notre|le|mi|nuestra|la|mia|il|minha|nossa|a|mijn|ons|het|moje|mitt|min)\s+(?:[\w\-]+\s+){0,3})\Z",
    re.IGNORECASE,
)
_STATE = Late(
    r".*(?:ed|ing|ly|able|ible|ive|ous|ful|less|al|ic|ent|ant|ory|ary|ment|tion|ness|isch|lich|bar|iert|ado|ada|ido|ida"
    r"|ato|ata|ito|ita|eux|euse|ique|oire|ée?|isé|ivo|iva|oso|osa)"
)

_NAMES = (
    r"(?:secret|token\b|unseal|pass(?:word|phrase|code)|passwort|kennwort|credential|bearer|\bkeys?\b|api.?key"
    r"|schl[üu]ssel|mot de passe|\bcl[ée]\b|jeton|contrase[ñn]a|\bclave\b|senha|\bchave\b|\bchiave\b|wachtwoord|sleutel"
    r"|ключ|токен|парол|密钥|密码|令牌|トークン)"
)
NEAR = (
    rf"{_NAMES}(?:[^\n]{{0,80}}?[^A-Za-z0-9_\-+/=.~\n]|[^\n]{{0,60}}\n\s{{0,8}}[\"'`*]{{0,3}})"
    r"([A-Za-z0-9_\-+/=.~]{20,})"
)
_FIRST_NEAR = (
    r"secret|token|unseal|pass|kennw|creden|bearer|key|api|schl|mot de|cl[ée]|jeton|contrase|clave|senha|chave|chiave"
    r"|wachtw|sleut|ключ|токен|парол|密|令牌|トーク"
)
DIGEST_OF = Late(r"(?:checksum|digest|hash|sha\d{1,3})/\Z")
_PGP = Late(r"[0-9A-F]{40}")  # the fingerprint of a public key
_FOR = Late(_NAMES, re.IGNORECASE)
_AGAINST = Late(
    r"sha-?\d*\b|md5|commit|hash|checksum|digest|integrity|fingerprint|revision|\bid\b|\w_id\b|uuid|guid|etag|image"
    r"|public|pub\b|signature|nonce|address|\btx|transaction|\bblock|\bcid\b|ssh-(?:rsa|ed25519|dss)|ecdsa-|certificate"
    r"|https?://|contract|wallet|data:|base64|tokeniz|\btokens\b|cache|idempot|partition|foreign"
    r"|primary|cursor|page|request|trace|span",
    re.IGNORECASE,
)


@functools.cache
def _telling() -> Seek:
    return seeker(TELLING, _FIRST_TELLING)


@functools.cache
def _near() -> Seek:
    return seeker(NEAR, _FIRST_NEAR)


def said(text: str) -> Iterator[Place]:
    """Passwords, PINs and keys in sentences."""
    after = 0
    for start, _ in _telling()(text):
        place = (_told(text, start) or _paired(text, start) or _earlier(text, start)) if start >= after else None
        if place is not None:
            after = place[1]
            yield place


def _told(text: str, start: int) -> Place | None:
    """What the sentence says that the noun at ``start`` is."""
    for shape, linked in ((_LINKED, True), (_BESIDE, False)):
        match = shape.match(text, start)
        if match is None:
            continue
        group = "quoted" if match["quoted"] is not None else "bare"
        value = match[group] if group == "quoted" else _without_stop(match[group])
        if _tells(text, match, value, linked=linked):
            kind = "pin" if match["pin"] else "password" if match["password"] else "secret"
            at = match.start(group)
            return at, at + len(value), kind, 0.8 if group == "quoted" else 0.7
    return None


def _earlier(text: str, start: int) -> Place | None:
    """What stands before its noun ("use … as the root password"), and a phrase of several words behind it."""
    begin = max(0, start - 96)
    before = text[begin:start].split()
    for at in range(len(before) - 1, max(0, len(before) - 5), -1):
        if before[at].casefold() in _AS_WORDS:
            value = before[at - 1].strip("\"'`“”„«»,:")
            if values.is_chosen(value) and any(map(str.isdigit, value)) and "/" not in value:
                found = text.rindex(value, begin, start)
                return found, found + len(value), "password", 0.7
            break
    phrase = _PHRASE.match(text, start)
    if phrase and values.is_password(phrase[1].replace("-", " ")):
        return phrase.start(1), phrase.end(1), "password", 0.7
    return None


def _paired(text: str, start: int) -> Place | None:
    """The second of two: "credentials: bob / …"."""
    match = _PAIR.match(text, start)
    value = match["password"].rstrip(".,:;)") if match else ""
    if match is None or not values.is_chosen(value):
        return None
    return match.start("password"), match.start("password") + len(value), "password", 0.7


def _without_stop(value: str) -> str:
    """A word without the mark that ends its sentence. One that could be part of a password stays."""
    value = value.rstrip(".,:;)]}>")
    return value[:-1] if value.endswith(("!", "?")) and value[:-1].isalpha() else value


def _tells(text: str, match: re.Match[str], value: str, *, linked: bool) -> bool:
    """Whether the value is what its noun promises. ``linked``: "is", a colon or the like stands between the two."""
    low = value.casefold()
    if low in values.words("said") or "://" in value or "=" in value.strip("=") or low.endswith(("'s", "’s")):
        return False
    quoted = match["quoted"] is not None
    if match["pin"]:
        digits = value.replace(" ", "").replace("-", "")
        return linked and (
            (digits.isdigit() and 4 <= len(digits) <= 8) or (value.isascii() and values.is_chosen(value))
        )
    if match["key"]:
        if DIGEST_OF.search(text, max(0, match.start() - 16), match.start()) is not None:
            return False  # checksum/secret: …
        return linked and (values.is_token(value) or values.is_careful(value))
    if quoted:
        return values.is_password(value) or (linked and values.is_chosen(value))
    if not linked:
        return values.is_chosen(value) and any(map(str.isdigit, value)) and any(map(str.isalpha, value))
    if value.isdigit():
        return 4 <= len(value) <= 16 and not values.is_patterned(value)
    return values.is_chosen(value) or _is_plain_word(text, match, value)


def _is_plain_word(text: str, match: re.Match[str], value: str) -> bool:
    """A single word that ends its sentence: "the wifi password is sunflower." A state ("is expired.") is none."""
    if not (value.isalpha() and value.islower() and 5 <= len(value) <= 20) or _STATE.fullmatch(value):
        return False
    end = match.start("bare") + len(value)
    if text[end : end + 1] not in {"", ".", "!", "\n"} or values.is_placeholder(value):
        return False
    return bool(_OWNED.search(text, max(0, match.start() - 48), match.start()))


def near(text: str) -> Iterator[Place]:
    """Tokens that are random beyond doubt behind a word for a secret, on its line or on the next one."""
    for start, end in _near()(text):
        value = text[start:end].rstrip(".")
        if values.is_strong_token(value) and not _PGP.fullmatch(value) and _is_named(text, start):
            yield start, start + len(value), "secret", 0.7


def _is_named(text: str, start: int) -> bool:
    """Whether the last word of weight before a token speaks of a secret, and none of what is harmless."""
    lines = text[max(0, start - 96) : start].split("\n")
    while len(lines) > 1 and not lines[-1].strip(" \t*>`#"):
        lines.pop()
    before = lines[-1]
    if before.endswith(("/", "@", "\\")):
        return False
    names = list(_FOR.finditer(before))
    if not names or _AGAINST.search(before, names[-1].end()):
        return False
    return not _AGAINST.search(before, max(0, names[-1].start() - 12), names[-1].start())
