"""Private and undocumented parts of other libraries, in one place: what each is for.

Each was checked with transformers 5.23, TRL 1.16, PEFT 0.21 and PyTorch 2.13. After an upgrade,
tests/engine/work/test_compat.py names what has moved or changed its form. Heavy imports are made
inside the functions: the desk, which reads templates, does without the trainers.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any

import torch

# --- chat templates (transformers.utils.chat_template_utils) ---


def compile_chat_template(source: str) -> Any:
    """The Jinja template as ``apply_chat_template`` compiles it: sandbox and extensions."""
    from transformers.utils.chat_template_utils import _compile_jinja_template

    return _compile_jinja_template(source)


def template_data(value: Any) -> Any:
    """Messages or tools as a template gets them: plain dicts, lists and texts."""
    from transformers.utils.chat_template_utils import _plain_template_data

    return _plain_template_data(value)


def template_messages(messages: Any) -> Any:
    """Messages as a template gets them, with every name that families have for reasoning."""
    from transformers.utils.chat_template_utils import _alias_reasoning_fields

    return _alias_reasoning_fields(template_data(messages))


# --- models (transformers) ---


def use_default_attention(config: Any) -> None:
    """Forget the attention that a config.json asks for: its kernel may not be installed here."""
    config._attn_implementation = None


def attention_of(model: Any) -> str:
    """The attention that a model computes with, such as sdpa."""
    return str(model.config._attn_implementation)


def takes_own_attention(model: Any) -> bool:
    """Whether a function that is registered with AttentionInterface reaches the model's layers."""
    return bool(model._supports_attention_backend)


def is_stateful(model: Any) -> bool:
    """Whether the model carries a state from token to token, as Mamba does."""
    return bool(model._is_stateful)


# --- adapters (PEFT, bitsandbytes) ---


def no_target_modules() -> str:
    """The target modules of an adapter without matrices, which holds a head alone."""
    from peft.utils.constants import DUMMY_TARGET_MODULES

    return str(DUMMY_TARGET_MODULES)


def convert_targets(config: Any, model: Any, name: str) -> None:
    """Rewrite a LoraConfig's targets as ``get_peft_model`` does; raises ValueError if refused.

    PEFT refuses to adapt layers that Mamba's fast kernel passes by.
    """
    from peft.tuners.tuners_utils import _check_lora_target_modules_mamba
    from peft.utils.transformers_weight_conversion import convert_peft_config_for_transformers

    convert_peft_config_for_transformers(config, model, None)
    _check_lora_target_modules_mamba(config, model, name)


def keep_differentiable(model: torch.nn.Module) -> None:
    """Keep bitsandbytes from repacking 4-bit weights on a CPU, which gives wrong gradients."""
    for module in model.modules():
        if type(module).__name__ == "Linear4bit":
            module.support_avx512bf16_for_cpu = False


# --- training (transformers.Trainer, TRL, PyTorch) ---


def prepare_inputs(trainer: Any, batch: Any) -> Any:
    """A batch on the trainer's device."""
    return trainer._prepare_inputs(batch)


def noted_metrics(trainer: Any, name: str = "_metrics") -> dict[str, dict[str, list[Any]]]:
    """What TRL's trainers note of each batch, by mode and name; ORPO's note ``_stored_metrics``."""
    return getattr(trainer, name, {})


def set_last_rates(scheduler: Any, rates: Iterable[float]) -> None:
    """The rates that ``get_last_lr`` reports until the next step (torch.optim.lr_scheduler)."""
    scheduler._last_lr = list(rates)


def allow_numpy_state() -> AbstractContextManager[None]:
    """Lets ``torch.load(weights_only=True)`` read NumPy's random state, and nothing else."""
    from transformers.trainer_pt_utils import safe_globals

    return safe_globals()


def softmax_gradient(above: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    """The gradient of a softmax over the last dimension, from its output, in one kernel."""
    return torch._softmax_backward_data(above, shares, -1, shares.dtype)
