"""What this machine has: GPUs, Apple silicon, processor and memory.

Detection never fails: a driver that is missing or refuses leaves a note, and the processor is always found. Memory is
in GiB as the driver or the system reports it.
"""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Any, Literal

import msgspec

from crossover.catalog import match
from crossover.catalog.items import Accelerator, Catalog
from crossover.errors import UnknownNameError

GIB = 2**30
SERVER_CORES = 16  # a share of a server with fewer cores does not see the bandwidth of all its memory channels


class Gpu(msgspec.Struct, frozen=True, kw_only=True):
    """One graphics processor as its driver names it. ``memory_gib`` is 0 where the memory is the system's own."""

    name: str
    vendor: Literal["NVIDIA", "AMD", "Apple"]
    memory_gib: float


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """The machine Crossover runs on. ``memory_gib`` is what a process may use: a container's limit counts."""

    system: str
    cpu: str
    cores: int
    memory_gib: float
    gpus: tuple[Gpu, ...] = ()
    notes: tuple[str, ...] = ()


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A catalog device as this machine has it: its own memory, ``count`` of them; ``note`` says what is assumed."""

    accelerator: Accelerator
    count: int
    note: str = ""


def detect(root: Path = Path("/")) -> Machine:
    """Looks at this machine; ``root`` is where ``/proc`` and ``/sys`` are mounted."""
    system = platform.system()
    memory = _memory_gib(root)
    if system == "Darwin":
        chip = _sysctl("machdep.cpu.brand_string") or platform.machine()
        gpus: tuple[Gpu, ...] = (Gpu(name=chip, vendor="Apple", memory_gib=memory),) if chip.startswith("Apple") else ()
        return Machine(system=system, cpu=chip, cores=os.cpu_count() or 1, memory_gib=memory, gpus=gpus)
    nvidia, notes = _nvidia()
    return Machine(
        system=system,
        cpu=_cpu_name(root),
        cores=os.cpu_count() or 1,
        memory_gib=memory,
        gpus=(*nvidia, *_amd(root)),
        notes=notes,
    )


def devices(catalog: Catalog, machine: Machine) -> tuple[Found, ...]:
    """The catalog's rows for what the machine has, GPUs first, then the processor; equal GPUs are counted together.

    A GPU that the catalog does not hold is left out; :func:`unknown` names it.
    """
    found: dict[tuple[str, float], Found] = {}
    for gpu in machine.gpus:
        row = _row_of(catalog, gpu)
        if row is None:
            continue
        memory = gpu.memory_gib or machine.memory_gib
        key = (row.name, memory)
        count = found[key].count + 1 if key in found else 1
        found[key] = Found(accelerator=msgspec.structs.replace(row, memory_gib=memory), count=count)
    if any(gpu.vendor == "Apple" for gpu in machine.gpus):
        return tuple(found.values())
    return (*found.values(), _processor(catalog, machine))


def unknown(catalog: Catalog, machine: Machine) -> tuple[str, ...]:
    """Names of the machine's GPUs that the catalog does not hold."""
    return tuple(dict.fromkeys(gpu.name for gpu in machine.gpus if _row_of(catalog, gpu) is None))


def _row_of(catalog: Catalog, gpu: Gpu) -> Accelerator | None:
    if gpu.vendor == "Apple":
        chip = gpu.name.removeprefix("Apple ").strip()
        rows = [row for row in catalog.accelerators if row.kind == "apple" and _chip(row.name) == chip]
        return min(rows, key=lambda row: abs(row.memory_gib - gpu.memory_gib), default=None)
    try:
        return match.accelerator(catalog, gpu.name)
    except UnknownNameError:
        return None


def _chip(name: str) -> str:
    """``M3 Ultra`` of ``M3 Ultra 512GB``."""
    return name.rpartition(" ")[0]


def _processor(catalog: Catalog, machine: Machine) -> Found:
    """The processor class nearest to this one; the slowest desktop class where nothing says otherwise."""
    rows = sorted((row for row in catalog.accelerators if row.kind == "cpu"), key=lambda row: row.bandwidth_gbs)
    row = rows[0]
    if machine.cores >= SERVER_CORES:
        row = next((each for each in rows if any(alias in machine.cpu for alias in each.aliases)), row)
    note = f"the class {row.name} stands for {machine.cpu or 'this processor'}; its bandwidth is assumed, not measured"
    return Found(accelerator=msgspec.structs.replace(row, memory_gib=machine.memory_gib), count=1, note=note)


def _nvidia() -> tuple[tuple[Gpu, ...], tuple[str, ...]]:
    """NVIDIA GPUs through the driver's own library; none, with a note where the driver answers with an error."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError_LibraryNotFound:
        return (), ()
    except pynvml.NVMLError as error:
        return (), (f"the NVIDIA driver does not answer: {error}",)
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        return tuple(_nvidia_gpu(pynvml, handle) for handle in handles), ()
    except pynvml.NVMLError as error:
        return (), (f"the NVIDIA driver does not answer: {error}",)
    finally:
        pynvml.nvmlShutdown()


def _nvidia_gpu(nvml: Any, handle: Any) -> Gpu:
    name = nvml.nvmlDeviceGetName(handle)
    try:
        memory = nvml.nvmlDeviceGetMemoryInfo(handle).total / GIB
    except nvml.NVMLError_NotSupported:  # unified memory: the driver has none of its own to report
        memory = 0.0
    return Gpu(name=name.decode() if isinstance(name, bytes) else name, vendor="NVIDIA", memory_gib=memory)


def _amd(root: Path) -> tuple[Gpu, ...]:
    """AMD GPUs from the kernel driver's files; a name needs ``product_name``, which integrated graphics lack."""
    gpus = []
    for device in sorted((root / "sys/class/drm").glob("card[0-9]*/device")):
        name, memory = _text(device / "product_name"), _text(device / "mem_info_vram_total")
        if name and memory.isdigit():
            gpus.append(Gpu(name=name, vendor="AMD", memory_gib=int(memory) / GIB))
    return tuple(gpus)


def _cpu_name(root: Path) -> str:
    for line in _text(root / "proc/cpuinfo").splitlines():
        field, _, value = line.partition(":")
        if field.strip() == "model name":
            return value.strip()
    return platform.processor()


def _memory_gib(root: Path) -> float:
    """Memory a process may use: the system's, or the container's limit where that is lower."""
    total = 0
    for line in _text(root / "proc/meminfo").splitlines():
        if line.startswith("MemTotal:"):
            total = int(line.split()[1]) * 1024
    if not total and hasattr(os, "sysconf"):
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _text(root / "sys/fs/cgroup/memory.max")
    return (min(total, int(limit)) if limit.isdigit() and total else total) / GIB


def _text(path: Path) -> str:
    """A small file's text without its end; empty where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _sysctl(name: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - a fixed system command, no user text in it
            ["/usr/sbin/sysctl", "-n", name], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
