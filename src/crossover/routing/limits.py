"""Requests and tokens a minute per key: token buckets on a clock that is handed in."""

from __future__ import annotations

_ROUNDING = 1e-6  # whoever waited exactly as long as was said is not sent away for the last digit of a float


class Bucket:
    """Holds up to ``per_minute`` and refills evenly; it may go into debt, so a large answer delays the next request."""

    __slots__ = ("_at", "_level", "per_minute")

    def __init__(self, per_minute: int, now: float) -> None:
        self.per_minute = per_minute
        self._level = float(per_minute)
        self._at = now

    def wait(self, amount: float, now: float) -> float:
        """Seconds until ``amount`` is there; 0 where it is there now. Asking takes nothing."""
        self._refill(now)
        missing = min(amount, self.per_minute) - self._level
        return 0.0 if missing <= _ROUNDING else missing * 60.0 / self.per_minute

    def take(self, amount: float, now: float) -> None:
        """Take it (or give it back); what was promised before and cost more may leave a debt."""
        self._refill(now)
        self._level = min(float(self.per_minute), self._level - amount)

    def _refill(self, now: float) -> None:
        elapsed = now - self._at
        if elapsed > 0:  # a clock that jumps back refills nothing
            self._level = min(float(self.per_minute), self._level + elapsed * self.per_minute / 60.0)
        self._at = now


class Limits:
    """The buckets of all keys that have a limit; a key without traffic costs nothing."""

    def __init__(self) -> None:
        self._requests: dict[str, Bucket] = {}
        self._tokens: dict[str, Bucket] = {}

    def admit(self, key: str, rpm: int, tpm: int, tokens: int, now: float) -> float:
        """Seconds this key must wait, or 0 and the request is counted. ``tokens`` is the estimate of the prompt."""
        requests = self._bucket(self._requests, key, rpm, now)
        minute = self._bucket(self._tokens, key, tpm, now)
        wait = max(
            0.0 if requests is None else requests.wait(1, now),
            0.0 if minute is None else minute.wait(tokens, now),
        )
        if wait == 0.0:
            if requests is not None:
                requests.take(1, now)
            if minute is not None:
                minute.take(tokens, now)
        return wait

    def correct(self, key: str, tokens: int, now: float) -> None:
        """Count what the answer turned out to need beyond the estimate (or give the rest back)."""
        if (bucket := self._tokens.get(key)) is not None:
            bucket.take(tokens, now)

    @staticmethod
    def _bucket(buckets: dict[str, Bucket], key: str, per_minute: int, now: float) -> Bucket | None:
        if per_minute <= 0:
            return None
        bucket = buckets.get(key)
        if bucket is None or bucket.per_minute != per_minute:
            bucket = buckets[key] = Bucket(per_minute, now)
        return bucket
