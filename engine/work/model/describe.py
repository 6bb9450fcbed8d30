"""What a base model consists of, from its config alone: no weights are read (meta device)."""

from __future__ import annotations

import contextlib
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

from engine.model import local, safety
from engine.model.info import LinearModule, ModelInfo, target_groups
from engine.model.weights import check_weight_count
from engine.spec.objective import Task
from engine.work.model import structure
from engine.work.model.linear_layers import linear_modules, part_of

# A number of labels that is no model's width: by it the weights of each label are recognised.
PROBE_LABELS = 1009


def inspect_model(source: str, task: Task | None = None, folder: Path | None = None) -> ModelInfo:
    """All that the Model tab shows, built for a task (the first possible one); raises ModelError.

    ``folder`` holds the config of a model whose weights are not here.
    """
    if folder is not None:
        safety.check_settings_folder(folder)
        return _inspect_folder(folder, task, source, source.removeprefix("hub:"))
    folder = local.checked_folder(source)
    name = "Pocket model" if source == "pocket" else folder.name
    info = _inspect_folder(folder, task, source, name)
    check_weight_count(folder, info.parameters)
    stored = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    return info.model_copy(update={"megabytes": stored / 1e6})


def _inspect_folder(folder: Path, task: Task | None, source: str, name: str) -> ModelInfo:
    config = structure.load_config(folder)
    possible: tuple[Task, ...] = structure.tasks_of(config) or ("write",)
    info = info_from_config(config, task or possible[0], name)
    found = {"source": source, "has_template": local.has_chat_template(folder)}
    return info.model_copy(update=found)


def info_from_config(config: PreTrainedConfig, task: Task, name: str = "model") -> ModelInfo:
    """A ModelInfo from a config; raises ModelError. What only the folder tells is left empty."""
    if task == "classify":
        config.num_labels = PROBE_LABELS
    model = structure.empty_model(config, name, task)
    text = config.get_text_config()
    embeddings, head = structure.input_embeddings(model), model.get_output_embeddings()
    parts, biases = _parameters_by_part(model)
    width = _first_number(text, "hidden_size", "dim", "d_model", "n_embd")
    width = width or getattr(embeddings, "embedding_dim", 0)
    heads = _first_number(text, "num_attention_heads", "n_heads")
    new_head = tuple(sorted(structure.head_names(model))) if task == "classify" else ()
    head_fixed, head_per_label = _head_parameters(model, new_head)
    modules = linear_modules(model, structure.head_names(model), head, width)
    layers = _first_number(text, "num_hidden_layers", "n_layers")
    groups, reason = target_groups(config.model_type, modules)
    return ModelInfo(
        source=name,
        name=name,
        model_type=config.model_type,
        task=task,
        tasks=structure.tasks_of(config),
        layers=layers or 1 + max((m.layers[-1] for m in modules), default=-1),
        hidden_size=width,
        heads=heads,
        kv_heads=_first_number(text, "num_key_value_heads") or heads,
        vocab_size=_first_number(text, "vocab_size"),
        context=_context_length(model, text),
        parameters=sum(parts.values()),
        dtype=str(config.dtype or torch.float32).removeprefix("torch."),
        megabytes=0.0,
        has_template=False,
        modules=modules,
        groups=groups,
        group_reason=reason,
        parts=parts,
        frozen=sum(weights.numel() for weights in model.parameters() if not weights.requires_grad),
        biases=biases,
        saveable=_saveable_modules(model),
        blocks=_block_list_name(modules),
        tied=_has_tied_head(embeddings, head),
        attention_dropout=_attention_dropout(text),
        experts=_first_number(
            text, "num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"
        ),
        experts_active=_first_number(
            text, "num_experts_per_tok", "num_experts_per_token", "moe_topk"
        ),
        head=new_head,
        head_fixed=head_fixed,
        head_per_label=head_per_label,
    )


def _parameters_by_part(model: PreTrainedModel) -> tuple[dict[str, int], int]:
    """Parameters of the body by part, and how many of them are biases; tied ones once."""
    parts, biases, heads = Counter[str](), 0, structure.head_names(model)
    head, first = model.get_output_embeddings(), structure.input_embeddings(model)
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


def _head_parameters(model: PreTrainedModel, names: tuple[str, ...]) -> tuple[int, int]:
    """Parameters of a classification head: those that labels do not change, and those per label."""
    fixed = per_label = 0
    for name in names:
        for _, weights in getattr(model, name).named_parameters():
            if PROBE_LABELS in weights.shape:
                per_label += weights.numel() // PROBE_LABELS
            else:
                fixed += weights.numel()
    return fixed, per_label


def _saveable_modules(model: PreTrainedModel) -> dict[str, int]:
    """Parameters of modules that can be trained whole: embeddings, and an output head not tied."""
    found = {}
    first, head = structure.input_embeddings(model), model.get_output_embeddings()
    tied = _has_tied_head(first, head)
    for path, module in model.named_modules():
        name = path.rpartition(".")[2]
        # PEFT keeps a tied pair together only under the usual name; others would silently part.
        whole_first = module is first and (not tied or name == "embed_tokens")
        if whole_first or (module is head and not tied):
            found[name] = sum(weights.numel() for weights in module.parameters())
    return found


def _has_tied_head(first: Any, head: Any) -> bool:
    """Whether embeddings and output head share their weights."""
    return head is not None and first is not None and head.weight is first.weight


def _first_number(config: Any, *names: str) -> int:
    """The first of these numbers that a config has; 0 for none, or one that differs by block."""
    with contextlib.suppress(RuntimeError):
        for name in names:
            size = getattr(config, name, None)
            if isinstance(size, int) and size > 0:
                return size
    return 0


def _attention_dropout(config: Any) -> float:
    """The dropout on attention scores; every family has its own word for it."""
    names = ("attention_dropout", "attention_probs_dropout_prob", "attn_pdrop", "attn_dropout")
    return float(next((value for name in names if (value := getattr(config, name, None))), 0.0))


def _context_length(model: PreTrainedModel, text: Any) -> int:
    """Tokens that the model reads at once; 0 where nothing limits them."""
    for name, table in model.named_modules():
        if not name.endswith("position_embeddings") or not isinstance(table, nn.Embedding):
            continue
        if table.padding_idx is not None:  # as in RoBERTa, positions begin after the pad token's
            return table.num_embeddings - table.padding_idx - 1
    return _first_number(
        text, "max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "n_ctx"
    )


def _block_list_name(modules: tuple[LinearModule, ...]) -> str:
    """The name of the list of blocks, as PEFT's layers_pattern wants it."""
    paths = (module.path.partition(".*") for module in modules)
    names = Counter(before.rpartition(".")[2] for before, star, _ in paths if star)
    return names.most_common(1)[0][0] if names else ""
