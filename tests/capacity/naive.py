"""A reference simulator that walks through every single step: slow, plain, and written apart from the product's."""

from __future__ import annotations

from dataclasses import dataclass, field

from crossover.capacity.words import Serving


@dataclass
class Request:
    arrival: float
    prompt: int
    output: int
    cached: int = 0
    done_tokens: int = 0  # prompt tokens in the cache
    made: int = 0  # answer tokens
    started: float = -1.0
    first: float = -1.0
    finished: float = -1.0
    gaps: list[float] = field(default_factory=list)

    @property
    def need(self) -> int:
        return self.prompt + self.output


def walk(requests: list[Request], serving: Serving) -> float:
    """Fill in the moments of all requests; returns the seconds spent stepping."""
    waiting = sorted(requests, key=lambda request: request.arrival)
    running: list[Request] = []
    now = busy = 0.0
    while waiting or running:
        if not running and waiting[0].arrival > now:
            now = waiting[0].arrival
        decoding = [request for request in running if request.made]
        budget = serving.chunk_tokens - len(decoding)
        time = serving.step_s[len(decoding)]
        time += serving.kv_s_per_token * sum(request.prompt + request.made for request in decoding)
        finishing = []
        before = time
        prefilling = [request for request in running if not request.made]
        while budget > 0:
            if prefilling:
                request = prefilling.pop(0)
            elif (
                waiting
                and waiting[0].arrival <= now
                and len(running) < serving.max_sequences
                and sum(other.need for other in running) + waiting[0].need <= serving.kv_capacity_tokens
            ):
                request = waiting.pop(0)
                request.started = now
                request.done_tokens = min(request.cached, request.prompt - 1)
                running.append(request)
            else:
                break
            part = min(budget, request.prompt - request.done_tokens)
            end = request.done_tokens + part
            time += part * serving.prefill_s_per_token
            time += (end**2 - request.done_tokens**2) * serving.prefill_s_per_token2
            request.done_tokens = end
            budget -= part
            if end == request.prompt:
                finishing.append(request)
        if time > before:
            time += serving.prefill_step_s
        now += time
        busy += time
        for request in decoding:
            request.made += 1
            request.gaps.append(time)
        for request in finishing:
            request.made = 1
            request.first = now
        for request in list(running):
            if request.made >= request.output:
                request.finished = now
                running.remove(request)
    return busy
