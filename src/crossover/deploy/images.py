"""Which container image serves an engine on whose accelerators: rows of a file with sources."""

from __future__ import annotations

import csv
import functools
from importlib import resources

import msgspec

from crossover.errors import InputError


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """One row: ``role`` is an engine or ``gateway``, ``vendor`` whose accelerators (``any``: none)."""

    role: str
    vendor: str
    image: str
    tag: str
    note: str
    source: str
    checked: str

    @property
    def name(self) -> str:
        """Image and tag."""
        return f"{self.image}:{self.tag}"


@functools.cache
def images() -> tuple[Image, ...]:
    """All rows; read once."""
    text = resources.files("crossover.deploy").joinpath("data", "images.csv").read_text(encoding="utf-8")
    return tuple(msgspec.convert(row, Image) for row in csv.DictReader(text.splitlines()))


def image_for(role: str, vendor: str) -> Image:
    """The image of an engine on this vendor's accelerators. Raises InputError where there is none."""
    found = next((row for row in images() if row.role == role and row.vendor == vendor), None)
    if found is None:
        raise InputError(
            f"no container image of {role} for accelerators of {vendor} is known",
            hint="Choose another option with --option, or start the engine by hand and name it in crossover.toml",
        )
    return found
