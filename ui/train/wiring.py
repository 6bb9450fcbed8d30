"""The events of the Train tab: what sets the form, and what every change of the form shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from engine.runs.recipes import RECIPE_FIELDS
from ui import form
from ui.context import Context
from ui.handlers import EACH_CHANGE, LATEST, QUIET, bind, set_value
from ui.model.tab import ModelTab
from ui.train import fill_form, memory, recipes, settings, start_card
from ui.train.own_recipes import wire_own_recipes
from ui.train.tab import TrainTab, form_widgets, label_start, start_run

STARTING = """() => ({__type__: "update", value: "Starting…", interactive: false})"""
IN_THE_PAGE: dict[str, Any] = {"api_visibility": "private"}  # for events without a handler


class Kept(NamedTuple):
    """The form as it is kept for its owner (ui.choices)."""

    now: list[Component]  # what ``follow_form`` needs to keep it
    kept: gr.State


class Before(NamedTuple):
    """The events that come before this tab's own."""

    opened: Any  # the page shows what was chosen
    read: Dependency  # a model is read
    data: Dependency  # other data is set
    counted: Dependency  # its rows are counted
    settled: gr.State  # the data that the settings fit
    model: ModelTab  # shows the memory and the target modules of the settings
    kept: Kept


@dataclass(frozen=True)
class Wiring:
    """Connects the tab with the whole form: ``fields`` are its widgets by path."""

    ctx: Context
    tab: TrainTab
    fields: dict[str, Component]

    @property
    def choice(self) -> list[Component]:
        """The chosen recipe and its note."""
        return [self.tab.recipes.recipe, self.tab.recipes.note]

    def refresh_after(self, done: Dependency) -> None:
        """Show the plan again after an event.

        Through ``refreshed``: two handlers that both want the latest state of the same change call
        each other without end in Gradio 6.31.
        """
        done.then(bind(count_up), self.tab.refreshed, self.tab.refreshed, **QUIET)

    def propose(
        self, event: Callable[..., Dependency], handler: Callable[..., dict[str, Any]]
    ) -> Dependency:
        """The page takes what the handler sets, unless another recipe is chosen when it arrives."""
        proposal = gr.JSON(visible=False)
        widgets, recipe = form_widgets(self.tab, self.fields), self.tab.recipes.recipe
        ask = bind(recipes.propose_updates, self.ctx, handler)
        found = [self.fields["method.targets"], proposal]
        asked = event(ask, recipe, found, inputs_kwargs=self.fields, **LATEST)
        outputs = [widgets[name] for name in recipes.SET_BY_RECIPE]
        taken = {"js": recipes.UNLESS_CHANGED, **IN_THE_PAGE}
        return asked.then(None, [proposal, recipe], outputs, **taken)


def wire_train(ctx: Context, tab: TrainTab, fields: dict[str, Component], before: Before) -> None:
    """Connect the tab; ``fields`` are the widgets of the whole form."""
    wiring = Wiring(ctx, tab, fields)
    _wire_recipes(wiring, before)
    _wire_choices_by_hand(wiring)
    _wire_plan(wiring, before)
    recipe = [tab.recipes.recipe, tab.recipes.note]
    memory.wire_drawing(ctx, before.model, fields["method.targets"], recipe)
    _wire_start(wiring, before.settled)


def _wire_recipes(wiring: Wiring, before: Before) -> None:
    """The recipe follows data, model and counted rows; the user's own recipes set the form."""
    ctx, tab, fields = wiring.ctx, wiring.tab, wiring.fields
    recipe, targets = tab.recipes.recipe, fields["method.targets"]
    model_choice = [fields["model.source"], tab.settings.group, targets]
    named = before.read.then(bind(settings.targets_of_model, ctx), model_choice, targets, **QUIET)
    whole_form = {"inputs_kwargs": fields, **LATEST}
    offered = before.data.then(bind(recipes.offer_recipes, ctx), recipe, recipe, **whole_form)
    for after in (named.then, offered.then, tab.tab.select):
        wiring.refresh_after(wiring.propose(after, recipes.follow_choices))
    offer = bind(settings.offer_methods, ctx)
    counted = before.counted.then(offer, None, fields["method.kind"], **whole_form)
    wiring.refresh_after(wiring.propose(counted.then, recipes.follow_counts))
    wiring.refresh_after(wiring.propose(recipe.input, recipes.choose_recipe))
    wire_own_recipes(ctx, tab.own_recipes, form_widgets(tab, fields))


def _wire_choices_by_hand(wiring: Wiring) -> None:
    """A setting changed by hand ends the recipe; groups and target modules follow each other."""
    ctx, own, fields = wiring.ctx, wiring.tab.settings, wiring.fields
    model, targets = fields["model.source"], fields["method.targets"]
    by_hand = {"js": recipes.SET_BY_HAND, **IN_THE_PAGE}
    paths = [path for path in RECIPE_FIELDS if path in own.fields and path != "method.kind"]
    inputs = [own.fields[path].input for path in paths]
    gr.on([*inputs, own.group.input], None, None, wiring.choice, **by_hand)
    method_chosen = fields["method.kind"].input(None, None, wiring.choice, **by_hand)
    wiring.propose(method_chosen.then, recipes.follow_method)
    own.group.input(bind(settings.targets_of_group, ctx), [own.group, model], targets, **QUIET)
    targets.change(bind(settings.group_of_targets, ctx), [targets, model], own.group, **EACH_CHANGE)


def _wire_plan(wiring: Wiring, before: Before) -> None:
    """Every change is kept and shows what Start would do, and the settings that apply."""
    tab, own = wiring.tab, wiring.tab.settings
    shown = tab.card.shown | {"method.alpha": wiring.fields["method.alpha"], "sum": own.sum}
    shown |= {"methods": own.methods, "adapter": own.adapter}
    shown |= {"more": own.more, "preferring": own.preferring}
    model, (now, kept) = before.model, before.kept
    shown |= {"verdict": model.verdict, "map": model.map, "memory": model.memory, "kept": kept}
    changes = [own.fields[path].change for path in own.fields if path not in form.DATA_PATHS]
    events = [before.opened, tab.refreshed.change, *changes]
    show = bind(start_card.follow_form, wiring.ctx, outputs=shown)
    gr.on(events, show, now, list(shown.values()), inputs_kwargs=wiring.fields, **LATEST)


def _wire_start(wiring: Wiring, settled: gr.State) -> None:
    """The Start button, and the run whose adapter the settings start from."""
    ctx, tab, fields = wiring.ctx, wiring.tab, wiring.fields
    start, box = fields["model.start"], tab.start_from
    # Not LATEST: see refresh_after.
    start.change(bind(fill_form.show_start, ctx), start, [box.box, box.text], **EACH_CHANGE)
    box.forget.click(bind(set_value, ""), None, start, **QUIET)
    button, asked = tab.card.start, [tab.card.named, settled]
    button.click(None, None, button, js=STARTING, **IN_THE_PAGE)
    started = button.click(bind(start_run, ctx), asked, tab.live, inputs_kwargs=fields, **QUIET)
    label = bind(label_start, ctx)
    started.then(label, None, button, **QUIET)
    wiring.refresh_after(tab.live.live_change(label, None, button, **QUIET))


def count_up(number: int) -> int:
    """Another number, so that events that wait for a change run."""
    return number + 1
