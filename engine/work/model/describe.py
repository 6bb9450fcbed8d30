"""What a base model consists of, from its config alone: no weights are read (meta device)."""

from __future__ import annotations

import contextlib
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import (
    PreTrainedConfig,
)
from transformers import PreTrainedModel as Model

from engine.model import local, safety
from engine.model.info import LinearModule, ModelInfo
from engine.model.targets import target_groups
from engine.model.weights import check_weight_count
from engine.spec.objective import Task
from engine.work.model.linear_layers import linear_modules, part_of
from engine.work.model.structure import (
    empty_model,
    head_names,
    input_embeddings,
    load_config,
    tasks_of,
)

PROBE_LABELS = (
    1009  # labels: a number that no width of a model has, by which the head's last layer is told
)


def _parameters_by_part(model: Model) -> tuple[dict[str, int], int]:
    """Parameters of the body by part, and how many of them are biases; tied ones once."""
    parts, biases, heads = Counter[str](), 0, head_names(model)
    head, first = model.get_output_embeddings(), input_embeddings(model)
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


def _head_parameters(model: Model) -> tuple[int, int]:
    """Parameters of the classification head that do not depend on the labels, and those of each label."""
    fixed = labelled = 0
    for name in head_names(model):
        for _, weights in getattr(model, name).named_parameters():
            if PROBE_LABELS in weights.shape:
                labelled += weights.numel() // PROBE_LABELS
            else:
                fixed += weights.numel()
    return fixed, labelled


def _saveable_modules(model: Model) -> dict[str, int]:
    """Modules beside the linear layers that can be trained whole: the embeddings, and an output head of its own."""
    found = {}
    first, head = input_embeddings(model), model.get_output_embeddings()
    tied = _has_tied_head(first, head)
    for path, module in model.named_modules():
        name = path.rpartition(".")[2]
        # Of tied ones PEFT can keep those together that bear the usual name; the others would part unseen.
        if (module is first and (not tied or name == "embed_tokens")) or (
            module is head and not tied
        ):
            found[name] = sum(weights.numel() for weights in module.parameters())
    return found


def _has_tied_head(first: Any, head: Any) -> bool:
    return head is not None and first is not None and head.weight is first.weight


def inspect_model(source: str, task: Task | None = None, folder: Path | None = None) -> ModelInfo:
    """All that the Model tab shows, built for a task (the first that it can do); raises ModelError.

    ``folder`` holds the config of a model whose weights are not here.
    """
    here = folder is None
    folder = folder or local.checked_folder(source)
    if not here:
        safety.check_settings_folder(folder)
    name = (
        "Pocket model"
        if source == "pocket"
        else folder.name
        if here
        else source.removeprefix("hub:")
    )
    config = load_config(folder)
    can = tasks_of(config)
    info = describe_model(
        config,
        task or (can[0] if can else "write"),
        source=source,
        name=name,
        folder=folder,
        here=here,
    )
    if here:
        check_weight_count(folder, info.parameters)
    return info


def describe_model(
    config: PreTrainedConfig, task: Task, *, source: str, name: str, folder: Path | None, here: bool
) -> ModelInfo:
    """A ModelInfo from a config."""
    if task == "classify":
        config.num_labels = PROBE_LABELS
    model = empty_model(config, name, task)
    text = config.get_text_config()
    embeddings, head = input_embeddings(model), model.get_output_embeddings()
    parts, biases = _parameters_by_part(model)
    width = _first_number(text, "hidden_size", "dim", "d_model", "n_embd") or getattr(
        embeddings, "embedding_dim", 0
    )
    heads = _first_number(text, "num_attention_heads", "n_heads")
    fixed, labelled = _head_parameters(model) if task == "classify" else (0, 0)
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
        layers=_first_number(text, "num_hidden_layers", "n_layers")
        or 1 + max((m.layers[-1] for m in modules), default=-1),
        hidden_size=width,
        heads=heads,
        kv_heads=_first_number(text, "num_key_value_heads") or heads,
        vocab_size=_first_number(text, "vocab_size"),
        context=_context_length(model, text),
        parameters=sum(parts.values()),
        dtype=str(config.dtype or torch.float32).removeprefix("torch."),
        megabytes=stored / 1e6,
        has_template=folder is not None and local.has_chat_template(folder),
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
        head=tuple(sorted(head_names(model))) if task == "classify" else (),
        head_fixed=fixed,
        head_per_label=labelled,
    )


def _first_number(config: Any, *names: str) -> int:
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


def _attention_dropout(config: Any) -> float:
    """The share of attention scores that is left out; every family has its own word for it."""
    names = ("attention_dropout", "attention_probs_dropout_prob", "attn_pdrop", "attn_dropout")
    return float(next((value for name in names if (value := getattr(config, name, None))), 0.0))


def _context_length(model: Model, text: Any) -> int:
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
    return _first_number(
        text, "max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "n_ctx"
    )


def _block_list_name(modules: tuple[LinearModule, ...]) -> str:
    """What the list of blocks is called, as PEFT's layers_pattern wants it."""
    names = Counter(
        module.path.partition(".*")[0].rpartition(".")[2]
        for module in modules
        if ".*" in module.path
    )
    return names.most_common(1)[0][0] if names else ""
