"""The Train tab: settings on the left, the run as it goes on the right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from engine import counting, presets
from engine import spec as specs
from engine.anatomy import ModelInfo
from engine.errors import HoneError, ModelError
from engine.spec import RunSpec
from ui import form, live
from ui.context import Context
from ui.handlers import bind
from ui.model_tab import GROUPS
from ui.text import count, intro, line, plural, safe, share
from ui.theme import html

OWN = "own"  # target modules chosen one by one
RECIPE_PATHS = tuple(dict.fromkeys(path for recipe in presets.recipes() for path in recipe.values))
OF_THE_ROWS = ("data.shape", "data.roles", "data.fixes", "data.held_out_source")
FROM_SAMPLE = "These settings were made for the sample. A recipe replaces some of them."


@dataclass(frozen=True)
class TrainTab:
    """What the other tabs need."""

    tab: gr.Tab
    fields: dict[str, Component]  # by path; those of data and model are on their own tabs
    recipe: gr.Radio
    recipe_note: gr.HTML
    group: gr.Radio
    facts: gr.HTML
    start: gr.Button
    live: gr.HTML


def build(ctx: Context) -> TrainTab:
    """Lay the tab out and wire what concerns it alone."""
    fields: dict[str, Component] = {}
    suited = dict(zip(form.PATHS, form.fill(suited_spec(RunSpec().data.source), None), strict=True))

    def add(*paths: str) -> None:
        for path in paths:
            fields[path] = form.widget(path, value=suited[path])

    with gr.Tab("Train", id="train") as tab:
        html(intro("Let it learn", "Press Start: the settings work as they are. You can stop and keep it at any time."))
        with gr.Row(equal_height=False, elem_classes="page train"):
            with gr.Column(scale=0, min_width=340, elem_classes="side"):
                start = gr.Button("Start", variant="primary", size="lg", elem_id="start")
                facts = html(elem_id="train-facts")
                recipe = gr.Radio(
                    [one.name for one in presets.recipes()],
                    label="Recipe",
                    info="One choice that sets several of the settings below.",
                    elem_id="recipe",
                )
                recipe_note = html(line(FROM_SAMPLE), elem_id="recipe-note")
                add("method.rank", "method.alpha")
                group = _group()
                add("method.targets", "optim.epochs", "optim.learning_rate", "optim.batch_size")
                with gr.Accordion("More", open=False, elem_id="more"):
                    rest = (path for path in form.PATHS[1:] if not path.startswith("data.") or path == "data.seed")
                    add(*(path for path in rest if path not in fields and path != "model.source"))
            with gr.Column(scale=1, min_width=320):
                panel = _panel(ctx)
    return TrainTab(tab, fields, recipe, recipe_note, group, facts, start, panel)


def _group() -> gr.Radio:
    named = [(label, group) for group, label in GROUPS.items()]
    return gr.Radio(
        [*named, ("My own choice", OWN)],
        value="all",
        label="Where the adapter goes",
        info="A group of target modules, or choose them one by one below.",
        elem_id="group",
    )


def _panel(ctx: Context) -> gr.HTML:
    panel = html(
        value="",
        html_template=live.TEMPLATE,
        js_on_load=live.SCRIPT,
        server_functions=[bind(live.poll, ctx, live.Follower())],
        elem_id="live",
    )
    for event, what in (("stop_run", "stop"), ("cancel_run", "cancel"), ("continue_run", "resume")):
        listen = getattr(panel, event)
        listen(bind(live.action, ctx, what), panel, None, show_progress="hidden", api_visibility="private")
    return panel


# --- handlers ---


def start(ctx: Context, *values: Any) -> str:
    """Start a run with the form's settings; the panel then shows it."""
    spec = form.collect(values)
    ctx.check_model(spec.model.source)
    if info := ctx.known_model(spec.model.source):
        info.check_length(spec.data.max_length)
    ctx.learned(spec.model.source, ctx.prepared(spec.data), spec.data)
    return ctx.engine.start(spec).id


def name_start(ctx: Context) -> Any:
    """What the Start button says: another run waits while one lives."""
    if ctx.engine.live():
        return gr.update(value="Start another after it", variant="secondary")
    return gr.update(value="Start", variant="primary")


def choose_recipe(name: str | None, source: str) -> list[Any]:
    """The recipe's settings; those that it does not name go back to what suits the data."""
    recipe = next(one for one in presets.recipes() if one.name == name)
    suited = dict(zip(form.PATHS, form.fill(suited_spec(source), None), strict=True))
    values = [form.to_widget(path, recipe.values.get(path, suited[path])) for path in RECIPE_PATHS]
    return [*values, line(f"{recipe.summary} {recipe.cost}")]


def choose_data(ctx: Context, source: str, model: str) -> list[Any]:
    """Settings for other data: a sample brings its own; for a file all stays but what concerns the rows."""
    if not source.startswith("sample:"):
        fresh = dict(zip(form.PATHS, form.fill(RunSpec(), None), strict=True))
        kept = (fresh[path] if path in OF_THE_ROWS else gr.skip() for path in form.PATHS[2:])
        return [*kept, gr.skip(), gr.skip(), source]
    spec = suited_spec(source)
    info = ctx.known_model(model)
    shown = dict(zip(form.PATHS, form.fill(spec, info), strict=True))
    if info is None:  # the names of its parts come when it has been read
        shown["method.targets"] = gr.skip()
    return [*list(shown.values())[2:], None, line(FROM_SAMPLE), source]


def choose_model(ctx: Context, model: str, group: str, names: list[str]) -> Any:
    """The target modules that this model really has."""
    info = ctx.known_model(model)
    if info is None:
        # The names of the model before stay on offer: a form that is on its way may still hold them.
        return gr.update(choices=[*dict.fromkeys([form.ALL_LINEAR, *names])], value=[form.ALL_LINEAR])
    # All linear layers stays on offer for a form that is on its way; the page hides it beside the names.
    known = [module.name for module in info.modules]
    kept = [name for name in names if name in known]
    value = kept if group == OWN and kept else list(info.groups.get(group, info.groups["all"]))
    counts = Counter[str]()
    for module in info.modules:
        counts[module.name] += module.count
    named = [(f"{name} ({times}×)", name) for name, times in counts.items()]
    return gr.update(choices=[*named, (form.EVERY, form.ALL_LINEAR)], value=value)


def choose_group(ctx: Context, group: str, model: str) -> Any:
    """The modules of a group."""
    info = ctx.known_model(model)
    return gr.skip() if info is None or group == OWN else list(info.groups[group])


def name_group(ctx: Context, names: list[str], model: str) -> str:
    """The group that these modules are, or "my own choice"."""
    info = ctx.known_model(model)
    groups = info.groups if info else {}
    return next((group for group in reversed(groups) if set(groups[group]) == set(names)), OWN)


def tell(ctx: Context, *values: Any) -> tuple[str, Any]:
    """What Start would do with these settings, at once; and the alpha that an empty field means."""
    try:
        spec = form.collect(values)
        if why := ctx.unusable(spec.model.source):
            raise ModelError(why)
        prepared = ctx.prepared(spec.data)
        rows = ctx.learned(spec.model.source, prepared, spec.data)
        words = facts(spec, ctx.known_model(spec.model.source), rows, prepared.total)
    except HoneError as error:
        return line(str(error), "bad"), gr.skip()
    return words, gr.update(placeholder=f"{2 * spec.method.rank}, which is twice the rank")


# --- what is shown: pure functions ---


def suited_spec(source: str) -> RunSpec:
    """The settings that a sample brings; the defaults for any other data."""
    for sample in presets.samples():
        if source == f"sample:{sample.id}":
            return specs.make(sample.values)
    return RunSpec()


def facts(spec: RunSpec, info: ModelInfo | None, rows: int, total: int, labels: int = 2) -> str:
    """How much will train, on what, and for how long."""
    if info is None:
        trains = "Counting the weights that will train…"
    else:
        counted = counting.count(info, spec.method, labels)
        part = share(counted.trainable, counted.total)
        trains = f"{count(counted.trainable)} of {count(counted.total)} weights train ({part})"
        info.check_length(spec.data.max_length)
    steps = plural(spec.optim.steps(rows), "step")
    batch = plural(spec.optim.effective_batch, "row")
    work = f"You will train on {count(rows)} of {plural(total, 'row')}, {steps} of {batch}."
    return f'<p class="line"><b>{safe(trains)}</b></p>{line(work)}'


def recipe_outputs(tab: TrainTab) -> Sequence[Component]:
    """The widgets that a recipe sets."""
    return [*(tab.fields[path] for path in RECIPE_PATHS), tab.recipe_note]
