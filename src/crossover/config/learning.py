"""What must hold of an alias whose policy tells work for a stronger model from other work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from crossover.config.settings import AliasSettings, Settings
from crossover.errors import FileError, nearest
from crossover.learning.artifact import load
from crossover.routing.guess import GUESSING

AGREEMENT = "agreement"  # the grader that needs no model
_SECOND = "answer.agreement"  # what a file learned of whether a second model agrees
_Found = tuple[tuple[str, ...], str, str | None]  # where, what is wrong, what would be right


def strong_of(settings: Settings, alias: AliasSettings) -> frozenset[str]:
    """The stronger deployments of an alias: those it names, else those that are paid by the token.

    Empty where that leaves nothing to choose from: all are strong, or none is.
    """
    names = frozenset(name for name in alias.deployments if name in settings.deployments)
    strong = names.intersection(alias.strong) if alias.strong else {one for one in names if not own(settings, one)}
    return frozenset() if strong == names else frozenset(strong)


def own(settings: Settings, name: str) -> bool:
    """Whether a deployment runs on own or rented machines."""
    zone = settings.zones.get(settings.deployments[name].zone)
    return zone is not None and zone.operator != "provider"


def learned_files(settings: Settings) -> tuple[Path, ...]:
    """The files whose content decides: one that is trained again counts from then on."""
    return tuple(Path(one.learned) for one in settings.aliases.values() if one.learned is not None)


def learning_problems(settings: Settings, name: str, alias: AliasSettings) -> Iterator[_Found]:
    """(path, what is wrong, what would be right) of one alias."""
    here = ("aliases", name)
    policy = alias.policy or settings.policy
    for number, one in enumerate(alias.strong):
        if one not in alias.deployments:
            yield ((*here, "strong", str(number)), *_not(one, alias.deployments, "is none of its deployments"))
    if alias.policy in GUESSING and alias.deployments and not strong_of(settings, alias):
        yield (
            (*here, "policy"),
            f"{alias.policy} chooses between a weaker and a stronger deployment, and {name} has not both",
            "Name one of your own and a paid one in deployments, or say which are the stronger with strong = [...]",
        )
    if policy == "route" and alias.learned is None and strong_of(settings, alias):
        yield (
            (*here, "policy"),
            "route needs what was learned from prompts",
            'Write learned = "route.json" (crossover route train makes it), or policy = "complexity"',
        )
    if alias.learned is not None:
        yield from _learned((*here, "learned"), alias.learned, policy)
    yield from _watched(settings, (*here, "watch"), alias, policy)
    second = alias.cascade.second
    if second is not None:
        yield from _own_model(settings, (*here, "cascade", "second"), second)


def learning_notes(settings: Settings) -> Iterator[str]:
    """What is allowed of learned files and second opinions, and still worth saying. The files can be read."""
    for name, alias in settings.aliases.items():
        learned = None if alias.learned is None else load(Path(alias.learned))
        looks = learned is not None and any(one.name == _SECOND for one in learned.features)
        second = alias.cascade.second
        if second is not None and not looks:
            yield (
                f"aliases.{name}: {second} is asked as well, and nothing looks at whether it agrees; "
                "crossover route train --other makes a file that does"
            )
        if second is None and looks:
            yield (
                f"aliases.{name}: {alias.learned} looks at whether a second model agrees, and cascade.second names "
                "none; so everything goes to a stronger model"
            )
        if learned is not None:
            yield from _strangers(settings, name, alias, (learned.card.weak, learned.card.strong))


def _strangers(settings: Settings, name: str, alias: AliasSettings, models: tuple[str, str]) -> Iterator[str]:
    """Whether a file was trained for other models than those that answer here: by deployment, alias or model."""
    here = set(alias.deployments) | {settings.deployments[one].model for one in alias.deployments}
    here |= {other for other, one in settings.aliases.items() if set(one.deployments) & set(alias.deployments)}
    strange = [one for one in models if one not in here]
    if strange:
        yield (
            f"aliases.{name}: {alias.learned} was trained for {models[0]} and {models[1]}, and "
            f"{' and '.join(strange)} cannot answer here; its promise is about those"
        )


def _learned(path: tuple[str, ...], file: str, policy: str) -> Iterator[_Found]:
    """A file that cannot be read, or that was made for another policy."""
    try:
        learned = load(Path(file))
    except FileError as error:
        yield path, f"{file} {error.message}", error.hint
        return
    if policy in ("cascade", "route") and learned.kind != policy:
        yield (
            path,
            f"{file} was trained for the policy {learned.kind}, and the policy here is {policy}",
            f'Write policy = "{learned.kind}", or train another',
        )


def _watched(settings: Settings, here: tuple[str, ...], alias: AliasSettings, policy: str) -> Iterator[_Found]:
    watch = alias.watch
    if watch.explore and policy not in GUESSING:
        yield (
            (*here, "explore"),
            f"the policy {policy} has no rule that could be checked",
            f"Take it out, or choose one of {', '.join(sorted(GUESSING))}",
        )
    if watch.shadow is not None:
        yield from _own_model(settings, (*here, "shadow"), watch.shadow)
    names = (AGREEMENT, *settings.aliases, *settings.deployments)
    if watch.grader not in names:
        yield ((*here, "grader"), *_not(watch.grader, names, "is no alias and no deployment"))


def _own_model(settings: Settings, path: tuple[str, ...], name: str) -> Iterator[_Found]:
    if name not in settings.deployments:
        yield (path, *_not(name, settings.deployments, "is no deployment"))
    elif not own(settings, name):
        yield path, f"{name} is paid by the token, and only own machines are asked beside others", "Name an own one"


def _not(name: str, known: Iterable[str], what: str) -> tuple[str, str]:
    names = tuple(known)
    near = nearest(name, names)
    return f"{name!r} {what}", f"Did you mean {near[0]}?" if near else f"Known: {', '.join(names)}"
