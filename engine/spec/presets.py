"""The data that ships with Hone: recipes, samples, recommended models. YAML in, objects out."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel

PRESETS_FOLDER = Path(__file__).resolve().parent.parent.parent / "presets"
POCKET_MODEL = PRESETS_FOLDER / "pocket" / "model"


class Recipe(BaseModel, frozen=True, extra="forbid"):
    """A named set of settings that differ from the defaults."""

    name: str
    summary: str
    cost: str  # what it costs, for the user
    values: dict[str, Any]  # dotted path -> value
    group: Literal["fewest", "attention", "all"] = "all"  # of the model's target modules
    data: Literal["any", "labels", "preferences"] = "any"  # rows that it is meant for
    length: Literal["", "longest"] = ""  # takes the longest row whole, as far as the model reads


class BundledSample(BaseModel, frozen=True, extra="forbid"):
    """A bundled dataset with the spec that suits it."""

    id: str
    title: str
    summary: str
    values: dict[str, Any]  # nested, as in the spec file
    order: int = 100  # on the page

    @property
    def train_file(self) -> Path:
        return PRESETS_FOLDER / "samples" / f"{self.id}.train.jsonl"

    @property
    def held_out_file(self) -> Path:
        return PRESETS_FOLDER / "samples" / f"{self.id}.heldout.jsonl"


class KnownModel(BaseModel, frozen=True, extra="forbid"):
    """A model of the Hub that Hone recommends, with its published structure."""

    name: str  # owner/name on the Hub
    title: str
    licence: str
    gated: bool  # its owner's terms must be accepted first
    parameters: int  # as published, tied weights once; of an encoder's body
    gigabytes: float  # of weights to download
    task: Literal["write", "classify"]
    template: bool  # it brings a chat template
    good_for: str
    config: dict[str, Any]  # the structural keys of its config.json

    @property
    def bytes(self) -> int:
        """Size of the weights to download."""
        return int(self.gigabytes * 1e9)


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file of Hone's own that holds a mapping."""
    value: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return value


@cache
def bundled_recipes() -> tuple[Recipe, ...]:
    """The recipes in the order of their file names."""
    files = sorted((PRESETS_FOLDER / "recipes").glob("*.yaml"))
    return tuple(Recipe.model_validate(read_yaml(path)) for path in files)


@cache
def bundled_samples() -> tuple[BundledSample, ...]:
    """The bundled samples, easiest first; ``about`` in a sample's file is about it."""
    found = []
    for path in (PRESETS_FOLDER / "samples").glob("*.yaml"):
        values = read_yaml(path)
        found.append(BundledSample(id=path.stem, values=values, **values.pop("about")))
    return tuple(sorted(found, key=lambda sample: sample.order))


def sample_values(source: str) -> dict[str, Any]:
    """The spec that suits a bundled sample, nested; empty for any other data."""
    found = (one.values for one in bundled_samples() if source == f"sample:{one.id}")
    return next(found, {})


@cache
def known_models() -> tuple[KnownModel, ...]:
    """The recommended models, in the order of their file."""
    text = (PRESETS_FOLDER / "models.yaml").read_text(encoding="utf-8")
    return tuple(KnownModel.model_validate(one) for one in yaml.safe_load(text))


def nest_values(values: dict[str, Any]) -> dict[str, Any]:
    """``{"optim.epochs": 2}`` as ``{"optim": {"epochs": 2}}``."""
    result: dict[str, Any] = {}
    for path, value in values.items():
        *parts, name = path.split(".")
        target = result
        for part in parts:
            target = target.setdefault(part, {})
        target[name] = value
    return result
