"""Scorers for JSON: valid by a schema, and right field by field."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from crossover.errors import InputError, MissingExtraError
from crossover.evaluation.scorers.text import pattern
from crossover.evaluation.scorers.words import WRONG, Given, Score, ScoringError, verdict
from crossover.textfile import read_text

_FENCE = re.compile(r"```(?:json5?|JSON)?[ \t]*\n(.*?)\n?[ \t]*```", re.DOTALL)
_MOST_STARTS = 200  # places of an answer at which JSON is looked for
_MOST_BYTES = 4 * 2**20
_NOTHING = object()


def json_schema(given: Given) -> Score:
    """The whole answer is JSON, of the schema where there is one: of the check, the sample or ``json-schema:FILE``."""
    try:
        tree = strict_json(given.answer.text)
    except ValueError as error:
        return Score(0.0, f"no JSON: {error}")
    return _by_schema(tree, _schema(given))


def contains_json(given: Given) -> Score:
    """There is JSON somewhere in the answer, of the schema where there is one."""
    tree = json_in(given.answer.text)
    if tree is _NOTHING:
        return Score(0.0, "no JSON in it")
    return _by_schema(tree, _schema(given))


def json_fields(given: Given) -> Score:
    """The share of fields that are right (``json-fields:total,date`` looks at these alone); ``parts`` has each.

    The answer's JSON may stand in a code fence or between words. Numbers are equal by value, texts but for the space
    around them; a list is one field. A field too many costs nothing.
    """
    if not given.expected:
        raise ScoringError("the sample has no expected answer")
    scores = [_fields(given, right) for right in given.expected]
    return max(scores, key=lambda score: score.value)


def tool_calls(given: Given) -> Score:
    """The tools that should be called are, each with the arguments that are expected of it.

    Expected is a list (or one) of ``{"name": …, "arguments": {…}}``; the score is the share of calls that are right,
    less those that are too many.
    """
    if not given.expected:
        raise ScoringError("the sample has no expected answer")
    wanted = [_call(one) for right in given.expected for one in _listed(_expected_json(right))]
    left = [(name, _arguments(arguments)) for name, arguments in given.answer.calls]
    right = 0
    for call in wanted:
        if call in left:
            left.remove(call)
            right += 1
    most = max(len(wanted), right + len(left))
    return Score(right / most if most else 1.0, "" if right == most else f"{right} of {most} calls are right")


def json_in(text: str) -> Any:
    """The JSON of an answer: all of it, what a fence holds, or the first object or list; ``_NOTHING`` where none is."""
    candidates = [text.strip(), *(found.strip() for found in _FENCE.findall(text))]
    for candidate in candidates:
        try:
            return strict_json(candidate)
        except ValueError:
            continue
    decoder = json.JSONDecoder(parse_constant=_constant)
    for start in list(re.finditer(r"[\[{]", text))[:_MOST_STARTS]:
        try:
            return decoder.raw_decode(text, start.start())[0]
        except (ValueError, RecursionError):
            continue
    return _NOTHING


def strict_json(text: str) -> Any:
    """JSON as its standard has it. Raises ValueError that says what is wrong."""
    try:
        return json.loads(text, parse_constant=_constant)
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at character {error.pos + 1}") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _constant(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


def _fields(given: Given, right: str) -> Score:
    wanted = dict(_flat(_expected_json(right)))
    only = [name.strip() for name in given.argument.split(",") if name.strip()]
    if only:
        missing = [name for name in only if name not in wanted]
        if missing:
            raise ScoringError(f"the expected answer has no field {missing[0]!r}")
        wanted = {name: wanted[name] for name in only}
    if not wanted:
        raise ScoringError("the expected answer has no fields")
    tree = json_in(given.answer.text)
    if tree is _NOTHING:
        return Score(0.0, "no JSON in it", dict.fromkeys(wanted, 0.0))
    said = dict(_flat(tree))
    parts = {name: float(same(said.get(name, _NOTHING), value)) for name, value in wanted.items()}
    wrong = [name for name, value in parts.items() if not value]
    return Score(sum(parts.values()) / len(parts), f"wrong: {', '.join(wrong[:5])}" if wrong else "", parts)


def _flat(tree: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """The fields of an object with dotted names; what is no object is one field."""
    if isinstance(tree, Mapping) and tree:
        for name, value in tree.items():
            yield from _flat(value, f"{at}.{name}" if at else str(name))
    elif at:
        yield at, tree
    elif not isinstance(tree, Mapping):
        yield "value", tree


def same(said: Any, right: Any) -> bool:
    """Whether two JSON values are the same: numbers by value, texts but for the space around them."""
    if isinstance(said, str) and isinstance(right, str):
        return said.strip() == right.strip()
    if isinstance(said, bool) or isinstance(right, bool):
        return said is right
    if isinstance(said, int | float) and isinstance(right, int | float):
        return said == right
    if isinstance(said, list) and isinstance(right, list):
        return len(said) == len(right) and all(same(a, b) for a, b in zip(said, right, strict=True))
    if isinstance(said, dict) and isinstance(right, dict):
        return said.keys() == right.keys() and all(same(said[name], right[name]) for name in right)
    return said is right


def _expected_json(text: str) -> Any:
    try:
        return strict_json(text)
    except ValueError as error:
        raise ScoringError(f"the expected answer is no JSON: {error}") from None


def _listed(tree: Any) -> list[Any]:
    return tree if isinstance(tree, list) else [tree]


def _call(tree: Any) -> tuple[str, Any]:
    if not isinstance(tree, dict) or not isinstance(tree.get("name"), str):
        raise ScoringError("an expected call has a name and arguments")
    return tree["name"], tree.get("arguments") or {}


def _arguments(text: str) -> Any:
    try:
        return strict_json(text)
    except ValueError:
        return _NOTHING


# ------------------------------------------------------------------------------------------------------------- schemas


def _schema(given: Given) -> Any:
    """The schema an answer is held to; None: any JSON will do."""
    if given.value is not None:
        return given.value
    if given.argument:
        return _schema_file(given.argument)
    return None if given.sample.output is None else given.sample.output.schema


@lru_cache(maxsize=64)
def _schema_file(name: str) -> Any:
    text = read_text(Path(name), _MOST_BYTES)
    try:
        return strict_json(text)
    except ValueError as error:
        raise InputError(f"{name} is no JSON: {error}", field="scorer") from None


def _by_schema(tree: Any, schema: Any) -> Score:
    if schema is None:
        return verdict(True)
    first = _validator(msgspec.json.encode(schema))(tree)
    return verdict(True) if first is None else Score(WRONG.value, first)


@lru_cache(maxsize=256)
def _validator(encoded: bytes) -> Any:
    """What names the first thing wrong with a value. Patterns run on RE2, and no reference leads out of the schema."""
    try:
        import jsonschema
        from referencing import Registry
        from referencing.exceptions import Unresolvable
    except ModuleNotFoundError:
        raise MissingExtraError("eval", "the scorer json-schema") from None
    schema = msgspec.json.decode(encoded)
    usual = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    kind = jsonschema.validators.extend(usual, {"pattern": _pattern})  # type: ignore[no-untyped-call]
    try:
        kind.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise InputError(f"the JSON schema is wrong: {error.message}", field="scorer") from None
    checker = kind(schema, registry=Registry())

    def first(tree: Any) -> str | None:
        try:
            found = next(checker.iter_errors(tree), None)
        except Unresolvable as error:
            raise ScoringError(f"the schema points to what is not in it: {error}") from None
        except RecursionError:
            return "nested too deeply"
        if found is None:
            return None
        at = ".".join(str(step) for step in found.absolute_path)
        return f"{at}: {found.message[:200]}" if at else str(found.message[:200])

    return first


def _pattern(validator: Any, text: Any, instance: Any, _schema: Any) -> Iterator[Any]:
    import jsonschema

    if validator.is_type(instance, "string") and pattern(text).search(instance) is None:
        yield jsonschema.ValidationError(f"{instance[:80]!r} does not match {text!r}")
