"""A progress bar on stderr: only where a person is watching, so that pipes and logs stay clean."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO, TypeAlias

Report: TypeAlias = Callable[[int, int, str], None]


@contextmanager
def progress(stream: TextIO | None = None, *, enabled: bool = True, left: bool = False) -> Iterator[Report]:
    """Yield ``report(done, total, label)``; it draws on ``stream`` (stderr unless told) if that is a terminal.

    ``left`` shows the time that is probably left. The bar comes with the first report, and is gone when the context
    ends, also by an error or Ctrl-C. ``total`` 0 means that the end is not known.
    """
    out = sys.stderr if stream is None else stream
    if not enabled or not out.isatty():
        yield lambda _done, _total, _label: None
        return
    from rich import progress as rich
    from rich.console import Console

    columns: list[rich.ProgressColumn] = [rich.TextColumn("{task.description}", markup=False), rich.BarColumn()]
    columns += [rich.MofNCompleteColumn(), rich.TimeElapsedColumn()]
    if left:
        columns += [rich.TextColumn("left:"), rich.TimeRemainingColumn()]
    drawn = rich.Progress(*columns, console=Console(file=out, stderr=stream is None), transient=True)
    task = drawn.add_task("", total=None)

    def report(done: int, total: int, label: str) -> None:
        drawn.start()  # now, so that what was said before stands on lines of its own; again it does nothing
        drawn.update(task, completed=done, total=total or None, description=label)

    try:
        yield report
    finally:
        drawn.stop()
