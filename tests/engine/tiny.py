"""Tiny models with random weights, of many architectures, as folders that Hone opens: real code, no
download.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

TEXT = (
    "the cat sat on a mat and dog ran far good bad happy sad I you we go come see red blue "
    "one two three"
)
WORDS = TEXT.split()
SHAPE: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 256,
}
GROUPED = SHAPE | {"num_key_value_heads": 2}
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "llama": GROUPED,
    "mistral": GROUPED,
    "qwen2": GROUPED | {"tie_word_embeddings": True},
    "qwen3": GROUPED | {"head_dim": 16},
    "gemma": GROUPED | {"head_dim": 16},
    "gemma3_text": GROUPED | {"head_dim": 16},
    "phi3": SHAPE | {"pad_token_id": 0},
    "phi": SHAPE,
    "gpt2": {"n_embd": 64, "n_layer": 3, "n_head": 4, "n_positions": 256},
    "gpt_neox": SHAPE,
    "falcon": {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4},
    "bloom": {"hidden_size": 64, "n_layer": 3, "n_head": 4},
    "opt": {
        "hidden_size": 64,
        "ffn_dim": 128,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "word_embed_proj_dim": 64,
    },
    "glm": GROUPED | {"head_dim": 16, "pad_token_id": 0},
    "mixtral": GROUPED | {"num_local_experts": 4, "num_experts_per_tok": 2},
    "qwen3_moe": GROUPED
    | {
        "head_dim": 16,
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 32,
        "decoder_sparse_step": 1,
    },
    "bert": SHAPE,
    "roberta": SHAPE | {"max_position_embeddings": 258},
    "distilbert": {
        "dim": 64,
        "hidden_dim": 128,
        "n_layers": 3,
        "n_heads": 4,
        "max_position_embeddings": 256,
    },
    "electra": SHAPE | {"embedding_size": 32},
    "albert": SHAPE | {"embedding_size": 32},
    "deberta-v2": SHAPE,
    "modernbert": SHAPE,
}


def config_of(kind: str, vocab: int = 500, **more: Any) -> Any:
    """A small config of an architecture."""
    from transformers import AutoConfig

    special = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    if kind in ("bert", "modernbert"):
        special |= {"cls_token_id": 1, "sep_token_id": 2}
    return AutoConfig.for_model(
        kind, vocab_size=vocab, **(special | ARCHITECTURES.get(kind, GROUPED) | more)
    )


def save_tokenizer(folder: Path, vocab: int = 500) -> None:
    """A byte-level BPE tokenizer that loses no text, with pad, begin and end tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        special_tokens=["<pad>", "<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator([TEXT] * 4, trainer)
    PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", bos_token="<s>", eos_token="</s>"
    ).save_pretrained(folder)


def save_model(folder: Path, kind: str, seed: int = 0, **more: Any) -> Path:
    """A whole model folder: config, random weights, tokenizer."""
    import torch
    from transformers import AutoModel, AutoModelForCausalLM

    from engine.work.model.structure import tasks_of

    torch.manual_seed(seed)
    config = config_of(kind, **more)
    auto = AutoModelForCausalLM if "write" in tasks_of(config) else AutoModel
    auto.from_config(config).save_pretrained(folder)
    save_tokenizer(folder, config.vocab_size)
    return folder
