"""What a target's refusal means: status and words of an error, read into :class:`~crossover.errors.UpstreamError`.

``accepted`` is False where the target said that it did no work: every 4xx but 408 and 499 (it waited, and gave up), and
being too busy. Any other 5xx may come after the work was done and billed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import datetime
from email.utils import parsedate_to_datetime

from crossover.errors import UpstreamError, UpstreamKind
from crossover.usage import Usage
from crossover.wire.words import Headers

MOST_CHARACTERS = 400  # of a target's own error text

_KIND_OF_STATUS: dict[int, UpstreamKind] = {
    401: "auth",
    402: "quota",
    403: "auth",
    404: "not_found",
    429: "rate_limited",
    503: "overloaded",
    529: "overloaded",
}
_WORK_MAY_BE_DONE = frozenset({"server_error", "cut", "empty", "malformed"})
# Words of the makers' own error texts (Anthropic, Google, Ollama, llama.cpp, vLLM, OpenAI).
_TOO_LONG = re.compile(
    r"prompt is too long|context (?:length|window|size|limit)|maximum context|maximum number of tokens allowed"
    r"|input token count|input length|exceeds the available context",
    re.IGNORECASE,
)
_NO_CREDIT = re.compile(
    r"credit balance|insufficient[_ ](?:quota|credit|balance)|out of credits|credits are depleted|spend limit"
    r"|payment required|enable billing",
    re.IGNORECASE,
)
_LACKS = re.compile(r"does not support (?:chat|tools|thinking|insert|image|vision|embed|generate)", re.IGNORECASE)
_ERROR_WORDS = re.compile(
    r"error|fail|malform|invalid|unexpected|unspecified|missing|abort|cancel|time_?out|too_many|disabled|overload"
    r"|disconnect|interrupt",
    re.IGNORECASE,
)
_KEY = re.compile(r"\b(?:Bearer\s+\S{6,}|(?:sk|pk|rk|gsk|xai|key)[-_][\w\-]{8,}|AIza[\w\-]{8,})")


def kind_of(status: int, words: str) -> UpstreamKind:
    """How a target failed that answered with this status and these words."""
    if status in {400, 402, 403, 413, 422, 429} and _NO_CREDIT.search(words):
        return "quota"
    if status in {400, 413, 422, 500} and _TOO_LONG.search(words):
        return "context_length"
    if status in {400, 501} and _LACKS.search(words):
        return "unsupported"
    kind = _KIND_OF_STATUS.get(status)
    if kind is not None:
        return kind
    return "bad_request" if 400 <= status < 500 and status not in {408, 499} else "server_error"


def failure(
    kind: UpstreamKind,
    words: str,
    *,
    status: int | None = None,
    retry_after_s: float | None = None,
    code: str | None = None,
    usage: Usage | None = None,
    accepted: bool | None = None,
) -> UpstreamError:
    """The error with the target's own words, in one line, shortened, and without anything that looks like a key.

    ``accepted`` None: as its kind has it. A stream that has begun was accepted, whatever stops it.
    """
    return UpstreamError(
        short(words) or "the target gave no reason",
        upstream=kind,
        accepted=kind in _WORK_MAY_BE_DONE if accepted is None else accepted,
        upstream_status=status,
        retry_after_s=retry_after_s,
        code=code,
        usage=usage,
    )


def unsupported(what: str) -> UpstreamError:
    """The target's dialect or model has no way to do it; nothing was sent."""
    return UpstreamError(what, upstream="unsupported", accepted=False, code="unsupported")


def cut(usage: Usage | None = None) -> UpstreamError:
    """A stream that ended without the end its dialect announces."""
    return UpstreamError("the stream ended before the answer did", upstream="cut", usage=usage)


def looks_like_error(reason: str) -> bool:
    """Whether an unknown reason to stop speaks of a failure: such an answer is none."""
    return _ERROR_WORDS.search(reason) is not None


def short(words: str) -> str:
    """One line of at most :data:`MOST_CHARACTERS`, keys blotted out."""
    line = _KEY.sub("[key]", " ".join(words.split()))
    return line if len(line) <= MOST_CHARACTERS else line[: MOST_CHARACTERS - 1] + "…"


def retry_after(headers: Headers, resets: Iterable[str] = ()) -> float | None:
    """Seconds to wait by ``retry-after-ms``, ``retry-after`` (seconds or a date), or RFC 3339 ``resets`` headers.

    Dates count from the answer's own ``date`` header: no clock of ours, no skew between the two.
    """
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        seconds = _seconds(headers.get(name, ""))
        if seconds is not None:
            return seconds * unit
    now = _date(headers.get("date", ""))
    if now is None:
        return None
    moments = [_date(headers.get("retry-after", "")), *(_rfc3339(headers.get(name, "")) for name in resets)]
    waits = [(moment - now).total_seconds() for moment in moments if moment is not None]
    return max(0.0, *waits) if waits else None


def _seconds(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _date(text: str) -> datetime | None:
    try:
        return _aware(parsedate_to_datetime(text))
    except (TypeError, ValueError):
        return None


def _rfc3339(text: str) -> datetime | None:
    try:
        return _aware(datetime.fromisoformat(text))
    except ValueError:
        return None


def _aware(moment: datetime) -> datetime | None:
    return moment if moment.tzinfo is not None else None
