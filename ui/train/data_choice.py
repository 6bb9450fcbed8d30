"""Settings for other data: a sample brings its own; for a file only those of the rows change."""

from __future__ import annotations

from typing import Any

from engine.spec import presets
from engine.spec import run as specs
from engine.spec.run import RunSpec
from ui import form
from ui.context import Context
from ui.train.recipes import RECOMMENDED
from ui.train.settings import target_choices

ROW_FIELDS = (
    "data.shape", "data.roles", "data.fixes", "data.left_out", "data.held_out_source",
)  # fmt: skip


def choose_data(
    ctx: Context, source: str, model: str, start: str = "", filled: str = ""
) -> dict[str, Any]:
    """Fields by path, ``recipe``, and ``settled``: the source once the form fits it.

    ``filled`` is the source that was set together with all other fields (ui.train.from_run): they
    stay until another is chosen, since Gradio may report one change twice. ``start`` is the run
    whose adapter the settings start from: it decides model and method.
    """
    if source == filled:
        return {"settled": source}
    settled = {"settled": source, "filled": ""}
    if not source.startswith("sample:"):
        fresh = form.widget_values(RunSpec(), None)
        return settled | {path: fresh[path] for path in ROW_FIELDS}
    info = ctx.known_model(model)
    updates = form.widget_values(suited_spec(source), info)
    targets = updates.pop("method.targets")
    if info:  # otherwise they follow once the model is read
        updates["method.targets"] = target_choices(ctx, info, targets)
    if start:
        kept = [path for path in updates if path.startswith(("method.", "model."))]
    else:
        kept = ["model.start"]
        updates["recipe"] = RECOMMENDED
    for path in ("data.source", "model.source", *kept):
        updates.pop(path, None)
    return settled | updates


def suited_spec(source: str) -> RunSpec:
    """The settings that a sample brings; the defaults for any other data."""
    values = presets.sample_values(source)
    return specs.make_spec(values) if values else RunSpec()
