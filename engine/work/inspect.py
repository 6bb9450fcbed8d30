"""What a base model consists of, from its config alone: no weights are read (meta device)."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES
from transformers.pytorch_utils import Conv1D

from engine import models, presets
from engine.errors import ModelError
from engine.models import LinearModule, ModelInfo


def load_config(folder: Path) -> PreTrainedConfig:
    """A model's config; raises ModelError for an architecture that transformers does not know."""
    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        raise ModelError(
            f"'{folder.name}' is of an architecture that Hone cannot open. Choose a standard transformers model."
        ) from error


def empty_model(config: PreTrainedConfig, folder: Path) -> PreTrainedModel:
    """The model's structure without memory for its weights; raises ModelError for one that does not write text."""
    if config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES and not getattr(config, "is_decoder", False):
        raise ModelError(
            f"'{folder.name}' fills gaps in a text and does not write one. Choose a causal language model."
        )
    try:
        with torch.device("meta"):  # unlike accelerate's init_empty_weights, this keeps tied weights tied: counted once
            return AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    except Exception as error:
        raise ModelError(f"'{folder.name}' is not a model that writes text. Choose a causal language model.") from error


def linear_modules(model: PreTrainedModel) -> tuple[LinearModule, ...]:
    """Every linear layer but the output head, grouped by the last part of its name, in the model's order."""
    shapes: dict[str, Counter[str]] = defaultdict(Counter)
    head = model.get_output_embeddings()
    for name, module in model.named_modules():
        if module is head:
            continue
        if isinstance(module, torch.nn.Linear):
            shapes[name.rpartition(".")[2]][f"{module.in_features}x{module.out_features}"] += 1
        elif isinstance(module, Conv1D):  # GPT-2 keeps its linear layers transposed
            shapes[name.rpartition(".")[2]][f"{module.nx}x{module.nf}"] += 1
    return tuple(LinearModule(name=name, shapes=dict(found)) for name, found in shapes.items())


def inspect(source: str) -> ModelInfo:
    """All that the Model tab shows; raises ModelError."""
    folder = models.folder(source)
    config = load_config(folder)
    model = empty_model(config, folder)
    text = config.get_text_config()
    modules = linear_modules(model)
    heads = getattr(text, "num_attention_heads", 0)
    return ModelInfo(
        source=source,
        name="Pocket model" if source == "pocket" else folder.name,
        model_type=config.model_type,
        layers=getattr(text, "num_hidden_layers", 0),
        hidden_size=getattr(text, "hidden_size", 0),
        heads=heads,
        kv_heads=getattr(text, "num_key_value_heads", None) or heads,
        vocab_size=text.vocab_size,
        context=getattr(text, "max_position_embeddings", 0),
        parameters=model.num_parameters(),
        dtype=str(config.dtype or torch.float32).removeprefix("torch."),
        megabytes=sum(file.stat().st_size for file in folder.glob("*.safetensors")) / 1e6,
        has_template=models.has_template(folder),
        modules=modules,
        groups=presets.target_groups(config.model_type, [module.name for module in modules]),
    )
