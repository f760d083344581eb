"""Every string of a request, whatever its dialect, with the name it stands under: nothing that would leave is unseen.

The walk is over the parsed body as it came where there is one (every field, known or not, keys too) and over the words
otherwise. It goes by a stack, so that no depth of nesting can exhaust it. Strings that are JSON (tool arguments, tool
results) are read as such, and JSON in them again; what their strings say is looked at instead of how it is written.

Some things nobody can read: pictures, sounds, files, parts of an unknown kind, token ids, encoded data that is no text.
The request says so then (:attr:`Read.opaque`). Not among them are signatures and encrypted reasoning: a provider made
them, only it can read them, and they hold what it said itself; without them a conversation could not go on. Nor is a
text of more than ``MOST`` characters: it could be read, and no detector does, so it fails on it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeAlias

import msgspec

from crossover.chat import ChatRequest, EmbedRequest, Media, Message, Part, Text, ToolResult, Unknown
from crossover.privacy import jsontext
from crossover.privacy.decoding import reads_as_text
from crossover.privacy.fields import WORDS, plain

Asked: TypeAlias = ChatRequest | EmbedRequest

MOST = 1 << 20  # characters of one string that are looked at
_AT_ONCE, _NODES = 1 << 16, 20_000  # characters of JSON in a string, lists and values that are read while others wait
_LONG, _TOO_LONG = 10**6, 10**100  # numbers from seven digits on; what has more than a hundred names nobody
_APART = frozenset({"caller", "tree", "dialect", "clearance"})  # fields of a request that are not sent
_DEPTH = 8  # how deep JSON in JSON is read; deeper it is text with escapes
_BRACKETS = frozenset('{["')
_JSON_MAY_BEGIN = _BRACKETS | frozenset(" \t\r\n")
# Fields that say nothing of what stands in them.
SILENT = frozenset(
    {"", "content", "text", "input", "prompt", "instructions", "system", "arguments", "output", "parts", "messages"}
    | {"description", "value", "values", "data", "body", "message", "inputs", "extra", "default", "examples", "enum"}
)
SEALED = frozenset(
    {"signature", "thoughtSignature", "thought_signature", "encrypted_content", "redacted", "redacted_thinking"}
)
_PIECE, _JOINED = 128, 8192  # characters of each part beside a joint; of joints looked at in one
_BLOB = 512  # characters from which on a string may be encoded data
_CARD = frozenset(range(13, 20))  # digits of the number of a card
_MOST_GROUPS, _FEW_GROUPS, _GROUP = 19, 6, 8  # items of a list that are one number: digits, groups; digits of a group
_SAMPLE, _ONE_IN, _SORTS = 512, 8, 12  # of a binary: characters looked at, one of so many is odd, of so many sorts
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffd\udc80-\udcff]")
_LINE = 60  # characters of its first line: PEM has lines of 64, MIME of 76
_ENCODED = re.compile(r"[A-Za-z0-9+/_=\r\n-]+")
_DATA_URL = re.compile(r"data:[^,\s]{0,120},")
_TOKENS, _CALM = "token ids", re.compile(r"[a-z][a-z_.]{0,39}")


class Joint(NamedTuple):
    """Neighbouring parts of a message put together. ``edges`` are where one ends and the next begins."""

    text: str
    edges: tuple[int, ...]


class Large(Exception):  # noqa: N818 - not an error: a reason to read it elsewhere
    """There is more to read than others should wait for."""


class Read(NamedTuple):
    """What a request says: texts with the names of their fields, joints, and why not all of it can be read."""

    texts: list[tuple[str, str]]
    joints: list[Joint]
    opaque: str


def read(request: Asked, *, numbers: bool = False, swiftly: bool = False) -> Read:
    """Every text of a request once per place. What cannot be read is said in ``opaque``.

    ``numbers``: short ones too, which name nobody but may stand in a field that somebody asks for. ``swiftly``: for a
    loop that serves others too; raises Large, and nothing else, after some 10 ms where there is more to read.
    """
    reader = _Reader(0 if numbers else _LONG, swiftly=swiftly)
    root: Any = request.tree
    if root is None:
        names = [name for name in request.__struct_fields__ if name not in _APART and name != "model"]
        root = {name: msgspec.to_builtins(getattr(request, name)) for name in names}
    elif type(root) is dict and "model" in root:  # another name is sent in its place
        root = {name: value for name, value in root.items() if name != "model"}
    reader.walk(root)
    return Read(reader.texts, reader.joints, opaque(request) or reader.opaque)


def leaves(root: Any, field: str = "") -> list[tuple[str, str]]:
    """The texts of a tree of dicts, lists and plain values, and every number long enough to name somebody."""
    reader = _Reader(_LONG)
    reader.walk(root, field)
    return reader.texts


def opaque(request: Asked) -> str:
    """Why a request cannot be read as a whole, by its words; empty where it can."""
    if isinstance(request, EmbedRequest):
        ids = any(not isinstance(one, str) for one in request.inputs)
        return f"it holds {_TOKENS}" if ids else ""
    return next(_unreadable(request.messages), "")


def _unreadable(messages: Iterable[Message]) -> Iterator[str]:
    for message in messages:
        for part in message.parts:
            if type(part) is not Text:  # most are
                yield from _closed(part)


def _closed(part: Part) -> Iterator[str]:
    waiting = [part]
    while waiting:
        part = waiting.pop()
        if isinstance(part, ToolResult):
            waiting.extend(part.parts)
        elif isinstance(part, Media):
            if not _is_text(part):
                yield f"it holds {'an' if part.kind[0] in 'aeiou' else 'a'} {part.kind}"
        elif isinstance(part, Unknown):
            named = f" ({part.kind})" if _CALM.fullmatch(part.kind) else ""
            yield f"it holds a part of an unknown kind{named}"


def _is_text(media: Media) -> bool:
    """Whether a file came as base64 of text, all of it: then it is read like any other text."""
    if media.kind != "file" or len(media.data or media.url or "") > MOST:
        return False
    if media.data is not None:
        return reads_as_text(media.data)
    head = _DATA_URL.match(media.url or "")
    return head is not None and media.url is not None and reads_as_text(media.url[head.end() :])


class _Reader:
    """One walk, which leaves out numbers below ``least``."""

    def __init__(self, least: int, *, swiftly: bool = False) -> None:
        self._least = least
        self._most = _AT_ONCE if swiftly else MOST
        self._left = _NODES if swiftly else -1
        self._digits = len(str(least))
        self.texts: list[tuple[str, str]] = []
        self.joints: list[Joint] = []
        self.opaque = ""

    def walk(self, root: Any, field: str = "") -> None:
        """Everything below ``root``, which stands under the name ``field``."""
        stack: list[tuple[Any, str]] = [(root, field)]
        while stack:
            self._left -= 1
            if not self._left:
                raise Large
            node, field = stack.pop()
            kind = type(node)
            if kind is dict:
                self._table(node, stack)
            elif kind is list or kind is tuple:
                if len(node) > 1:
                    self._joints(node)
                stack += [(item, field) for item in node]
            elif kind is str:
                self._text(node, field, 0)
            elif kind is int or kind is float:
                self._number(node, field)
            elif isinstance(node, bytes | bytearray | memoryview):
                self.opaque = self.opaque or "it holds bytes"
            elif node is not None and kind is not bool:  # a struct or a set that was handed in from Python
                stack.append((_plain_data(node), field))

    def _table(self, table: dict[Any, Any], stack: list[tuple[Any, str]]) -> None:
        """The keys of an object and its strings; what else it holds waits. Most of a request passes through here."""
        texts = self.texts
        for key, value in table.items():
            name = key if type(key) is str else str(key)
            if name not in WORDS:
                if name[:1] in _BRACKETS:
                    self._text(name, "", 0)
                else:
                    texts.append((name, ""))
            if type(value) is str:
                if value in WORDS and plain(name, value):
                    continue
                if len(value) < _BLOB and value[:1] not in _JSON_MAY_BEGIN:
                    texts.append((value, name))
                else:
                    self._text(value, name, 0)
            elif value is not None and value is not True and value is not False:
                stack.append((value, name))

    def _text(self, text: str, field: str, depth: int) -> None:
        if len(text) >= _BLOB and not self._readable(text, field):
            return
        if text[:1] in _JSON_MAY_BEGIN and text.lstrip()[:1] in _BRACKETS:
            if self._most < len(text) <= MOST:
                raise Large
            tokens = jsontext.tokens(text, field) if depth < _DEPTH and len(text) <= MOST else None
            if tokens is not None:
                self._rows(tokens)
                for token in tokens:
                    if token.kind == "string":
                        self._text(token.text, token.field, depth + 1)
                    elif token.kind == "key":
                        if token.text[:1] in _BRACKETS:
                            self._text(token.text, "", depth + 1)
                        elif token.text not in WORDS:
                            self.texts.append((token.text, ""))
                    elif len(token.text) >= self._digits:
                        self.texts.append((token.text, token.field))
                return
        self.texts.append((text, field))

    def _number(self, node: float, field: str) -> None:
        """A card or an account is often written without quotes."""
        if self._least <= abs(node) < _TOO_LONG and node == int(node):
            self.texts.append((str(int(node)), field))

    def _readable(self, text: str, field: str) -> bool:
        """Whether a long text is looked at; encoded data that is no text is not, nor are bytes that are none."""
        if not text.isascii() and _is_binary(text):
            self.opaque = self.opaque or "it holds binary data"
            return False
        head = _DATA_URL.match(text)
        start = 0 if head is None else head.end()
        sample = text[start : start + 4096]
        if _ENCODED.fullmatch(sample) is None or not _is_data(sample):
            return True
        run = _ENCODED.match(text, start)
        end = len(text) if run is None else run.end()
        words = end < len(text)  # they stand behind it, the first of them perhaps in a line of its own
        last = text.rfind("\n", start + _LINE, end) if words else -1
        if reads_as_text(text[start : min(end if last < 0 else last, start + MOST)]):
            return True  # also of what is too long to be looked at: then the detector fails on it
        if field not in SEALED:
            self.opaque = self.opaque or "it holds encoded data that is no text"
        return words

    def _joints(self, parts: list[Any] | tuple[Any, ...]) -> None:
        """What neighbouring texts of a list of parts say where they meet: a value may go on in the next."""
        if len(parts) <= _MOST_GROUPS and _is_short(parts[0]):  # all of them, or it is no such list
            row = [part if type(part) is str else str(part) for part in parts if _is_short(part)]
            self._row(row, len(parts))
        row = [part["text"] for part in parts if type(part) is dict and "text" in part]
        row = [text for text in row if type(text) is str] if row else row
        if len(row) < 2:
            return
        said: list[str] = []
        edges: list[int] = []
        size = 0
        for text in row:
            piece = text if len(text) <= 2 * _PIECE else f"{text[:_PIECE]}\n\n{text[-_PIECE:]}"
            if size > _JOINED:
                self.joints.append(Joint("".join(said), tuple(edges)))
                said, edges, size = said[-1:], [], len(said[-1])
            if said:
                edges.append(size)
            said.append(piece)
            size += len(piece)
        self.joints.append(Joint("".join(said), tuple(edges)))

    def _rows(self, tokens: list[jsontext.Token]) -> None:
        """The lists of digits in a string of JSON: neighbours under one name."""
        row: list[str] = []
        field, kind = "", ""
        for text, _, _, name, sort, _ in tokens:
            if sort == "key" or not text.isdecimal():
                if row:
                    self._row(row, len(row))
                    row = []
                continue
            if (name, sort) != (field, kind):
                self._row(row, len(row))
                row, field, kind = [], name, sort
            if len(row) <= _MOST_GROUPS:
                row.append(text)
        self._row(row, len(row))

    def _row(self, row: list[str], of: int) -> None:
        """A number that somebody put into a list, group by group or digit by digit, as one text."""
        if not 1 < len(row) == of <= _MOST_GROUPS or not all(map(str.isdecimal, row)):
            return
        sizes = set(map(len, row[:-1]))
        number = "".join(row)
        if len(number) in _CARD and (sizes == {1} or (len(row) <= _FEW_GROUPS and min(sizes) > 1)):
            edges = [sum(map(len, row[:at])) for at in range(1, len(row))]
            self.joints.append(Joint(number, tuple(edges)))


def _is_short(part: Any) -> bool:
    """Whether an item of a list may be a group of the digits of a number."""
    return len(part) <= _GROUP if type(part) is str else type(part) is int and 0 <= part < 10**_GROUP


def _is_binary(text: str) -> bool:
    """Whether a text begins like bytes that were never text: many sorts of control characters and gaps."""
    odd = _CONTROLS.findall(text[:_SAMPLE])
    gaps = odd.count("\ufffd") + sum("\udc80" <= char <= "\udcff" for char in odd)
    return len(odd) * _ONE_IN > _SAMPLE and (len(set(odd)) >= _SORTS or gaps * 2 > len(odd))


def _is_data(text: str) -> bool:
    """Whether capitals, small letters and digits are mixed in long lines: no word, no rule of dashes, no list."""
    line = text[:_LINE]
    return "\n" not in line and line.upper() != line != line.lower() and any(map(str.isdigit, line))


def _plain_data(node: Any) -> Any:
    try:
        return msgspec.to_builtins(node)
    except (TypeError, RecursionError):  # nothing that could be sent either
        return None
