"""Streams of OpenAI's chat completions: chunks read from a target, and chunks written to a client."""

from __future__ import annotations

from typing import Any

import msgspec

from crossover.chat import ChatChunk, ChatRequest, Delta, Served, ToolDelta
from crossover.errors import CrossoverError, UpstreamError
from crossover.usage import MAX_TOKENS, Usage
from crossover.wire import failure, sse, tree
from crossover.wire import openai_parts as parts
from crossover.wire.openai_errors import error_inside, error_row
from crossover.wire.openai_usage import of_one_choice, read_finish, read_usage, write_finish, write_usage

DONE = b"data: [DONE]\n\n"
_encode = msgspec.json.Encoder().encode

# ----------------------------------------------------------------------------------------------------------- upstream


class _Function(msgspec.Struct, gc=False):
    name: Any = None
    arguments: Any = None


class _Call(msgspec.Struct):
    index: Any = None
    id: Any = None
    function: _Function | None = None
    extra_content: Any = None


class _Delta(msgspec.Struct):
    content: Any = None
    tool_calls: list[_Call] | None = None
    reasoning_content: Any = None
    reasoning: Any = None
    reasoning_details: Any = None
    refusal: Any = None
    function_call: _Function | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    index: Any = 0
    finish_reason: Any = None
    logprobs: Any = None
    usage: Any = None


class _Chunk(msgspec.Struct):
    id: Any = None
    object: Any = None
    model: Any = None
    choices: list[_Choice] | None = None
    usage: Any = None
    x_groq: Any = None
    timings: Any = None
    error: Any = None
    message: Any = None


_decode = msgspec.json.Decoder(_Chunk).decode


class StreamReader:
    """One streamed answer of a target.

    ``malformed`` counts events that were no chunk and were skipped. A stream ends with a chunk marked ``last``; one
    that ends without its announced end is UpstreamError ``cut``, one without a word ``empty``, one of nothing but
    malformed events ``malformed``. Errors inside the stream, and ends that say "failed", are UpstreamError too. What
    came before an error in the same read is returned first; the error is raised by the next call.
    """

    __slots__ = ("_calls", "_counted", "_counts", "_done", "_ended", "_error", "_framer", "malformed", "usage")

    def __init__(self) -> None:
        self._framer = sse.Framer()
        self._ended: dict[int, bool] = {}  # choices that were seen, and whether each has ended
        self._calls: dict[tuple[int, int], tuple[str, int]] = {}  # tool calls by choice and index: id and our index
        self._counts: dict[int, int] = {}  # tool calls of each choice
        self._counted: Usage | None = None  # of the choices so far, where a server counts each by itself
        self._done = False
        self._error: UpstreamError | None = None
        self.malformed = 0
        self.usage: Usage | None = None

    def feed(self, data: bytes) -> list[ChatChunk]:
        """The chunks that ``data`` completes. Raises UpstreamError."""
        return self._read(self._framer.feed(data))

    def eof(self) -> list[ChatChunk]:
        """The last chunks of a stream whose connection has ended. Raises UpstreamError."""
        rest = self._framer.eof()
        chunks = self._read(rest)
        if self._error is not None:
            raise self._error
        if self._done:
            return chunks
        if self._ended and all(self._ended.values()):  # a host that does not send [DONE]
            return [*chunks, ChatChunk(last=True, dialect="openai")]
        if not self._ended:
            body = tree.table(tree.parse(rest[-1].raw)) if rest else {}
            if body.get("error"):
                raise error_inside(body["error"])
            if body:
                raise UpstreamError("the target answered a stream with a whole body", upstream="malformed")
            self._nothing()
        raise failure.cut(self.usage)

    def _read(self, events: list[sse.Event]) -> list[ChatChunk]:
        if self._error is not None:
            raise self._error
        chunks: list[ChatChunk] = []
        for event in events:
            try:
                chunk = self._chunk(event)
            except UpstreamError as error:
                if error.usage is None:
                    error.usage = self.usage
                if not chunks:
                    raise
                self._error = error
                break
            if chunk is not None:
                chunks.append(chunk)
        return chunks

    def _chunk(self, event: sse.Event) -> ChatChunk | None:
        data = event.data
        if not data or self._done:
            return None
        if data.startswith(b"[DONE]"):
            if not self._ended:
                self._nothing()
            self._done = True
            return ChatChunk(last=True, dialect="openai")
        try:
            body = _decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._skip(data)
            return None
        if body.error or body.object == "error":
            raise error_inside(body.error or {"message": body.message})
        deltas: tuple[Delta, ...] = ()
        choices = body.choices
        if choices:
            # Nearly every chunk is a piece of text of the only choice.
            only = choices[0]
            delta = only.delta
            if (
                len(choices) == 1
                and delta is not None
                and type(delta.content) is str
                and only.finish_reason is None
                and only.logprobs is None
                and delta.tool_calls is None
                and delta.reasoning_content is None
                and delta.reasoning is None
                and delta.reasoning_details is None
                and delta.refusal is None
                and only.index == 0
            ):
                self._ended.setdefault(0, False)
                deltas = (Delta(text=delta.content),)
            else:
                deltas = tuple([delta for choice in choices for delta in self._deltas(choice)])
        usage = None
        if body.usage is not None or body.x_groq is not None or body.timings is not None or not deltas or _tail(deltas):
            usage = self._usage(body)
        raw = event.raw
        if usage is not None and usage is self._counted and len(self._ended) > 1:
            raw = _recounted(data, usage)
        return ChatChunk(
            deltas=deltas,
            usage=usage,
            raw=raw,
            dialect="openai",
            id=body.id if type(body.id) is str else "",
            model=body.model if type(body.model) is str else "",
        )

    def _usage(self, body: _Chunk) -> Usage | None:
        found = read_usage(body.usage, body.timings)
        if found is None:
            found = read_usage(tree.table(body.x_groq).get("usage"))
        if found is None and body.choices:
            found = read_usage(body.choices[0].usage)
        if found is not None and body.timings is not None:
            found = self._with_others(found, whole=body.usage is not None and of_one_choice(found, body.timings))
        if found is not None:
            self.usage = found
        return found

    def _with_others(self, found: Usage, *, whole: bool) -> Usage | None:
        """The usage with that of the choices that ended before: llama.cpp says each choice's own. None: it says less.

        ``whole``: a choice has ended. Otherwise it is a figure on the way (``timings_per_token``).
        """
        before = self._counted
        if before is not None and len(self._ended) > 1:
            if not whole:
                return None
            found = msgspec.structs.replace(before, output=min(before.output + found.output, MAX_TOKENS))
        if whole:
            self._counted = found
        return found

    def _skip(self, data: bytes) -> None:
        # An error in a shape of its own is no damage to one chunk.
        error = tree.table(tree.parse(data)).get("error")
        if error:
            raise error_inside(error)
        self.malformed += 1

    def _nothing(self) -> None:
        if self.malformed:
            raise UpstreamError(f"none of {self.malformed} events of the stream was a chunk", upstream="malformed")
        raise UpstreamError("the stream ended without an answer", upstream="empty", usage=self.usage)

    def _deltas(self, choice: _Choice) -> list[Delta]:
        index = choice.index if type(choice.index) is int else 0
        self._ended.setdefault(index, False)
        found: list[Delta] = []
        delta = choice.delta
        if delta is not None:
            if delta.reasoning_details:
                found += self._thoughts(index, delta)
            if delta.tool_calls:
                found += [Delta(choice=index, tool=self._tool(index, call)) for call in delta.tool_calls]
            elif delta.function_call is not None:
                call = _Call(index=0, function=delta.function_call)
                found.append(Delta(choice=index, tool=self._tool(index, call)))
        finish = read_finish(choice.finish_reason, called=self._counts.get(index, 0) > 0)
        if finish is not None:
            self._ended[index] = True
        text, thinking, refusal = _texts(delta)
        if text or thinking or refusal or choice.logprobs is not None or not found:
            first = Delta(choice=index, text=text, thinking=thinking, refusal=refusal, logprobs=choice.logprobs)
            found.insert(0, first)
        if finish is not None:
            found[-1] = msgspec.structs.replace(found[-1], finish=finish)
        return found

    def _thoughts(self, index: int, delta: _Delta) -> list[Delta]:
        """What ``reasoning_details`` say beyond the plain text that comes with them."""
        found: list[Delta] = []
        plain = bool(delta.reasoning or delta.reasoning_content)
        for part in parts.read_thinking({"reasoning_details": delta.reasoning_details}):
            text = "" if plain else getattr(part, "text", "")
            signature, redacted = getattr(part, "signature", None), getattr(part, "redacted", None)
            if text or signature or redacted:
                found.append(Delta(choice=index, thinking=text, signature=signature, redacted=redacted))
        return found

    def _tool(self, choice: int, call: _Call) -> ToolDelta:
        """One fragment. Hosts that leave out the index, or give every call index 0, are told apart by the id."""
        function = call.function or _Function()
        name, call_id = tree.text(function.name), tree.text(call.id)
        key = (choice, call.index if type(call.index) is int else -1)
        known = self._calls.get(key)
        fresh = known is None or (call_id and known[0] and call_id != known[0]) or (key[1] < 0 and bool(name))
        if fresh:
            number = self._counts.get(choice, 0)
            self._counts[choice] = number + 1
            self._calls[key] = (call_id, number)
        else:
            assert known is not None
            number = known[1]
            if not known[0] and call_id:
                self._calls[key] = (call_id, number)
                fresh = True
        arguments = function.arguments
        return ToolDelta(
            index=number,
            id=call_id or None if fresh else None,
            name=name or None if fresh else None,
            arguments=arguments if type(arguments) is str else tree.dump_text(arguments) if arguments else "",
            signature=parts.google_signature({"extra_content": call.extra_content}) if call.extra_content else None,
        )


def _recounted(data: bytes, usage: Usage) -> bytes:
    """A chunk of one choice's usage as one of the answer's: clients look at the last."""
    body = tree.table(tree.parse(data))
    body["usage"] = {**tree.table(body.get("usage")), **write_usage(usage)}
    return b"data: " + _encode(body) + b"\n\n"


def _tail(deltas: tuple[Delta, ...]) -> bool:
    """Whether a chunk ends a choice: usage inside a choice (Moonshot) comes with the end."""
    return deltas[-1].finish is not None


def _texts(delta: _Delta | None) -> tuple[str, str, str]:
    if delta is None:
        return "", "", ""
    thinking = tree.text(delta.reasoning_content) or tree.text(delta.reasoning)
    if type(delta.content) is list:
        text, thought = parts.read_chunks(delta.content)
        return text, thinking or thought, tree.text(delta.refusal)
    return tree.text(delta.content), thinking, tree.text(delta.refusal)


# --------------------------------------------------------------------------------------------------------------- door


class StreamWriter:
    """One streamed answer for a client of this dialect. ``created`` is its Unix time in seconds.

    Chunks of a target of this dialect keep their bytes, but usage comes once, in a chunk of its own at the end, and
    only to a client that asked for it: clients add up what they see.
    """

    __slots__ = ("_created", "_head", "_held", "_id", "_include", "_model", "_started", "_tail", "_usage")

    def __init__(self, request: ChatRequest, created: int = 0) -> None:
        self._include = request.include_usage
        self._id = f"chatcmpl-{request.caller.request_id}"
        self._model = request.model
        self._created = created
        self._head = b""
        self._tail = b',"usage":null}\n\n' if self._include else b"}\n\n"
        self._started: set[int] = set()  # choices whose role was said
        self._held = b""  # a target's own chunk of usage: the last one counts
        self._usage: Usage | None = None

    def write(self, chunk: ChatChunk) -> bytes:
        """The bytes of one chunk; empty where it has nothing for this client."""
        if chunk.dialect == "openai":
            return chunk.raw or b"" if chunk.usage is None else self._counted(chunk)
        if chunk.usage is not None:
            self._usage = chunk.usage
        if not self._head:
            self._begin(chunk)
        return b"".join([self._event(delta) for delta in chunk.deltas])

    def end(self, served: Served | None = None) -> bytes:
        """The end of the stream: usage where the client asked and it is known, then ``[DONE]``."""
        if not self._include or self._usage is None:
            return DONE
        held, usage = self._held, _encode(write_usage(self._usage))
        self._held, self._usage = b"", None
        if held:
            return held + DONE
        if not self._head:
            self._begin(ChatChunk(model=served.model if served is not None else ""))
        return b"".join((self._head, b'[],"usage":', usage, b"}\n\n", DONE))

    def error(self, error: CrossoverError) -> bytes:
        """The end of a stream that failed: the error and no ``[DONE]``."""
        return b"data: " + _encode({"error": error_row(error)[1]}) + b"\n\n"

    def _counted(self, chunk: ChatChunk) -> bytes:
        """A chunk of this dialect that carries usage."""
        self._usage = chunk.usage
        if not self._head:
            self._begin(chunk)
        if chunk.raw is None:
            return b""
        self._held = b""
        if not chunk.deltas:
            self._held = chunk.raw if self._include else b""
            return b""
        body = tree.parse(sse.data_of(chunk.raw))
        if type(body) is not dict or "usage" not in body:
            return chunk.raw
        if self._include:
            body["usage"] = None
        else:
            del body["usage"]
        return b"data: " + _encode(body) + b"\n\n"

    def _begin(self, chunk: ChatChunk) -> None:
        row = {
            "id": chunk.id or self._id,
            "object": "chat.completion.chunk",
            "created": self._created,
            "model": chunk.model or self._model,
        }
        self._head = b"data: " + _encode(row)[:-1] + b',"choices":'

    def _event(self, delta: Delta) -> bytes:
        said: dict[str, Any] = {}
        if delta.choice not in self._started:
            self._started.add(delta.choice)
            said["role"] = "assistant"
            said["content"] = ""
        if delta.text:
            said["content"] = delta.text
        if delta.thinking:
            said["reasoning_content"] = delta.thinking
        if delta.signature is not None or delta.redacted is not None:
            said["reasoning_details"] = [_thought(delta)]
        if delta.refusal:
            said["refusal"] = delta.refusal
        if delta.tool is not None:
            said["tool_calls"] = [_fragment(delta.tool)]
        elif not said and delta.finish is None and delta.logprobs is None:
            return b""
        choice: dict[str, Any] = {"index": delta.choice, "delta": said}
        if delta.logprobs is not None:
            choice["logprobs"] = delta.logprobs
        choice["finish_reason"] = None if delta.finish is None else write_finish(delta.finish)
        return b"".join((self._head, b"[", _encode(choice), b"]", self._tail))


def _thought(delta: Delta) -> dict[str, Any]:
    if delta.redacted is not None:
        return {"type": "reasoning.encrypted", "data": delta.redacted, "index": 0}
    return {"type": "reasoning.text", "text": delta.thinking, "signature": delta.signature, "index": 0}


def _fragment(tool: ToolDelta) -> dict[str, Any]:
    function: dict[str, Any] = {"arguments": tool.arguments}
    row: dict[str, Any] = {"index": tool.index}
    if tool.id is not None:
        row["id"] = tool.id
        row["type"] = "function"
    if tool.name is not None:
        function["name"] = tool.name
    row["function"] = function
    if tool.signature is not None:
        row["extra_content"] = {"google": {"thought_signature": tool.signature}}
    return row
