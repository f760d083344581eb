"""Support tickets, generated: what the tiny models are trained on, and what demonstrations and evaluations ask.

A ticket has one label of :data:`LABELS` and up to three facts to extract. It is put together from the sentences of
``data/tickets.toml`` by a seeded generator: the same seed gives the same tickets on every platform. Sentences about
*other* labels ("the delivery was quick, but …") make it more than a search for words. Part of the sentences and of the
products are never used for training; ``split="heldout"`` makes tickets of those (new sentences, of mostly known words).
``handwritten()`` are tickets written by hand that no template made.
"""

from __future__ import annotations

import json
import random
import tomllib
from pathlib import Path
from typing import Any, Literal

import msgspec

LABELS = ("billing", "delivery", "account", "technical", "cancel", "question")
Split = Literal["train", "heldout"]
DATA = Path(__file__).with_name("data")


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """One ticket: its text, its label, and the facts in it as they are written there (None: not in it)."""

    text: str
    label: str
    order: str | None = None
    product: str | None = None
    amount: str | None = None

    @property
    def classify(self) -> str:
        """The question for the label; the right answer is ``label``."""
        return f"classify: {self.text}"

    @property
    def extract(self) -> str:
        """The question for the facts; the right answer is ``facts``."""
        return f"extract: {self.text}"

    @property
    def facts(self) -> str:
        """The facts as JSON text, keys in a fixed order, absent ones null."""
        return json.dumps({"order": self.order, "product": self.product, "amount": self.amount})


def extract_schema() -> dict[str, Any]:
    """The JSON Schema of an extraction's answer."""
    fact = {"type": ["string", "null"]}
    names = ("order", "product", "amount")
    return {
        "type": "object",
        "properties": dict.fromkeys(names, fact),
        "required": list(names),
        "additionalProperties": False,
    }


def handwritten() -> tuple[Ticket, ...]:
    """Tickets written by hand, with what is right; too few to measure small differences."""
    lines = (DATA / "handwritten.jsonl").read_bytes().splitlines()
    return tuple(msgspec.json.decode(line, type=Ticket) for line in lines)


def tickets(seed: int, count: int, split: Split = "train") -> tuple[Ticket, ...]:
    """``count`` tickets; ``split`` says whose sentences they are made of."""
    parts = _load(split)
    random_ = random.Random(f"tickets {split} {seed}")  # noqa: S311 - chance for data, not for secrets
    return tuple(_ticket(random_, parts) for _ in range(count))


class _Parts(msgspec.Struct, frozen=True):
    """The sentences of one split: lists by name, and per label ``main``, ``also`` and ``aside``."""

    lists: dict[str, list[str]]
    labels: dict[str, dict[str, list[str]]]


def _load(split: Split) -> _Parts:
    said = tomllib.loads((DATA / "tickets.toml").read_text(encoding="utf-8"))
    lists = {name: rows for name, rows in said.items() if isinstance(rows, list)}
    if split == "heldout":
        lists["products"] = lists["products"][::4] + lists["products_heldout"]
    every = {"main": 5, "also": 5, "aside": 4}
    labels = {}
    for label, groups in said["labels"].items():
        labels[label] = {name: _share(groups[name], number, split) for name, number in every.items()}
        if split == "train":
            labels[label]["main"] += groups["more"]
    return _Parts(lists, labels)


def _share(rows: list[str], every: int, split: Split) -> list[str]:
    held = split == "heldout"
    return [row for number, row in enumerate(rows, start=1) if (number % every == 0) is held]


def _ticket(random_: random.Random, parts: _Parts) -> Ticket:
    label = random_.choice(LABELS)
    values = _values(random_, parts)
    lists, own = parts.lists, parts.labels[label]
    body = [random_.choice(own["main"])]
    if random_.random() < 0.45:
        body.append(random_.choice(own["also"]))
    if random_.random() < 0.4:
        others = [other for other in LABELS if other != label and parts.labels[other]["aside"]]
        body.insert(random_.randrange(len(body) + 1), random_.choice(parts.labels[random_.choice(others)]["aside"]))
    for name, chance in (("order", 0.35), ("product", 0.2), ("amount", 0.2), ("number", 0.15)):
        if random_.random() < chance and not any(f"{{{name}}}" in sentence for sentence in body):
            body.insert(random_.randrange(len(body) + 1), random_.choice(lists[f"{name}_lines"]))
    if random_.random() < 0.2:
        body.append(random_.choice(lists["feelings"]))
    if random_.random() < 0.4:
        body.insert(0, random_.choice(lists["greetings"]))
    if random_.random() < 0.4:
        body.append(random_.choice(lists["closings"]))
    plain = " ".join(body)
    said = {name: values[name] if f"{{{name}}}" in plain else None for name in ("order", "product", "amount")}
    text = plain.format(**{**values, **_written(random_, values)})
    return Ticket(text=_rough(random_, text, said), label=label, **said)


def _values(random_: random.Random, parts: _Parts) -> dict[str, str]:
    """One value for every slot."""
    lists = parts.lists
    digits = "".join(random_.choice("0123456789") for _ in range(random_.choice((4, 5, 5, 6))))
    letter = random_.choice("ABCDEFGHKLMNPRSTX")
    first, second = random_.sample(lists["plans"], 2)
    return {
        "order": random_.choice((digits, digits, f"{letter}-{digits}", f"{letter}{digits}", f"{digits}-{letter}")),
        "product": random_.choice(lists["products"]),
        "amount": f"{random_.choice((random_.randrange(3, 100), random_.randrange(3, 1000)))}."
        f"{random_.choice(('00', '50', '90', '99', f'{random_.randrange(100):02d}'))}",
        "days": str(random_.randrange(2, 15)),
        "code": str(random_.randrange(100, 1000)),
        "month": random_.choice(lists["months"]),
        "name": random_.choice(lists["names"]),
        "plan": first,
        "plan2": second,
    }


def _written(random_: random.Random, values: dict[str, str]) -> dict[str, str]:
    """How people write the facts: with signs that are not part of them."""
    order, amount = values["order"], values["amount"]
    return {
        "order": random_.choice((order, order, f"#{order}")),
        "amount": random_.choice((amount, f"{amount} euros", f"${amount}", f"{amount} EUR", f"{amount} dollars")),
    }


def _rough(random_: random.Random, text: str, said: dict[str, str | None]) -> str:
    """Small letters, missing full stops and slips of the finger, never inside what is to be extracted."""
    if random_.random() < 0.15:
        text = text.replace(".", "").replace(",", "") if said["amount"] is None else text
    if random_.random() < 0.15 and said["order"] is None:
        text = text.lower()
    if random_.random() < 0.2:
        words = text.split(" ")
        place = random_.randrange(len(words))
        word = words[place]
        kept = " ".join(value for value in said.values() if value)
        if len(word) > 4 and word.isalpha() and word not in kept:
            at = random_.randrange(1, len(word) - 2)
            swapped = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
            words[place] = random_.choice((word[:at] + word[at + 1 :], swapped))
        text = " ".join(words)
    return text
