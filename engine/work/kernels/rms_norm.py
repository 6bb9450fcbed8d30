"""RMS norms with frozen weights as one step of autograd: the same numbers, and a quarter of what is kept for backward.

The models' own code keeps several copies of its input in fp32. (Zhang and Sennrich, arXiv:1910.07467.)
"""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
from torch import nn


class _RmsNorm(torch.autograd.Function):
    """w x / √(mean of x² + e), computed in fp32."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, small: float) -> torch.Tensor:
        wide = x.float()
        scale = (
            torch.linalg.vector_norm(wide, dim=-1, keepdim=True)
            .square_()
            .div_(x.shape[-1])
            .add_(small)
            .rsqrt_()
        )
        ctx.save_for_backward(x, weight, scale)
        return (wide * scale).to(x.dtype).mul_(weight)

    @staticmethod
    def backward(ctx: Any, *above: torch.Tensor) -> tuple[Any, ...]:
        """The gradient of x."""
        x, weight, scale = ctx.saved_tensors
        normal, slope = x.float() * scale, (above[0] * weight).float()
        share = (slope * normal).mean(-1, keepdim=True)
        return slope.sub_(normal.mul_(share)).mul_(scale).to(x.dtype), None, None


def patch_rms_norms(model: nn.Module) -> None:
    """Give every norm that is found to be such a one the quick forward."""
    for module in model.modules():
        if type(module).__name__.endswith("RMSNorm") and _is_plain(module):
            module.own, module.forward = module.forward, MethodType(_norm_forward, module)


def _epsilon(norm: nn.Module) -> float | None:
    return getattr(norm, "variance_epsilon", getattr(norm, "eps", None))


@torch.no_grad()
def _is_plain(norm: Any) -> bool:
    """Whether it says of some numbers what is said here. Others add 1 to their weights, or split what they read."""
    weight, small = getattr(norm, "weight", None), _epsilon(norm)
    if (
        small is None
        or weight is None
        or weight.requires_grad
        or len([*norm.parameters()]) != 1
        or weight.ndim != 1
    ):
        return False
    if weight.is_meta:  # the structure alone, to count
        return False
    some = torch.linspace(-3, 5, 4 * len(weight)).cos().view(4, -1).to(weight)
    return torch.allclose(
        _RmsNorm.apply(some, weight, small), norm(some), rtol=torch.finfo(weight.dtype).eps
    )


def _norm_forward(self: Any, x: torch.Tensor) -> Any:
    usual = x.dtype == self.weight.dtype and not self.weight.requires_grad
    return _RmsNorm.apply(x, self.weight, _epsilon(self)) if usual else self.own(x)
