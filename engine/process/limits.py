"""Limits that a child process puts on itself as it starts; the app passes them to it.

They are the second line: the app looks at its children, too (engine.process.child,
engine.process.run), and can say which limit one has met.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
from typing import NamedTuple

from engine.spec.limits import UNLIMITED, Limits

VARIABLE = "HONE_CHILD_LIMITS"  # of the environment
SPARE_SECONDS = 30  # that a child may take longer before the system ends it


class ChildLimits(NamedTuple):
    """What a child process may use; ``UNLIMITED`` where only the machine limits it."""

    memory: float = UNLIMITED  # bytes
    cpu_seconds: float = UNLIMITED  # of processor time
    file_bytes: float = UNLIMITED  # of one file that it writes

    def as_environment(self) -> dict[str, str]:
        """The variable by which a child learns them."""
        return {VARIABLE: json.dumps([one if math.isfinite(one) else None for one in self])}


def child_limits(limits: Limits) -> ChildLimits:
    """The limits of children in a mode."""
    return ChildLimits(limits.child_memory, limits.child_cpu_seconds, limits.child_file_bytes)


def own_limits() -> ChildLimits:
    """The limits that this process was started with."""
    try:
        found = json.loads(os.environ.get(VARIABLE, "[]"))
    except ValueError:
        return ChildLimits()
    return ChildLimits(*(UNLIMITED if one is None else float(one) for one in found))


def hold_to_files() -> None:
    """Bound the files that this process writes; a longer one fails with an OSError (EFBIG)."""
    _lower("RLIMIT_FSIZE", own_limits().file_bytes)


def hold_to_processor_time() -> None:
    """Bound this process's processor time, for one that answers a single question."""
    _lower("RLIMIT_CPU", own_limits().cpu_seconds + SPARE_SECONDS)


def _lower(name: str, most: float) -> None:
    """Lower one of the system's limits; it is left where it is lower already."""
    with contextlib.suppress(ImportError):  # not on Windows
        import resource

        kind = getattr(resource, name)
        soft, hard = resource.getrlimit(kind)
        if math.isfinite(most) and (soft == resource.RLIM_INFINITY or most < soft):
            resource.setrlimit(kind, (int(most), hard))
