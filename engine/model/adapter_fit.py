"""Whether a base model fits an adapter that another program made, and as which method it counts.

A method says which layers by their names (targets) and blocks (layers), and one rank for each name.
What cannot be said so is refused: what Hone takes it can also train further.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from engine.errors import ModelError
from engine.model.adapter import MERGE_INSTEAD, ForeignAdapter
from engine.model.check_method import check_method
from engine.model.info import LinearModule, ModelInfo
from engine.model.parameters import lora_options
from engine.spec.method import MethodSpec
from engine.spec.run import make_spec


def method_of_adapter(adapter: ForeignAdapter, info: ModelInfo, model: str) -> MethodSpec:
    """The method that makes such an adapter of this model; raises ModelError where it does not fit.

    ``model``: the name of the base model as the user knows it; ``info``: built for the task.
    """
    places = _find_layers(adapter, info, model)
    changed = {module.name for module, _ in places.values()}
    names = [name for name in dict.fromkeys(one.name for one in info.modules) if name in changed]
    saved = {name: count for name, count in adapter.saved.items() if name not in info.head}
    _check_saved(saved, info, adapter.keeps_tied, model)
    values: dict[str, Any] = {
        "kind": "dora" if adapter.dora else "lora",
        "rank": adapter.rank,
        "alpha": adapter.alpha,
        "dropout": adapter.dropout,
        "targets": names,
        "rslora": adapter.rslora,
        "bias": adapter.bias,
        "layers": _chosen_layers(info, names, places),
        "save": list(saved),
        "ranks": _ranks_by_name(adapter, places),
    }
    method = make_spec({"method": values}).method
    check_method(info, method)
    count = sum(module.count for module in info.target_modules(names, method.layer_numbers))
    if count != len(places):
        raise ModelError(
            f"It changes {len(places)} of the {count} layers of these names in '{model}' "
            f"({', '.join(names)}), a choice that Hone has no setting for. {MERGE_INSTEAD}"
        )
    if info.task == "classify" and len(saved) == len(adapter.saved):
        raise ModelError(
            f"It chooses labels, and the weights of its head are missing. {MERGE_INSTEAD}"
        )
    return method


def _find_layers(
    adapter: ForeignAdapter, info: ModelInfo, model: str
) -> dict[str, tuple[LinearModule, int]]:
    """Each layer of the adapter as the model's own, with its block; -1 where it is in none."""
    found: dict[str, tuple[LinearModule, int]] = {}
    wrong: list[str] = []
    for path, sizes in adapter.matrices.items():
        module, block = _find_layer(path, info)
        name = path.rpartition(".")[2]
        if module is None and (name in info.saveable or name in info.head):
            raise ModelError(
                f"It changes {name} by LoRA, which Hone trains in full or not at all. "
                f"{MERGE_INSTEAD}"
            )
        if module is None:
            wrong.append(f"{path[:100]}, which is not in it")
        elif module.refused:
            raise ModelError(
                f"It changes {module.name}, which Hone does not adapt: {module.refused}. "
                f"{MERGE_INSTEAD}"
            )
        elif (sizes.ins, sizes.outs) != (module.ins, module.outs):
            mine, theirs = f"{sizes.ins} × {sizes.outs}", f"{module.ins} × {module.outs}"
            wrong.append(f"{path}, which has {theirs} numbers there and {mine} in the adapter")
        else:
            found[path] = module, block
    if wrong:
        named = f" Its config names '{adapter.base_name}'." if adapter.base_name else ""
        raise ModelError(
            f"It was made for another model than '{model}': {len(wrong)} of its "
            f"{len(adapter.matrices)} layers do not fit, such as {wrong[0]}.{named} "
            "Choose the model that it was made for."
        )
    return found


def _find_layer(path: str, info: ModelInfo) -> tuple[LinearModule | None, int]:
    """The model's layer of this path, and its block."""
    for module in info.modules:
        found = re.fullmatch(re.escape(module.path).replace(r"\*", r"(\d{1,4})"), path)
        if found:
            block = int(found[1]) if found.groups() else -1
            return (module, block) if block in module.layers else (None, block)
    return None, -1


def _ranks_by_name(
    adapter: ForeignAdapter, places: dict[str, tuple[LinearModule, int]]
) -> dict[str, int]:
    """The ranks of names that have another than the adapter's own."""
    found: dict[str, set[int]] = {}
    for path, (module, _) in places.items():
        found.setdefault(module.name, set()).add(adapter.matrices[path].rank)
    if mixed := [name for name, ranks in found.items() if len(ranks) > 1]:
        raise ModelError(
            f"The rank of {mixed[0]} differs from layer to layer in it, which Hone has no setting "
            f"for. {MERGE_INSTEAD}"
        )
    return {name: rank for name, (rank,) in found.items() if rank != adapter.rank}


def _chosen_layers(
    info: ModelInfo, names: Iterable[str], places: dict[str, tuple[LinearModule, int]]
) -> str:
    """The blocks as the setting Layers says them; empty for all that have such layers."""
    chosen = {block for _, block in places.values()}
    every = {block for module in info.target_modules(tuple(names)) for block in module.layers}
    return "" if chosen == every else ", ".join(_ranges(sorted(chosen - {-1})))


def _ranges(numbers: list[int]) -> Iterator[str]:
    """Rising numbers as ranges: 0-3, 5."""
    start = 0
    for at, number in enumerate(numbers):
        if at + 1 == len(numbers) or numbers[at + 1] != number + 1:
            first = numbers[start]
            yield f"{first}-{number}" if number > first else f"{first}"
            start = at + 1


def _check_saved(saved: dict[str, int], info: ModelInfo, keeps_tied: bool, model: str) -> None:
    """Raise ModelError where a module trained in full is none of the model's, or another size."""
    for name, count in saved.items():
        mine = info.saveable.get(name)
        if mine is None:
            raise ModelError(
                f"It brings its own {name}, which Hone cannot train in full in '{model}'. "
                f"{MERGE_INSTEAD}"
            )
        if count != mine:
            raise ModelError(
                f"Its own {name} has {count:,} numbers and that of '{model}' {mine:,}: tokens were "
                f"probably added to its base model. {MERGE_INSTEAD}"
            )
    if saved and info.tied and not keeps_tied:
        raise ModelError(
            f"It brings its own {', '.join(saved)}, which in '{model}' serves both as embeddings "
            f"and as output head, and in the adapter only as one of them. {MERGE_INSTEAD}"
        )


def plain_config(
    adapter: ForeignAdapter, method: MethodSpec, info: ModelInfo, base: str
) -> dict[str, Any]:
    """The adapter's config as Hone keeps it; ``base``: its base model, for other programs."""
    return lora_options(method, info) | {
        "peft_type": "LORA",
        "base_model_name_or_path": base,
        "inference_mode": True,
        "init_lora_weights": True,
        "alpha_pattern": _alphas_by_name(adapter),
    }


def _alphas_by_name(adapter: ForeignAdapter) -> dict[str, float]:
    """The layers' own alphas, by the end of their paths where all layers of that end agree."""
    by_name: dict[str, set[float]] = {}
    for path in adapter.matrices:
        name = path.rpartition(".")[2]
        by_name.setdefault(name, set()).add(adapter.alphas.get(path, float(adapter.alpha)))
    found: dict[str, float] = {}
    for path, alpha in adapter.alphas.items():
        name = path.rpartition(".")[2]
        found[name if len(by_name[name]) == 1 else path] = alpha
    return found
