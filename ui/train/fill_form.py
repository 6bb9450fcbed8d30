"""Fills the form at once: for other data, or from a run on the Runs tab; and extends a run."""

from __future__ import annotations

import secrets
from typing import Any

import gradio as gr

from engine.errors import DataError, HoneError, ModelError, RunError
from engine.runs import warm_start
from engine.spec import presets
from engine.spec import run as specs
from engine.spec.run import RunSpec
from engine.store.run_dir import RunDir
from ui import form
from ui.context import Context
from ui.data import intake
from ui.model import choose
from ui.text import escape_html, line
from ui.train import settings
from ui.train.recipes import OWN_SETTINGS, RECOMMENDED
from ui.train.settings import target_choices

ROW_FIELDS = (
    "data.shape", "data.roles", "data.goal", "data.fixes", "data.left_out", "data.held_out_source",
    "data.max_length",
)  # fmt: skip
DATA_FIELDS = tuple(path for path in form.DATA_PATHS if path != "data.seed")
MODEL_FIELDS = ("model.source", "method.targets")


# --- other data ---


def choose_data(
    ctx: Context, source: str, model: str, start: str = "", filled: str = ""
) -> dict[str, Any]:
    """Fields by path, ``recipe``, ``settled``: the source once the form fits it, and a new mark.

    ``filled`` is the source that was set together with all other fields (ui.train.fill_form): they
    stay until another is chosen, since Gradio may report one change twice. ``start`` is the run
    whose adapter the settings start from: it decides model and method.
    """
    if source == filled:
        return {"settled": source, "chosen": secrets.token_hex(4)}
    settled = {"settled": source, "chosen": secrets.token_hex(4), "filled": ""}
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


# --- a run ---


def use_settings(ctx: Context, picked: str) -> dict[str, Any]:
    """Put a run's settings into the form; what no longer exists is named and left as it is."""
    run = ctx.engine.store.run(picked)
    spec, problems = warm_start.spec_to_repeat(run), []
    if spec.model.start:
        try:
            warm_start.origin_run(ctx.engine.store, spec.model.start)
        except RunError:
            problems.append(
                "The run whose adapter it started from is gone, so the settings start from the "
                "base model."
            )
            spec = spec.model_copy(update={"model": spec.model.model_copy(update={"start": ""})})
    return form_updates(
        ctx, spec, f"The settings of “{run.meta['name']}”.", problems, _has_data(run)
    )


def use_adapter(ctx: Context, picked: str) -> dict[str, Any]:
    """Put a run's settings into the form, to continue from its adapter."""
    run = warm_start.origin_run(ctx.engine.store, picked)
    note = f"The settings of “{run.meta['name']}”, starting from its adapter."
    return form_updates(ctx, warm_start.warm_start_spec(run), note, [], _has_data(run))


def _has_data(run: RunDir) -> bool:
    """Whether it has rows: an adapter that was added without data leaves the form's as they are."""
    return bool(run.meta["data"])


def extend_run(ctx: Context, picked: str, epochs: float | None) -> tuple[gr.Tabs, str]:
    """Train a finished run for more epochs, and show it."""
    ctx.engine.extend(picked, epochs or 0.0)
    return gr.Tabs(selected="train"), picked


def show_start(ctx: Context, start: str) -> tuple[Any, str]:
    """The box that says which run's adapter the settings start from."""
    if not start:
        return gr.update(visible=False), ""
    try:
        name = str(warm_start.origin_run(ctx.engine.store, start).meta["name"])
        return gr.update(visible=True), line(f"Starts from the adapter of “{name}”.")
    except HoneError as error:
        return gr.update(visible=True), line(str(error), "bad")


# --- the form ---


def form_updates(
    ctx: Context, spec: RunSpec, note: str, problems: list[str], with_data: bool = True
) -> dict[str, Any]:
    """Fields by path, ``group``, ``recipe``, ``note``, and in ``filled`` the source of the data.

    Fields whose data or model no longer exists are left out, and the page shows why.
    """
    source, model = spec.data.source, spec.model.source
    updates = form.widget_values(spec, None) | offered_values(ctx, spec)
    missing: set[str] = set() if with_data else set(DATA_FIELDS)
    try:
        for one in filter(None, (source, spec.data.held_out_source)):
            ctx.load_dataset(one)
    except DataError as error:
        problems.append(f"{error} Choose other data on the Data tab.")
        missing |= set(DATA_FIELDS)
    try:
        info = ctx.load_model(model)
        names = info.resolve_targets(spec.method.targets)
        updates["method.targets"] = target_choices(ctx, info, names)
        updates["group"] = settings.group_of_targets(ctx, names, model)
    except (ModelError, RunError) as error:
        problems.append(f"{error} Choose another model on the Model tab.")
        missing |= set(MODEL_FIELDS)
    for text in problems:
        gr.Warning(escape_html(text), duration=20)
    return {path: value for path, value in updates.items() if path not in missing} | {
        "filled": "" if "data.source" in missing else source,
        "recipe": OWN_SETTINGS,
        "note": line(f"{note} Change what you like, then press Start."),
    }


def offered_values(ctx: Context, spec: RunSpec) -> dict[str, Any]:
    """Values of lists together with their choices, since Gradio refuses a value that is none."""
    data, held, model = spec.data.source, spec.data.held_out_source or "", spec.model.source
    return {
        "data.source": gr.update(choices=intake.dataset_choices(ctx), value=data),
        "data.held_out_source": gr.update(choices=intake.held_out_choices(ctx), value=held),
        "model.source": gr.update(choices=choose.model_choices(ctx, model), value=model),
        "method.kind": gr.update(choices=form.field_choices("method.kind"), value=spec.method.kind),
    }
