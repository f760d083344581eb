"""A load test as one HTML file: works offline, asks the network for nothing, and runs no script but its own.

A Content-Security-Policy in the page allows exactly the scripts and the style sheet written into it, by their hashes.
The page holds times and counts; it holds no prompt and no answer.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crossover.loadtest.compare import Pair
from crossover.loadtest.measure import gaps
from crossover.loadtest.words import Run, Shot
from crossover.reports import files, html
from crossover.reports import loadtest as words
from crossover.reports.loadtest import Report, Shown, number, seconds
from crossover.reports.markup import Child, Column, Markup, items, join, table, tag

_SHARES = tuple(share / 200 for share in range(201))  # of a curve
_BINS = (20, 80)  # fewest and most parts of the time in the timeline
_DOTS = 1500  # requests drawn one by one


def page(found: Report) -> str:
    """The whole report as one HTML document."""
    style = html.asset("report.css")
    scripts = [html.asset("echarts.common.min.js"), html.asset("loadtest.js")]
    policy = (
        f"default-src 'none'; script-src {' '.join(html.hashed(script) for script in scripts)}; "
        f"style-src {html.hashed(style)}; img-src data:; base-uri 'none'; form-action 'none'"
    )
    head = join(
        [
            tag("meta", charset="utf-8"),
            tag("meta", http_equiv="Content-Security-Policy", content=policy),
            tag("meta", name_="viewport", content="width=device-width, initial-scale=1"),
            tag("meta", name_="referrer", content="no-referrer"),
            tag("title", f"Crossover load test: {words.headline(found)}"),
            tag("link", rel="icon", href="data:,"),
            tag("style", style),
        ]
    )
    body = tag(
        "body",
        _top(found),
        tag("noscript", tag("p", "The figures are drawn by a script; the tables hold the same numbers.", cls="top")),
        tag("main", *_sections(found)),
        _footer(found),
        tag("script", html.embedded(drawn(found)), type_="application/json", id="data"),
        *(tag("script", script) for script in scripts),
    )
    return f"<!doctype html>\n{tag('html', tag('head', head), body, lang='en')}\n"


def write(found: Report, path: Path) -> Path:
    """Write the report to ``path``, whole or not at all, and return the place. Raises FileError."""
    return files.write(path, page(found))


# ------------------------------------------------------------------------------------------------------------- the data


def drawn(found: Report) -> dict[str, Any]:
    """What the figures show: the curve over the loads, and distributions and timeline of the main stage."""
    main = words.main_stage(found)
    return {
        "curve": [_point(one, found) for one in found.stages if one.figures.ttft is not None],
        "cdf": [] if main is None else _curves(main, found),
        "slo": [{"label": target.label, "metric": target.metric, "at": target.limit_s, "share": target.percentile / 100}
                for target in found.slo.targets],
        "timeline": None if main is None else _timeline(main.stage.run),
    }  # fmt: skip


def _point(one: Shown, found: Report) -> dict[str, Any]:
    made, load = one.figures, one.stage.run.load
    assert made.ttft is not None
    best = found.best is not None and load.closed and load.concurrency == found.best.concurrency
    return {
        "label": words.short_label(load),
        "tag": str(load.concurrency) if load.closed else words.short_label(load),
        "closed": load.closed,
        "best": best or (found.sought and not load.closed and load.rate_rps == found.low),
        "tokens": made.output_tokens_per_s.value,
        "rate": made.requests_per_s.value,
        "ttft": [made.ttft.at(0.5).value, made.ttft.at(0.95).value],
        "gap": None if made.itl is None else made.itl.at(0.5).value,
        "failed": made.failed,
    }


def _answered(run: Run) -> list[Shot]:
    return [shot for shot in run.shots if shot.ok and not shot.warmup]


def _curves(main: Shown, found: Report) -> list[dict[str, Any]]:
    """Each latency's distribution, and that of earlier runs under the same load."""
    runs = [("", main.stage.run)]
    runs += [
        (_plain(one.name), pair.before.run) for one in found.beside for pair in one.pairs if pair.after is main.stage
    ]
    return [{"run": name, "curves": _distributions(run)} for name, run in runs]


def _plain(text: str) -> str:
    """A name without characters that steer or reorder text."""
    return "".join(char for char in text if unicodedata.category(char) not in ("Cc", "Cf"))


def _distributions(run: Run) -> dict[str, list[float]]:
    import numpy as np

    shots = _answered(run)
    values = {
        "ttft": [shot.ttft for shot in shots],
        "itl": [gap for shot in shots for gap in gaps(shot)],
        "tpot": [shot.tpot for shot in shots],
        "e2e": [shot.e2e for shot in shots],
    }
    made: dict[str, list[float]] = {}
    for key, row in values.items():
        kept = np.array(row, dtype=np.float64)
        kept = kept[~np.isnan(kept)]
        if kept.size:
            made[key] = [float(f"{value:.5g}") for value in np.quantile(kept, _SHARES)]
    return made


def _timeline(run: Run) -> dict[str, Any] | None:
    """Tokens a second and requests under way over the time, and the first tokens one by one."""
    if not run.shots:
        return None
    end = max(shot.ended for shot in run.shots)
    bins = min(max(len(run.shots), _BINS[0]), _BINS[1])
    step = end / bins if end > 0 else 1.0
    tokens, under_way = [0.0] * bins, [0.0] * bins
    for shot in run.shots:
        weight = shot.output / len(shot.times) if shot.ok and shot.times else 0.0
        for time in shot.times:
            tokens[min(int(time / step), bins - 1)] += weight / step
        first, last = int(shot.sent / step), min(int(shot.ended / step), bins - 1)
        for part in range(first, last + 1):
            inside = min(shot.ended, (part + 1) * step) - max(shot.sent, part * step)
            under_way[part] += max(inside, 0.0) / step
    every = max(len(run.shots) // _DOTS, 1)
    dots = [
        [round(shot.sent, 3), round(shot.ttft, 5), int(shot.warmup)]
        for shot in run.shots[::every]
        if shot.ok and shot.times
    ]
    return {
        "step": step,
        "end": end,
        "load_end": run.load_end,
        "tokens": [float(f"{value:.4g}") for value in tokens],
        "under_way": [float(f"{value:.4g}") for value in under_way],
        "dots": dots,
        "failed": [round(shot.ended, 3) for shot in run.shots if shot.error][:_DOTS],
    }


# ------------------------------------------------------------------------------------------------------------ the words


def _top(found: Report) -> Markup:
    missed = words.missed(found)
    caveat = tag("p", tag("strong", "Not met: "), ", ".join(missed), cls="caveat") if missed else None
    eyebrow = f"Crossover load test · made {found.made_on} · Crossover {found.session.product}"
    return tag(
        "header",
        tag("p", eyebrow, cls="eyebrow"),
        tag("h1", words.headline(found)),
        items(words.facts(found), cls="workload"),
        caveat,
        _cards(found),
        cls="top",
    )


def _cards(found: Report) -> Markup | None:
    main = words.main_stage(found)
    if main is None or not main.figures.ok:
        return None
    made = main.figures
    rows: list[tuple[str, str, str]] = [
        ("output tokens", number(made.output_tokens_per_s.value), "a second, all answers together"),
        ("first token", words.time_at(made.ttft, 0.5), f"p50; p95 {words.time_at(made.ttft, 0.95)}"),
    ]
    if made.itl is not None:
        rows.append(("between pieces", words.time_at(made.itl, 0.5), f"p50; p95 {words.time_at(made.itl, 0.95)}"))
    rows.append(("end to end", words.time_at(made.e2e, 0.5), f"p50; p95 {words.time_at(made.e2e, 0.95)}"))
    if made.goodput_rps is not None:
        rows.append(("goodput", f"{number(made.goodput_rps)}/s", "requests that met every limit"))
    cards = [
        tag("div", tag("p", title, cls="kind"), tag("p", value, cls="money"), tag("p", text, cls="small"), cls="card")
        for title, value, text in rows
    ]
    title = tag("h2", f"At {main.stage.run.load.label}", cls="hidden")
    return join([title, tag("div", *cards, cls="cards")])


def _sections(found: Report) -> list[Markup]:
    main = words.main_stage(found)
    made: list[tuple[str, str, Markup | None]] = [("loads", "Loads", _loads(found))]
    if main is not None:
        at = main.stage.run.load.label
        made += [
            ("latency", f"Latency at {at}", _latency(main, found)),
            ("time", f"Over the time at {at}", _over_time(main)),
            ("engine", "What the engine counted", _engine(main)),
        ]
    made += [
        ("beside", "Against earlier runs", _beside(found)),
        ("meaning", "What the figures mean", _meaning()),
        ("notes", "Notes", _notes(found, main)),
    ]
    return [
        tag("section", tag("h2", title, id=f"{anchor}-title"), content, id=anchor, aria_labelledby=f"{anchor}-title")
        for anchor, title, content in made
        if content is not None
    ]


def _figure(name: str, caption: str, label: str, keys: Sequence[Markup]) -> Markup:
    return tag(
        "figure",
        tag("figcaption", caption),
        tag("ul", *keys, cls="keys") if keys else None,
        tag("div", role="img", aria_label=label, data_chart=name, cls="plot"),
    )


def _key(text: str, cls: str) -> Markup:
    return tag("li", tag("i", cls=cls, aria_hidden="true"), text)


def _loads(found: Report) -> Markup | None:
    if len(found.stages) < 2:
        return None
    columns = [
        Column("load"), Column("answers/s", number=True), Column("output tokens/s", number=True),
        Column("first token p50", number=True), Column("p95", number=True), Column("between p50", number=True),
        Column("end to end p50", number=True), Column("failed", number=True), Column(""),
    ]  # fmt: skip
    rows: list[list[Child]] = []
    chosen = None
    main = words.main_stage(found)
    for at, one in enumerate(found.stages):
        made = one.figures
        chosen = at if one is main else chosen
        rows.append(
            [
                one.stage.run.load.label, number(made.requests_per_s.value), number(made.output_tokens_per_s.value),
                words.time_at(made.ttft, 0.5), words.time_at(made.ttft, 0.95), words.time_at(made.itl, 0.5),
                words.time_at(made.e2e, 0.5), f"{made.failed:,}" if made.failed else words.NONE, _verdict(one, found),
            ]
        )  # fmt: skip
    caption = (
        "What more load brings, and what it costs: throughput to the right, time to first token upwards (log scale). "
        "The line joins p50, the whisker reaches to p95. Numbers are requests at once, or a second; the ringed load is "
        "the one that is shown in full below."
    )
    keys = [_key("closed loop: so many at once", "dot ttft"), _key("open loop: so many a second", "ring")]
    label = f"Time to first token against throughput for {len(found.stages)} loads; the table has the same figures"
    return join(
        [
            _figure("curve", caption, label, keys),
            tag("div", table("Every load that was tried", columns, rows, chosen=chosen), cls="panel"),
        ]
    )


def _verdict(one: Shown, found: Report) -> Markup | str:
    load = one.stage.run.load
    if one.stage.run.stop:
        return tag("span", one.stage.run.why, cls="small")
    if found.sought and not load.closed:
        return tag("span", "holds", cls="flag good") if one.figures.met else tag("span", "missed", cls="flag bad")
    if found.best is not None and load.closed and load.concurrency == found.best.concurrency:
        return tag("span", "knee" if found.bent else "best", cls="flag good")
    return ""


def _latency(main: Shown, found: Report) -> Markup | None:
    made = main.figures
    if made.ttft is None:
        return None
    columns = [
        Column(""), Column("answers or gaps", number=True), Column("mean", number=True),
        *(Column(f"p{share}", number=True) for share in ("50", "90", "95", "99")), Column("longest", number=True),
    ]  # fmt: skip
    rows: list[list[Child]] = []
    for key, spread in words.latencies(made):
        cells: list[Child] = [
            join([seconds(one.value), tag("span", f"({words.interval(one)})", cls="note")]) for one in spread.quantiles
        ]
        rows.append([words.TITLES[key], f"{spread.n:,}", seconds(spread.mean), *cells, seconds(spread.most)])
    keys = [
        _key(words.TITLES["ttft"], "ttft"), _key(words.TITLES["itl"], "itl"), _key(words.TITLES["tpot"], "compute"),
        _key(words.TITLES["e2e"], "e2e"),
    ]  # fmt: skip
    caption = "Which share of answers (of gaps, for the time between pieces) took no longer than a time."
    if found.slo.targets:
        caption += " Vertical lines are the limits of the SLO."
    if found.beside:
        caption += " Thin lines are the earlier run under the same load."
    checks = [_check_line(main)] if made.slo else []
    said = [
        *checks, items([f"{line[0].upper()}{line[1:]}." for line in words.network(made, found.session)]),
    ] if words.network(made, found.session) or checks else []  # fmt: skip
    intervals = "Latencies of whole answers, 95 % intervals in brackets"
    return join(
        [
            _figure("cdf", caption, f"Distributions of latencies at {main.stage.run.load.label}", keys),
            tag("div", table(intervals, columns, rows), *said, cls="panel"),
        ]
    )


def _check_line(main: Shown) -> Markup:
    made = main.figures
    lines: list[Child] = []
    for check in made.slo:
        reached = "never, too often" if check.reached_s is None else f"reached {seconds(check.reached_s)}"
        flag = tag("span", "holds" if check.met else "missed", cls="flag good" if check.met else "flag bad")
        lines.append(join([check.label, " ", flag, f" {reached}"]))
    if made.good is not None and made.goodput_rps is not None:
        total = made.ok + made.failed
        lines.append(f"goodput: {number(made.goodput_rps)} requests/s met every limit ({made.good:,} of {total:,})")
    return items(lines)


def _over_time(main: Shown) -> Markup | None:
    made = main.figures
    if not made.requests:
        return None
    caption = (
        f"{words.answers(made)}; {number(made.in_flight)} under way on average. Left axis: output tokens a second and, "
        "as dots, the time to first token of each request at the moment it was sent; hollow dots warmed up. "
        "The load was on up to the dashed line; rates are counted until there."
    )
    keys = [
        _key("output tokens a second", "box itl"), _key("requests under way", "e2e"), _key("first token", "dot ttft"),
    ]  # fmt: skip
    return _figure("timeline", caption, "Throughput, requests under way and first tokens over the time", keys)


def _engine(main: Shown) -> Markup | None:
    rows = [[metric.title, words.measured(metric, value)] for metric, value in words.server_rows(main)]
    if not rows or main.stage.server is None:
        return None
    caption = f"From the metrics of {main.stage.server.engine}, over this load; whoever else it serves is counted too"
    return tag("div", table(caption, [Column(""), Column("", number=True)], rows), cls="panel")


def _beside(found: Report) -> Markup | None:
    if not found.beside:
        return None
    parts: list[Child] = []
    for one in found.beside:
        parts.append(tag("h3", f"{one.name}: {one.label}"))
        main = words.main_pair(one, found)
        if main is None:
            parts.append(tag("p", "It holds no stage to compare with."))
            continue
        parts.append(_pair(main))
        others = [_pair(pair) for pair in one.pairs if pair is not main]
        if others:
            parts.append(tag("details", tag("summary", f"The other loads ({len(others):,})"), *others))
    aside = "Intervals hold for the sampling within each run; what changes between runs of one thing is not in them."
    return tag("div", *parts, tag("p", aside, cls="small"), cls="panel")


def _pair(pair: Pair) -> Markup:
    warning = None
    if not pair.alike:
        loads = f"{pair.before.run.load.label} there, {pair.after.run.load.label} here"
        warning = tag("p", f"The loads differ ({loads}): so may everything else.", cls="caveat")
    columns = [
        Column(""), Column("before", number=True), Column("now", number=True),
        Column("now / before (95 %)", number=True), Column(""),
    ]  # fmt: skip
    flags = {"better": "flag good", "worse": "flag bad", "none shown": "small"}
    rows = [
        [
            words.name_of(row), words.value_of(row, row.before), words.value_of(row, row.after),
            words.change_of(row), tag("span", words.CHANGES[row.change], cls=flags[row.change]),
        ]
        for row in pair.rows
    ]  # fmt: skip
    return join([warning, table(pair.after.run.load.label, columns, rows)])


def _meaning() -> Markup:
    return tag("div", items(join([tag("b", f"{name}: "), text]) for name, text in words.definitions()), cls="panel")


def _notes(found: Report, main: Shown | None) -> Markup | None:
    notes = list(main.figures.notes) if main is not None else []
    notes += [
        f"{one.stage.run.load.label}: {note}"
        for one in found.stages
        if one is not main
        for note in one.figures.notes
        if note.startswith("Ended early")
    ]
    if found.evidence:
        names = " and ".join(filter(None, (found.session.subject.id, found.session.subject.known_as)))
        notes.append(f"{found.evidence:,} figures about {names} were written into the ledger, for the planner.")
    return tag("div", items(notes), cls="panel") if notes else None


def _footer(found: Report) -> Markup:
    kept = "This page holds times and counts, no prompt and no answer; it asks the network for nothing."
    return tag("footer", tag("p", f"Crossover {found.session.product} · seed {found.session.seed}. {kept}"))
