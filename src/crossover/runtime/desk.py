"""From ``[privacy]`` to a desk: the detector with the user's own rules, and the matrices by key and by name."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from crossover.config.privacy import profiles
from crossover.config.settings import PrivacySettings, RuleSettings, Settings
from crossover.gateway.labels import HeaderRule
from crossover.privacy.classify import Classifier
from crossover.privacy.clearance import Desk
from crossover.privacy.detector import Detector, shipped
from crossover.privacy.field_rules import FieldRule, by_field
from crossover.privacy.policy import OFF, Profile
from crossover.privacy.presidio import finder as presidio
from crossover.privacy.rules import finder, rulebook
from crossover.privacy.user_rules import user_rule, words_of
from crossover.privacy.words import Find, Rule


def desk(settings: Settings, secret: bytes, before: Classifier | None) -> tuple[Desk, Classifier] | None:
    """The desk of these settings and its classifier; None where every profile in force is off.

    A classifier ``before`` that was made of the same settings goes on, with what it remembers. Raises InputError where
    a rule of the user or a trained model cannot be used, MissingExtraError where Presidio is asked for and absent.
    """
    choose = Profiles(settings)
    if choose.off:
        return None
    made = _made_of(settings.privacy)
    if before is None or before.made_of != made:
        before = Classifier(detector(settings.privacy), secret=secret, made_of=made)
    made_desk = Desk(
        classify=before.classify, findings=before.findings, profiles=choose, version=before.version, secret=secret
    )
    return made_desk, before


class _Made(NamedTuple):
    """Everything that decides what a detector finds: the settings, and the state of the files they name."""

    names: bool
    health: bool
    presidio: bool
    models: str | None
    rules: tuple[tuple[str, RuleSettings], ...]
    files: tuple[tuple[str, int, int], ...]


def detector(settings: PrivacySettings) -> Detector:
    """The detector of these settings: the shipped one, with the user's own rules and models."""
    return _detector(_made_of(settings))


@lru_cache(maxsize=4)  # it takes a tenth of a second, and remembers nothing of what it sees
def _detector(made: _Made) -> Detector:
    rules, fields = own_rules(made.rules)
    more: dict[str, Find] = {}
    if fields:
        more["fields"] = by_field(fields)
    if made.presidio:
        more["presidio"] = presidio()
    looks = shipped(names=made.names, health=made.health, rules=rules, more=more, models=made.models)
    # The first request need not wait for it; the end of the process does, because a thread that is cut off inside of
    # RE2 takes the process with it (abort instead of the exit code of a short command). Said outright, because a
    # thread is what its maker is, and a client's loop runs in a daemon.
    threading.Thread(target=looks.warm, name="privacy warms up", daemon=False).start()
    return looks


def own_rules(settings: Iterable[tuple[str, RuleSettings]]) -> tuple[list[Rule], list[FieldRule]]:
    """The user's rules for texts, and those for fields by their name. Raises FileError for a file of words."""
    rules: list[Rule] = []
    fields: list[FieldRule] = []
    for name, one in settings:
        words = one.words if one.file is None else words_of(Path(one.file))
        if one.field is not None:
            fields.append(FieldRule(name, one.field, _holds(name, one), one.category))
        elif one.header is None:
            rules.append(
                user_rule(
                    name, pattern=one.pattern or "", words=words, category=one.category, ignore_case=one.ignore_case
                )
            )
    return rules, fields


def header_rules(settings: Settings) -> tuple[HeaderRule, ...]:
    """The rules that look at headers, which only the HTTP door sees."""
    return tuple(
        HeaderRule(one.header.lower().encode(), _holds(name, one), one.category)
        for name, one in settings.privacy.rules.items()
        if one.header is not None
    )


def _holds(name: str, rule: RuleSettings) -> Callable[[str], bool]:
    """Whether a value of the header or field is meant: any, or one that holds the pattern."""
    if rule.value is None:
        return bool
    look = finder(rulebook([user_rule(name, pattern=rule.value, ignore_case=rule.ignore_case)]))
    return lambda value: bool(look(value))


def _made_of(settings: PrivacySettings) -> _Made:
    files = [one.file for one in settings.rules.values() if one.file is not None]
    if settings.models is not None:
        files += sorted(str(path) for path in Path(settings.models).glob("*"))
    seen = tuple((file, *_state(Path(file))) for file in files)
    rules = tuple(settings.rules.items())
    return _Made(settings.names, settings.health, settings.presidio, settings.models, rules, seen)


def _state(file: Path) -> tuple[int, int]:
    try:
        found = file.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


class Profiles:
    """Which matrices judge a request: those of its key and of its name; where neither says one, the file's."""

    def __init__(self, settings: Settings) -> None:
        known: Mapping[str, Profile | None] = {**profiles(settings), OFF: None}
        own = settings.privacy
        self._default = _some(known[own.profile])
        self._by_key = {key: known[name] for key, name in own.keys.items()}
        self._by_route = {name: known[one.privacy] for name, one in settings.aliases.items() if one.privacy is not None}
        said = (known[own.profile], *self._by_key.values(), *self._by_route.values())
        self.off = all(one is None for one in said)

    def __call__(self, key: str, route: str) -> tuple[Profile, ...]:
        """The profiles for a key's id and a route's name: of several the strictest action counts."""
        if key not in self._by_key and route not in self._by_route:
            return self._default
        return (*_some(self._by_key.get(key)), *_some(self._by_route.get(route)))


def _some(one: Profile | None) -> tuple[Profile, ...]:
    return () if one is None else (one,)
