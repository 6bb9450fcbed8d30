"""LoRA layers and RMS norms, each as one autograd step, and the one switch for all own kernels.

PEFT's own forward casts a layer's input to fp32 for the adapter and casts its result back: with
bf16 weights these copies take a third of a training step and most of its memory. Here the two
low-rank products are added to the layer's own output, in its precision; the adapter's weights stay
fp32, and the result is PEFT's. (The backward pass follows arXiv:2106.09685, equation 3.) The
models' own norms keep several fp32 copies of their input; here one step keeps a quarter as much.
(Zhang and Sennrich, arXiv:1910.07467.)

With HONE_KERNELS=0 in the environment the libraries' own code computes everything: slower, and a
way to find out whether a problem comes from the kernels.
"""

from __future__ import annotations

import os
from types import MethodType
from typing import Any

import torch
from peft.tuners.lora.layer import Linear
from torch import nn
from torch.nn import functional

ENABLED = os.environ.get("HONE_KERNELS", "1") != "0"


def patch_model(model: nn.Module) -> None:
    """Let a model with an adapter compute its LoRA layers and RMS norms with the own kernels."""
    if not ENABLED:
        return
    for module in model.modules():
        if type(module) is Linear and type(module.base_layer) is nn.Linear:
            module.forward = MethodType(_lora_forward, module)
        elif type(module).__name__.endswith("RMSNorm") and _computes_rms(module):
            module.own, module.forward = module.forward, MethodType(_norm_forward, module)


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


class _RmsNorm(torch.autograd.Function):
    """w x / √(mean of x² + e), computed in fp32."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
        wide = x.float()
        squares = torch.linalg.vector_norm(wide, dim=-1, keepdim=True).square_()
        scale = squares.div_(x.shape[-1]).add_(epsilon).rsqrt_()
        ctx.save_for_backward(x, weight, scale)
        return (wide * scale).to(x.dtype).mul_(weight)

    @staticmethod
    def backward(ctx: Any, *above: torch.Tensor) -> tuple[Any, ...]:
        x, weight, scale = ctx.saved_tensors
        normalised, grad = x.float() * scale, (above[0] * weight).float()
        share = (grad * normalised).mean(-1, keepdim=True)
        return grad.sub_(normalised.mul_(share)).mul_(scale).to(x.dtype), None, None


def _epsilon(norm: nn.Module) -> float | None:
    return getattr(norm, "variance_epsilon", getattr(norm, "eps", None))


@torch.no_grad()
def _computes_rms(norm: Any) -> bool:
    """Whether a norm gives the same numbers on a sample: some add 1 to their weights."""
    weight, epsilon = getattr(norm, "weight", None), _epsilon(norm)
    if epsilon is None or weight is None or weight.requires_grad or weight.ndim != 1:
        return False
    # On the meta device there is only the structure of a model, loaded to count parameters.
    if len([*norm.parameters()]) != 1 or weight.is_meta:
        return False
    sample = torch.linspace(-3, 5, 4 * len(weight)).cos().view(4, -1).to(weight)
    found = _RmsNorm.apply(sample, weight, epsilon)
    return torch.allclose(found, norm(sample), rtol=torch.finfo(weight.dtype).eps)


def _norm_forward(self: Any, x: torch.Tensor) -> Any:
    usual = x.dtype == self.weight.dtype and not self.weight.requires_grad
    return _RmsNorm.apply(x, self.weight, _epsilon(self)) if usual else self.own(x)
