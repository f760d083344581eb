"""How many tokens a text probably is, where nobody counted: for reservations, and where a target says no usage.

The rule: one token per four bytes of UTF-8, rounded up; two and a half bytes a token where ASCII text of some length
has hardly any space (tables of numbers, encoded data). Against the tokenizers o200k_base and cl100k_base: English
prose and documentation −11 to +26 %, source code and JSON −15 to +3 %, CSV −17 %, German and French −5 to +17 %,
Chinese, Japanese and Korean −35 to +8 %, Russian 0 to +80 %, Arabic −40 to +20 %, Hindi −31 to +131 % (the newer
tokenizer needs fewer tokens than the rule says, the older one more). An estimate is never shown as a measurement.
"""

from __future__ import annotations

import msgspec

from crossover.chat import (
    ChatRequest,
    EmbedRequest,
    Media,
    Part,
    Refused,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Unknown,
)

BYTES_PER_TOKEN = 4
# Of a chat template: role and separators of each message, and the start of the answer (OpenAI counts 3 or 4, and 3).
PER_MESSAGE, PER_REQUEST, PER_TOOL = 4, 3, 8
# An image of low detail at OpenAI; otherwise the largest that Anthropic does not shrink (width × height / 750), above
# the 765 tokens that OpenAI counts for 1024 × 1024 pixels: a reservation should rather be too large.
LOW_IMAGE, IMAGE = 85, 1600
# Assumed: sound of 16 kB and video of 250 kB a second at 32 and 290 tokens a second, a page of 60 kB at 1,900 tokens.
TOKENS_PER_KB = {"audio": 2, "video": 1, "file": 32}
_SAMPLE, _DENSE = 256, 64  # characters looked at for spaces, and the shortest text that is judged
_ENOUGH_SPACES = 32  # one space in so many characters
_CUT_SHARE = 0.4  # below the share that any known tokenizer needs of the estimate (Hindi: 0.43)
_CUT_FILLS = 0.5  # of the window: what is left of a prompt after a cut


def estimate_text(text: str) -> int:
    """Tokens of a text; 0 for none. Constant work for ASCII, one pass over the bytes otherwise."""
    if not text.isascii():
        return (len(text.encode("utf-8", "surrogatepass")) + 3) >> 2
    length = len(text)
    if length >= _DENSE:
        seen = length if length < _SAMPLE else _SAMPLE
        # Prose has enough in its first few words: the rest need not be looked at.
        if text.count(" ", 0, _DENSE) * _ENOUGH_SPACES < seen and text.count(" ", 0, seen) * _ENOUGH_SPACES < seen:
            return (length * 2 + 4) // 5
    return (length + 3) >> 2


def estimate_output(chars: int) -> int:
    """Tokens of so many characters of an answer that was not counted (a stream that was cut)."""
    return (chars + BYTES_PER_TOKEN - 1) // BYTES_PER_TOKEN


def estimate_request(request: ChatRequest) -> int:
    """Tokens of a whole prompt: messages, tools with their schemas, media by the rules above."""
    total = PER_REQUEST
    for message in request.messages:
        total += PER_MESSAGE
        for part in message.parts:
            total += estimate_text(part.text) if type(part) is Text else _part(part)
    for tool in request.tools:
        total += PER_TOOL + estimate_text(tool.name) + estimate_text(tool.description) + _json(tool.parameters)
    if request.output is not None and request.output.schema is not None:
        total += _json(request.output.schema)
    return total


def estimate_embed(request: EmbedRequest) -> int:
    """Tokens of all inputs; lists of token ids count as what they are."""
    return sum(estimate_text(one) if isinstance(one, str) else len(one) for one in request.inputs)


def count_images(request: ChatRequest) -> int:
    """Images in a prompt, those in tool results included."""
    return sum(_images(part) for message in request.messages for part in message.parts)


def _images(part: Part) -> int:
    if isinstance(part, ToolResult):
        return sum(_images(inner) for inner in part.parts)
    return int(isinstance(part, Media) and part.kind == "image")


def _part(part: Part) -> int:
    match part:
        case Text(text=text) | Refused(text=text):
            return estimate_text(text)
        case Thinking(text=text, redacted=redacted):
            return estimate_text(text) + (len(redacted) // BYTES_PER_TOKEN if redacted else 0)
        case ToolCall(name=name, arguments=arguments):
            return PER_MESSAGE + estimate_text(name) + estimate_text(arguments)
        case ToolResult(parts=parts):
            return PER_MESSAGE + sum(_part(inner) for inner in parts)
        case Media():
            return _media(part)
        case Unknown(data=data):
            return _json(data)


def _media(part: Media) -> int:
    if part.kind == "image" or part.data is None:
        return LOW_IMAGE if part.detail == "low" else IMAGE
    return 1 + len(part.data) * 3 // 4 * TOKENS_PER_KB[part.kind] // 1000


def _json(value: object) -> int:
    return (len(msgspec.json.encode(value)) + 3) >> 2


def looks_truncated(estimated: int, reported: int, context: int | None = None) -> bool:
    """Whether a target probably cut a prompt without saying so: it counted far less than was sent.

    ``estimated`` is :func:`estimate_request`, ``reported`` the target's own count of prompt tokens, ``context`` its
    window where known. A cut prompt fills most of the window; a small count of a large window is a tokenizer that
    needs few tokens, or a count without what was cached.
    """
    if reported <= 0 or reported > estimated * _CUT_SHARE:
        return False
    return context is None or context * _CUT_FILLS <= reported <= context
