"""The process in which a user's scorer runs: reads a question a line, writes a score a line.

What the user's code prints goes to stderr, so that the lines stay what they are. Started as a program of its own.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any


def main() -> None:
    """Serve the function named on the command line until stdin ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.path.insert(0, str(Path.cwd()))
    try:
        function = find(sys.argv[1])
    except (ImportError, AttributeError, SyntaxError, OSError, ValueError) as error:
        _say(answers, {"broken": f"{type(error).__name__}: {error}"})
        return
    _say(answers, {"ready": True})
    for line in sys.stdin:
        asked = json.loads(line)
        _say(answers, _scored(function, asked))


def find(name: str) -> Callable[..., Any]:
    """The function of ``package.module:function`` or ``file.py:function``. Raises what importing raises."""
    place, _, attribute = name.rpartition(":")
    if place.endswith(".py"):
        spec = importlib.util.spec_from_file_location("crossover_scorer", place)
        if spec is None or spec.loader is None or not Path(place).is_file():
            raise ImportError(f"there is no file {place}")
        module = importlib.util.module_from_spec(spec)
        sys.modules["crossover_scorer"] = module
        spec.loader.exec_module(module)
    else:
        module = importlib.import_module(place)
    function = getattr(module, attribute)
    if not callable(function):
        raise ValueError(f"{attribute} is no function")
    return function  # type: ignore[no-any-return]


def _scored(function: Callable[..., Any], asked: dict[str, Any]) -> dict[str, Any]:
    found: Any = None
    with _Caught() as caught:
        found = function(asked["answer"], asked["sample"])
    if caught.error is not None:
        return {"error": f"{type(caught.error).__name__}: {caught.error}"[:500]}
    detail = ""
    if isinstance(found, dict):
        detail, found = str(found.get("detail", "")), found.get("score")
    if isinstance(found, bool):
        found = float(found)
    if not isinstance(found, int | float) or not math.isfinite(found) or not 0 <= found <= 1:
        return {"error": f"it gave {found!r}, which is no score from 0 to 1"[:500]}
    return {"score": float(found), "detail": detail[:500]}


class _Caught:
    """Whatever a user's code raises is an answer too: this is the outermost door of its process."""

    error: Exception | None = None

    def __enter__(self) -> _Caught:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> bool:
        self.error = error if isinstance(error, Exception) else None
        return self.error is not None


def _say(answers: Any, row: dict[str, Any]) -> None:
    answers.write(json.dumps(row) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
