"""The user's own recipes: settings saved under a name, as YAML files that can be taken elsewhere.

A recipe never holds data, a model or a path. What comes in is checked as strictly as what the page sends.
"""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from engine.errors import RunError, SpecError
from engine.model.info import ALL_LINEAR, ModelInfo
from engine.spec import presets
from engine.spec import run as specs
from engine.spec.method import MethodSpec
from engine.spec.presets import Recipe
from engine.spec.run import NO_YAML, OptimSpec, RunSpec
from engine.store.workspace import Store

# What a recipe may set: how it learns, and neither what nor from what.
PATHS = (
    "data.goal",
    "data.learn",
    "data.max_length",
    *(f"method.{name}" for name in MethodSpec.model_fields),
    *(f"optim.{name}" for name in OptimSpec.model_fields),
    "sampling.checks",
    "sampling.max_new_tokens",
    "place.precision",
)
LARGEST, MOST = 50_000, 200  # characters of a file; recipes in a workspace
NAME, TEXT = 60, 400  # characters


def of_spec(spec: RunSpec, name: str, info: ModelInfo | None = None) -> Recipe:
    """A recipe with a run's settings; a group of target modules is kept as such, since other models name them so."""
    values = {path: _plain(path, spec) for path in PATHS}
    group = next(
        (group for group in ("all", "attention", "fewest") if _is_group(spec, info, group)), ""
    )
    if group:
        values["method.targets"] = [ALL_LINEAR]
    words = {"name": name, "summary": "Your own settings.", "cost": ""}
    return _checked({**words, "values": values, "group": group or "all"})


def _is_group(spec: RunSpec, info: ModelInfo | None, group: str) -> bool:
    targets = set(spec.method.targets)
    return (
        targets == {ALL_LINEAR}
        if info is None
        else targets in ({ALL_LINEAR}, set(info.groups[group]))
    )


def _plain(path: str, spec: RunSpec) -> Any:
    value: Any = spec.model_dump(mode="json")
    for name in path.split("."):
        value = value[name]
    return value


def saved(store: Store) -> dict[str, Recipe]:
    """All recipes of a workspace by id; files that are none are left out."""
    found = {}
    for path in sorted(store.recipes.glob("*.yaml"))[:MOST]:
        try:
            found[path.stem] = read(path.read_text(encoding="utf-8"), path.name)
        except (OSError, UnicodeDecodeError, SpecError):
            continue
    return dict(sorted(found.items(), key=lambda item: item[1].name.lower()))


def load(store: Store, recipe_id: str) -> Recipe:
    """A saved recipe; raises RunError or SpecError."""
    path = store.recipe(recipe_id)
    if not path.is_file():
        raise RunError("This recipe is not there any more. Choose another.")
    return read(path.read_text(encoding="utf-8"), path.name)


def save(store: Store, recipe: Recipe) -> str:
    """Keep a recipe; one of the same name is replaced. Returns its id."""
    recipe_id = (
        re.sub(r"[^a-z0-9]+", "-", recipe.name.lower()).strip("-")[:NAME]
        or f"recipe-{secrets.token_hex(3)}"
    )
    same = next((key for key, one in saved(store).items() if one.name == recipe.name), "")
    path = store.recipe(same or recipe_id)
    if not same and path.exists():  # another name that reads the same
        path = store.recipe(f"{recipe_id}-{secrets.token_hex(2)}")
    if not same and len(list(store.recipes.glob("*.yaml"))) >= MOST:
        raise RunError(f"There are {MOST} recipes already. Delete some first.")
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    draft.write_text(dump(recipe), encoding="utf-8")
    os.replace(draft, path)
    return path.stem


def delete(store: Store, recipe_id: str) -> None:
    """Remove a recipe."""
    store.recipe(recipe_id).unlink(missing_ok=True)


def dump(recipe: Recipe) -> str:
    """A recipe as YAML that ``read`` reads back."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def read_file(path: Path, name: str) -> Recipe:
    """The recipe in a file that somebody brings; raises SpecError."""
    try:
        text = path.read_bytes()[: LARGEST + 1].decode("utf-8")
    except (OSError, UnicodeDecodeError):
        raise SpecError(
            f"'{name}' is not a text file. A recipe is a YAML file that Hone wrote."
        ) from None
    return read(text, name)


def read(text: str, name: str) -> Recipe:
    """The recipe that a YAML text means; raises SpecError with all that is wrong."""
    if len(text) > LARGEST:
        raise SpecError(f"'{name}' is too long for a recipe.")
    try:
        if any(
            isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader)
        ):
            raise SpecError(
                f"'{name}' uses references (&, *), which recipes do not need. Write the values out."
            )
        values = yaml.safe_load(text)
    except NO_YAML as error:
        first = str(error).splitlines()[0] if str(error) else "it is damaged"
        raise SpecError(f"'{name}' cannot be read as YAML: {first}.") from None
    if not isinstance(values, dict) or not isinstance(values.get("values"), dict):
        raise SpecError(
            f"'{name}' is not a recipe: it has no list of values. Save one here first to see how it looks."
        )
    return _checked(values)


def _checked(values: dict[Any, Any]) -> Recipe:
    """The recipe, once its words and each of its settings are; raises SpecError that names all that is wrong."""
    try:
        recipe = Recipe.model_validate(values)
    except ValidationError as error:
        wrong = (
            f"{'.'.join(map(str, one['loc']))[:80] or 'recipe'}: {_why(one)}"
            for one in error.errors()
        )
        raise SpecError("This is not a recipe as Hone writes them.\n" + "\n".join(wrong)) from None
    if not recipe.name.strip() or len(recipe.name) > NAME:
        raise SpecError(f"The name of a recipe has 1 to {NAME} characters.")
    if unknown := [path for path in recipe.values if path not in PATHS]:
        raise SpecError("\n".join(_stranger(path[:80]) for path in unknown[:20]))
    spec = specs.make(presets.nested(recipe.values))
    checked = {path: _plain(path, spec) for path in recipe.values}
    words = {
        "name": recipe.name.strip(),
        "summary": recipe.summary[:TEXT],
        "cost": recipe.cost[:TEXT],
    }
    return recipe.model_copy(update={"values": checked, **words})


def _why(problem: Any) -> str:
    """A problem of the file's form in plain words."""
    wishes = {"extra_forbidden": "recipes have no such part", "missing": "it is missing"}
    return wishes.get(problem["type"], str(problem["msg"]).lower())


def _stranger(path: str) -> str:
    try:
        title = specs.field(path).title
    except (KeyError, AttributeError):
        return f"'{path}' is not a setting of Hone. Check the spelling, or remove it."
    return f"{title} ({path}) is not part of a recipe: data, model and place are chosen on the page. Remove it."
