"""Runs the python blocks of a page and puts their output back, so that a test can compare the two."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

_BLOCK = re.compile(r"```python\n(.*?)```\n(?:\n```text\n.*?```\n)?", re.DOTALL)


def rerun(page: Path) -> str:
    """The page with the output of every python block computed again; blocks share one scope, in order."""
    scope: dict[str, object] = {}

    def block(found: re.Match[str]) -> str:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(found[1], page.name, "exec"), scope)
        return f"```python\n{found[1]}```\n\n```text\n{out.getvalue()}```\n"

    return _BLOCK.sub(block, page.read_text(encoding="utf-8"))
