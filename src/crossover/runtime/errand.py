"""The words between a gateway and the process of its pages: what that one is told at its start, and a line each way."""

from __future__ import annotations

from typing import Literal

import msgspec

from crossover.dashboard.words import Live


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What the process of the pages is told on its command line; nothing of it is secret."""

    listener: int
    control: int
    ledger: str
    data: str
    port: int


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A line from the pages: how does the gateway stand, or take a deployment out (``on``) or in again."""

    ask: Literal["look", "drain"]
    name: str = ""
    on: bool = False


class Told(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The line back."""

    live: Live | None = None
    against: str = ""
