"""What must hold before a job of an existing run is queued; each function raises HoneError."""

from __future__ import annotations

from engine.errors import RunError, SpecError
from engine.model import fingerprint, local
from engine.store.run_dir import RunDir
from engine.store.run_view import RunState


def require_result(run: RunDir, verb: str, then: str = "") -> None:
    """The run has saved something and does nothing now."""
    if not run.has_result:
        raise RunError(f"This run has not saved anything yet, so there is nothing to {verb}.")
    if run.is_busy:
        raise RunError(
            f"This run is still working or waiting. Wait until it is done, then {then or verb}."
        )


def require_base(run: RunDir) -> None:
    """The base model is there, and is the one that the run began with."""
    folder = local.checked_folder(run.spec.model.source)
    fingerprint.require_same_base(run.view().model_hash, folder)


def require_continuable(run: RunDir) -> None:
    """The run ended early, and no other job of it works or waits."""
    state = run.state()
    if not state.can_continue or run.is_busy:
        working = " Another job of it is running or waiting." if state.can_continue else ""
        raise RunError(f"'{run.name}' cannot be continued: it is {state.value}.{working}")


def require_extendable(run: RunDir, epochs: float) -> None:
    """The run is finished and has a checkpoint to go on from."""
    name, state = run.name, run.state()
    if state != RunState.FINISHED or run.is_busy:
        next_step = "Continue it first." if state.can_continue else "Wait until it is done."
        if state == RunState.IMPORTED:
            next_step = "Train on from its adapter."
        raise RunError(
            f"'{name}' cannot be trained for more epochs now: it is {state.value}. {next_step}"
        )
    if not any(run.checkpoints.glob("checkpoint-*")):
        raise RunError(
            f"The checkpoints of '{name}' are gone, so it cannot go on. Train on from its adapter."
        )
    if not epochs > 0:
        raise SpecError(f"More epochs: must be more than 0; it is {epochs}.")
