"""A method on a model: PEFT's options for it, and how many weights it trains.

From the model's structure alone; PEFT counts the same.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from engine.model.check_method import check_method
from engine.model.info import ModelInfo
from engine.spec.method import MethodSpec


class ParameterCount(NamedTuple):
    """Weights, as PEFT's get_nb_trainable_parameters counts them."""

    trainable: int
    total: int  # the model's with its head, and what the method adds
    adapter: int = 0  # of the trainable ones, the small matrices
    head: int = 0  # of the trainable ones, a new classification head
    saved: int = 0  # of the trainable ones, whole modules beside the adapter
    biases: int = 0  # of the trainable ones, biases of the model itself


def count_parameters(info: ModelInfo, method: MethodSpec, labels: int = 2) -> ParameterCount:
    """The weights that a method trains, with this many outputs of a classification head.

    Raises SpecError or ModelError for names and layers that the model lacks.
    """
    head, total = info.head_parameters(labels), info.parameters
    if method.kind == "full":
        return ParameterCount(total - info.frozen + head, total + head, head=head)
    if method.kind == "head":  # PEFT keeps the untrained head beside it
        return ParameterCount(head, total + 2 * head, head=head)
    check_method(info, method)
    adapter = bias = 0
    for module in info.target_modules(method.targets, method.layer_numbers):
        outputs = module.count * module.outs
        adapter += module.lora_parameters(method.rank_of(module.name))
        if method.kind == "dora":  # a magnitude for each output
            adapter += outputs
        if module.bias:
            bias += outputs
    saved = sum(info.saveable[name] for name in method.save)
    biases = {"none": 0, "lora_only": bias, "all": info.biases}[method.bias]
    added = adapter + head + saved
    return ParameterCount(added + biases, total + head + added, adapter, head, saved, biases)


def lora_options(method: MethodSpec, info: ModelInfo) -> dict[str, Any]:
    """The fields of PEFT's LoraConfig that follow from the method; for the others see the callers.

    Raises ModelError for target modules that the model lacks.
    """
    layers = method.layer_numbers
    return {
        "task_type": "SEQ_CLS" if info.task == "classify" else "CAUSAL_LM",
        "r": method.rank,
        "lora_alpha": method.scale_alpha,
        "lora_dropout": method.dropout,
        "target_modules": list(info.resolve_targets(method.targets)),
        "layers_to_transform": None if layers is None else list(layers),
        "layers_pattern": None if layers is None else info.blocks,
        "rank_pattern": dict(method.ranks),
        "use_rslora": method.rslora,
        "use_dora": method.kind == "dora",
        "bias": method.bias,
        "modules_to_save": [*method.save, *info.head] or None,
        "ensure_weight_tying": bool(method.save) and info.tied,
        "fan_in_fan_out": info.transposed,
    }
