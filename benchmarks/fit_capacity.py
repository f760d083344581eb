"""Fits the capacity constants on the shared measurements and writes them into the package as data.

Run it after new rows arrive: ``python benchmarks/fit_capacity.py --write``. The spreads come from rows left out of the
fit, never from the rows it saw; the final constants use all rows.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import msgspec
import numpy as np

from capacity_fit import Fit, Priors, Table, dense_priors, moe_priors, solve, table
from capacity_folds import (
    anchored,
    deployment_of,
    device_of,
    generation_of,
    joined,
    leave_out,
    leave_out_both,
    log_sd,
    model_of,
)
from capacity_rows import MAX_DEVICES, data_folder, serving_rows
from crossover.capacity.calibration import KindCalibration, ServingCalibration, Spread
from llamacpp_fit import device_offsets, fit_llamacpp, llamacpp_rows

FITTED = "2026-11-23"
DATA = Path(__file__).resolve().parents[1] / "src" / "crossover" / "capacity" / "data"
SOURCE = "ai-dynamo/aiconfigurator@095f58a silicon samples (Apache-2.0), measured 2025-10 to 2026-04"


def spread_of(data: Table, priors: Priors, offsets: tuple[float, float]) -> Spread:
    """Spreads of left-out rows.

    Inside the calibration a row's model or device was left out. Beyond it, its model and its device (or whole
    generation) were, and the device may be of another kind: ``offsets`` says how far devices of several makers lie from
    what their datasheets promise.
    """
    by_model = list(leave_out(data, priors, model_of))
    pooled = joined([*by_model, *leave_out(data, priors, device_of)])
    points = [anchored(fold, deployment_of) for fold in by_model]
    beyond = joined(
        [*leave_out_both(data, priors, model_of, generation_of), *leave_out_both(data, priors, model_of, device_of)]
    )
    decode, prefill = log_sd(np.concatenate([pooled.tpot, pooled.throughput])), log_sd(pooled.ttft)
    unseen = log_sd(np.concatenate([beyond.tpot, beyond.throughput]))
    return Spread(
        decode=round(decode, 4),
        prefill=round(prefill, 4),
        decode_extrapolated=round(math.hypot(max(decode, unseen), offsets[0]), 4),
        prefill_extrapolated=round(math.hypot(max(prefill, log_sd(beyond.ttft)), offsets[1]), 4),
        decode_anchored=round(log_sd(np.concatenate([tpot for tpot, _ in points])), 4),
        prefill_anchored=round(log_sd(np.concatenate([ttft for _, ttft in points])), 4),
    )


def calibration(data: Table, fit: Fit, spread: Spread) -> KindCalibration:
    """The record of one fit, with constants rounded to four figures."""
    record = {
        "rows": len(data.rows),
        "devices": _names(row.accelerator.name for row in data.rows),
        "formats": _names(row.quantisation.name for row in data.rows),
        "constants": fit.constants,
        "engines": fit.engines,
        "spread": spread,
    }
    return msgspec.convert(_rounded(msgspec.to_builtins(record)), KindCalibration)


def _names(names: Iterable[str]) -> list[str]:
    """The different names, those with most rows first."""
    return [name for name, _ in Counter(names).most_common()]


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(item) for item in value]
    return value


def fit_serving(folder: Path) -> ServingCalibration:
    """The whole calibration of the batching engines."""
    rows, _ = serving_rows(folder)
    dense = table([row for row in rows if not row.model.experts])
    moe = table([row for row in rows if row.model.experts])
    dense_prior = dense_priors()
    offsets = device_offsets(llamacpp_rows(folder))
    dense_fit = solve(dense, dense_prior)
    moe_prior = moe_priors(dense_fit)
    return ServingCalibration(
        fitted=FITTED,
        source=SOURCE,
        dense=calibration(dense, dense_fit, spread_of(dense, dense_prior, offsets)),
        moe=calibration(moe, solve(moe, moe_prior), spread_of(moe, moe_prior, offsets)),
        max_devices=MAX_DEVICES,
    )


def write(name: str, record: msgspec.Struct) -> None:
    """Write one file of constants."""
    (DATA / name).write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")


def main() -> int:
    folder = data_folder()
    if folder is None:
        print("No shared data: set CROSSOVER_TEST_DATA to its folder. Nothing was fitted.")
        return 0
    if "--write" not in sys.argv[1:]:
        print("Nothing was fitted: --write fits (1 to 2 minutes) and replaces the constants in the package.")
        return 0
    write("serving.json", fit_serving(folder))
    write("llamacpp.json", fit_llamacpp(folder, FITTED))
    print("Wrote serving.json and llamacpp.json.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
