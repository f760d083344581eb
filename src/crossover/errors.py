"""Every error Crossover raises on purpose, drawn as one tree.

::

    CrossoverError            something went wrong that the user can act on          exit 1
    ├── InputError            a value, a file or a flag is wrong                     exit 2
    │   ├── UnknownNameError  a name that no list holds; carries the nearest names
    │   ├── FileError         a file cannot be read, or its content is wrong; carries file, line, field, other mistakes
    │   └── ContradictionError two values that cannot both hold
    ├── MissingExtraError     an optional part is not installed; carries the install line
    ├── ThresholdError        everything ran, and a threshold the user set is not met  exit 3
    ├── CutShortError         Ctrl-C; the output holds what there was until then        exit 130
    ├── StoreError            the ledger cannot be opened, read or written
    ├── DetectionError        a text could not be looked at: nobody knows what it holds
    ├── ScoringError          an answer could not be scored; it counts as the user declared
    ├── BudgetSpentError      the next call of an evaluation could cost more than is left
    ├── StoppedError          a model failed again and again, and going on would prove nothing
    ├── EgressError           a call outside was tried without a pass: a mistake here, and nothing was sent
    └── ServingError          a request to a model was not answered; carries an HTTP status
        ├── RequestError      what was asked is wrong, or its key may not ask it
        ├── NoTargetError     nothing permitted can answer; carries each refusal
        └── UpstreamError     a target failed; carries how, and whether it may have done the work

Errors carry their facts as fields, so that no caller parses text.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Literal


class CrossoverError(Exception):
    """Something went wrong that the user can act on: one sentence, and where possible what would be right.

    ``told``: the command's whole output is out already, so that with ``--json`` no second document may follow it.
    """

    exit_code = 1
    kind = "error"

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        file: str | None = None,
        line: int | None = None,
        field: str | None = None,
        told: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.told = told
        self.hint = hint
        self.file = file
        self.line = line
        self.field = field

    def __str__(self) -> str:
        return self.sentence()

    def sentence(self) -> str:
        """The whole error as one line: where, what, and what would be right."""
        place = self.file or ""
        if self.line is not None:
            place += f":{self.line}" if place else f"line {self.line}"
        if self.field is not None:
            place += f", field {self.field}" if place else self.field
        text = f"{place}: {self.message}" if place else self.message
        return f"{text.rstrip('.')}. {self.hint}" if self.hint else text

    def as_dict(self) -> dict[str, object]:
        """The error as plain data for ``--json``; absent facts are left out."""
        facts: dict[str, object] = {"error": self.kind, "message": self.message, "exit_code": self.exit_code}
        for name in ("hint", "file", "line", "field"):
            value = getattr(self, name)
            if value is not None:
                facts[name] = value
        return facts


class InputError(CrossoverError):
    """A value, a file or a flag that the user gave is wrong."""

    exit_code = 2
    kind = "bad_input"


class UnknownNameError(InputError):
    """A name that no list holds; the nearest names are offered."""

    kind = "unknown_name"

    def __init__(self, what: str, name: str, known: Iterable[str], *, field: str | None = None) -> None:
        self.what = what
        self.name = name
        self.nearest = nearest(name, known)
        hint = f"Did you mean {' or '.join(self.nearest)}?" if self.nearest else None
        super().__init__(f"unknown {what} {name!r}", hint=hint, field=field)

    def as_dict(self) -> dict[str, object]:
        """The error as plain data, with the nearest names."""
        return {**super().as_dict(), "name": self.name, "nearest": list(self.nearest)}


class FileError(InputError):
    """A file cannot be read or written, or what it holds is wrong.

    ``more`` are the other mistakes of the same file, where all of them were looked for.
    """

    kind = "bad_file"
    more: tuple[FileError, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """The error as plain data, with the other mistakes of the file."""
        more = [error.as_dict() for error in self.more]
        return {**super().as_dict(), "more": more} if more else super().as_dict()


class ContradictionError(InputError):
    """Two values that cannot both hold."""

    kind = "contradiction"


class MissingExtraError(CrossoverError):
    """An optional part of Crossover is not installed."""

    kind = "missing_extra"

    def __init__(self, extra: str, needed_for: str) -> None:
        self.extra = extra
        super().__init__(
            f"{needed_for} needs the extra {extra!r}", hint=f"Install it: pip install 'crossover-llm[{extra}]'"
        )


class ThresholdError(CrossoverError):
    """Everything ran, and a threshold that the user set is not met."""

    exit_code = 3
    kind = "threshold_not_met"


class CutShortError(CrossoverError):
    """Ctrl-C, after which the command has still told what there was until then."""

    exit_code = 130
    kind = "interrupted"

    def __init__(self) -> None:
        super().__init__("interrupted; this is what there was until then", told=True)


class StoreError(CrossoverError):
    """The ledger cannot be opened, read or written."""

    kind = "store"


class DetectionError(CrossoverError):
    """A text could not be looked at (too slow, a detector failed): nobody knows what it holds, so it stays inside.

    The message never holds any of the text.
    """

    kind = "detection"


class ScoringError(CrossoverError):
    """An answer could not be scored: the scorer raised, hung or had nothing to compare with."""

    kind = "not_scored"


class BudgetSpentError(CrossoverError):
    """The next call of an evaluation could cost more than its budget has left; what was answered is kept."""

    kind = "budget_spent"


class StoppedError(CrossoverError):
    """A model failed again and again: going on would cost time and prove nothing. What was answered is kept."""

    kind = "stopped"


class EgressError(CrossoverError):
    """A call to a place outside was tried without a valid pass: a mistake in this program, and nothing was sent."""

    kind = "egress"


class ServingError(CrossoverError):
    """A request to a model was not answered. ``status`` is the HTTP status that says so."""

    kind = "not_served"
    status = 500

    def as_dict(self) -> dict[str, object]:
        """The error as plain data, with its status."""
        return {**super().as_dict(), "status": self.status}


class RequestError(ServingError):
    """What was asked is wrong (400, 404, 413, 422), or its key may not ask it (401, 403, 429).

    ``code`` is a short word for programs (``unknown_model``, ``budget_exceeded``), ``field`` the field of the request
    at fault, ``retry_after_s`` how long to wait where waiting helps.
    """

    kind = "bad_request"

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        code: str = "invalid_request",
        field: str | None = None,
        hint: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, hint=hint, field=field)
        self.status = status
        self.code = code
        self.retry_after_s = retry_after_s


class NoTargetError(ServingError):
    """No deployment that is permitted can answer. ``refused`` holds (deployment, code, reason) of each.

    Status 422 where the rules leave no deployment however long one waits, 503 where one may come back.
    """

    kind = "no_target"

    def __init__(
        self,
        message: str,
        *,
        status: int = 503,
        refused: tuple[tuple[str, str, str], ...] = (),
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.refused = refused
        self.retry_after_s = retry_after_s


UpstreamKind = Literal[
    "refused",  # no connection: refused, unreachable, no such host
    "tls",  # the connection is not the one that was asked for
    "connect_timeout",
    "reset",  # closed before an answer began
    "first_byte_timeout",
    "gap_timeout",  # silent between two pieces of an answer
    "total_timeout",
    "cut",  # ended before its end
    "empty",  # answered 200 with nothing in it
    "malformed",  # not what the dialect says, too large, wrong content type
    "rate_limited",  # 429
    "overloaded",  # 503, 529
    "quota",  # 402 and its kin: no credit left
    "auth",  # 401, 403: our own credentials are wrong
    "not_found",  # 404: no such model there
    "bad_request",  # 400, 413, 422: the target does not accept what was asked
    "context_length",  # the prompt does not fit
    "server_error",  # any other 5xx, and errors inside a stream
    "unsupported",  # the target cannot do what was asked
]


class UpstreamError(ServingError):
    """A target failed. ``upstream`` says how; ``accepted`` whether it may have done (and billed) the work.

    ``upstream_status`` is the HTTP status it answered with, ``provider`` its name, ``retry_after_s`` what it asked to
    wait, ``usage`` the :class:`crossover.usage.Usage` it counted for the work in vain, where it said. The message never
    holds what was asked or what was answered beyond the target's own error text.
    """

    kind = "upstream"

    def __init__(
        self,
        message: str,
        *,
        upstream: UpstreamKind,
        accepted: bool = True,
        upstream_status: int | None = None,
        provider: str = "",
        retry_after_s: float | None = None,
        code: str | None = None,
        usage: object = None,
    ) -> None:
        super().__init__(message)
        self.upstream: UpstreamKind = upstream
        self.accepted = accepted
        self.upstream_status = upstream_status
        self.provider = provider
        self.retry_after_s = retry_after_s
        self.code = code
        self.usage = usage
        self.status = _STATUS_OF.get(upstream, 502)


_STATUS_OF: dict[str, int] = {
    "connect_timeout": 504,
    "first_byte_timeout": 504,
    "gap_timeout": 504,
    "total_timeout": 504,
    "rate_limited": 429,
    "overloaded": 503,
    "bad_request": 400,
    "context_length": 400,
    "unsupported": 400,
}


def nearest(name: str, known: Iterable[str], count: int = 3) -> tuple[str, ...]:
    """The up to ``count`` names of ``known`` most like ``name``, best first; case and separators do not count."""
    folded: dict[str, str] = {}
    for candidate in known:
        folded.setdefault(fold(candidate), candidate)
    wanted = fold(name)
    matches = difflib.get_close_matches(wanted, folded, n=count, cutoff=0.6)
    if not matches:
        matches = sorted((key for key in folded if wanted and wanted in key), key=len)[:count]
    return tuple(folded[key] for key in matches)


def fold(name: str) -> str:
    """A name without case and separators, so that ``RTX 4090``, ``rtx-4090`` and ``RTX4090`` are one."""
    return "".join(char for char in name.casefold() if char.isalnum() or char in "./+")
