"""Prints how far the capacity models are off on rows they were not fitted to, each figure beside its bar.

``--folds`` prints every fold and the coverage of every group. Takes about two minutes on two cores.
"""

from __future__ import annotations

import csv
import math
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from capacity_fit import Floats, dense_priors, moe_priors, solve, table
from capacity_folds import (
    Fold,
    anchored,
    deployment_of,
    device_of,
    joined,
    leave_out,
    log_sd,
    median_percent,
    model_and_engine_of,
    model_of,
    p90_percent,
)
from capacity_rows import ServingRow, by_name, data_folder, serving_rows
from crossover.capacity import memory
from crossover.capacity.words import MemoryFit
from crossover.catalog.load import load
from llamacpp_fit import DEVICES, MODELS, QUANTISATIONS, llamacpp_rows
from llamacpp_fit import leave_out as leave_device_out

Z80 = 1.2815515655446004
GENERATED_TOKENS = 1024  # what the table of fitting devices generated, from a prompt of at most 512
LOGS = Path(__file__).with_name("data") / "memory_logs.csv"


@dataclass
class Report:
    """Lines of bars, and lines of folds that are printed on request."""

    bars: list[str] = field(default_factory=list)
    folds: list[str] = field(default_factory=list)

    def bar(self, name: str, figure: float, limit: float, unit: str = "%", low: float = -math.inf) -> None:
        """One figure beside its bar."""
        good = low <= figure <= limit
        span = f"{low:g}–{limit:g}" if math.isfinite(low) else f"≤ {limit:g}"
        self.bars.append(f"{name:<66}{figure:>7.1f} {unit:<6}{span:>8}  {'pass' if good else 'FALLS SHORT'}")

    def note(self, name: str, figure: float, unit: str = "%") -> None:
        """One figure without a bar."""
        self.bars.append(f"{name:<66}{figure:>7.1f} {unit}")


def serving_report(folder: Path, report: Report) -> None:
    """Dense models and mixtures of experts under vLLM, SGLang and TensorRT-LLM."""
    rows, left_out = serving_rows(folder)
    dense = table([row for row in rows if not row.model.experts])
    moe = table([row for row in rows if row.model.experts])
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(left_out.items()))
    measured = sum(row.merged for row in rows)
    report.folds.append(f"{len(rows)} configurations from {measured} rows; left out: {reasons}")
    prior = dense_priors()
    folds = {
        "model": list(leave_out(dense, prior, model_of)),
        "device": list(leave_out(dense, prior, device_of)),
    }
    for label, parts in folds.items():
        _print_folds(report, f"dense, {label} left out", parts)
    both = [*folds["model"], *folds["device"]]
    pooled = joined(both)
    report.bar("dense TPOT, model or device left out, pooled median", median_percent(pooled.tpot), 10)
    report.bar("dense TPOT, worst fold, median", max(median_percent(fold.tpot) for fold in both), 20)
    report.bar("dense TPOT, pooled 90th percentile", p90_percent(pooled.tpot), 30)
    report.bar("dense throughput, model or device left out, pooled median", median_percent(pooled.throughput), 10)
    report.bar("dense throughput, worst fold, median", max(median_percent(fold.throughput) for fold in both), 20)
    report.bar("dense throughput, pooled 90th percentile", p90_percent(pooled.throughput), 30)
    experts = list(leave_out(moe, moe_priors(solve(dense, prior)), model_of))
    _print_folds(report, "experts, model left out", experts)
    all_experts = joined(experts)
    report.bar("experts TPOT, model left out, pooled median", median_percent(all_experts.tpot), 25)
    for name, group in (("deployment", deployment_of), ("model and engine", model_and_engine_of)):
        points = np.concatenate([anchored(fold, group)[0] for fold in experts])
        report.bar(f"experts TPOT, one measured point per {name}, median", median_percent(points), 15)
    report.bar("TTFT under load, dense, same folds, pooled median", median_percent(pooled.ttft), 30)
    report.bar("TTFT under load, experts, same folds, pooled median", median_percent(all_experts.ttft), 30)
    every = np.concatenate([pooled.ttft, all_experts.ttft])
    report.bar("TTFT under load, all folds, pooled median", median_percent(every), 30)
    for kind, parts in (("dense", both), ("experts", experts)):
        _coverage(report, f"{kind} TPOT", [(fold.name, fold.rows, fold.tpot) for fold in parts])
        _coverage(report, f"{kind} TTFT", [(fold.name, fold.rows, fold.ttft) for fold in parts])


def _print_folds(report: Report, title: str, folds: Iterable[Fold]) -> None:
    for fold in folds:
        figures = "  ".join(
            f"{name} {median_percent(part):5.1f} (90 %: {p90_percent(part):5.1f})"
            for name, part in (("TPOT", fold.tpot), ("throughput", fold.throughput), ("TTFT", fold.ttft))
        )
        report.folds.append(f"{title}: {fold.name:<34}{len(fold.rows):>5} rows  {figures}")


def _coverage(report: Report, name: str, parts: list[tuple[str, list[ServingRow], Floats]]) -> None:
    """Share of left-out rows inside the 80 % interval; the interval of a fold comes from all other folds."""
    inside: list[bool] = []
    groups: dict[tuple[str, ...], list[bool]] = defaultdict(list)
    for index, (_, rows, errors) in enumerate(parts):
        others = np.concatenate([part[2] for place, part in enumerate(parts) if place != index])
        width = Z80 * log_sd(others)
        for row, error in zip(rows, errors, strict=True):
            inside.append(abs(error) <= width)
            groups[(row.model.name, row.engine)].append(abs(error) <= width)
    report.bar(f"80 % interval covers, {name}", 100 * float(np.mean(inside)), 90, low=75)
    for group, hits in sorted(groups.items()):
        report.folds.append(
            f"80 % interval covers, {name}, {' · '.join(group)}: {100 * np.mean(hits):.0f} % of {len(hits)}"
        )


def llamacpp_report(folder: Path, report: Report) -> None:
    """llama.cpp by device left out."""
    rows = llamacpp_rows(folder)
    folds = list(leave_device_out(rows, rows.device))
    for name, test, error in folds:
        prompts = error[~test.decode]
        text = f"llama.cpp, device left out: {name:<18} decode {median_percent(error[test.decode]):5.1f}"
        report.folds.append(text + (f"  prefill {median_percent(prompts):5.1f}" if prompts.size else ""))
    for name, limit, decode in (("decode", 8.0, True), ("prefill", 25.0, False)):
        parts = [error[test.decode == decode] for _, test, error in folds]
        report.bar(f"llama.cpp {name}, device left out, pooled median", median_percent(np.concatenate(parts)), limit)
        inside = [
            abs(error) <= Z80 * log_sd(np.concatenate([part for place, part in enumerate(parts) if place != index]))
            for index, part in enumerate(parts)
            for error in part
        ]
        report.bar(f"80 % interval covers, llama.cpp {name}", 100 * float(np.mean(inside)), 90, low=75)


def memory_report(folder: Path, report: Report) -> None:
    """What fits, against devices that ran it or ran out of memory; and published start-up logs."""
    catalog = load()

    def fits(raw: dict[str, str], context: int) -> bool:
        return memory.fit(
            by_name(catalog.models, MODELS[raw["model"]]),
            by_name(catalog.quantisations, QUANTISATIONS[raw["quant"]]),
            by_name(catalog.accelerators, DEVICES[raw["gpu"]]),
            int(raw["n_gpu"]),
            engine="llamacpp",
            context=context,
        ).fits

    table_rows, sweep_rows = _read(folder / "llamacpp_fit_oom.csv"), _read(folder / "llamacpp_speed.csv")
    wrong = [raw for raw in table_rows if fits(raw, GENERATED_TOKENS + 512) != (raw["fits"] == "1")]
    report.bar(f"fit or out of memory, {len(table_rows)} cells, wrong", len(wrong), 1, "cells")
    cells = {tuple(raw[name] for name in ("gpu", "n_gpu", "model", "quant", "tokens")): raw for raw in sweep_rows}
    off = [raw for raw in cells.values() if fits(raw, int(raw["tokens"])) != (raw["oom"] != "1")]
    report.bar(f"fit or out of memory by context, {len(cells)} cells, wrong", len(off), 1, "cells")
    errors = []
    for raw in _read(LOGS):
        predicted, value = _predicted(catalog_fit(raw), raw), float(raw["value"])
        errors.append(math.log(predicted / value))
        place = f"{raw['model']} on {raw['count']} × {raw['accelerator']}, {raw['engine']}"
        report.folds.append(
            f"published log: {place}: {raw['what']} {value:,.0f}, predicted {predicted:,.0f} "
            f"({100 * (predicted / value - 1):+.1f} %)"
        )
    within = 100 * float(np.mean([abs(math.expm1(error)) <= 0.10 for error in errors]))
    report.note(
        f"published cache and buffer sizes, {len(errors)} figures, median error", median_percent(np.array(errors))
    )
    report.note("published cache and buffer sizes within 10 %", within)


def catalog_fit(raw: dict[str, str]) -> MemoryFit:
    """The prediction for one row of the log table."""
    catalog = load()
    return memory.fit(
        by_name(catalog.models, raw["model"]),
        by_name(catalog.quantisations, raw["quantisation"]),
        by_name(catalog.accelerators, raw["accelerator"]),
        int(raw["count"]),
        engine=raw["engine"],  # type: ignore[arg-type]
        context=int(raw["context"]),
    )


def _predicted(found: MemoryFit, raw: dict[str, str]) -> float:
    if raw["what"] == "kv_capacity_tokens":
        return float(found.kv_capacity_tokens)
    if raw["what"] == "kv_mib":
        return found.kv_gib * 1024.0
    rules = memory.engine_memory(raw["engine"])  # type: ignore[arg-type]
    return (found.overhead_gib - rules.context_gib) * 1024.0


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def main(arguments: list[str]) -> int:
    folder = data_folder()
    if folder is None:
        print("No shared data (set CROSSOVER_TEST_DATA to its folder): capacity accuracy was not measured.")
        return 0
    report = Report()
    parts: tuple[Callable[[Path, Report], None], ...] = (serving_report, llamacpp_report, memory_report)
    for part in parts:
        part(folder, report)
    if "--folds" in arguments:
        print("\n".join(report.folds), end="\n\n")
    print("\n".join(report.bars))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
