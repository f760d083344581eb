"""Text with ``{{ name }}`` in it, as promptfoo's prompts have it: plain names and paths, nothing that computes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from crossover.errors import InputError, nearest

_HOLE = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}", re.DOTALL)
_PATH = re.compile(r"[A-Za-z_][\w-]*(?:(?:\.[\w-]+)|(?:\[\d+\]))*")
_STEP = re.compile(r"[\w-]+")


def filled(text: str, values: Mapping[str, Any]) -> str:
    """The text with every hole filled. Raises InputError for a name nobody gave, and for anything that computes."""
    if "{%" in text:
        raise InputError("conditions and loops of templates are not supported", hint="Write the prompt out")
    return _HOLE.sub(lambda hole: _written(_value(hole[1], values)), text)


def filled_tree(tree: Any, values: Mapping[str, Any]) -> Any:
    """The same in every text of a list or an object."""
    if isinstance(tree, str):
        return filled(tree, values)
    if isinstance(tree, list):
        return [filled_tree(one, values) for one in tree]
    if isinstance(tree, dict):
        return {name: filled_tree(value, values) for name, value in tree.items()}
    return tree


def _value(path: str, values: Mapping[str, Any]) -> Any:
    if "|" in path:
        raise InputError(f"filters of templates are not supported: {{{{ {path} }}}}", hint="Write the value out")
    if _PATH.fullmatch(path) is None:
        raise InputError(f"only names stand in braces, not {{{{ {path} }}}}")
    first, *steps = _STEP.findall(path)
    if first not in values:
        near = nearest(first, values, 1)
        raise InputError(f"no variable {first!r} is given", hint=f"Did you mean {near[0]}?" if near else None)
    found: Any = values[first]
    for step in steps:
        if isinstance(found, list) and step.isdigit() and int(step) < len(found):
            found = found[int(step)]
        elif isinstance(found, dict) and step in found:
            found = found[step]
        else:
            raise InputError(f"the variable {first!r} holds no {step!r}")
    return found


def _written(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False)
