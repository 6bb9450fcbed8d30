"""LoRA beside a plain linear layer as one step of autograd, with PEFT's weights and PEFT's result.

PEFT's own forward casts the layer's input to fp32 for the adapter, and its result back: with bf16 weights these copies
take a third of a step and most of its memory. Here the two thin products are added into the layer's own output, in its
precision; the adapter's weights stay fp32. (The backward pass by hand is that of LoRA, arXiv:2106.09685, equation 3.)
"""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
from peft.tuners.lora.layer import Linear
from torch import nn
from torch.nn import functional


class _LoraLinear(torch.autograd.Function):
    """W x + b + s B (A x), for a frozen W."""

    @staticmethod
    def forward(
        ctx: Any, x: Any, weight: Any, bias: Any, first: Any, second: Any, scale: float
    ) -> torch.Tensor:
        """``x``: ... x ins, ``weight``: outs x ins, ``first``: rank x ins, ``second``: outs x rank."""
        kind = weight.dtype
        rows = x.reshape(-1, x.shape[-1]).to(kind)
        first, second = first.to(kind), second.to(kind)
        inner = rows @ first.t()
        found = functional.linear(rows, weight, bias).addmm_(inner, second.t(), alpha=scale)
        ctx.save_for_backward(rows, weight, first, second, inner)
        ctx.scale, ctx.kind = scale, x.dtype
        return found.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *above: torch.Tensor) -> tuple[Any, ...]:
        """Gradients of the input and of both thin matrices."""
        rows, weight, first, second, inner = ctx.saved_tensors
        slope = above[0].reshape(-1, above[0].shape[-1]).to(weight.dtype)
        thin = (slope @ second).mul_(ctx.scale)
        for_second = (slope.t() @ inner).mul_(ctx.scale)
        for_x = None
        if ctx.needs_input_grad[0]:
            for_x = (slope @ weight).addmm_(thin, first).view(*above[0].shape[:-1], -1).to(ctx.kind)
        return for_x, None, None, (thin.t() @ rows).float(), for_second.float(), None


def patch_lora_layers(model: nn.Module) -> None:
    """Give every plain LoRA layer the quick forward."""
    for module in model.modules():
        if type(module) is Linear and type(module.base_layer) is nn.Linear:
            module.forward = MethodType(_lora_forward, module)


def _lora_forward(self: Linear, x: torch.Tensor, *given: Any, **options: Any) -> Any:
    """The quick way where the layer is in its usual state; PEFT's own for everything else."""
    name = self.active_adapters[0] if len(self.active_adapters) == 1 else ""
    usual = not (
        given
        or options
        or self.disable_adapters
        or self.merged
        or torch.is_autocast_enabled(x.device.type)
    )
    if usual and name in self.lora_A and name not in self.lora_variant and _is_usual(self, name):
        first, second = self.lora_A[name].weight, self.lora_B[name].weight
        return _LoraLinear.apply(
            x, self.base_layer.weight, self.base_layer.bias, first, second, self.scaling[name]
        )
    return Linear.forward(self, x, *given, **options)


def _is_usual(layer: Linear, name: str) -> bool:
    dropout = layer.lora_dropout[name]
    drops = isinstance(dropout, nn.Dropout) and dropout.p > 0 and layer.training
    base = layer.base_layer
    trained = base.weight.requires_grad or (base.bias is not None and base.bias.requires_grad)
    return (
        not (drops or trained or layer.lora_B[name].bias is not None)
        and base.weight.is_floating_point()
    )
