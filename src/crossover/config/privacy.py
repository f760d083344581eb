"""What must hold in ``[privacy]``, and its profiles as matrices."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

from crossover.config.settings import RuleSettings, Settings
from crossover.errors import FileError, InputError, nearest
from crossover.privacy import presidio
from crossover.privacy.policy import NARRATIVE, OFF, OPAQUE, PROFILES, Profile, profile
from crossover.sensitivity import CATEGORIES

_Path: TypeAlias = tuple[str, ...]
_Found: TypeAlias = Iterator[tuple[_Path, str, str | None]]
_HEADER = re.compile(r"[A-Za-z0-9-]{1,100}")
_SHAPES = ("pattern", "words", "file", "header", "field")
_KEY = re.compile(r"key_[0-9a-f]+")
# What others call a kind or category: field names of forms, entities of other detectors.
_ALSO = {
    "card": "payment_card", "credit_card": "payment_card", "pan": "payment_card", "cvv": "card_security_code",
    "ssn": "social_security_number", "us_ssn": "social_security_number", "dob": "date_of_birth",
    "birthday": "date_of_birth", "name": "person", "names": "person", "ip": "ip_address", "mac": "mac_address",
    "phone_number": "phone", "email_address": "email", "mail": "email", "mrn": "medical_record_number",
    "location": "address", "images": "opaque", "image": "opaque", "files": "opaque", "audio": "opaque",
    "phi": "health", "medical": "health", "pii": "identifiers", "keys": "secrets", "credentials": "secrets",
}  # fmt: skip


def profiles(settings: Settings) -> dict[str, Profile]:
    """Every profile by its name: those that ship, and those of the file, which stand on each other."""
    found = dict(PROFILES)
    waiting = dict(settings.privacy.profiles)
    while waiting:
        ready = [name for name, one in waiting.items() if one.base in found]
        if not ready:  # a circle or an unknown name: said by privacy_problems
            break
        for name in ready:
            one = waiting.pop(name)
            found[name] = profile(name, found[one.base], one.actions, one.zones)
    return found


def privacy_files(settings: Settings) -> list[Path]:
    """The files that ``[privacy]`` names, whose content decides what is found: of words, and of trained models."""
    files = [Path(rule.file) for rule in settings.privacy.rules.values() if rule.file is not None]
    if settings.privacy.models is not None:
        folder = Path(settings.privacy.models)
        files += [folder, *sorted(folder.glob("*"))]
    return files


def privacy_problems(settings: Settings) -> _Found:
    """(path, what is wrong, what would be right) for everything that cannot hold."""
    yield from _chosen(settings)
    yield from _profiles(settings)
    kinds = _Kinds(settings)
    for name, one in settings.privacy.profiles.items():
        places: list[tuple[Mapping[str, object], _Path]] = [(one.actions, ("actions",))]
        for zone, own in one.zones.items():
            if zone not in settings.zones:
                yield (
                    ("privacy", "profiles", name, "zones", zone),
                    f"unknown zone {zone!r}",
                    _near(zone, settings.zones),
                )
            places.append((own, ("zones", zone)))
        for rows, below in places:
            for row in rows:
                if row not in kinds:
                    yield ("privacy", "profiles", name, *below, row), f"nothing is called {row!r}", kinds.near(row)
    for name, rule in settings.privacy.rules.items():
        if name in CATEGORIES or name == OPAQUE:
            yield ("privacy", "rules", name), f"{name} is a row of every profile", "Choose another name"
        yield from _rule(name, rule)


def privacy_notes(settings: Settings) -> Iterator[str]:
    """What of ``[privacy]`` is allowed and still worth saying."""
    own = settings.privacy
    if own.profile == OFF:
        yield "privacy: it is off: nothing is looked at, and only labels and the law keep anything at home"
    for name, alias in settings.aliases.items():
        if alias.privacy == OFF and own.profile != OFF:
            yield f"aliases.{name}: privacy is off: nobody looks at what comes under this name"
    for key, chosen in own.keys.items():
        if chosen == OFF and own.profile != OFF:
            yield f"privacy.keys.{key}: privacy is off: nobody looks at what comes with this key"
    for name, one in own.profiles.items():
        for rows in (one.actions, *one.zones.values()):
            for row in (OPAQUE, *sorted(NARRATIVE)):
                if rows.get(row) == "redact":
                    yield f"privacy.profiles.{name}: {row} has no value to replace, so redact counts as local_only"


def _chosen(settings: Settings) -> _Found:
    """Profiles named by the file, by names and keys; keys themselves; what must be installed."""
    known = (*PROFILES, *settings.privacy.profiles, OFF)
    named: list[tuple[str | None, _Path]] = [(settings.privacy.profile, ("privacy", "profile"))]
    named += [(alias.privacy, ("aliases", name, "privacy")) for name, alias in settings.aliases.items()]
    named += [(name, ("privacy", "keys", key)) for key, name in settings.privacy.keys.items()]
    for said, path in named:
        if said is not None and said not in known:
            yield path, f"unknown profile {said!r}", _near(said, known)
    for key in settings.privacy.keys:
        if not _KEY.fullmatch(key):
            yield ("privacy", "keys", key), f"{key!r} is no id of a key", "`crossover keys list` shows them: key_…"
    if settings.privacy.presidio and not presidio.installed():
        yield ("privacy", "presidio"), "Presidio is not installed here", "Install it: pip install presidio-analyzer"


def _profiles(settings: Settings) -> _Found:
    own = settings.privacy.profiles
    built = profiles(settings)
    for name, one in own.items():
        if name in PROFILES or name == OFF:
            yield ("privacy", "profiles", name), f"{name} is a profile that ships", "Choose another name"
        elif one.base not in own and one.base not in PROFILES:
            yield (
                ("privacy", "profiles", name, "base"),
                f"unknown profile {one.base!r}",
                _near(one.base, (*PROFILES, *own)),
            )
        elif name not in built:
            yield ("privacy", "profiles", name, "base"), "stands on itself", f"Known: {', '.join(PROFILES)}"


class _Kinds:
    """The words that a row of a matrix may have: categories first; kinds are read only where one is named."""

    def __init__(self, settings: Settings) -> None:
        self._rules = tuple(settings.privacy.rules)
        self._all: frozenset[str] | None = None

    def _known(self) -> frozenset[str]:
        if self._all is None:
            from crossover.privacy.detector import kinds

            self._all = frozenset({*CATEGORIES, OPAQUE, *kinds(), *self._rules})
        return self._all

    def __contains__(self, name: str) -> bool:
        return name in CATEGORIES or name == OPAQUE or name in self._known()

    def near(self, name: str) -> str:
        if name.lower() in _ALSO:
            return f"Did you mean {_ALSO[name.lower()]}?"
        return _near(name, sorted(self._known())) or f"Categories: {', '.join(CATEGORIES)}; kinds: docs/privacy.md"


def _rule(name: str, rule: RuleSettings) -> _Found:
    path: _Path = ("privacy", "rules", name)
    said = [shape for shape in _SHAPES if getattr(rule, shape)]
    if len(said) != 1:
        message = f"says {' and '.join(said)}" if said else "says nothing"
        yield path, message, f"Write exactly one of {', '.join(_SHAPES)}"
        return
    if rule.value is not None and said[0] not in ("header", "field"):
        yield (*path, "value"), "belongs to header or field", f"Put it into {said[0]}"
        return
    if rule.header is not None and not _HEADER.fullmatch(rule.header):
        yield (*path, "header"), f"{rule.header!r} is no header's name", 'Write it like "x-department"'
    if rule.pattern is not None or rule.words or rule.value is not None:
        from crossover.privacy.user_rules import user_rule

        field = "value" if rule.value is not None else said[0]
        try:
            user_rule(name, pattern=rule.value or rule.pattern or "", words=rule.words, category=rule.category)
        except InputError as error:
            yield (*path, field), error.message, error.hint
    if rule.file is not None:
        from crossover.privacy.user_rules import words_of

        try:
            words_of(Path(rule.file))
        except FileError as error:
            place = error.file if error.line is None else f"{error.file}:{error.line}"
            yield (*path, "file"), f"{place}: {error.message}", error.hint


def _near(name: str, known: Mapping[str, object] | tuple[str, ...] | list[str]) -> str | None:
    close = nearest(name, tuple(known))
    if close:
        return f"Did you mean {' or '.join(close)}?"
    return f"Known: {', '.join(known)}" if len(known) <= 12 and known else None
