"""Taking values out of a request: everywhere, in its words and in its body as it came, leaving placeholders.

A value that was found once is taken out wherever it stands, also where nothing was found around it: in JSON inside
strings at any depth, in keys, names and numbers. What cannot be replaced without breaking the request is named in
``left``; its caller then has to keep the request at home. At the end everything is searched once more for every value.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any, NamedTuple, TypeAlias

import msgspec

from crossover.chat import ChatRequest, EmbedRequest
from crossover.errors import DetectionError
from crossover.privacy import fields, jsontext
from crossover.privacy.fields import Mode
from crossover.privacy.needles import Needles, Span, merged
from crossover.privacy.placeholders import Mint, Placeholder, conversation, is_placeholder, removed, without
from crossover.privacy.policy import NARRATIVE, Chosen
from crossover.privacy.restore import Restorer
from crossover.privacy.words import Find, Finding
from crossover.sensitivity import TIERS

Asked: TypeAlias = ChatRequest | EmbedRequest
Choose = Callable[[Finding], Chosen]
Edit = tuple[int, int, str]  # from, to, what stands there now

LONGEST_NAME = 64  # letters of a tool's or a speaker's name that the services take (OpenAI, Anthropic, Gemini)
_LONG, _TOO_LONG = 10**6, 10**100  # numbers of seven digits and more may name somebody
_BETWEEN_TEXTS = "\uffff"  # no character, so of no value
_MARKS = frozenset('"\\ \t\r\n,:{}[]')  # of JSON: around a value, not of it
_PLAIN = frozenset({bool, int, float})  # of words: parameters of the call, nothing of a person
_NO_TABLE: dict[str, Any] = {}
_APART = frozenset({"caller", "tree", "dialect", "clearance"})  # fields of a request that are not sent


class Redacted(msgspec.Struct, frozen=True, kw_only=True):
    """A request without its values.

    ``restorer`` puts them back into the answer; None where nothing has to be put back. ``count`` is how many places
    were replaced. ``left`` are findings that could not be replaced, or whose value also stands where it cannot: then
    ``request`` still holds them. ``values`` are all values chosen, in memory only: for :func:`leftover`.
    """

    request: Any  # a ChatRequest or an EmbedRequest, as it came
    restorer: Restorer | None = None
    count: int = 0
    left: tuple[Finding, ...] = ()
    values: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        return f"Redacted(count={self.count}, left={len(self.left)})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("count", self.count), ("left", len(self.left))]


def redact(request: Asked, find: Find, chosen: Choose, secret: bytes) -> Redacted:
    """The request with every chosen finding replaced. ``secret`` keys the placeholders (an installation's own bytes).

    ``find`` is asked for each string (once per string and field name), ``chosen`` what to do with each finding:
    ``keep`` it, put a ``placeholder`` there, or ``blank`` it for good. Raises DetectionError where the request is
    nested too deep or no valid text, or where a value is still in it at the end; what ``find`` raises passes.
    """
    try:
        return _redact(request, find, chosen, secret)
    except RecursionError:
        raise DetectionError("the request is nested too deep to be redacted") from None
    except UnicodeEncodeError:  # half of a surrogate pair: from Python only, no client can send it
        raise DetectionError("the request holds text that is not valid Unicode") from None


def _redact(request: Asked, find: Find, chosen: Choose, secret: bytes) -> Redacted:
    root, slots = _copied(_sent(request) if request.tree is None else request.tree, "", "text")
    plan = _Plan(find, chosen)
    for slot in slots:
        plan.look(slot)
    if not plan.values:
        return Redacted(request=request, left=tuple(dict.fromkeys(plan.left)))
    texts = [slot.text for slot in slots]
    swap = _Swap(plan, Mint(conversation(request, secret), texts))
    changes: dict[str, Any] = {}
    if request.tree is not None:
        _fill(slots, swap)
        changes["tree"] = root
    count = swap.count
    words = _words(request, "", "text", swap)
    done = msgspec.structs.replace(words, **changes) if changes else words
    count = count or swap.count
    values = frozenset(plan.values)
    left = tuple(dict.fromkeys(swap.left))
    if not left and leftover(done, values):
        raise DetectionError("a value that was to be replaced is still in the request")
    issued = [one for one in swap.issued.values() if one.code]
    restorer = None
    if issued and isinstance(request, ChatRequest):
        answers_json = request.output is not None and request.output.kind != "text"
        restorer = Restorer(issued, answers_json=answers_json)
    return Redacted(request=done, restorer=restorer, count=count, left=left, values=values)


def leftover(request: Asked, values: Iterable[str]) -> int:
    """How many of ``values`` are still in a request: in its body, its words, or JSON inside either."""
    wanted = frozenset(values)
    sent = [getattr(request, name) for name in request.__struct_fields__ if name not in _APART]
    written = msgspec.json.encode((request.tree, sent)).decode()
    # Written as JSON, a value is there letter by letter, unless a string holds escapes of its own.
    if "\\\\" not in written and not any(msgspec.json.encode(value).decode()[1:-1] in written for value in wanted):
        return 0
    texts = {text for root in (request.tree, _sent(request)) for text in _strings(root)}
    needles, everything = Needles(wanted), _BETWEEN_TEXTS.join(texts)
    if not needles.find(everything):
        return 0
    everything = without(everything, _BETWEEN_TEXTS)  # a value may be a part of a placeholder: ``PERSON``
    return len({everything[start:end] for start, end in needles.find(everything)})


# ------------------------------------------------------------------------------------------------------------- looking


class _Slot(NamedTuple):
    """A string, number or key of a copied tree, and where it stands there: ``holder[at]``, or the key ``at`` itself."""

    holder: Any
    at: Any
    text: str
    field: str
    mode: Mode
    kind: str  # string | key | number


def _sent(request: Asked) -> dict[str, Any]:
    """The words of a request that are sent, as plain data."""
    words = {name: getattr(request, name) for name in request.__struct_fields__ if name not in _APART}
    return {name: msgspec.to_builtins(value) for name, value in words.items() if value}


def _copied(root: Any, field: str, mode: Mode) -> tuple[Any, list[_Slot]]:
    """A copy of a tree (its objects and lists are new) and all its strings and long numbers, in order."""
    slots: list[_Slot] = []
    top: list[Any] = [root]
    stack: list[tuple[Any, Any, Any, str, Mode]] = [(top, 0, root, field, mode)]
    while stack:
        holder, at, node, field, mode = stack.pop()
        kind = type(node)
        if kind is str:
            slots.append(_Slot(holder, at, node, field, mode, "string"))
        elif kind is dict:
            table: dict[Any, Any] = {}
            holder[at] = table
            later = []
            keys = fields.of_key(mode)
            for key, value in node.items():
                table[key] = value
                if type(key) is not str:
                    continue
                if mode == "free" or key not in fields.WORDS:
                    slots.append(_Slot(table, key, key, key, keys, "key"))
                if value and value is not True:
                    later.append((table, key, value, key, fields.below(mode, key, node, value)))
            stack.extend(reversed(later))
        elif kind is list or kind is tuple:
            rows = holder[at] = list(node)
            stack.extend((rows, index, rows[index], field, mode) for index in range(len(rows) - 1, -1, -1))
        elif kind is int and _LONG <= abs(node) < _TOO_LONG:
            slots.append(_Slot(holder, at, str(node), field, mode, "number"))
    return top[0], slots


def _strings(root: Any) -> Iterator[str]:
    """Every string of a tree and of JSON in its strings, keys and long numbers too, but for the protocol's words."""
    stack: list[tuple[Any, str]] = [(root, "")]
    while stack:
        node, field = stack.pop()
        kind = type(node)
        if kind is str:
            tokens = jsontext.tokens(node)
            if tokens is not None:
                stack.extend((token.text, "") for token in tokens)
            elif not fields.plain(field, node):
                yield node
        elif kind is dict:
            for key, value in node.items():
                if type(key) is str and key not in fields.WORDS:
                    yield key
                if value and value is not True:
                    stack.append((value, key))
        elif kind is list or kind is tuple:
            stack.extend((each, field) for each in node)
        elif kind is int and _LONG <= abs(node) < _TOO_LONG:
            yield str(node)


class _Plan:
    """What was found and chosen: values with their first finding, and where they were found in each text."""

    __slots__ = ("_chosen", "_find", "_read", "_seen", "blanks", "found", "left", "values")

    def __init__(self, find: Find, chosen: Choose) -> None:
        self._find = find
        self._chosen = chosen
        self._seen: set[tuple[str, str, bool]] = set()
        self._read: dict[str, list[jsontext.Token] | None] = {}
        self.values: dict[str, Finding] = {}
        self.blanks: set[str] = set()
        self.found: dict[str, list[Span]] = {}
        self.left: list[Finding] = []

    def look(self, slot: _Slot) -> None:
        """Ask what is found in a string, and in JSON inside it."""
        if slot.mode == "keep" and (fields.plain(slot.field, slot.text) or slot.text in fields.WORDS):
            return
        replaceable = slot.mode not in ("keep", "fixed") and (slot.kind != "number" or slot.mode == "free")
        self._text(slot.text, slot.field, replaceable)

    def tokens(self, text: str) -> list[jsontext.Token] | None:
        """The tokens of a text that is JSON; read once."""
        if text not in self._read:
            self._read[text] = jsontext.tokens(text)
        return self._read[text]

    def _text(self, text: str, field: str, replaceable: bool) -> None:
        if (text, field, replaceable) in self._seen:
            return
        self._seen.add((text, field, replaceable))
        tokens = self._read[text] = jsontext.tokens(text, field)
        if tokens is None:
            for finding, blank in self._asked(text, field, replaceable):
                self._note(text, finding.start, finding.end, finding, blank)
            return
        for token in tokens:
            if token.kind != "number":
                self._text(token.text, token.field if token.kind == "string" else token.text, replaceable)
            elif len(token.text) > 6 and token.text.lstrip("-").isdigit():
                for finding, blank in self._asked(token.text, token.field, replaceable):
                    self._note(token.text, finding.start, finding.end, finding, blank)
        for finding, blank in self._asked(text, field, replaceable):  # what is only found with its surroundings
            self._within(text, tokens, finding, blank)

    def _asked(self, text: str, field: str, replaceable: bool) -> list[tuple[Finding, bool]]:
        """The chosen findings of a text that can be replaced and whether for good, the strongest first: it names."""
        found: list[tuple[Finding, bool]] = []
        for finding in self._find(text, field):
            choice = self._chosen(finding)
            if choice == "keep":
                continue
            if finding.kind in NARRATIVE and choice == "placeholder":
                self.left.append(finding)
                continue
            if not replaceable:
                self.left.append(finding)
            found.append((finding, choice == "blank"))
        found.sort(key=lambda row: _strength(row[0]), reverse=True)
        return found

    def _note(self, text: str, start: int, end: int, finding: Finding, blank: bool) -> None:
        """Remember a value, without white space around it."""
        value = text[start:end]
        said = value.strip()
        if not said or is_placeholder(said):
            return
        start += value.index(said)
        self.found.setdefault(text, []).append((start, start + len(said)))
        self.values.setdefault(said, finding)
        if blank:
            self.blanks.add(said)

    def _within(self, text: str, tokens: list[jsontext.Token], finding: Finding, blank: bool) -> None:
        """A value found in the writing of JSON belongs to the string it stands in; one across several is left."""
        start, end = finding.start, finding.end
        while start < end and text[start] in _MARKS:
            start += 1
        while end > start and text[end - 1] in _MARKS:
            end -= 1
        token = tokens[bisect_right(tokens, start, key=_start) - 1]
        if token.start <= start < end <= token.end:
            at = jsontext.places(text, token)
            self._note(token.text, bisect_right(at, start) - 1, bisect_left(at, end), finding, blank)
        elif start < end:
            self.left.append(finding)


_start = attrgetter("start")


def _strength(finding: Finding) -> tuple[int, float, int]:
    """Of several findings of one value, the strongest names it."""
    return TIERS.index(finding.tier), finding.score, -finding.start


# ------------------------------------------------------------------------------------------------------------ replacing


class _Swap:
    """Values for placeholders, text by text. ``count`` is how many places were replaced in the last walk."""

    __slots__ = ("_mint", "_needles", "_plan", "_written", "clean", "count", "issued", "left")

    def __init__(self, plan: _Plan, mint: Mint) -> None:
        self._plan = plan
        self._mint = mint
        self._needles = Needles(plan.values)
        self.clean: set[str] = set()  # texts without a value
        self._written: dict[tuple[str, bool], list[Edit]] = {}
        self.issued: dict[str, Placeholder] = {}
        self.left = list(plan.left)
        self.count = 0

    def __call__(self, text: str, field: str, mode: Mode, kind: str = "string") -> str:
        """The text without its values; as it is, and its finding in ``left``, where it cannot be replaced."""
        if text in self.clean or fields.plain(field, text):
            return text
        edits = self._edits(text, mode in ("name", "schema"))
        if not edits:
            self.clean.add(text)
            return text
        new = _edited(text, edits)
        kept = mode in ("keep", "fixed") or (kind == "number" and mode != "free")
        if kept or (mode == "name" and kind == "string" and len(new) > LONGEST_NAME >= len(text)):
            values = self._plan.values
            self.left += [values[value] for value in values if value in text] or list(values.values())
            return text
        self.count += len(edits)
        return new

    def _edits(self, text: str, bare: bool) -> list[Edit]:
        known = self._written.get((text, bare))
        if known is None:
            tokens = self._plan.tokens(text)
            known = self._plain(text, bare) if tokens is None else self._inside(text, tokens, bare)
            self._written[text, bare] = known
        return known

    def _plain(self, text: str, bare: bool) -> list[Edit]:
        found = self._needles.find(text)
        found += self._plan.found.get(text, ())
        if not found:
            return []
        edits: list[Edit] = []
        for start, end in merged(found):
            one = self.issued.get(text[start:end]) or self._issue(text, start, end, found)
            edits.append((start, end, one.bare if bare else one.bracketed))
        return edits

    def _inside(self, text: str, tokens: list[jsontext.Token], bare: bool) -> list[Edit]:
        """Edits of a text that is JSON: each string by itself, the rest keeps its bytes."""
        edits: list[Edit] = []
        for token in tokens:
            inner = self._plain(token.text, True) if token.kind == "key" else self._edits(token.text, bare)
            if not inner:
                continue
            if token.kind == "number":  # becomes a string
                edits.append((token.start, token.end, f'"{_edited(token.text, inner)}"'))
                continue
            at = jsontext.places(text, token)
            edits += [(at[start], at[end], jsontext.escape(new) if '"' in new else new) for start, end, new in inner]
        return edits

    def _issue(self, text: str, start: int, end: int, found: Sequence[Span]) -> Placeholder:
        """The placeholder of a new value. Of several that overlap the strongest names it, and one blank is enough."""
        value, values = text[start:end], self._plan.values
        held = [text[first:last] for first, last in found if start <= first and last <= end]
        if value not in values:
            values[value] = max((values[one] for one in held if one in values), key=_strength)
        kind = values[value].kind
        blank = not self._plan.blanks.isdisjoint(held)
        one = self.issued[value] = removed(kind, value) if blank else self._mint.issue(kind, value)
        return one


def _edited(text: str, edits: Sequence[Edit]) -> str:
    pieces: list[str] = []
    place = 0
    for start, end, new in edits:
        pieces += (text[place:start], new)
        place = end
    return "".join((*pieces, text[place:]))


def _fill(slots: Iterable[_Slot], swap: _Swap) -> None:
    """Put what is written anew into a copied tree; keys last, since they name the places of all else."""
    keys: dict[int, tuple[dict[str, Any], dict[str, str]]] = {}
    for holder, at, text, field, mode, kind in slots:
        new = swap(text, field, mode, kind)
        if new is text:
            continue
        if kind == "key":
            keys.setdefault(id(holder), (holder, {}))[1][at] = new
        else:
            holder[at] = new
    for table, names in keys.values():
        rows = [(names.get(key, key), value) for key, value in table.items()]
        table.clear()
        table.update(rows)


def _words(node: Any, field: str, mode: Mode, swap: _Swap) -> Any:
    """The same words without their values; the very same object where there is none."""
    kind = type(node)
    if kind is str:
        return swap(node, field, mode)
    if kind is tuple:
        rows = tuple([_words(each, field, mode, swap) for each in node])
        return rows if any(new is not old for new, old in zip(rows, node, strict=True)) else node
    if kind is dict:
        before = swap.count
        copy, slots = _copied(node, field, mode)
        _fill(slots, swap)
        return node if swap.count == before else copy
    if not isinstance(node, msgspec.Struct):
        return node
    changes: dict[str, Any] = {}
    for name in node.__struct_fields__:
        value = getattr(node, name)
        if not value or type(value) in _PLAIN or name in _APART or (type(value) is str and value in swap.clean):
            continue
        new = _words(value, name, fields.below(mode, name, _NO_TABLE, value), swap)
        if new is not value:
            changes[name] = new
    return msgspec.structs.replace(node, **changes) if changes else node
