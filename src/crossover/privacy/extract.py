"""Every string of a request, whatever its dialect: nothing that would leave is left unseen.

The walk is over the parsed body as it came where there is one (every field, known or not, keys too) and over the words
otherwise. It goes by a stack, so that no depth of nesting can exhaust it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from crossover.chat import ChatRequest, EmbedRequest
from crossover.sensitivity import Sensitivity

Classify = Callable[[Iterator[str]], Sensitivity]

_LONG, _TOO_LONG = 10**6, 10**100  # from seven digits on; what has more than a hundred names nobody


def strings(request: ChatRequest | EmbedRequest) -> Iterator[str]:
    """Each string of the request once per place, keys of objects included."""
    root: Any = request.tree
    if root is None:
        words = msgspec.to_builtins(request)
        root = {name: value for name, value in words.items() if name not in ("caller", "tree", "dialect")}
    return leaves(root)


def leaves(root: Any) -> Iterator[str]:
    """Every string in a tree of dicts, lists and plain values, and every number long enough to name somebody."""
    stack: list[Any] = [root]
    while stack:
        node = stack.pop()
        if isinstance(node, str):
            yield node
        elif isinstance(node, dict):
            for key, value in node.items():
                if isinstance(key, str):
                    yield key
                stack.append(value)
        elif isinstance(node, list | tuple):
            stack.extend(node)
        elif (
            isinstance(node, int) and _LONG <= abs(node) < _TOO_LONG
        ):  # a card or an account is often written without quotes
            yield str(node)
