"""The user's own recipes on the Train tab: save, choose, delete, download, add from a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr
from gradio.components import Component

from engine.errors import SpecError
from engine.runs import recipes
from engine.spec.presets import Recipe
from ui import form
from ui.context import Context
from ui.handlers import QUIET, bind, download_on_click
from ui.text import escape_html
from ui.theme import make_button
from ui.train.recipe_values import recipe_settings, widget_updates
from ui.train.recipes import OWN_SETTINGS, SET_BY_RECIPE


class OwnRecipes:
    """The fold of the user's recipes."""

    def __init__(self) -> None:
        with gr.Accordion("My recipes", open=False, elem_id="my-recipes"):
            self.name = gr.Textbox(
                label="Save these settings as",
                info="Keeps the training settings for another time, without data and model.",
                placeholder="A name",
                max_length=recipes.RECIPE_NAME_LENGTH,
                elem_id="recipe-name",
            )
            self.save = make_button("Save", "save-recipe")
            self.saved = gr.Dropdown(  # filled for each visitor when the page is loaded
                [],
                value=None,
                label="Saved recipes",
                info="Choose one to use its settings. Download it to share it.",
                elem_id="own-recipe",
            )
            off: dict[str, Any] = {"interactive": False}
            with gr.Row(elem_classes="run-acts"):
                self.download = make_button("Download", "take-recipe", 90, **off)
                self.delete = make_button("Delete", "delete-recipe", 90, variant="stop", **off)
            kinds = {"file_types": [".yaml", ".yml"], "size": "md", "elem_id": "bring-recipe"}
            self.upload = gr.UploadButton("Add one from a file", **kinds)


def wire_own_recipes(ctx: Context, own: OwnRecipes, form_widgets: Mapping[str, Component]) -> None:
    """Connect the buttons; ``form_widgets`` are the fields by path, group, note and recipe."""
    fields = {"inputs_kwargs": {path: form_widgets[path] for path in form.FORM_PATHS}}
    outputs = {name: form_widgets[name] for name in (*SET_BY_RECIPE, "recipe")}
    choose = bind(choose_own_recipe, ctx, outputs=outputs)
    chosen = [own.saved, list(outputs.values())]
    own.saved.change(bind(enable_buttons), own.saved, [own.download, own.delete], **QUIET)
    own.saved.input(choose, *chosen, **fields, **QUIET)
    own.save.click(bind(save_recipe, ctx), own.name, [own.saved, own.name], **fields, **QUIET)
    own.delete.click(bind(delete_recipe, ctx), own.saved, own.saved, **QUIET)
    download_on_click(own.download, bind(recipe_file, ctx), own.saved)
    added = own.upload.upload(bind(add_recipe_file, ctx), own.upload, own.saved, **QUIET)
    added.success(choose, *chosen, **fields, **QUIET)


# --- handlers ---


def saved_choices(ctx: Context) -> list[tuple[str, str]]:
    """(name, id) of the user's recipes."""
    return [(one.name, key) for key, one in recipes.saved_recipes(ctx.engine.store).items()]


def choose_own_recipe(ctx: Context, recipe_id: str | None, **values: Any) -> dict[str, Any]:
    """Put one of the user's recipes into the form; then none that ships with Hone is chosen."""
    if not recipe_id:
        return {}
    recipe = recipes.load_recipe(ctx.engine.store, recipe_id)
    return widget_updates(ctx, recipe_settings(ctx, recipe, values), values) | {
        "recipe": OWN_SETTINGS
    }


def enable_buttons(recipe_id: str | None) -> list[Any]:
    """Download and Delete work once a recipe is chosen."""
    return [gr.update(interactive=bool(recipe_id))] * 2


def save_recipe(ctx: Context, recipe_name: str, **values: Any) -> tuple[Any, str]:
    """Save the form's settings under a name."""
    if not recipe_name.strip():
        raise SpecError("Give the recipe a name first.")
    spec = form.read_spec(values)
    made = recipes.recipe_from_spec(spec, recipe_name.strip(), ctx.known_model(spec.model.source))
    gr.Info(f"“{escape_html(made.name)}” is saved.")
    return _store_and_choose(ctx, made), ""


def delete_recipe(ctx: Context, recipe_id: str | None) -> Any:
    """Delete the chosen recipe."""
    if not recipe_id:
        raise SpecError("Choose a recipe first.")
    recipes.remove_recipe(ctx.engine.store, recipe_id)
    return gr.update(value=None, choices=saved_choices(ctx))


def recipe_file(ctx: Context, recipe_id: str | None) -> str:
    """The link to the chosen recipe's file."""
    if not recipe_id:
        raise SpecError("Choose a recipe first.")
    recipes.load_recipe(ctx.engine.store, recipe_id)  # raises RunError for one that is gone
    return f"download/recipe/{recipe_id}"


def add_recipe_file(ctx: Context, file: str | None) -> Any:
    """Check a recipe file and add it to the user's recipes."""
    with ctx.uploads.using(ctx.visitor.owner, [file]) as (path,):
        return _store_and_choose(ctx, recipes.read_recipe_file(path, path.name))


def _store_and_choose(ctx: Context, recipe: Recipe) -> Any:
    made = recipes.store_recipe(ctx.engine.store, recipe)
    return gr.update(value=made, choices=saved_choices(ctx))
