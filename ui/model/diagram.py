"""One layer of a model as a diagram: its projections in reading order, and which get an adapter.

Gives data; ``assets/model.js`` builds the boxes from it. Pure functions.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from engine.errors import HoneError
from engine.model import parameters
from engine.model.info import LinearModule, ModelInfo
from engine.spec.method import MethodSpec
from engine.text import format_count, format_share
from ui.form import TARGET_GROUP_NOTES, TARGET_GROUPS
from ui.model.projections import OUTSIDE, projection_word, writes_block_output

EXPERTS_IN_ONE_TABLE = (
    "The experts are stored as one large table, not as layers of their own, so they cannot get an "
    "adapter."
)
CHOOSE_LORA = "so there is no adapter. Choose a LoRA method on the Train tab to add one."
NO_ADAPTER = {
    "full": f"All weights train, {CHOOSE_LORA}",
    "head": f"Only the new head trains, {CHOOSE_LORA}",
}
BlockStep = tuple[list[LinearModule], str]  # modules side by side, and what is computed after them


@dataclass(frozen=True)
class Targets:
    """A model, a method, and the names of the modules that get an adapter."""

    info: ModelInfo
    method: MethodSpec
    chosen: frozenset[str]


def layer_diagram(info: ModelInfo, method: MethodSpec, labels: int = 2) -> dict[str, Any]:
    """All that the diagram shows, as model.js takes it."""
    targets = Targets(info, method, _chosen_targets(info, method))
    inside = [module for module in info.modules if module.layers != OUTSIDE]
    attention = _block_steps(inside, "attention", "each token looks at the others")
    named = {"attention", "mlp", "experts", "router"}
    rest = [one for one in info.modules if one.part not in named or one.layers == OUTSIDE]
    columns = [
        _column("Attention", _attention_note(info), attention, targets),
        _column("Feed-forward (MLP)", "", _block_steps(inside, "mlp", "activation"), targets),
        _experts_column(targets),
        _column("Other parts", "", [(rest, "")] if rest else [], targets),
    ]
    return {
        "model": f"{info.source} {info.task}",
        "adapts": method.adapts,
        "note": NO_ADAPTER.get(method.kind, ""),
        "layers": info.layers,
        "columns": [column for column in columns if column["steps"]],
        "groups": _group_buttons(targets),
        "reason": _group_reason(info),
        **_trainable_text(targets, labels),
    }


def toggle_target(info: ModelInfo, names: list[str], name: str) -> list[str]:
    """The target modules with one of them added or removed; raises ModelError for unknown names."""
    chosen = info.resolve_targets(names) if names else ()
    info.resolve_targets([name])
    known = dict.fromkeys(module.name for module in info.adaptable)
    return [one for one in known if (one in chosen) != (one == name)]


def _chosen_targets(info: ModelInfo, method: MethodSpec) -> frozenset[str]:
    if not method.adapts:
        return frozenset()
    try:
        return frozenset(info.resolve_targets(method.targets))
    except HoneError:  # names of the model before: the form is about to change
        return frozenset()


# --- columns: the blocks of a layer ---


def _attention_note(info: ModelInfo) -> str:
    if not info.heads:
        return ""
    if info.kv_heads == info.heads:
        return f"{info.heads} heads"
    return f"{info.heads} heads, {info.kv_heads} for keys and values"


def _block_steps(modules: list[LinearModule], part: str, between: str) -> list[BlockStep]:
    """What reads the block's input, then what writes its output; ``between`` has no weights."""
    own = [module for module in modules if module.part == part]
    last = [module for module in own if writes_block_output(module)]
    first = [module for module in own if module not in last]
    steps = [(first, between if last else ""), (last, "")]
    return [(step, then) for step, then in steps if step]


def _column(title: str, note: str, steps: list[BlockStep], targets: Targets) -> dict[str, Any]:
    boxes = [
        {"boxes": [_module_box(module, targets) for module in step], "then": then}
        for step, then in steps
    ]
    return {"title": title, "note": note, "steps": boxes, "closed": ""}


def _experts_column(targets: Targets) -> dict[str, Any]:
    """Boxes where experts are layers; else one that cannot be chosen, with the reason."""
    info = targets.info
    own = [
        module
        for module in info.modules
        if module.part in ("router", "experts") and module.layers != OUTSIDE
    ]
    active = f", {info.experts_active} for each token" if info.experts_active else ""
    note = f"{info.experts} in a layer{active}"
    column = _column("Experts", note, [(own, "")] if own else [], targets)
    if info.parts.get("experts") and not any(module.part == "experts" for module in own):
        held = format_share(info.parts["experts"], info.parameters)
        column["closed"] = f"{EXPERTS_IN_ONE_TABLE} They hold {held} of all weights."
        column["steps"] = column["steps"] or [{"boxes": [], "then": ""}]
    return column


# --- boxes: the modules of a block ---


def _module_box(module: LinearModule, targets: Targets) -> dict[str, Any]:
    same_name = Counter(one.name for one in targets.info.modules)[module.name]
    where = _layers_text(module, targets.info)
    if module.refused:
        where += f"; no adapter, {module.refused}"
    has_adapter = targets.method.adapts and not module.refused
    return {
        "name": module.name,
        "path": module.path,
        "word": projection_word(module),
        "shape": f"{format_count(module.ins)} → {format_count(module.outs)}",
        "where": where,
        "closed": bool(module.refused),
        "pressed": module.name in targets.chosen,
        "adapter": format_count(_adapter_weights(module, targets.method)) if has_adapter else "",
        "twins": same_name - 1,
    }


def _adapter_weights(module: LinearModule, method: MethodSpec) -> int:
    """Weights of the adapters of a module in the chosen layers."""
    if method.layer_numbers is not None:
        chosen = set(method.layer_numbers)
        layers = tuple(layer for layer in module.layers if layer in chosen)
        module = module.model_copy(update={"layers": layers})
    # DoRA keeps a magnitude for each output, too.
    magnitudes = module.count * module.outs if method.kind == "dora" else 0
    return module.lora_parameters(method.rank_of(module.name)) + magnitudes


def _layers_text(module: LinearModule, info: ModelInfo) -> str:
    each = f", {module.each} each" if module.each > 1 else ""
    if module.layers == OUTSIDE:
        return "once, outside the layers"
    if len(module.layers) == info.layers:
        return f"in all {info.layers} layers{each}"
    return f"in {len(module.layers)} of {info.layers} layers{each}"


# --- groups and totals ---


def _group_buttons(targets: Targets) -> list[dict[str, Any]]:
    """Of groups with the same modules the widest is pressed."""
    groups = targets.info.groups
    same = (name for name in reversed(groups) if set(groups[name]) == targets.chosen)
    pressed = next(same, "")
    return [
        {
            "id": name,
            "label": TARGET_GROUPS[name],
            "note": TARGET_GROUP_NOTES[name],
            "pressed": name == pressed,
        }
        for name in groups
    ]


def _group_reason(info: ModelInfo) -> str:
    """Why a group holds other modules than its name says, and which can get no adapter."""
    reasons = [reason for reason in (info.group_reason, _refused_modules(info)) if reason]
    if reasons:
        return " ".join(reasons)
    widened = [
        f"“{TARGET_GROUPS[name]}”"
        for name in ("fewest", "attention")
        if info.groups.get(name) == info.groups.get("all")
    ]
    if not widened or len(info.groups["all"]) <= 1:
        return ""
    verb = "means" if len(widened) == 1 else "mean"
    return (
        f"For this architecture ({info.model_type}), {' and '.join(widened)} {verb} all linear "
        "layers."
    )


def _refused_modules(info: ModelInfo) -> str:
    names: dict[str, list[str]] = {}  # by reason; a name once
    for name, reason in {one.name: one.refused for one in info.modules if one.refused}.items():
        names.setdefault(reason, []).append(name)
    listed = "; ".join(f"{', '.join(found)} ({reason})" for reason, found in names.items())
    return f"No adapter can be added to {listed}." if listed else ""


def _trainable_text(targets: Targets, labels: int) -> dict[str, str]:
    """How much trains, or what is wrong."""
    if targets.method.adapts and not targets.chosen:
        return {"count": "No part is chosen. Choose at least one.", "of": "", "tone": "bad"}
    try:
        found = parameters.count_parameters(targets.info, targets.method, labels)
    except HoneError as error:
        return {"count": str(error), "of": "", "tone": "bad"}
    share = format_share(found.trainable, found.total)
    return {
        "count": f"{format_count(found.trainable)} weights train",
        "of": f"{share} of {format_count(found.total)}",
        "tone": "",
    }
