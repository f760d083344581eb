"""What a load test can compare: models that this machine serves, told apart by engine and matched by what they are.

Nothing of a provider's is ever found here: what costs money must be named. Two engines name one model differently
(``llama3.2:3b``, ``meta-llama/Llama-3.2-3B-Instruct``): the catalog knows both names.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from crossover.catalog import match
from crossover.catalog.items import Catalog
from crossover.config.defaults import EMBEDDED, EMBEDDED_MODEL, deployment_of
from crossover.config.found import FoundModel, named
from crossover.config.load import Loaded
from crossover.config.settings import DeploymentSettings, Settings, ZoneSettings
from crossover.errors import InputError, UnknownNameError
from crossover.providers.registry import base_url, providers

HERE = "this-machine"  # a zone for what is in no configuration
_FILE = ".gguf"


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """Who takes part, by names of ``loaded``'s deployments, and what has to be said about the choice."""

    loaded: Loaded
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()


def everything(loaded: Loaded, found: Sequence[FoundModel]) -> Loaded:
    """The settings with every model that was found on this machine and is no deployment yet, and the embedded one."""
    settings = loaded.settings
    known = {_place(one) for one in settings.deployments.values()}
    more: dict[str, DeploymentSettings] = {}
    for name, model in named(found).items():
        one = msgspec.structs.replace(deployment_of(model), zone=HERE)
        if _place(one) not in known:
            more[_free(name, {**settings.deployments, **more})] = one
    if all(one.provider != EMBEDDED for one in settings.deployments.values()):
        name = _free(EMBEDDED, {**settings.deployments, **more})
        more[name] = DeploymentSettings(provider=EMBEDDED, model=EMBEDDED_MODEL, zone=HERE)
    return _with(loaded, more)


def with_files(loaded: Loaded, targets: Sequence[str]) -> tuple[Loaded, tuple[str, ...]]:
    """The settings with a deployment for each target that is a model file, which the embedded engine then serves.

    Also the names of all targets: a file's is its own without folder and ending. ``embedded`` is the embedded model
    also where the configuration has none.
    """
    taken = dict(loaded.settings.deployments)
    more: dict[str, DeploymentSettings] = {}
    names: list[str] = []
    for text in targets:
        place = Path(text).expanduser()
        if text == EMBEDDED and text not in taken and text not in loaded.settings.aliases:
            more[text] = DeploymentSettings(provider=EMBEDDED, model=EMBEDDED_MODEL, zone=HERE)
        if text in taken or not (text.casefold().endswith(_FILE) and place.is_file()):
            names.append(text)
            continue
        name = _free(place.stem, {**taken, **more})
        more[name] = DeploymentSettings(provider=EMBEDDED, model=str(place.absolute()), zone=HERE)
        names.append(name)
    return _with(loaded, more), tuple(names)


def _with(loaded: Loaded, more: Mapping[str, DeploymentSettings]) -> Loaded:
    if not more:
        return loaded
    settings = msgspec.structs.replace(
        loaded.settings,
        zones={HERE: ZoneSettings(operator="own"), **loaded.settings.zones},
        deployments={**loaded.settings.deployments, **more},
    )
    return msgspec.structs.replace(loaded, settings=settings)


def field(loaded: Loaded, catalog: Catalog, model: str | None) -> Field:
    """Who is compared where nobody was named: one model on every engine of one's own that serves it.

    Without ``model`` it is the one that most engines serve; where no two serve the same, one model of each engine, with
    a note. Raises UnknownNameError for a model that nobody serves.
    """
    settings = loaded.settings
    chats = {name: one for name, one in settings.deployments.items() if _own(one, settings)}
    keys = {name: key_of(one.model, catalog) for name, one in chats.items()}
    if model is not None:
        wanted = key_of(model, catalog)
        chosen = _one_each(settings, [name for name in chats if keys[name] == wanted or chats[name].model == model])
        if not chosen:
            raise UnknownNameError(
                "model on this machine", model, {one.model for one in chats.values()}, field="--model"
            )
        return Field(loaded=loaded, names=tuple(chosen))
    serving: dict[str, list[str]] = defaultdict(list)
    for name in chats:
        serving[keys[name]].append(name)
    groups = [_one_each(settings, names) for names in serving.values()]
    most = max(groups, key=len, default=[])
    if len(most) > 1:
        return Field(loaded=loaded, names=tuple(most))
    each = _one_each(settings, list(chats))
    others = [name for name in each if chats[name].model != EMBEDDED_MODEL]
    if len(others) > 1:  # nobody chooses between the tiny model and theirs
        each = others
    if len(each) < 2:
        hint = "Start an engine, pull a model file, or name two: deployments, addresses (http://…), .gguf files"
        only = f"only {each[0]} answers on this machine" if each else "nothing answers on this machine"
        raise InputError(f"{only}, and a comparison takes two", hint=hint, field="--compare")
    note = "No two engines serve the same model: what differs is model and engine together. --model chooses one."
    return Field(loaded=loaded, names=tuple(each), notes=(note,))


def key_of(model: str, catalog: Catalog) -> str:
    """What a model is called here, whatever an engine calls it: its name in the catalog, else its own without a tag."""
    try:
        return match.model(catalog, model.replace(":", " ")).name
    except UnknownNameError:
        return model.casefold().rpartition("/")[2].removesuffix(":latest").removesuffix(_FILE)


def _own(one: DeploymentSettings, settings: Settings) -> bool:
    return one.enabled and "chat" not in one.cannot and settings.zones[one.zone].operator != "provider"


def _place(one: DeploymentSettings) -> tuple[str, str | None, str]:
    row = providers().get(one.provider)
    address = None if row is None or row.base_url is None else base_url(row, one.base_url)
    return one.provider, one.base_url or address, one.model


def _one_each(settings: Settings, names: Sequence[str]) -> list[str]:
    """The first deployment of every engine among these."""
    firsts: dict[tuple[str, str | None], str] = {}
    for name in names:
        provider, address, _ = _place(settings.deployments[name])
        firsts.setdefault((provider, address), name)
    return list(firsts.values())


def _free(name: str, taken: Mapping[str, object]) -> str:
    count = 2
    free = name
    while free in taken:
        free, count = f"{name}-{count}", count + 1
    return free
