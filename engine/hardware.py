"""This machine: its processor, memory, disk and graphics cards, without importing torch."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import NamedTuple

import psutil

from engine.errors import RunError

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
