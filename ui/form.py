"""The settings of a run as widgets: one for each field of RunSpec, from the field's declaration.

Labels, help, bounds and defaults come from engine.spec alone. Where a widget is on the page is
decided by the tabs. The values of a form are a dict by path, for example ``{"method.rank": 16}``.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Literal

import gradio as gr
from gradio.components import Component
from pydantic.fields import FieldInfo

from engine.model.info import ALL_LINEAR, ModelInfo
from engine.spec import objective, presets
from engine.spec import run as specs
from engine.spec.method import METHODS
from engine.spec.run import DataSpec, RunSpec, Shape
from ui.handlers import Values

# Every field, in the order of the form. Fields of data are on the Data tab (except the seed), the
# model on the Model tab, all others on the Train tab.
FORM_PATHS = (
    "data.source", "model.source", "data.shape", "data.roles", "data.fixes", "data.left_out",
    "data.goal", "data.system", "data.learn", "data.template", "data.max_length",
    "data.held_out", "data.held_out_source", "name", "model.start",
    "method.kind", "method.rank", "method.alpha", "method.targets", "method.dropout",
    "method.rslora", "method.init", "method.plus", "method.bias", "method.layers", "method.save",
    "method.ranks", "method.preference", "method.beta",
    "optim.epochs", "optim.learning_rate", "optim.batch_size", "optim.accumulation",
    "optim.warmup", "optim.weight_decay", "optim.schedule", "optim.optimizer",
    "optim.checkpointing", "optim.patience", "data.seed",
    "sampling.checks", "sampling.save_minutes", "sampling.prompts", "sampling.max_new_tokens",
    "place.device", "place.precision",
)  # fmt: skip
DATA_PATHS = tuple(path for path in FORM_PATHS if path.startswith("data."))
# Lists that are written one item per line.
LIST_PATHS = ("sampling.prompts", "method.save")
SLIDER_STEPS = {
    "method.rank": 1, "method.dropout": 0.01, "data.held_out": 0.01, "optim.warmup": 0.01,
}  # fmt: skip
TEXT_LINES = {"sampling.prompts": 3, "data.system": 2, "method.ranks": 2, "method.save": 1}
ALL_LINEAR_LABEL = f"All linear layers ({ALL_LINEAR})"
CHOICE_LABELS = {
    "auto": "Automatic", "cpu": "Processor", "cuda": "GPU",
    "bf16": "bf16 (16 bit)", "fp32": "fp32 (32 bit)",
    "cosine": "Cosine", "linear": "Linear", "constant": "Constant",
    "answers": "Answers", "last": "Last answer only", "all": "All text",
    "model": "The model's own", "plain": "Plain (User: … Assistant: …)",
    "chatml": "ChatML (Qwen and many others)", "llama3": "Llama 3", "gemma": "Gemma",
    "phi3": "Phi 3", "mistral": "Mistral", "alpaca": "Alpaca (### Instruction)",
    "zero": "Zero", "gaussian": "Gaussian", "pissa": "PiSSA", "olora": "OLoRA",
    "none": "None", "lora_only": "Of the adapted layers",
    "dpo": "DPO", "orpo": "ORPO", "kto": "KTO",
    "adamw": "AdamW", "adamw_8bit": "AdamW in 8 bit", "adafactor": "Adafactor",
    "on": "Always", "off": "Never",
    "gentle": "Gentle (five checks)", "strict": "Strict (two checks)",
    **{kind: method.name for kind, method in METHODS.items()}, **objective.OBJECTIVE_NAMES,
}  # fmt: skip
# Choices whose label differs in one field.
SPECIAL_LABELS = {"method.bias": {"all": "All biases"}}
TARGET_GROUPS = {
    "fewest": "Fewest (query and value)",
    "attention": "Attention",
    "all": "All linear layers",
}
TARGET_GROUP_NOTES = {
    "fewest": "the least memory; enough to change the tone",
    "attention": "all of the attention block",
    "all": "learns the most; the usual choice",
}
SHARE_CHOICE = ("A share of this data", "")
# Fields without a widget of their own: other widgets set them.
STATE_PATHS = ("data.roles", "data.goal", "data.fixes", "data.left_out", "model.start")
# Fields that would not get this widget by their type, and its choices; none: those of the field.
CHOICE_WIDGETS: dict[str, tuple[type[Component], list[tuple[str, str]]]] = {
    "data.source": (gr.Dropdown, []),
    "data.held_out_source": (gr.Dropdown, [SHARE_CHOICE]),
    "data.shape": (gr.Dropdown, [("As found", ""), *((one.value, one.value) for one in Shape)]),
    "data.template": (gr.Dropdown, []),
    "model.source": (gr.Dropdown, []),
    "method.kind": (gr.Dropdown, []),
    "method.targets": (gr.CheckboxGroup, [(ALL_LINEAR_LABEL, ALL_LINEAR)]),
}


def widget_id(path: str) -> str:
    """The id of a field's widget on the page."""
    return "field-" + path.replace(".", "-")


def make_widget(path: str, **options: Any) -> Component:
    """The widget of a field; ``options`` replace what follows from its declaration."""
    field = specs.spec_field(path)
    value = to_widget_value(path, field.default)
    if path in STATE_PATHS:
        return gr.State(value)
    widget, own = _widget_type(path, field)
    common = {"label": field.title, "info": field.description, "value": value}
    return widget(**(own | common | {"elem_id": widget_id(path)} | options))


def _widget_type(path: str, field: FieldInfo) -> tuple[type[Component], dict[str, Any]]:
    """A field's component, and the arguments that only this component has."""
    kind = _without_none(field.annotation)
    if path in SLIDER_STEPS:
        low, high = _bound_of(field, "ge", "gt"), _bound_of(field, "le", "lt")
        return gr.Slider, {"minimum": low, "maximum": high, "step": SLIDER_STEPS[path]}
    if path in CHOICE_WIDGETS:
        widget, choices = CHOICE_WIDGETS[path]
        return widget, {"choices": choices or field_choices(path)}
    if typing.get_origin(kind) is Literal:
        return gr.Radio, {"choices": field_choices(path)}
    if kind is bool:
        return gr.Checkbox, {}
    if kind in (int, float) and field.default is not None:
        # No bounds here: RunSpec checks them and names every wrong field at once.
        return gr.Number, {"precision": 0 if kind is int else None}
    # Also for optional numbers: an empty gr.Number shows 0.
    return gr.Textbox, {"lines": TEXT_LINES.get(path, 1)}


def field_choices(path: str) -> list[tuple[str, str]]:
    """(label, value) of each choice of a Literal field; empty for other fields."""
    special = SPECIAL_LABELS.get(path, {})
    return [
        (special.get(choice, CHOICE_LABELS.get(choice, choice)), choice)
        for choice in typing.get_args(_without_none(specs.spec_field(path).annotation))
    ]


def read_spec(values: Mapping[str, Any]) -> RunSpec:
    """The spec of a form's values by path; raises SpecError that names every wrong field."""
    found = {path: _from_widget_value(path, value) for path, value in values.items()}
    return specs.make_spec(presets.nest_values(found))


def read_data_spec(values: Mapping[str, Any]) -> DataSpec:
    """The fields of data alone; raises SpecError as ``read_spec`` does."""
    return read_spec({path: values[path] for path in DATA_PATHS}).data


@dataclass(frozen=True)
class DataInputs:
    """The widgets that decide what a model sees of the data: the model, and data fields by path."""

    model: Component
    fields: dict[str, Component]

    @property
    def widgets(self) -> set[Component]:
        return {self.model, *self.fields.values()}

    def data_spec(self, values: Values) -> DataSpec:
        """The data settings as the form holds them; raises SpecError."""
        return read_data_spec({path: values[self.fields[path]] for path in DATA_PATHS})


def widget_values(spec: RunSpec, info: ModelInfo | None) -> dict[str, Any]:
    """A form's values for this spec; with ``info``, target modules by the model's own names."""
    values = {path: attrgetter(path)(spec) for path in FORM_PATHS}
    targets = values["method.targets"]
    values["method.targets"] = info.resolve_targets(targets) if info else (ALL_LINEAR,)
    return {path: to_widget_value(path, value) for path, value in values.items()}


def to_widget_value(path: str, value: Any) -> Any:
    """A field's value as its widget holds it."""
    if path in LIST_PATHS:
        return "\n".join(value)
    if path == "method.ranks":
        return "\n".join(f"{name}: {rank}" for name, rank in value.items())
    if value is None:
        return ""
    if isinstance(value, Shape):
        return value.value
    return list(value) if isinstance(value, tuple) else value


def is_widget_value(path: str, value: Any) -> bool:
    """Whether a field's widget can hold this; it may still be out of the field's bounds."""
    annotation = _without_none(specs.spec_field(path).annotation)
    if typing.get_origin(annotation) is Literal:
        return value in typing.get_args(annotation)
    plain = widget_values(RunSpec(), None)[path]
    if isinstance(plain, (int, float)) and not isinstance(plain, bool):
        return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))
    if isinstance(plain, list) and isinstance(value, list):
        return all(isinstance(one, str) for one in value)
    return isinstance(value, type(plain))


def _from_widget_value(path: str, value: Any) -> Any:
    if path in LIST_PATHS:
        return tuple(line.strip() for line in (value or "").splitlines() if line.strip())
    if path == "method.ranks":
        pairs = (line.partition(":") for line in (value or "").splitlines() if line.strip())
        return {name.strip(): rank.strip() for name, _, rank in pairs}
    if path == "method.targets" and isinstance(value, list) and len(value) > 1:
        return tuple(name for name in value if name != ALL_LINEAR)
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, str):
        value = value.strip()
        return None if value == "" and specs.spec_field(path).default is None else value
    return value


def _without_none(annotation: Any) -> Any:
    """The type of an optional field."""
    if isinstance(annotation, types.UnionType):
        return next(part for part in typing.get_args(annotation) if part is not type(None))
    return annotation


def _bound_of(field: FieldInfo, *names: str) -> float | None:
    bounds = (getattr(rule, name, None) for rule in field.metadata for name in names)
    return next((bound for bound in bounds if bound is not None), None)
