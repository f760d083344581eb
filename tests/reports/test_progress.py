from __future__ import annotations

import io

import pytest

from crossover.reports.progress import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_nothing_is_drawn_where_nobody_watches() -> None:
    out = io.StringIO()
    with progress(out) as report:
        report(1, 10, "simulating")
    assert out.getvalue() == ""


def test_nothing_is_drawn_where_nobody_wants_it() -> None:
    out = Terminal()
    with progress(out, enabled=False) as report:
        report(1, 10, "simulating")
    assert out.getvalue() == ""


def test_a_terminal_sees_label_and_count() -> None:
    out = Terminal()
    with progress(out) as report:
        report(0, 0, "reading")
        report(3, 10, "[bold]simulating[/]")
    assert "[bold]simulating[/]" in out.getvalue()
    assert "3/10" in out.getvalue()


def test_an_interrupt_passes_through() -> None:
    out = Terminal()

    def stopped() -> None:
        with progress(out) as report:
            report(1, 2, "x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
