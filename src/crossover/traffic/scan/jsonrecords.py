"""Records that are JSON: the same texts that the gateway would look at, each found again where it is written.

What is looked at comes from :mod:`crossover.privacy.extract`, as for a request that is under way. Only where something
is found the text of the record is gone through once more for its place: most records hold nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from crossover.chat import NOBODY, ChatRequest, EmbedRequest
from crossover.errors import DetectionError, RequestError
from crossover.privacy import extract, jsontext
from crossover.privacy.classify import IN_PIECES, Tally
from crossover.privacy.words import NOTHING_FOUND, Classified, Finding
from crossover.traffic.scan.context import PlaceOf, hits
from crossover.traffic.scan.passages import Passage, passages, reader_of
from crossover.traffic.scan.words import Hit, Look, Seen
from crossover.wire import openai, openai_embeddings, responses
from crossover.wire.anthropic import door as anthropic
from crossover.wire.gemini import door as gemini
from crossover.wire.ollama import door as ollama

_Asked = ChatRequest | EmbedRequest
_Found = Mapping[tuple[str, str], Sequence[Finding]]
# Where the body of a request stands in logs and batch files: OpenAI's, Anthropic's and Gemini's batches among them.
_WRAPPERS = ("body", "request", "params", "payload", "request_body", "kwargs", "inputs")
_INNER = 8  # how deep JSON in JSON is read, as in privacy.extract
_PIECES = re.compile(r'"((?:[^"\\]|\\.)*)"(\s*:)?|([\[{])|([\]}])|(,)', re.DOTALL)
_ENCODED = re.compile(r"(?:data:[^,\s]{0,120},)?[A-Za-z0-9+/_=\r\n-]{4096}")  # a picture, a sound
_PLAIN_KEY = re.compile(r"[A-Za-z_$][\w$-]*")
_HIDDEN_KEY = "••••"  # a key in which something was found


def parse(text: str) -> Any:
    """The value of a JSON text. Raises ValueError where it is none, or too deep to be read as one."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        try:
            return json.loads(text)  # which reads NaN and lone surrogates, as many writers write them
        except RecursionError:
            raise ValueError("it is nested too deeply") from None


def record(text: str, tree: Any, look: Look, lines: PlaceOf) -> Seen:
    """A record whose text is ``text`` and whose value is ``tree``. ``lines`` are the places of ``text`` in the file."""
    texts, joints, opaque = extract.read(ChatRequest(model="", messages=(), tree={"input": tree}))
    beyond = max((len(said) for said, _ in texts), default=0)
    if beyond > extract.MOST:  # a gateway does not look at it; a scan does, passage by passage
        opaque = opaque or f"it holds a text of {beyond // 1000:,} thousand characters"
        texts = [(said, field) for said, field in texts if len(said) <= extract.MOST]
    opaque = opaque or _opaque(tree)
    line = lines(0)[0]
    found: dict[tuple[str, str], Sequence[Finding]] = {}
    tally = Tally()
    try:
        for said, field in texts:
            name = "" if field in extract.SILENT else field
            if (said, name) in found:
                tally.add(found[said, name])
            elif some := tuple(look(said, name)):
                found[said, name] = some
                tally.add(some)
        for joint in joints:
            over = tuple(one for one in look(joint.text, "") if any(one.start < edge < one.end for edge in joint.edges))
            if over:
                tally.add(over)
                opaque = opaque or IN_PIECES
        long = list(_beyond(tree, look)) if opaque else []
    except DetectionError as error:
        return Seen(line, Classified(opaque=error.message, failed=True), trouble=error.message)
    for passage, more in long:
        tally.add(more)
        found[passage.text, ""] = more
    known = tally.classified(opaque)
    if not found:
        return Seen(line, known if opaque else NOTHING_FOUND)
    return Seen(line, known, _hits(text, found, lines, known))


def _beyond(tree: Any, look: Look) -> Iterator[tuple[Passage, list[Finding]]]:
    """What is found in texts that are too long for a gateway to look at: they are opaque to it, but not to a scan."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if type(node) is dict:
            waiting.extend(node.values())
        elif type(node) is list:
            waiting.extend(node)
        elif type(node) is str and len(node) > extract.MOST and not _ENCODED.match(node):
            for passage in passages(reader_of(node)):
                some = [one for one in look(passage.text, "") if passage.begin <= one.start < passage.end]
                if some:
                    yield passage, some


# ------------------------------------------------------------------------------------------------------------- places


def _hits(text: str, found: _Found, lines: PlaceOf, known: Classified) -> Iterator[Hit]:
    """Each finding at its place in the text of the record."""
    missing = set(found)
    keys = {said for said, field in found if not field}
    paths = _Paths(text, keys)
    for said, field, place, at, inner in _written(text, "input", lines, 0):
        key = (said, "" if field in extract.SILENT else field)
        some = found.get(key)
        if some is not None:
            missing.discard(key)
            path = paths.at(at)
            yield from hits(said, some, place, f"{path} → JSON" if inner else path, known)
    for said, field in sorted(missing):  # written in a way that is read otherwise: a number with an exponent
        yield from hits(said, found[said, field], lambda _at: lines(0), field, known)


def _written(
    text: str, field: str, place: PlaceOf, depth: int, start: int | None = None
) -> Iterator[tuple[str, str, PlaceOf, int, bool]]:
    """(what it says, field, places, offset in the record, inside of another string) of each string, key and number."""
    for token in jsontext.tokens(text, field) or ():
        at = token.start if start is None else start
        spots = _PlaceOf(text, token, place)
        if token.kind == "key":
            yield token.text, "", spots, at, start is not None
            continue
        if token.kind == "string" and depth < _INNER and token.text.lstrip()[:1] in ("{", "[", '"'):
            yield from _written(token.text, token.field, spots, depth + 1, at)
        yield token.text, token.field, spots, at, start is not None


class _PlaceOf:
    """Places of the characters that a token says; worked out when the first one is asked for."""

    __slots__ = ("_outer", "_places", "_text", "_token")

    def __init__(self, text: str, token: jsontext.Token, outer: PlaceOf) -> None:
        self._text, self._token, self._outer = text, token, outer
        self._places: list[int] | None = None

    def __call__(self, at: int) -> tuple[int, int]:
        if not self._token.escaped:
            return self._outer(self._token.start + at)
        if self._places is None:
            self._places = jsontext.places(self._text, self._token)
        return self._outer(self._places[min(at, len(self._places) - 1)])


class _Paths:
    """JSON paths of places in a text, asked for in the order in which they stand."""

    def __init__(self, text: str, hidden: set[str]) -> None:
        self._tokens = _PIECES.finditer(text)
        self._hidden = hidden
        self._stack: list[str | int] = []
        self._key = ""
        self._next: re.Match[str] | None = next(self._tokens, None)

    def at(self, place: int) -> str:
        """The path of what stands at ``place``; of a key the path of its value."""
        while self._next is not None and self._next.end() <= place:
            self._take(self._next)
            self._next = next(self._tokens, None)
        if self._next is not None and self._next[2] is not None and self._stack:
            self._take(self._next)
            self._next = next(self._tokens, None)
        return "".join(f"[{step}]" if type(step) is int else str(step) for step in self._stack).lstrip(".")

    def _take(self, token: re.Match[str]) -> None:
        string, colon, opens, closes, _comma = token.groups()
        if opens is not None:
            self._stack.append(0 if opens == "[" else "")
        elif closes is not None:
            self._stack = self._stack[:-1]
        elif string is None:
            if self._stack and type(self._stack[-1]) is int:
                self._stack[-1] += 1
        elif colon is not None and self._stack:
            self._stack[-1] = self._step(string)

    def _step(self, written: str) -> str:
        try:
            key = str(json.loads(f'"{written}"', strict=False))
        except ValueError:
            key = written
        if key in self._hidden:
            return f".{_HIDDEN_KEY}"
        return f".{key}" if _PLAIN_KEY.fullmatch(key) else f"[{json.dumps(key, ensure_ascii=False)}]"


# ------------------------------------------------------------------------------------------------------ what is asked


def _opaque(tree: Any) -> str:
    """Why a request cannot be read as a whole, by the words of its dialect; empty where it can, and for no request."""
    body = _body(tree)
    if body is None:
        return ""
    reasons = [extract.opaque(request) for request in _requests(body)]
    if "" in reasons:
        return ""
    return min(reasons, key=lambda reason: "unknown" in reason, default="")  # a picture, where one knows it for one


def _body(tree: Any) -> dict[str, Any] | None:
    """The body of a request, where the record is one or holds one."""
    for _ in range(3):
        if type(tree) is not dict:
            return None
        if any(type(tree.get(name)) is list for name in ("messages", "contents", "input")):
            return tree
        tree = next((tree[name] for name in _WRAPPERS if type(tree.get(name)) in (dict, str)), None)
        if type(tree) is str:
            try:
                tree = parse(tree)
            except ValueError:
                return None
    return None


def _requests(body: dict[str, Any]) -> Iterator[_Asked]:
    """The body as a request, in each dialect that can read it: what one of them understands is no riddle."""
    body = {"model": "any", **{name: value for name, value in body.items() if name != "model"}}
    readers: list[Callable[[], _Asked]] = []
    if "contents" in body:
        readers.append(lambda: gemini.read_request(body, NOBODY, model="any", stream=False))
    elif "messages" in body:
        readers.append(lambda: openai.read_request(body))
        readers.append(lambda: anthropic.read_request(body, NOBODY))
        readers.append(lambda: ollama.read_request(body, NOBODY))
    else:
        readers.append(lambda: responses.read_request(body))
        readers.append(lambda: openai_embeddings.read_embed(body))
    for read in readers:
        try:
            yield read()
        except RequestError:
            continue
