"""Starting from the result of another run: every weight is taken over, or the run is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from peft import set_peft_model_state_dict
from safetensors.torch import load_file

from engine.errors import ModelError, RunError
from engine.model import weights
from engine.store.run_dir import RunDir
from engine.work.model.base_and_tuned import is_whole_model
from engine.work.model.load import adapter_shapes

ADAPTER_FILE = "adapter_model.safetensors"


def start_model_folder(run: RunDir) -> Path | None:
    """The folder of a fully trained model that the run starts from; None where it has none."""
    return run.start if is_whole_model(run.start) else None


def load_start_adapter(model: Any, run: RunDir) -> None:
    """Load the weights of the adapter that the run starts from, if any; raises RunError."""
    file = run.start / ADAPTER_FILE
    if not file.is_file():
        return
    try:
        saved = weights.read_shapes(file)
    except ModelError:
        raise RunError(
            f"The adapter to start from ({file}) is damaged. Start a new run from another one."
        ) from None
    shapes = adapter_shapes(model)
    if wrong := sorted(name for name in {*shapes, *saved} if shapes.get(name) != saved.get(name)):
        raise RunError(
            f"The adapter to start from does not fit these settings: {len(wrong)} of its parts "
            f"differ, such as {wrong[0].removeprefix('base_model.model.')}. Take the same model, "
            "labels, target modules and rank as its run ('Train on from here' on the Runs tab sets "
            "them)."
        )
    set_peft_model_state_dict(model, load_file(file))
