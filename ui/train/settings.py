"""The settings on the Train tab: three questions, the rest under More, and which of them apply."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from engine.data.goal import ANY_TASK, decided_goal
from engine.errors import HoneError
from engine.model.info import ALL_LINEAR, ModelInfo
from engine.spec.objective import LABEL_OBJECTIVES
from ui import form
from ui.choices import OWN_CHOICE
from ui.context import Context
from ui.form import TARGET_GROUPS
from ui.theme import raw_html
from ui.train.places import FOLDS

HEAD_KIND = "head"  # the method that trains only a new head
# The questions: label and help of their widgets.
QUESTIONS = {
    "optim.epochs": ("How long? (epochs)", "Passes over all rows."),
    "method.rank": ("How strong? (rank)", "More learns more, and needs more memory."),
}
# Under More, each in a fold of its own, whose fields are those of ``places.FOLDS``.
MORE_FOLDS = {
    "more-steps": "Steps",
    "more-during-training": "During training",
    "more-memory-and-hardware": "Memory and hardware",
}


class Settings:
    """The widgets, and the boxes that are hidden where they do not apply."""

    def __init__(self, initial: Mapping[str, Any]) -> None:
        """Lay out the settings, with these values."""
        self.initial = initial
        self.fields: dict[str, Any] = {}  # by path
        self._add_fields("optim.epochs")
        with gr.Column(elem_id="adapter") as self.adapter:
            self._add_fields("method.rank")
            self.sum = raw_html(elem_id="sum")  # what that comes to, where the figures are far off
            self.group = _build_group()
        with gr.Accordion("More settings", open=False, elem_id="more"):
            self._build_more()

    def _build_more(self) -> None:
        # An open list that gets shorter breaks in Gradio 6.31, so it starts with the choices for
        # the first data.
        kinds = {"value": self.initial["method.kind"], "choices": method_choices(labels=False)}
        self.fields["method.kind"] = form.make_widget("method.kind", **kinds)
        self.methods = raw_html(elem_id="methods")
        self._add_fields("optim.learning_rate", "optim.batch_size", "model.start")
        # Hidden where they do not apply.
        self.more = self._add_fold("more-adapter", "Adapter")
        self.preferring = self._add_fold("more-preferences", "Preferences", visible=False)
        for name, title in MORE_FOLDS.items():
            self._add_fold(name, title)

    def _add_fold(self, name: str, title: str, visible: bool = True) -> gr.Accordion:
        with gr.Accordion(title, open=False, elem_id=name, visible=visible) as fold:
            self._add_fields(*FOLDS[name])
        return fold

    def _add_fields(self, *paths: str) -> None:
        for path in paths:
            asked = dict(zip(("label", "info"), QUESTIONS.get(path, ()), strict=False))
            self.fields[path] = form.make_widget(path, value=self.initial[path], **asked)


def _build_group() -> gr.Radio:
    named = [(label, group) for group, label in TARGET_GROUPS.items()]
    return gr.Radio(
        [*named, ("My own choice", OWN_CHOICE)],
        value="all",
        label="Where? (target modules)",
        info="The parts of the model that get an adapter; single ones under More settings.",
        elem_id="group",
    )


# --- handlers ---


def show_applicable(ctx: Context, values: Mapping[str, Any]) -> dict[str, Any]:
    """Show the boxes that apply to the method and the rows; the others keep their values."""
    adapts = values["method.kind"] not in (HEAD_KIND, "full")
    return {
        "adapter": gr.update(visible=adapts),
        "more": gr.update(visible=adapts),
        "preferring": gr.update(visible=current_goal(ctx, values) == "prefer"),
    }


def offer_methods(ctx: Context, **values: Any) -> Any:
    """The methods for the current goal. Not run when the method changes, which it would repeat."""
    labels = current_goal(ctx, values) in LABEL_OBJECTIVES
    choices = method_choices(labels)
    # The value only where it must change: another may have been chosen meanwhile.
    if values["method.kind"] == HEAD_KIND and not labels:
        return gr.update(choices=choices, value="lora")
    return gr.update(choices=choices)


def method_choices(labels: bool) -> list[tuple[str, str]]:
    """The methods for rows with labels, or without."""
    choices = form.field_choices("method.kind")
    return choices if labels else [(name, kind) for name, kind in choices if kind != HEAD_KIND]


def current_goal(ctx: Context, values: Mapping[str, Any]) -> str:
    """The goal of the settings; ``write`` where they contradict the rows."""
    try:
        spec = form.read_data_spec(values)
        info = ctx.known_model(values["model.source"])
        return decided_goal(spec, ctx.prepare(spec), info.tasks if info else ANY_TASK)
    except HoneError:
        return "write"


def targets_of_model(ctx: Context, model: str, group: str, names: list[str]) -> Any:
    """The target modules of another model: those of the group, or the chosen ones that it has."""
    info = ctx.known_model(model)
    if info is None:
        # A form in flight may still hold names of the previous model, so they remain choices.
        choices = [*dict.fromkeys([ALL_LINEAR, *names])]
        return gr.update(choices=choices, value=[ALL_LINEAR])
    known = {module.name for module in info.adaptable}
    kept = [name for name in names if name in known]
    if group == OWN_CHOICE and kept:
        return target_choices(ctx, info, kept)
    return target_choices(ctx, info, info.groups.get(group, info.groups["all"]))


def target_choices(ctx: Context, info: ModelInfo, value: Sequence[str]) -> Any:
    """These target modules together with the choices, since Gradio refuses a value that is none.

    A form in flight may still hold all linear layers, or names of the previous model: they remain
    choices without a label, which the page hides.
    """
    counts = Counter[str]()
    for module in info.adaptable:
        counts[module.name] += module.count
    named = [(f"{name} ({times}×)", name) for name, times in counts.items()]
    hidden = [("", name) for name in ctx.linear_layer_names() if name not in counts]
    choices = [*named, *hidden, (form.ALL_LINEAR_LABEL, ALL_LINEAR)]
    return gr.update(choices=choices, value=list(value))


def targets_of_group(ctx: Context, group: str, model: str) -> Any:
    """The target modules of a group."""
    info = ctx.known_model(model)
    if info is None or group == OWN_CHOICE:
        return gr.skip()
    return target_choices(ctx, info, info.groups[group])


def group_of_targets(ctx: Context, names: Sequence[str], model: str) -> str:
    """The group with exactly these target modules, or the own choice."""
    info = ctx.known_model(model)
    groups = info.groups if info else {}
    matching = (group for group in reversed(groups) if set(groups[group]) == set(names))
    return next(matching, OWN_CHOICE)
