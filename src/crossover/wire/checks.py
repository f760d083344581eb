"""Reading one value of a parsed body: of the right type, or RequestError 400 naming the field and what would be right.

``at`` is the field's path in the body: ``messages[2].content[0].image_url``. Names of fields are shown, values never.
"""

from __future__ import annotations

from typing import Any

from crossover.errors import RequestError


def wrong(at: str, needed: str) -> RequestError:
    """The error that a field is not what it must be; ``needed`` completes "must be"."""
    return RequestError(f"{at} must be {needed}", code="invalid_value", field=at)


def text(value: Any, at: str) -> str:
    """A string."""
    if type(value) is not str:
        raise wrong(at, "a string")
    return value


def name(value: Any, at: str) -> str:
    """A string with something in it."""
    if type(value) is not str or not value:
        raise wrong(at, "a string that is not empty")
    return value


def optional_text(value: Any, at: str) -> str | None:
    """A string or null."""
    if value is None or type(value) is str:
        return value
    raise wrong(at, "a string or null")


def flag(value: Any, at: str) -> bool:
    """True or false."""
    if type(value) is not bool:
        raise wrong(at, "true or false")
    return value


def whole(value: Any, at: str, least: int | None = None) -> int:
    """A whole number, of at least ``least``."""
    if type(value) is not int or (least is not None and value < least):
        raise wrong(at, "a whole number" if least is None else f"a whole number of at least {least}")
    return value


def number(value: Any, at: str) -> float:
    """A number."""
    if type(value) is not float and type(value) is not int:
        raise wrong(at, "a number")
    return value


def table(value: Any, at: str) -> dict[str, Any]:
    """An object."""
    if type(value) is not dict:
        raise wrong(at, "an object")
    return value


def rows(value: Any, at: str) -> list[Any]:
    """A list."""
    if type(value) is not list:
        raise wrong(at, "a list")
    return value


def one_of(value: Any, at: str, choices: tuple[str, ...]) -> str:
    """One of a few words."""
    if value not in choices:
        raise wrong(at, f"one of {', '.join(choices)}")
    return str(value)
