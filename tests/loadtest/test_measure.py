"""Figures from rows: formulas, windows, goodput, and a note where a reader could be misled."""

from __future__ import annotations

import pytest

from crossover.loadtest.measure import figures, gaps, window
from crossover.loadtest.words import UNFINISHED, Load
from crossover.workload import parse_slo
from tests.loadtest.virtual import made, shot


def test_latencies_are_those_of_their_definitions() -> None:
    one = shot(sent=1.0, times=(1.1, 1.14, 1.16), ended=1.2, output=3)
    assert one.ttft == pytest.approx(0.1)
    assert one.e2e == pytest.approx(0.2)
    assert one.tpot == pytest.approx((0.2 - 0.1) / 2)
    assert gaps(one) == pytest.approx([0.04, 0.02])
    found = figures(made(one))
    assert found.ttft is not None
    assert found.itl is not None
    assert (found.ttft.n, found.itl.n) == (1, 2)
    assert found.itl.mean == pytest.approx(0.03)


def test_an_answer_of_one_token_has_no_time_per_token() -> None:
    found = figures(made(shot(times=(0.1,))))
    assert found.tpot is None
    assert found.itl is None
    assert found.ttft is not None


def test_warm_up_and_failures_are_in_no_latency() -> None:
    rows = (
        shot(0, times=(9.0, 9.1), warmup=True),
        shot(1, times=(0.1, 0.2)),
        shot(2, times=(5.0,), error="cut"),
        shot(3, times=(), error=UNFINISHED),
    )
    found = figures(made(*rows))
    assert found.ttft is not None
    assert found.ttft.most == pytest.approx(0.1)
    assert (found.requests, found.warmup, found.ok, found.errors, found.unfinished) == (3, 1, 1, {"cut": 1}, 1)
    assert any("still under way" in note for note in found.notes)


def test_nothing_measured_gives_no_figures_and_no_failure() -> None:
    for run in (made(), made(shot(warmup=True)), made(shot(times=(), error="refused"))):
        found = figures(run, parse_slo("ttft_p95<1s"))
        assert found.ttft is None
        assert found.output_tokens_per_s.value == 0 or found.ok == 0
        assert not found.met


def test_rates_are_counted_while_the_load_was_on() -> None:
    """A hundred answers one after the other, then a last one that takes as long as twenty: the tail does not count."""
    rows = [shot(n, sent=n * 1.0, times=(n + 0.5, n + 1.0)) for n in range(100)]
    rows.append(shot(100, sent=100.0, times=(119.0, 120.0)))
    found = figures(made(*rows))
    assert found.window_s == pytest.approx(100.0)
    assert found.requests_per_s.value == pytest.approx(1.0)
    assert found.output_tokens_per_s.value == pytest.approx(2.0)
    assert found.input_tokens_per_s.value == pytest.approx(10.0)
    assert found.in_flight == pytest.approx(1.0)


def test_tokens_of_warm_up_answers_count_where_they_arrive() -> None:
    rows = (shot(0, times=(1.0, 2.0, 3.0, 4.0), warmup=True), shot(1, sent=2.5, times=(3.5, 4.5)))
    run = made(*rows, load_end=2.5)
    assert window(run, rows[1:]) == (2.5, 4.5)
    assert figures(run).output_tokens_per_s.value == pytest.approx(4 / 2)  # at 3, 3.5, 4 and 4.5


def test_a_load_that_was_on_too_shortly_is_counted_whole() -> None:
    rows = [shot(n, sent=0.0, times=(1.0, 2.0)) for n in range(8)]
    found = figures(made(*rows))
    assert found.window_s == pytest.approx(2.0)
    assert found.requests_per_s.value == pytest.approx(4.0)


def test_pieces_of_several_tokens_are_weighed_and_noted() -> None:
    found = figures(made(shot(times=(0.1, 0.2), output=8, ended=0.2)))
    assert found.pieces == 4.0
    assert any("between pieces" in note for note in found.notes)
    assert found.tpot is not None
    assert found.tpot.mean == pytest.approx(0.1 / 7)


def test_reasoning_has_its_own_first_token() -> None:
    assert figures(made(shot())).visible is None
    found = figures(made(shot(times=(0.1, 0.2, 0.3), visible=0.3)))
    assert found.visible is not None
    assert found.visible.mean == pytest.approx(0.3)
    none = figures(made(shot(times=(0.1, 0.2), visible=None)))
    assert none.visible is None


def test_goodput_counts_what_met_every_limit() -> None:
    rows = [
        shot(0, sent=0, times=(0.1, 0.12, 0.14)),
        shot(1, sent=1, times=(1.1, 1.4, 1.7)),  # too slow between
        shot(2, sent=2, times=(2.9, 2.92, 2.94)),  # too late
        shot(3, sent=3, times=(), error="overloaded"),
    ]
    found = figures(made(*rows), parse_slo("ttft_p95<500ms,itl_p50<50ms"))
    assert found.good == 1
    assert found.goodput_rps == pytest.approx(found.requests_per_s.value / 3)
    assert [row.met for row in found.slo] == [False, True]


def test_a_failed_request_is_late_at_every_percentile() -> None:
    rows = [shot(n, times=(0.1, 0.2)) for n in range(19)]
    fine = figures(made(*rows), parse_slo("ttft_p95<1s"))
    assert fine.met
    failed = [shot(90 + n, times=(), error="server_error") for n in range(2)]
    bad = figures(made(*rows, *failed), parse_slo("ttft_p95<1s"))
    assert not bad.met
    assert bad.slo[0].reached_s is None


def test_notes_say_what_misleads() -> None:
    open_load = Load(rate_rps=5)
    late = figures(
        made(*(shot(n, sent=n + 0.02, scheduled=n, times=(n + 0.1, n + 0.2)) for n in range(5)), load=open_load)
    )
    assert any("harness was late" in note for note in late.notes)
    guessed = figures(made(shot(output_basis="estimated")))
    assert any("does not count" in note for note in guessed.notes)
    lies = figures(made(shot(times=(0.1, 0.2, 0.3, 0.4), output=1)))
    assert any("are doubtful" in note for note in lies.notes)
    short = figures(made(shot(asked_output=100)))
    assert any("before the length asked for" in note for note in short.notes)
    few = figures(made(shot()))
    assert any("368" in note for note in few.notes)
