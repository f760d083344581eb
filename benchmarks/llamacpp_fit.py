"""The fit of llama.cpp: rows by device, constants by class of memory, each class drawn to the common prior."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from capacity_fit import Floats, Prior
from capacity_folds import log_sd
from capacity_rows import by_name, number
from crossover.capacity import llamacpp
from crossover.capacity.calibration import ClassConstants, LlamaCppCalibration, Spread
from crossover.capacity.llamacpp import Form
from crossover.catalog.load import load

MODELS = {
    "Meta-Llama-3-8B": "meta-llama/Llama-3.1-8B-Instruct",  # same sizes as 3
    "Meta-Llama-3-70B": "meta-llama/Llama-3.1-70B-Instruct",
}
DEVICES = {
    "3070 8GB": "RTX 3070",
    "3080 10GB": "RTX 3080 10GB",
    "3080 Ti 12GB": "RTX 3080 Ti",
    "3090 24GB": "RTX 3090",
    "4070 Ti 12GB": "RTX 4070 Ti",
    "4080 16GB": "RTX 4080",
    "4090 24GB": "RTX 4090",
    "RTX 4000 Ada 20GB": "RTX 4000 Ada",
    "RTX A6000 48GB": "RTX A6000",
    "RTX 6000 Ada 48GB": "RTX 6000 Ada",
    "L40S 48GB": "L40S",
    "A40 48GB": "A40",
    "A100 PCIe 80GB": "A100 80GB PCIe",
    "A100 SXM 80GB": "A100 80GB SXM",
    "H100 PCIe 80GB": "H100 PCIe",
    "M1 7‑Core GPU 8GB": "M1 8GB",
    "M1 Max 32‑Core GPU 64GB": "M1 Max 64GB",
    "M2 Ultra 76-Core GPU 192GB": "M2 Ultra 192GB",
    "M3 Max 40‑Core GPU 64GB": "M3 Max 64GB",
}
QUANTISATIONS = {"Q4_K_M": "Q4_K_M", "F16": "bf16"}
CLASSES = ("gddr", "hbm", "apple")
CLASS: dict[str, Prior] = {
    "decode_efficiency": (0.8, 0.25),
    "kv_efficiency": (0.25, 0.5),
    "unpack_flop": (12.0, 0.7),
    "layer_us": (20.0, 0.7),
    "prefill_efficiency": (0.6, 0.2),
    "attention_cost": (2.0, 0.5),
}
COMMON: dict[str, Prior] = {
    "prefill_ceiling_tflops": (200.0, 0.5),
    "packed_prefill": (0.85, 0.15),
    "hop_us": (250.0, 0.5),
    "pipelining": (0.5, 0.4),
}
DECODE_NOISE, PREFILL_NOISE = 0.05, 0.15
SOURCE = "XiongjieDai/GPU-Benchmarks-on-LLM-Inference@aa72e0e (Llama 3, llama.cpp, 2024)"


@dataclass(frozen=True)
class Rows:
    """Measured speeds as arrays: tokens per second of ``decode`` rows and of the others (prompts)."""

    shape: Form
    kind: NDArray[np.intp]
    decode: NDArray[np.bool_]
    tokens: Floats
    speed: Floats
    device: NDArray[np.str_]

    def take(self, mask: NDArray[np.bool_]) -> Rows:
        """The rows of a mask."""
        form = Form(**{name: getattr(self.shape, name)[mask] for name in Form.__struct_fields__})
        plain = {name: getattr(self, name)[mask] for name in self.__dataclass_fields__ if name != "shape"}
        return Rows(shape=form, **plain)


def llamacpp_rows(folder: Path) -> Rows:
    """Every measured speed: the sweep, and the decode speeds of further devices in the table of what fits."""
    catalog = load()
    found: dict[tuple[str, ...], tuple[dict[str, str], float]] = {}
    with (folder / "llamacpp_speed.csv").open(newline="") as file:
        for raw in csv.DictReader(file):
            if raw["tok_s"]:
                found[_key(raw, raw["phase"], raw["tokens"])] = raw, number(raw["tok_s"])
    with (folder / "llamacpp_fit_oom.csv").open(newline="") as file:
        for raw in csv.DictReader(file):
            if raw["tg1024"]:
                found.setdefault(_key(raw, "decode", "1024"), (raw, number(raw["tg1024"])))
    forms, kinds, devices = [], [], []
    for key, (raw, _) in found.items():
        device = by_name(catalog.accelerators, DEVICES[raw["gpu"]])
        forms.append(
            llamacpp.form(
                by_name(catalog.models, MODELS[raw["model"]]),
                by_name(catalog.quantisations, QUANTISATIONS[raw["quant"]]),
                device,
                int(raw["n_gpu"]),
                context=int(key[-1]),
            )
        )
        kinds.append(CLASSES.index(llamacpp.memory_class(device)))
        devices.append(device.name)
    stacked: dict[str, Any] = {
        name: np.array([getattr(form, name) for form in forms]) for name in Form.__struct_fields__
    }
    return Rows(
        shape=Form(**stacked),
        kind=np.array(kinds),
        decode=np.array([key[-2] == "decode" for key in found]),
        tokens=np.array([float(key[-1]) for key in found]),
        speed=np.array([speed for _, speed in found.values()]),
        device=np.array(devices),
    )


def _key(raw: dict[str, str], phase: str, tokens: str) -> tuple[str, ...]:
    return raw["gpu"], raw["n_gpu"], raw["model"], raw["quant"], phase, tokens


@dataclass(frozen=True)
class LlamaFit:
    """Constants by class, and the common ones."""

    classes: dict[str, ClassConstants]
    common: dict[str, float]


def unpack(x: Floats) -> LlamaFit:
    """Constants from log deviations from the priors."""
    values = iter(np.exp(x))
    common = {name: float(prior[0] * next(values)) for name, prior in COMMON.items()}
    classes = {
        kind: ClassConstants(**{name: float(prior[0] * next(values)) for name, prior in CLASS.items()})
        for kind in CLASSES
    }
    return LlamaFit(classes=classes, common=common)


def predict(rows: Rows, fit: LlamaFit) -> Floats:
    """Predicted tokens per second. A decode row generates ``tokens`` from an empty cache: half of them on average."""
    gathered: dict[str, Any] = {
        name: np.array([getattr(fit.classes[kind], name) for kind in CLASSES])[rows.kind] for name in CLASS
    }
    fitted = ClassConstants(**gathered)
    form, common = rows.shape, fit.common
    weights: Any = form.flop / 2.0
    step = llamacpp.step_seconds(form, weights, fitted, common["hop_us"])
    decode = step + rows.tokens / 2.0 * llamacpp.kv_seconds(form, fitted)
    linear, square, filling = llamacpp.prefill_seconds(
        form, fitted, common["prefill_ceiling_tflops"], common["packed_prefill"], common["pipelining"]
    )
    prompt = rows.tokens * linear + rows.tokens**2 * square + filling
    return np.where(rows.decode, 1.0 / decode, rows.tokens / prompt)


def solve(rows: Rows) -> LlamaFit:
    """The constants that fit these rows best, given the priors."""
    spreads = np.array([sd for _, sd in COMMON.values()] + [sd for _, sd in CLASS.values()] * len(CLASSES))
    noise = np.where(rows.decode, DECODE_NOISE, PREFILL_NOISE)

    def residuals(x: Floats) -> Floats:
        errors = np.log(predict(rows, unpack(x)) / rows.speed) / noise
        soft = np.sign(errors) * np.sqrt(2.0 * (np.sqrt(1.0 + errors**2) - 1.0))
        return np.concatenate([soft, x / spreads])

    return unpack(least_squares(residuals, np.zeros(spreads.size), max_nfev=60).x)


def leave_out(rows: Rows, labels: NDArray[np.str_]) -> Iterator[tuple[str, Rows, Floats]]:
    """Log errors (predicted / measured) of each label's rows, predicted by a fit on all others."""
    for name in sorted(set(labels.tolist())):
        mask = labels == name
        test = rows.take(mask)
        yield name, test, np.log(predict(test, solve(rows.take(~mask))) / test.speed)


def fit_llamacpp(folder: Path, fitted: str) -> LlamaCppCalibration:
    """The whole calibration of llama.cpp. Classes without a row take the prior, drawn to the mean of the others."""
    rows = llamacpp_rows(folder)
    fit = solve(rows)
    by_device = [(test, error) for _, test, error in leave_out(rows, rows.device)]
    by_class = [(test, error) for _, test, error in leave_out(rows, np.array(CLASSES)[rows.kind])]
    anchored = [_anchored(test, error) for test, error in by_device]

    def sd(parts: list[tuple[Rows, Floats]], decode: bool) -> float:
        return log_sd(np.concatenate([error[test.decode == decode] for test, error in parts]))

    spread = Spread(
        decode=round(sd(by_device, True), 4),
        prefill=round(sd(by_device, False), 4),
        decode_extrapolated=round(max(sd(by_class, True), sd(by_device, True)), 4),
        prefill_extrapolated=round(max(sd(by_class, False), sd(by_device, False)), 4),
        decode_anchored=round(log_sd(np.concatenate([a for a, _ in anchored])), 4),
        prefill_anchored=round(log_sd(np.concatenate([b for _, b in anchored])), 4),
    )
    classes = {kind: _rounded(constants) for kind, constants in fit.classes.items()}
    unseen = _rounded(ClassConstants(**{name: _middle(fit, name) for name in CLASS}))
    return LlamaCppCalibration(
        fitted=fitted,
        rows=rows.speed.size,
        source=SOURCE,
        classes={**classes, "unified": unseen, "cpu": unseen},
        spread=spread,
        measured_classes=CLASSES,
        devices=tuple(sorted(set(rows.device.tolist()))),
        formats=tuple(QUANTISATIONS.values()),
        **{name: float(f"{value:.4g}") for name, value in fit.common.items()},
    )


def device_offsets(rows: Rows) -> tuple[float, float]:
    """By how much a device differs from what its datasheet and the others say, for decode and for prompts.

    It is the root mean square of the median log errors of devices left out.
    """
    medians: tuple[list[float], list[float]] = ([], [])
    for _, test, error in leave_out(rows, rows.device):
        for place, decode in enumerate((True, False)):
            chosen = error[test.decode == decode]
            if chosen.size:
                medians[place].append(float(np.median(chosen)))
    return tuple(float(np.sqrt(np.mean(np.square(part)))) for part in medians)  # type: ignore[return-value]


def _middle(fit: LlamaFit, name: str) -> float:
    """The geometric mean of a constant over the measured classes."""
    return float(np.exp(np.mean([np.log(getattr(fit.classes[kind], name)) for kind in CLASSES])))


def _rounded(constants: ClassConstants) -> ClassConstants:
    return ClassConstants(**{name: float(f"{getattr(constants, name):.4g}") for name in CLASS})


def _anchored(rows: Rows, errors: Floats) -> tuple[Floats, Floats]:
    """Left-out errors once one row of each kind and phase of this device has rescaled the others."""
    parts: tuple[list[Floats], list[Floats]] = ([], [])
    shape: Any = rows.shape
    label = [f"{p}{n}{w}" for p, n, w in zip(shape.packed, shape.devices, shape.flop, strict=True)]
    labels = np.array(label)
    for place, decode in enumerate((True, False)):
        for name in sorted(set(label)):
            chosen = errors[(labels == name) & (rows.decode == decode)]
            if chosen.size > 1:
                parts[place].append(np.delete(chosen, chosen.size // 2) - chosen[chosen.size // 2])
    return tuple(np.concatenate(part) if part else np.array([]) for part in parts)  # type: ignore[return-value]
