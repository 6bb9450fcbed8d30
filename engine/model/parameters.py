"""How many weights a method trains, from the model's anatomy alone: equal to what PEFT counts on the real model."""

from __future__ import annotations

from typing import NamedTuple

from engine.errors import SpecError
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
    """What trains with this method; raises SpecError or ModelError for names and layers that the model lacks.

    ``labels`` is the number of outputs of a classification head.
    """
    head = info.head_parameters(labels)
    if method.kind == "full":
        return ParameterCount(
            info.parameters - info.frozen + head, info.parameters + head, head=head
        )
    if method.kind == "head":
        return ParameterCount(
            head, info.parameters + 2 * head, head=head
        )  # PEFT keeps the untrained head beside it
    check_method(info, method)
    adapter = bias = 0
    for module in info.chosen(method.targets, method.layer_numbers):
        adapter += module.lora_parameters(method.rank_of(module.name))
        adapter += (
            module.count * module.outs if method.kind == "dora" else 0
        )  # a magnitude for each output
        bias += module.count * module.outs if module.bias else 0
    saved = sum(info.saveable[name] for name in method.save)
    biases = {"none": 0, "lora_only": bias, "all": info.biases}[method.bias]
    added = adapter + head + saved
    return ParameterCount(
        added + biases, info.parameters + head + added, adapter, head, saved, biases
    )


def check_method(info: ModelInfo, method: MethodSpec) -> None:
    """Raise SpecError, all problems at once, where the method does not fit this model."""
    wrong = []
    layers = method.layer_numbers
    if layers is not None and layers[-1] >= info.layers:
        wrong.append(
            f"Layers (method.layers): {info.name} has {info.layers} layers, counted from 0 to {info.layers - 1}; "
            f"'{method.layers}' asks for others."
        )
    chosen = info.chosen(method.targets, layers)
    if not info.adaptable:
        wrong.append(
            f"Method (method.kind): {info.name} has no linear layers for an adapter. Choose the head or all weights."
        )
    elif not chosen:
        wrong.append(
            "Target modules (method.targets): none of them is in the chosen layers. Choose other ones."
        )
    for name in dict.fromkeys(module.name for module in chosen):
        width = min(min(module.ins, module.outs) for module in chosen if module.name == name)
        if (rank := method.rank_of(name)) > width:
            wrong.append(
                f"Rank (method.rank): {name} is only {width} wide, so a rank of {rank} is no adapter for it. "
                f"Set it to {width} or less."
            )
    if method.init == "olora" and info.transposed:
        wrong.append(
            f"How the adapter starts (method.init): OLoRA does not know layers as {info.name} keeps them. Choose PiSSA."
        )
    if unknown := [name for name in method.ranks if name not in {module.name for module in chosen}]:
        wrong.append(
            f"Ranks of single modules (method.ranks): {', '.join(unknown)} gets no adapter. Check the name."
        )
    if unknown := [name for name in method.save if name not in info.saveable]:
        wrong.append(
            f"Modules trained in full (method.save): {info.name} has no {', '.join(unknown)}. "
            f"It has: {', '.join(info.saveable) or 'none'}."
        )
    if wrong:
        raise SpecError("\n".join(wrong))
