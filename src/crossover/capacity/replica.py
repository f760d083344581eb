"""One replica replayed: the event loop of continuous batching, and the gate that sends requests elsewhere.

The loop does not walk through single decode steps. Between two events (an arrival, a completion, a chunk of a prompt)
the batch is constant and its cache grows by one token per sequence and step, so k steps take
``k * duration + growth * k * (k - 1)`` seconds, with ``growth`` half of what a step adds to the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush
from math import sqrt
from typing import NamedTuple

from crossover.capacity.words import Serving

NEVER = float("inf")
_NO_FINISH = 1 << 200  # sentinel of the heap of finishing steps


class Load(NamedTuple):
    """Requests of one replica in order of arrival, each column ending with a sentinel that never arrives.

    ``fresh`` is the part of the prompt that must be computed (at least 1), ``output`` at least 1, ``need`` the cache in
    tokens that a request holds at its end.
    """

    arrival: list[float]
    prompt: list[int]
    fresh: list[int]
    output: list[int]
    need: list[int]


class Log(NamedTuple):
    """What one replica did. ``start`` (admission), ``first`` (token) and ``done`` are moments in seconds per request.

    ``done`` is -1 for a request that was sent elsewhere. A run of steps has ``run_s`` seconds in all, ``run_steps``
    steps and ``run_batch`` sequences that decode. ``end`` is when the replica fell idle for good.
    """

    start: list[float]
    first: list[float]
    done: list[float]
    run_s: list[float]
    run_steps: list[int]
    run_batch: list[int]
    end: float


class Gate:
    """Decides on arrival whether a request waits here or is sent elsewhere.

    The wait is estimated from what the replica knows: fresh prompt tokens queued before the request; and where cache or
    slots are short, how many requests must finish first, at the pace c / (o * s): c sequences, answers of o tokens on
    average so far, steps of s seconds including the prompts that take the place of those that finish.
    """

    def __init__(self, load: Load, serving: Serving, limit_s: float, max_queue: int | None) -> None:
        self.gone = bytearray(len(load.arrival))
        self.limit_s = limit_s
        self.max_queue = max_queue
        self._load = load
        self._serving = serving
        self.seen = 0
        # Sums over the requests that were let in, up to each request: cache needed, fresh tokens, answers, number.
        self._sums: list[tuple[int, int, int, int]] = [(0, 0, 0, 0)]

    def screen(self, head: int, now: float, batch: int, free: int, remaining: int) -> None:
        """Decide on every request that has arrived up to ``now``: ``gone`` marks those that are sent elsewhere.

        ``head`` is the first one not yet admitted, ``remaining`` what the prompt in work still needs.
        """
        load = self._load
        while load.arrival[self.seen] <= now:
            index = self.seen
            need, fresh, output, number = self._sums[index]
            wait, blocked, queued = self._wait(index, head, batch, free, remaining)
            full = self.max_queue is not None and blocked and queued >= self.max_queue
            if wait > self.limit_s or full:
                self.gone[index] = 1
                self._sums.append((need, fresh, output, number))
            else:
                self._sums.append(
                    (need + load.need[index], fresh + load.fresh[index], output + load.output[index], number + 1)
                )
            self.seen += 1

    def _wait(self, index: int, head: int, batch: int, free: int, remaining: int) -> tuple[float, bool, int]:
        """Seconds until the request would be admitted, whether cache or slots are short, and requests before it."""
        serving, load = self._serving, self._load
        need, fresh, output, number = self._sums[index]
        before = self._sums[min(head, index)]
        queued = number - before[3]
        wait = (fresh - before[1] + remaining) * serving.prefill_s_per_token
        short = need - before[0] + load.need[index] - free
        crowd = queued + 1 + batch - serving.max_sequences
        if (short <= 0 and crowd <= 0) or not batch or not number:
            return wait, False, queued
        mean_need, mean_fresh, mean_output = need / number, fresh / number, output / number
        step = serving.step_s[batch] + serving.kv_s_per_token * (serving.kv_capacity_tokens - free)
        step += batch / mean_output * mean_fresh * serving.prefill_s_per_token
        finish_first = max(short / mean_need, crowd, 0.0)
        return max(wait, finish_first * mean_output * step / batch), True, queued


class _Queue:
    """The FIFO queue of a replica and the one prompt that is being computed over several steps.

    Of the prompt in work (``partial``), ``position`` tokens stand in the cache and ``remaining`` are to be computed
    (0: none is in work). The loop keeps the rest: the first request not yet admitted and the cache left.
    """

    __slots__ = ("gone", "load", "partial", "patience", "position", "remaining", "start")

    def __init__(self, load: Load, gate: Gate | None) -> None:
        count = len(load.arrival) - 1
        self.load = load
        self.gone = gate.gone if gate else bytearray(count + 1)
        self.patience = gate.limit_s if gate else NEVER
        self.start = [0.0] * count
        self.partial = self.position = self.remaining = 0

    def fill(
        self, head: int, free: int, now: float, before: float, budget: int, vacant: int
    ) -> tuple[int, int, list[int], int, int]:
        """Give the budget of one step to prompts.

        ``head`` is the first request not yet admitted, ``free`` the cache left in tokens, ``before`` when the last step
        began: whoever had waited longer than allowed by then has left. Returns the new head and free cache, requests
        whose prompt ends in this step, tokens computed, and sum of b**2 - a**2.
        """
        arrival, prompt, fresh, _, need = self.load
        ready: list[int] = []
        tokens = squares = 0
        if self.remaining:
            ready.append(self.partial)
            tokens = self.remaining
            squares = prompt[self.partial] ** 2 - self.position**2
            self.remaining = 0
            vacant -= 1
        gone, late = self.gone, before - self.patience
        while tokens < budget and vacant > 0 and arrival[head] <= now and need[head] <= free:
            if gone[head] or arrival[head] < late:
                gone[head] = 1
                head += 1
                continue
            self.start[head] = now
            free -= need[head]
            vacant -= 1
            part, whole = fresh[head], prompt[head]
            position = whole - part
            if part > budget - tokens:
                part = budget - tokens
                self.partial, self.position, self.remaining = head, position + part, whole - position - part
                whole = position + part
            else:
                ready.append(head)
            tokens += part
            squares += whole * whole - position * position
            head += 1
        return head, free, ready, tokens, squares

    def grind(self, budget: int, most: int) -> tuple[int, int]:
        """Steps, at most ``most``, in which a prompt longer than the budget takes all of it; and sum of b**2 - a**2."""
        k = min((self.remaining - 1) // budget, most)
        reach = self.position + k * budget
        squares = reach * reach - self.position * self.position
        self.remaining -= k * budget
        self.position = reach
        return k, squares


def _steps_until(wait: float, duration: float, growth: float) -> int:
    """The fewest steps that last at least ``wait``: growth * k**2 + (duration - growth) * k >= wait."""
    base = duration - growth
    exact = 2 * wait / (base + sqrt(base * base + 4 * growth * wait))
    k = int(exact)
    return k if k >= exact else k + 1


# The hot loop handles its events in place, because calls would double its time.
def replay(load: Load, serving: Serving, gate: Gate | None = None) -> Log:  # noqa: PLR0912, PLR0915
    """Serve all requests, each of which must fit in the cache alone; ``gate`` may send some elsewhere."""
    arrival, prompt, _, output, need = load
    count = len(arrival) - 1
    width = count + 1  # finishing step and request share one integer in the heap: step * width + request
    step_s, kv_s, chunk, slots = serving.step_s, serving.kv_s_per_token, serving.chunk_tokens, serving.max_sequences
    linear, square, extra = serving.prefill_s_per_token, serving.prefill_s_per_token2, serving.prefill_step_s
    half = 0.5 * kv_s
    queue = _Queue(load, gate)
    gone = queue.gone
    first, done = [0.0] * count, [-1.0] * count
    run_s: list[float] = []
    run_steps: list[int] = []
    run_batch: list[int] = []
    heap = [_NO_FINISH]
    finish = _NO_FINISH // width  # the step in which the next sequence finishes
    now = before = arrival[0] if count else 0.0
    free, head, steps, batch, cache, remaining = serving.kv_capacity_tokens, 0, 0, 0, 0, 0
    while True:
        if gate:
            if arrival[gate.seen] <= now:
                gate.screen(head, now, batch, free, remaining)
            while gone[head]:
                head += 1
        coming = arrival[head]
        if coming > now and not batch and not remaining:
            if head == count:
                return Log(queue.start, first, done, run_s, run_steps, run_batch, now)
            now = before = coming
            if gate:
                continue
        ready: Sequence[int] = ()
        duration = step_s[batch] + kv_s * cache
        growth = half * batch  # half of what the growing cache adds to each further step
        if batch >= chunk or (not remaining and (coming > now or need[head] > free or batch >= slots)):
            k = finish - steps
            spent = (duration + growth * (k - 1)) * k
            if spent > coming - now > 0:
                k = _steps_until(coming - now, duration, growth)
                spent = (duration + growth * (k - 1)) * k
        elif remaining > chunk - batch:
            k, squares = queue.grind(chunk - batch, finish - steps)
            remaining = queue.remaining
            spent = (duration + extra + (chunk - batch) * linear + growth * (k - 1)) * k + square * squares
        else:
            head, free, ready, tokens, squares = queue.fill(head, free, now, before, chunk - batch, slots - batch)
            remaining = queue.remaining
            if not tokens:
                continue  # whoever could start has waited too long and left
            k = 1
            spent = duration + extra + tokens * linear + squares * square
        now += spent
        if gate:
            before = now - spent / k
        steps += k
        cache += k * batch
        run_s.append(spent)
        run_steps.append(k)
        run_batch.append(batch)
        for index in ready:
            first[index] = now
            if output[index] > 1:
                heappush(heap, (steps + output[index] - 1) * width + index)
                finish = heap[0] // width
                batch += 1
                cache += prompt[index] + 1
            else:
                done[index] = now
                free += need[index]
        if steps >= finish:
            while heap[0] < (steps + 1) * width:
                index = heappop(heap) % width
                done[index] = now
                batch -= 1
                cache -= need[index]
                free += need[index]
            finish = heap[0] // width
