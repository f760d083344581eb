"""Constraints: who may answer at all. Compliance, lifecycle, context, capability, rate limits: each with its reason."""

from __future__ import annotations

import msgspec

from crossover import compliance
from crossover.catalog import match
from crossover.catalog.items import Catalog
from crossover.deployment import Zone
from crossover.planner.candidates import ApiCandidate, Enumeration, good_enough, need_words
from crossover.planner.estimates import api_deployment, peak_rps
from crossover.planner.evidence import Book
from crossover.planner.question import Question
from crossover.planner.words import OptionKind, RefusalStage, Refused
from crossover.sensitivity import NOT_SENSITIVE, Sensitivity

PROOF_RULE = "a proof of quality is asked for"
HARD = Sensitivity(tier="hard")


def sensitivity_of(question: Question) -> Sensitivity | None:
    """What is known of the traffic: hard where a share is sensitive, none where it is not, None where nobody looked.

    A regime without a stated share counts for every request: the stricter reading.
    """
    if question.workload.sensitive_share > 0:
        return HARD
    return None if question.regimes else NOT_SENSITIVE


def refusal_of_zone(
    question: Question, zone: Zone, sensitivity: Sensitivity | None, kind: OptionKind, example: str
) -> Refused | None:
    """Why data of this sensitivity may not be processed there; None where it may."""
    answer = compliance.permit(zone, sensitivity, question.regimes, question.today, confirmed=question.rules_confirmed)
    if isinstance(answer, compliance.Permit):
        return None
    return Refused(
        kind=kind,
        example=example,
        count=1,
        stage="compliance",
        reason=answer.reason,
        rule=answer.rule,
        source=f"{answer.source} {answer.url}".strip(),
        checked=answer.checked,
    )


def remains_of_zone(question: Question, zone: Zone) -> tuple[str, ...]:
    """What is still to do where a zone is permitted, in words; empty where no rule asks for anything."""
    answer = compliance.permit(
        zone, sensitivity_of(question), question.regimes, question.today, confirmed=question.rules_confirmed
    )
    if isinstance(answer, compliance.Permit) and (answer.grounds or answer.remains):
        return (answer.sentence, *answer.remains)
    return ()


def screen_api(
    question: Question, catalog: Catalog, enumeration: Enumeration
) -> tuple[list[ApiCandidate], list[ApiCandidate], list[Refused]]:
    """Candidates for the whole workload, those that may take its insensitive part only, and refusals.

    Today's model is judged like any other; that it is in use does not make it permitted.
    """
    whole: list[ApiCandidate] = []
    partly: list[ApiCandidate] = []
    refused: list[Refused] = []
    for candidate in enumeration.api:
        refusal = _unfit(question, catalog, enumeration, candidate)
        if refusal is not None:
            refused.append(refusal)
            continue
        zone = api_deployment(question, candidate).zone
        blocked = refusal_of_zone(question, zone, sensitivity_of(question), candidate.kind, candidate.id)
        if blocked is None:
            whole.append(candidate)
            continue
        refused.append(blocked)
        mixed = 0 < question.workload.sensitive_share < 1
        if mixed and refusal_of_zone(question, zone, NOT_SENSITIVE, candidate.kind, candidate.id) is None:
            partly.append(candidate)
    return whole, partly, refused


def screen_quality(
    catalog: Catalog, enumeration: Enumeration, whole: list[ApiCandidate], partly: list[ApiCandidate], book: Book
) -> tuple[list[ApiCandidate], list[ApiCandidate], Enumeration, list[Refused]]:
    """What is left where only models count that an evaluation found not worse than today's, and the refusals.

    Today's model needs no proof against itself. Weights of another format than the evaluated ones are another model.
    """
    refused: list[Refused] = []

    def proved(example: str, kind: OptionKind, names: tuple[str, ...], form: str = "") -> bool:
        found = book.of(names, form)
        if book.proved(found, catalog):
            return True
        known = next((proof for proof in found), None)
        said = "no evaluation of it is in the ledger" if known is None else f"evaluated: {known.words}"
        if known is not None and known.passed:
            said += ", which is not the model in use"
        if known is not None and known.note:
            said += f"; {known.note}"
        refused.append(
            Refused(
                kind=kind,
                example=example,
                count=1,
                stage="quality",
                reason=said,
                rule="a proof of quality is asked for",
            )
        )
        return False

    def kept(rows: list[ApiCandidate]) -> list[ApiCandidate]:
        return [
            row for row in rows
            if row.id == enumeration.today or proved(row.id, row.kind, _names(row))
        ]  # fmt: skip

    whole, partly = kept(whole), kept(partly)
    specs = {
        spec.key: proved(spec.key, "self", (spec.model.name,), spec.quantisation.name) for spec in enumeration.specs
    }
    left = msgspec.structs.replace(
        enumeration,
        specs=tuple(spec for spec in enumeration.specs if specs[spec.key]),
        purchasing=tuple(way for way in enumeration.purchasing if specs[way.spec.key]),
    )
    return whole, partly, left, refused


def _names(candidate: ApiCandidate) -> tuple[str, ...]:
    own = (candidate.open_model.name,) if candidate.open_model is not None else ()
    return (f"{candidate.priced.provider}/{candidate.priced.model}", candidate.priced.model, *own)


def _unfit(question: Question, catalog: Catalog, enumeration: Enumeration, candidate: ApiCandidate) -> Refused | None:
    """Lifecycle, capability, context and rate limits of one model sold per token."""
    facts = match.hosted(catalog, f"{candidate.priced.provider}/{candidate.priced.model}")

    def refuse(stage: RefusalStage, reason: str, rule: str) -> Refused:
        return Refused(
            kind=candidate.kind,
            example=candidate.id,
            count=1,
            stage=stage,
            reason=reason,
            rule=rule,
            source=facts.source.text if facts is not None else "",
            checked=facts.source.checked if facts is not None else None,
        )

    if facts is not None and match.lifecycle(facts, question.as_of) == "retired":
        gone = f" on {facts.ends_on}" if facts.ends_on else ""
        after = f"; its maker names {facts.replacement}" if facts.replacement else ""
        return refuse(
            "lifecycle", f"{candidate.priced.model} was retired{gone}{after}", "a retired model answers nobody"
        )
    if not candidate.priced.per_token:
        return refuse("price", f"{candidate.priced.model} is not sold per token", "a price per token is needed")
    in_use = candidate.id == enumeration.today
    if not in_use and not good_enough(question, candidate.capability or None, candidate.score, enumeration.needed):
        if not candidate.stated:
            return refuse("capability", f"below the {enumeration.needed} class or the quality floor", "capability")
        if question.preferences.capability or question.preferences.quality_floor is not None:
            return refuse("capability", f"{candidate.priced.model} is below what you stated", "capability")
    window = candidate.priced.context_window
    if window is not None and window < enumeration.context:
        text = f"{candidate.priced.model} takes {window:,} tokens; {need_words(question.workload, enumeration.context)}"
        return refuse("limits", text, "context window")
    return _over_limit(question, candidate) if in_use else None


def _over_limit(question: Question, candidate: ApiCandidate) -> Refused | None:
    """The rate limits the user stated for today's model, against the busiest hour."""
    load = question.workload
    per_minute = peak_rps(question) * 60
    tokens = per_minute * (load.input.mean + load.output.mean)
    limits = question.limits
    rows = (
        ("requests", per_minute, limits.requests_per_minute),
        ("tokens", tokens, limits.tokens_per_minute),
    )
    for what, needed, limit in rows:
        if limit is not None and needed > limit:
            return Refused(
                kind=candidate.kind,
                example=candidate.id,
                count=1,
                stage="limits",
                reason=f"the busiest hour needs {needed:,.0f} {what} a minute, your limit is {limit:,.0f}",
                rule="rate limit stated by the user",
            )
    return None
