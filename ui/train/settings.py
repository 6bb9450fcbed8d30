"""The settings on the Train tab: how they are laid out, and which of them apply to the method, rows and model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr
from gradio.components import Component

from engine.errors import HoneError
from engine.model.info import ModelInfo
from engine.spec.objective import LABELS, goal_of
from ui import form
from ui.context import Context
from ui.form import TARGET_GROUPS
from ui.theme import raw_html

OWN = "own"  # target modules chosen one by one
# Under More settings, in columns of groups; what is not named here stands beside it.
ADAPTER = tuple(
    f"method.{name}"
    for name in ("dropout", "rslora", "init", "plus", "bias", "layers", "ranks", "save")
)
GROUPED = (
    {
        "Steps": ("optim.warmup", "optim.schedule", "optim.weight_decay", "data.seed"),
        "Memory": ("optim.accumulation", "optim.checkpointing", "optim.optimizer"),
    },
    {
        "While it trains": (
            "name",
            "sampling.checks",
            "sampling.save_minutes",
            "optim.patience",
            "sampling.prompts",
            "sampling.max_new_tokens",
        ),
        "Place": ("place.device", "place.precision"),
    },
)
TO_MORE = (
    '<button type="button" class="to-more" aria-controls="more">More settings'
    "<small>Layers, ranks of single parts, schedule, memory, checks, device</small></button>"
)
HEAD = "head"


@dataclass(frozen=True)
class Settings:
    """The widgets, and the boxes that come and go."""

    fields: dict[str, Component]
    group: gr.Radio
    methods: gr.HTML
    adapter: gr.Column
    preferring: gr.Column


def build(initial: dict[str, Any]) -> Settings:
    """Lay out what matters most, with these values."""
    fields: dict[str, Component] = {}
    add = partial(_add, fields, initial)
    # A list that gets shorter while it is open breaks in Gradio 6.31, so it starts as the first data will have it.
    fields["method.kind"] = form.make_widget(
        "method.kind", value=initial["method.kind"], choices=kinds(labels=False)
    )
    methods = raw_html(elem_id="methods")
    with gr.Column(elem_id="adapter") as adapter:
        add("method.rank", "method.alpha")
        group = _group()
        add("method.targets")
    with gr.Column(visible=False, elem_id="preferring") as preferring:
        add("method.preference", "method.beta")
    add("optim.epochs", "optim.learning_rate", "optim.batch_size")
    raw_html(TO_MORE, js_on_load="HoneMore(element)", elem_id="to-more")
    return Settings(fields, group, methods, adapter, preferring)


def build_more(initial: dict[str, Any], settings: Settings) -> gr.Column:
    """The rest, where there is more room; gives the box of what concerns an adapter."""
    add = partial(_add, settings.fields, initial)
    with gr.Accordion("More settings", open=False, elem_id="more"), gr.Row(equal_height=False):
        with gr.Column(min_width=250, elem_id="adapter-more") as box:
            raw_html('<h4 class="group">Adapter</h4>')
            add(*ADAPTER)
        for column in GROUPED:
            with gr.Column(min_width=250):
                for title, paths in column.items():
                    raw_html(f'<h4 class="group">{title}</h4>')
                    add(*paths)
    return box


def _add(fields: dict[str, Component], initial: dict[str, Any], *paths: str) -> None:
    for path in paths:
        fields[path] = form.make_widget(path, value=initial[path])


def _group() -> gr.Radio:
    named = [(label, group) for group, label in TARGET_GROUPS.items()]
    return gr.Radio(
        [*named, ("My own choice", OWN)],
        value="all",
        label="Where the adapter goes",
        info="A group of target modules, or choose them one by one below.",
        elem_id="group",
    )


# --- handlers ---


def arrange(ctx: Context, *values: Any) -> list[Any]:
    """Show what applies to the method and the rows, and hide the rest as it is."""
    adapts = values[form.FORM_PATHS.index("method.kind")] not in (HEAD, "full")
    return [
        gr.update(visible=visible)
        for visible in (adapts, adapts, goal_now(ctx, values) == "prefer")
    ]


def offer_kinds(ctx: Context, *values: Any) -> Any:
    """The methods that make sense for the goal; not bound to the method's own change, which it would cause again."""
    kind, labels = values[form.FORM_PATHS.index("method.kind")], goal_now(ctx, values) in LABELS
    # Only what must change: another may have been chosen meanwhile.
    changed = {"value": "lora"} if kind == HEAD and not labels else {}
    return gr.update(choices=kinds(labels), **changed)


def kinds(labels: bool) -> list[tuple[str, str]]:
    """The methods for rows with labels, or without."""
    return [
        (name, value)
        for name, value in form.field_choices("method.kind")
        if value != HEAD or labels
    ]


def goal_now(ctx: Context, values: Sequence[Any]) -> str:
    """What the settings would teach; to write, where they contradict the rows."""
    try:
        spec = form.read_data_spec(values[form.FORM_PATHS.index(path)] for path in form.DATA_PATHS)
        info = ctx.known_model(values[form.FORM_PATHS.index("model.source")])
        return goal_of(spec, ctx.prepare(spec).shape, info.tasks if info else ("write",))
    except HoneError:
        return "write"


def choose_model(ctx: Context, model: str, group: str, names: list[str]) -> Any:
    """The target modules that this model really has."""
    info = ctx.known_model(model)
    if info is None:
        # The names of the model before stay on offer: a form that is on its way may still hold them.
        return gr.update(
            choices=[*dict.fromkeys([form.ALL_LINEAR, *names])], value=[form.ALL_LINEAR]
        )
    known = [module.name for module in info.adaptable]
    kept = [name for name in names if name in known]
    return targets(
        ctx, info, kept if group == OWN and kept else info.groups.get(group, info.groups["all"])
    )


def targets(ctx: Context, info: ModelInfo, value: Sequence[str]) -> Any:
    """These target modules, always together with what is on offer: Gradio refuses a form with others.

    A form that is on its way may still hold all linear layers, or names of the model before: they stay on offer,
    and the page hides them.
    """
    counts = Counter[str]()
    for module in info.adaptable:
        counts[module.name] += module.count
    named = [(f"{name} ({times}×)", name) for name, times in counts.items()]
    hidden = [("", name) for name in ctx.linear_layer_names() if name not in counts]
    return gr.update(
        choices=[*named, *hidden, (form.ALL_LINEAR_LABEL, form.ALL_LINEAR)], value=list(value)
    )


def choose_group(ctx: Context, group: str, model: str) -> Any:
    """The modules of a group."""
    info = ctx.known_model(model)
    return gr.skip() if info is None or group == OWN else targets(ctx, info, info.groups[group])


def name_group(ctx: Context, names: list[str], model: str) -> str:
    """The group that these modules are, or "my own choice"."""
    info = ctx.known_model(model)
    groups = info.groups if info else {}
    return next((group for group in reversed(groups) if set(groups[group]) == set(names)), OWN)


def all_paths() -> tuple[str, ...]:
    """Every setting that stands on this tab."""
    elsewhere = {path for path in form.DATA_PATHS if path != "data.seed"} | {"model.source"}
    return tuple(path for path in form.FORM_PATHS if path not in elsewhere)
