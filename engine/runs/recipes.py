"""The user's own recipes: settings saved under a name, as YAML files that can be taken elsewhere.

A recipe never holds data, a model or a path. A recipe file is checked as strictly as what the page
sends.
"""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from engine.errors import RunError, SpecError
from engine.model.info import ALL_LINEAR, ModelInfo
from engine.spec import presets
from engine.spec.method import MethodSpec
from engine.spec.optim import OptimSpec
from engine.spec.presets import Recipe
from engine.spec.run import RunSpec, make_spec, spec_field
from engine.spec.spec_file import YAML_ERRORS
from engine.store.files import paths_in, write_whole
from engine.store.workspace import Store

# What a recipe may set: how a run learns, but not what: neither the model, the data nor the goal.
RECIPE_FIELDS = (
    "data.learn",
    "data.max_length",
    *(f"method.{name}" for name in MethodSpec.model_fields),
    *(f"optim.{name}" for name in OptimSpec.model_fields),
    "sampling.checks",
    "sampling.max_new_tokens",
    "place.precision",
)
ONCE_SET = "data.goal"  # recipes of older versions may hold it; it is chosen with the data
RECIPE_CHARACTERS = 50_000  # of a file
RECIPE_NAME_LENGTH, RECIPE_TEXT_LENGTH = 60, 400  # characters


def recipe_from_spec(spec: RunSpec, name: str, info: ModelInfo | None = None) -> Recipe:
    """A recipe with a run's settings; a group of target modules stays a group for other models."""
    values = {path: _plain_value(path, spec) for path in RECIPE_FIELDS}
    targets, groups = set(spec.method.targets), info.groups if info else {}
    found = (one for one in ("all", "attention", "fewest") if targets == {*groups.get(one, ())})
    group = "all" if targets == {ALL_LINEAR} else next(found, "")
    if group:
        values["method.targets"] = [ALL_LINEAR]
    words = {"name": name, "summary": "Your own settings.", "cost": ""}
    return _checked_recipe({**words, "values": values, "group": group or "all"})


def _plain_value(path: str, spec: RunSpec) -> Any:
    value: Any = spec.model_dump(mode="json")
    for name in path.split("."):
        value = value[name]
    return value


def saved_recipes(store: Store) -> dict[str, Recipe]:
    """All recipes of a workspace by id; files that are not recipes are left out."""
    found = {}
    for path in paths_in(store.recipes, "*.yaml"):
        try:
            found[path.stem] = parse_recipe(path.read_text(encoding="utf-8"), path.name)
        except (OSError, UnicodeDecodeError, SpecError):
            continue
    return dict(sorted(found.items(), key=lambda item: item[1].name.lower()))


def load_recipe(store: Store, recipe_id: str) -> Recipe:
    """A saved recipe; raises RunError or SpecError."""
    path = store.recipe_file(recipe_id)
    if not path.is_file():
        raise RunError("This recipe is not there any more. Choose another.")
    return parse_recipe(path.read_text(encoding="utf-8"), path.name)


def store_recipe(store: Store, recipe: Recipe) -> str:
    """Keep a recipe; one of the same name is replaced. Returns its id."""
    slug = re.sub(r"[^a-z0-9]+", "-", recipe.name.lower()).strip("-")[:RECIPE_NAME_LENGTH]
    recipe_id = slug or f"recipe-{secrets.token_hex(3)}"
    same = next((key for key, one in saved_recipes(store).items() if one.name == recipe.name), "")
    path = store.recipe_file(same or recipe_id)
    if not same and path.exists():  # another name that reads the same
        path = store.recipe_file(f"{recipe_id}-{secrets.token_hex(2)}")
    most = store.limits.recipes
    if not same and len(paths_in(store.recipes, "*.yaml")) >= most:
        raise RunError(f"There are {most} recipes already. Delete some first.")
    store.recipes.mkdir(parents=True, exist_ok=True)
    write_whole(path, dump_recipe(recipe))
    return path.stem


def remove_recipe(store: Store, recipe_id: str) -> None:
    store.recipe_file(recipe_id).unlink(missing_ok=True)


def dump_recipe(recipe: Recipe) -> str:
    """A recipe as YAML that ``parse_recipe`` reads back."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def read_recipe_file(path: Path, name: str) -> Recipe:
    """The recipe in an uploaded file; raises SpecError."""
    try:
        text = path.read_bytes()[: RECIPE_CHARACTERS + 1].decode("utf-8")
    except (OSError, UnicodeDecodeError):
        raise SpecError(
            f"'{name}' is not a text file. A recipe is a YAML file that Hone wrote."
        ) from None
    return parse_recipe(text, name)


def parse_recipe(text: str, name: str) -> Recipe:
    """The recipe in a YAML text; raises SpecError that names all problems."""
    if len(text) > RECIPE_CHARACTERS:
        raise SpecError(f"'{name}' is too long for a recipe.")
    try:
        parsed = yaml.parse(text, Loader=yaml.SafeLoader)
        if any(isinstance(event, yaml.AliasEvent) for event in parsed):
            raise SpecError(
                f"'{name}' uses references (&, *), which recipes do not need. Write the values out."
            )
        values = yaml.safe_load(text)
    except YAML_ERRORS as error:
        first = str(error).splitlines()[0] if str(error) else "it is damaged"
        raise SpecError(f"'{name}' cannot be read as YAML: {first}.") from None
    if not isinstance(values, dict) or not isinstance(values.get("values"), dict):
        raise SpecError(
            f"'{name}' is not a recipe: it has no list of values. Save one here first to see how "
            "it looks."
        )
    return _checked_recipe(values)


def _checked_recipe(values: dict[Any, Any]) -> Recipe:
    """The recipe with checked words and settings; raises SpecError that names all problems."""
    try:
        recipe = Recipe.model_validate(values)
    except ValidationError as error:
        wrong = (
            f"{'.'.join(map(str, one['loc']))[:80] or 'recipe'}: {_describe_problem(one)}"
            for one in error.errors()
        )
        raise SpecError("This is not a recipe as Hone writes them.\n" + "\n".join(wrong)) from None
    if not recipe.name.strip() or len(recipe.name) > RECIPE_NAME_LENGTH:
        raise SpecError(f"The name of a recipe has 1 to {RECIPE_NAME_LENGTH} characters.")
    recipe.values.pop(ONCE_SET, None)
    if unknown := [path for path in recipe.values if path not in RECIPE_FIELDS]:
        raise SpecError("\n".join(_describe_unknown(path[:80]) for path in unknown[:20]))
    spec = make_spec(presets.nest_values(recipe.values))
    checked = {path: _plain_value(path, spec) for path in recipe.values}
    words = {
        "name": recipe.name.strip(),
        "summary": recipe.summary[:RECIPE_TEXT_LENGTH],
        "cost": recipe.cost[:RECIPE_TEXT_LENGTH],
    }
    return recipe.model_copy(update={"values": checked, **words})


def _describe_problem(problem: Any) -> str:
    """A problem that pydantic found in the file, in plain words."""
    wishes = {"extra_forbidden": "recipes have no such part", "missing": "it is missing"}
    return wishes.get(problem["type"], str(problem["msg"]).lower())


def _describe_unknown(path: str) -> str:
    try:
        title = spec_field(path).title
    except (KeyError, AttributeError):
        return f"'{path}' is not a setting of Hone. Check the spelling, or remove it."
    return (
        f"{title} ({path}) is not part of a recipe: data, model and place are chosen on the page. "
        "Remove it."
    )
