"""What the requests of a load test ask: text of about so many tokens that nobody has seen, or the user's own prompts.

Synthetic text is a row of short English words, each one token with the blank before it in the tokenizers it was checked
with (o200k_base, cl100k_base, Anthropic's and DeepSeek's published ones); for others :func:`calibrate` measures how
many tokens the target makes of a word. Every prompt begins with words that stand for its number, so that no cache of
prefixes knows it, unless a share of it is meant to be shared. The same seed gives the same texts: a server that has
answered them once may still hold them.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from crossover.capacity.arrivals import draw_tokens
from crossover.errors import FileError, InputError
from crossover.loadtest.words import Ask
from crossover.providers.estimate import PER_MESSAGE, PER_REQUEST, estimate_text
from crossover.textfile import decode, open_file
from crossover.workload import Lengths, Trace, constant, lognormal, quantiles

MOST_TOKENS = 2_000_000  # of one prompt
MOST_PROMPTS = 1_000_000
MOST_LINE = 16 * 2**20  # bytes of one line of a file of prompts
PROBE_WORDS = (16, 128)  # of the two requests that calibrate: they fit a context of 512, at three tokens a word
_CLOSING = "Tell a long story with these words and do not stop early."
_HEAD = 5  # words that stand for the number: 256 words make 2^40 numbers
_ODD = 0x9E3779B97F  # a factor that spreads neighbouring numbers over all words
STRIDE = 1 << 20  # numbers of one load, at least
_SEA = 1 << 14  # words that texts are cut from, at least


class Source(Protocol):
    """Gives the request of each number."""

    def ask(self, number: int) -> Ask:
        """What request ``number`` (from 0) asks."""
        ...


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """How long requests are: columns of equal length, used over and over. ``shared`` tokens begin every prompt."""

    input: NDArray[np.int64]
    output: NDArray[np.int64]
    shared: NDArray[np.int64]


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """How a target counts: tokens for one of our words, and tokens of every prompt beside its words."""

    per_word: float = 1.0
    beside: float = 0.0
    measured: bool = False


def parse_lengths(text: str, field: str) -> Lengths:
    """Read ``512``, ``lognormal:512,0.6`` (mean, sigma), ``uniform:100-900`` or ``quantiles:0=10,0.5=200,1=2000``.

    Raises InputError naming ``field``.
    """
    kind, separator, rest = text.strip().partition(":")
    try:
        if not separator:
            return _within(constant(float(kind)), text, field)
        if kind == "lognormal":
            mean, sigma = rest.split(",")
            return _within(lognormal(float(mean), float(sigma)), text, field)
        if kind == "uniform":
            low, high = rest.split("-")
            return _within(quantiles(((0.0, float(low)), (1.0, float(high)))), text, field)
        if kind == "quantiles":
            pairs = [pair.split("=") for pair in rest.split(",")]
            return _within(quantiles(tuple((float(share), float(value)) for share, value in pairs)), text, field)
    except ValueError:
        pass
    except InputError as error:
        raise InputError(error.message, hint=error.hint, field=field) from None
    raise InputError(
        f"{text!r} is no length",
        hint="Write 512, lognormal:512,0.6 (mean, sigma), uniform:100-900 or quantiles:0=10,0.5=200,1=2000",
        field=field,
    )


def _within(lengths: Lengths, text: str, field: str) -> Lengths:
    most = max((value for _, value in lengths.points), default=lengths.mean)
    if not lengths.mean >= 1 or most > MOST_TOKENS:
        raise InputError(f"{text!r} is out of range", hint=f"Write 1 to {MOST_TOKENS:,} tokens", field=field)
    return lengths


def drawn(
    into: Lengths, out: Lengths, rng: np.random.Generator, *, count: int, shared: float = 0.0
) -> Tokens:  # fmt: skip
    """Lengths of ``count`` requests, prompts and answers independent; ``shared`` is a share (0..1) of each prompt."""
    prompt = np.minimum(draw_tokens(into, rng, count), MOST_TOKENS)
    return Tokens(input=prompt, output=draw_tokens(out, rng, count), shared=_share(prompt, shared))


def of_trace(trace: Trace, *, shared: float | None = None) -> Tokens:
    """Lengths as recorded, pair by pair. ``shared`` None: the cached tokens of the trace, where it has them."""
    prompt = np.clip(trace.input_tokens, 1, MOST_TOKENS)
    if shared is None and trace.cached_tokens is not None:
        prefix = np.clip(trace.cached_tokens, 0, prompt)
    else:
        prefix = _share(prompt, shared or 0.0)
    return Tokens(input=prompt, output=np.maximum(trace.output_tokens, 1), shared=prefix)


def _share(prompt: NDArray[np.int64], share: float) -> NDArray[np.int64]:
    if not 0 <= share <= 1:
        raise InputError(f"{share:g} is no share", hint="Write 0 to 1", field="--shared-prefix")
    shared: NDArray[np.int64] = np.floor(prompt * share).astype(np.int64)
    return shared


@functools.cache
def words() -> tuple[str, ...]:
    """The 256 words that synthetic text is made of."""
    text = resources.files("crossover.loadtest").joinpath("data/words.txt").read_text(encoding="utf-8")
    return tuple(text.split())


class Synthetic:
    """Prompts of about the stated lengths. A :class:`Source`."""

    def __init__(self, tokens: Tokens, *, seed: int, scale: Scale | None = None) -> None:
        self.tokens = tokens
        self.scale = scale or Scale()
        self._seed = seed
        longest = self._words(int(tokens.input.max()))
        rng = np.random.default_rng([seed, 1])
        self._prefix = _Sea(rng, self._words(int(tokens.shared.max())) if tokens.shared.any() else 0)
        self._sea = _Sea(rng, max(_SEA, 2 * longest))
        self._mix = int(rng.integers(0, 1 << 8 * _HEAD))
        self._starts = rng.integers(0, len(self._sea.ends) - longest, 4096)

    def ask(self, number: int) -> Ask:
        """The request of this number: its text is made when it is asked for, in microseconds."""
        tokens = self.tokens
        row = number % len(tokens.input)
        into = int(tokens.input[row])
        count = self._words(into)
        shared = min(round(tokens.shared[row] / self.scale.per_word), count)
        text = " ".join(part for part in (self._prefix.cut(0, shared), self._own(number, count - shared)) if part)
        return Ask(messages=(("user", text),), input_tokens=into, output_tokens=int(tokens.output[row]))

    def probe(self, count: int) -> Ask:
        """A prompt of so many words, short and long ones as in all prompts: what :func:`calibrate` sends."""
        known = sorted(words(), key=len)
        text = " ".join(known[(2 * place + 1) * len(known) // (2 * count)] for place in range(count))
        return Ask(messages=(("user", text),), input_tokens=count, output_tokens=1)

    def scaled(self, scale: Scale) -> Synthetic:
        """The same prompts for a target that counts so."""
        return Synthetic(self.tokens, seed=self._seed, scale=scale)

    def later(self, load: int) -> Source:
        """The prompts of the load of this number (from 0): the same lengths, texts that no load before it asked."""
        rows = len(self.tokens.input)
        return _Later(self, -(-load * STRIDE // rows) * rows) if load else self

    def _words(self, tokens: int) -> int:
        return max(1, round((tokens - self.scale.beside) / self.scale.per_word))

    def _own(self, number: int, count: int) -> str:
        """So many words that no other number has."""
        if count <= 0:
            return ""
        known = words()
        mixed = (number * _ODD + self._mix) % (1 << 8 * _HEAD)  # an odd factor: no two numbers become one
        head = " ".join(known[mixed >> 8 * place & 255] for place in range(min(count, _HEAD)))
        if count <= _HEAD:
            return head
        closing = _CLOSING.split() if count >= 4 * len(_CLOSING.split()) else []
        body = self._sea.cut(int(self._starts[number % len(self._starts)]), count - _HEAD - len(closing))
        return " ".join((head, body, *closing))


class _Later:
    """A source that begins further on."""

    def __init__(self, source: Source, start: int) -> None:
        self._source = source
        self._start = start

    def ask(self, number: int) -> Ask:
        """The request of this number."""
        return self._source.ask(self._start + number)


class _Sea:
    """Random words in one long text, of which pieces are cut without joining anything."""

    def __init__(self, rng: np.random.Generator, count: int) -> None:
        known = words()
        picked = rng.integers(0, len(known), count)
        lengths = np.array([len(word) + 1 for word in known])[picked]
        self.text = " ".join([known[at] for at in picked.tolist()])
        self.ends = np.cumsum(lengths)

    def cut(self, start: int, count: int) -> str:
        """``count`` words from the word ``start`` on."""
        if count <= 0:
            return ""
        first = int(self.ends[start - 1]) if start else 0
        return self.text[first : int(self.ends[start + count - 1]) - 1]


def calibrate(counted: Sequence[tuple[int, int]]) -> Scale:
    """The scale from (words, tokens counted by the target) of two prompts; what makes no sense is not believed."""
    (few, less), (many, more) = sorted(counted)
    per_word = (more - less) / (many - few) if many > few else 0.0
    beside = less - few * per_word
    if not 0.25 <= per_word <= 8 or not -few <= beside:
        return Scale()
    return Scale(per_word=per_word, beside=max(beside, 0.0), measured=True)


# -------------------------------------------------------------------------------------------------------- own prompts


class Own:
    """The user's own prompts, one after the other, over and over. A :class:`Source`."""

    def __init__(self, asks: Sequence[Ask]) -> None:
        self.asks = tuple(asks)

    def ask(self, number: int) -> Ask:
        """The prompt of this number."""
        return self.asks[number % len(self.asks)]


def read_prompts(path: Path, output_tokens: int) -> Own:
    """Prompts from JSONL: ``prompt`` or ``input`` (text) or ``messages``, and perhaps ``max_tokens``, on each line.

    ``output_tokens`` counts where a line says no maximum. Raises FileError with the line.
    """
    asks: list[Ask] = []
    with open_file(path) as file:
        number = 0
        while line := file.readline(MOST_LINE + 1):
            number += 1
            if len(line) > MOST_LINE:
                raise FileError(f"is over {MOST_LINE // 2**20} MiB", file=str(path), line=number)
            if line.strip():
                asks.append(_ask(line, output_tokens, str(path), number))
            if len(asks) > MOST_PROMPTS:
                raise FileError(f"holds over {MOST_PROMPTS:,} prompts", file=str(path))
    if not asks:
        raise FileError("holds no prompt", file=str(path), hint='Write one a line: {"prompt": "…"}')
    return Own(asks)


def _ask(line: bytes, output_tokens: int, file: str, number: int) -> Ask:
    def wrong(what: str, hint: str | None = None) -> FileError:
        return FileError(what, file=file, line=number, hint=hint)

    try:
        row = msgspec.json.decode(decode(line, file))
    except (msgspec.DecodeError, RecursionError):
        raise wrong("is no JSON", 'Write one object a line: {"prompt": "…"}') from None
    if not isinstance(row, dict):
        raise wrong("is no JSON object", 'Write one object a line: {"prompt": "…"}')
    found = next((row[name] for name in ("messages", "prompt", "input") if name in row), None)
    messages = _messages(found)
    if not messages:
        raise wrong("holds no text in prompt, input or messages", "Only text is asked; pictures and tools are not")
    most = row.get("max_tokens", row.get("output_tokens", output_tokens))
    if type(most) is not int or not 1 <= most <= MOST_TOKENS:
        raise wrong(f"max_tokens {most!r} is no number of tokens")
    tokens = PER_REQUEST + sum(PER_MESSAGE + estimate_text(text) for _, text in messages)
    return Ask(messages=messages, input_tokens=tokens, output_tokens=most, synthetic=False)


def _messages(found: Any) -> tuple[tuple[str, str], ...]:
    """(role, text) of each message; empty where one of them is not just text."""
    if isinstance(found, str):
        return (("user", found),) if found.strip() else ()
    rows: list[tuple[str, str]] = []
    for one in found if isinstance(found, list) else ():
        role, text = (one.get("role"), _text(one.get("content"))) if isinstance(one, dict) else (None, None)
        if role not in ("system", "developer", "user", "assistant") or text is None:
            return ()
        rows.append((role, text))
    return tuple(rows) if any(text.strip() for _, text in rows) else ()


def _text(content: Any) -> str | None:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return None
    parts = [part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text"]
    texts = [part for part in parts if isinstance(part, str)]
    return "".join(texts) if len(texts) == len(content) else None
