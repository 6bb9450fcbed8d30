"""The recipes that ship with Hone, on the Train tab: choosing one, and following data and model."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import gradio as gr

from engine.errors import HoneError
from engine.estimate.recommend import recommend_settings
from engine.runs import recipes
from engine.spec import presets
from engine.spec.objective import PREFERENCE_SHAPES
from engine.spec.presets import Recipe
from engine.spec.run import Shape
from ui import form
from ui.context import Context
from ui.text import line
from ui.theme import raw_html
from ui.train.recipe_values import (
    RECOMMENDED_SUMMARY,
    note_html,
    recipe_settings,
    spec_of_choices,
    widget_updates,
)

RECOMMENDED = "Recommended"
OWN_SETTINGS = ""  # no recipe
# Everything that a recipe sets: fields by path, the group of target modules, the note below.
SET_BY_RECIPE = (*recipes.RECIPE_FIELDS, "group", "note")
BY_HAND = "Your own settings. Choose a recipe to replace them."
# Shown by the page itself, at once, so that an answer already under way finds the recipe gone.
SET_BY_HAND = f"() => {json.dumps([OWN_SETTINGS, line(BY_HAND)])}"
UNLESS_CHANGED = """(proposal, recipe) => proposal.recipe === (recipe ?? "")
    ? proposal.updates : proposal.updates.map(() => ({__type__: "update"}))"""
# A learning rate is left as it is if the recommended one is within these factors.
CLOSE_RATES = (1 / 3, 3)


class Recipes:
    """The choice of a recipe, and the note that says what it does."""

    def __init__(self) -> None:
        self.recipe = gr.Dropdown(
            recipe_choices("any"),
            value=RECOMMENDED,
            label="Recipe",
            info="Sets all that stands below.",
            filterable=False,
            elem_id="recipe",
        )
        self.note = raw_html(note_html(RECOMMENDED_SUMMARY, {}), elem_id="recipe-note")


# --- handlers; what they do not return stays as it is ---


def propose_updates(
    ctx: Context, handler: Callable[..., dict[str, Any]], recipe: str, **values: Any
) -> tuple[Any, dict[str, Any]]:
    """The updates of a handler, for the page to take unless the recipe has changed meanwhile.

    Returns the choices of target modules, which Gradio must know before the page sends any of them,
    and ``recipe`` with ``updates`` in the order of ``SET_BY_RECIPE``.
    """
    updates = handler(ctx, recipe, **values)
    targets = updates.get("method.targets", gr.skip())
    choices = {key: value for key, value in targets.items() if key != "value"}
    ordered = [updates.get(name, gr.skip()) for name in SET_BY_RECIPE]
    return choices, {"recipe": recipe, "updates": ordered}


def offer_recipes(ctx: Context, recipe: str, **values: Any) -> Any:
    """The recipes for rows of this kind."""
    try:
        rows = kind_of_rows(ctx.prepare(form.read_data_spec(values)).shape)
    except HoneError:
        rows = "any"
    choices = recipe_choices(rows)
    # The value only where it must change: another may have been chosen meanwhile.
    if recipe in dict(choices).values():
        return gr.update(choices=choices)
    return gr.update(choices=choices, value=OWN_SETTINGS)


def choose_recipe(ctx: Context, recipe: str, **values: Any) -> dict[str, Any]:
    """A recipe's settings; those it does not name become what suits model, data and memory."""
    if not recipe:
        return {}
    return widget_updates(ctx, recipe_settings(ctx, bundled_recipe(recipe), values), values)


def follow_choices(ctx: Context, recipe: str, **values: Any) -> dict[str, Any]:
    """The recipe's settings after data or model changed; none on the Data tab, none set by hand."""
    updates = choose_recipe(ctx, recipe, **values)
    return {name: value for name, value in updates.items() if not name.startswith("data.")}


def follow_counts(ctx: Context, recipe: str, **values: Any) -> dict[str, Any]:
    """The recipe's settings after the rows are counted.

    Without target modules, which do not depend on that: their names may be on their way.
    """
    updates = follow_choices(ctx, recipe, **values)
    return {key: one for key, one in updates.items() if key not in ("method.targets", "group")}


def follow_method(ctx: Context, _recipe: str, **values: Any) -> dict[str, Any]:
    """After another method was chosen by hand: a learning rate far off for it is replaced."""
    with suppress(HoneError):  # shown on the Model tab
        ctx.load_model(values["model.source"])  # it may not have been read yet
    rate = values["optim.learning_rate"]
    case = ctx.plan(spec_of_choices(values)).case
    if case is None or not rate:
        return {}
    suited = recommend_settings(case, values["method.kind"]).values["optim.learning_rate"]
    if CLOSE_RATES[0] <= suited / rate <= CLOSE_RATES[1]:
        return {}
    text = f"{BY_HAND} The learning rate follows the method: {suited:g} instead of {rate:g}."
    return {"optim.learning_rate": suited, "note": line(text)}


# --- which recipes there are ---


def kind_of_rows(shape: Shape) -> str:
    """What recipes call rows of this shape: labels, preferences or any."""
    if shape == Shape.LABEL:
        return "labels"
    return "preferences" if shape in PREFERENCE_SHAPES else "any"


def recipe_choices(rows: str) -> list[tuple[str, str]]:
    """(label, name) of the recipes for rows of a kind, between the recommended one and none."""
    names = [one.name for one in presets.bundled_recipes() if one.data in ("any", rows)]
    named = [(name, name) for name in (RECOMMENDED, *names)]
    return [*named, ("My own settings", OWN_SETTINGS)]


def bundled_recipe(name: str) -> Recipe | None:
    """A recipe that ships with Hone; None for the recommended one."""
    return next((one for one in presets.bundled_recipes() if one.name == name), None)
