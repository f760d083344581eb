"""Putting values back into an answer: only what its request issued, whole or piece by piece.

In a stream the end of a piece is held back as long as it may be the beginning of a placeholder, never more than one;
how an answer is cut into pieces does not change what comes out. Inside JSON (arguments of tools, answers that were
asked for as JSON) a value is escaped, as deep as it stands. A placeholder of another request, or one that the model
made up, stays as it is and is counted.

- *Thinking* is restored as well. Its signature was made over the placeholders; a client sends the thinking back with
  the values, and the next request of the conversation gets the same placeholders for them: what the model's service
  sees is what it signed.
- *Log probabilities* stay as they came. Their tokens spell placeholders, which say nothing.
- *Numbers* that were replaced come back as strings: a placeholder in JSON is one.
- A *stream* that is restored is written from words, not from the bytes of the target: ``raw`` and ``dialect`` are
  dropped throughout, since one placeholder may lie in several of its events.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import TypeVar

import msgspec

from crossover.chat import (
    ChatChunk,
    ChatResponse,
    Choice,
    Delta,
    EmbedResponse,
    Part,
    Refused,
    Text,
    Thinking,
    ToolCall,
    ToolDelta,
    Unknown,
)
from crossover.privacy import jsontext
from crossover.privacy.placeholders import Placeholder
from crossover.privacy.spelling import Spellings

Answer = TypeVar("Answer", ChatResponse, EmbedResponse)


class Restorer:
    """The placeholders of one request, and its answer with the values back in it.

    ``restored`` counts what was turned back, ``unresolved`` what looks like a placeholder of a type that was given out
    but is none of this request's. ``answers_json``: the text of the answer is JSON.
    """

    __slots__ = ("answers_json", "escapes", "restored", "spellings", "unresolved")

    def __init__(self, issued: Sequence[Placeholder], *, answers_json: bool = False) -> None:
        self.spellings = Spellings(issued)
        self.escapes = any(jsontext.needs_escapes(one.value) for one in issued)
        self.answers_json = answers_json
        self.restored = 0
        self.unresolved = 0

    def __repr__(self) -> str:
        return f"Restorer({len(self.spellings)} placeholders, {self.restored} restored, {self.unresolved} unresolved)"

    def text(self, text: str, *, inside_json: bool = False) -> str:
        """One whole text with the values back in it; escaped as deep as they stand where the text is JSON."""
        return Channel(self, inside_json=inside_json).feed(text, end=True)

    def whole(self, response: Answer) -> Answer:
        """A complete answer with the values back in it; the very same without placeholders, or as vectors."""
        if not isinstance(response, ChatResponse):
            return response
        before = self.restored
        choices = tuple([self._choice(choice) for choice in response.choices])
        if self.restored == before:
            return response
        raw = None if response.raw is None else self._body(response.raw)
        return msgspec.structs.replace(response, choices=choices, raw=raw)

    async def stream(self, source: AsyncGenerator[ChatChunk, None]) -> AsyncGenerator[ChatChunk, None]:
        """A streamed answer with the values back in it. Closing it closes ``source``."""
        pieces = Pieces(self)
        try:
            async for chunk in source:
                for piece in pieces.feed(chunk):
                    yield piece
            for piece in pieces.finish():
                yield piece
        finally:
            await source.aclose()

    def _choice(self, choice: Choice) -> Choice:
        message = choice.message
        parts = tuple([self._part(part) for part in message.parts])
        return msgspec.structs.replace(choice, message=msgspec.structs.replace(message, parts=parts))

    def _part(self, part: Part) -> Part:
        match part:
            case Text(text=text):
                return msgspec.structs.replace(part, text=self.text(text, inside_json=self.answers_json))
            case Thinking(text=text) | Refused(text=text):
                return msgspec.structs.replace(part, text=self.text(text))
            case ToolCall(name=name, arguments=arguments):
                given = self.text(arguments, inside_json=True)
                return msgspec.structs.replace(part, name=self.text(name), arguments=given)
            case Unknown(data=data) if data is not None:
                said = self.text(msgspec.json.encode(data).decode(), inside_json=True)
                return msgspec.structs.replace(part, data=msgspec.json.decode(said))
        return part

    def _body(self, raw: bytes) -> bytes | None:
        """The bytes of a whole answer, restored like its words; None where they cannot be: words are written then.

        Written anew first, so that no letter of a placeholder is an escape.
        """
        counts = self.restored, self.unresolved
        try:
            body = msgspec.json.encode(msgspec.json.decode(raw)).decode()
            return self.text(body, inside_json=True).encode()
        except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
            return None
        finally:
            self.restored, self.unresolved = counts


class Channel:
    """One text of an answer as it comes: put in what came, take out what is sure."""

    __slots__ = ("_restorer", "_said", "held")

    def __init__(self, restorer: Restorer, *, inside_json: bool = False) -> None:
        self._restorer = restorer
        # What came out so far, where values have to be escaped as deep as they stand.
        self._said: list[str] | None = [] if inside_json and restorer.escapes else None
        self.held = ""

    def feed(self, text: str, *, end: bool = False) -> str:
        """What is sure of all that came; with ``end`` all of it is."""
        restorer = self._restorer
        if self.held:
            text, self.held = self.held + text, ""
        found = restorer.spellings.find(text, whole=end)
        if not found:
            sure = len(text) if end else restorer.spellings.sure(text, 0)
            if sure < len(text):
                text, self.held = text[:sure], text[sure:]
            if self._said is not None:
                self._said.append(text)
            return text
        pieces: list[str] = []
        floor = 0
        for one in found:
            if one.stop < 0:
                break
            self._say(pieces, text[floor : one.start])
            if one.value is None:
                restorer.unresolved += 1
                self._say(pieces, text[one.start : one.stop])
            else:
                restorer.restored += 1
                self._say(pieces, one.before)
                self._say(pieces, one.value if self._said is None else self._escaped(one.value))
                self._say(pieces, one.after)
            floor = one.stop
        sure = found[-1].start if found[-1].stop < 0 else len(text) if end else restorer.spellings.sure(text, floor)
        self._say(pieces, text[floor:sure])
        self.held = text[sure:]
        return "".join(pieces)

    def _say(self, pieces: list[str], text: str) -> None:
        pieces.append(text)
        if self._said is not None:
            self._said.append(text)

    def _escaped(self, value: str) -> str:
        """A value as it is written here in JSON: escaped once for each string it stands in."""
        assert self._said is not None
        self._said = ["".join(self._said)]
        return jsontext.escape(value, max(1, jsontext.depth(self._said[0])))


# -------------------------------------------------------------------------------------------------------------- streams


class _Voice:
    """The channels of one choice."""

    __slots__ = ("refusal", "text", "thinking", "tools")

    def __init__(self, restorer: Restorer) -> None:
        self.text = Channel(restorer, inside_json=restorer.answers_json)
        self.thinking = Channel(restorer)
        self.refusal = Channel(restorer)
        self.tools: dict[int, Channel] = {}


class Pieces:
    """One streamed answer: its chunks in, chunks with the values back in them out; order, ids and usage stay."""

    __slots__ = ("_restorer", "_voices")

    def __init__(self, restorer: Restorer) -> None:
        self._restorer = restorer
        self._voices: dict[int, _Voice] = {}

    def feed(self, chunk: ChatChunk) -> list[ChatChunk]:
        """The chunks that are sure now; none where all the chunk said is held back."""
        deltas = chunk.deltas
        if len(deltas) == 1:
            new = self._delta(deltas[0])
        else:
            new = tuple([row for delta in deltas for row in self._delta(delta)])
        if chunk.last:
            new += self._rest()
        elif not new and deltas and chunk.usage is None and chunk.served is None and not chunk.dropped:
            return []
        return [
            ChatChunk(
                deltas=new,
                usage=chunk.usage,
                id=chunk.id,
                model=chunk.model,
                last=chunk.last,
                served=chunk.served,
                dropped=chunk.dropped,
            )
        ]

    def finish(self) -> list[ChatChunk]:
        """What is still held back of a stream that stopped without saying that it ends."""
        rest = self._rest()
        return [ChatChunk(deltas=rest)] if rest else []

    def _delta(self, delta: Delta) -> tuple[Delta, ...]:
        voice = self._voices.get(delta.choice)
        if voice is None:
            voice = self._voices[delta.choice] = _Voice(self._restorer)
        end = delta.finish is not None
        before = self._tools_rest(delta, voice) if end else self._left(delta, voice)
        text = voice.text.feed(delta.text, end=end) if delta.text or end else ""
        thinking = voice.thinking.feed(delta.thinking, end=end) if delta.thinking or end else ""
        refusal = voice.refusal.feed(delta.refusal, end=end) if delta.refusal or end else ""
        tool = None if delta.tool is None else self._tool(delta.tool, voice, end)
        if text == delta.text and thinking == delta.thinking and refusal == delta.refusal and tool is delta.tool:
            return (*before, delta)
        new = msgspec.structs.replace(delta, text=text, thinking=thinking, refusal=refusal, tool=tool)
        return before if new == Delta(choice=delta.choice) else (*before, new)

    def _tool(self, tool: ToolDelta, voice: _Voice, end: bool) -> ToolDelta | None:
        """A piece of a call, None where all of it is held back. Its name comes whole."""
        channel = voice.tools.get(tool.index)
        if channel is None:
            channel = voice.tools[tool.index] = Channel(self._restorer, inside_json=True)
        arguments = channel.feed(tool.arguments, end=end)
        name = self._restorer.text(tool.name) if tool.name else tool.name
        if arguments == tool.arguments and name == tool.name:
            return tool
        new = msgspec.structs.replace(tool, name=name, arguments=arguments)
        return None if new == ToolDelta(index=tool.index) else new

    @staticmethod
    def _left(delta: Delta, voice: _Voice) -> tuple[Delta, ...]:
        """What is held back of words that this delta goes on from: their last letters must not come after it.

        Only letters, which nearly always are just the end of a word. A bracket is held on: servers may send words and
        thinking side by side.
        """
        rows: list[Delta] = []
        if not (delta.text or delta.thinking or delta.refusal or delta.tool is not None):
            return ()
        if not delta.thinking and voice.thinking.held[:1].isalpha():
            rows.append(Delta(choice=delta.choice, thinking=voice.thinking.feed("", end=True)))
        if not delta.text and voice.text.held[:1].isalpha():
            rows.append(Delta(choice=delta.choice, text=voice.text.feed("", end=True)))
        if not delta.refusal and voice.refusal.held[:1].isalpha():
            rows.append(Delta(choice=delta.choice, refusal=voice.refusal.feed("", end=True)))
        return tuple(rows)

    @staticmethod
    def _tools_rest(delta: Delta, voice: _Voice) -> tuple[Delta, ...]:
        """What is held back of the tool calls of a choice, but for the one that ``delta`` goes on with."""
        own = None if delta.tool is None else delta.tool.index
        return tuple(
            [
                Delta(choice=delta.choice, tool=ToolDelta(index=index, arguments=channel.feed("", end=True)))
                for index, channel in voice.tools.items()
                if channel.held and index != own
            ]
        )

    def _rest(self) -> tuple[Delta, ...]:
        """Everything that is held back."""
        rows: list[Delta] = []
        for choice, voice in self._voices.items():
            words = Delta(
                choice=choice,
                text=voice.text.feed("", end=True),
                thinking=voice.thinking.feed("", end=True),
                refusal=voice.refusal.feed("", end=True),
            )
            rows += self._tools_rest(words, voice)
            if words != Delta(choice=choice):
                rows.append(words)
        return tuple(rows)
