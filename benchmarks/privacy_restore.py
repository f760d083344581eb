"""Redacting and restoring: every point of a split, streams side by side, and what both cost.

Made-up answers (no model is asked) repeat the placeholders of a redacted request as models do: other brackets, other
case, escaped, in JSON. Findings are handed in, so that no detector is timed; times are of the CPU.

Run: python benchmarks/privacy_restore.py
"""

from __future__ import annotations

import asyncio
import json
import random
import time
import timeit
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

from crossover.chat import ChatChunk, ChatRequest, Delta, Message, Text, ToolDelta
from crossover.privacy.placeholders import Placeholder
from crossover.privacy.redact import Redacted, redact
from crossover.privacy.restore import Channel, Pieces
from crossover.privacy.words import Find, Finding
from crossover.wire import openai

ANSWERS = 300
STREAMS = 100
SECRET = b"the key of this benchmark's run."
VALUES = {
    "Mirela Kovač": "person",
    'Ó "Dub" Brádaigh\\': "person",
    "李小龙": "person",
    "m.kovac@example.net": "email",
    "+385 1 234 5678": "phone",
    "5555 5555 5555 4444": "card",
    "078-05-1120": "ssn",
}
FILLER = "The person, up to a card [1] and (see) the * e-mail — naïve 日本語 of <b> phones | PERSON_ [PER \\ 7 end."
WORDS = FILLER.split()
OPENS = {"[": "]", "": "", "［": "］", "【": "】", "<": ">", "{": "}", "\\[": "\\]", "**[": "]**"}
BETWEEN = ("_", "_", "_", " ", "-", "\\_", "\u00a0")


def findings(text: str) -> list[Finding]:
    found = []
    for value, kind in VALUES.items():
        start = text.find(value)
        while start >= 0:
            found.append(
                Finding(category="personal", kind=kind, tier="soft", start=start, end=start + len(value))
            )  # fmt: skip
            start = text.find(value, start + 1)
    return found


def remembered(texts: Sequence[str]) -> Find:
    """A detector that has seen these texts before, and finds nothing in others."""
    known = {text: tuple(findings(text)) for text in texts}

    def find(text: str, field: str = "") -> Sequence[Finding]:  # noqa: ARG001
        return known.get(text, ())

    return find


def redacted(number: int, values: Sequence[str], filler: str = "") -> Redacted:
    text = f"Question {number}: {', '.join(values)}. {filler}"
    request = openai.read_request({"model": "m", "messages": [{"role": "user", "content": text}]})
    return redact(request, remembered([text]), _place, SECRET)


def answer(rng: random.Random, issued: Sequence[Placeholder]) -> tuple[str, str]:
    """A made-up answer, and what it means."""
    said = means = ""
    for _ in range(rng.randint(2, 6)):
        filler = " ".join(rng.choices(WORDS, k=rng.randint(0, 4))) + " "
        one, opens = rng.choice(issued), rng.choice(list(OPENS))
        inner = f"{one.type}{rng.choice(BETWEEN)}{one.code}"
        inner = rng.choice((inner, inner, inner.lower(), inner.title()))
        around = "**" if "*" in opens else ""
        said += f"{filler}{opens}{inner}{OPENS[opens]}"
        means += f"{filler}{around}{one.value}{around}"
    return said, means


def split_points() -> None:
    right = points = tools = 0
    for seed in range(ANSWERS):
        rng = random.Random(900_000 + seed)
        done = redacted(seed, rng.sample(list(VALUES), k=rng.randint(2, 5)))
        assert done.restorer is not None
        said, means = answer(rng, list(done.restorer.spellings))
        inside = seed % 3 == 0
        if inside:
            tools += 1
            said = json.dumps({"text": said}, ensure_ascii=False)
        for cut in range(len(said) + 1):
            channel = Channel(done.restorer, inside_json=inside)
            text = channel.feed(said[:cut]) + channel.feed(said[cut:]) + channel.feed("", end=True)
            points += 1
            right += (json.loads(text)["text"] if inside else text) == means
    print(f"restored at every point of a split: {right:,} of {points:,} ({ANSWERS} answers, {tools} of them arguments)")


async def one_stream(number: int) -> bool:
    rng = random.Random(number)
    done = redacted(number, rng.sample(list(VALUES), k=3))
    assert done.restorer is not None
    said, means = answer(rng, list(done.restorer.spellings))
    deltas = [Delta(text=letter) for letter in said]
    arguments = json.dumps([said], ensure_ascii=False)
    deltas += [Delta(choice=1, tool=ToolDelta(index=0, arguments=letter)) for letter in arguments]
    rng.shuffle(order := [0] * len(said) + [1] * len(arguments))
    lanes = (iter(deltas[: len(said)]), iter(deltas[len(said) :]))

    async def source() -> AsyncGenerator[ChatChunk, None]:
        for lane in order:
            await asyncio.sleep(0)
            yield ChatChunk(deltas=(next(lanes[lane]),))
        yield ChatChunk(last=True)

    text = given = ""
    async for chunk in done.restorer.stream(source()):
        text += "".join(delta.text for delta in chunk.deltas)
        given += "".join(delta.tool.arguments for delta in chunk.deltas if delta.tool is not None)
    return text == means and json.loads(given) == [means]


async def side_by_side() -> None:
    right = await asyncio.gather(*(one_stream(number) for number in range(STREAMS)))
    print(f"streams side by side, two choices each: {sum(right)} of {STREAMS} right")


def timed(name: str, work: Callable[[], Any], per: int = 1) -> None:
    timer = timeit.Timer(work, timer=time.process_time)
    count = max(1, timer.autorange()[0] // 8)
    best = min(timer.timeit(count) for _ in range(15)) / count / per * 1e6
    print(f"{name:68} {best:9.2f} µs")


def costs() -> None:
    filler = "the quick brown fox jumps over the lazy dog " * 44
    five = list(VALUES)[:5]
    text = f"Question 1: {', '.join(five)}. {filler}"
    request = openai.read_request({"model": "m", "messages": [{"role": "user", "content": text}]})
    words = ChatRequest(model="m", messages=(Message("user", (Text(text),)),))

    long = [{"role": ("user", "assistant")[index % 2], "content": f"{index} {text}"} for index in range(64)]
    find = remembered([text, *(row["content"] for row in long)])
    timed(f"redact {len(text)} characters, 5 findings, body and words", lambda: redact(request, find, _place, SECRET))
    timed("redact the same, from Python (no body)", lambda: redact(words, find, _place, SECRET))
    talk = openai.read_request({"model": "m", "messages": long})
    timed("redact a conversation of 64 such messages", lambda: redact(talk, find, _place, SECRET))

    done = redact(request, find, _place, SECRET)
    assert done.restorer is not None
    pieces = Pieces(done.restorer)
    chunks = [
        ChatChunk(deltas=(Delta(text=f"{word} "),), raw=b"data: {}\n\n", id="x", model="m") for word in filler.split()
    ]
    timed("a chunk of a stream without a placeholder", lambda: [pieces.feed(chunk) for chunk in chunks], len(chunks))
    restorer, said = done.restorer, done.request.messages[0].text
    timed(f"restore a whole text of {len(said)} characters with 5 placeholders", lambda: restorer.text(said))


def _place(_finding: Finding) -> Any:
    return "placeholder"


if __name__ == "__main__":
    split_points()
    asyncio.run(side_by_side())
    costs()
