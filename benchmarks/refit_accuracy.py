"""Do measurements help, and are the error bars after them honest: one measured point, and a sweep of three.

    python benchmarks/refit_accuracy.py

Each deployment (model, format, devices, engine) of the shared serving rows is refit to some of its rows, and predicts
its others: the row of middle concurrency, or the lowest, the middle and the highest. The constants were fitted to all
of these rows, so the figures before a measurement flatter; those after it are judged on rows they did not see. An
80 % interval should hold about 80 %.
"""

from __future__ import annotations

import datetime as dt
import math
import sys
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from capacity_rows import ServingRow, data_folder, serving_rows
from crossover.capacity import throughput
from crossover.capacity.calibration import deployment_key
from crossover.evidence import Evidence
from crossover.stats import Z80

FEWEST = 4  # rows of a deployment: three measured and one to predict
DAY = dt.date(2026, 11, 23)
COVERAGE_BAR = 0.75


def evidence(rows: Sequence[ServingRow]) -> list[Evidence]:
    """What a load test of these rows would leave."""
    found = []
    for row in rows:
        load = {"concurrency": row.concurrency, "input_tokens": row.input_tokens, "output_tokens": row.output_tokens}
        key = deployment_key(row.model, row.quantisation, row.accelerator, row.count, row.engine)
        found += [
            Evidence(
                subject=key, metric=metric, value=value, unit="s", kind="measured", source="rows", when=DAY,
                context=dict(load),
            )
            for metric, value in (("tpot_s", row.tpot_s), ("ttft_s", row.ttft_s))
        ]  # fmt: skip
    return found


def errors(row: ServingRow, measured: Sequence[Evidence]) -> tuple[float, float, float, float]:
    """ln(measured / predicted) of TPOT and TTFT, and the log sd that the prediction claims of each."""
    replica = throughput.serving(
        row.model, row.quantisation, row.accelerator, row.count, engine=row.engine,
        context=round(row.input_tokens + row.output_tokens), max_sequences=row.concurrency, kv_bits=row.kv_bits,
        measured=measured,
    )  # fmt: skip
    ttft, tpot = throughput.closed_loop(
        replica, row.concurrency, row.input_tokens, row.output_tokens,
        engine=throughput.profile_of(row.model, row.engine), one_round=row.one_round,
    )  # fmt: skip
    return (
        math.log(row.tpot_s / tpot), math.log(row.ttft_s / ttft), replica.decode_log_sd, replica.prefill_log_sd,
    )  # fmt: skip


def main() -> int:
    folder = data_folder()
    if folder is None:
        print("the shared data is not here")
        return 0
    groups: dict[tuple[object, ...], list[ServingRow]] = defaultdict(list)
    for row in serving_rows(folder)[0]:
        groups[row.model.name, row.precision, row.count, row.accelerator.name, row.engine, row.kv_bits].append(row)
    chosen = [sorted(rows, key=lambda row: row.concurrency) for rows in groups.values() if len(rows) >= FEWEST]
    print(f"{len(chosen)} deployments, {sum(map(len, chosen))} rows")
    print(f"{'measured':<12}{'TPOT':>8}{'in 80 %':>9}{'interval':>10}{'TTFT':>8}{'in 80 %':>9}{'interval':>10}")
    worst = 1.0
    for name, places in (("nothing", ()), ("one point", (0.5,)), ("three points", (0.0, 0.5, 1.0))):
        found = []
        for rows in chosen:
            anchors = [rows[round(place * (len(rows) - 1))] for place in places]
            known = evidence(anchors)
            left = [row for row in rows if all(row is not anchor for anchor in anchors)]
            found += [errors(row, known) for row in left]
        table = np.array(found)
        line = f"{name:<12}"
        for error, claimed in ((0, 2), (1, 3)):
            inside = float((np.abs(table[:, error]) <= Z80 * table[:, claimed]).mean())
            middle = float(np.expm1(np.median(np.abs(table[:, error]))))
            width = float(np.expm1(Z80 * np.median(table[:, claimed])))
            line += f"{middle:>8.1%}{inside:>9.0%}{f'×{1 + width:.2f}':>10}"
            worst = min(worst, inside) if places else worst
        print(line)
    verdict = "pass" if worst >= COVERAGE_BAR else "FALLS SHORT"
    print(f"intervals hold at least {worst:.0%} of what was not measured, bar {COVERAGE_BAR:.0%}: {verdict}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
