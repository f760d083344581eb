"""The plan in a notebook and in other programs: as plain data, as a table of pandas, as a small piece of HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from crossover.errors import MissingExtraError
from crossover.planner.words import KIND_TITLES, Plan
from crossover.reports import figures, phrases
from crossover.reports.markup import Column, items, join, table, tag

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 8


def as_dict(plan: Plan) -> dict[str, Any]:
    """The plan as plain data (dict, list, str, float, bool, None), in the shape of ``crossover plan --json``."""
    data: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(plan))
    return data


def as_frame(plan: Plan) -> pd.DataFrame:
    """The ranked options as a DataFrame, one row each, index ``rank``; money in dollars, times in seconds.

    Latency columns are NaN where nothing was replayed. Raises MissingExtraError without pandas.
    """
    try:
        import pandas as pd
    except ImportError:
        raise MissingExtraError("notebook", "A DataFrame") from None
    rows = [
        {
            "rank": rank,
            "id": option.id,
            "kind": option.kind,
            "title": option.title,
            "model": option.model,
            "usd_month": option.usd_month,
            "p10": option.usd_band.p10,
            "p50": option.usd_band.p50,
            "p90": option.usd_band.p90,
            "p_cheapest": option.p_cheapest,
            "usd_per_request": option.usd_per_request,
            "usd_per_mtok": option.usd_per_mtok,
            "one_off_usd": option.one_off_usd,
            "payback_months": option.payback_months,
            "saving_usd_month": option.saving_usd_month,
            "replicas": option.replicas,
            "spare_replicas": option.spare_replicas,
            "overflow_share": option.overflow_share,
            "utilisation": option.utilisation,
            "ttft_p95_s": option.peak.ttft.p95 if option.peak else None,
            "itl_p95_s": option.peak.itl.p95 if option.peak else None,
            "e2e_p95_s": option.peak.e2e.p95 if option.peak else None,
            "slo": phrases.slo_word(option),
            "calibrated": option.calibrated,
            "simulated": option.simulated,
            "demoted_by": ", ".join(option.demoted_by),
            "today": option.id == plan.today,
        }
        for rank, option in enumerate(plan.options, start=1)
    ]
    columns = list(rows[0]) if rows else ["rank", "id", "kind", "title", "usd_month"]
    frame = pd.DataFrame(rows, columns=columns).set_index("rank")
    numbers = ["payback_months", "saving_usd_month", "utilisation", "ttft_p95_s", "itl_p95_s", "e2e_p95_s"]
    return frame.astype({name: "float64" for name in numbers if name in frame.columns})


def as_html_fragment(plan: Plan) -> str:
    """The verdict and the best options as HTML for a notebook cell: no script, no style sheet, everything escaped."""
    columns = [
        Column("#", number=True),
        Column("option"),
        Column("class"),
        Column("$/month", number=True),
        Column("P10 / P50 / P90", number=True),
        Column("cheapest", number=True),
        Column("replicas", number=True),
        Column("payback", number=True),
        Column("flags"),
    ]
    rows = [
        (
            str(rank),
            option.title,
            KIND_TITLES[option.kind],
            figures.usd(option.usd_month),
            figures.usd_band(option.usd_band),
            figures.share(option.p_cheapest),
            figures.replicas(option.replicas, option.spare_replicas),
            phrases.payback(option),
            ", ".join(phrases.flags(option, plan)),
        )
        for rank, option in phrases.shown(plan, SHOWN)
    ]
    parts = [
        tag("p", tag("strong", plan.verdict.headline)),
        items(plan.verdict.reasons, name="ol", cls="reasons"),
        tag("p", tag("em", plan.verdict.caveat)),
        table(phrases.workload_line(plan.workload), columns, rows, stack=False) if rows else None,
        tag("p", tag("small", phrases.conventions(plan))),
    ]
    return tag("div", join(parts), cls="crossover-plan")
