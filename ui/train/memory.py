"""The memory that the form's settings need, and the drawing that sets target modules.

Both are on the Model tab (ui.model.tab) and need the whole form: ui.train.start_card shows them
together with the plan.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr
from gradio.components import Component

from engine import hardware
from engine.errors import HoneError
from engine.estimate.case import Case
from engine.estimate.forecast import forecast_run
from engine.model.info import ALL_LINEAR
from engine.runs.plan import Known, make_case
from engine.spec.objective import ObjectiveKind
from engine.spec.run import RunSpec
from ui import form
from ui.context import Context
from ui.handlers import QUIET, bind, event_text
from ui.model import diagram
from ui.model.tab import ModelTab
from ui.text import line, status_box
from ui.train.memory_card import memory_card, memory_verdict
from ui.train.recipes import SET_BY_HAND

MEMORY_WAITING = line("The memory estimate comes once the model is read.", "wait")


def wire_drawing(
    ctx: Context, tab: ModelTab, targets: Component, recipe: Sequence[Component]
) -> None:
    """Take target modules from the drawing; ``recipe``, the chosen one and its note, then ends."""
    for pressed in (tab.map.toggle_part, tab.map.take_group):
        pressed(None, None, list(recipe), js=SET_BY_HAND, api_visibility="private")
    tab.map.toggle_part(bind(toggle_module, ctx), [tab.source, targets], targets, **QUIET)
    tab.map.take_group(bind(take_group, ctx), tab.source, targets, **QUIET)


# --- handlers ---


def show_memory(ctx: Context, values: Mapping[str, Any]) -> dict[str, Any]:
    """Verdict, drawing (``map``) and memory for the form's settings."""
    try:
        spec = _spec_of(values)
    except HoneError as error:
        return {"verdict": status_box("bad", "Check the settings", str(error))}
    case, problem = _case_of(ctx, spec)
    if case is None:
        return {"verdict": "", "map": "", "memory": MEMORY_WAITING}
    layers = diagram.layer_diagram(case.info, spec.method, max(2, case.labels))
    shown = {"map": json.dumps(layers)}
    try:
        estimate = forecast_run(case, spec)
    except HoneError as error:
        title = "These settings do not fit this model"
        return shown | {"verdict": status_box("bad", title, problem or str(error)), "memory": ""}
    verdict = status_box(*memory_verdict(estimate, case))
    if problem:
        verdict = status_box("warn", "Data and model do not go together yet", problem)
    return shown | {"verdict": verdict, "memory": memory_card(estimate, case, spec)}


def toggle_module(ctx: Context, model: str, names: list[str], event: gr.EventData) -> list[str]:
    """Add a target module, or remove it; the field on the Train tab holds them."""
    return diagram.toggle_target(ctx.load_model(model), names, event_text(event, "name"))


def take_group(ctx: Context, model: str, event: gr.EventData) -> list[str]:
    """The target modules of a group."""
    groups = ctx.load_model(model).groups
    return list(groups.get(event_text(event, "name"), groups["all"]))


def _spec_of(values: Mapping[str, Any]) -> RunSpec:
    """The settings, even without target modules, so that the drawing can say so."""
    if values["method.targets"]:
        return form.read_spec(values)
    spec = form.read_spec({**values, "method.targets": [ALL_LINEAR]})
    return spec.model_copy(update={"method": spec.method.model_copy(update={"targets": ()})})


def _case_of(ctx: Context, spec: RunSpec) -> tuple[Case | None, str]:
    """What memory depends on, None until the model is read; and how data and model disagree."""
    info = ctx.known_model(spec.model.source)
    if info is None:
        return None, ""
    try:
        prepared = ctx.prepare(spec.data)
        row_lengths = ctx.known_lengths(spec.model.source, prepared, spec.data)
        known = Known(prepared=prepared, info=info, lengths=row_lengths)
        return make_case(ctx.engine.store, ctx.engine.desk, spec, known), ""
    except HoneError as error:
        machine = hardware.choose_machine(spec.place, spec.method, ctx.engine.store.root)
        goal: ObjectiveKind = "classify" if info.task == "classify" else "write"
        return Case(info, goal, 1, 2, None, machine, spec.data.max_length), str(error)
