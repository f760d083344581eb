"""Streams of OpenAI's Responses API: events read from a target, and events written to a client."""

from __future__ import annotations

from typing import Any

import msgspec

from crossover.chat import ChatChunk, ChatRequest, Delta, Finish, Served, ToolDelta
from crossover.errors import CrossoverError, UpstreamError
from crossover.usage import Usage
from crossover.wire import failure, sse, tree
from crossover.wire import responses_items as items
from crossover.wire.openai_errors import error_inside, error_row
from crossover.wire.openai_usage import read_usage, write_responses_usage

_encode = msgspec.json.Encoder().encode
_NONE = msgspec.Raw(b"null")


def finish_of(status: Any, details: Any, called: bool) -> Finish:
    """Why a response ended. Not whole for a reason other than a filter counts as ``length``."""
    if status == "incomplete":
        return "content_filter" if tree.table(details).get("reason") == "content_filter" else "length"
    return "tool_calls" if called else "stop"


def envelope(request: ChatRequest, response_id: str, created: float, model: str) -> dict[str, Any]:
    """A response without its output: what the client asked is repeated, as the API does."""
    asked = request.tree if request.dialect == "responses" and request.tree is not None else {}
    return {
        "id": response_id,
        "object": "response",
        "created_at": created,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": asked.get("instructions"),
        "max_output_tokens": request.max_tokens,
        "metadata": request.metadata or {},
        "model": model or request.model,
        "output": [],
        "parallel_tool_calls": request.parallel_tools is not False,
        "previous_response_id": None,
        "reasoning": asked.get("reasoning"),
        "store": False,
        "temperature": request.temperature,
        "text": asked.get("text") or {"format": {"type": "text"}},
        "tool_choice": asked.get("tool_choice") or "auto",
        "tools": asked.get("tools") or [],
        "top_p": request.top_p,
        "truncation": asked.get("truncation") or "disabled",
        "usage": None,
        "user": request.user,
    }


# ----------------------------------------------------------------------------------------------------------- upstream


class _Event(msgspec.Struct):
    type: str = ""
    delta: Any = None
    output_index: Any = None
    summary_index: Any = None
    logprobs: Any = None
    item: msgspec.Raw = _NONE
    response: msgspec.Raw = _NONE
    error: Any = None
    code: Any = None
    message: Any = None


_decode = msgspec.json.Decoder(_Event).decode
_TEXT = frozenset({"response.output_text.delta"})
_THINKING = frozenset({"response.reasoning_text.delta", "response.reasoning_summary_text.delta"})
_ENDS = frozenset({"response.completed", "response.incomplete", "response.failed", "response.cancelled"})


class StreamReader:
    """One streamed answer of a target. Every event becomes a chunk, so that a client of this API misses none.

    ``malformed`` counts events that were skipped. The end is ``response.completed`` or ``response.incomplete``; a
    stream without it is UpstreamError ``cut`` (``empty`` where nothing came, ``malformed`` where nothing was an event).
    What came before an error in the same read is returned first; the error is raised by the next call.
    """

    __slots__ = ("_called", "_done", "_error", "_framer", "_id", "_model", "_seen", "malformed", "usage")

    def __init__(self) -> None:
        self._framer = sse.Framer()
        self._called: dict[int, int] = {}  # our index of the function call at each place of the output
        self._done = False
        self._seen = False
        self._error: UpstreamError | None = None
        self._id = ""
        self._model = ""
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
        if not self._seen:
            body = tree.table(tree.parse(rest[-1].raw)) if rest else {}
            if body.get("error"):
                raise error_inside(body["error"])
            if body or self.malformed:
                raise UpstreamError("the target answered a stream with something else", upstream="malformed")
            raise UpstreamError("the stream ended without an answer", upstream="empty")
        raise failure.cut(self.usage)

    def _read(self, events: list[sse.Event]) -> list[ChatChunk]:
        if self._error is not None:
            raise self._error
        chunks: list[ChatChunk] = []
        for event in events:
            try:
                chunk = self._chunk(event)
            except UpstreamError as error:
                if not chunks:
                    raise
                self._error = error
                break
            if chunk is not None:
                chunks.append(chunk)
        return chunks

    def _chunk(self, event: sse.Event) -> ChatChunk | None:
        data = event.data
        if not data or self._done or data.startswith(b"[DONE]"):
            return None
        try:
            body = _decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.malformed += 1
            return None
        kind = body.type
        if body.error is not None or kind == "error":
            raise error_inside(body.error or {"code": body.code, "message": body.message})
        self._seen = True
        if kind in _TEXT:
            logprobs = {"content": body.logprobs, "refusal": None} if body.logprobs else None
            deltas: tuple[Delta, ...] = (Delta(text=tree.text(body.delta), logprobs=logprobs),)
        elif kind in _ENDS:
            return self._end(event, body)
        else:
            deltas = self._deltas(kind, body)
        return ChatChunk(deltas=deltas, raw=event.raw, dialect="responses", id=self._id, model=self._model)

    def _deltas(self, kind: str, body: _Event) -> tuple[Delta, ...]:
        place = body.output_index if type(body.output_index) is int else -1
        if kind in _THINKING:
            return (Delta(thinking=tree.text(body.delta)),)
        if kind == "response.reasoning_summary_part.added":
            return (Delta(thinking="\n\n"),) if body.summary_index else ()
        if kind == "response.refusal.delta":
            return (Delta(refusal=tree.text(body.delta)),)
        if kind == "response.function_call_arguments.delta":
            tool = ToolDelta(index=self._called.get(place, 0), arguments=tree.text(body.delta))
            return (Delta(tool=tool),)
        if kind in {"response.output_item.added", "response.output_item.done"}:
            item = tree.table(tree.parse(bytes(body.item)))
            if item.get("type") != "function_call" or place in self._called:
                return ()
            self._called[place] = len(self._called)
            tool = ToolDelta(
                index=self._called[place],
                id=tree.text(item.get("call_id")),
                name=tree.text(item.get("name")),
                arguments=tree.text(item.get("arguments")),
            )
            return (Delta(tool=tool),)
        if kind == "response.created":
            response = tree.table(tree.parse(bytes(body.response)))
            self._id, self._model = tree.text(response.get("id")), tree.text(response.get("model"))
        return ()

    def _end(self, event: sse.Event, body: _Event) -> ChatChunk:
        response = tree.table(tree.parse(bytes(body.response)))
        self.usage = read_usage(response.get("usage"))
        if body.type in {"response.failed", "response.cancelled"}:
            error = error_inside(response.get("error") or {"message": f"the response is {response.get('status')}"})
            error.usage = self.usage
            raise error
        self._done = True
        status = body.type.removeprefix("response.")
        finish = finish_of(status, response.get("incomplete_details"), bool(self._called))
        return ChatChunk(
            deltas=(Delta(finish=finish),),
            usage=self.usage,
            raw=event.raw,
            dialect="responses",
            id=self._id,
            model=self._model,
            last=True,
        )


# --------------------------------------------------------------------------------------------------------------- door


class _Item:
    """One item of the answer while it is written."""

    __slots__ = ("call", "id", "kind", "logprobs", "name", "pieces", "place", "sealed")

    def __init__(self, kind: str, item_id: str, place: int) -> None:
        self.kind = kind  # text, refusal, reasoning, call
        self.id = item_id
        self.place = place
        self.pieces: list[str] = []
        self.logprobs: list[Any] = []
        self.call = ""
        self.name = ""
        self.sealed: str | None = None

    def row(self, status: str) -> dict[str, Any]:
        """The item as the API shows it."""
        text = "".join(self.pieces)
        if self.kind == "call":
            return items.call_item(self.id, self.call, self.name, text, status)
        if self.kind == "reasoning":
            return items.reasoning_item(self.id, text, self.sealed, status)
        return items.message_item(self.id, [self.part()], status)

    def part(self) -> dict[str, Any]:
        """The part that the item holds."""
        text = "".join(self.pieces)
        if self.kind == "reasoning":
            return {"type": "summary_text", "text": text}
        return {"type": "refusal", "refusal": text} if self.kind == "refusal" else items.text_part(text, self.logprobs)


# Of each kind: the event that ends its text, the event that ends its part, and the field the text is in.
_DONE = {
    "text": ("output_text", "content_part", "text"),
    "refusal": ("refusal", "content_part", "refusal"),
    "reasoning": ("reasoning_summary_text", "reasoning_summary_part", "text"),
}
_PREFIX = {"text": "msg", "refusal": "msg", "reasoning": "rs", "call": "fc"}


class StreamWriter:
    """One streamed answer for a client of this API. ``created`` is its Unix time in seconds.

    Events of a target of this API keep their bytes. Otherwise items are opened as the answer comes, text and thinking
    closed when something else begins, and calls at the end, since their fragments may come side by side.
    """

    __slots__ = (
        "_calls",
        "_created",
        "_finish",
        "_items",
        "_model",
        "_number",
        "_open",
        "_over",
        "_request",
        "_stem",
        "_usage",
    )

    def __init__(self, request: ChatRequest, created: float = 0) -> None:
        self._request = request
        self._created = created
        self._model = ""
        self._stem = items.stem_of(request)
        self._number = 0  # of the next event
        self._items: list[_Item] = []
        self._open: _Item | None = None
        self._calls: dict[int, _Item] = {}
        self._finish: Finish | None = None
        self._usage: Usage | None = None
        self._over = False

    def write(self, chunk: ChatChunk) -> bytes:
        """The bytes of one chunk; empty where it has nothing for this client."""
        if chunk.usage is not None:
            self._usage = chunk.usage
        if chunk.dialect == "responses":
            if chunk.raw is None:
                return b""
            self._number += 1
            self._over = self._over or chunk.last
            return chunk.raw
        out: list[bytes] = [] if self._number else self._begin(chunk)
        for delta in chunk.deltas:
            if delta.choice == 0:
                self._delta(delta, out)
        return b"".join(out)

    def end(self, served: Served | None = None) -> bytes:
        """The end of the stream, unless the target's own has passed already."""
        if self._over:
            return b""
        out: list[bytes] = [] if self._number else self._begin(ChatChunk(model=served.model if served else ""))
        status = "incomplete" if self._finish in {"length", "content_filter", "pause"} else "completed"
        self._close(out, status)
        for item in self._calls.values():
            self._done_call(item, out, status)
        response = self._response(status)
        if status == "incomplete":
            reason = "content_filter" if self._finish == "content_filter" else "max_output_tokens"
            response["incomplete_details"] = {"reason": reason}
        self._emit(out, f"response.{status}", response=response)
        self._over = True
        return b"".join(out)

    def error(self, error: CrossoverError) -> bytes:
        """The end of a stream that failed."""
        out: list[bytes] = [] if self._number else self._begin(ChatChunk())
        status, row = error_row(error)
        response = self._response("failed")
        code = "rate_limit_exceeded" if status == 429 else "server_error"
        response["error"] = {"code": code, "message": row["message"]}
        self._emit(out, "response.failed", response=response)
        self._over = True
        return b"".join(out)

    def _begin(self, chunk: ChatChunk) -> list[bytes]:
        out: list[bytes] = []
        self._stem = items.stem_of(self._request, chunk.id)
        self._model = chunk.model
        response = envelope(self._request, f"resp_{self._stem}", self._created, self._model)
        self._emit(out, "response.created", response=response)
        self._emit(out, "response.in_progress", response=response)
        return out

    def _response(self, status: str) -> dict[str, Any]:
        response = envelope(self._request, f"resp_{self._stem}", self._created, self._model)
        item_status = "completed" if status == "completed" else "incomplete"
        response["status"] = status
        response["output"] = [item.row(item_status) for item in self._items]
        response["usage"] = None if self._usage is None else write_responses_usage(self._usage)
        return response

    def _emit(self, out: list[bytes], kind: str, **fields: Any) -> None:
        body = _encode({"type": kind, "sequence_number": self._number, **fields})
        self._number += 1
        out.append(b"event: " + kind.encode() + b"\ndata: " + body + b"\n\n")

    def _delta(self, delta: Delta, out: list[bytes]) -> None:
        if delta.redacted is not None:
            self._close(out)
            self._start("reasoning", out).sealed = delta.redacted
            self._close(out)
        if delta.thinking:
            if self._open is not None and self._open.sealed:  # thinking after a seal is a thought of its own
                self._close(out)
            item = self._opened("reasoning", out)
            self._grow(item, delta.thinking, out)
            self._emit(out, "response.reasoning_summary_text.delta", **_at(item), delta=delta.thinking)
        if delta.signature:
            item = self._opened("reasoning", out)
            item.sealed = (item.sealed or "") + delta.signature
        if delta.text:
            item = self._opened("text", out)
            logprobs = tree.rows(tree.table(delta.logprobs).get("content"))
            self._grow(item, delta.text, out)
            item.logprobs += logprobs
            self._emit(out, "response.output_text.delta", **_at(item), delta=delta.text, logprobs=logprobs)
        if delta.refusal:
            item = self._opened("refusal", out)
            self._grow(item, delta.refusal, out)
            self._emit(out, "response.refusal.delta", **_at(item), delta=delta.refusal)
        if delta.tool is not None:
            self._tool(delta.tool, out)
        if delta.finish is not None:
            self._finish = delta.finish

    def _tool(self, tool: ToolDelta, out: list[bytes]) -> None:
        item = self._calls.get(tool.index)
        if item is None:
            self._close(out)
            item = self._new("call")
            item.call = tool.id or f"call_{self._stem}_{tool.index}"
            item.name = tool.name or ""
            self._calls[tool.index] = item
            self._emit(out, "response.output_item.added", output_index=item.place, item=item.row("in_progress"))
        if tool.arguments:
            item.pieces.append(tool.arguments)
            kind = "response.function_call_arguments.delta"
            self._emit(out, kind, item_id=item.id, output_index=item.place, delta=tool.arguments)

    def _new(self, kind: str) -> _Item:
        place = len(self._items)
        item = _Item(kind, items.item_id(_PREFIX[kind], self._stem, place), place)
        self._items.append(item)
        return item

    def _opened(self, kind: str, out: list[bytes]) -> _Item:
        if self._open is not None and self._open.kind == kind:
            return self._open
        self._close(out)
        return self._start(kind, out)

    def _start(self, kind: str, out: list[bytes]) -> _Item:
        item = self._open = self._new(kind)
        row = item.row("in_progress")
        if kind in {"text", "refusal"}:
            row["content"] = []
        self._emit(out, "response.output_item.added", output_index=item.place, item=row)
        return item

    def _grow(self, item: _Item, text: str, out: list[bytes]) -> None:
        """One more piece of an item; the first opens the part that holds it."""
        if not item.pieces:
            kind = "reasoning_summary_part" if item.kind == "reasoning" else "content_part"
            self._emit(out, f"response.{kind}.added", **_at(item), part=item.part())
        item.pieces.append(text)

    def _close(self, out: list[bytes], status: str = "completed") -> None:
        """The end of the item that is open."""
        item = self._open
        if item is None:
            return
        self._open = None
        if item.pieces:
            event, part, field = _DONE[item.kind]
            fields: dict[str, Any] = {field: "".join(item.pieces)}
            if item.kind == "text":
                fields["logprobs"] = item.logprobs
            self._emit(out, f"response.{event}.done", **_at(item), **fields)
            self._emit(out, f"response.{part}.done", **_at(item), part=item.part())
        self._emit(out, "response.output_item.done", output_index=item.place, item=item.row(status))

    def _done_call(self, item: _Item, out: list[bytes], status: str) -> None:
        if not item.pieces:
            item.pieces.append("{}")
        arguments = "".join(item.pieces)
        where = {"item_id": item.id, "output_index": item.place}
        self._emit(out, "response.function_call_arguments.done", **where, arguments=arguments)
        self._emit(out, "response.output_item.done", output_index=item.place, item=item.row(status))


def _at(item: _Item) -> dict[str, Any]:
    inner = "summary_index" if item.kind == "reasoning" else "content_index"
    return {"item_id": item.id, "output_index": item.place, inner: 0}
