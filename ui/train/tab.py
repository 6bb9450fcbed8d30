"""The Train tab: settings on the left, the run as it goes on the right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from engine.spec import presets
from engine.spec import run as specs
from engine.spec.run import RunSpec
from ui import form
from ui.context import Context
from ui.handlers import QUIET, bind
from ui.runs import queue
from ui.text import tab_intro
from ui.theme import raw_html
from ui.train import from_run, live, plan
from ui.train import recipes as train_recipes
from ui.train import settings as train_settings
from ui.train.recipes import RECOMMENDED, Recipes, Shelf
from ui.train.settings import Settings

LATEST: dict[str, Any] = {"trigger_mode": "always_last", **QUIET}
OF_THE_ROWS = ("data.shape", "data.roles", "data.fixes", "data.held_out_source")


class Origin(NamedTuple):
    """The box that says which run's adapter the settings start from."""

    box: gr.Row
    said: gr.HTML
    forget: gr.Button


@dataclass(frozen=True)
class TrainTab:
    """What the other tabs need, and what is wired in ``wire``."""

    tab: gr.Tab
    settings: Settings
    more: gr.Column  # of an adapter, under More settings
    recipes: Recipes
    shelf: Shelf
    again: gr.State  # changes when all is to be told once more
    facts: gr.HTML
    start: gr.Button
    live: gr.HTML
    lead: gr.HTML  # to the queue
    origin: Origin
    filled: gr.State  # the data source that was set together with all other settings

    @property
    def fields(self) -> dict[str, Component]:
        """By path; those of data and model are on their own tabs."""
        return self.settings.fields


def build(ctx: Context) -> TrainTab:
    """Lay the tab out."""
    suited = dict(
        zip(
            form.FORM_PATHS,
            form.widget_values(suited_spec(RunSpec().data.source), None),
            strict=True,
        )
    )
    with gr.Tab("Train", id="train") as tab:
        again, filled = gr.State(0), gr.State("")
        raw_html(
            tab_intro(
                "Let it learn",
                "Press Start: the settings work as they are. You can stop and keep it at any time.",
            )
        )
        with gr.Row(equal_height=False, elem_classes="page train"):
            with gr.Column(scale=0, min_width=340, elem_classes="side"):
                start = gr.Button("Start", variant="primary", size="lg", elem_id="start")
                lead = queue.build_queue_hint()
                origin = _origin()
                facts = raw_html(elem_id="train-facts")
                recipes = train_recipes.build()
                settings = train_settings.build(suited)
                settings.fields["model.start"] = form.make_widget("model.start")
                shelf = train_recipes.build_shelf(ctx)
            with gr.Column(scale=1, min_width=320):
                panel = _panel(ctx)
                more = train_settings.build_more(suited, settings)
    return TrainTab(
        tab, settings, more, recipes, shelf, again, facts, start, panel, lead, origin, filled
    )


def _origin() -> Origin:
    with gr.Row(visible=False, elem_id="start-from", elem_classes="run-acts") as box:
        said = raw_html()
        forget = gr.Button(
            "Start from the base model", size="md", min_width=120, elem_id="forget-start"
        )
    return Origin(box, said, forget)


def _panel(ctx: Context) -> gr.HTML:
    panel = raw_html(
        value="",
        html_template=live.TEMPLATE,
        js_on_load=live.SCRIPT,
        server_functions=[bind(live.poll, ctx)],
        elem_id="live",
    )
    acts = {
        "stop_run": "stop",
        "pause_run": "pause",
        "cancel_run": "cancel",
        "continue_run": "resume",
    }
    for event, what in acts.items():
        listen = getattr(panel, event)
        listen(bind(live.action, ctx, what), panel, None, **QUIET)
    return panel


class Before(NamedTuple):
    """What comes before this tab's own handlers."""

    load: Any  # the page is opened
    read: Dependency  # a model is read
    data: Dependency  # other data is set
    counted: Dependency  # its rows are counted


def wire(ctx: Context, tab: TrainTab, fields: dict[str, Any], before: Before) -> None:
    """Data, model, recipe and target groups set the form; every change is told at once. ``fields`` are all of it."""
    every, settings, model = list(fields.values()), tab.settings, fields["model.source"]
    targets, kind, recipe = fields["method.targets"], fields["method.kind"], tab.recipes.recipe
    set_by_recipe = [
        *(fields[path] for path in train_recipes.PATHS),
        settings.group,
        tab.recipes.note,
    ]

    # What is to be told once more goes through ``again``: two handlers of one and the same change that both want the
    # latest of it call each other without end in Gradio 6.31.
    def then_tell(done: Dependency) -> None:
        done.then(bind(count_up), tab.again, tab.again, **QUIET)

    def propose(event: Callable[..., Dependency], handler: Callable[..., list[Any]]) -> Dependency:
        """The page takes what the handler sets, unless the recipe that it was asked for is not in force any more."""
        told = gr.JSON(visible=False)
        asked = event(
            bind(train_recipes.propose, ctx, handler), [recipe, *every], [targets, told], **LATEST
        )
        taken = {"js": train_recipes.UNLESS_CHANGED, "api_visibility": "private"}
        return asked.then(None, [told, recipe], set_by_recipe, **taken)

    named = before.read.then(
        bind(train_settings.choose_model, ctx), [model, settings.group, targets], targets, **QUIET
    )
    offered = before.data.then(bind(train_recipes.offer, ctx), [recipe, *every], recipe, **LATEST)
    for after in (named.then, offered.then, tab.tab.select):
        then_tell(propose(after, train_recipes.follow))
    offered = before.counted.then(bind(train_settings.offer_kinds, ctx), every, kind, **LATEST)
    then_tell(propose(offered.then, train_recipes.follow_counts))
    then_tell(propose(recipe.input, train_recipes.choose))
    train_recipes.wire_shelf(ctx, tab.shelf, every, [*set_by_recipe, recipe])

    own = [recipe, tab.recipes.note]
    hand = [
        fields[p].input for p in train_recipes.PATHS if p in settings.fields and p != "method.kind"
    ]
    by_hand = {"js": train_recipes.SET_BY_HAND, "api_visibility": "private"}
    gr.on([*hand, settings.group.input], None, None, own, **by_hand)
    propose(kind.input(None, None, own, **by_hand).then, train_recipes.choose_kind)
    settings.group.input(
        bind(train_settings.choose_group, ctx), [settings.group, model], targets, **QUIET
    )
    named_by = {"trigger_mode": "multiple", **QUIET}
    targets.change(
        bind(train_settings.name_group, ctx), [targets, model], settings.group, **named_by
    )

    changed = [
        widget.change for path, widget in settings.fields.items() if path not in form.DATA_PATHS
    ]
    told = [
        tab.facts,
        fields["method.alpha"],
        settings.methods,
        settings.adapter,
        tab.more,
        settings.preferring,
    ]
    gr.on(
        [before.load, tab.again.change, *changed],
        bind(plan.tell, ctx),
        every,
        told,
        **LATEST,
    )
    begins = fields["model.start"]
    said = [tab.origin.box, tab.origin.said]
    begins.change(
        bind(from_run.tell_start, ctx), begins, said, trigger_mode="multiple", **QUIET
    )  # see above
    tab.origin.forget.click(bind(from_run.forget_start), None, begins, **QUIET)
    tab.start.click(bind(start, ctx), every, tab.live, **QUIET)
    then_tell(tab.live.live_change(bind(name_start, ctx), None, tab.start, **QUIET))


# --- handlers ---


def count_up(number: int) -> int:
    """Another number, so that what waits for it runs."""
    return number + 1


def start(ctx: Context, *values: Any) -> str:
    """Start a run with the form's settings; the panel then shows it."""
    spec = form.read_spec(values)
    ctx.check_model(spec.model.source)
    return ctx.engine.start_plan(ctx.plan(spec, wait=True)).id


def name_start(ctx: Context) -> Any:
    """What the Start button says: another run waits while one lives."""
    if ctx.engine.live():
        return gr.update(value="Start another after it", variant="secondary")
    return gr.update(value="Start", variant="primary")


def choose_data(
    ctx: Context, source: str, model: str, start: str = "", filled: str = ""
) -> list[Any]:
    """Settings for other data: a sample brings its own; for a file all stays but what concerns the rows.

    ``filled`` is the source that was set together with everything else (ui.train.from_run): then all stays, until another
    is chosen. Gradio may tell one change twice.
    """
    own = form.FORM_PATHS[2:]
    if source == filled:
        return [*[gr.skip()] * len(own), gr.skip(), gr.skip(), source, filled]
    if not source.startswith("sample:"):
        fresh = dict(zip(form.FORM_PATHS, form.widget_values(RunSpec(), None), strict=True))
        kept = (fresh[path] if path in OF_THE_ROWS else gr.skip() for path in own)
        return [*kept, gr.skip(), gr.skip(), source, ""]
    spec = suited_spec(source)
    info = ctx.known_model(model)
    shown = dict(zip(form.FORM_PATHS, form.widget_values(spec, info), strict=True))
    # Without a model, the names of its parts come when it has been read.
    shown["method.targets"] = (
        train_settings.targets(ctx, info, shown["method.targets"]) if info else gr.skip()
    )
    # Another run's adapter that is gone on with decides the method.
    kept = (
        {path for path in own if path.startswith(("method.", "model."))}
        if start
        else {"model.start"}
    )
    recipe = gr.skip() if start else RECOMMENDED
    return [
        *(gr.skip() if path in kept else shown[path] for path in own),
        recipe,
        gr.skip(),
        source,
        "",
    ]


def suited_spec(source: str) -> RunSpec:
    """The settings that a sample brings; the defaults for any other data."""
    return specs.make(presets.sample_values(source)) if presets.sample_values(source) else RunSpec()


def recipe_outputs(tab: TrainTab) -> Sequence[Component]:
    """What a change of data sets beside the form: the recipe, and what is said of it."""
    return [tab.recipes.recipe, tab.recipes.note]
