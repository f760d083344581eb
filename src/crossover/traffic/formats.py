"""Shapes of traces: which column holds the time, the prompt's tokens and the answer's tokens.

A known shape is a row of ``SHAPES``; anything else is mapped by the user: ``--columns "time=ts,input=in,output=out"``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal, get_args

import msgspec

from crossover.errors import FileError, InputError, nearest
from crossover.traffic.times import Unit

Role = Literal["time", "input", "output", "cached", "blocks"]
ROLES: tuple[Role, ...] = get_args(Role)
BLOCK_TOKENS = 512  # tokens per hashed block in the Mooncake traces
_TIME_UNITS: dict[str, Unit] = {"time_s": "s", "time_ms": "ms", "time_us": "us", "time_ns": "ns"}
_EXAMPLE = '--columns "time=ts,input=prompt_tokens,output=completion_tokens"'


class Mapping(msgspec.Struct, frozen=True, kw_only=True):
    """Where each role stands. A JSON field inside another is written with dots: ``usage.prompt_tokens``.

    ``unit`` is the unit of a time column that counts from the start of the trace. ``cached`` may be absent from single
    rows (then nothing was cached); ``blocks`` names a list of ids of prompt blocks; cached tokens are computed from it.
    ``marker`` is a further name that tells a shape from another one with the same columns.
    """

    shape: str
    time: str
    input: str
    output: str
    cached: str | None = None
    blocks: str | None = None
    marker: str | None = None
    unit: Unit | None = None

    @property
    def needed(self) -> tuple[str, ...]:
        """The names that every row must hold."""
        return (self.time, self.input, self.output)


def _openai(prefix: str, shape: str) -> tuple[Mapping, ...]:
    """The chat-completions and the responses spelling below one prefix, with and without cached tokens."""
    chat = {"input": "usage.prompt_tokens", "output": "usage.completion_tokens"}
    details = "usage.prompt_tokens_details.cached_tokens"
    responses = {"input": "usage.input_tokens", "output": "usage.output_tokens"}
    input_details = "usage.input_tokens_details.cached_tokens"
    spellings = ((chat, details, "created"), (responses, input_details, "created_at"))
    return tuple(
        Mapping(
            shape=shape,
            time=prefix + time,
            input=prefix + names["input"],
            output=prefix + names["output"],
            cached=prefix + cached,
        )
        for names, cached, time in spellings
    )


SHAPES: tuple[Mapping, ...] = (
    Mapping(shape="Azure LLM inference", time="TIMESTAMP", input="ContextTokens", output="GeneratedTokens"),
    Mapping(
        shape="RAGPulse",
        time="timestamp",
        input="input_length",
        output="output_length",
        marker="hash_ids.sys_prompt",
        unit="s",
    ),
    Mapping(
        shape="Mooncake",
        time="timestamp",
        input="input_length",
        output="output_length",
        blocks="hash_ids",
        unit="ms",
    ),
    Mapping(shape="Mooncake", time="timestamp", input="input_length", output="output_length", unit="ms"),
    Mapping(shape="BurstGPT", time="Timestamp", input="Request tokens", output="Response tokens", unit="s"),
    *_openai("", "OpenAI request log"),
    *_openai("response.", "OpenAI request log"),
    *_openai("response.body.", "OpenAI request log"),
)
_GENERIC: dict[Role, tuple[str, ...]] = {
    "time": ("timestamp", "time", "ts", "created", "created_at", "start_time", "arrival_time", "arrived_at", "date"),
    "input": (
        "input_tokens", "prompt_tokens", "context_tokens", "request_tokens", "usage.prompt_tokens",
        "usage.input_tokens", "num_prefill_tokens", "input_length",
    ),
    "output": (
        "output_tokens", "completion_tokens", "generated_tokens", "response_tokens", "usage.completion_tokens",
        "usage.output_tokens", "num_decode_tokens", "output_length",
    ),
    "cached": ("cached_tokens", "cached_input_tokens", "input_cached_tokens", "cached_prompt_tokens"),
}  # fmt: skip


def parse_columns(text: str) -> Mapping:
    """Read ``time=ts,input=prompt_tok,output=gen_tok,cached=hit_tok``; ``time_ms=`` fixes the unit of the time."""
    found: dict[str, str] = {}
    unit: Unit | None = None
    for part in filter(str.strip, text.split(",")):
        role, equals, column = (piece.strip() for piece in part.partition("="))
        if not equals or not column:
            raise InputError(f"{part.strip()!r} is no mapping", hint=f"Write {_EXAMPLE}", field="--columns")
        if role in _TIME_UNITS:
            role, unit = "time", _TIME_UNITS[role]
        if role not in ROLES:
            known = (*ROLES, *_TIME_UNITS)
            near = nearest(role, known)
            hint = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(known)}"
            raise InputError(f"unknown role {role!r}", hint=hint, field="--columns")
        if role in found:
            raise InputError(f"{role} is mapped twice", hint="Keep one", field="--columns")
        found[role] = column
    missing = [role for role in ("time", "input", "output") if role not in found]
    if missing:
        raise InputError(f"no column for {' and '.join(missing)}", hint=f"Write {_EXAMPLE}", field="--columns")
    if "cached" in found and "blocks" in found:
        raise InputError("cached and blocks both say what was cached", hint="Keep one", field="--columns")
    if len(set(found.values())) < len(found):
        raise InputError("one column has two roles", hint=f"Write {_EXAMPLE}", field="--columns")
    return Mapping(
        shape="--columns",
        time=found["time"],
        input=found["input"],
        output=found["output"],
        cached=found.get("cached"),
        blocks=found.get("blocks"),
        unit=unit,
    )


def detect(names: Collection[str], file: str) -> Mapping:
    """The mapping of a file with these columns (or JSON fields): a known shape, else common spellings.

    Raises FileError that lists what was found and the flag that maps it.
    """
    for shape in SHAPES:
        wanted = (*shape.needed, shape.blocks, shape.marker)
        if all(name is None or name in names for name in wanted):
            keep = shape.cached if shape.cached in names else None
            return msgspec.structs.replace(shape, cached=keep)
    folded = {_key(name): name for name in reversed(list(names))}
    guess = {role: _first(folded, spellings) for role, spellings in _GENERIC.items()}
    time, prompt, answer = guess["time"], guess["input"], guess["output"]
    if time and prompt and answer:
        return Mapping(shape="common column names", time=time, input=prompt, output=answer, cached=guess["cached"])
    missing = [role for role in ("time", "input", "output") if not guess[role]]
    raise FileError(
        f"no column found for {' and '.join(missing)}; the columns are {listed(names)}",
        file=file,
        hint=f"Say which is which: {_EXAMPLE}",
    )


def check(mapping: Mapping, names: Collection[str], file: str) -> Mapping:
    """The user's mapping, when the file has these names (exactly, or but for case); else FileError with the nearest."""
    wanted: dict[str, str] = {}
    for role in ROLES:
        column = getattr(mapping, role)
        if column is None:
            continue
        exact = (
            column if column in names else next((name for name in names if name.casefold() == column.casefold()), None)
        )
        if exact is None:
            near = nearest(column, names)
            hint = f"Did you mean {' or '.join(near)}?" if near else f"The columns are {listed(names)}"
            raise FileError(f"there is no column {column!r} for {role}", file=file, field="--columns", hint=hint)
        wanted[role] = exact
    return msgspec.structs.replace(mapping, **wanted)


def listed(names: Collection[str], most: int = 20) -> str:
    """Names for a sentence, at most ``most`` of them, each cut at 40 characters."""
    shown: Sequence[str] = [name if len(name) <= 40 else name[:39] + "…" for name in list(names)[:most]]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(repr(name) for name in shown) + more if shown else "(none)"


def _first(folded: dict[str, str], spellings: tuple[str, ...]) -> str | None:
    return next((folded[_key(name)] for name in spellings if _key(name) in folded), None)


def _key(name: str) -> str:
    return "".join(char for char in name.casefold() if char.isalnum() or char == ".")
