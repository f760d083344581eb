from __future__ import annotations

from pathlib import Path
from typing import Any

import pynvml
import pytest

from crossover import hardware
from crossover.catalog.load import load
from crossover.hardware import Gpu, Machine, detect, devices, unknown

CATALOG = load()
GIB = 2**30


def machine(*gpus: Gpu, cpu: str = "AMD EPYC 9354", cores: int = 32, memory_gib: float = 256.0) -> Machine:
    return Machine(system="Linux", cpu=cpu, cores=cores, memory_gib=memory_gib, gpus=gpus)


@pytest.fixture
def linux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A made-up Linux without GPUs; the tests add what they need."""
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text("processor\t: 0\nmodel name\t: Made-up CPU 9000\n")
    (tmp_path / "proc/meminfo").write_text("MemTotal:       33554432 kB\nMemFree: 1 kB\n")
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr(hardware, "_nvidia", lambda: ((), ()))
    return tmp_path


def test_processor_and_memory_are_read(linux: Path) -> None:
    found = detect(linux)
    assert found.cpu == "Made-up CPU 9000"
    assert found.memory_gib == 32
    assert found.gpus == ()


def test_a_containers_limit_counts(linux: Path) -> None:
    (linux / "sys/fs/cgroup").mkdir(parents=True)
    (linux / "sys/fs/cgroup/memory.max").write_text(str(8 * GIB))
    assert detect(linux).memory_gib == 8
    (linux / "sys/fs/cgroup/memory.max").write_text("max\n")
    assert detect(linux).memory_gib == 32


def test_amd_gpus_are_read_from_the_kernel(linux: Path) -> None:
    device = linux / "sys/class/drm/card1/device"
    device.mkdir(parents=True)
    (device / "product_name").write_text("AMD Instinct MI300X\n")
    (device / "mem_info_vram_total").write_text(str(192 * GIB))
    (linux / "sys/class/drm/card2/device").mkdir(parents=True)
    assert detect(linux).gpus == (Gpu(name="AMD Instinct MI300X", vendor="AMD", memory_gib=192.0),)


def test_the_machine_at_hand_is_found() -> None:
    found = detect()
    assert found.cores >= 1
    assert found.memory_gib > 0.1
    assert devices(CATALOG, found)


class FakeDriver:
    """The few calls of the driver's library that are used; ``fails`` names the call that is refused."""

    NVMLError = pynvml.NVMLError
    NVMLError_LibraryNotFound = pynvml.NVMLError_LibraryNotFound
    NVMLError_NotSupported = pynvml.NVMLError_NotSupported

    def __init__(self, names: list[Any], memory: int = 24564 * 2**20, fails: str = "") -> None:
        self.names, self.memory, self.fails = names, memory, fails
        self.closed = False

    def __getattr__(self, call: str) -> Any:
        def answer(*args: Any) -> Any:
            if call == self.fails:
                code = {"nvmlInit": pynvml.NVML_ERROR_DRIVER_NOT_LOADED}.get(call, pynvml.NVML_ERROR_NOT_SUPPORTED)
                raise pynvml.NVMLError(code)
            if call == "nvmlShutdown":
                self.closed = True
            answers = {
                "nvmlDeviceGetCount": len(self.names),
                "nvmlDeviceGetHandleByIndex": args[0] if args else None,
                "nvmlDeviceGetName": self.names[args[0]] if args else None,
                "nvmlDeviceGetMemoryInfo": type("Memory", (), {"total": self.memory}),
            }
            return answers.get(call)

        return answer


def test_nvidia_gpus_are_read_from_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver(["NVIDIA GeForce RTX 4090", b"NVIDIA GeForce RTX 4090"])
    monkeypatch.setitem(__import__("sys").modules, "pynvml", driver)
    found, notes = hardware._nvidia()
    assert [gpu.name for gpu in found] == ["NVIDIA GeForce RTX 4090"] * 2
    assert found[0].memory_gib == pytest.approx(24564 / 1024)
    assert notes == ()
    assert driver.closed


def test_unified_memory_is_the_systems_own(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver(["NVIDIA GB10"], fails="nvmlDeviceGetMemoryInfo")
    monkeypatch.setitem(__import__("sys").modules, "pynvml", driver)
    found, _ = hardware._nvidia()
    assert found[0].memory_gib == 0
    row = devices(CATALOG, machine(*found, memory_gib=119.7))[0]
    assert row.accelerator.name == "DGX Spark"
    assert row.accelerator.memory_gib == 119.7


def test_a_driver_that_refuses_leaves_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pynvml", FakeDriver([], fails="nvmlInit"))
    found, notes = hardware._nvidia()
    assert found == ()
    assert "does not answer" in notes[0]
    monkeypatch.setitem(__import__("sys").modules, "pynvml", FakeDriver(["x"], fails="nvmlDeviceGetCount"))
    assert "does not answer" in hardware._nvidia()[1][0]


def test_equal_gpus_are_counted_together() -> None:
    gpu = Gpu(name="NVIDIA A100-SXM4-80GB", vendor="NVIDIA", memory_gib=80.0)
    other = Gpu(name="NVIDIA L4", vendor="NVIDIA", memory_gib=22.5)
    found = devices(CATALOG, machine(gpu, other, gpu))
    assert [(each.accelerator.name, each.count) for each in found[:2]] == [("A100 80GB SXM", 2), ("L4", 1)]
    assert found[-1].accelerator.kind == "cpu"


def test_the_drivers_own_memory_counts() -> None:
    found = devices(CATALOG, machine(Gpu(name="NVIDIA A10G", vendor="NVIDIA", memory_gib=22.06)))
    assert found[0].accelerator.memory_gib == 22.06


def test_apple_chips_are_matched_by_chip_and_memory() -> None:
    gpu = Gpu(name="Apple M3 Ultra", vendor="Apple", memory_gib=96.0)
    found = devices(CATALOG, machine(gpu, cpu="Apple M3 Ultra", memory_gib=96.0))
    assert [each.accelerator.name for each in found] == ["M3 Ultra 96GB"]


def test_unknown_gpus_are_named() -> None:
    odd = machine(Gpu(name="NVIDIA Quadro K2000", vendor="NVIDIA", memory_gib=2.0))
    assert unknown(CATALOG, odd) == ("NVIDIA Quadro K2000",)
    assert [each.accelerator.kind for each in devices(CATALOG, odd)] == ["cpu"]


def test_processor_classes() -> None:
    server = devices(CATALOG, machine(cpu="AMD EPYC 9354 32-Core Processor", cores=32))[0]
    assert server.accelerator.name == "CPU EPYC Genoa"
    share = devices(CATALOG, machine(cpu="AMD EPYC 9354 32-Core Processor", cores=2))[0]
    assert share.accelerator.name == "CPU desktop DDR4"
    assert "assumed" in share.note
    assert share.accelerator.memory_gib == 256


def test_apple_systems_answer_through_sysctl(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setattr(hardware, "_sysctl", lambda name: "Apple M4 Max")
    found = detect(tmp_path)
    assert found.gpus[0].name == "Apple M4 Max"
    assert found.gpus[0].memory_gib == found.memory_gib > 0
