"""What was measured and what was recorded, as reports show it: values, verdicts, and what does not count."""

from __future__ import annotations

import datetime as dt
import io

import msgspec
import pytest
from rich.console import Console

from crossover.planner.words import Drift, Figure, Part, Plan, Proof, Recorded, Scenario
from crossover.reports import html, measured, recorded, terminal
from tests.planner.conftest import catalog, small_plan

__all__ = ["catalog", "small_plan"]  # fixtures

DAY = dt.date(2026, 11, 20)


def figure(**facts: object) -> Figure:
    usual: dict[str, object] = {
        "subject": "m|q|1xd|vllm", "metric": "tpot_s", "value": 0.000598, "unit": "s", "kind": "measured",
        "source": "crossover loadtest", "when": DAY, "standing": "used", "low": 0.000589, "high": 0.000614, "n": 140,
        "load": "1 at once",
    }  # fmt: skip
    return Figure(**{**usual, **facts})  # type: ignore[arg-type]


def proof(**facts: object) -> Proof:
    usual: dict[str, object] = {
        "candidate": "m", "reference": "gpt-4o", "verdict": "not_worse", "passed": True, "standing": "used",
        "words": "not worse than gpt-4o by more than 5 points (n = 400, 2026-11-20)", "gap": -0.01, "margin": 0.05,
        "n": 400, "when": DAY,
    }  # fmt: skip
    return Proof(**{**usual, **facts})  # type: ignore[arg-type]


def record(**facts: object) -> Recorded:
    part = Part(
        name="<b>support</b>", requests_per_day=9000.0, share=1.0, local_share=0.2, input_tokens_mean=600.0,
        output_tokens_mean=200.0, cached_share=0.1, paid_usd_month=250.0,
    )  # fmt: skip
    usual: dict[str, object] = {
        "since": "2026-10-28T13:00Z", "until": "2026-11-27T11:00Z", "days": 29.9, "requests": 270_000.0, "failed": 12,
        "sampled": 1000, "route": "", "key": "", "routes": (part,) * 5, "keys": (part,), "deployments": (part,),
        "tiers": (("none", 0.9), ("soft", 0.1), ("hard", 0.0)), "unseen": 0.5, "paid_usd_month": 250.0,
    }  # fmt: skip
    return Recorded(**{**usual, **facts})  # type: ignore[arg-type]


def drift(outside: bool | None) -> Drift:
    return Drift(
        name="requests a day", unit="requests", basis="the days before", forecast=9000.0, low=8000.0, high=10_000.0,
        actual=12_000.0, outside=outside, sentence="requests a day: +33%, outside of what was expected",
    )  # fmt: skip


def printed(plan: Plan) -> str:
    out = io.StringIO()
    terminal.render(plan, Console(file=out, width=100, highlight=False))
    return " ".join(out.getvalue().split())


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({}, "0.598 ms (0.589–0.614)"),
        ({"value": 2.5, "low": None, "high": None}, "2.5 s"),
        ({"value": 892.81, "unit": "tokens/s", "low": 731.7, "high": 1053.9}, "893 (732–1,054)"),
    ],
)
def test_values_keep_three_digits(facts: dict[str, object], text: str) -> None:
    assert measured.value(figure(**facts)) == text


def test_a_line_says_what_where_and_from_how_many() -> None:
    origin = "measured · crossover loadtest · 2026-11-20 · n = 140"
    assert measured.line(figure()) == f"time per output token 0.598 ms (0.589–0.614) at 1 at once · {origin}"


def test_what_counts_and_what_does_not_stand_in_every_report(small_plan: Plan) -> None:
    rows = (figure(), figure(subject="old", standing="expired", why="100 days old"), figure(standing="shown"))
    made = msgspec.structs.replace(small_plan, evidence=rows, proofs=(proof(), proof(standing="changed", note="other")))
    text, page = printed(made), html.page(made)
    for words in ("old: 1 figure (time per output token)", "too old, not used (100 days old)", "not worse than gpt-4o"):
        assert words in text
    for words in ("What was measured", "too old, not used", "about something else, not used", "-1.0 points"):
        assert words in page
    assert "Measured ·" not in printed(small_plan)
    assert "What was measured" not in html.page(small_plan)


def test_remarks_beside_an_option(small_plan: Plan) -> None:
    option = small_plan.options[0]
    assert measured.said(option) == []
    both = msgspec.structs.replace(option, speed="measured", quality=(proof(),))
    assert measured.said(both) == ["speed measured", proof().words]
    old = msgspec.structs.replace(option, quality=(proof(standing="expired", passed=False),))
    assert measured.said(old) == [f"{proof().words}: too old, not used"]


def test_a_record_is_shown_and_escaped(small_plan: Plan) -> None:
    made = msgspec.structs.replace(small_plan, recorded=record(drift=(drift(outside=True),)))
    text, page = printed(made), html.page(made)
    assert "270,000 requests answered, 12 not" in text
    assert "2 more" in text
    assert "none 90 %, soft 10 %, hard 0 % of what was looked at (50 %)" in text
    assert "expected 9,000 (8,000–10,000), came 12,000 · +33%, outside of what was expected" in text
    assert "<b>support</b>" not in page
    assert "From the record" in page
    assert "Forecast by the days before, against what came" in page


def test_a_forecast_of_too_few_days_has_no_interval() -> None:
    assert recorded.drift_line(drift(outside=None)).startswith("expected 9,000, came 12,000")
    assert recorded.tiers(record(unseen=1.0)) == "nobody looked"
    assert "only route a, only key b" in recorded.period(record(route="a", key="b"))


def test_scenarios(small_plan: Plan) -> None:
    base = Scenario(
        change="as it is", headline="Stay", option="x", title="gpt-4o", usd_month=100.0, today_usd_month=100.0,
        differs=False,
    )  # fmt: skip
    none = msgspec.structs.replace(base, change="volume=x2", title="nothing is left", usd_month=None, differs=True)
    made = msgspec.structs.replace(small_plan, scenarios=(base, none))
    assert "→ volume=x2: nothing is left, no option passes" in printed(made)
    assert "another answer" in html.page(made)
