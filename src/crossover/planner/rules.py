"""The decision framework: what the user states beside money and latency, as visible rules.

Each rule says what was stated, what it does to the ranking, and which options it touches. There is no hidden score:
an option is refused, demoted (ranked below every option that is not), or left alone, and the plan says which and why.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from crossover.planner.question import Question
from crossover.planner.words import Option, OptionKind, RuleEffect

OWN: tuple[OptionKind, ...] = ("self", "hybrid")
MANAGED: tuple[OptionKind, ...] = ("api", "hosted")
NO_TEAM_MARGIN = 0.30
VARIABLE_PEAK = 4.0
VARIABLE_GAPS = 3.0


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule: ``stated`` gives what the user said (None: the rule is silent), ``demotes`` tests one option.

    ``demotes`` receives the option and the cheapest managed (API or hosted) cost a month, infinite if there is none.
    """

    name: str
    stated: Callable[[Question], str | None]
    effect: str
    touches: tuple[OptionKind, ...]
    demotes: Callable[[Option, float], bool] | None = None


def _no_team(question: Question) -> str | None:
    return "nobody has operated models before" if question.preferences.team == "none" else None


def _strong_team(question: Question) -> str | None:
    return "the team operates models already" if question.preferences.team == "strong" else None


def _variable(question: Question) -> str | None:
    load = question.workload
    if load.peak_factor >= VARIABLE_PEAK or load.burstiness >= VARIABLE_GAPS:
        return f"busiest hour {load.peak_factor:.1f} × the mean, gaps between arrivals vary by {load.burstiness:.1f}"
    return None


def _fine_tuning(question: Question) -> str | None:
    return "own fine-tuned weights are needed" if question.preferences.fine_tuning else None


def _colocate(question: Question) -> str | None:
    return "the model must run beside the data" if question.preferences.colocate else None


def _capability(question: Question) -> str | None:
    wanted = question.preferences.capability
    return f"a {wanted}-class model is needed" if wanted else None


def _floor(question: Question) -> str | None:
    floor = question.preferences.quality_floor
    return f"published score of at least {floor:g}" if floor is not None else None


def _proof(question: Question) -> str | None:
    return "a proof of quality is asked for" if question.preferences.proof else None


def _sensitive(question: Question) -> str | None:
    share = question.workload.sensitive_share
    return f"{share:.0%} of requests are sensitive" if share > 0 else None


def _sells_outside(option: Option) -> bool:
    return option.kind in MANAGED or bool(option.overflow_to)


RULES: tuple[Rule, ...] = (
    Rule(name="capability", stated=_capability, effect="models below that class are refused", touches=MANAGED + OWN),
    Rule(
        name="quality floor",
        stated=_floor,
        effect="models with a lower published score, or with none, are refused",
        touches=MANAGED + OWN,
    ),
    Rule(
        name="quality proof",
        stated=_proof,
        effect="models that no evaluation found better than, as good as, or not worse than today's are refused",
        touches=MANAGED + OWN,
    ),
    Rule(
        name="privacy",
        stated=_sensitive,
        effect="a place without the declared agreements is refused for them; "
        "a split that keeps them on own machines is added",
        touches=MANAGED + OWN,
    ),
    Rule(
        name="team",
        stated=_no_team,
        effect=f"own machines rank below a managed option that costs up to {NO_TEAM_MARGIN:.0%} more",
        touches=OWN,
        demotes=lambda option, managed: option.kind in OWN and managed <= option.usd_month * (1 + NO_TEAM_MARGIN),
    ),
    Rule(name="team", stated=_strong_team, effect="the lower end of the range for people is assumed", touches=OWN),
    Rule(
        name="variability",
        stated=_variable,
        effect="already in the cost: fleets are sized for the busiest hour and idle hours are paid; hybrids compete",
        touches=OWN,
    ),
    Rule(
        name="fine-tuning",
        stated=_fine_tuning,
        effect="open weights sold per token rank below: such offers serve the maker's weights, not yours; "
        "ask an API provider for its own fine-tuning price",
        touches=("hosted",),
        demotes=lambda option, _: option.kind == "hosted",
    ),
    Rule(
        name="co-location",
        stated=_colocate,
        effect="options that send requests to somebody else's endpoint rank below own machines",
        touches=("api", "hosted", "hybrid"),
        demotes=lambda option, _: _sells_outside(option),
    ),
)


def effects(question: Question) -> tuple[RuleEffect, ...]:
    """The rules that apply to this question, in words."""
    return tuple(
        RuleEffect(rule=rule.name, stated=stated, effect=rule.effect, touches=rule.touches)
        for rule in RULES
        if (stated := rule.stated(question)) is not None
    )


def ranked(options: list[Option], question: Question) -> list[Option]:
    """Options with the rules that demote them, cheapest first among the undemoted, then the rest."""
    managed = min((option.usd_month for option in options if option.kind in MANAGED), default=float("inf"))
    active = [rule for rule in RULES if rule.demotes is not None and rule.stated(question) is not None]
    marked = [
        msgspec.structs.replace(
            option,
            demoted_by=tuple(
                rule.name for rule in active if rule.demotes is not None and rule.demotes(option, managed)
            ),
        )
        for option in options
    ]
    return sorted(
        marked, key=lambda option: (len(option.demoted_by), option.usd_month, option.speed != "measured", option.id)
    )


def _place(option: Option) -> tuple[int, float, bool, str]:
    """Undemoted first, then the cheapest; of two that cost the same, the one whose speed was measured."""
    return len(option.demoted_by), option.usd_month, option.speed != "measured", option.id
