"""The measured rows behind the capacity fit, as catalog items: read from the shared data, cleaned, duplicates merged.

Cleaning of the serving rows, each rule with its reason:

* Rows without a concurrency, or whose batch differs from it, are left out: their load is not known (they come from
  attention data parallelism and from disaggregated runs).
* ``tp_size`` is tensor × expert parallelism where both sizes agree: the devices are the expert-parallel size then.
  Other combinations, and more than 8 devices, are left out: the product plans one node.
* Equal configurations measured several times (by date or by release of the engine) count once: geometric mean.
* The public sweep (every row that is not a ``gap/`` file) draws lengths from 0.8 to 1.0 of the nominal ones
  (``random_range_ratio: 0.8`` in its configuration), so that the mean is 0.9 of nominal.
* SGLang 0.5.1 and 0.5.8 rows are one round: all clients ask at once and once; time to first token shows it.
* Cache of 8 bit where the sweep's launch scripts set it, of 16 bit elsewhere.
"""

from __future__ import annotations

import csv
import math
import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from crossover.catalog.items import Accelerator, Catalog, OpenModel, Quantisation
from crossover.catalog.load import load
from crossover.deployment import Engine

SYSTEMS = {"h100_sxm": "H100 SXM", "h200_sxm": "H200", "b200_sxm": "B200", "b300_sxm": "B300", "gb200": "GB200"}
MODELS = {
    "meta-llama/Llama-3.1-70B": "meta-llama/Llama-3.1-70B-Instruct",
    "Qwen/Qwen3-235B-A22B-FP8": "Qwen/Qwen3-235B-A22B",
    "nvidia/DeepSeek-R1-NVFP4": "deepseek-ai/DeepSeek-R1",
    "nvidia/DeepSeek-V3.1-NVFP4": "deepseek-ai/DeepSeek-V3",
    "nvidia/Qwen3-32B-NVFP4": "Qwen/Qwen3-32B",
}
QUANTISATIONS = {"": "bf16", "fp8": "fp8", "fp4": "nvfp4"}
SWEEP_LENGTH_SHARE = 0.9
ONE_ROUND = {("sglang", "0.5.1.post1"), ("sglang", "0.5.8.post1")}
MAX_DEVICES = 8
Item = TypeVar("Item", OpenModel, Quantisation, Accelerator)


@dataclass(frozen=True)
class ServingRow:
    """One measured closed loop; times in seconds, lengths in tokens (means)."""

    model: OpenModel
    quantisation: Quantisation
    accelerator: Accelerator
    count: int
    engine: Engine
    precision: str
    concurrency: int
    input_tokens: float
    output_tokens: float
    nominal: tuple[int, int]
    kv_bits: float
    one_round: bool
    ttft_s: float
    tpot_s: float
    merged: int

    @property
    def family(self) -> str:
        """The model as one fold: releases of one architecture with the same sizes are one model."""
        return "DeepSeek V3/R1" if self.model.name.startswith("deepseek-ai/DeepSeek-") else self.model.name

    @property
    def group(self) -> tuple[str, str, str, str]:
        """Model, device, engine and precision: rows of one group share what the formula does not know."""
        return self.model.name, self.accelerator.name, self.engine, self.precision


def data_folder() -> Path | None:
    """The folder with the shared data, or None where it is absent."""
    place = os.environ.get("CROSSOVER_TEST_DATA", "")
    folder = Path(place) if place else Path(__file__).resolve().parents[2] / "shared" / "data"
    return folder / "planner" if (folder / "planner").is_dir() else None


def number(text: str) -> float:
    """A figure of a data file; empty is 0."""
    return float(text) if text else 0.0


def serving_rows(folder: Path) -> tuple[list[ServingRow], dict[str, int]]:
    """The cleaned rows, and how many were left out by reason."""
    catalog = load()
    merged: dict[tuple[object, ...], list[ServingRow]] = defaultdict(list)
    left_out: dict[str, int] = defaultdict(int)
    with (folder / "serving_silicon.csv").open(newline="") as file:
        for raw in csv.DictReader(file):
            row, reason = _serving_row(raw, catalog)
            if row is None:
                left_out[reason] += 1
                continue
            key = (*row.group, row.count, row.concurrency, row.nominal, row.one_round, raw["moe_ep_size"])
            merged[key].append(row)
    return [_merge(rows) for rows in merged.values()], dict(left_out)


def _serving_row(raw: dict[str, str], catalog: Catalog) -> tuple[ServingRow | None, str]:
    model = by_name(catalog.models, MODELS.get(raw["model_path"], raw["model_path"]))
    concurrency, batch = number(raw["concurrency"]), number(raw["batch_size"])
    if not concurrency or batch != concurrency:
        return None, "load not known"
    count, reason = _devices(raw, model)
    if not count:
        return None, reason
    precision = QUANTISATIONS[raw["precision"]]
    if model.name.startswith("openai/gpt-oss"):
        precision = "mxfp4"  # the only format it was published in
    sweep = not raw["dump"].startswith("gap/")
    share = SWEEP_LENGTH_SHARE if sweep else 1.0
    engine: Engine = raw["backend"]  # type: ignore[assignment]
    row = ServingRow(
        model=model,
        quantisation=by_name(catalog.quantisations, precision),
        accelerator=by_name(catalog.accelerators, SYSTEMS[raw["system"]]),
        count=count,
        engine=engine,
        precision=precision,
        concurrency=int(concurrency),
        input_tokens=number(raw["isl"]) * share,
        output_tokens=number(raw["osl"]) * share,
        nominal=(int(raw["isl"]), int(raw["osl"])),
        kv_bits=_kv_bits(raw, sweep),
        one_round=(raw["backend"], raw["backend_version"]) in ONE_ROUND,
        ttft_s=number(raw["silicon_ttft_ms"]) / 1e3,
        tpot_s=number(raw["silicon_tpot_ms"]) / 1e3,
        merged=1,
    )
    return row, ""


def _devices(raw: dict[str, str], model: OpenModel) -> tuple[int, str]:
    """Number of devices of a row, or 0 and why it is left out."""
    tensor = int(number(raw["tp_size"]))
    if model.experts:
        expert, split = int(number(raw["moe_ep_size"])) or 1, int(number(raw["moe_tp_size"])) or 1
        if number(raw["attention_dp_size"]) > 1 or tensor != expert * split:
            return 0, "attention data parallelism"
        if expert == split:
            tensor = expert
    return (tensor, "") if tensor <= MAX_DEVICES else (0, f"more than {MAX_DEVICES} devices")


def _kv_bits(raw: dict[str, str], sweep: bool) -> float:
    quantised = raw["precision"] in {"fp8", "fp4"}
    if not (sweep and quantised):
        return 16.0
    if raw["backend"] == "trtllm":
        return 8.0
    if raw["backend"] == "sglang":
        return 8.0 if raw["system"].startswith("b") else 16.0
    # The H100 rows saturate at 29 sequences of 8,192 + 1,024 tokens, which is what a 16-bit cache holds.
    return 8.0 if raw["model_path"] == "meta-llama/Llama-3.1-70B" and raw["system"] != "h100_sxm" else 16.0


def _merge(rows: list[ServingRow]) -> ServingRow:
    first = rows[0]
    ttft = math.exp(math.fsum(math.log(row.ttft_s) for row in rows) / len(rows))
    tpot = math.exp(math.fsum(math.log(row.tpot_s) for row in rows) / len(rows))
    fields = {name: getattr(first, name) for name in first.__dataclass_fields__}
    return ServingRow(**{**fields, "ttft_s": ttft, "tpot_s": tpot, "merged": len(rows)})


def by_name(items: tuple[Item, ...], name: str) -> Item:
    """The item of that exact name."""
    return next(item for item in items if item.name == name)
