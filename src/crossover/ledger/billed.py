"""The ledger's side of a bill: what every API was asked, by model and hour.

Every attempt at an API counts, failed ones that may have been billed included. Money is picodollars.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import msgspec

from crossover.ledger import savings
from crossover.ledger.schema import CHILDREN, INPUT_ESTIMATED, OUTPUT_ESTIMATED
from crossover.ledger.store import Ledger

HOUR = 3600
_DATED = re.compile(r"[-@](20\d\d-?[01]\d-?[0-3]\d|\d{3,4}|latest)$")
_GOOD = "CASE WHEN a.outcome IN ('ok', 'escalated') THEN 1 ELSE 0 END"  # an answer came, whether it was used or not


class Used(msgspec.Struct, kw_only=True):
    """What one side says of a model in a window; None: it does not say. ``input`` includes ``cached``.

    ``retried`` is what failed attempts were priced at, ``failed`` how many had a price, ``unpriced`` how many had none
    although they may have been accepted, ``estimated`` requests whose tokens nobody counted.
    """

    requests: int | None = None
    input: int | None = None
    cached: int | None = None
    output: int | None = None
    cost: int | None = None
    batch: bool = False
    lines: int = 0
    retried: int = 0
    failed: int = 0
    unpriced: int = 0
    estimated: int = 0

    @property
    def tokens(self) -> int | None:
        """Input and output together."""
        return None if self.input is None and self.output is None else (self.input or 0) + (self.output or 0)


Hourly = dict[str, dict[int, Used]]  # canonical model → hour since 1970 → what was used


def used(
    ledger: Ledger, since: float, until: float, providers: Iterable[str] = ()
) -> tuple[Hourly, dict[str, str], float | None]:
    """What APIs were asked by model and hour, the models' names as the ledger writes them, and its first request.

    ``providers`` narrows to rows of the registry; a deployment that never answered is known by its own name alone.
    """
    wanted = set(providers)
    models, own = _deployments(ledger)
    found: Hourly = {}
    names: dict[str, str] = {}

    def at(deployment: str, hour: int) -> Used | None:
        provider, model = models.get(deployment, ("", deployment))
        if deployment in own or (wanted and provider and provider not in wanted):
            return None
        key = canonical(model)
        names.setdefault(key, model)
        return found.setdefault(key, {}).setdefault(
            hour, Used(requests=0, input=0, cached=0, output=0, cost=0)
        )  # fmt: skip

    span = (round(since * 1e6), round(until * 1e6))
    for month in savings.months(ledger, since, until):
        for deployment, hour, is_ok, accepted, *sums in ledger.rows(_attempts_in(month), span):
            here = at(deployment, hour)
            if here is not None:
                _count_attempts(here, bool(is_ok), bool(accepted), [int(each or 0) for each in sums])
        for deployment, hour, cached, estimated in ledger.rows(_records_in(month), span):
            here = at(deployment, hour)
            if here is not None:
                here.cached = (here.cached or 0) + cached
                here.estimated += estimated
    first = ledger.rows("SELECT min(hour) FROM rollups")[0][0]
    return found, names, None if first is None else first * float(HOUR)


def _attempts_in(month: str) -> str:
    return (
        f"SELECT a.deployment, r.time / 3600000000 AS hour, {_GOOD} AS good, a.accepted, count(*), "
        "sum(a.input_tokens), sum(a.output_tokens), sum(a.cost / 1000000), sum(a.cost % 1000000), "
        "sum(CASE WHEN a.cost > 0 THEN 1 ELSE 0 END) "
        f"FROM records_{month} r JOIN attempts_{month} a "
        f"ON a.number BETWEEN r.number * {CHILDREN} AND r.number * {CHILDREN} + {CHILDREN - 1} "
        f"WHERE r.time >= ? AND r.time < ? GROUP BY a.deployment, r.time / 3600000000, {_GOOD}, a.accepted"
    )


def _records_in(month: str) -> str:
    estimated = INPUT_ESTIMATED | OUTPUT_ESTIMATED
    return (
        f"SELECT d.deployment, r.time / 3600000000 AS hour, sum(r.cached_read), "
        f"sum(CASE WHEN r.flags & {estimated} > 0 THEN 1 ELSE 0 END) FROM records_{month} r "
        f"JOIN decisions_{month} d ON d.id = r.decision WHERE r.time >= ? AND r.time < ? AND d.local = 0 "
        "AND d.deployment <> '' GROUP BY d.deployment, r.time / 3600000000"
    )


def _count_attempts(here: Used, is_ok: bool, accepted: bool, sums: Sequence[int]) -> None:
    count, prompt, answer, cost, rest, priced = sums
    here.input = (here.input or 0) + prompt
    here.output = (here.output or 0) + answer
    here.cost = (here.cost or 0) + cost * 1_000_000 + rest
    if is_ok:
        here.requests = (here.requests or 0) + count
        return
    here.requests = (here.requests or 0) + priced
    here.failed += priced
    here.retried += cost * 1_000_000 + rest
    here.unpriced += count - priced if accepted else 0


def _deployments(ledger: Ledger) -> tuple[dict[str, tuple[str, str]], set[str]]:
    """Deployment → provider and model as last seen, and the deployments that are own machines."""
    models: dict[str, tuple[str, str]] = {}
    own: set[str] = set()
    for (month,) in ledger.rows("SELECT month FROM segments ORDER BY month"):
        for name, provider, model, local in ledger.rows(
            f"SELECT DISTINCT deployment, provider, model, local FROM decisions_{month} WHERE deployment <> ''"
        ):
            models[name] = (provider, model)
            (own.add if local else own.discard)(name)
        own |= {
            name for (name,) in ledger.rows(f"SELECT DISTINCT deployment FROM alternatives_{month} WHERE local = 1")
        }
    return models, own


def canonical(model: str) -> str:
    """A model's name without what bills write in their own ways: case, separators, order, dates, the provider.

    ``Claude Haiku 3.5``, ``claude-3-5-haiku-20241022`` and ``anthropic/claude-3.5-haiku`` are one.
    """
    name = model.strip().lower().rpartition("/")[2]
    while (short := _DATED.sub("", name)) != name:
        name = short
    return "-".join(sorted(part for part in re.split(r"[\s._:-]+", name) if part))
