"""The two models by name: loaded, refitted on labelled texts, and written where ``[privacy] models`` finds them."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from crossover.errors import FileError
from crossover.privacy import health, names
from crossover.privacy.health import Health
from crossover.privacy.labelled import Example, What
from crossover.privacy.names import Names

Model = Names | Health


def shipped(what: What) -> Model:
    """The shipped model. Raises FileError where it cannot be read."""
    return names.load() if what == "names" else health.load()


def refitted(start: Model, examples: Sequence[Example]) -> Model:
    """``start`` refitted on the examples; the same texts give the same model. InputError: they teach nothing."""
    if isinstance(start, Names):
        return names.train(examples, start)
    return health.train([(one.text, one.told) for one in examples], start)


def write(model: Model, folder: Path) -> Path:
    """Writes the model into the folder, which is made where there is none, whole or not at all; the place written.

    Raises FileError.
    """
    name = "names.npz" if isinstance(model, Names) else "health.msgpack"
    place = folder / name
    beside = folder / f".{name}.{secrets.token_hex(6)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            if isinstance(model, Names):
                names.save(model, beside)
            else:
                model.save(beside)
            beside.replace(place)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise FileError(f"cannot be written: {error.strerror or error}", file=str(place)) from None
    return place


def check(folder: Path) -> None:
    """Raises the FileError that writing would, where that can be known before the work."""
    if folder.exists() and not folder.is_dir():
        raise FileError("is a file, not a folder", file=str(folder), hint="Name a folder for the model")
    above = next((place for place in (folder, *folder.absolute().parents) if place.exists()), None)
    if above is not None and not os.access(above, os.W_OK):
        raise FileError("cannot be written: permission denied", file=str(folder))
