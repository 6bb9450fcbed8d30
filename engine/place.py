"""Where a run would take place, told without torch: device, precision, free memory and disk.

The worker decides again with torch (engine.work.load.choose_place); a test holds the two together.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

import psutil

from engine import hardware
from engine.method import MethodSpec
from engine.spec import PlaceSpec

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
    found = hardware.device().kind
    device: Literal["cpu", "cuda"] = "cuda" if found == "cuda" and place.device != "cpu" else "cpu"
    precision, autocast = precision_of(place, method, bf16(device))
    free = hardware.free_gb(device) * hardware.GB
    return Machine(device, precision, autocast, free, psutil.disk_usage(str(home)).free)


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
