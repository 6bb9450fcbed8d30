"""One block of a model as a drawing: which projections stand in it, in reading order, and which get an adapter.

Gives data; ``assets/model.js`` builds the boxes from it. Pure functions.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from engine.errors import HoneError
from engine.model import parameters
from engine.model.info import LinearModule, ModelInfo
from engine.spec.method import MethodSpec
from engine.text import format_count, format_share
from ui.form import TARGET_GROUP_NOTES, TARGET_GROUPS

OUTPUT_NAMES = {
    "o_proj",
    "out_proj",
    "out_lin",
    "dense",
    "c_proj",
    "wo",
    "o",
    "o_attn",
    "output",
    "out_project",
    "to_out",
}
DOWN_NAMES = {
    "down_proj",
    "c_proj",
    "fc2",
    "lin2",
    "dense_4h_to_h",
    "wo",
    "ffn_output",
    "w2",
    "fc_out",
    "linear2",
}
FUSED = "query, key, value in one"
PROJECTION_WORDS = {
    "q": "query", "k": "key", "v": "value", "o": "output", "query": "query", "key": "key", "value": "value",
    "out": "output", "gate": "gate", "up": "up", "down": "down", "gate_up": "gate and up in one",
    "qkv": FUSED, "query_key_value": FUSED, "wqkv": FUSED, "c_attn": FUSED,
    "dense_h_to_4h": "up", "dense_4h_to_h": "down", "c_fc": "up", "fc1": "up", "fc2": "down", "lin1": "up",
    "lin2": "down", "wi": "gate and up in one", "ffn": "up", "ffn_output": "down",
}  # fmt: skip
EXPERTS_IN_ONE_TABLE = "The experts are kept as one large table, not as layers of their own, so no adapter can be put beside them."
NO_ADAPTER = {
    "full": "All weights train, so there is no adapter. Choose a LoRA method on the Train tab to place one.",
    "head": "Only the new head trains, so there is no adapter. Choose a LoRA method on the Train tab to place one.",
}


def layer_diagram(info: ModelInfo, method: MethodSpec, labels: int = 2) -> dict[str, Any]:
    """All that the drawing shows; what is wrong with the choice stands in ``problem``."""
    chosen = _chosen_targets(info, method)
    inside = [module for module in info.modules if module.layers != (-1,)]
    columns = [
        _block_column("Attention", _attention_note(info), _block_steps(inside, "attention", OUTPUT_NAMES, "each token looks at the others"),
                info, method, chosen),
        _block_column("Feed-forward (MLP)", "", _block_steps(inside, "mlp", DOWN_NAMES, "activation"), info, method, chosen),
        _experts_column(info, method, chosen),
    ]  # fmt: skip
    named = {"attention", "mlp", "experts", "router"}
    rest = [module for module in info.modules if module.part not in named or module.layers == (-1,)]
    columns.append(
        _block_column("Other parts", "", [(rest, "")] if rest else [], info, method, chosen)
    )
    return {
        "model": f"{info.source} {info.task}",
        "adapts": method.adapts,
        "note": NO_ADAPTER.get(method.kind, ""),
        "layers": info.layers,
        "columns": [column for column in columns if column["steps"]],
        "groups": group_buttons(info, chosen),
        "reason": _group_reason(info),
        **_trainable_text(info, method, labels, bool(chosen)),
    }


def group_buttons(info: ModelInfo, chosen: set[str]) -> list[dict[str, Any]]:
    """The groups as buttons; of groups with the same parts the widest is pressed."""
    wanted = next((name for name in reversed(info.groups) if set(info.groups[name]) == chosen), "")
    return [
        {
            "id": name,
            "label": TARGET_GROUPS[name],
            "note": TARGET_GROUP_NOTES[name],
            "pressed": name == wanted,
        }
        for name in info.groups
    ]


def toggle_target(info: ModelInfo, names: list[str], name: str) -> list[str]:
    """The target modules once one of them is put in or taken out; raises ModelError for names it lacks."""
    now = info.targets(names) if names else ()
    info.targets([name])
    known = dict.fromkeys(module.name for module in info.adaptable)
    return [one for one in known if (one in now) != (one == name)]


def _chosen_targets(info: ModelInfo, method: MethodSpec) -> set[str]:
    try:
        return set(info.targets(method.targets)) if method.adapts else set()
    except HoneError:  # names of the model before: the form is on its way
        return set()


def _attention_note(info: ModelInfo) -> str:
    if not info.heads:
        return ""
    return f"{info.heads} heads" + (
        f", {info.kv_heads} for keys and values" if info.kv_heads != info.heads else ""
    )


Steps = list[tuple[list[LinearModule], str]]


def _block_steps(modules: list[LinearModule], part: str, last: set[str], between: str) -> Steps:
    """First what reads the block's input, then what writes its output; between them something without weights."""
    own = [module for module in modules if module.part == part]
    out = [module for module in own if _writes_output(module, last, part)]
    first = [module for module in own if module not in out]
    return [(step, word) for step, word in ((first, between if out else ""), (out, "")) if step]


def _writes_output(module: LinearModule, last: set[str], part: str) -> bool:
    if part == "attention":
        return module.name.lower() in last or ".output." in module.path
    return module.ins > module.outs or (module.ins == module.outs and module.name.lower() in last)


def _block_column(
    title: str, note: str, steps: Steps, info: ModelInfo, method: MethodSpec, chosen: set[str]
) -> dict[str, Any]:
    boxes = [
        {"boxes": [_module_box(module, info, method, chosen) for module in step], "then": between}
        for step, between in steps
    ]
    return {"title": title, "note": note, "steps": boxes, "closed": ""}


def _experts_column(info: ModelInfo, method: MethodSpec, chosen: set[str]) -> dict[str, Any]:
    """Experts, which take turns: boxes where they are layers, else one that cannot be chosen, with the reason."""
    own = [
        module
        for module in info.modules
        if module.part in ("router", "experts") and module.layers != (-1,)
    ]
    active = f", {info.experts_active} for each token" if info.experts_active else ""
    column = _block_column(
        "Experts",
        f"{info.experts} in a layer{active}",
        [(own, "")] if own else [],
        info,
        method,
        chosen,
    )
    if info.parts.get("experts") and not any(module.part == "experts" for module in own):
        column["closed"] = (
            f"{EXPERTS_IN_ONE_TABLE} They hold {format_share(info.parts['experts'], info.parameters)} of all weights."
        )
        column["steps"] = column["steps"] or [{"boxes": [], "then": ""}]
    return column


def _module_box(
    module: LinearModule, info: ModelInfo, method: MethodSpec, chosen: set[str]
) -> dict[str, Any]:
    pressed, layers = module.name in chosen, method.layer_numbers
    here = (
        module
        if layers is None
        else module.model_copy(update={"layers": _adapted_layers(module, layers)})
    )
    places = Counter(one.name for one in info.modules)[module.name]
    return {
        "name": module.name,
        "path": module.path,
        "word": projection_word(module),
        "shape": f"{format_count(module.ins)} → {format_count(module.outs)}",
        "where": _layers_text(module, info)
        + (f"; no adapter, {module.refused}" if module.refused else ""),
        "closed": bool(module.refused),
        "pressed": pressed,
        "adapter": format_count(_adapter_weights(here, method))
        if method.adapts and not module.refused
        else "",
        "twins": places - 1,
    }


def _adapter_weights(module: LinearModule, method: MethodSpec) -> int:
    """Weights of an adapter beside these layers; DoRA keeps a magnitude for each output, too."""
    extra = module.count * module.outs if method.kind == "dora" else 0
    return module.lora_parameters(method.rank_of(module.name)) + extra


def _adapted_layers(module: LinearModule, layers: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(layer for layer in module.layers if layer in set(layers))


def _layers_text(module: LinearModule, info: ModelInfo) -> str:
    each = f", {module.each} each" if module.each > 1 else ""
    if module.layers == (-1,):
        return "once, outside the layers"
    if len(module.layers) == info.layers:
        return f"in all {info.layers} layers{each}"
    return f"in {len(module.layers)} of {info.layers} layers{each}"


def projection_word(module: LinearModule) -> str:
    """What a projection does, in a word; empty where its name does not tell."""
    stem = module.name.lower()
    if stem in ("dense", "c_proj", "wo"):
        if module.layers == (-1,):  # of a pooler, say
            return ""
        return (
            "output" if module.part == "attention" else "down" if module.ins > module.outs else "up"
        )
    for end in ("_proj", "_lin"):
        stem = stem.removesuffix(end)
    return PROJECTION_WORDS.get(stem, "")


def _group_reason(info: ModelInfo) -> str:
    """Why a group holds other parts than its name says, and which parts can get no adapter."""
    if said := " ".join(
        sentence for sentence in (info.group_reason, _refused_modules(info)) if sentence
    ):
        return said
    fallen = [
        TARGET_GROUPS[name]
        for name in ("fewest", "attention")
        if info.groups.get(name) == info.groups.get("all")
    ]
    if fallen and len(info.groups["all"]) > 1:
        return f"For this architecture ({info.model_type}) {' and '.join(fallen)} means all linear layers."
    return ""


def _refused_modules(info: ModelInfo) -> str:
    why = {module.name: module.refused for module in info.modules if module.refused}
    names = [
        f"{', '.join(name for name in why if why[name] == reason)} ({reason})"
        for reason in dict.fromkeys(why.values())
    ]
    return f"No adapter can stand beside {'; '.join(names)}." if names else ""


def _trainable_text(
    info: ModelInfo, method: MethodSpec, labels: int, chosen: bool
) -> dict[str, str]:
    """How much trains, or what is wrong."""
    if method.adapts and not chosen:
        return {"count": "No part is chosen. Choose at least one.", "of": "", "tone": "bad"}
    try:
        found = parameters.count_parameters(info, method, labels)
    except HoneError as error:
        return {"count": str(error), "of": "", "tone": "bad"}
    part = format_share(found.trainable, found.total)
    return {
        "count": f"{format_count(found.trainable)} weights train",
        "of": f"{part} of {format_count(found.total)}",
        "tone": "",
    }
