"""The linear layers of a model, and which of them PEFT can put an adapter beside: asked of PEFT itself.

PEFT finds layers by the ends of their paths. A name can therefore mean more than the linear layers that bear it.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from peft import LoraConfig
from peft.tuners.tuners_utils import _check_lora_target_modules_mamba
from peft.utils.transformers_weight_conversion import convert_peft_config_for_transformers
from torch import nn
from transformers.pytorch_utils import Conv1D

from engine.model.info import LinearModule

LayerKey = tuple[
    str, str, int, int, bool, bool
]  # name, path with *, inputs, outputs, has a bias, transposed
LAYER_NAME = re.compile(
    r"[^.]*[^.\d][^.]*(\.\d+)*$"
)  # layers without a name of their own are called by their list: ffn.2
LAYER_NUMBER = re.compile(r"\.(\d+)(?=\.)")
ATTENTION = re.compile(r"(^|[._])(attn|attentions?)\b|\.(q|k|v|o)_proj$", re.IGNORECASE)
MLP = re.compile(
    r"mlp|feed_forward|ffn|\bff\b|intermediate|experts|dense_h_to_4h|\.output\.dense|fc[12_]|lin[12]$"
)
MIN_WIDTH = 32  # gates and routers: an adapter beside them would be as large as they are


def linear_modules(
    model: Any, heads: set[str], output: Any, hidden: int
) -> tuple[LinearModule, ...]:
    """The linear layers of the body, those of one place in all blocks together, in the model's order."""
    found: dict[LayerKey, Counter[int]] = {}
    others: set[str] = set()
    for path, layer in model.named_modules():
        if not path or path.partition(".")[0] in heads:
            continue
        name = module_name(path)
        if layer is output or not isinstance(layer, nn.Linear | Conv1D):
            others.add(name)
            continue
        before = path.removesuffix(name)
        numbers = [int(number) for number in LAYER_NUMBER.findall(before)]
        place = (name, LAYER_NUMBER.sub(".*", before) + name, *_layer_shape(layer))
        found.setdefault(place, Counter())[numbers[0] if numbers else -1] += 1
    narrow = min(MIN_WIDTH, hidden // 16)
    refused = {place[0]: _refusal_reason(model, place[0], others) for place in found}
    for name, _, ins, outs, *_ in found:
        if min(ins, outs) < narrow:
            refused[name] = refused[name] or f"it is only {min(ins, outs)} wide"
    return tuple(
        LinearModule(
            name=name,
            path=path,
            ins=ins,
            outs=outs,
            bias=bias,
            transposed=transposed,
            layers=tuple(layers),
            each=max(layers.values()),
            part=part_of(path),
            refused=refused[name],
        )
        for (name, path, ins, outs, bias, transposed), layers in found.items()
    )


def module_name(path: str) -> str:
    """The end of a path that a spec's targets name."""
    found = LAYER_NAME.search(path)
    return found[0] if found else path


def part_of(path: str) -> str:
    """The part of a block that a layer or its weights belong to."""
    path = path.removesuffix(".weight")
    if "embed" in path or "wte" in path or "wpe" in path:
        return "embeddings"
    if "router" in path or path.endswith(("mlp.gate", "block_sparse_moe.gate")):
        return "router"
    if MLP.search(path) and not re.search(r"attention\.output|attn\.c_proj|attention\.dense", path):
        return (
            "experts" if "experts" in path and "shared" not in path else "mlp"
        )  # shared ones are never left out
    return "attention" if ATTENTION.search(path) else "other"


def _layer_shape(layer: Any) -> tuple[int, int, bool, bool]:
    if isinstance(layer, Conv1D):
        return layer.nx, layer.nf, True, True
    return layer.in_features, layer.out_features, layer.bias is not None, False


def _refusal_reason(model: Any, name: str, others: set[str]) -> str:
    """Why PEFT would not adapt the linear layers of this name, or others beside them; empty where all is well."""
    if name in others:
        return "other parts of the model bear the same name"
    wanted = LoraConfig(target_modules=[name])
    try:
        convert_peft_config_for_transformers(wanted, model, None)
        _check_lora_target_modules_mamba(wanted, model, name)
    except ValueError as error:
        return (
            "its fast kernel passes an adapter by"
            if "Mamba" in str(error)
            else "it would mean the experts as well"
        )
    return "" if name in (wanted.target_modules or ()) else "it would mean the experts as well"
