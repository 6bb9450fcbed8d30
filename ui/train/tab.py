"""The Train tab: settings on the left, the run on the right. Its events are in ui.train.wiring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import gradio as gr
from gradio.components import Component

from engine.spec.run import RunSpec
from ui import form
from ui.context import Context
from ui.handlers import QUIET, bind
from ui.runs import queue
from ui.text import tab_intro
from ui.theme import raw_html
from ui.train import live
from ui.train.data_choice import suited_spec
from ui.train.own_recipes import OwnRecipes, build_own_recipes
from ui.train.recipes import Recipes, build_recipes
from ui.train.settings import Settings, build_more_settings, build_settings


class StartBox(NamedTuple):
    """The box that says which run's adapter the settings start from."""

    box: gr.Row
    text: gr.HTML
    forget: gr.Button


@dataclass(frozen=True)
class TrainTab:
    """What the other tabs and ui.train.wiring need."""

    tab: gr.Tab
    settings: Settings
    more: gr.Column  # settings of an adapter, under More settings
    recipes: Recipes
    own_recipes: OwnRecipes
    refreshed: gr.State  # changes when the plan must be shown again
    facts: gr.HTML
    start: gr.Button
    live: gr.HTML
    lead: gr.HTML  # to the queue
    start_from: StartBox
    filled: gr.State  # the data source that was set together with all other settings

    @property
    def fields(self) -> dict[str, Component]:
        """By path; the fields of data and model are on their own tabs."""
        return self.settings.fields


def build(ctx: Context) -> TrainTab:
    """Lay the tab out."""
    initial = form.widget_values(suited_spec(RunSpec().data.source), None)
    with gr.Tab("Train", id="train") as tab:
        refreshed, filled = gr.State(0), gr.State("")
        text = (
            "Press Start. The default settings work well. "
            "You can stop at any time and keep what it has learned."
        )
        raw_html(tab_intro("Train your model", text))
        with gr.Row(equal_height=False, elem_classes="page train"):
            with gr.Column(scale=0, min_width=340, elem_classes="side"):
                start = gr.Button("Start", variant="primary", size="lg", elem_id="start")
                lead = queue.build_queue_hint()
                start_from = _build_start_box()
                facts = raw_html(elem_id="train-facts")
                recipes = build_recipes()
                settings = build_settings(initial)
                settings.fields["model.start"] = form.make_widget("model.start")
                own_recipes = build_own_recipes(ctx)
            with gr.Column(scale=1, min_width=320):
                panel = _build_live_panel(ctx)
                more = build_more_settings(initial, settings)
    return TrainTab(
        tab, settings, more, recipes, own_recipes, refreshed, facts, start, panel, lead, start_from,
        filled,
    )  # fmt: skip


def form_widgets(tab: TrainTab, fields: Mapping[str, Component]) -> dict[str, Component]:
    """All that recipes, runs and data set: ``fields`` by path, and by name what goes with them."""
    return {
        **fields,
        "group": tab.settings.group,
        "recipe": tab.recipes.recipe,
        "note": tab.recipes.note,
        "filled": tab.filled,
    }


def _build_start_box() -> StartBox:
    with gr.Row(visible=False, elem_id="start-from", elem_classes="run-acts") as box:
        text = raw_html()
        forget = gr.Button(
            "Start from the base model", size="md", min_width=120, elem_id="forget-start"
        )
    return StartBox(box, text, forget)


def _build_live_panel(ctx: Context) -> gr.HTML:
    panel = raw_html(
        value="",
        html_template=live.LIVE_TEMPLATE,
        js_on_load=live.LIVE_SCRIPT,
        server_functions=[bind(live.poll_run, ctx)],
        elem_id="live",
    )
    for event, action in live.RUN_ACTIONS.items():
        listen = getattr(panel, event)
        listen(bind(live.act_on_run, ctx, action), panel, None, **QUIET)
    return panel


# --- handlers ---


def start_run(ctx: Context, **values: Any) -> str:
    """Start a run with the form's settings; the panel then shows it."""
    spec = form.read_spec(values)
    ctx.check_model(spec.model.source)
    return ctx.engine.start_plan(ctx.plan(spec, wait=True)).id


def label_start(ctx: Context) -> Any:
    """The words on the Start button: while a run is alive, another one waits for it."""
    if ctx.engine.live():
        return gr.update(value="Start another after it", variant="secondary")
    return gr.update(value="Start", variant="primary")
