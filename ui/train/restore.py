"""Fills the page with what its owner has chosen, when it is opened or comes to the front."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr

from engine.errors import HoneError
from engine.spec.run import RunSpec
from ui import form
from ui.choices import Choices, FormChoices, keep_choices, read_choices
from ui.context import Context
from ui.data import intake
from ui.model import choose
from ui.text import escape_html, line
from ui.train import own_recipes
from ui.train.fill_form import suited_spec
from ui.train.recipes import BY_HAND, recipe_choices
from ui.train.settings import target_choices
from ui.train.tab import label_start

LIST_FIELDS = ("data.source", "data.held_out_source", "model.source")
Restored = dict[str, Any]  # by path or name of a widget


def open_page(ctx: Context, first_tab: Callable[[Context], str]) -> Restored:
    """All that the page shows first: lists, what was chosen, and in ``kept`` what that was."""
    choices = read_choices(ctx.engine.store)
    first = {"start": label_start(ctx), "first": first_tab(ctx)}
    return first | _chosen(ctx, choices)


def catch_up(ctx: Context, kept: FormChoices | None) -> Restored:
    """What another page of this owner has chosen meanwhile; nothing where this one shows it."""
    choices = read_choices(ctx.engine.store)
    if choices.form != kept:
        return _chosen(ctx, choices)
    return {"live": choices.watched} if choices.watched else {}


def keep_form(
    ctx: Context, restored: int, kept: FormChoices | None, recipe: str, group: str, **values: Any
) -> Restored:
    """Keep what the form holds, unless the page is still opening or has kept it already."""
    now = FormChoices(values, recipe, group)
    return {"kept": now} if keep_choices(ctx.engine.store, restored, kept, now) else {}


def list_updates(ctx: Context, model: str) -> Restored:
    """The lists to choose from: another page may have added data, a model or a recipe.

    ``model``: the chosen one, which may be on none of the lists.
    """
    return {
        "data.source": gr.update(choices=intake.dataset_choices(ctx)),
        "data.held_out_source": gr.update(choices=intake.held_out_choices(ctx)),
        "model.source": gr.update(choices=choose.model_choices(ctx, model)),
        "own_recipes": gr.update(choices=own_recipes.saved_choices(ctx)),
    }


def _chosen(ctx: Context, choices: Choices) -> Restored:
    """The form as it was left; what has gone meanwhile is named, and the first sample taken."""
    if choices.form is None:  # the page shows the first sample, with the settings that suit it
        suited = form.widget_values(suited_spec(RunSpec().data.source), None)
        plain = (path for path in form.DATA_PATHS if path not in (*LIST_FIELDS, *form.STATE_PATHS))
        shown = {path: suited[path] for path in plain} | {"live": choices.watched}
        return shown | list_updates(ctx, "")
    values, (_, recipe, group) = dict(choices.form.values), choices.form
    lists = list_updates(ctx, values["model.source"])
    problems = _replace_missing(ctx, values, lists)
    for text in problems:
        gr.Warning(escape_html(text), duration=20)
    return {
        **values,
        **lists,
        # Together with their choices, since Gradio refuses a value that is none of them.
        **{path: lists[path] | {"value": values[path]} for path in LIST_FIELDS},
        **_method_values(ctx, values),
        "group": group,
        "note": line("" if recipe else BY_HAND),
        "recipe": gr.update(choices=_recipes_with(recipe), value=recipe),
        "filled": values["data.source"],
        "settled": values["data.source"],
        "kept": None if problems else choices.form,
        "live": choices.watched,
    }


def _replace_missing(ctx: Context, values: dict[str, Any], lists: Restored) -> list[str]:
    """Put the defaults for data and model that are gone; says so."""
    plain, found = form.widget_values(RunSpec(), None), []
    for path in ("data.source", "data.held_out_source"):
        try:
            if values[path]:
                ctx.load_dataset(values[path])
        except HoneError as error:
            found.append(str(error))
            values |= {one: plain[one] for one in form.DATA_PATHS}
    if not _is_among(values["model.source"], lists["model.source"]["choices"]):
        found.append("The model that was chosen is no longer here, so the pocket model is.")
        values["model.source"] = plain["model.source"]
    return found


def _is_among(value: str, choices: list[tuple[str, str]]) -> bool:
    """Whether a list of labels and values offers the value."""
    return any(value == one for _, one in choices)


def _method_values(ctx: Context, values: Mapping[str, Any]) -> Restored:
    """The method and its target modules, with what there is to choose from."""
    targets, info = values["method.targets"], ctx.known_model(values["model.source"])
    kinds = form.field_choices("method.kind")
    named = target_choices(ctx, info, targets) if info else _as_choices(targets)
    return {
        "method.kind": gr.update(choices=kinds, value=values["method.kind"]),
        "method.targets": named,
    }


def _as_choices(targets: list[str]) -> Any:
    """Until the model is read, its modules are known by name only."""
    choices = [*dict.fromkeys([*targets, *form.to_widget_value("method.targets", ("all-linear",))])]
    return gr.update(choices=choices, value=targets)


def _recipes_with(recipe: str) -> list[tuple[str, str]]:
    """The recipes for any rows, and the chosen one, until it is known what these rows are."""
    choices = recipe_choices("any")
    return choices if _is_among(recipe, choices) else [*choices, (recipe, recipe)]
