"""The words of a sample: what is asked, what would be right, and how an answer is judged."""

from __future__ import annotations

import hashlib
from typing import Any, Literal

import msgspec

from crossover.chat import ChatRequest, Message, OutputFormat, Tool
from crossover.errors import FileError

Combine = Literal["all", "mean"]


class Check(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One way to judge an answer: a scorer as ``--scorer`` names it, with what this one sample adds.

    ``value`` replaces the sample's expected answers (or is what the scorer needs: a pattern, a schema, a rubric).
    ``threshold`` turns a graded score into right or wrong; ``negated`` turns right into wrong.
    """

    scorer: str
    value: Any = None
    threshold: float | None = None
    negated: bool = False
    weight: float = 1.0


class Sample(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One question with what would be right.

    ``expected`` holds every answer that counts as right (none: nobody said). ``checks`` are the sample's own scorers;
    without them the run's count. ``combine`` says how several become one score: ``all`` must pass, or their weighted
    ``mean``; ``threshold`` turns that mean into right or wrong. ``group``: samples that hang together (one document,
    one user) count as one observation. ``tests`` is code that the answer must pass, ``choices`` the options of a
    multiple choice. ``options`` are parameters of the request. ``sensitivity`` is a label that the request carries.
    ``line`` is where the sample stands in its file.
    """

    id: str
    messages: tuple[Message, ...]
    expected: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    combine: Combine = "mean"
    threshold: float | None = None
    tags: tuple[str, ...] = ()
    group: str | None = None
    tools: tuple[Tool, ...] = ()
    output: OutputFormat | None = None
    options: dict[str, Any] = {}
    tests: str = ""
    choices: tuple[str, ...] = ()
    sensitivity: str | None = None
    line: int = 0

    @property
    def prompt(self) -> str:
        """The words of the last message of a user; what people see of a sample."""
        asked = [message.text for message in self.messages if message.role == "user"]
        return asked[-1] if asked else self.messages[-1].text if self.messages else ""

    @property
    def question(self) -> str:
        """All messages in words, for a judge to read."""
        if len(self.messages) == 1:
            return self.messages[0].text
        return "\n\n".join(f"[{message.role}]\n{message.text}" for message in self.messages)

    def asked(self) -> str:
        """A fingerprint of the question alone: two samples that ask the same have the same."""
        return _digest((self.messages, self.tools, self.output, self.options))

    def fingerprint(self) -> str:
        """A fingerprint of everything that a result depends on; where the sample stands in its file is no part."""
        return _digest(msgspec.structs.replace(self, line=0))

    def request(self, model: str) -> ChatRequest:
        """The question as a request to ``model``."""
        return ChatRequest(
            model=model, messages=self.messages, tools=self.tools, output=self.output, **self.options
        )  # fmt: skip


class SampleSet(msgspec.Struct, frozen=True, kw_only=True):
    """The samples of a file. ``broken`` are rows that were left out, ``notes`` sentences about the rest."""

    file: str
    format: str
    samples: tuple[Sample, ...]
    broken: tuple[FileError, ...] = ()
    notes: tuple[str, ...] = ()


def many(count: int, noun: str) -> str:
    """A number with its noun: ``1 sample``, ``6 samples``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _digest(value: Any) -> str:
    encoded = msgspec.json.encode(value, order="deterministic")
    return hashlib.blake2b(encoded, digest_size=16).hexdigest()
