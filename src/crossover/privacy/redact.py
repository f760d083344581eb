"""Taking values out of a request: everywhere, in its words and in its body as it came, leaving placeholders.

A value that was found once is taken out wherever it stands, also where nothing was found around it: in JSON inside
strings at any depth, in keys, names and numbers. What cannot be replaced without breaking the request is named in
``left``; its caller then has to keep the request at home. At the end everything is searched once more for every value.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from crossover.chat import ChatRequest
from crossover.errors import DetectionError
from crossover.privacy import fields, jsontext
from crossover.privacy.extract import Asked, read
from crossover.privacy.fields import Mode
from crossover.privacy.needles import FEW, Needles, Span, merged
from crossover.privacy.placeholders import Mint, Placeholder, conversation, is_placeholder, removed, without
from crossover.privacy.policy import NARRATIVE, Chosen
from crossover.privacy.restore import Restorer
from crossover.privacy.words import Find, Finding
from crossover.sensitivity import TIERS

Choose = Callable[[Finding], Chosen]
Edit = tuple[int, int, str]  # from, to, what stands there now

# Letters of a tool's name: OpenAI and Gemini take 64, Anthropic now 128 (API references and errors, 2026-11-27).
LONGEST_NAME = 64
_TOO_LONG = 10**100  # what has more than a hundred digits names nobody
_BETWEEN_TEXTS = "\uffff"  # no character, so of no value
_PLAIN = frozenset({bool, int, float})  # of words: parameters of the call, nothing of a person
_NO_TABLE: dict[str, Any] = {}
_APART = frozenset({"caller", "tree", "dialect", "clearance", "model"})  # fields of a request that are not sent as such


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

    ``find`` is asked for each text that :func:`crossover.privacy.extract.read` reads, ``chosen`` what to do with each
    finding: ``keep`` it, put a ``placeholder`` there, or ``blank`` it for good. Raises DetectionError where the request
    is nested too deep or no valid text, or where a value is still in it at the end; what ``find`` raises passes.
    """
    try:
        return _redact(request, find, chosen, secret)
    except RecursionError:
        raise DetectionError("the request is nested too deep to be redacted") from None
    except UnicodeEncodeError:  # half of a surrogate pair: from Python only, no client can send it
        raise DetectionError("the request holds text that is not valid Unicode") from None


def _redact(request: Asked, find: Find, chosen: Choose, secret: bytes) -> Redacted:
    plan = _Plan(request, find, chosen)
    if not plan.values:
        return Redacted(request=request, left=tuple(dict.fromkeys(plan.left)))
    root, slots = _copied(_sent(request) if request.tree is None else request.tree, "", "text")
    swap = _Swap(plan, Mint(conversation(request, secret), [slot.text for slot in slots]))
    changes: dict[str, Any] = {}
    if request.tree is not None:
        _fill([slot for slot in slots if slot.holder is not root or slot.at != "model"], swap)
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
    tree = None if request.tree is None else {name: value for name, value in request.tree.items() if name != "model"}
    written = msgspec.json.encode((tree, sent)).decode()
    # Written as JSON, a value is there letter by letter, unless a string holds escapes of its own.
    few = len(wanted) <= FEW and "\\\\" not in written
    if few and not any(msgspec.json.encode(value).decode()[1:-1] in written for value in wanted):
        return 0
    texts = {text for root in (tree, _sent(request)) for text in _strings(root)}
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
        elif (kind is int or kind is float) and abs(node) < _TOO_LONG and node == int(node):
            slots.append(_Slot(holder, at, str(int(node)), field, mode, "number"))
    return top[0], slots


def _strings(root: Any) -> Iterator[str]:
    """Every string of a tree and of JSON in its strings, keys and numbers too, but for the protocol's words."""
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
        elif (kind is int or kind is float) and abs(node) < _TOO_LONG and node == int(node):
            yield str(int(node))


class _Plan:
    """What was found and chosen: values with their first finding, and where they were found in each text."""

    __slots__ = ("_chosen", "blanks", "found", "left", "values")

    def __init__(self, request: Asked, find: Find, chosen: Choose) -> None:
        self._chosen = chosen
        self.values: dict[str, Finding] = {}
        self.blanks: set[str] = set()
        self.found: dict[str, list[Span]] = {}
        self.left: list[Finding] = []
        said = read(request, numbers=True)
        for text, field in dict.fromkeys(said.texts):
            found = find(text, field)
            for finding in sorted(found, key=_strength, reverse=True) if len(found) > 1 else found:
                self._note(text, finding)
        for joint in said.joints:  # a value over two parts: what is found in one of them is not all of it
            crossing = (one for one in find(joint.text) if any(one.start < edge < one.end for edge in joint.edges))
            self.left += [one for one in crossing if chosen(one) != "keep"]

    def _note(self, text: str, finding: Finding) -> None:
        """Remember a value that was chosen, without white space around it."""
        choice = self._chosen(finding)
        value = text[finding.start : finding.end]
        said = value.strip()
        if choice == "keep" or not said or is_placeholder(said):
            return
        if finding.kind in NARRATIVE and choice == "placeholder":
            self.left.append(finding)
            return
        start = finding.start + value.index(said)
        self.found.setdefault(text, []).append((start, start + len(said)))
        self.values.setdefault(said, finding)
        if choice == "blank":
            self.blanks.add(said)


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
            # What was looked at as a whole is changed as a whole: text, and JSON nested too deep to be read as such.
            tokens = None if text in self._plan.found else jsontext.tokens(text)
            known = self._plain(text, bare) if tokens is None else self._inside(text, tokens, bare)
            self._written[text, bare] = known
        return known

    def _plain(self, text: str, bare: bool) -> list[Edit]:
        found = self._needles.find(text)
        found += self._plan.found.get(text, ())
        if not found:
            return []
        spans = merged(found)
        # Beside a placeholder a short word stands alone that did not before.
        while gaps := [gap for gap in _gaps(spans, len(text)) if self._needles.touch(text, *gap)]:
            more = [span for gap in gaps for span in self._needles.find(text, *gap)]
            if not more:
                break
            found += more
            spans = merged(found)
        edits: list[Edit] = []
        for (start, end), inside in zip(spans, _within(spans, found), strict=True):
            one = self.issued.get(text[start:end]) or self._issue(text, start, end, inside)
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

    def _issue(self, text: str, start: int, end: int, inside: Sequence[Span]) -> Placeholder:
        """The placeholder of a new value. Of several that overlap the strongest names it, and one blank is enough."""
        value, values = text[start:end], self._plan.values
        held = [text[first:last] for first, last in inside]
        if value not in values:
            values[value] = max((values[one] for one in held if one in values), key=_strength)
        kind = values[value].kind
        blank = not self._plan.blanks.isdisjoint(held)
        one = self.issued[value] = removed(kind, value) if blank else self._mint.issue(kind, value)
        return one


def _gaps(spans: Sequence[Span], size: int) -> Iterator[Span]:
    """What lies before, between and behind spans."""
    place = 0
    for start, end in spans:
        yield place, start
        place = end
    yield place, size


def _within(spans: Sequence[Span], found: Sequence[Span]) -> list[list[Span]]:
    """For each of the disjoint spans in order, what was found inside of it, as it came."""
    starts = [start for start, _ in spans]
    inside: list[list[Span]] = [[] for _ in spans]
    for one in found:
        inside[bisect_right(starts, one[0]) - 1].append(one)
    return inside


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
