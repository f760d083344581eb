"""What is known of a request before it is answered, and of an answer of a local model: plain facts, no judgement.

Every fact of an answer is None where nobody knows it. A request is read by :func:`of_request`, an answer by
:func:`of_answer`; both are the same for a request under way and for one of an evaluation, so that what was learned from
one holds for the other. Texts never show up in the words' own print.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from crossover.chat import ChatRequest, Choice, Media, Text, ToolCall, ToolResult
from crossover.learning.shape import call_fits, fits, parsed
from crossover.learning.texts import MOST, characters, equations, has_code, language, numbers_of, tables, words_of

_ENDS = frozenset(".!?)]}\"'`*:$|。！？")
_LONG_ANSWER = 6_000  # characters of an answer that are looked at


class PromptSignals(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Facts of a request. ``chars`` to ``reasoning`` are of the question (the last message of a user).

    ``total_chars`` counts every message. ``foreign``: in a language that is known and not English. ``options``: lines
    that begin like a choice or an item of a list. ``words`` are those of the question, in small letters, in order,
    ``figures`` its numbers as written.
    """

    chars: int = 0
    total_chars: int = 0
    messages: int = 1
    tools: int = 0
    tool_results: int = 0
    media: int = 0
    schema: bool = False
    lines: int = 0
    sentences: int = 0
    questions: int = 0
    asks: bool = False
    numbers: int = 0
    digits: int = 0
    capitals: int = 0
    formulas: int = 0
    options: int = 0
    code: bool = False
    language: str = ""
    foreign: bool = False
    instructions: int = 0
    reasoning: int = 0
    negations: int = 0
    word_count: int = 0
    word_chars: int = 0
    figures: frozenset[str] = frozenset()
    words: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"PromptSignals(chars={self.chars}, messages={self.messages}, tools={self.tools})"


class AnswerSignals(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Facts of an answer; None: not known.

    ``logprobs`` are natural logarithms: mean, least, the 10 % and 25 % quantile, ``margin`` the mean distance of the
    best two tokens and ``margin_min`` the least. ``wrong_sums`` of ``sums`` stated equations are wrong.
    ``concludes``: it has a mark of a final answer; ``whole_end``: and that is a whole number; ``echoed_end``: which it
    came to before. ``last_line``: characters of its last line. ``agreement``: with another answer to the same question,
    from 0 to 1. ``asked``: the request, where it is known.
    """

    chars: int | None = None
    lines: int | None = None
    word_count: int | None = None
    distinct: float | None = None
    sentences: int | None = None
    numbers: int | None = None
    digits: int | None = None
    sums: int | None = None
    wrong_sums: int | None = None
    hedges: int | None = None
    refuses: bool | None = None
    concludes: bool | None = None
    whole_end: bool | None = None
    echoed_end: bool | None = None
    last_line: int | None = None
    long_decimals: int | None = None
    ends_well: bool | None = None
    new_numbers: int | None = None
    unused_numbers: int | None = None
    finish: str | None = None
    tokens: int | None = None
    logprob_mean: float | None = None
    logprob_min: float | None = None
    logprob_q10: float | None = None
    logprob_q25: float | None = None
    margin: float | None = None
    margin_min: float | None = None
    schema_valid: bool | None = None
    calls_valid: bool | None = None
    agreement: float | None = None
    asked: PromptSignals | None = None


# ------------------------------------------------------------------------------------------------------------- requests


def prompt_signals(
    text: str,
    *,
    messages: int = 1,
    tools: int = 0,
    total_chars: int | None = None,
    tool_results: int = 0,
    media: int = 0,
    schema: bool = False,
) -> PromptSignals:
    """Facts of a request by the text of its question and counts of the rest.

    Of a text of more than 16,000 characters the beginning is looked at. ``total_chars`` None: the question is all.
    """
    seen = text[:MOST]
    words = words_of(seen)
    lists = tables().prompt
    counted = Counter(words)
    several = {name: sum(counted[word] for word in hints & counted.keys()) for name, hints in lists.items()}
    lines = seen.split("\n")
    tongue = language(seen, counted)
    digits, capitals = characters(seen)
    numbers = numbers_of(seen)
    return PromptSignals(
        chars=len(text),
        total_chars=len(text) if total_chars is None else total_chars,
        messages=messages,
        tools=tools,
        tool_results=tool_results,
        media=media,
        schema=schema,
        lines=len(lines),
        sentences=seen.count(". ") + seen.count("? ") + seen.count("! ") + seen.count(".\n") + 1,
        questions=seen.count("?"),
        asks=bool(words) and words[0] in lists["questions"],
        numbers=len(numbers),
        figures=frozenset(numbers),
        digits=digits,
        capitals=capitals,
        formulas=sum(map(seen.count, ("=", "^", "\\", "$", "∫", "≤", "√", "sqrt", "_{"))),
        options=sum(_is_option(line) for line in lines),
        code=has_code(seen, counted),
        language=tongue,
        foreign=tongue not in ("", "en"),
        instructions=several["instructions"],
        reasoning=several["reasoning"],
        negations=several["negations"],
        word_count=len(words),
        word_chars=len("".join(words)),
        words=tuple(words),
    )


def of_request(request: ChatRequest) -> PromptSignals:
    """The same of a chat request: its question is the last message of a user."""
    asked = [message.text for message in request.messages if message.role == "user"]
    total = results = media = 0
    for message in request.messages:
        for part in message.parts:
            if isinstance(part, Text):
                total += len(part.text)
            elif isinstance(part, ToolResult):
                results += 1
                total += sum(len(inner.text) for inner in part.parts if isinstance(inner, Text))
            elif isinstance(part, Media):
                media += 1
    output = request.output
    return prompt_signals(
        asked[-1] if asked else request.messages[-1].text if request.messages else "",
        messages=len(request.messages), tools=len(request.tools), total_chars=total, tool_results=results,
        media=media, schema=output is not None and output.kind != "text",
    )  # fmt: skip


def _is_option(line: str) -> bool:
    head = line.lstrip()[:3]
    return len(head) > 1 and (head[0] in "-*•" or (head[0].isalnum() and head[1] in ".)") or head[0] + head[2:] == "()")


# -------------------------------------------------------------------------------------------------------------- answers


def answer_signals(
    text: str,
    *,
    asked: PromptSignals | None = None,
    question: str | None = None,
    finish: str | None = None,
    logprobs: Sequence[tuple[float, float | None]] | None = None,
    summary: Mapping[str, float] | None = None,
    schema_valid: bool | None = None,
    calls_valid: bool | None = None,
    agreement: float | None = None,
) -> AnswerSignals:
    """Facts of an answer's text and of what came with it.

    ``logprobs`` are the tokens' (chosen, second best) log probabilities, second None where it was not told; ``summary``
    is the same summed up already (:func:`summed_up`). ``question`` (the text of ``asked``) tells which numbers are new.
    """
    seen = text[:_LONG_ANSWER]
    words = words_of(seen)
    several = set(words)
    known = tables()
    low = seen.lower()
    body = (text if len(text) <= _LONG_ANSWER else text[-_LONG_ANSWER:]).rstrip()
    at = max([low.rfind(mark) + len(mark) for mark in known.finals if mark in low], default=-1)
    whole, echoed = _end(seen, at) if at >= 0 else (False, False)
    last = body[-1:]
    numbers = numbers_of(seen)
    sums, wrong = equations(seen)
    heard = summary if summary is not None else summed_up(logprobs or ())
    new, unused = _unshared(numbers, asked, question)
    return AnswerSignals(
        chars=len(text),
        lines=seen.count("\n") + 1,
        word_count=len(words),
        distinct=len(several) / len(words) if words else 1.0,
        sentences=seen.count(". ") + seen.count(".\n") + 1,
        numbers=len(numbers),
        digits=characters(seen)[0],
        sums=sums,
        wrong_sums=wrong,
        hedges=sum(map(words.count, known.hedges & several)),
        refuses=any(map(low[:300].__contains__, known.refusals)),
        concludes=at >= 0,
        whole_end=whole,
        echoed_end=echoed,
        last_line=len(body) - body.rfind("\n") - 1,
        long_decimals=sum(len(number) - number.find(".") > 3 for number in numbers if "." in number),
        ends_well=last in _ENDS or last.isdigit(),
        new_numbers=new,
        unused_numbers=unused,
        finish=finish,
        tokens=_whole(heard.get("tokens")),
        logprob_mean=heard.get("mean"),
        logprob_min=heard.get("min"),
        logprob_q10=heard.get("q10"),
        logprob_q25=heard.get("q25"),
        margin=heard.get("margin"),
        margin_min=heard.get("margin_min"),
        schema_valid=schema_valid,
        calls_valid=calls_valid,
        agreement=agreement,
        asked=asked,
    )


def _unshared(
    numbers: Sequence[str], asked: PromptSignals | None, question: str | None
) -> tuple[int | None, int | None]:
    """How many numbers only the answer holds, and how many only the question; None where that is not known."""
    if question is None:
        return None, None
    given = asked.figures if asked is not None else frozenset(numbers_of(question[:MOST]))
    said = set(numbers)
    return len(said - given), len(given - said)


def _end(text: str, at: int) -> tuple[bool, bool]:
    """Of what stands behind the mark of a final answer: is it a whole number, and the last one before the mark too?"""
    said = numbers_of(text[at : at + 40])
    if not said:
        return False, False
    before = numbers_of(text[max(at - 80, 0) : at])
    return "." not in said[0].removesuffix(".00"), bool(before) and before[-1] == said[0]


def of_answer(
    request: ChatRequest, choice: Choice, *, asked: PromptSignals | None = None, other: float | None = None
) -> AnswerSignals:
    """The same of a choice of an answer: checks the schema and the calls the request speaks of.

    ``asked`` is what :func:`of_request` said; ``other`` the agreement with a second answer, where there is one.
    """
    text = choice.message.text
    calls = [part for part in choice.message.parts if isinstance(part, ToolCall)]
    questions = [message.text for message in request.messages if message.role == "user"]
    return answer_signals(
        text,
        asked=asked, question=questions[-1] if questions else None, finish=choice.finish,
        logprobs=token_logprobs(choice.logprobs), schema_valid=_schema_valid(request, text),
        calls_valid=calls_fit(request, calls), agreement=other,
    )  # fmt: skip


def calls_fit(request: ChatRequest, calls: Sequence[ToolCall]) -> bool | None:
    """Whether every call names a tool of the request with arguments that fit; None where no call was made."""
    if not calls:
        return None
    schemas = {tool.name: tool.parameters for tool in request.tools}
    return all(call_fits(call.name, call.arguments, schemas) for call in calls)


def _schema_valid(request: ChatRequest, text: str) -> bool | None:
    output = request.output
    if output is None or output.kind == "text":
        return None
    good, value = parsed(text)
    return good and (output.schema is None or fits(value, output.schema))


# ---------------------------------------------------------------------------------------------------- log probabilities


def token_logprobs(said: Any) -> list[tuple[float, float | None]]:
    """OpenAI's ``logprobs`` of a choice as pairs (chosen, second best); empty where there are none or it is no such."""
    rows = said.get("content") if isinstance(said, dict) else None
    found: list[tuple[float, float | None]] = []
    for row in rows if isinstance(rows, list) else ():
        if not isinstance(row, dict) or not _is_number(row.get("logprob")):
            continue
        tops = row.get("top_logprobs")
        best = sorted(
            (top["logprob"] for top in tops if isinstance(top, dict) and _is_number(top.get("logprob"))), reverse=True
        ) if isinstance(tops, list) else []  # fmt: skip
        second = row["logprob"] - (best[0] - best[1]) if len(best) > 1 else None
        found.append((row["logprob"], second))
    return found


def summed_up(pairs: Sequence[tuple[float, float | None]]) -> dict[str, float]:
    """Pairs (chosen, second best) as a few figures: ``mean``, ``min``, ``q10``, ``q25``, ``margin``, ``margin_min``,
    ``tokens``; the names and quantiles under which evaluations keep them. Empty of nothing.
    """
    if not pairs:
        return {}
    chosen = [pair[0] for pair in pairs]
    values, size = sorted(chosen), len(chosen)
    found = {
        "tokens": float(size),
        "mean": sum(values) / size,
        "min": values[0],
        "q10": values[size // 10],
        "q25": values[size // 4],
    }
    margins = [chosen - second for chosen, second in pairs if second is not None]
    if margins:
        found |= {"margin": sum(margins) / len(margins), "margin_min": min(margins)}
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


__all__ = [
    "AnswerSignals",
    "PromptSignals",
    "answer_signals",
    "calls_fit",
    "of_answer",
    "of_request",
    "prompt_signals",
    "summed_up",
    "token_logprobs",
]
