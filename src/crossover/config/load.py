"""``crossover.toml`` → :class:`Settings`: found, read, checked. Mistakes are one FileError each, with its line."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from crossover import compliance
from crossover.config.check import Known, notes, problems
from crossover.config.learning import learned_files, learning_notes
from crossover.config.places import paths
from crossover.config.privacy import privacy_files, privacy_notes, privacy_problems
from crossover.config.read import Reading, read
from crossover.config.secrets import Finder
from crossover.config.settings import DeploymentSettings, PriceSettings, Settings
from crossover.deployment import Timeouts
from crossover.textfile import Document, parse_toml, read_text

FILE = "crossover.toml"
MOST_BYTES = 4 * 2**20


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """Settings as read. ``digest`` is the SHA-256 of the text ("" without a file), ``file`` its place.

    ``notes`` are sentences for whoever starts the gateway. ``files`` are those it names whose content counts: of
    secrets, of words, of trained models, of what was learned.
    """

    settings: Settings
    notes: tuple[str, ...] = ()
    digest: str = ""
    file: Path | None = None
    files: tuple[Path, ...] = ()


def find(stated: Path | None, environ: Mapping[str, str], folder: Path) -> Path | None:
    """The file in force: the one stated, else ``crossover.toml`` in ``folder`` (where the command runs), else that of
    the configuration folder; None where there is none. A stated file that is absent is an error when it is read.
    """
    if stated is not None:
        return stated
    places = (folder / FILE, paths(environ).config / FILE)
    return next((place for place in places if place.exists()), None)


def load(source: Path | str, environ: Mapping[str, str], *, known: Known | None = None) -> Loaded:
    """The settings of a file (a Path) or of a text (a str, whose relative paths start at the current folder).

    ``known`` are the rows of the provider registry. Raises FileError with file, line and field: what is no TOML or has
    the wrong shape at its first mistake, what cannot hold together with all that is wrong (``FileError.more``).
    """
    if known is None:
        from crossover.providers.registry import providers

        known = providers()
    place = source if isinstance(source, Path) else None
    text = source if isinstance(source, str) else read_text(source, MOST_BYTES)
    file = FILE if place is None else str(place)
    data = parse_toml(text, file)
    document = Document(file, text)
    secrets = Finder(environ, Path() if place is None else place.absolute().parent)
    settings = read(Settings, data, (), Reading(document, secrets.folder, secrets))
    settings = _timeouts_below(settings, data)
    wrong = [document.error(problem.message, problem.path, hint=problem.hint) for problem in problems(settings, known)]
    if wrong:
        first, *more = sorted(wrong, key=lambda error: error.line or 0)
        first.more = tuple(more)
        raise first
    return Loaded(
        settings=msgspec.structs.replace(settings, regimes=tuple(map(compliance.regime, settings.regimes))),
        notes=(*secrets.notes, *notes(settings), *learning_notes(settings), *privacy_notes(settings)),
        digest=hashlib.sha256(text.encode()).hexdigest(),
        file=place,
        files=(*secrets.files, *privacy_files(settings), *learned_files(settings)),
    )


def hourly(file: Path) -> dict[str, Decimal]:
    """Dollars an hour of every enabled deployment whose ``price.per_hour`` the file states.

    Nothing else is looked at: a report needs no secret, and says what it can where another table is wrong. Raises
    FileError where the file cannot be read, is no TOML, or states such a price wrongly.
    """
    text = read_text(file, MOST_BYTES)
    data, folder = parse_toml(text, str(file)), file.absolute().parent
    reading = Reading(Document(str(file), text), folder, Finder({}, folder))
    deployments = data.get("deployments")
    found: dict[str, Decimal] = {}
    for name, table in deployments.items() if isinstance(deployments, dict) else ():
        if isinstance(table, dict) and "price" in table and table.get("enabled") is not False:
            price = read(PriceSettings, table["price"], ("deployments", name, "price"), reading).per_hour
            found |= {} if price is None else {name: price}
    return found


def privacy(file: Path) -> Settings:
    """The settings of a file with its zones and ``[privacy]`` alone.

    Nothing else is looked at: who scans texts needs no key of a provider. Raises FileError as :func:`load` does.
    """
    text = read_text(file, MOST_BYTES)
    data, folder = parse_toml(text, str(file)), file.absolute().parent
    document = Document(str(file), text)
    concerned = {name: data[name] for name in ("zones", "privacy") if name in data}
    settings = read(Settings, concerned, (), Reading(document, folder, Finder({}, folder)))
    wrong = [document.error(what, path, hint=hint) for path, what, hint in privacy_problems(settings)]
    if wrong:
        first, *more = sorted(wrong, key=lambda error: error.line or 0)
        first.more = tuple(more)
        raise first
    return settings


def _timeouts_below(settings: Settings, data: Mapping[str, Any]) -> Settings:
    """Time-outs of a deployment stand on those of the file, not on the defaults of their type."""

    def whole(name: str, one: DeploymentSettings) -> DeploymentSettings:
        if one.timeouts is None:
            return one
        said = {field: getattr(one.timeouts, field) for field in data["deployments"][name]["timeouts"]}
        waits: Timeouts = msgspec.structs.replace(settings.timeouts, **said)
        return msgspec.structs.replace(one, timeouts=waits)

    deployments = {name: whole(name, one) for name, one in settings.deployments.items()}
    return msgspec.structs.replace(settings, deployments=deployments)
