"""Recipes on the Train tab: what is recommended and why, what ships with Hone, and the user's own."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from engine.errors import HoneError, SpecError
from engine.estimate import recommend
from engine.estimate.recommend import Recommendation
from engine.model.info import ModelInfo
from engine.runs import recipes
from engine.spec import presets
from engine.spec import run as specs
from engine.spec.presets import Recipe
from engine.spec.run import RunSpec
from ui import form
from ui.context import Context
from ui.handlers import QUIET, bind
from ui.text import escape_html, line
from ui.theme import raw_html
from ui.train import plan
from ui.train.settings import OWN, targets

RECOMMENDED = "Recommended"
PATHS = tuple(path for path in form.FORM_PATHS if path in recipes.PATHS)  # what a recipe sets
ON_DATA = tuple(
    path for path in PATHS if path.startswith("data.")
)  # set by a choice, never by itself
SAID = "Follows from model, data and memory, and changes with them."
FROM_SAMPLE = "Tried out for this sample and the pocket model."
BY_HAND = "Your own settings. Choose a recipe to leave them."
# Said by the page itself, at once: what was asked for before, and comes later, must know of it.
SET_BY_HAND = f"() => [null, {json.dumps(line(BY_HAND))}]"
UNLESS_CHANGED = """(told, recipe) => told.recipe === (recipe ?? null)
    ? told.shown : told.shown.map(() => ({__type__: "update"}))"""
PRESS = "() => setTimeout(() => document.querySelector('a#recipe-file, #recipe-file a, #recipe-file')?.click(), 300)"
FAR = (1 / 3, 3)  # a learning rate within this of what suits is left as it is


@dataclass(frozen=True)
class Recipes:
    """The widgets."""

    recipe: gr.Radio
    note: gr.HTML


@dataclass(frozen=True)
class Shelf:
    """The widgets of the user's own recipes."""

    saved: gr.Dropdown
    name: gr.Textbox
    save: gr.Button
    delete: gr.Button
    take: gr.Button
    file: gr.DownloadButton
    bring: gr.UploadButton


def build() -> Recipes:
    """The recipes that ship with Hone."""
    recipe = gr.Radio(
        names("any"),
        value=RECOMMENDED,
        label="Recipe",
        info="One choice that sets several of the settings below.",
        elem_id="recipe",
    )
    return Recipes(recipe, raw_html(note(SAID, {}), elem_id="recipe-note"))


def build_shelf(ctx: Context) -> Shelf:
    """The user's own recipes."""
    with gr.Accordion("My recipes", open=False, elem_id="my-recipes"):
        name = gr.Textbox(
            label="Save these settings as",
            info="How it learns, to use again. Data and model are not part of it.",
            placeholder="A name",
            max_length=recipes.NAME,
            elem_id="recipe-name",
        )
        save = gr.Button("Save", size="md", elem_id="save-recipe")
        saved = gr.Dropdown(
            own_choices(ctx),
            value=None,
            label="Saved recipes",
            info="Choose one to use its settings. Its file can be given to others.",
            elem_id="own-recipe",
        )
        with gr.Row(elem_classes="run-acts"):
            take = gr.Button(
                "Download", size="md", min_width=90, interactive=False, elem_id="take-recipe"
            )
            delete = gr.Button(
                "Delete",
                variant="stop",
                size="md",
                min_width=90,
                interactive=False,
                elem_id="delete-recipe",
            )
        file = gr.DownloadButton("Recipe", visible="hidden", elem_id="recipe-file")
        bring = gr.UploadButton(
            "Add one from a file", file_types=[".yaml", ".yml"], size="md", elem_id="bring-recipe"
        )
    return Shelf(saved, name, save, delete, take, file, bring)


def wire_shelf(ctx: Context, shelf: Shelf, fields: Sequence[Any], outputs: Sequence[Any]) -> None:
    """Save, choose, delete, take away and bring recipes; ``outputs`` are those of ``choose_own``."""
    saved, everything = shelf.saved, list(fields)
    saved.change(bind(can_be_used), saved, [shelf.take, shelf.delete], **QUIET)
    shelf.saved.input(bind(choose_own, ctx), [saved, *everything], list(outputs), **QUIET)
    shelf.save.click(bind(save, ctx), [shelf.name, *everything], [saved, shelf.name], **QUIET)
    shelf.delete.click(bind(delete, ctx), saved, saved, **QUIET)
    made = shelf.take.click(bind(take, ctx), saved, shelf.file, **QUIET)
    made.success(None, js=PRESS, api_visibility="private")
    brought = shelf.bring.upload(bind(bring, ctx), shelf.bring, saved, **QUIET)
    brought.success(bind(choose_own, ctx), [saved, *everything], list(outputs), **QUIET)


class Setting(NamedTuple):
    """All that a recipe comes to, for this data, model and machine."""

    values: dict[str, Any]  # by path, as a spec has them
    group: str
    reasons: dict[str, str]
    said: str


# --- handlers ---


def propose(
    ctx: Context, handler: Callable[..., list[Any]], name: str | None, *values: Any
) -> list[Any]:
    """What a handler sets, for the page to take unless another recipe, or none, is in force when it comes.

    Gives what target modules are on offer, which Gradio has to know before the page sends any of them, and the rest.
    """
    shown = handler(ctx, name, *values)
    offered = shown[PATHS.index("method.targets")]
    return [
        {key: one for key, one in offered.items() if key != "value"},
        {"recipe": name, "shown": shown},
    ]


def offer(ctx: Context, chosen: str | None, *values: Any) -> Any:
    """The recipes for rows of this kind."""
    try:
        kind = plan.kind_of_rows(ctx.prepare(_data(values)).shape)
    except HoneError:
        kind = "any"
    offered = names(kind)
    # Only what must change: another may have been chosen meanwhile.
    return (
        gr.update(choices=offered) if chosen in offered else gr.update(choices=offered, value=None)
    )


def choose(ctx: Context, name: str | None, *values: Any) -> list[Any]:
    """A recipe's settings; those that it does not name become what suits model, data and memory."""
    return _shown(ctx, setting(ctx, bundled(name), values), values)


def follow(ctx: Context, name: str | None, *values: Any) -> list[Any]:
    """The same by itself, for other data or another model: what was set by hand stays, and so does the Data tab."""
    if name is None:
        return [gr.skip()] * (len(PATHS) + 2)
    found = setting(ctx, bundled(name), values)
    return _shown(
        ctx,
        found._replace(values={k: v for k, v in found.values.items() if k not in ON_DATA}),
        values,
    )


def follow_counts(ctx: Context, name: str | None, *values: Any) -> list[Any]:
    """The same once the rows are counted; target modules do not depend on that, and their names may be on their way."""
    shown = follow(ctx, name, *values)
    shown[PATHS.index("method.targets")] = shown[len(PATHS)] = gr.skip()
    return shown


def choose_kind(ctx: Context, name: str | None, *values: Any) -> list[Any]:
    """Another method by hand: a learning rate that would be far off for it follows."""
    shown: list[Any] = [gr.skip()] * (len(PATHS) + 2)
    with suppress(HoneError):  # said on the Model tab
        ctx.load_model(_value(values, "model.source"))  # a person may be faster than the reading
    kind, rate = _value(values, "method.kind"), _value(values, "optim.learning_rate")
    found = _advice(ctx, _spec(values), kind)
    suited = found.values["optim.learning_rate"] if found else rate
    if rate and not FAR[0] <= suited / rate <= FAR[1]:
        shown[PATHS.index("optim.learning_rate")] = suited
        shown[-1] = line(
            f"{BY_HAND} The learning rate follows the method: {suited:g}, before {rate:g}."
        )
    return shown


def choose_own(ctx: Context, recipe_id: str | None, *values: Any) -> list[Any]:
    """Set one of the user's recipes."""
    if not recipe_id:
        return [gr.skip()] * (len(PATHS) + 3)
    found = recipes.load(ctx.engine.store, recipe_id)
    return [*_shown(ctx, setting(ctx, found, values), values), None]


def can_be_used(recipe_id: str | None) -> list[Any]:
    """Download and Delete, for the recipe that is chosen."""
    return [gr.update(interactive=bool(recipe_id))] * 2


def save(ctx: Context, name: str, *values: Any) -> tuple[Any, str]:
    """Keep the settings under a name."""
    if not name.strip():
        raise SpecError("Give the recipe a name first.")
    spec = form.read_spec(values)
    made = recipes.of_spec(spec, name.strip(), ctx.known_model(spec.model.source))
    gr.Info(f"“{escape_html(made.name)}” is saved.")
    return gr.update(value=recipes.save(ctx.engine.store, made), choices=own_choices(ctx)), ""


def delete(ctx: Context, recipe_id: str | None) -> Any:
    """Remove the chosen recipe."""
    if not recipe_id:
        raise SpecError("Choose a recipe first.")
    recipes.delete(ctx.engine.store, recipe_id)
    return gr.update(value=None, choices=own_choices(ctx))


def take(ctx: Context, recipe_id: str | None) -> str:
    """The file of the chosen recipe."""
    if not recipe_id:
        raise SpecError("Choose a recipe first.")
    recipes.load(ctx.engine.store, recipe_id)
    return str(ctx.engine.store.recipe(recipe_id))


def bring(ctx: Context, file: str) -> Any:
    """Add a recipe from a file, once it is checked."""
    found = recipes.read_file(Path(file), Path(file).name)
    return gr.update(value=recipes.save(ctx.engine.store, found), choices=own_choices(ctx))


# --- what a recipe comes to ---


def setting(ctx: Context, recipe: Recipe | None, values: Sequence[Any]) -> Setting:
    """A recipe over what suits model, data and memory; None is what suits them alone."""
    wanted = recipe.values if recipe else {}
    spec = _spec(values, wanted.get("data.goal"))
    data = spec.data
    sample = presets.sample_values(data.source) if spec.model.source == "pocket" else {}
    if sample and specs.make(sample).data.goal != data.goal:  # it was tried out for something else
        sample = {}
    found = _advice(ctx, spec, wanted.get("method.kind"))
    suited = {
        **_defaults(),
        **(_flat(specs.make(sample)) if sample else found.values if found else {}),
    }
    suited |= {"data.goal": data.goal, "data.learn": data.learn}
    longest = {"data.max_length": _longest(ctx, spec)} if recipe and recipe.length else {}
    own = {**wanted, **longest}
    reasons = {
        path: _reason(found, path, suited[path])
        for path in (found.reasons if found else ())
        if path not in own
    }
    said = f"{recipe.summary} {recipe.cost}" if recipe else FROM_SAMPLE if sample else SAID
    return Setting({**suited, **own}, recipe.group if recipe else "all", reasons, said)


def _reason(found: Recommendation, path: str, value: Any) -> str:
    """Why a setting has its value: what is advised, or that it was tried out and what would be advised."""
    advised = found.values[path]
    if value == advised:
        return found.reasons[path]
    tried, rule = (f"{one:g}" if isinstance(one, float) else str(one) for one in (value, advised))
    return f"{tried} was tried out for this sample. Otherwise it would be {rule}. {found.reasons[path]}"


def _advice(
    ctx: Context, spec: RunSpec, kind: recommend.MethodKind | None
) -> Recommendation | None:
    """What suits; None while the model is being read or where data and model do not fit each other."""
    case = ctx.plan(spec).case
    return recommend.recommend_settings(case, kind) if case else None


def _longest(ctx: Context, spec: RunSpec) -> int:
    """Room for the longest row, as far as the model reads."""
    case = ctx.plan(spec).case
    if case is None or case.lengths is None:
        return spec.data.max_length
    return min(case.info.context or 32768, max(16, case.lengths.longest))


def _defaults() -> dict[str, Any]:
    return _flat(RunSpec())


def _flat(spec: RunSpec) -> dict[str, Any]:
    """A spec's values by path, those that a recipe may set."""
    values: dict[str, Any] = {}
    for path in PATHS:
        part, _, name = path.partition(".")
        values[path] = getattr(getattr(spec, part), name)
    return values


def _shown(ctx: Context, found: Setting, values: Sequence[Any]) -> list[Any]:
    """For the widgets of ``FORM_PATHS``, the group of target modules, and the note."""
    info = ctx.known_model(_value(values, "model.source"))
    names, group = _targets(found, info)
    shown = [
        form.to_widget_value(path, found.values[path]) if path in found.values else gr.skip()
        for path in PATHS
    ]
    # Without a model, the names of its parts come when it has been read.
    shown[PATHS.index("method.targets")] = targets(ctx, info, names) if info else gr.skip()
    return [*shown, group, note(found.said, found.reasons)]


def _targets(found: Setting, info: ModelInfo | None) -> tuple[tuple[str, ...], str]:
    """The target modules and the name of their group; names that this model lacks give way to all linear layers."""
    wanted = tuple(found.values.get("method.targets", ()))
    if info is None or wanted == (form.ALL_LINEAR,):
        return (info.groups[found.group] if info else wanted), found.group
    known = {module.name for module in info.adaptable}
    kept = tuple(name for name in wanted if name in known)
    return (kept, OWN) if kept else (info.groups["all"], "all")


def _data(values: Sequence[Any]) -> specs.DataSpec:
    return form.read_data_spec(_value(values, path) for path in form.DATA_PATHS)


def _spec(values: Sequence[Any], goal: str | None = None) -> RunSpec:
    """Data and model as they are chosen, the rest as by default."""
    data, model = _data(values), specs.ModelSpec(source=_value(values, "model.source"))
    if goal:
        data = data.model_copy(update={"goal": goal})
    return RunSpec().model_copy(update={"data": data, "model": model})


def _value(values: Sequence[Any], path: str) -> Any:
    return values[form.FORM_PATHS.index(path)]


# --- what is shown ---


def names(kind: str) -> list[str]:
    """The recipes for rows of a kind: what is recommended first."""
    return [RECOMMENDED, *(one.name for one in presets.recipes() if one.data in ("any", kind))]


def bundled(name: str | None) -> Recipe | None:
    """A recipe that ships with Hone; None for what is recommended."""
    return next((one for one in presets.recipes() if one.name == name), None)


def own_choices(ctx: Context) -> list[tuple[str, str]]:
    """(name, id) of the user's own recipes."""
    return [(one.name, key) for key, one in recipes.saved(ctx.engine.store).items()]


def note(said: str, reasons: dict[str, str]) -> str:
    """What a recipe does, and why each value is what it is."""
    if not reasons:
        return line(said)
    rows = "".join(
        f"<li><b>{escape_html(specs.field(path).title)}</b>: {escape_html(why)}</li>"
        for path, why in reasons.items()
    )
    return f'{line(said)}<details class="why"><summary>Why these values</summary><ul>{rows}</ul></details>'
