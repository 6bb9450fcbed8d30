"""The settings that a recipe leads to for the data, model and machine, with their reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from engine.estimate.case import Case
from engine.estimate.recommend import Recommendation, recommend_settings, tried_settings
from engine.model.info import ALL_LINEAR, ModelInfo
from engine.runs import recipes
from engine.spec import run as specs
from engine.spec.presets import Recipe
from engine.spec.run import RunSpec
from ui import form
from ui.choices import OWN_CHOICE
from ui.context import Context
from ui.text import escape_html, line
from ui.train.settings import target_choices

RECOMMENDED_SUMMARY = "Chosen for your model, data and memory; changes with them."
SAMPLE_SUMMARY = "Tried out for this sample and the pocket model."
LONGEST_CONTEXT = 32768  # where a model does not say how many tokens it reads
SHORTEST_LENGTH = 16


class RecipeSettings(NamedTuple):
    """Everything that a recipe sets, for this data, model and machine."""

    values: dict[str, Any]  # by path, as a spec holds them
    group: str
    reasons: dict[str, str]  # by path
    summary: str


def recipe_settings(
    ctx: Context, recipe: Recipe | None, values: Mapping[str, Any]
) -> RecipeSettings:
    """A recipe's values over those recommended for model, data and memory; None: these alone."""
    own = dict(recipe.values) if recipe else {}
    spec = spec_of_choices(values)
    case = ctx.plan(spec).case
    if recipe and recipe.length:
        own["data.max_length"] = _longest_row(case, spec.data.max_length)
    tried = tried_settings(spec)
    advice = recommend_settings(case, own.get("method.kind")) if case else None
    advised = advice.values if advice else {}
    suited = values_by_path(tried) if tried else values_by_path(RunSpec()) | advised
    suited["data.learn"] = spec.data.learn
    summary = SAMPLE_SUMMARY if tried else RECOMMENDED_SUMMARY
    if recipe:
        summary = f"{recipe.summary} {recipe.cost}"
    reasons = _reasons(advice, suited, own) if advice else {}
    return RecipeSettings(suited | own, recipe.group if recipe else "all", reasons, summary)


def widget_updates(
    ctx: Context, found: RecipeSettings, values: Mapping[str, Any]
) -> dict[str, Any]:
    """What a recipe sets on the page: fields by path, ``group`` and ``note``."""
    shown = {path: form.to_widget_value(path, found.values[path]) for path in recipes.RECIPE_FIELDS}
    info = ctx.known_model(values["model.source"])
    names, group = _targets_and_group(found, info)
    shown |= {"group": group, "note": note_html(found.summary, found.reasons)}
    # Until the model is read, the names of its modules are not known.
    del shown["method.targets"]
    return shown | ({"method.targets": target_choices(ctx, info, names)} if info else {})


def spec_of_choices(values: Mapping[str, Any]) -> RunSpec:
    """The chosen data and model, with default settings."""
    model = specs.ModelSpec(source=values["model.source"])
    return RunSpec().model_copy(update={"data": form.read_data_spec(values), "model": model})


def values_by_path(spec: RunSpec) -> dict[str, Any]:
    """A spec's values by path, of the fields that a recipe may set."""
    return {path: attrgetter(path)(spec) for path in recipes.RECIPE_FIELDS}


def note_html(summary: str, reasons: Mapping[str, str]) -> str:
    """What a recipe does, and the reason for each value."""
    if not reasons:
        return line(summary)
    rows = "".join(
        f"<li><b>{escape_html(specs.spec_field(path).title)}</b>: {escape_html(why)}</li>"
        for path, why in reasons.items()
    )
    why = f"<summary>Why these values</summary><ul>{rows}</ul>"
    return f'{line(summary)}<details class="why">{why}</details>'


def _longest_row(case: Case | None, otherwise: int) -> int:
    """Room for the longest row, up to what the model reads; ``otherwise`` until it is known."""
    if case is None or case.lengths is None:
        return otherwise
    longest = max(SHORTEST_LENGTH, case.lengths.longest)
    return min(case.info.context or LONGEST_CONTEXT, longest)


def _reasons(
    advice: Recommendation, suited: Mapping[str, Any], own: Mapping[str, Any]
) -> dict[str, str]:
    """Why each value that the recipe leaves open is what it is."""
    paths = (path for path in advice.reasons if path not in own)
    return {path: _reason(advice, path, suited[path]) for path in paths}


def _reason(advice: Recommendation, path: str, value: Any) -> str:
    """The reason for the advised value; for a sample's value also what would be advised."""
    advised, why = advice.values[path], advice.reasons[path]
    if value == advised:
        return why
    tried, rule = (f"{one:g}" if isinstance(one, float) else str(one) for one in (value, advised))
    return f"{tried} was tried out for this sample. Otherwise it would be {rule}. {why}"


def _targets_and_group(found: RecipeSettings, info: ModelInfo | None) -> tuple[Sequence[str], str]:
    """Target modules and their group; all linear layers where the model has none of the names."""
    wanted = tuple(found.values.get("method.targets", ()))
    if info is None:
        return wanted, found.group
    if wanted == (ALL_LINEAR,):
        return info.groups[found.group], found.group
    known = {module.name for module in info.adaptable}
    kept = tuple(name for name in wanted if name in known)
    return (kept, OWN_CHOICE) if kept else (info.groups["all"], "all")
