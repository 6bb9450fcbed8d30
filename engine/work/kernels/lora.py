"""LoRA on a linear layer as one autograd step, with PEFT's weights and PEFT's result.

PEFT's own forward casts the layer's input to fp32 for the adapter and casts its result back: with
bf16 weights these copies take a third of a training step and most of its memory. Here the two
low-rank products are added to the layer's own output, in its precision; the adapter's weights stay
fp32. (The backward pass follows arXiv:2106.09685, equation 3.)
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
    def forward(  # noqa: PLR0913  autograd passes each input by itself
        ctx: Any, x: Any, weight: Any, bias: Any, lora_a: Any, lora_b: Any, scale: float
    ) -> torch.Tensor:
        """``x``: ... x in, ``weight``: out x in, ``lora_a``: rank x in, ``lora_b``: out x rank."""
        dtype = weight.dtype
        rows = x.reshape(-1, x.shape[-1]).to(dtype)
        lora_a, lora_b = lora_a.to(dtype), lora_b.to(dtype)
        inner = rows @ lora_a.t()
        found = functional.linear(rows, weight, bias).addmm_(inner, lora_b.t(), alpha=scale)
        ctx.save_for_backward(rows, weight, lora_a, lora_b, inner)
        ctx.scale, ctx.dtype = scale, x.dtype
        return found.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *above: torch.Tensor) -> tuple[Any, ...]:
        """The gradients of ``x``, ``lora_a`` and ``lora_b``."""
        rows, weight, lora_a, lora_b, inner = ctx.saved_tensors
        grad = above[0].reshape(-1, above[0].shape[-1]).to(weight.dtype)
        inner_grad = (grad @ lora_b).mul_(ctx.scale)
        b_grad = (grad.t() @ inner).mul_(ctx.scale)
        x_grad = None
        if ctx.needs_input_grad[0]:
            x_grad = (grad @ weight).addmm_(inner_grad, lora_a)
            x_grad = x_grad.view(*above[0].shape[:-1], -1).to(ctx.dtype)
        return x_grad, None, None, (inner_grad.t() @ rows).float(), b_grad.float(), None


def patch_lora_layers(model: nn.Module) -> None:
    """Give every LoRA layer of PEFT on a plain linear layer the forward of this module."""
    for module in model.modules():
        if type(module) is Linear and type(module.base_layer) is nn.Linear:
            module.forward = MethodType(_lora_forward, module)


def _lora_forward(self: Linear, x: torch.Tensor, *args: Any, **options: Any) -> Any:
    """One fused step where the layer is in its usual state, otherwise PEFT's own forward."""
    name = self.active_adapters[0] if len(self.active_adapters) == 1 else ""
    unusual = (
        args
        or options
        or self.disable_adapters
        or self.merged
        or torch.is_autocast_enabled(x.device.type)
    )
    if unusual or not _is_plain_adapter(self, name):
        return Linear.forward(self, x, *args, **options)
    base, scale = self.base_layer, self.scaling[name]
    lora_a, lora_b = self.lora_A[name].weight, self.lora_B[name].weight
    return _LoraLinear.apply(x, base.weight, base.bias, lora_a, lora_b, scale)


def _is_plain_adapter(layer: Linear, name: str) -> bool:
    """Whether an adapter is two matrices without dropout on a frozen layer in floating point."""
    if (
        name not in layer.lora_A
        or name in layer.lora_variant
        or layer.lora_B[name].bias is not None
    ):
        return False
    dropout, base = layer.lora_dropout[name], layer.base_layer
    drops = isinstance(dropout, nn.Dropout) and dropout.p > 0 and layer.training
    trains_bias = base.bias is not None and base.bias.requires_grad
    trains_base = base.weight.requires_grad or trains_bias
    return base.weight.is_floating_point() and not (drops or trains_base)
