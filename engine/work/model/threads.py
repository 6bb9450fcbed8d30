"""How many threads compute a training pass on the processor: one, where the pass is small.

A small pass consists of thousands of small operations, and waking the other threads for each takes
longer than the operation. It also takes the cores from the page and from other programs. The same
run has the same number at every attempt: it follows from the settings and the rows alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# FLOPs of a forward and backward pass up to which one thread is as fast as two or faster
# (docs/performance.md): a third of a second of one core.
ONE_THREAD_FLOPS = 40e9
MEASURED_THREADS = 2  # with more than these it was not measured, so the library decides


@contextmanager
def suited_threads(flops: float, device: torch.device) -> Iterator[None]:
    """A block that computes passes of so many FLOPs, with the number of threads that suits them.

    OMP_NUM_THREADS in the environment decides where it is set.
    """
    before = torch.get_num_threads()
    small = flops <= ONE_THREAD_FLOPS and before <= MEASURED_THREADS
    if device.type == "cpu" and small and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
