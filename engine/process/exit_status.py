"""Why a worker ended that could not say so: out of memory, killed, crashed, asked to end."""

from __future__ import annotations

import signal
import sys

from engine.store.run_dir import RunDir

# Stands in the log where the app has ended a worker for it.
MEMORY_LIMIT = "This process was ended: it used more memory than is allowed."
ENDED_AT_REQUEST = "You ended its process at once."
KILLED_CODE = -getattr(signal, "SIGKILL", 9)
CRASH_SIGNALS = {"SIGSEGV", "SIGABRT", "SIGBUS", "SIGILL", "SIGFPE", "SIGTRAP"}
# Windows ends a process that crashed with a status of its own, as an exit code.
WINDOWS_CRASHES = {
    0xC0000005: "an access violation",
    0xC000001D: "an illegal instruction",
    0xC0000409: "a damaged stack",
}


def ended_for_memory(run: RunDir, code: int, kills: int, log_size: int) -> bool:
    """Whether the system ended a run's worker because memory ran out.

    ``kills``: processes that the system has ended for this reason meanwhile. ``log_size``: bytes
    of the run's log before the worker began.
    """
    if code == KILLED_CODE and kills > 0:
        return True
    # The last words of the app, or of a library that found no memory and gave up.
    words = run.log.read_bytes()[log_size:][-2000:] if run.log.exists() else b""
    return code < 0 and (b"std::bad_alloc" in words or MEMORY_LIMIT.encode() in words)


def describe_start_failure(error: OSError) -> str:
    """Message for a worker that could not be started."""
    reason = error.strerror or error
    return (
        f"The process for it could not be started ({reason}). Close other programs, then try again."
    )


def describe_training_end(code: int, no_memory: bool, stopping: bool = False) -> str:
    """Message for a run whose worker ended; ``stopping``: the user had asked it to stop."""
    out_of_memory = "The system ended the training process because memory ran out"
    if no_memory and stopping:
        return f"{out_of_memory}, before the run had stopped."
    if no_memory:
        return (
            f"{out_of_memory}, and there is no smaller layout left to try. Set the longest example "
            "lower on the Data tab, choose the 4-bit method (QLoRA), or take a smaller model."
        )
    name = _signal_name(code)
    if name == "SIGTERM":
        return "The training process was asked to end by the system."
    if crash := _crash_name(code, name):
        return (
            f"The training process crashed ({crash}). That is a fault in a library or a driver, "
            "not in your data. If it happens after Continue, choose the precision fp32 under More "
            "settings. The end of the log shows what happened."
        )
    if code < 0:
        return (
            f"The training process was killed by the system (signal {-code}). If you did not do "
            "that, memory may have run out: lower the batch size or the longest example."
        )
    return f"The training process ended unexpectedly (exit code {code}). The log has the details."


def describe_merge_end(code: int, no_memory: bool) -> str:
    """Message for a merge whose worker ended."""
    if no_memory:
        return (
            "The system ended the merge because memory ran out. Close other programs, or choose "
            "bf16, which needs half as much."
        )
    if crash := _crash_name(code, _signal_name(code)):
        return f"The merge crashed ({crash}). Try again."
    return "The merge was ended by the system. Try again."


def _signal_name(code: int) -> str:
    try:
        return signal.Signals(-code).name if code < 0 else ""
    except ValueError:
        return ""


def _crash_name(code: int, name: str) -> str:
    if name in CRASH_SIGNALS:
        return f"signal {-code}, {name}"
    return WINDOWS_CRASHES.get(code & 0xFFFFFFFF, "") if sys.platform == "win32" else ""
