"""What a base model consists of, from its config alone: no weights are read (meta device)."""

from __future__ import annotations

import contextlib
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    PreTrainedConfig,
)
from transformers import PreTrainedModel as Model
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
)

from engine.errors import ModelError
from engine.model import config_json, local, safety
from engine.model.info import LinearModule, ModelInfo
from engine.model.targets import target_groups
from engine.model.weights import check_count
from engine.spec.objective import Task
from engine.work.model.linear_layers import linear_modules, part_of

NO_MODEL = "The numbers in the config.json of '{}' do not make a model. Get the model again, or choose another."
AUTO = {"write": AutoModelForCausalLM, "classify": AutoModelForSequenceClassification}
MANY = 1009  # labels: a number that no width of a model has, by which the head's last layer is told


def load_config(folder: Path) -> PreTrainedConfig:
    """A model's config; raises ModelError for an architecture that transformers does not know, or odd values."""
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        if config.model_type not in CONFIG_MAPPING_NAMES:
            raise KeyError(config.model_type)
        # Which attention computes is this machine's affair, and what a config asks for may not be installed.
        config._attn_implementation = None
        return config
    except Exception as error:
        kind = config_json.read(folder / "config.json").get("model_type")
        if isinstance(kind, str) and kind in CONFIG_MAPPING_NAMES:
            raise ModelError(NO_MODEL.format(folder.name)) from error
        raise ModelError(
            f"'{folder.name}' is of an architecture that Hone cannot open ('{config_json.short(kind)}'). "
            "Choose a standard transformers model."
        ) from error


def tasks_of(config: PreTrainedConfig) -> tuple[Task, ...]:
    """What a model of this architecture can be built for: to write, to classify."""
    kind = config.model_type
    encoder = kind in MODEL_FOR_MASKED_LM_MAPPING_NAMES and not getattr(config, "is_decoder", False)
    found: list[Task] = []
    if kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and not encoder and not config.is_encoder_decoder:
        found.append("write")
    if kind in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES and not config.is_encoder_decoder:
        found.append("classify")
    return tuple(found)


def empty_model(config: PreTrainedConfig, name: str, task: Task) -> Model:
    """The model's structure without memory for its weights; raises ModelError for one that cannot do the task."""
    tasks = tasks_of(config)
    if not tasks:
        raise ModelError(
            f"'{name}' is of a kind ('{config.model_type}') that neither goes on writing a text nor chooses labels for "
            "one. Choose a language model."
        )
    if task == "write" and "write" not in tasks:
        instead = (
            " It can choose labels: set what it learns to Choose a label."
            if "classify" in tasks
            else ""
        )
        raise ModelError(
            f"'{name}' fills gaps or encodes texts and does not write one.{instead} "
            "For chat and text, choose a causal language model."
        )
    if task == "classify" and "classify" not in tasks:
        raise ModelError(
            f"'{name}' cannot be given labels to choose from. Choose another model, or learn to write."
        )
    try:
        with torch.device(
            "meta"
        ):  # unlike accelerate's init_empty_weights, this keeps tied weights tied: counted once
            made: Model = AUTO[task].from_config(config, trust_remote_code=False)
            return made
    except Exception as error:
        raise ModelError(NO_MODEL.format(name)) from error


def head_names(model: Model) -> set[str]:
    """The names beside the body that hold a classification head."""
    if model.get_output_embeddings() is not None:
        return set()
    beside = (
        (name, child) for name, child in model.named_children() if name != model.base_model_prefix
    )
    return {name for name, child in beside if next(child.parameters(), None) is not None}


def first_embeddings(model: Model) -> Any:
    """The table of the tokens; None for models that have none or do not tell."""
    try:
        found = model.get_input_embeddings()
    except NotImplementedError:
        return None
    return found if isinstance(found, nn.Module) and hasattr(found, "weight") else None


def _parts(model: Model) -> tuple[dict[str, int], int]:
    """Parameters of the body by part, and how many of them are biases; tied ones once."""
    parts, biases, heads = Counter[str](), 0, head_names(model)
    head, first = model.get_output_embeddings(), first_embeddings(model)
    for name, weights in model.named_parameters():  # without duplicates
        path, _, last = name.rpartition(".")
        if path.partition(".")[0] in heads:
            continue
        if first is not None and weights is first.weight:
            part = "embeddings"
        elif head is not None and any(weights is own for own in head.parameters()):
            part = "output head"
        elif weights.ndim == 1 and ("norm" in path.lower() or ".ln_" in f".{path}"):
            part = "norms"
        else:
            part = part_of(name)
        parts[part] += weights.numel()
        biases += weights.numel() if "bias" in last else 0
    return dict(parts), biases


def _head(model: Model) -> tuple[int, int]:
    """Parameters of the classification head that do not depend on the labels, and those of each label."""
    fixed = labelled = 0
    for name in head_names(model):
        for _, weights in getattr(model, name).named_parameters():
            if MANY in weights.shape:
                labelled += weights.numel() // MANY
            else:
                fixed += weights.numel()
    return fixed, labelled


def _saveable(model: Model) -> dict[str, int]:
    """Modules beside the linear layers that can be trained whole: the embeddings, and an output head of its own."""
    found = {}
    first, head = first_embeddings(model), model.get_output_embeddings()
    tied = _tied(first, head)
    for path, module in model.named_modules():
        name = path.rpartition(".")[2]
        # Of tied ones PEFT can keep those together that bear the usual name; the others would part unseen.
        if (module is first and (not tied or name == "embed_tokens")) or (
            module is head and not tied
        ):
            found[name] = sum(weights.numel() for weights in module.parameters())
    return found


def _tied(first: Any, head: Any) -> bool:
    return head is not None and first is not None and head.weight is first.weight


def inspect(source: str, task: Task | None = None, folder: Path | None = None) -> ModelInfo:
    """All that the Model tab shows, built for a task (the first that it can do); raises ModelError.

    ``folder`` holds the config of a model whose weights are not here.
    """
    here = folder is None
    folder = folder or local.folder(source)
    if not here:
        safety.check_settings(folder)
    name = (
        "Pocket model"
        if source == "pocket"
        else folder.name
        if here
        else source.removeprefix("hub:")
    )
    config = load_config(folder)
    can = tasks_of(config)
    info = describe(
        config,
        task or (can[0] if can else "write"),
        source=source,
        name=name,
        folder=folder,
        here=here,
    )
    if here:
        check_count(folder, info.parameters)
    return info


def describe(
    config: PreTrainedConfig, task: Task, *, source: str, name: str, folder: Path | None, here: bool
) -> ModelInfo:
    """A ModelInfo from a config."""
    if task == "classify":
        config.num_labels = MANY
    model = empty_model(config, name, task)
    text = config.get_text_config()
    embeddings, head = first_embeddings(model), model.get_output_embeddings()
    parts, biases = _parts(model)
    width = _first(text, "hidden_size", "dim", "d_model", "n_embd") or getattr(
        embeddings, "embedding_dim", 0
    )
    heads = _first(text, "num_attention_heads", "n_heads")
    fixed, labelled = _head(model) if task == "classify" else (0, 0)
    modules = linear_modules(model, head_names(model), head, width)
    groups, reason = target_groups(config.model_type, modules)
    stored = (
        sum(file.stat().st_size for file in folder.glob("*.safetensors")) if folder and here else 0
    )
    return ModelInfo(
        source=source,
        name=name,
        model_type=config.model_type,
        task=task,
        tasks=tasks_of(config),
        layers=_first(text, "num_hidden_layers", "n_layers")
        or 1 + max((m.layers[-1] for m in modules), default=-1),
        hidden_size=width,
        heads=heads,
        kv_heads=_first(text, "num_key_value_heads") or heads,
        vocab_size=_first(text, "vocab_size"),
        context=_context(model, text),
        parameters=sum(parts.values()),
        dtype=str(config.dtype or torch.float32).removeprefix("torch."),
        megabytes=stored / 1e6,
        has_template=folder is not None and local.has_template(folder),
        modules=modules,
        groups=groups,
        group_reason=reason,
        parts=parts,
        frozen=sum(weights.numel() for weights in model.parameters() if not weights.requires_grad),
        biases=biases,
        saveable=_saveable(model),
        blocks=_blocks(modules),
        tied=_tied(embeddings, head),
        attention_dropout=_dropout(text),
        experts=_first(
            text, "num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"
        ),
        experts_active=_first(text, "num_experts_per_tok", "num_experts_per_token", "moe_topk"),
        head=tuple(sorted(head_names(model))) if task == "classify" else (),
        head_fixed=fixed,
        head_per_label=labelled,
    )


def _first(config: Any, *names: str) -> int:
    """The first of these numbers that a config has; 0 where it has none, or one that differs from block to block."""
    with contextlib.suppress(RuntimeError):
        return next(
            (
                size
                for name in names
                if isinstance(size := getattr(config, name, None), int) and size > 0
            ),
            0,
        )
    return 0


def _dropout(config: Any) -> float:
    """The share of attention scores that is left out; every family has its own word for it."""
    names = ("attention_dropout", "attention_probs_dropout_prob", "attn_pdrop", "attn_dropout")
    return float(next((value for name in names if (value := getattr(config, name, None))), 0.0))


def _context(model: Model, text: Any) -> int:
    """Tokens that it reads at once; 0 where nothing limits them."""
    for name, table in model.named_modules():
        if (
            name.endswith("position_embeddings")
            and isinstance(table, nn.Embedding)
            and table.padding_idx is not None
        ):
            return (
                table.num_embeddings - table.padding_idx - 1
            )  # as in RoBERTa, positions begin behind the pad token's
    return _first(
        text, "max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "n_ctx"
    )


def _blocks(modules: tuple[LinearModule, ...]) -> str:
    """What the list of blocks is called, as PEFT's layers_pattern wants it."""
    names = Counter(
        module.path.partition(".*")[0].rpartition(".")[2]
        for module in modules
        if ".*" in module.path
    )
    return names.most_common(1)[0][0] if names else ""
