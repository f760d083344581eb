"""Levers: the inputs that can move the answer, with today's values, for the tornado and the flip conditions."""

from __future__ import annotations

from collections.abc import Iterator

from crossover.deployment import PerHour
from crossover.money import TOKENS_PER_MTOK
from crossover.planner.costing import Facts
from crossover.planner.outlook import Lever
from crossover.planner.question import Question
from crossover.planner.words import Option

VOLUME_SPAN = (0.001, 100.0)
PEOPLE_SPAN = (0.02, 5.0)


def levers_of(
    question: Question, reference: Facts | None, own: Facts | None, own_option: Option | None
) -> tuple[Lever, ...]:
    """Levers of the traffic, of the price of ``reference`` (billed by the token) and of the best own machines."""
    load = question.workload
    tokens = load.input.mean + load.output.mean
    rows = [
        Lever(name="volume", title="volume", now=load.requests_per_day, unit="requests/day", span=VOLUME_SPAN),
        Lever(name="lengths", title="tokens per request", now=tokens, unit="tokens"),
    ]
    if reference is not None and reference.tokens is not None:
        each = (reference.tokens.input_usd + reference.tokens.output_usd) / max(tokens, 1e-9) * TOKENS_PER_MTOK
        rows.append(
            Lever(
                name=f"{reference.tokens.price_range}:{reference.tokens.seller}",
                title=f"the price of {reference.id.split(':', 1)[1]}",
                now=each,
                unit="$/Mtok",
            )
        )
    rows.append(Lever(name="peak", title="peak factor", now=load.peak_factor, unit="×"))
    if own is not None and own_option is not None:
        rows.extend(_own(own, own_option))
    return tuple(rows)


def _own(own: Facts, option: Option) -> Iterator[Lever]:
    """What own machines cost, who looks after them, how fast they are, and how much their model writes."""
    machines = own.machines
    if machines is None:
        return
    billing, device = option.deployment.billing, option.deployment.accelerator
    if isinstance(billing, PerHour):
        per_device = float(billing.usd_per_hour) / (option.deployment.accelerators * machines.replicas_per_machine)
        name, title = f"{machines.price_range}:{machines.seller}", f"rent of one {device} ({billing.cloud})"
        yield Lever(name=name, title=title, now=per_device, unit="$/h")
    else:
        title = f"cost of one bought {device} machine"
        yield Lever(name=f"owned:{machines.seller}", title=title, now=machines.machine_usd_month, unit="$/month")
    if own.people_usd > 0:
        yield Lever(name="people", title="people", now=own.people_usd, unit="$/month", span=PEOPLE_SPAN)
    yield Lever(name="speed", title="speed of own machines", now=machines.replica_rps, unit="requests/s and replica")
    if machines.writer.ratio and machines.writer.measured_log_sd is None:
        name = f"{machines.writer.ratio}:{machines.writer.name}"
        yield Lever(name=name, title="length of the other model's answers", now=1.0, unit="×")
