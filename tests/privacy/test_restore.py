from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Iterable, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossover.chat import (
    NOBODY,
    ChatChunk,
    ChatRequest,
    ChatResponse,
    Choice,
    Delta,
    Media,
    Message,
    Part,
    Refused,
    Served,
    Text,
    Thinking,
    ToolCall,
    ToolDelta,
    Unknown,
)
from crossover.errors import UpstreamError
from crossover.privacy.placeholders import Placeholder
from crossover.privacy.redact import redact
from crossover.privacy.restore import Channel, Pieces, Restorer
from crossover.usage import Usage
from crossover.wire import anthropic, gemini, ollama, openai, responses
from tests.privacy.redact_parts import MAIL, NAME, SECRET, chosen, finds

QUOTED = 'Zoë "Q" Ünal\\\n'
ISSUED = (
    Placeholder("PERSON", "7KQX3", NAME),
    Placeholder("PERSON", "B2CD4", QUOTED),
    Placeholder("EMAIL", "RRS29", MAIL),
    Placeholder("CARD", "22P27", "4111 1111 1111 1111"),
    Placeholder("SSN", "SSNN5", "078-05-1120"),
)
SERVED = Served(request_id="r", deployment="d", model="m", zone="z", policy="p", reason="first")


def restorer(**more: Any) -> Restorer:
    return Restorer(ISSUED, **more)


def joined(text: str, cuts: Iterable[int], *, inside_json: bool = False) -> tuple[str, int, int]:
    """A text restored piece by piece, and what was counted."""
    whole = restorer()
    channel = Channel(whole, inside_json=inside_json)
    places = [0, *sorted(cuts), len(text)]
    out = [channel.feed(text[start:end]) for start, end in pairwise(places)]
    return "".join([*out, channel.feed("", end=True)]), whole.restored, whole.unresolved


# ----------------------------------------------------------------------------------------------------------- spellings


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ("[PERSON_7KQX3]", NAME),
        ("PERSON_7KQX3", NAME),
        ("[person_7kqx3]", NAME),
        ("[Person 7KQX3]", NAME),
        ("[PERSON-7KQX3]", NAME),
        ("[PERSON7KQX3]", NAME),
        ("[PERSON\u20117KQX3]", NAME),
        ("[PERSON\u00a07KQX3]", NAME),
        (r"[PERSON\_7KQX3]", NAME),
        (r"\[PERSON\_7KQX3\]", NAME),
        ("［PERSON_7KQX3］", NAME),
        ("【PERSON_7KQX3】", NAME),
        ("<PERSON_7KQX3>", NAME),
        ("{PERSON_7KQX3}", NAME),
        ("**[PERSON_7KQX3]**", f"**{NAME}**"),
        ("[**PERSON_7KQX3**]", f"**{NAME}**"),
        ("[`PERSON_7KQX3`]", f"`{NAME}`"),
        ("[[PERSON_7KQX3]](x)", f"[{NAME}](x)"),
        ("<[EMAIL_RRS29]>", f"<{MAIL}>"),
        ("([PERSON_7KQX3])", f"({NAME})"),
        ("(PERSON_7KQX3)", f"({NAME})"),
        ("[PERSON_7KQX3, born 1990]", f"[{NAME}, born 1990]"),
        ("[PERSON_7KQX3)", f"[{NAME})"),
        ("PERSON_7KQX3's and PERSON_7KQX3s", f"{NAME}'s and {NAME}s"),
        (r"C:\Users\[PERSON_7KQX3]\x", rf"C:\Users\{NAME}\x"),
        ("先生PERSON_7KQX3は", f"先生{NAME}は"),
        ("İ[PERSON_7KQX3]ß", f"İ{NAME}ß"),
        ("[PERSON_7KQX3][EMAIL_RRS29]", f"{NAME}{MAIL}"),
        ("PERSON PERSON_7KQX3", f"PERSON {NAME}"),
    ],
)
def test_a_placeholder_is_read_however_the_model_spells_it(said: str, means: str) -> None:
    text = f"a {said} b"
    assert restorer().text(text) == f"a {means} b"
    assert all(joined(text, [cut])[0] == f"a {means} b" for cut in range(len(text)))


@pytest.mark.parametrize(
    ("said", "unresolved"),
    [
        ("[PERSON_7KQX4]", 1),  # never given out
        ("[EMAIL_7KQX3]", 1),  # given out, with another type
        (r"[PERSON\_ZZZZ9]", 1),
        ("[ORG_7KQX3]", 0),  # a type that was never given out is the text's own
        ("[PERSON_7KQX]", 0),
        ("person 22223", 0),
        ("[PERSON_REMOVED]", 0),
        ("7KQX3", 0),
    ],
)
def test_nothing_is_replaced_that_was_not_given_out(said: str, unresolved: int) -> None:
    whole = restorer()
    assert whole.text(said) == said
    assert (whole.restored, whole.unresolved) == (0, unresolved)
    assert all(joined(said, [cut])[1:] == (0, unresolved) for cut in range(len(said)))


# ----------------------------------------------------------------------------------------------- every point of a split

OPENS = ("[", "[", "[", "", "", "［", "【", "<", "{", "[**", "\\[")
CLOSES = {"[": "]", "": "", "［": "］", "【": "】", "<": ">", "{": "}", "[**": "**]", "\\[": "\\]"}
BETWEEN = ("_", "_", "_", " ", "-", "\\_", "\u00a0", "\u2011")
WORDS = (
    "Dear", "person",
    "the", "up", "e-mail", "PERSON", "card", "SSN", "—", "日本語", "naïve", "İ", "🙂", "[", "]", "(see",
    "*", "**", "_", "`", "\\", "PERSON_", "[PER", "[card 22p2", "[SSN_ZZZZ9]", "\n", "1.", "7", "p", "[[", "}", "<b>",
)  # fmt: skip


def spelled(rng: random.Random) -> tuple[str, str]:
    """A placeholder as a model may write it, and what it means."""
    one = rng.choice(ISSUED)
    opens = rng.choice(OPENS)
    inner = f"{one.type}{rng.choice(BETWEEN)}{one.code}"
    inner = rng.choice((inner, inner, inner.lower(), inner.title()))
    emphasis = "**" if "*" in opens else ""
    return f"{opens}{inner}{CLOSES[opens]}", f"{emphasis}{one.value}{emphasis}"


def answer(seed: int) -> tuple[str, str]:
    """A made-up answer with several placeholders, and what it means."""
    rng = random.Random(seed)
    said, means = "", ""
    for _ in range(rng.randint(2, 5)):
        filler = " ".join(rng.choices(WORDS, k=rng.randint(0, 3))) + rng.choice((" ", "\n", ", "))
        word, meaning = spelled(rng)
        said, means = said + filler + word, means + filler + meaning
    return f"{said}.", f"{means}."


@pytest.mark.parametrize("seed", range(200))
def test_whole_answers_at_every_point_of_a_split(seed: int) -> None:
    said, means = answer(seed)
    restored, unresolved = joined(said, [])[1:]
    assert joined(said, []) == (means, restored, unresolved)
    assert joined(said, range(len(said))) == (means, restored, unresolved)
    for cut in range(len(said)):
        assert joined(said, [cut]) == (means, restored, unresolved)


@pytest.mark.parametrize("seed", range(200, 216))
def test_arguments_of_tools_at_every_point_of_a_split(seed: int) -> None:
    rng = random.Random(seed)
    values = [answer(seed * 7 + number) for number in range(3)]
    deep = {"to": values[0][0], "body": inner(values[1][0]), values[2][0]: True}
    means = {"to": values[0][1], "body": inner(values[1][1]), values[2][1]: True}
    said = json.dumps(deep, ensure_ascii=False)
    for cut in range(len(said)):
        text = joined(said, [cut, rng.randrange(len(said))], inside_json=True)[0]
        assert read(text) == read(json.dumps(means))


def inner(text: str) -> str:
    return json.dumps({"text": text, "n": [1, None]}, ensure_ascii=False)


def read(text: str) -> Any:
    found = json.loads(text)
    return {**found, "body": json.loads(found["body"])}


@given(st.lists(st.sampled_from([*WORDS, *(one.bare for one in ISSUED), *(one.code for one in ISSUED), "PERSON", "]"])))
def test_how_it_is_cut_changes_nothing(words: list[str]) -> None:
    text = "".join(words)
    whole = joined(text, [])
    assert joined(text, range(len(text))) == whole
    assert all(joined(text, [cut]) == whole for cut in range(len(text)))


@given(st.text(st.sampled_from("[]{}<>*_\\` -PERSONperson7KQXx3EMAILRS29\n")))
def test_other_text_passes_as_it_is(text: str) -> None:
    codes = {one.code for one in ISSUED}
    expected = text if not any(code in text.upper() for code in codes) else joined(text, [])[0]
    assert joined(text, range(len(text)))[0] == expected


def test_no_more_is_held_back_than_may_become_a_placeholder() -> None:
    channel = Channel(restorer())
    assert channel.feed("Dear [") == "Dear "
    assert channel.feed("PERSON_7KQ") == ""
    assert channel.held == "[PERSON_7KQ"
    assert channel.feed("X9] and") == "[PERSON_7KQX9] and"
    for rest in ("p", "person", "[", "[**Per", "PERSON\\_B2", "\\", "e-mail"):
        channel = Channel(restorer())
        channel.feed(f"{'word ' * 20}{rest}")
        assert rest.endswith(channel.held)


# ------------------------------------------------------------------------------------------------------------- answers


def response(*parts: Part, **more: Any) -> ChatResponse:
    return ChatResponse(choices=(Choice(message=Message("assistant", parts), finish="stop"),), **more)


def test_a_whole_answer_in_all_its_parts() -> None:
    whole = restorer()
    arguments = '{"to": "[EMAIL_RRS29]", "who": "[PERSON_B2CD4]", "in": "{\\"who\\": \\"[PERSON_B2CD4]\\"}"}'
    said = response(
        Text("Dear [PERSON_7KQX3]"),
        Thinking("[person 7kqx3]?", signature="c2ln"),
        Refused("No, PERSON_7KQX3"),
        ToolCall("c1", "mail_PERSON_7KQX3", arguments),
        Media("image", data="aGk="),
        Unknown("odd", {"[PERSON_B2CD4]": ["[PERSON_B2CD4]", 1]}),
        raw=b"{}",
        dialect="openai",
        usage=Usage(input=1),
    )
    back = whole.whole(said)
    text, thinking, refused, call, media, unknown = back.choices[0].message.parts
    assert text == Text(f"Dear {NAME}")
    assert thinking == Thinking(f"{NAME}?", signature="c2ln")
    assert refused == Refused(f"No, {NAME}")
    assert isinstance(call, ToolCall)
    assert call.name == f"mail_{NAME}"
    found = json.loads(call.arguments)
    assert (found["to"], found["who"], json.loads(found["in"])) == (MAIL, QUOTED, {"who": QUOTED})
    assert media == Media("image", data="aGk=")
    assert unknown == Unknown("odd", {QUOTED: [QUOTED, 1]})
    assert back.usage == said.usage
    assert (whole.restored, whole.unresolved) == (9, 0)


def test_an_answer_without_a_placeholder_is_the_very_same() -> None:
    said = response(Text("Dear [PERSON_7KQX4]"), raw=b'{"x": 1}', dialect="openai")
    whole = restorer()
    assert whole.whole(said) is said
    assert (whole.restored, whole.unresolved) == (0, 1)


def test_an_answer_that_is_json_stays_json() -> None:
    said = response(Text('{"who": "[PERSON_B2CD4]"}'))
    back = restorer(answers_json=True).whole(said)
    assert json.loads(back.text) == {"who": QUOTED}


def test_the_bytes_of_an_answer_keep_all_that_words_do_not_hold() -> None:
    body = {
        "id": "x",
        "object": "chat.completion",
        "system_fingerprint": "fp",
        "choices": [
            {
                "index": 0,
                "finish_reason": "tool_calls",
                "message": {
                    "role": "assistant",
                    "content": "Dear 【PERSON_B2CD4】",
                    "annotations": [{"note": "[PERSON_7KQX3]"}],
                    "tool_calls": [
                        {
                            "id": "c1",
                            "type": "function",
                            "function": {"name": "f", "arguments": '{"a": "[PERSON_B2CD4]"}'},
                        }
                    ],
                },
            }
        ],
    }
    raw = json.dumps(body).encode()
    assert b"\\u3010" in raw  # some hosts write every letter beyond ASCII as an escape
    whole = restorer()
    back = whole.whole(openai.read_response(raw))
    assert back.raw is not None
    message = json.loads(back.raw)["choices"][0]["message"]
    assert json.loads(back.raw)["system_fingerprint"] == "fp"
    assert message["content"] == f"Dear {QUOTED}"
    assert message["annotations"] == [{"note": NAME}]
    assert json.loads(message["tool_calls"][0]["function"]["arguments"]) == {"a": QUOTED}
    assert whole.restored == 2
    again = openai.read_response(back.raw)
    assert again.choices == back.choices


def test_bytes_that_cannot_be_read_are_dropped() -> None:
    assert restorer().whole(response(Text("PERSON_7KQX3"), raw=b"no JSON", dialect="openai")).raw is None


# ------------------------------------------------------------------------------------------------------------- streams


def streamed(chunks: Sequence[ChatChunk], whole: Restorer | None = None) -> list[ChatChunk]:
    pieces = Pieces(whole or restorer())
    return [*(piece for chunk in chunks for piece in pieces.feed(chunk)), *pieces.finish()]


def gathered(chunks: Iterable[ChatChunk]) -> dict[tuple[int, str], str]:
    """What each channel of each choice says in all."""
    found: dict[tuple[int, str], str] = {}
    for chunk in chunks:
        for delta in chunk.deltas:
            rows = {"text": delta.text, "thinking": delta.thinking, "refusal": delta.refusal}
            if delta.tool is not None:
                rows[f"tool {delta.tool.index}"] = delta.tool.arguments
                rows[f"name {delta.tool.index}"] = delta.tool.name or ""
            for name, text in rows.items():
                if text:
                    found[delta.choice, name] = found.get((delta.choice, name), "") + text
    return found


def test_channels_and_choices_do_not_mix() -> None:
    said = "[PERSON_7KQX3]"
    chunks = []
    for place in range(len(said)):
        letter = said[place]
        chunks.append(ChatChunk(deltas=(Delta(text=letter, thinking=letter),)))
        chunks.append(ChatChunk(deltas=(Delta(choice=1, refusal=letter), Delta(choice=2, text=letter))))
        tools = (ToolDelta(index=0, arguments=letter), ToolDelta(index=1, arguments=letter))
        chunks += [ChatChunk(deltas=(Delta(choice=3, tool=tool),)) for tool in tools]
    chunks.append(ChatChunk(last=True))
    keys = [(0, "text"), (0, "thinking"), (1, "refusal"), (2, "text"), (3, "tool 0"), (3, "tool 1")]
    assert gathered(streamed(chunks)) == dict.fromkeys(keys, NAME)


def test_order_ids_usage_and_ends_stay() -> None:
    chunks = [
        ChatChunk(deltas=(Delta(),), raw=b"data: 1\n\n", dialect="openai", id="x", model="m", dropped=("seed",)),
        ChatChunk(deltas=(Delta(text="Dear [PER"),), raw=b"2", dialect="openai", id="x", model="m", served=SERVED),
        ChatChunk(deltas=(Delta(text="SON_7"),), raw=b"3", dialect="openai", id="x", model="m"),
        ChatChunk(deltas=(Delta(text="KQX3"),), usage=Usage(output=1), raw=b"4", dialect="openai", id="x", model="m"),
        ChatChunk(deltas=(Delta(text="] and the p", logprobs={"content": []}),), raw=b"5", dialect="openai", id="x"),
        ChatChunk(deltas=(Delta(finish="stop"),), raw=b"6", dialect="openai", id="x", model="m"),
        ChatChunk(usage=Usage(output=9), last=True, raw=b"7", dialect="openai"),
    ]
    assert streamed(chunks) == [
        ChatChunk(deltas=(Delta(),), id="x", model="m", dropped=("seed",)),
        ChatChunk(deltas=(Delta(text="Dear "),), id="x", model="m", served=SERVED),
        ChatChunk(usage=Usage(output=1), id="x", model="m"),
        ChatChunk(deltas=(Delta(text=f"{NAME} and the ", logprobs={"content": []}),), id="x"),
        ChatChunk(deltas=(Delta(text="p", finish="stop"),), id="x", model="m"),
        ChatChunk(usage=Usage(output=9), last=True),
    ]


def test_what_is_held_back_comes_out_at_the_end_of_its_choice() -> None:
    tool = Delta(tool=ToolDelta(index=0, id="c", name="f", arguments='{"a": "[PER'))
    out = streamed([ChatChunk(deltas=(tool,)), ChatChunk(deltas=(Delta(finish="length"),))])
    assert gathered(out) == {(0, "tool 0"): '{"a": "[PER', (0, "name 0"): "f"}
    assert out[-1].deltas[-1] == Delta(finish="length")
    own = Delta(tool=ToolDelta(index=0, arguments="["), finish="tool_calls")
    assert streamed([ChatChunk(deltas=(own,))])[0].deltas == (own,)


def test_what_is_held_back_comes_out_with_the_last_chunk_or_where_the_stream_stops() -> None:
    start = ChatChunk(deltas=(Delta(text="x ["), Delta(choice=1, thinking="y PERSON_"), Delta(refusal="p")))
    last = streamed([start, ChatChunk(last=True)])
    assert last[-1] == ChatChunk(deltas=(Delta(text="[", refusal="p"), Delta(choice=1, thinking="PERSON_")), last=True)
    cut = streamed([start])
    assert gathered(cut) == gathered([start])


def test_the_last_letters_of_words_come_before_what_follows_them() -> None:
    call = Delta(tool=ToolDelta(index=0, id="c", name="f"))
    chunks = [
        ChatChunk(deltas=(Delta(thinking="Look it up"),)),
        ChatChunk(deltas=(Delta(text="I look it up"),)),
        ChatChunk(deltas=(call,)),
    ]
    deltas = [delta for chunk in streamed(chunks) for delta in chunk.deltas]
    assert deltas == [
        Delta(thinking="Look it u"),
        Delta(thinking="p"),
        Delta(text="I look it u"),
        Delta(text="p"),
        call,
    ]


def test_the_name_of_a_tool_comes_whole() -> None:
    out = streamed([ChatChunk(deltas=(Delta(tool=ToolDelta(index=0, id="c", name="ask_PERSON_7KQX3")),))])
    assert out[0].deltas[0].tool == ToolDelta(index=0, id="c", name=f"ask_{NAME}")


def test_values_are_escaped_in_arguments_that_come_in_pieces() -> None:
    arguments = '{"a": "[PERSON_B2CD4]", "b": "[\\"[PERSON_B2CD4]\\"]"}'
    chunks = [ChatChunk(deltas=(Delta(tool=ToolDelta(index=0, arguments=letter)),)) for letter in arguments]
    found = json.loads(gathered(streamed(chunks))[0, "tool 0"])
    assert (found["a"], json.loads(found["b"])) == (QUOTED, [QUOTED])


async def source(chunks: Iterable[ChatChunk], closed: list[bool]) -> AsyncGenerator[ChatChunk, None]:
    try:
        for chunk in chunks:
            await asyncio.sleep(0)
            yield chunk
    finally:
        closed.append(True)


def test_a_hundred_streams_at_once_do_not_mix() -> None:
    async def one(number: int) -> None:
        rng = random.Random(number)
        name, mail = f"Person Number{number}", f"p{number}@example.org"
        text = f"I am {name}, {mail}."
        request = ChatRequest(model="m", messages=(Message("user", (Text(text),)),))
        find = finds({name: ("personal", "person", "soft"), mail: ("identifiers", "email", "hard")})
        redacted = redact(request, find, chosen, SECRET)
        assert redacted.restorer is not None
        said = redacted.request.messages[0].text * 3
        cuts = sorted(rng.sample(range(len(said)), 20))
        pieces = [said[start:end] for start, end in zip([0, *cuts], [*cuts, len(said)], strict=True)]
        chunks = [*(ChatChunk(deltas=(Delta(text=piece),)) for piece in pieces), ChatChunk(last=True)]
        closed: list[bool] = []
        out = [chunk async for chunk in redacted.restorer.stream(source(chunks, closed))]
        assert gathered(out) == {(0, "text"): text * 3}
        assert (redacted.restorer.restored, redacted.restorer.unresolved) == (6, 0)
        assert closed == [True]

    async def all_at_once() -> None:
        await asyncio.gather(*(one(number) for number in range(100)))

    asyncio.run(all_at_once())


def test_closing_a_stream_closes_its_source_and_errors_pass() -> None:
    async def failing() -> AsyncGenerator[ChatChunk, None]:
        yield ChatChunk(deltas=(Delta(text="x"),))
        raise UpstreamError("cut", upstream="cut")

    async def run() -> None:
        closed: list[bool] = []
        stream = restorer().stream(source([ChatChunk(deltas=(Delta(text="x"),))] * 2, closed))
        await anext(stream)
        await stream.aclose()
        assert closed == [True]
        with pytest.raises(UpstreamError):
            [chunk async for chunk in restorer().stream(failing())]

    asyncio.run(run())


@pytest.mark.parametrize("door", ["openai", "responses", "anthropic", "gemini", "ollama"])
def test_every_door_writes_a_restored_stream_of_its_own_dialect(door: Any) -> None:
    request = ChatRequest(model="m", messages=(), stream=True, dialect=door, tree={"model": "m"}, caller=NOBODY)
    writers: dict[str, Any] = {
        "openai": openai.StreamWriter,
        "responses": responses.StreamWriter,
        "anthropic": anthropic.StreamWriter,
        "gemini": gemini.StreamWriter,
        "ollama": ollama.StreamWriter,
    }
    said = [
        Delta(thinking="[PERSON_"),
        Delta(thinking="7KQX3]."),
        Delta(text="Dear [PERS"),
        Delta(text="ON_7KQX3]"),
        Delta(tool=ToolDelta(index=0, id="c", name="f", arguments='{"a": "EMAIL_R')),
        Delta(tool=ToolDelta(index=0, arguments='RS29"}')),
        Delta(finish="tool_calls"),
    ]
    chunks = [ChatChunk(deltas=(delta,), raw=b"as it came", dialect=door, id="x", model="m") for delta in said]
    chunks.append(ChatChunk(usage=Usage(input=1, output=2), last=True, raw=b"as it came", dialect=door))
    writer = writers[door](request)
    written = b"".join([*map(writer.write, streamed(chunks)), writer.end(SERVED)])
    assert b"as it came" not in written
    readers: dict[str, Any] = {
        "openai": openai.StreamReader,
        "responses": responses.StreamReader,
        "anthropic": anthropic.StreamReader,
        "gemini": gemini.StreamReader,
        "ollama": ollama.StreamReader,
    }
    reader = readers[door]()
    again = [*reader.feed(written), *reader.eof()] if door in {"openai", "gemini"} else reader.feed(written)
    found = gathered(again)
    assert found[0, "text"] == f"Dear {NAME}"
    assert found[0, "thinking"] == f"{NAME}."
    assert json.loads(found[0, "tool 0"]) == {"a": MAIL}


def test_nothing_shows_a_value() -> None:
    assert NAME not in repr(restorer())
    assert NAME not in repr(ISSUED)
