"""Whether a method fits a model: its layers and modules are there, and no rank is above a width."""

from __future__ import annotations

from engine.errors import SpecError
from engine.model.info import LinearModule, ModelInfo
from engine.spec.method import MethodSpec


def check_method(info: ModelInfo, method: MethodSpec) -> None:
    """Raise SpecError, all problems at once, where the method does not fit this model."""
    chosen = info.target_modules(method.targets, method.layer_numbers)
    names = {module.name for module in chosen}
    problems = _layer_problems(info, method, chosen)
    problems += _rank_problems(method, chosen)
    if method.init == "olora" and info.transposed:
        problems.append(
            "How the adapter starts (method.init): OLoRA cannot start from the transposed layers "
            f"of {info.name}. Choose PiSSA."
        )
    if unknown := [name for name in method.ranks if name not in names]:
        problems.append(
            f"Ranks of single modules (method.ranks): {', '.join(unknown)} gets no adapter. Check "
            "the name."
        )
    if unknown := [name for name in method.save if name not in info.saveable]:
        problems.append(
            f"Modules trained in full (method.save): {info.name} has no {', '.join(unknown)}. "
            f"It has: {', '.join(info.saveable) or 'none'}."
        )
    if problems:
        raise SpecError("\n".join(problems))


def _layer_problems(info: ModelInfo, method: MethodSpec, chosen: list[LinearModule]) -> list[str]:
    problems, layers = [], method.layer_numbers
    if layers is not None and layers[-1] >= info.layers:
        problems.append(
            f"Layers (method.layers): {info.name} has {info.layers} layers, counted from 0 to "
            f"{info.layers - 1}; '{method.layers}' asks for others."
        )
    if not info.adaptable:
        problems.append(
            f"Method (method.kind): {info.name} has no linear layers for an adapter. Choose the "
            "head or all weights."
        )
    elif not chosen:
        problems.append(
            "Target modules (method.targets): none of them is in the chosen layers. Choose other "
            "ones."
        )
    return problems


def _rank_problems(method: MethodSpec, chosen: list[LinearModule]) -> list[str]:
    widths: dict[str, int] = {}
    for module in chosen:
        width = min(module.ins, module.outs)
        widths[module.name] = min(width, widths.get(module.name, width))
    return [
        f"Rank (method.rank): {name} is only {width} wide, so a rank of {method.rank_of(name)} is "
        f"no adapter for it. Set it to {width} or less."
        for name, width in widths.items()
        if method.rank_of(name) > width
    ]
