"""This machine: processor, memory, disk and graphics card, and the device of a run; without torch.

The worker decides again with torch (engine.work.model.load.choose_device); a test holds the two
together.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import psutil
import pynvml

from engine.errors import RunError
from engine.spec.method import MethodSpec
from engine.spec.run import PlaceSpec
from engine.text import count_of

GB = 2**30
# Limit and use of the container's memory, in version 2 and version 1 of Linux's control groups.
CGROUP = Path("/sys/fs/cgroup")
CGROUP_FILES = (
    (CGROUP / "memory.max", CGROUP / "memory.current"),
    (CGROUP / "memory/memory.limit_in_bytes", CGROUP / "memory/memory.usage_in_bytes"),
)
OOM_KILL_FILE = Path("/proc/vmstat")
CPU_INFO = Path("/proc/cpuinfo")
BF16_FLAGS = {"avx512_bf16", "amx_bf16"}
AMPERE = (8, 0)  # compute capability from which cards compute in bf16


class Device(NamedTuple):
    """The device that runs are computed on."""

    kind: str  # cpu or cuda
    name: str
    memory_gb: float

    @property
    def text(self) -> str:
        return f"{self.name} · {self.memory_gb:.0f} GB"


class MachineLoad(NamedTuple):
    """How busy the machine is now."""

    cpu_percent: float
    memory_used_gb: float
    memory_total_gb: float
    process_gb: float | None  # resident memory of one process


@cache
def first_card() -> Any:
    """NVML's handle of the NVIDIA card that a worker takes: the first of CUDA_VISIBLE_DEVICES.

    None where there is no card or none is visible. Numbers are taken as NVML counts, by bus; so do
    the workers, which set CUDA_DEVICE_ORDER to PCI_BUS_ID.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0").partition(",")[0].strip()
    with suppress(pynvml.NVMLError):
        pynvml.nvmlInit()
        if visible.isdigit():
            return pynvml.nvmlDeviceGetHandleByIndex(int(visible))
        if visible.startswith("MIG-"):
            return pynvml.nvmlDeviceGetHandleByUUID(visible)
        if visible.startswith("GPU-"):  # CUDA takes the beginning of a UUID, too
            cards = map(pynvml.nvmlDeviceGetHandleByIndex, range(pynvml.nvmlDeviceGetCount()))
            uuid = pynvml.nvmlDeviceGetUUID
            return next((card for card in cards if uuid(card).startswith(visible)), None)
    return None


@cache
def detect_device() -> Device:
    """The NVIDIA card that a worker takes where there is one, else the processor."""
    with suppress(pynvml.NVMLError):
        if (card := first_card()) is not None:
            memory = pynvml.nvmlDeviceGetMemoryInfo(card)
            return Device("cuda", pynvml.nvmlDeviceGetName(card), memory.total / GB)
    cores = count_of(psutil.cpu_count() or 1, "core")
    return Device("cpu", f"CPU · {cores}", psutil.virtual_memory().total / GB)


def current_load(pid: int | None = None) -> MachineLoad:
    """The load now; the processor's share is measured since the call before."""
    memory = psutil.virtual_memory()
    process: float | None = None
    if pid is not None:
        with suppress(psutil.Error):  # it has just ended
            process = psutil.Process(pid).memory_info().rss / GB
    used = (memory.total - memory.available) / GB
    return MachineLoad(psutil.cpu_percent(), used, memory.total / GB, process)


def free_memory_gb(kind: str) -> float:
    """Memory that a new run can have: free on the card, or on the machine and its container."""
    with suppress(pynvml.NVMLError):
        if kind == "cuda" and (card := first_card()) is not None:
            return float(pynvml.nvmlDeviceGetMemoryInfo(card).free / GB)
    free = psutil.virtual_memory().available
    for limit, used in CGROUP_FILES:
        allowed, taken = _read_number(limit), _read_number(used)
        if allowed and taken is not None:
            free = min(free, max(0, allowed - taken))
    return free / GB


def total_memory_gb(kind: str) -> float:
    """All memory of the card, or of the machine as far as its container lets us have it."""
    found = detect_device()
    if kind == "cuda" and found.kind == "cuda":
        return found.memory_gb
    limits = [size for limit, _ in CGROUP_FILES if (size := _read_number(limit))]
    return min([psutil.virtual_memory().total, *limits]) / GB


def count_memory_kills() -> int:
    """How often the system has ended a process for want of memory; 0 where only Linux would say."""
    try:
        lines = OOM_KILL_FILE.read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))


def _read_number(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):  # no such file, or "max"
        return None


def require_disk(folder: Path, needed_gb: float, what: str) -> None:
    """Raise RunError unless the volume of this folder has room."""
    free = psutil.disk_usage(str(folder)).free / GB
    if free < needed_gb:
        raise RunError(
            f"The disk is too full for {what}: it needs about {needed_gb:.2f} GB and {free:.2f} GB "
            "are free. Delete old runs on the Runs tab, or make room, then try again."
        )


class Machine(NamedTuple):
    """What a run would have to itself."""

    device: Literal["cpu", "cuda"]
    precision: Literal["bf16", "fp32"]
    autocast: bool  # fp32 weights are computed with in bf16
    free: float  # bytes of memory
    disk: float  # bytes free where runs are kept
    capable: bool  # the device computes in bf16 itself

    @property
    def name(self) -> str:
        return "graphics card" if self.device == "cuda" else "machine"


def choose_machine(place: PlaceSpec, method: MethodSpec, home: Path) -> Machine:
    """The device and precision that these settings lead to, and what is free there."""
    card = detect_device().kind == "cuda"
    kind: Literal["cpu", "cuda"] = "cuda" if card and place.device != "cpu" else "cpu"
    capable = computes_in_bf16(kind)
    precision, autocast = resolve_precision(place, method, capable)
    free, disk = free_memory_gb(kind) * GB, psutil.disk_usage(str(home)).free
    return Machine(kind, precision, autocast, free, disk, capable)


def resolve_precision(
    place: PlaceSpec, method: MethodSpec, capable: bool
) -> tuple[Literal["bf16", "fp32"], bool]:
    """Precision of the weights, and whether it computes in bf16 all the same."""
    if place.precision != "auto":
        return place.precision, False
    if not capable:
        return "fp32", False
    # Weights that are trained themselves stay fp32.
    whole = not method.adapts or method.bias != "none" or bool(method.save)
    return ("fp32", True) if whole else ("bf16", False)


@cache
def computes_in_bf16(device: str) -> bool:
    """Whether this device computes in bf16 itself."""
    if device == "cuda":
        card = first_card()
        try:
            return card is not None and pynvml.nvmlDeviceGetCudaComputeCapability(card) >= AMPERE
        except pynvml.NVMLError:
            return True  # a part of a card (MIG) does not say; an Ampere was the first to have them
    try:
        lines = CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        return False
    flags = next((line for line in lines if line.startswith("flags")), "")
    return not BF16_FLAGS.isdisjoint(flags.split())
