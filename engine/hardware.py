"""This machine: processor, memory, disk and graphics cards, and where a run would take place; without torch.

The worker decides again with torch (engine.work.model.load.choose_device); a test holds the two together.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

import psutil

from engine.errors import RunError
from engine.spec.method import MethodSpec
from engine.spec.run import PlaceSpec

GB = 2**30
# Limit and use of the container's memory, as version 2 and version 1 of Linux's control groups tell them.
CGROUP = tuple(
    (Path("/sys/fs/cgroup") / limit, Path("/sys/fs/cgroup") / used)
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    )
)
KILLS = (Path("/proc/vmstat"),)


class Device(NamedTuple):
    """Where runs go."""

    kind: str  # cpu or cuda
    name: str
    memory_gb: float

    @property
    def text(self) -> str:
        return f"{self.name} · {self.memory_gb:.0f} GB"


class Load(NamedTuple):
    """How busy the machine is now."""

    cpu_percent: float
    memory_used_gb: float
    memory_total_gb: float
    process_gb: float | None  # resident memory of one process


@cache
def device() -> Device:
    """The first NVIDIA card where there is one (as its driver's own tool says), else the processor."""
    tool = shutil.which("nvidia-smi")
    if tool:
        query = [tool, "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
        answer = subprocess.run(query, capture_output=True, text=True, timeout=20, check=False)
        name, _, megabytes = answer.stdout.partition("\n")[0].rpartition(",")
        if answer.returncode == 0 and megabytes.strip().isdigit():
            return Device("cuda", name.strip(), int(megabytes) / 1024)
    cores = psutil.cpu_count() or 1
    return Device(
        "cpu", f"CPU · {cores} core{'s' if cores > 1 else ''}", psutil.virtual_memory().total / GB
    )


def load(pid: int | None = None) -> Load:
    """The load now; the processor's share is measured since the call before."""
    memory = psutil.virtual_memory()
    process = None
    if pid is not None:
        try:
            process = psutil.Process(pid).memory_info().rss / GB
        except psutil.Error:
            process = None  # it has just ended
    return Load(
        psutil.cpu_percent(), (memory.total - memory.available) / GB, memory.total / GB, process
    )


def free_gb(kind: str) -> float:
    """Memory that a new run can have: what the card has free, or what the machine and its container let us have."""
    if kind == "cuda" and (tool := shutil.which("nvidia-smi")):
        query = [tool, "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
        answer = subprocess.run(query, capture_output=True, text=True, timeout=20, check=False)
        first = answer.stdout.partition("\n")[0].strip()
        if answer.returncode == 0 and first.isdigit():
            return int(first) / 1024
    free = psutil.virtual_memory().available
    for limit, used in CGROUP:
        allowed, taken = _number(limit), _number(used)
        if allowed and taken is not None:
            free = min(free, max(0, allowed - taken))
    return free / GB


def total_gb(kind: str) -> float:
    """All memory of the card, or of the machine as far as its container lets us have it."""
    found = device()
    if kind == "cuda" and found.kind == "cuda":
        return found.memory_gb
    limits = [size for limit, _ in CGROUP if (size := _number(limit))]
    return min([psutil.virtual_memory().total, *limits]) / GB


def memory_kills() -> int:
    """How often the system has ended a process for want of memory; 0 where it does not say (Linux alone does)."""
    found = 0
    for file in KILLS:
        try:
            lines = file.read_text().splitlines()
        except OSError:
            continue
        found += sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
    return found


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):  # no such file, or "max"
        return None


def require_disk(folder: Path, needed_gb: float, what: str) -> None:
    """Raise RunError unless the volume of this folder has room."""
    free = psutil.disk_usage(str(folder)).free / GB
    if free < needed_gb:
        raise RunError(
            f"The disk is too full for {what}: it needs about {needed_gb:.2f} GB and {free:.2f} GB are free. "
            "Delete old runs on the Runs tab, or make room, then try again."
        )


CPU_INFO = Path("/proc/cpuinfo")
BF16_FLAGS = {"avx512_bf16", "amx_bf16"}
AMPERE = 8.0  # compute capability from which cards compute in bf16


class Machine(NamedTuple):
    """What a run would have to itself."""

    device: Literal["cpu", "cuda"]
    precision: Literal["bf16", "fp32"]
    autocast: bool  # fp32 weights are computed with in bf16
    free: float  # bytes of memory
    disk: float  # bytes free where runs are kept

    @property
    def name(self) -> str:
        return "graphics card" if self.device == "cuda" else "machine"


def machine(place: PlaceSpec, method: MethodSpec, home: Path) -> Machine:
    """The place that these settings lead to."""
    card = device().kind == "cuda"
    kind: Literal["cpu", "cuda"] = "cuda" if card and place.device != "cpu" else "cpu"
    precision, autocast = precision_of(place, method, bf16(kind))
    free = free_gb(kind) * GB
    return Machine(kind, precision, autocast, free, psutil.disk_usage(str(home)).free)


def precision_of(
    place: PlaceSpec, method: MethodSpec, capable: bool
) -> tuple[Literal["bf16", "fp32"], bool]:
    """Precision of the weights, and whether it computes in bf16 all the same."""
    if place.precision != "auto":
        return place.precision, False
    if not capable:
        return "fp32", False
    whole = (
        not method.adapts or method.bias != "none" or bool(method.save)
    )  # weights that train themselves stay fp32
    return ("fp32", True) if whole else ("bf16", False)


@cache
def bf16(device: str) -> bool:
    """Whether this device computes in bf16 itself."""
    if device == "cuda":
        return _compute_capability() >= AMPERE
    if platform.system() != "Linux":
        return False
    try:
        lines = CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.startswith("flags")), "")
    return not BF16_FLAGS.isdisjoint(flags.split())


def _compute_capability() -> float:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return 0.0
    query = [tool, "--query-gpu=compute_cap", "--format=csv,noheader"]
    answer = subprocess.run(query, capture_output=True, text=True, timeout=20, check=False)
    try:
        return float(answer.stdout.partition("\n")[0])
    except ValueError:
        return AMPERE  # an older driver that does not say
