"""From a config to a model's structure, without its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
)

from engine.errors import ModelError
from engine.model import config_json
from engine.spec.objective import Task
from engine.work import compat

BAD_CONFIG = (
    "The numbers in the config.json of '{}' do not make a model. Get the model again, or choose "
    "another."
)
AUTO_CLASSES = {"write": AutoModelForCausalLM, "classify": AutoModelForSequenceClassification}


def load_config(folder: Path) -> PreTrainedConfig:
    """A model's config; raises ModelError for an unknown architecture, or for odd values."""
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        if config.model_type not in CONFIG_MAPPING_NAMES:
            raise KeyError(config.model_type)
        compat.use_default_attention(config)
        return config
    except Exception as error:
        kind = config_json.read_json_object(folder / "config.json").get("model_type")
        if isinstance(kind, str) and kind in CONFIG_MAPPING_NAMES:
            raise ModelError(BAD_CONFIG.format(folder.name)) from error
        raise ModelError(
            f"'{folder.name}' is of an architecture that Hone cannot open "
            f"('{config_json.excerpt(kind)}'). Choose a standard transformers model."
        ) from error


def tasks_of(config: PreTrainedConfig) -> tuple[Task, ...]:
    """What transformers can build a model of this architecture for: to write, to classify."""
    kind = config.model_type
    if config.is_encoder_decoder:
        return ()
    encoder = kind in MODEL_FOR_MASKED_LM_MAPPING_NAMES and not getattr(config, "is_decoder", False)
    found: list[Task] = []
    if kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and not encoder:
        found.append("write")
    if kind in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES:
        found.append("classify")
    return tuple(found)


def empty_model(config: PreTrainedConfig, name: str, task: Task) -> PreTrainedModel:
    """The model's structure on the meta device, without memory for weights; raises ModelError."""
    require_task(config, name, task)
    try:
        # Unlike accelerate's init_empty_weights, this keeps tied weights tied: counted once.
        with torch.device("meta"):
            return AUTO_CLASSES[task].from_config(config, trust_remote_code=False)
    except Exception as error:
        raise ModelError(BAD_CONFIG.format(name)) from error


def require_task(config: PreTrainedConfig, name: str, task: Task) -> None:
    """Raise ModelError where a model of this architecture cannot do the task."""
    tasks = tasks_of(config)
    if task in tasks:
        return
    if not tasks:
        raise ModelError(
            f"'{name}' is of a kind ('{config.model_type}') that neither continues a text nor "
            "chooses labels for one. Choose a language model."
        )
    if task == "classify":
        raise ModelError(
            f"'{name}' cannot be given labels to choose from. Choose another model, or set what to "
            "learn to Write answers or text."
        )
    raise ModelError(
        f"'{name}' fills gaps or encodes texts and does not write one. It can choose labels: set "
        "what to learn to Choose a label. For chat and text, choose a causal language model."
    )


def head_names(model: PreTrainedModel) -> set[str]:
    """The names of the modules beside the body that make up a classification head."""
    if model.get_output_embeddings() is not None:
        return set()
    beside = dict(model.named_children())
    beside.pop(model.base_model_prefix, None)
    return {name for name, child in beside.items() if next(child.parameters(), None) is not None}


def input_embeddings(model: PreTrainedModel) -> Any:
    """The module with the token embeddings; None for models that have none or do not name it."""
    try:
        found = model.get_input_embeddings()
    except NotImplementedError:
        return None
    return found if isinstance(found, nn.Module) and hasattr(found, "weight") else None
