"""Limits within which a chat template renders: it is a stranger's program.

Jinja's sandbox keeps it from files and other objects, not from loops of 10 thousand million turns
or texts of 10 GB. A timer of the system ends the one, a limit on this process's memory the other.
"""

from __future__ import annotations

import _weakrefset
import contextlib
import os
import signal
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from engine.errors import ModelError

RENDER_SECONDS = 3.0  # of processor time for one conversation; a long one takes milliseconds
RING_AGAIN = 0.1  # seconds after an error that something has swallowed
CLEANERS = (weakref.__file__, _weakrefset.__file__)
RENDER_MEMORY = 512 * 2**20  # bytes beyond what the process has
# Characters that a template may add to its messages, and times that it may repeat them.
MOST_CHARACTERS, MOST_REPEATS = 1_000_000, 8
TEMPLATE_ADVICE = "Choose another chat format (template) on the Data tab, or another model."
USED_MEMORY = Path("/proc/self/statm")  # Linux: pages, the sixth number of them for data


class RenderTimeError(Exception):
    """A template has used up its processor time."""


@contextlib.contextmanager
def limit_rendering() -> Iterator[None]:
    """A block for a template; raises ModelError where it takes too long or too much memory."""
    try:
        with _limited_time(), _limited_memory():
            yield
    except RenderTimeError:
        raise ModelError(
            f"The model's chat template takes too long: more than {RENDER_SECONDS:.0f} seconds of "
            f"processor time for one conversation. {TEMPLATE_ADVICE}"
        ) from None
    except MemoryError:
        raise ModelError(
            "The model's chat template takes too much memory for one conversation. "
            f"{TEMPLATE_ADVICE}"
        ) from None
    except RecursionError:
        raise ModelError(
            f"The model's chat template calls itself without end. {TEMPLATE_ADVICE}"
        ) from None


def require_proportion(text: str, messages: Any) -> None:
    """Raise ModelError where a template has written far more than its messages hold."""
    size = len(text)
    if size > MOST_CHARACTERS and size > MOST_CHARACTERS + MOST_REPEATS * len(str(messages)):
        raise ModelError(
            f"The model's chat template writes {size:,} characters for one conversation. "
            f"{TEMPLATE_ADVICE}"
        )


@contextlib.contextmanager
def _limited_time() -> Iterator[None]:
    """Raise RenderTimeError in the block after so much processor time."""
    # Not on Windows; and only the main thread hears signals. There the app's deadline has to do.
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not hasattr(signal, "setitimer") or not in_main_thread:
        yield
        return
    running = True

    def ring(_: int, frame: FrameType | None) -> None:
        # Nobody would hear of an error while a weak reference or an object is cleaned up.
        cleaning = frame and (
            frame.f_code.co_filename in CLEANERS or frame.f_code.co_name == "__del__"
        )
        if running and not cleaning:
            raise RenderTimeError

    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, RENDER_SECONDS, RING_AGAIN)
    try:
        yield
    finally:
        running = False
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@contextlib.contextmanager
def _limited_memory() -> Iterator[None]:
    """Make the system refuse more memory in the block, which is then a MemoryError."""
    try:
        import resource

        used = int(USED_MEMORY.read_bytes().split()[5]) * os.sysconf("SC_PAGE_SIZE")
    except (ImportError, OSError, IndexError, ValueError):  # not Linux
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = used + RENDER_MEMORY
    most = wanted if soft == resource.RLIM_INFINITY else min(wanted, soft)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
