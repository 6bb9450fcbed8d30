"""Installs the own kernels in a model, and holds the one switch for all of them.

With HONE_KERNELS=0 in the environment the libraries' own code computes everything: slower, and a
way to find out whether a problem comes from the kernels.
"""

from __future__ import annotations

import os

from torch import nn

from engine.work.kernels.lora import patch_lora_layers
from engine.work.kernels.rms_norm import patch_rms_norms

ENABLED = os.environ.get("HONE_KERNELS", "1") != "0"


def patch_model(model: nn.Module) -> None:
    """Let a model with an adapter compute its LoRA layers and RMS norms with the own kernels."""
    if ENABLED:
        patch_lora_layers(model)
        patch_rms_norms(model)
