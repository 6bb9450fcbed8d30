"""This worker's memory: how much it uses, and whether an error says that there is no more."""

from __future__ import annotations

import gc
import re
from pathlib import Path

import psutil
import torch

from engine.hardware import GB

MEMORY_ERRORS = (
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "out of memory",
    "alloc_failed",
    # oneDNN, which finds no room for its workspace
    "could not create a primitive",
    "could not create a memory",
)


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: every library and device words it differently."""
    text = str(error).lower()
    known = isinstance(error, torch.OutOfMemoryError | MemoryError)
    return known or any(words in text for words in MEMORY_ERRORS)


def release_memory() -> None:
    """Free what nothing holds any more; on a card, also for other processes."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def memory_gb() -> float:
    """Peak memory so far: of the card's allocator on a GPU, of this process otherwise."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / GB
    if psutil.WINDOWS:
        return float(psutil.Process().memory_info().peak_wset) / GB  # type: ignore[attr-defined]
    if psutil.LINUX:
        # getrusage's peak would be that of the process that started this one, if that was larger.
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
        return int(found[1]) * 1024 / GB if found else 0.0
    import resource  # not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / GB  # macOS counts bytes
