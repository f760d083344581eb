"""Rules in force: read from data files, compiled, proved by their own examples, and tried on a text.

The gate chooses which rules are tried; the trying is one code path whatever the gate. Shipped patterns are tried by the
standard library (they are written so that none takes long), users' patterns by RE2.
"""

from __future__ import annotations

import logging
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from crossover.errors import FileError, InputError, nearest
from crossover.privacy import stored, verify
from crossover.privacy.context import BEHIND, Scan
from crossover.privacy.gate import Gate, GateError, PlainGate, SetGate, library, options, readable
from crossover.privacy.phrases import Phrases
from crossover.privacy.verify.contact import next_number
from crossover.privacy.words import Find, Finding, Rule

BOOKS = ("identifiers", "secrets")  # data files with rules
_LOG = logging.getLogger("crossover.privacy")
_THOUSANDS, _LONGEST_GROUP = 3, 20  # digits of a group in a large number, and in any
_SEPARATORS, _GROUP = re.compile(r"[^A-Za-z0-9]+"), re.compile(r"[0-9]{1,20}")
_EXPIRY = re.compile(r"(?:0[1-9]|1[0-2])/?[2-4][0-9](?![0-9/-])")  # month and year
_EDGE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")
_TOKEN = re.compile(r"[A-Za-z0-9_]*")
_CUTS = 3  # how many groups a value may lose at its end before it is given up
_USERS_MEMORY = 8 << 20  # of one pattern


class Matcher:
    """One rule, ready to be tried. Its pattern is compiled, and proved by its example, when it is first needed."""

    __slots__ = ("_around", "_regex", "_verify", "cuts", "edges", "phrases", "rule", "users")

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.phrases = Phrases(rule.words) if rule.words else None
        self.edges = rule.edges
        self.cuts = not rule.group and (rule.category == "financial" or not rule.needs_context)
        self.users = _by_re2(rule) if rule.untrusted and not rule.words else None
        self._regex: re.Pattern[str] | None = None
        self._verify: Callable[[str], bool] | None = None
        self._around: Callable[[str, int, int], bool] | None = None

    @property
    def regex(self) -> re.Pattern[str]:
        """The pattern with its right edge. Raises InputError where it cannot be read."""
        if self._regex is None:
            rule = self.rule
            right = r"(?![A-Za-z0-9_])" if rule.edges and not rule.group else ""
            flags = re.ASCII | (re.IGNORECASE if rule.ignore_case else 0)
            try:
                self._regex = re.compile(f"(?:{rule.pattern}){right}", flags)
            except re.error as error:
                raise InputError(f"the pattern of rule {rule.id!r} cannot be read: {error}", field=rule.id) from None
            prove(self)
        return self._regex

    @property
    def verify(self) -> Callable[[str], bool]:
        """The check that the rule names. Raises InputError where there is none of that name."""
        if self._verify is None:
            self._verify = verify.function(self.rule.verify)
        return self._verify

    @property
    def around(self) -> Callable[[str, int, int], bool]:
        """What asks the text around a value. Raises InputError where the rule names no such function."""
        if self._around is None:
            self._around = verify.surroundings(self.rule.around)
        return self._around


class Rulebook:
    """Rules with their gate. Build it with :func:`rulebook`, ask it with :func:`find`."""

    __slots__ = ("gate", "matchers", "rules")

    def __init__(self, rules: Sequence[Rule], gate: Gate, matchers: Sequence[Matcher]) -> None:
        self.rules = tuple(rules)
        self.gate = gate
        self.matchers = tuple(matchers)


def load(*names: str) -> tuple[Rule, ...]:
    """The rules of shipped data files (``identifiers``), in their order. Raises FileError with the file and the row."""
    files = _files()
    known = stored.read(stored.digest(files), names, stored.place()) if files.keys() >= set(names) else None
    return known if known is not None else tuple(rule for name in names for rule in _read(name, files[name]))


def store(path: Path | None = None) -> None:
    """Keeps the shipped rules as they are read, for the next start (:mod:`crossover.privacy.stored`)."""
    files = _files()
    made_of, place = stored.digest(files), path or stored.place()
    if stored.read(made_of, tuple(files), place) is None:
        stored.write(made_of, {name: tuple(_read(name, content)) for name, content in files.items()}, place)


def _files() -> dict[str, bytes]:
    folder = resources.files("crossover.privacy").joinpath("data")
    return {name: folder.joinpath(f"{name}.toml").read_bytes() for name in BOOKS}


def _read(name: str, content: bytes) -> Iterator[Rule]:
    file = f"{name}.toml"
    return rows(tomllib.loads(content.decode()), file)


def rows(tree: dict[str, Any], file: str) -> Iterator[Rule]:
    """The rules of a parsed data file. A word list ``@name`` in ``context`` or ``unless`` stands for ``words.name``.

    Keys under ``defaults`` are those of every row that does not say otherwise. Raises FileError with the row.
    """
    lists: dict[str, list[str]] = tree.get("words", {})
    defaults: dict[str, Any] = tree.get("defaults", {})
    seen: set[str] = set()
    for number, row in enumerate(tree.get("rule", ()), start=1):
        name = f"rule {row.get('id', number)!r}" if isinstance(row, dict) else f"rule {number}"
        try:
            filled = {**defaults, **row}
            _known(filled, name, file)
            for field in ("context", "unless"):
                if field in filled:
                    filled[field] = _expanded(filled[field], lists)
            rule = msgspec.convert(filled, Rule, strict=False)
        except (msgspec.ValidationError, TypeError, KeyError) as error:
            raise FileError(f"{name}: {error}", file=file) from None
        if rule.id in seen:
            raise FileError(f"{name}: there are two of that id", file=file)
        seen.add(rule.id)
        yield rule


def rulebook(rules: Iterable[Rule], *, engine: str = "re2") -> Rulebook:
    """The rules behind a gate, which every example has passed.

    ``engine`` ``stdlib`` asks for the gate of the standard library; it also stands in, with a logged warning, where RE2
    is not installed, cannot hold the patterns or holds back an example. Each user's rule is tried on its example here,
    each shipped one when it is first needed: to try them all takes longer than all else at a start, and a test does.
    Raises InputError where a rule does not find its own example.
    """
    chosen = tuple(rules)
    matchers = [Matcher(rule) for rule in chosen]
    for matcher in matchers:
        if matcher.rule.untrusted or matcher.rule.words:
            prove(matcher)
    return Rulebook(chosen, _gate(chosen, engine), matchers)


def prove(matcher: Matcher) -> None:
    """Tries a rule on its example. Raises InputError where it does not find it."""
    rule = matcher.rule
    if rule.example and not any(True for _ in found(matcher, Scan(rule.example))):
        raise InputError(f"the rule {rule.id!r} does not find its own example", field=rule.id)


def find(book: Rulebook, text: str, field: str = "") -> list[Finding]:
    """Every finding in the text, in no order; they may overlap (:func:`crossover.privacy.merge.merge`)."""
    gate = book.gate
    scan = None if gate.engine == "re2" else Scan(text, field)  # RE2 looks nothing up in it
    fired = gate.fired(text, field, scan)
    if not fired:
        return []
    scan = scan or Scan(text, field)
    findings: list[Finding] = []
    for index in fired:
        findings.extend(found(book.matchers[index], scan))
    return findings


def finder(book: Rulebook) -> Find:
    """The rules as a detector of the one shape that all detectors have."""

    def look(text: str, field: str = "") -> Sequence[Finding]:
        return find(book, text, field)

    return look


def found(matcher: Matcher, scan: Scan) -> Iterator[Finding]:
    """What one rule finds."""
    if matcher.phrases is not None:
        for start, end in matcher.phrases.spans(scan.lowered):
            yield from _judged(matcher, scan, start, end)
    elif matcher.users is not None:
        for match in matcher.users.finditer(readable(scan.text)):
            start, end = match.span(matcher.rule.group)
            if start >= 0 and start < end and not (matcher.edges and _touches(scan.text, start, end)):
                yield from _judged(matcher, scan, start, end)
    else:
        yield from _searched(matcher, scan)


def _searched(matcher: Matcher, scan: Scan) -> Iterator[Finding]:
    """Every place where the shape stands; after one that is none, the search goes on inside of it.

    A value that needs a word is looked for near those words only.
    """
    rule = matcher.rule
    stretches = [(0, len(scan.text))]
    if rule.needs_context and not (rule.alone and scan.may_be_all()):
        words = scan.nearby(rule.context)
        stretches = words.stretches(rule.window, rule.reach, columns=rule.window > BEHIND)
    at = 0
    for first, last in stretches:
        at = max(at, first)
        while (match := matcher.regex.search(scan.text, at)) is not None and match.start(rule.group) <= last:
            start, end = match.span(rule.group)
            finding = None
            if 0 <= start < end and not (matcher.edges and _touches(scan.text, start, end)):
                finding = next(_judged(matcher, scan, start, end), None)
                if finding is None and rule.unless and _is_another(rule, scan, start, end):
                    at = max(end, match.start() + 1)  # nor is a piece of it
                    continue
            if finding is not None:
                yield finding
                at = max(finding.end, match.start() + 1)
            else:
                at = _next_start(scan.text, match.start(), skip=matcher.edges and not rule.group)


def _judged(matcher: Matcher, scan: Scan, start: int, end: int) -> Iterator[Finding]:
    """The finding, where what stands around the value and what its check says allow one."""
    rule = matcher.rule
    words = scan.nearby(rule.context) if rule.context else None
    near = words is not None and words.near(start, end, rule.window)
    if rule.needs_context and not near and not _is_meant(rule, scan, start, end):
        return
    if rule.unless and _is_another(rule, scan, start, end):
        return
    if rule.verify:
        end = _verified(matcher, matcher.verify, scan.text, start, end)
        if end < 0:
            return
        if rule.kind == "phone":
            end = _without_next(matcher, scan.text, start, end)
    score = 1 - (1 - rule.score) / 2 if near and not rule.needs_context else rule.score
    if rule.apart and _continues(scan.text, start, end):
        return
    if rule.around and not matcher.around(scan.text, start, end):
        return
    yield Finding(
        category=rule.category, kind=rule.kind, tier=rule.tier, start=start, end=end, score=score, rule=rule.id
    )


def _is_meant(rule: Rule, scan: Scan, start: int, end: int) -> bool:
    """Whether a value without a word near is all of the text, in a column under a word, or meant by one further off.

    A rule with a small window asks for its word right beside the value.
    """
    if rule.alone and scan.is_all(start, end):
        return True
    words = scan.nearby(rule.context)
    if rule.window > BEHIND and words.in_column(start):
        return True
    return rule.window >= BEHIND and words.meant(start, end, rule.reach)


def _is_another(rule: Rule, scan: Scan, start: int, end: int) -> bool:
    """Whether a word right before the value, or its own first letters, say that it is something else (an order).

    Unless one of the rule's own words stands right before that one ("passport serial no.") or is pointed at behind.
    """
    others = scan.nearby(rule.unless)
    if not others:
        return False
    label = others.right_before(start)
    if label < 0 and scan.text[start].isalpha():
        label = others.right_before(start + len(scan.text[start:end].partition(" ")[0]))
    if label < 0 or not rule.needs_context:
        return label >= 0
    words = scan.nearby(rule.context)
    return not (words.adjoins(label) or words.points_at(end))


def _verified(matcher: Matcher, check: Callable[[str], bool], text: str, start: int, end: int) -> int:
    """Where the value ends that passes the check, or -1.

    What follows a value may look like more of it ("4111 1111 1111 1111 12/27"): its last groups are given up in turn.
    """
    for _ in range(_CUTS):
        if check(text[start:end]):
            return end
        cut = max(text.rfind(" ", start, end), text.rfind("-", start, end)) if matcher.cuts else -1
        if cut < 0 or matcher.regex.fullmatch(text, start, cut) is None:
            return -1
        end = cut
    return -1


def _without_next(matcher: Matcher, text: str, start: int, end: int) -> int:
    """Where a phone number ends that another number follows, and that is right without it."""
    over = next_number(text[start:end])
    return end - over if over and matcher.verify(text[start : end - over]) else end


def _touches(text: str, start: int, end: int) -> bool:
    """Whether the value is a piece of a word or the places behind a decimal point."""
    if (start > 0 and text[start - 1] in _EDGE) or (end < len(text) and text[end] in _EDGE):
        return True
    before = start > 1 and text[start - 1] == "." and text[start - 2].isdigit() and text[start].isdigit()
    return before or (end + 1 < len(text) and text[end] == "." and text[end + 1].isdigit() and text[end - 1].isdigit())


def _continues(text: str, start: int, end: int) -> bool:
    """Whether the row of digits goes on beyond the value, behind the separator that stands inside of it.

    Where its groups have one length those of the row have the same, so a shorter one beside a card (``5 items``) is no
    part of it; but for threes, as thousands are written. Nor is the month and year behind a card.
    """
    value = text[start:end]
    separators = {character for character in value if not character.isalnum()}
    sizes = {len(group) for group in _SEPARATORS.split(value)}
    size = 0 if len(sizes) > 1 or _THOUSANDS in sizes else sizes.pop()
    if start > 1 and text[start - 1] in separators and text[start - 2].isdigit():
        before = start - 1
        while before > 0 and text[before - 1].isdigit() and start - before < _LONGEST_GROUP:
            before -= 1
        if size in (0, start - 1 - before):
            return True
    if end + 1 < len(text) and text[end] in separators:
        behind = _GROUP.match(text, end + 1)
        if behind is not None and size in (0, behind.end() - end - 1):
            return _EXPIRY.match(text, end + 1) is None
    return False


def _next_start(text: str, start: int, *, skip: bool) -> int:
    """Where the next try begins. With ``skip`` no value begins inside a word, so the rest of one is passed over."""
    if skip and text[start : start + 1] in _EDGE:
        rest = _TOKEN.match(text, start)
        return max(rest.end() if rest else 0, start + 1)
    return start + 1


def _by_re2(rule: Rule) -> Any:
    """A user's pattern as RE2 reads it; None where RE2 is not installed."""
    re2 = library()
    if re2 is None:
        return None
    flags = options(re2, _USERS_MEMORY)
    flags.case_sensitive = not rule.ignore_case
    try:
        return re2.compile(rule.pattern, flags)
    except re2.error:
        raise InputError(f"the pattern of rule {rule.id!r} cannot be read", field=rule.id) from None


def _gate(rules: Sequence[Rule], engine: str) -> Gate:
    """The gate asked for, or the plain one where RE2 fails its proof: slower, and as strict."""
    if engine == "stdlib":
        return PlainGate(rules)
    examples = [(index, rule.example) for index, rule in enumerate(rules) if rule.example]
    try:
        gate = SetGate(rules)
    except GateError as error:
        _LOG.warning("The privacy gate runs without RE2, about ten times slower: %s", error)
        return PlainGate(rules)
    held = [index for index, example in examples if not gate.lets(index, example)]
    if held:
        names = ", ".join(rules[index].id for index in held[:3])
        _LOG.warning("The privacy gate runs without RE2, about ten times slower: its self-test missed %s", names)
        return PlainGate(rules)
    return gate


def _known(row: Iterable[str], name: str, file: str) -> None:
    """Raises FileError, with what it may have meant, for a key that no rule has."""
    for key in row:
        if key not in Rule.__struct_fields__:
            near = nearest(key, Rule.__struct_fields__)
            hint = f"Did you mean {near[0]}?" if near else None
            raise FileError(f"{name}: there is no key {key!r}", file=file, hint=hint)


def _expanded(words: Iterable[str], lists: dict[str, list[str]]) -> list[str]:
    whole: list[str] = []
    for word in words:
        if word.startswith("@"):
            if word[1:] not in lists:
                raise TypeError(f"there is no list of words {word[1:]!r}")
            whole.extend(lists[word[1:]])
        else:
            whole.append(word)
    return whole
