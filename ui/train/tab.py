"""The Train tab: what to start on the left, the run on the right. Its events: ui.train.wiring."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr
from gradio.components import Component

from engine.errors import RunError
from engine.spec.run import RunSpec
from ui import form
from ui.choices import change_choices
from ui.context import Context
from ui.handlers import QUIET, bind
from ui.runs import queue
from ui.theme import make_button, raw_html
from ui.train import live
from ui.train.fill_form import suited_spec
from ui.train.own_recipes import OwnRecipes
from ui.train.recipes import Recipes
from ui.train.settings import Settings
from ui.train.start_card import StartWidgets

CHANGED_MEANWHILE = (
    "Data or model have just changed, and the settings follow. Look at the card with the Start "
    "button, then press it again."
)


class StartBox:
    """The box that says which run's adapter the settings start from."""

    def __init__(self) -> None:
        with gr.Row(visible=False, elem_id="start-from", elem_classes="run-acts") as self.box:
            self.text = raw_html()
            self.forget = make_button("Start from the base model", "forget-start", 120)


class TrainTab:
    """What the other tabs and ui.train.wiring need."""

    def __init__(self, ctx: Context) -> None:
        initial = form.widget_values(suited_spec(RunSpec().data.source), None)
        with gr.Tab("Train", id="train") as self.tab:
            self.refreshed = gr.State(0)  # changes when the plan must be shown again
            self.filled = gr.State("")  # the data source that was set together with all settings
            with gr.Row(equal_height=False, elem_classes="page train"):
                with gr.Column(scale=0, min_width=340, elem_classes="side"):
                    self.card = StartWidgets()
                    self.lead = queue.build_queue_hint()  # to the queue
                    self.start_from = StartBox()
                    self.recipes = Recipes()
                    self.settings = Settings(initial)
                    self.own_recipes = OwnRecipes()
                with gr.Column(scale=1, min_width=320):
                    self.live = _build_live_panel(ctx)
        # By path; the fields of data and model are on their own tabs.
        self.fields = self.settings.fields


def form_widgets(tab: TrainTab, fields: Mapping[str, Component]) -> dict[str, Component]:
    """All that recipes, runs and data set: ``fields`` by path, and by name what goes with them."""
    own = {"group": tab.settings.group, "recipe": tab.recipes.recipe, "note": tab.recipes.note}
    return {**fields, **own, "filled": tab.filled}


def _build_live_panel(ctx: Context) -> gr.HTML:
    panel = raw_html(
        html_template=live.LIVE_TEMPLATE,
        js_on_load=live.LIVE_SCRIPT,
        server_functions=[bind(live.poll_run, ctx)],
        elem_id="live",
    )
    for event, action in live.RUN_ACTIONS.items():
        getattr(panel, event)(bind(live.act_on_run, ctx, action), panel, None, **QUIET)
    return panel


# --- handlers ---


def start_run(ctx: Context, named: tuple[str, str], settled: str, **values: Any) -> str:
    """Start a run with the form's settings; the panel then shows it.

    ``named``: data and model that the card bears; ``settled``: the data that the settings fit.
    Nothing else than what the page shows is started.
    """
    wanted = (values["data.source"], values["model.source"])
    if tuple(named) != wanted or settled not in ("", values["data.source"]):
        raise RunError(CHANGED_MEANWHILE)
    spec = form.read_spec(values)
    ctx.check_model(spec.model.source)
    run = ctx.engine.start_plan(ctx.plan(spec, wait=True))
    change_choices(ctx.engine.store, watched=run.id)
    return run.id


def label_start(ctx: Context) -> Any:
    """The words on the Start button: while a run is alive, another one waits for it."""
    if ctx.engine.live():
        return gr.update(value="Start another after it", variant="secondary")
    return gr.update(value="Start", variant="primary")
