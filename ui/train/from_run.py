"""From a run on the Runs tab to another one: its settings in the form, on from its adapter, more epochs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from engine.errors import DataError, HoneError, ModelError, RunError
from engine.model.info import ModelInfo
from engine.runs import warm_start
from engine.spec.run import RunSpec
from ui import form
from ui.context import Context
from ui.data import add, tab
from ui.model import find
from ui.text import escape_html, line
from ui.train import settings

OF_DATA = tuple(path for path in form.DATA_PATHS if path != "data.seed")
OF_MODEL = ("model.source", "method.targets")


# --- handlers ---


def use(ctx: Context, picked: str) -> list[Any]:
    """A run's settings in the form; what has gone meanwhile is said, and left as it is."""
    run = ctx.engine.store.run(picked)
    spec, gone = run.spec, []
    if spec.model.start:
        try:
            warm_start.origin(ctx.engine.store, spec.model.start)
        except RunError:
            gone.append(
                "The run that it started from is gone, so the settings start from the base model."
            )
            spec = spec.model_copy(update={"model": spec.model.model_copy(update={"start": ""})})
    return filled(ctx, spec, f"The settings of “{run.meta['name']}”.", gone)


def train_on(ctx: Context, picked: str) -> list[Any]:
    """The same, to go on from its adapter."""
    run = warm_start.origin(ctx.engine.store, picked)
    return filled(
        ctx,
        warm_start.settings(run),
        f"The settings of “{run.meta['name']}”, on from its adapter.",
        [],
    )


def extend(ctx: Context, picked: str, epochs: float | None) -> tuple[gr.Tabs, str]:
    """Train a finished run for more epochs, and show it."""
    ctx.engine.extend(picked, epochs or 0.0)
    return gr.Tabs(selected="train"), picked


def tell_start(ctx: Context, start: str) -> tuple[Any, str]:
    """Which run's adapter the settings start from."""
    if not start:
        return gr.update(visible=False), ""
    try:
        name = str(warm_start.origin(ctx.engine.store, start).meta["name"])
        return gr.update(visible=True), line(f"Starts from the adapter of “{name}”.")
    except HoneError as error:
        return gr.update(visible=True), line(str(error), "bad")


def forget_start() -> str:
    """From the base model after all."""
    return ""


# --- the form ---


def filled(ctx: Context, spec: RunSpec, said: str, gone: list[str]) -> list[Any]:
    """Source that is set, recipe, note, group of target modules; then every widget, in the order of the form."""
    left: set[str] = set()
    try:
        for source in filter(None, (spec.data.source, spec.data.held_out_source)):
            ctx.load_dataset(source)
    except DataError as error:
        gone.append(f"{error} Choose other data on the Data tab.")
        left |= set(OF_DATA)
    info = None
    try:
        info = ctx.load_model(spec.model.source)
        named = info.targets(spec.method.targets)
    except (ModelError, RunError) as error:
        gone.append(f"{error} Choose another model on the Model tab.")
        left |= set(OF_MODEL)
        named = ()
    for text in gone:
        gr.Warning(escape_html(text), duration=20)
    shown = dict(zip(form.FORM_PATHS, form.widget_values(spec, None), strict=True))
    shown |= offered(ctx, spec, info, named)
    group = (
        gr.skip()
        if "method.targets" in left
        else settings.name_group(ctx, list(named), spec.model.source)
    )
    source = "" if "data.source" in left else spec.data.source
    note = line(f"{said} Change what you like, then press Start.")
    return [
        source, None, note, group,
        *(gr.skip() if path in left else shown[path] for path in form.FORM_PATHS),
    ]  # fmt: skip


def offered(
    ctx: Context, spec: RunSpec, info: ModelInfo | None, named: Sequence[str]
) -> dict[str, Any]:
    """What is chosen from lists, with the lists: Gradio refuses a form with what is not on offer."""
    data, held, model = spec.data.source, spec.data.held_out_source or "", spec.model.source
    found = {
        "data.source": gr.update(choices=add.dataset_choices(ctx), value=data),
        "data.held_out_source": gr.update(choices=tab.held_out_choices(ctx), value=held),
        "model.source": gr.update(choices=find.model_choices(ctx, model), value=model),
        "method.kind": gr.update(choices=form.field_choices("method.kind"), value=spec.method.kind),
    }
    return found | ({"method.targets": settings.targets(ctx, info, named)} if info else {})
