"""Candidates: every way to answer the workload that the catalog and the question allow, before anything is estimated.

Enumerate, then filter on memory: what does not fit is refused here with its reason. Prices and speeds come later.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from crossover.capacity import memory
from crossover.capacity.words import MemoryFit
from crossover.catalog import match, prices
from crossover.catalog.items import Accelerator, Catalog, Offer, OpenModel, Quantisation
from crossover.deployment import Engine, Purchase
from crossover.errors import UnknownNameError
from crossover.planner.question import Question
from crossover.planner.words import OptionKind, Refused
from crossover.workload import Workload, length_at

CLASSES = match.CLASSES
DEFAULT_CLASS = "medium"
TENSOR_PARALLEL = (1, 2, 4, 8)
MOST_COUNTS = 2
MOST_OWN_MODELS = 6  # of the models that may stand in, those that most sellers offer; --open-model names others
GIB = 2**30
OWN = "own"  # the cloud that machines of one's own are offers of
WITHDRAWN = "deprecated"  # how the note on a model that its maker will withdraw begins
WINDOW = "context window"
CONTEXT_SHARE = 0.999  # the context a replica must hold: all but one request in a thousand
MIN_CONTEXT = 2048
LEAST_BOUGHT_GIB = 20.0  # smaller devices are worth buying only to a user who names them
SERVER_KINDS = frozenset({"datacenter", "workstation", "consumer"})


class ApiCandidate(msgspec.Struct, frozen=True, kw_only=True):
    """A model sold per token: an API of its maker (``api``) or open weights (``hosted``)."""

    id: str
    kind: OptionKind
    priced: prices.PricedModel
    capability: str
    stated: bool
    open_model: OpenModel | None = None
    score: float | None = None
    benchmark: str = ""
    reasons: bool = False
    note: str = ""


class ServingSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One replica of own machines, without who sells it: what the simulator needs to know. ``key`` is its identity."""

    key: str
    model: OpenModel
    quantisation: Quantisation
    accelerator: Accelerator
    count: int
    engine: Engine
    fit: MemoryFit


class Purchasing(msgspec.Struct, frozen=True, kw_only=True):
    """One way to come by machines for a spec: rented (``offer`` and ``purchase``) or bought (no offer).

    An offer of the cloud ``own`` is a machine that the user has, at what its hour costs.
    """

    id: str
    spec: ServingSpec
    purchase: Purchase | None
    offer: Offer | None
    replicas_per_machine: int

    @property
    def party(self) -> str:
        """Whose machines they are: a cloud's name, or ``own``."""
        return self.offer.cloud if self.offer is not None else OWN

    @property
    def operator(self) -> Literal["rented", "own"]:
        """Who runs them."""
        return "own" if self.party == OWN else "rented"


class Enumeration(msgspec.Struct, frozen=True, kw_only=True):
    """All candidates and the first refusals. ``today`` is the id of the option in use now."""

    api: tuple[ApiCandidate, ...]
    specs: tuple[ServingSpec, ...]
    purchasing: tuple[Purchasing, ...]
    refused: tuple[Refused, ...]
    today: str | None
    needed: str
    context: int
    notes: tuple[str, ...]


def enumerate_all(question: Question, catalog: Catalog) -> Enumeration:
    """Every candidate for this question. Raises UnknownNameError for a name that neither prices nor catalog hold."""
    _check_names(question, catalog)
    stated = [prices.resolve(name) for name in question.workload.models]
    needed, notes = _needed_class(question, catalog, stated)
    models = _open_models(question, catalog, stated, needed)
    context = needed_context(question.workload)
    refused: list[Refused] = []
    own_models = models if question.scope.models else _best_known(models)
    specs = tuple(_specs(question, catalog, own_models, context, refused)) if _wants_own(question) else ()
    return Enumeration(
        api=tuple(_api(question, catalog, stated, models, needed)),
        specs=specs,
        purchasing=tuple(way for spec in specs for way in _purchasing(question, catalog, spec)),
        refused=grouped(refused),
        today=api_id("api" if not _is_open(catalog, stated[0]) else "hosted", stated[0]) if stated else None,
        needed=needed,
        context=context,
        notes=tuple(notes),
    )


def _check_names(question: Question, catalog: Catalog) -> None:
    """Refuse names that nothing holds, even where the scope needs none of them: a slip must not pass silently."""
    for name in question.scope.devices:
        match.accelerator(catalog, name)
    for name in question.scope.quantisations:
        match.quantisation(catalog, name)
    clouds = {offer.cloud for offer in catalog.offers} - {OWN}
    for name in question.scope.clouds:
        if name not in clouds:
            raise UnknownNameError("cloud", name, sorted(clouds), field="--cloud")
    parties = {party for party, _ in question.agreements} - clouds - {"own"}
    if parties:
        known = clouds | {"own"} | {row.provider for row in prices.list_models()}
        for name in sorted(parties - known):
            raise UnknownNameError("party of an agreement", name, sorted(known), field="--agreement")


def api_id(kind: OptionKind, priced: prices.PricedModel) -> str:
    """The identity of an option billed per token."""
    return f"{kind}:{priced.provider}/{priced.model}"


def needed_context(workload: Workload, least: int = MIN_CONTEXT) -> int:
    """Tokens of prompt and answer that all but one request in a thousand stay within; never below ``least``."""
    if workload.trace is not None:
        import numpy as np

        both = workload.trace.input_tokens + workload.trace.output_tokens
        longest = float(np.quantile(both, CONTEXT_SHARE))
    else:
        longest = length_at(workload.input, CONTEXT_SHARE) + length_at(workload.output, CONTEXT_SHARE)
    return max(least, int(longest) + 1)


def grouped(rows: list[Refused]) -> tuple[Refused, ...]:
    """Refusals for the same reason as one row with a count."""
    groups: dict[tuple[str, str, str], list[Refused]] = {}
    for row in rows:
        groups.setdefault((row.kind, row.stage, row.rule or row.reason), []).append(row)
    return tuple(msgspec.structs.replace(group[0], count=sum(row.count for row in group)) for group in groups.values())


def _needed_class(question: Question, catalog: Catalog, stated: list[prices.PricedModel]) -> tuple[str, list[str]]:
    wanted = question.preferences.capability
    if wanted is not None:
        return wanted, []
    if stated:
        capability = capability_of(catalog, stated[0])
        if capability is not None:
            return capability, []
        name = f"{stated[0].provider}/{stated[0].model}"
        return DEFAULT_CLASS, [
            f"no capability class is known for {name}: {DEFAULT_CLASS} is assumed (--capability sets it)"
        ]
    return DEFAULT_CLASS, [f"no model in use was named (--model): a {DEFAULT_CLASS}-class model is assumed"]


def capability_of(catalog: Catalog, priced: prices.PricedModel) -> str | None:
    """The capability class of a model sold per token: the catalog's own row, or that of the open weights behind it."""
    facts = match.hosted(catalog, f"{priced.provider}/{priced.model}")
    if facts is not None and facts.capability is not None:
        return facts.capability
    model = open_model_of(catalog, priced)
    return model.capability if model is not None else None


def open_model_of(catalog: Catalog, priced: prices.PricedModel) -> OpenModel | None:
    """The open model whose weights this offer sells; None for a closed one."""
    wanted = f"{priced.provider}/{priced.model}"
    return next((model for model in catalog.models if wanted in model.hosted), None)


def _is_open(catalog: Catalog, priced: prices.PricedModel) -> bool:
    return open_model_of(catalog, priced) is not None


def _open_models(
    question: Question, catalog: Catalog, stated: list[prices.PricedModel], needed: str
) -> tuple[OpenModel, ...]:
    """The open models that may stand in: those the user names, else the catalog's substitutes for today's model."""
    if question.scope.models:
        return tuple(match.model(catalog, name) for name in question.scope.models)
    chosen: dict[str, OpenModel] = {}
    for priced in stated:
        own = open_model_of(catalog, priced)
        rows = (own,) if own is not None else match.substitutes(catalog, f"{priced.provider}/{priced.model}")
        chosen.update((row.name, row) for row in rows)
    if not chosen:
        chosen = {row.name: row for row in match.stand_ins(catalog, needed)}
    return tuple(row for row in chosen.values() if good_enough(question, row.capability, row.score, needed))


def _best_known(models: tuple[OpenModel, ...]) -> tuple[OpenModel, ...]:
    """The models that most sellers offer: what people run, and what engines are tuned for."""
    order = sorted(models, key=lambda row: -len({sold.partition("/")[0] for sold in row.hosted}))
    return tuple(order[:MOST_OWN_MODELS])


def good_enough(question: Question, capability: str | None, score: float | None, needed: str) -> bool:
    """Whether a model meets the class that is needed and the quality floor the user set."""
    floor = question.preferences.quality_floor
    if floor is not None and (score is None or score < floor):
        return False
    return capability is None or CLASSES.index(capability) >= CLASSES.index(needed)


def _api(
    question: Question,
    catalog: Catalog,
    stated: list[prices.PricedModel],
    models: tuple[OpenModel, ...],
    needed: str,
) -> Iterator[ApiCandidate]:
    """Stated models first, then their rivals of the same class, then open weights per token; each once."""
    rows = [_candidate(question, catalog, priced, stated=True) for priced in stated]
    if "api" in question.scope.kinds:
        rows.extend(
            _candidate(question, catalog, _sold(facts.id), stated=False)
            for facts in catalog.hosted
            if match.lifecycle(facts, question.as_of) == "active"
            and facts.capability is not None
            and good_enough(question, facts.capability, facts.score, needed)
        )
    if "hosted" in question.scope.kinds:
        rows.extend(
            _candidate(question, catalog, _sold(sold), stated=False) for model in models for sold in model.hosted
        )
    seen: set[str] = set()
    for row in rows:
        if row.id not in seen:
            seen.add(row.id)
            yield row


def _sold(hosted_id: str) -> prices.PricedModel:
    provider, _, name = hosted_id.partition("/")
    return prices.resolve(name, provider)


def _candidate(question: Question, catalog: Catalog, priced: prices.PricedModel, *, stated: bool) -> ApiCandidate:
    """A model sold per token with what the catalog knows of it."""
    model = open_model_of(catalog, priced)
    kind: OptionKind = "hosted" if model is not None else "api"
    facts = match.hosted(catalog, f"{priced.provider}/{priced.model}")
    known = model if model is not None else facts
    return ApiCandidate(
        id=api_id(kind, priced),
        kind=kind,
        priced=priced,
        capability=capability_of(catalog, priced) or "",
        stated=stated,
        open_model=model,
        score=known.score if known is not None else None,
        benchmark=known.benchmark if known is not None else "",
        reasons=known.reasoning if known is not None else False,
        note=_ending(question, catalog, priced),
    )


def _ending(question: Question, catalog: Catalog, priced: prices.PricedModel) -> str:
    """What is known of the end of a model that its maker will withdraw; empty for one that stays."""
    facts = match.hosted(catalog, f"{priced.provider}/{priced.model}")
    if facts is None or match.lifecycle(facts, question.as_of) != "deprecated":
        return "its price list calls it deprecated: plan the next move now" if priced.deprecated else ""
    when = f" and ends on {facts.ends_on}" if facts.ends_on else ""
    after = f"; its maker names {facts.replacement}" if facts.replacement else ""
    return f"{WITHDRAWN}{when}{after} ({facts.source.text}, checked {facts.source.checked})"


def _wants_own(question: Question) -> bool:
    return bool({"self", "hybrid"} & set(question.scope.kinds))


def _specs(
    question: Question, catalog: Catalog, models: tuple[OpenModel, ...], context: int, refused: list[Refused]
) -> Iterator[ServingSpec]:
    devices = _devices(question, catalog)
    chosen = tuple(match.quantisation(catalog, name) for name in question.scope.quantisations)
    for model in models:
        for device in devices:
            for engine in _engines(question, device):
                usual = default_quantisations(catalog, engine, device, model)
                also = () if chosen else measured_quantisations(question, catalog, engine, device, model)
                for quantisation in dict.fromkeys((*(chosen or usual), *also)):
                    if engine in quantisation.engines:
                        yield from _fitting(question, model, quantisation, device, engine, context, refused)


def need_words(workload: Workload, tokens: int) -> str:
    """That requests need so many tokens, and where that figure is a guess from a mean."""
    guessed = "lognormal" in (workload.input.kind, workload.output.kind)
    note = " (the long ones are assumed from a mean: a trace, or quantiles in a workload.toml, replace them)"
    return f"requests need up to {tokens:,}{note if guessed else ''}"


def _fitting(
    question: Question,
    model: OpenModel,
    quantisation: Quantisation,
    device: Accelerator,
    engine: Engine,
    context: int,
    refused: list[Refused],
) -> Iterator[ServingSpec]:
    """The smallest number of devices that holds the model, and twice that: more splits one model ever thinner."""
    found = 0
    short = match.short(model.name)
    weights = memory.weights_bytes(model, quantisation)
    needed = context if context > MIN_CONTEXT else needed_context(question.workload, least=1)
    context = min(context, max(needed, model.max_context))  # the least that is provided for may exceed a small model
    if needed > model.max_context:
        reason = f"{short} takes {model.max_context:,} tokens; {need_words(question.workload, needed)}"
        refused.append(Refused(kind="self", example=short, count=1, stage="limits", reason=reason, rule=WINDOW))
        return
    reason, place = "", device.name
    for count in TENSOR_PARALLEL:
        if count > device.max_per_node or found == MOST_COUNTS:
            break
        if engine == "vllm" and model.heads % count:
            continue
        room = device.memory_gib * count
        place = f"{count} × {device.name}" if count > 1 else device.name
        if weights / GIB > room:  # cheap, and decides most cases
            reason = f"the weights alone take {weights / GIB:.0f} of {room:.0f} GiB"
            continue
        fit = memory.fit(model, quantisation, device, count, engine=engine, context=context)
        reason = fit.reason
        if fit.fits:
            found += 1
            key = f"{short}/{quantisation.name}/{count}x{device.name}/{engine}"
            yield ServingSpec(
                key=key, model=model, quantisation=quantisation, accelerator=device, count=count, engine=engine, fit=fit
            )
    if not found:
        text = f"{short} {quantisation.name} on {place}: {reason}"
        refused.append(
            Refused(
                kind="self",
                example=text,
                count=1,
                stage="memory",
                reason=reason,
                rule="weights and cache must fit one node",
            )
        )


def _devices(question: Question, catalog: Catalog) -> tuple[Accelerator, ...]:
    if question.scope.devices:
        return tuple(match.accelerator(catalog, name) for name in question.scope.devices)
    sold = {offer.accelerator for offer in catalog.offers}
    return tuple(
        device
        for device in catalog.accelerators
        if device.name in sold or (question.scope.owned and device.price_usd and device.memory_gib >= LEAST_BOUGHT_GIB)
    )


def _engines(question: Question, device: Accelerator) -> tuple[Engine, ...]:
    natural: Engine = "vllm" if device.kind in SERVER_KINDS and device.vendor in {"NVIDIA", "AMD"} else "llamacpp"
    if not question.scope.engines:
        return (natural,)
    chosen: tuple[Engine, ...] = (natural, "llamacpp", "ollama")
    return tuple(engine for engine in dict.fromkeys(chosen) if engine in question.scope.engines)


def default_quantisations(
    catalog: Catalog, engine: Engine, device: Accelerator, model: OpenModel
) -> tuple[Quantisation, ...]:
    """What people run on such a device: the model's own format, 8 bit where the hardware computes it, and 4 bit."""
    if engine != "vllm":
        names = ["Q4_K_M", "Q8_0"]
    elif model.native_bits <= 5:
        names = ["mxfp4"]
    else:
        names = ["fp8"] if model.native_bits <= 8 else ["bf16"]
        if device.fp8_tflops and "fp8" not in names:
            names.append("fp8")
        names.append("awq-int4")
    known = {row.name: row for row in catalog.quantisations}
    return tuple(known[name] for name in names if name in known)


def measured_quantisations(
    question: Question, catalog: Catalog, engine: Engine, device: Accelerator, model: OpenModel
) -> tuple[Quantisation, ...]:
    """Formats whose speed was measured for this model, device and engine: what runs is looked at."""
    found = []
    for row in question.evidence:
        parts = row.subject.split("|")
        if len(parts) == 4 and parts[0] == model.name and parts[3] == engine and parts[2].endswith(f"x{device.name}"):
            found += [known for known in catalog.quantisations if known.name == parts[1]]
    return tuple(found)


def _purchasing(question: Question, catalog: Catalog, spec: ServingSpec) -> Iterator[Purchasing]:
    """Per cloud and way of paying the offer that is cheapest per replica, and the machine to buy."""
    best: dict[tuple[str, Purchase], tuple[float, Offer]] = {}
    for offer in catalog.offers:
        if offer.accelerator != spec.accelerator.name or offer.count < spec.count:
            continue
        if question.scope.clouds and offer.cloud not in (*question.scope.clouds, OWN):
            continue
        fitting = offer.count // spec.count
        for purchase in question.scope.purchases:
            price = offer_price(offer, purchase)
            if price is None:
                continue
            key, cost = (offer.cloud, purchase), price / fitting
            if key not in best or (cost, price) < (best[key][0], offer_price(best[key][1], purchase) or 0):
                best[key] = (cost, offer)
    for (cloud, purchase), (_, offer) in best.items():
        identity = f"self:{spec.key}/{cloud}-{purchase.replace('_', '-')}"
        yield Purchasing(
            id=identity, spec=spec, purchase=purchase, offer=offer, replicas_per_machine=offer.count // spec.count
        )
    if question.scope.owned and spec.accelerator.price_usd is not None:
        yield Purchasing(id=f"self:{spec.key}/owned", spec=spec, purchase=None, offer=None, replicas_per_machine=1)


def offer_price(offer: Offer, purchase: Purchase) -> float | None:
    """Dollars per hour of the whole instance in this way of paying; None where it is not sold so."""
    rows = {
        "on_demand": offer.usd_per_hour,
        "spot": offer.spot_usd_per_hour,
        "reserved": offer.reserved_1y_usd_per_hour,
    }
    price = rows[purchase]
    return None if price is None else float(price)
