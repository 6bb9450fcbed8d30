"""Where a setting's widget is on the page: its tab, and the folds that it is in."""

from __future__ import annotations

from ui.form import DATA_PATHS

# The ids of the folds that fields are in, for links that lead to them; others are in sight.
FOLDS = {
    "more-adapter": (
        "method.alpha",
        "method.targets",
        "method.dropout",
        "method.rslora",
        "method.init",
        "method.plus",
        "method.bias",
        "method.layers",
        "method.ranks",
        "method.save",
    ),
    "more-preferences": ("method.preference", "method.beta"),
    "more-steps": (
        "optim.accumulation",
        "optim.warmup",
        "optim.schedule",
        "optim.weight_decay",
        "data.seed",
    ),
    "more-during-training": (
        "name",
        "sampling.checks",
        "sampling.save_minutes",
        "optim.patience",
        "sampling.prompts",
        "sampling.max_new_tokens",
    ),
    "more-memory-and-hardware": (
        "optim.checkpointing",
        "optim.optimizer",
        "place.device",
        "place.precision",
    ),
    "learning": ("data.learn", "data.max_length", "data.system", "data.template"),
    "splitting": ("data.held_out", "data.held_out_source"),
}
IN_SIGHT = ("data.source", "model.source", "method.rank", "optim.epochs")


def tab_of(path: str) -> str:
    """The tab that a field's widget is on."""
    if path == "model.source":
        return "model"
    return "data" if path in DATA_PATHS and path != "data.seed" else "train"


def folds_of(path: str) -> str:
    """The ids of the folds that a field's widget is in, the outer one first; empty in sight."""
    named = next((fold for fold, paths in FOLDS.items() if path in paths), "")
    outer = "more" if tab_of(path) == "train" and path not in IN_SIGHT else ""
    return f"{outer} {named}".strip()
