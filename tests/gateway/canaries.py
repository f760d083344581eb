"""Canaries: values that must not leave, of every kind and writing, planted in every place of a request.

What a canary is, the detector itself says, asked about the very text that stands there and about nothing else. So the
walls that use them test everything around it: that every place is looked at, and that what was found decides.
"""

from __future__ import annotations

import base64
import importlib
import json
import random
import re
import sys
import unicodedata
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from crossover.privacy import rules as book
from crossover.privacy.detector import Detector

SETS = Path(__file__).resolve().parents[2] / "benchmarks" / "privacy_sets"
RULES = """
[privacy.rules.falcon]
words = ["Project Falcon", "Wintergarten 7", "Operation Blue Kestrel"]
[privacy.rules.docket]
pattern = "DKT-[0-9]{6}"
category = "identifiers"
[privacy.rules.case]
field = "case_id"
[privacy.rules.legal]
header = "x-department"
value = "^legal$"
[privacy.rules.board]
header = "x-board"
category = "financial"
"""  # the user's own, for the file of every wall
_SHORTEST = 6  # letters and digits: what is shorter stands in a text by chance
_WINDOW = 8
_HEX = frozenset("0123456789abcdef")
_MARKS = re.compile(r"[\W_]+")
_DIRECT = ("Please charge {} today.", "Bitte an {} senden.", "I noted {} there.", "{}", "(see {})", "it is {} .")


class Phrase(NamedTuple):
    """A text that tells a value, and the value alone. ``name`` says where it was drawn."""

    name: str
    text: str
    bare: str


class Leaf(NamedTuple):
    """A text as it stands somewhere in a request, with the name of its field (a key has none).

    ``cut``: here one part of a message ends and the next begins.
    """

    text: str
    field: str = ""
    cut: int = 0


class Mark(NamedTuple):
    """What the detector finds in a text, and the value as it is written there."""

    category: str
    kind: str
    value: str
    soft: bool = False


class Canary(NamedTuple):
    """What was planted. ``marks`` are what the detector finds there.

    ``opaque``: beside it stands what nobody can read. ``never``: it is not of the request at all, so it never leaves.
    ``echoed``: it stands in a text that every dialect sends.
    """

    name: str
    place: str
    marks: tuple[Mark, ...]
    opaque: bool = False
    never: bool = False
    echoed: bool = False

    @property
    def values(self) -> list[str]:
        """The values that were planted."""
        return [mark.value for mark in self.marks]

    def __str__(self) -> str:
        return f"{self.name} in {self.place}: {self.marks}"


# ------------------------------------------------------------------------------------------------------------- values


@cache
def module(name: str) -> Any:
    """A module of the evaluation sets."""
    sys.path.insert(0, str(SETS))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(SETS))


@cache
def examples() -> tuple[tuple[str, str, bool], ...]:
    """The example of every rule that ships: (rule, example, whether it is a secret).

    But for those that are a name and a value of a JSON object: these are read apart.
    """
    rules = book.load("identifiers", "secrets")
    return tuple((one.id, one.example, one.category == "secrets") for one in rules if one.example[0] != '"')


def phrase(chance: random.Random, detector: Detector, place: str = "", *, models: bool = False) -> Phrase:
    """A random canary, told in a sentence; now and then written so that a plain pattern misses it.

    ``models``: the detector knows names and health too.
    """
    if place in NUMBERS:
        value = module("set_checksums").card(chance, chance.choice(("visa", "mastercard", "amex")))
        return Phrase("card as a number", value, value)
    if models and chance.random() < 0.3:
        return chance.choice((_person, _story))(chance)
    found = chance.choice((_rule, _rule, _rule, _national, _card, _contact, _vendor, _password, _own))(chance, detector)
    if chance.random() < 0.2 and found.bare in found.text and len(found.bare) < 100:
        evasion = module("evasion")
        name = chance.choice(sorted(evasion.TRANSFORMS))
        written = evasion.TRANSFORMS[name](found.bare, chance)
        return Phrase(f"{found.name} as {name}", found.text.replace(found.bare, written), written)
    return found


def _rule(chance: random.Random, detector: Detector) -> Phrase:
    """A rule's own example; of a secret, with other letters behind its first ones, as long as it stays one."""
    name, example, secret = chance.choice(examples())
    found = detector.scan(example)
    if not found:
        return Phrase(name, example, example)
    start, end = found[0].start, found[0].end
    for _ in range(3 if secret else 0):
        kept = min(start + 12, end)
        other = example[:kept] + "".join(_other(char, chance) for char in example[kept:end]) + example[end:]
        if any((one.start, one.end, one.kind) == (start, end, found[0].kind) for one in detector.scan(other)):
            return Phrase(name, other, other[start:end])
    return Phrase(name, example, example[start:end])


def _other(char: str, chance: random.Random) -> str:
    for pool in ("0123456789", "abcdef", "ghijklmnopqrstuvwxyz", "ABCDEF", "GHIJKLMNOPQRSTUVWXYZ"):
        if char in pool:
            return chance.choice(pool)
    return char


def _national(chance: random.Random, _detector: Detector) -> Phrase:
    country, draw, called = chance.choice(module("set_national").NATIONAL)
    value = draw(chance)
    return Phrase(f"number of {country}", f"{chance.choice(called)}: {value}", value)


def _card(chance: random.Random, _detector: Detector) -> Phrase:
    sums = module("set_checksums")
    if chance.random() < 0.5:
        value = sums.card_shown(chance, chance.choice(sorted(sums.CARDS)))
        return Phrase("card", chance.choice(_DIRECT).format(value), value)
    value = sums.iban_shown(chance, chance.choice(sorted(sums.BANKS)))
    return Phrase("iban", chance.choice(_DIRECT).format(value), value)


def _contact(chance: random.Random, _detector: Detector) -> Phrase:
    word = "".join(chance.choice("bdfgklmnprstvz") + chance.choice("aeiou") for _ in range(4))
    if chance.random() < 0.5:
        value = f"{word}.{chance.randrange(10, 99)}@{word[::-1]}-works.example.{chance.choice(('com', 'de', 'org'))}"
        return Phrase("e-mail", chance.choice(_DIRECT).format(value), value)
    value = f"+49 151 {chance.randrange(10_000_000, 99_999_999)}"
    return Phrase("phone", f"Call me at {value} tonight", value)


def _vendor(chance: random.Random, _detector: Detector) -> Phrase:
    words, make = module("set_secret_words"), module("make_secrets")
    vendor, shape, env, speaks = chance.choice(words.VENDORS)
    value = make.shaped(chance, shape)
    place = chance.choice(words.FREE_PLACES if speaks and chance.random() < 0.5 else words.NAMED_PLACES)
    text = place.replace("{vendor}", vendor.split("-")[-1]).replace("{env}", env).replace("{key}", value)
    return Phrase(f"key of {vendor}", text, value)


def _password(chance: random.Random, _detector: Detector) -> Phrase:
    name, template = chance.choice(module("set_secret_words").GENERIC)
    marked = module("make_secrets").generic(chance, template)
    value = re.findall(r"\[\[SECRET\|(.*?)\]\]", marked, re.DOTALL)[0]
    return Phrase(f"secret {name}", re.sub(r"\[\[SECRET\|(.*?)\]\]", r"\1", marked, flags=re.DOTALL), value)


def _own(chance: random.Random, _detector: Detector) -> Phrase:
    if chance.random() < 0.5:
        value = chance.choice(("Project Falcon", "Wintergarten 7", "Operation Blue Kestrel", "project falcon"))
        return Phrase("word of the user", f"News about {value}: it is late.", value)
    value = f"DKT-{chance.randrange(100_000, 999_999)}"
    return Phrase("pattern of the user", f"Look at {value} again", value)


def _person(chance: random.Random) -> Phrase:
    cultures = module("set_name_words").CULTURES
    given, families = cultures[chance.choice(sorted(cultures))]
    value = f"{chance.choice(given)} {chance.choice(families)}"
    return Phrase("person", chance.choice(("Write to {} today.", "I met {} there", "Dear {},")).format(value), value)


def _story(chance: random.Random) -> Phrase:
    text = chance.choice(_stories())
    return Phrase("story of health", text, text)


@cache
def _stories() -> tuple[str, ...]:
    return tuple(row["text"] for row in module("set_rows").read(SETS / "health_lines.jsonl"))


# ------------------------------------------------------------------------------------------------------------- places

Body = dict[str, Any]
Plant = Callable[[Body, Phrase, random.Random], list[Leaf]]


def _said(role: str, first: bool = False, field: str = "content") -> Plant:
    """As the words of a message, before all others or behind them."""

    def plant(body: Body, one: Phrase, _chance: random.Random) -> list[Leaf]:
        row = {"role": role, "content": "I see."} | {field: one.text}
        body["messages"].insert(0 if first else len(body["messages"]), row)
        return [Leaf(one.text, field)]

    return plant


def _part(make: Callable[[str], Any], field: str) -> Plant:
    """As a part of a message of several."""

    def plant(body: Body, one: Phrase, _chance: random.Random) -> list[Leaf]:
        part, text = make(one.text)
        body["messages"].append({"role": "user", "content": [part, {"type": "text", "text": "Well?"}]})
        return [Leaf(text, field)]

    return plant


def _pieces(body: Body, one: Phrase, chance: random.Random) -> list[Leaf]:
    """Over two text parts of one message."""
    start = max(0, one.text.find(one.bare))
    cut = chance.randrange(start + 1, start + max(2, len(one.bare)))
    parts = [{"type": "text", "text": piece} for piece in (one.text[:cut], one.text[cut:]) if piece]
    body["messages"].append({"role": "user", "content": parts})
    return [Leaf(one.text, "text", cut)]


def _call(told: Callable[[Phrase], tuple[str, str, str]]) -> Plant:
    """In the arguments of a call that the model made before. ``told`` gives them, the text in them, and its field."""

    def plant(body: Body, one: Phrase, _chance: random.Random) -> list[Leaf]:
        text, leaf, field = told(one)
        _called(body, text, "seen")
        return [Leaf(leaf, field)]

    return plant


def _result(told: Callable[[Phrase], tuple[Any, str, str]]) -> Plant:
    """In what a tool gave back."""

    def plant(body: Body, one: Phrase, _chance: random.Random) -> list[Leaf]:
        content, leaf, field = told(one)
        _called(body, "{}", content)
        return [Leaf(leaf, field)]

    return plant


def _called(body: Body, arguments: str, content: Any) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": arguments}}
    body["messages"] += [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": content},
        {"role": "user", "content": "And?"},
    ]
    body.setdefault("tools", []).append({"type": "function", "function": {"name": "look", "parameters": {}}})


def _tool(make: Callable[[Phrase], tuple[Body, str, str]]) -> Plant:
    """In the definition of a tool."""

    def plant(body: Body, one: Phrase, _chance: random.Random) -> list[Leaf]:
        function, leaf, field = make(one)
        body.setdefault("tools", []).append({"type": "function", "function": {"name": "look", **function}})
        return [Leaf(leaf, field)]

    return plant


def _top(make: Callable[[Phrase], tuple[Body, str, str]]) -> Plant:
    """Beside the messages."""

    def plant(body: Body, one: Phrase, _chance: random.Random) -> list[Leaf]:
        more, leaf, field = make(one)
        for name, value in more.items():
            body[name] = {**body[name], **value} if name in body and isinstance(value, dict) else value
        return [Leaf(leaf, field)]

    return plant


def _input(body: Body, one: Phrase, _chance: random.Random) -> list[Leaf]:
    """In the only text to embed."""
    (before,) = body["input"]
    body["input"] = f"{before} {one.text}"
    return [Leaf(body["input"], "input")]


def _inputs(body: Body, one: Phrase, _chance: random.Random) -> list[Leaf]:
    """As one text to embed of several."""
    body["input"].append(one.text)
    return [Leaf(one.text, "input")]


def _property(name: str, about: Body) -> Body:
    return {"parameters": {"type": "object", "properties": {name: {"type": "string", **about}}}}


def _format(name: str, about: Body) -> Body:
    return {"type": "json_schema", "json_schema": {"name": name, "schema": _property("x", about)["parameters"]}}


def _plain(text: str) -> str:
    return "".join(char for char in text if char.isascii() and (char.isalnum() or char in "_-"))[:60] or "none"


def _base64(text: str) -> str:
    return base64.b64encode(f"A note for later: {text}\nThat is all.".encode()).decode()


PLACES: dict[str, Plant] = {
    "system": _said("system", first=True),
    "developer": _said("developer", first=True),
    "user": _said("user"),
    "history": _said("assistant", first=True),
    "reasoning": _said("assistant", field="reasoning_content"),
    "refusal": _said("assistant", field="refusal"),
    "name": lambda body, one, _: (
        body["messages"].append({"role": "user", "name": one.bare, "content": "Hm."}) or [Leaf(one.bare, "name")]
    ),
    "text part": _part(lambda text: ({"type": "text", "text": text}, text), "text"),
    "unknown part": _part(lambda text: ({"type": "hologram", "hologram": {"depth": text}}, text), "depth"),
    "image": _part(
        lambda text: (
            {"type": "image_url", "image_url": {"url": f"https://a.example/?q={urllib.parse.quote(text)}"}},
            f"https://a.example/?q={urllib.parse.quote(text)}",
        ),
        "url",
    ),
    "file": _part(
        lambda text: ({"type": "file", "file": {"file_data": _base64(text), "filename": "a.txt"}}, _base64(text)),
        "file_data",
    ),
    "pieces": _pieces,
    "arguments": _call(lambda one: (json.dumps({"at": one.text, "n": 1}), one.text, "at")),
    "deep arguments": _call(lambda one: (json.dumps({"at": json.dumps({"q": [one.text]})}), one.text, "q")),
    "key of arguments": _call(lambda one: (json.dumps({one.bare: 1}), one.bare, "")),
    "loose arguments": _call(lambda one: (f"at={one.text}", f"at={one.text}", "arguments")),
    "result": _result(lambda one: (one.text, one.text, "content")),
    "JSON result": _result(lambda one: (json.dumps([{"row": one.text}]), one.text, "row")),
    "result part": _result(lambda one: ([{"type": "text", "text": one.text}], one.text, "text")),
    "tool": _tool(lambda one: ({"description": one.text}, one.text, "description")),
    "tool's schema": _tool(lambda one: (_property("x", {"description": one.text}), one.text, "description")),
    "tool's key": _tool(lambda one: (_property(one.bare, {}), one.bare, "")),
    "tool's enum": _tool(lambda one: (_property("x", {"enum": [one.text]}), one.text, "enum")),
    "tool's default": _tool(lambda one: (_property("x", {"default": one.text}), one.text, "default")),
    "tool's name": _tool(lambda one: ({"name": _plain(one.bare)}, _plain(one.bare), "name")),
    "metadata": _top(lambda one: ({"metadata": {"note": one.text}}, one.text, "note")),
    "deep metadata": _top(lambda one: ({"metadata": {"a": {"b": [1, [one.text]]}}}, one.text, "b")),
    "key of metadata": _top(lambda one: ({"metadata": {one.bare: "x"}}, one.bare, "")),
    "number": _top(lambda one: ({"metadata": {"n": _number(one.bare)}}, str(_number(one.bare)), "n")),
    "number of arguments": _call(lambda one: (f'{{"n": {_number(one.bare)}}}', str(_number(one.bare)), "n")),
    "number as float": _top(lambda one: ({"metadata": {"n": float(_number(one.bare))}}, str(_number(one.bare)), "n")),
    "user field": _top(lambda one: ({"user": one.bare}, one.bare, "user")),
    "stop": _top(lambda one: ({"stop": [one.bare]}, one.bare, "stop")),
    "logit bias": _top(lambda one: ({"logit_bias": {one.bare: 1}}, one.bare, "")),
    "format": _top(lambda one: ({"response_format": _format("a", {"description": one.text})}, one.text, "description")),
    "format's name": _top(lambda one: ({"response_format": _format(_plain(one.bare), {})}, _plain(one.bare), "name")),
    "prediction": _top(lambda one: ({"prediction": {"type": "content", "content": one.text}}, one.text, "content")),
    "unknown field": _top(lambda one: ({"somebodys_extension": {"deep": [{"er": one.text}]}}, one.text, "er")),
    "unknown key": _top(lambda one: ({"somebodys_extension": {one.bare: True}}, one.bare, "")),
    "case": _top(lambda one: ({"metadata": {"case_id": _file(one.bare)}}, _file(one.bare), "case_id")),
    "case of arguments": _call(lambda one: (json.dumps({"case_id": _plain(one.bare)}), _plain(one.bare), "case_id")),
}  # fmt: skip
EMBED_PLACES: dict[str, Plant] = {
    "input": _input,
    "input list": _inputs,
    "input's user": _top(lambda one: ({"user": one.bare}, one.bare, "user")),
    "input's extra": _top(lambda one: ({"somebodys_extension": {"er": one.text}}, one.text, "er")),
}
OPAQUE = frozenset({"unknown part", "image"})
NUMBERS = frozenset({"number", "number of arguments", "number as float"})
# Texts that every dialect sends on, so that an answer can repeat them.
ECHOED = frozenset({"system", "user", "history", "text part", "result", "arguments", "JSON result"})


def _file(text: str) -> str:
    """A number of a file, made of any value."""
    return f"file {_plain(text)[:9]}"


def _number(text: str) -> int:
    """The digits of a value as a number that JSON can hold exactly."""
    digits = "".join(char for char in text if char.isascii() and char.isdigit())
    return int(digits[:16] or "0")


def family(place: str) -> str:
    """Places that are one and the same field, of which one can be filled in a request, have the same family."""
    return place.split(maxsplit=1)[0].removesuffix("'s")


def planted(body: Body, place: str, one: Phrase, detector: Detector, chance: random.Random) -> Canary:
    """Plant a phrase, and what the detector says of the texts that stand there then."""
    embed = place in EMBED_PLACES
    leaves = (EMBED_PLACES if embed else PLACES)[place](body, one, chance)
    marks: list[Mark] = []
    for leaf in leaves:
        for text, field in unfolded(leaf.text, leaf.field) if leaf.field else [(leaf.text, "")]:
            found = detector.scan(text, field)
            if leaf.cut:  # what stands in one part alone is another finding
                found = tuple(finding for finding in found if finding.start < leaf.cut < finding.end)
            marks += [Mark(row.category, row.kind, text[row.start : row.end], row.tier == "soft") for row in found]
    return Canary(one.name, place, tuple(marks), place in OPAQUE, echoed=place in ECHOED)


def unfolded(text: str, field: str = "") -> Iterator[tuple[str, str]]:
    """A text, or where it is JSON, the texts in it, at every depth."""
    inner: Any = None
    if text.lstrip()[:1] in ("{", "[", '"'):
        try:
            inner = json.loads(text)
        except ValueError:
            inner = None
    if isinstance(inner, str | dict | list):
        yield from _leaves(inner, field)
    else:
        yield text, field


def _leaves(node: Any, field: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, str):
        yield from unfolded(node, field)
    elif isinstance(node, dict):
        for key, value in node.items():
            yield key, ""
            yield from _leaves(value, key)
    elif isinstance(node, list):
        for value in node:
            yield from _leaves(value, field)
    elif isinstance(node, int | float) and not isinstance(node, bool):
        yield str(int(node) if node == int(node) else node), field


# ---------------------------------------------------------------------------------------------------------- searching


class Haystack:
    """Something that was written or sent, in every form in which a value could stand in it."""

    def __init__(self, data: bytes) -> None:
        self.raw = data.decode("utf-8", "replace")
        head, _, body = self.raw.rpartition("\r\n\r\n")
        texts = [text for text, _ in unfolded(body)]
        self.texts = "\n".join([head, *texts])
        self.squeezed = squeezed(head) + "".join(map(squeezed, texts))

    def holds(self, value: str) -> bool:
        """Whether a value stands in it: as it is, as JSON, without its spaces, in part, or as base64."""
        return any(form in text for form, text in self._forms(value))

    def _forms(self, value: str) -> Iterator[tuple[str, str]]:
        plain = squeezed(value)
        if len(plain) < _SHORTEST:
            return
        yield value, self.raw
        yield value, self.texts
        yield json.dumps(value)[1:-1], self.raw
        yield plain, self.squeezed
        for start in (len(plain) - _WINDOW, (len(plain) - _WINDOW) // 2):
            window = plain[start : start + _WINDOW]
            if len(plain) >= _WINDOW * 3 // 2 and any(map(str.isdigit, window)):
                yield window, self.squeezed
        for written in encoded(value):
            yield written, self.raw


def squeezed(text: str) -> str:
    """A text without everything but letters and digits, in one case and one width."""
    return _MARKS.sub("", unicodedata.normalize("NFKC", text).casefold())


@cache
def encoded(value: str) -> tuple[str, ...]:
    """What of a value stands in base64 of any text that holds it, at each of three offsets; both alphabets."""
    found: list[str] = []
    data = value.encode()
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + data).decode().rstrip("=")
        inner = text[(0, 2, 3)[shift] : len(text) - 1]
        if len(inner) >= _WINDOW:
            found += {inner, inner.replace("+", "-").replace("/", "_")}
    return tuple(found)


def standing_in(values: Iterable[str], data: bytes) -> list[str]:
    """Which of these values stand in bytes that hold much else, such as hashes: only what cannot be there by chance."""
    raw = data.decode("utf-8", "replace").casefold()
    plain = squeezed(raw)
    found: list[str] = []
    for value in values:
        short = squeezed(value)
        if len(short) >= 12 or (len(short) >= _WINDOW and not set(short) <= _HEX):
            found += [value] if short in plain else []
        elif len(value) >= _WINDOW and not value.isalnum():  # its marks make sure that it is no piece of a number
            found += [value] if value.casefold() in raw else []
    return found
