"""The linear layers of a model, and which of them can have an adapter: PEFT itself is asked.

PEFT finds layers by the ends of their paths, so a name may mean more than the linear layers that
have it.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from peft import LoraConfig
from torch import nn
from transformers.pytorch_utils import Conv1D

from engine.model.info import LinearModule
from engine.work import compat

# Name, path with *, inputs, outputs, has a bias, transposed.
LayerKey = tuple[str, str, int, int, bool, bool]
# The end of a path, which a spec's targets name. Layers without a name of their own are called by
# their list: ffn.2.
LAYER_NAME = re.compile(r"[^.]*[^.\d][^.]*(\.\d+)*$")
LAYER_NUMBER = re.compile(r"\.(\d+)(?=\.)")
ATTENTION = re.compile(r"(^|[._])(attn|attentions?)\b|\.(q|k|v|o)_proj$", re.IGNORECASE)
ATTENTION_OUTPUT = re.compile(r"attention\.output|attn\.c_proj|attention\.dense")
MLP = re.compile(
    r"mlp|feed_forward|ffn|\bff\b|intermediate|experts|dense_h_to_4h"
    r"|\.output\.dense|fc[12_]|lin[12]$"
)
MIN_WIDTH = 32  # gates and routers: an adapter beside them would be as large as they are
MEANS_EXPERTS = "it would mean the experts as well"


def linear_modules(
    model: Any, heads: set[str], output: Any, hidden: int
) -> tuple[LinearModule, ...]:
    """The linear layers of the body in the model's order; all blocks' same layer is one entry.

    ``heads``: names of classification heads; ``output``: the output head; ``hidden``: its width.
    """
    found: dict[LayerKey, Counter[int]] = {}
    others: set[str] = set()
    for path, layer in model.named_modules():
        if not path or path.partition(".")[0] in heads:
            continue
        end = LAYER_NAME.search(path)
        name = end[0] if end else path
        if layer is output or not isinstance(layer, nn.Linear | Conv1D):
            others.add(name)
            continue
        before = path.removesuffix(name)
        numbers = [int(number) for number in LAYER_NUMBER.findall(before)]
        key = (name, LAYER_NUMBER.sub(".*", before) + name, *_layer_shape(layer))
        found.setdefault(key, Counter())[numbers[0] if numbers else -1] += 1
    narrow = min(MIN_WIDTH, hidden // 16)
    refused = {key[0]: _refusal_reason(model, key[0], others) for key in found}
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


def part_of(path: str) -> str:
    """The part of a block that a layer or its weights belong to."""
    path = path.removesuffix(".weight")
    if "embed" in path or "wte" in path or "wpe" in path:
        return "embeddings"
    if "router" in path or path.endswith(("mlp.gate", "block_sparse_moe.gate")):
        return "router"
    if MLP.search(path) and not ATTENTION_OUTPUT.search(path):
        # Every token passes shared experts: they count as a plain MLP.
        return "experts" if "experts" in path and "shared" not in path else "mlp"
    return "attention" if ATTENTION.search(path) else "other"


def _layer_shape(layer: Any) -> tuple[int, int, bool, bool]:
    if isinstance(layer, Conv1D):
        return layer.nx, layer.nf, True, True
    return layer.in_features, layer.out_features, layer.bias is not None, False


def _refusal_reason(model: Any, name: str, others: set[str]) -> str:
    """Why this name cannot be a target module; empty where it can."""
    if name in others:
        return "other parts of the model have the same name"
    wanted = LoraConfig(target_modules=[name])
    try:
        compat.convert_targets(wanted, model, name)
    except ValueError as error:
        return "its fast kernel would skip an adapter" if "Mamba" in str(error) else MEANS_EXPERTS
    return "" if name in (wanted.target_modules or ()) else MEANS_EXPERTS
