"""The card with the Start button: what would be trained on what, what it needs, what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import gradio as gr

from engine.errors import HoneError, problems_of
from engine.estimate.methods import method_options
from engine.model import local
from engine.spec import naming
from ui import form
from ui.choices import FormChoices, keep_choices
from ui.context import Context
from ui.text import line
from ui.theme import build_hint, raw_html
from ui.train import memory, settings
from ui.train.plan_words import (
    Moment,
    card_head,
    method_advice,
    notes_of,
    plan_facts,
    problem_lines,
    rows_line,
    sum_line,
)

WAITING_FOR_MODEL = line("Reading the model. The first time takes about ten seconds.", "wait")
DISABLED, ENABLED = gr.update(interactive=False), gr.update(interactive=True)


class StartWidgets:
    """The card: whose name it bears is what Start trains."""

    def __init__(self) -> None:
        with gr.Column(elem_id="start-card", elem_classes="boxed"):
            self.head = raw_html(card_head("", "", ""), elem_id="start-head")
            build_hint("train", 3, "Press Start, then watch how its answers change.")
            self.start = gr.Button(
                "Start", variant="primary", size="lg", elem_id="start", interactive=False
            )
            self.facts = raw_html(WAITING_FOR_MODEL, elem_id="train-facts")
        # The data and model that the head names: nothing else can be started.
        self.named = gr.State(("", ""))
        self.notes = raw_html(
            "{}", js_on_load="HoneFieldNotes(element, props, watch)", elem_id="field-notes"
        )

    @property
    def shown(self) -> dict[str, Any]:
        """By the names under which ``show_plan`` gives what they show."""
        return {
            "head": self.head, "start": self.start, "facts": self.facts, "named": self.named,
            "notes": self.notes,
        }  # fmt: skip


def follow_form(
    ctx: Context, restored: int, kept: FormChoices | None, recipe: str, group: str, **values: Any
) -> Iterator[dict[str, Any]]:
    """Keep what the form holds, then show what that would do.

    Nothing while the page is still being filled with what was chosen: this is asked again then.
    """
    if not restored:
        yield {}
        return
    now = FormChoices(values, recipe, group)
    if keep_choices(ctx.engine.store, restored, kept, now):
        yield {"kept": now}
    yield from show_plan(ctx, **values)


def show_plan(ctx: Context, **values: Any) -> Iterator[dict[str, Any]]:
    """The plan, its memory and the settings that apply; then the time, if it has to be measured."""
    boxes = settings.show_applicable(ctx, values)
    boxes["named"] = (values["data.source"], values["model.source"])
    for shown in _plan_updates(ctx, values):
        yield shown | boxes | memory.show_memory(ctx, values)


def _plan_updates(ctx: Context, values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    data, model = data_name(ctx, values["data.source"]), model_name(ctx, values["model.source"])
    bare = {"head": card_head(data, "", model), "sum": "", "start": DISABLED}
    try:
        plan = ctx.plan(form.read_spec(values))
    except HoneError as error:
        found = problems_of(error)
        yield bare | {"facts": problem_lines(found), "notes": notes_of(found)}
        return
    notes = {"notes": notes_of(plan.problems, plan)}
    if plan.problems and plan.forecast is None:
        yield bare | notes | {"facts": problem_lines(plan.problems)}
        return
    bare["head"] = card_head(data, rows_line(plan), model)
    notes["method.alpha"] = gr.update(placeholder=f"{2 * plan.spec.method.rank} (twice the rank)")
    if plan.case is None:
        yield bare | notes | {"facts": WAITING_FOR_MODEL}
        return
    limits = ctx.engine.store.limits
    now = Moment(bool(ctx.engine.working_now()), ctx.engine.spare_memory)
    bare |= notes | {"sum": sum_line(plan), "start": DISABLED if plan.problems else ENABLED}
    bare["methods"] = method_advice(method_options(plan.case), plan.case)
    yield bare | {"facts": plan_facts(plan, limits, now)}
    if plan.seconds is None and (seconds := ctx.engine.estimate_time(plan, measure=True)):
        yield {"facts": plan_facts(plan._replace(seconds=seconds), limits, now)}


def data_name(ctx: Context, source: str) -> str:
    """What the data is called; its source where it is gone."""
    try:
        return ctx.load_dataset(source).name
    except HoneError:
        return source


def model_name(ctx: Context, source: str) -> str:
    """What the model is called."""
    info = ctx.known_model(source)
    return info.name if info else local.hub_name(source) or naming.model_name(source)
