"""The settings of a run as widgets: one per field of RunSpec, made from the field's own declaration.

Labels, help, bounds and defaults are read from engine.spec.run and stand nowhere else. Knows nothing about
where on the page a widget is.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import gradio as gr
from gradio.components import Component

from engine.model.info import ModelInfo
from engine.spec import objective, presets
from engine.spec import run as specs
from engine.spec.run import DataSpec, RunSpec, Shape

# All fields in the order of the form. Those of data live on the Data tab (but for the seed), the model on its own.
PATHS = (
    "data.source",
    "model.source",
    "data.shape",
    "data.roles",
    "data.fixes",
    "data.goal",
    "data.system",
    "data.learn",
    "data.template",
    "data.max_length",
    "data.held_out",
    "data.held_out_source",
    "name",
    "model.start",
    "method.kind",
    "method.rank",
    "method.alpha",
    "method.targets",
    "method.dropout",
    "method.rslora",
    "method.init",
    "method.plus",
    "method.bias",
    "method.layers",
    "method.save",
    "method.ranks",
    "method.preference",
    "method.beta",
    "optim.epochs",
    "optim.learning_rate",
    "optim.batch_size",
    "optim.accumulation",
    "optim.warmup",
    "optim.weight_decay",
    "optim.schedule",
    "optim.optimizer",
    "optim.checkpointing",
    "optim.patience",
    "data.seed",
    "sampling.checks",
    "sampling.save_minutes",
    "sampling.prompts",
    "sampling.max_new_tokens",
    "place.device",
    "place.precision",
)
DATA_PATHS = tuple(path for path in PATHS if path.startswith("data."))
LISTS = ("sampling.prompts", "method.save")  # written one per line
SLIDER_STEPS = {
    "method.rank": 1,
    "method.dropout": 0.01,
    "data.held_out": 0.01,
    "optim.warmup": 0.01,
}
LINES = {"sampling.prompts": 3, "data.system": 2, "method.ranks": 2, "method.save": 1}
ALL_LINEAR = "all-linear"
EVERY = f"All linear layers ({ALL_LINEAR})"
WORDS = {
    "auto": "Automatic",
    "cpu": "Processor",
    "cuda": "GPU",
    "bf16": "bf16 (16 bit)",
    "fp32": "fp32 (32 bit)",
    "cosine": "Cosine",
    "linear": "Linear",
    "constant": "Constant",
    "answers": "Answers",
    "last": "Last answer only",
    "all": "All text",
    "model": "The model's own",
    "plain": "Plain (User: … Assistant: …)",
    "chatml": "ChatML (Qwen and many others)",
    "llama3": "Llama 3",
    "gemma": "Gemma",
    "phi3": "Phi 3",
    "mistral": "Mistral",
    "alpaca": "Alpaca (### Instruction)",
    "lora": "LoRA",
    "qlora": "LoRA on 4-bit weights (QLoRA)",
    "lora8": "LoRA on 8-bit weights",
    "dora": "DoRA",
    "head": "Only the new head",
    "full": "All weights (full fine-tuning)",
    "zero": "Zero",
    "gaussian": "Gaussian",
    "pissa": "PiSSA",
    "olora": "OLoRA",
    "none": "None",
    "lora_only": "Beside adapters",
    "dpo": "DPO",
    "orpo": "ORPO",
    "kto": "KTO",
    "adamw": "AdamW",
    "adamw_8bit": "AdamW in 8 bit",
    "adafactor": "Adafactor",
    "on": "Always",
    "off": "Never",
    "gentle": "Gentle (five checks)",
    "strict": "Strict (two checks)",
    **objective.WORDS,
}
SPECIAL = {"method.bias": {"all": "All biases"}}  # where a word means something else
DROPDOWNS = ("data.template", "data.goal", "method.kind")
A_SHARE = ("A share of this data", "")
STATES = ("data.roles", "data.fixes", "model.start")  # set by other widgets, so kept beside them


def widget(path: str, **more: Any) -> Component:
    """The widget of a field: label, help, bounds and default come from its declaration."""
    field = specs.field(path)
    value = to_widget(path, field.default)
    common: dict[str, Any] = {
        "label": field.title,
        "info": field.description,
        "value": value,
    } | more
    elem_id = "field-" + path.replace(".", "-")
    kind, low, high = _kind(field.annotation), _bound(field, "ge", "gt"), _bound(field, "le", "lt")
    if path in SLIDER_STEPS:
        return gr.Slider(low, high, step=SLIDER_STEPS[path], elem_id=elem_id, **common)
    if path in STATES:
        return gr.State(value)
    if path == "data.shape":
        shapes = [("As found", ""), *((shape.value, shape.value) for shape in Shape)]
        return gr.Dropdown(shapes, elem_id=elem_id, **common)
    named = choices(path)
    if path in DROPDOWNS:
        return gr.Dropdown(elem_id=elem_id, **({"choices": named} | common))
    if path == "data.held_out_source":
        return gr.Dropdown(elem_id=elem_id, **({"choices": [A_SHARE]} | common))
    if path.endswith(".source"):
        return gr.Dropdown(elem_id=elem_id, **common)
    if path == "method.targets":
        return gr.CheckboxGroup([(EVERY, ALL_LINEAR)], elem_id=elem_id, **common)
    if typing.get_origin(kind) is Literal:
        return gr.Radio(named, elem_id=elem_id, **common)
    if kind is bool:
        return gr.Checkbox(elem_id=elem_id, **common)
    if kind in (int, float) and field.default is not None:
        # Bounds are left to RunSpec, which names every wrong field at once and in words.
        return gr.Number(precision=0 if kind is int else None, elem_id=elem_id, **common)
    # A number that may be left out is a text field too: gr.Number shows an empty one as 0.
    return gr.Textbox(lines=LINES.get(path, 1), elem_id=elem_id, **common)


def choices(path: str) -> list[tuple[str, str]]:
    """(label, value) of all that a field may be; empty where it is free."""
    return [
        (_word(path, choice), choice)
        for choice in typing.get_args(_kind(specs.field(path).annotation))
    ]


def collect(values: Iterable[Any], paths: Sequence[str] = PATHS) -> RunSpec:
    """The checked spec that the widgets' values mean; raises SpecError that names all that is wrong."""
    found = {path: _from_widget(path, value) for path, value in zip(paths, values, strict=True)}
    return specs.make(presets.nested(found))


def data_spec(values: Iterable[Any]) -> DataSpec:
    """The data's part of the form, given in the order of ``DATA_PATHS``."""
    return collect(values, DATA_PATHS).data


def fill(spec: RunSpec, info: ModelInfo | None, paths: Sequence[str] = PATHS) -> list[Any]:
    """Values for the widgets that mean this spec; ``info`` turns target modules into the model's own names."""
    values = spec.model_dump()
    shown = []
    for path in paths:
        value: Any = values
        for name in path.split("."):
            value = value[name]
        if path == "method.targets":
            value = info.targets(value) if info else (ALL_LINEAR,)
        shown.append(to_widget(path, value))
    return shown


def to_widget(path: str, value: Any) -> Any:
    """A field's value as its widget holds it."""
    if path in LISTS:
        return "\n".join(value)
    if path == "method.ranks":
        return "\n".join(f"{name}: {rank}" for name, rank in value.items())
    if value is None:
        return ""
    if isinstance(value, Shape):
        return value.value
    return list(value) if isinstance(value, tuple) else value


def _from_widget(path: str, value: Any) -> Any:
    if path in LISTS:
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
        return None if value == "" and specs.field(path).default is None else value
    return value


def _word(path: str, choice: str) -> str:
    return SPECIAL.get(path, {}).get(choice, WORDS.get(choice, choice))


def _kind(annotation: Any) -> Any:
    """The type of a field, without its None."""
    if isinstance(annotation, types.UnionType):
        return next(part for part in typing.get_args(annotation) if part is not type(None))
    return annotation


def _bound(field: Any, *names: str) -> float | None:
    return next(
        (getattr(rule, name) for rule in field.metadata for name in names if hasattr(rule, name)),
        None,
    )


GROUPS = {
    "fewest": "Fewest (query and value)",
    "attention": "Attention",
    "all": "All linear layers",
}


GROUP_NOTES = {
    "fewest": "the least memory; enough to change the tone",
    "attention": "all of the attention block",
    "all": "learns the most; the usual choice",
}
