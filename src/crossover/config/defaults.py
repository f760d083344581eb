"""What is served without a ``crossover.toml``: the models of this machine, else the embedded one. Never a paid one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crossover.config.check import Known
from crossover.config.found import FoundModel, keys_in, named
from crossover.config.load import Loaded
from crossover.config.settings import AliasSettings, DeploymentSettings, Settings, ZoneSettings

EMBEDDED = "embedded"
EMBEDDED_MODEL = "crossover-tiny"
LOCAL = "local"
QUEUE = 100  # may wait for a model that answers few at a time
OLLAMA_CONTEXT = 16_384  # Ollama takes memory for the whole context when it loads a model; more is the user's choice
CHAT_ALIASES = ("auto", "default")
EMBED_ALIAS = "embed"


def default_settings(models: Sequence[FoundModel], environ: Mapping[str, str], *, known: Known | None = None) -> Loaded:
    """The settings in force where there is no file.

    Every model found becomes a deployment in the zone ``local``; where there is none for chat, the embedded model is
    one. Keys in the environment are named in the notes and used for nothing: only a file can name what costs money.
    """
    if known is None:
        from crossover.providers.registry import providers

        known = providers()
    deployments = {name: deployment_of(model) for name, model in named(models).items()}
    if not chat_names(models):
        deployments[EMBEDDED] = DeploymentSettings(provider=EMBEDDED, model=EMBEDDED_MODEL, zone=LOCAL)
    settings = Settings(
        zones={LOCAL: ZoneSettings(operator="own")},
        deployments=deployments,
        aliases={name: AliasSettings(deployments=targets) for name, targets in alias_targets(models).items()},
    )
    return Loaded(settings=settings, notes=_notes(settings, environ, known))


def deployment_of(model: FoundModel) -> DeploymentSettings:
    """A model found on this machine as a deployment."""
    context = model.context
    if context is not None and model.provider == "ollama":
        context = min(context, OLLAMA_CONTEXT)
    return DeploymentSettings(
        provider=model.provider,
        model=model.name,
        zone=LOCAL,
        base_url=model.base_url,
        context=context,
        concurrency=model.concurrency,
        queue=QUEUE if model.concurrency else 0,
        cannot=("chat",) if model.embeds else (),
    )


def chat_names(models: Sequence[FoundModel]) -> tuple[str, ...]:
    """The names of the deployments that chat."""
    return tuple(name for name, model in named(models).items() if not model.embeds)


def alias_targets(models: Sequence[FoundModel]) -> dict[str, tuple[str, ...]]:
    """The aliases and their deployments, for what was found on this machine."""
    chat = chat_names(models) or (EMBEDDED,)
    embed = tuple(name for name, model in named(models).items() if model.embeds)
    found = dict.fromkeys(CHAT_ALIASES, chat)
    if not embed and chat == (EMBEDDED,):
        embed = chat
    return found | ({EMBED_ALIAS: embed} if embed else {})


def _notes(settings: Settings, environ: Mapping[str, str], known: Known) -> tuple[str, ...]:
    names = [name for name in settings.deployments if name != EMBEDDED]
    if names:
        said = [f"no crossover.toml: serving what runs on this machine ({', '.join(names)})"]
    else:
        said = ["no crossover.toml and no engine on this machine: serving the embedded model, which is tiny"]
    if keys := keys_in(environ, known):
        variables = ", ".join(key.variable for key in keys)
        said.append(
            f"{variables} {'is' if len(keys) == 1 else 'are'} set and not used: only a crossover.toml can name what "
            "costs money; `crossover init` writes one"
        )
    return tuple(said)
