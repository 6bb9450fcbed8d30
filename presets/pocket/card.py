"""Writes the shipped folder: weights in bf16, configuration, tokenizer, and a card with measured
figures.
"""

import copy
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import GenerationConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from unseen import spread

CARD = """---
license: apache-2.0
language: en
library_name: transformers
pipeline_tag: text-generation
---
# Pocket: a small language model that ships with Hone

Made from nothing by `presets/pocket/make.py`, which also writes all of its text: no foreign text,
weights or word list went into it. It lets you see fine-tuning work with no network, account or GPU.

| | |
|---|---|
| architecture | Llama, {layers} layers of width {width}, tied embeddings |
| parameters | {parameters:,} |
| file | bfloat16, {megabytes:.1f} MB |
| vocabulary | {vocabulary:,} byte-level BPE tokens, digits one by one |
| context | {context} tokens |
| training | {steps:,} steps, {tokens:,} tokens, {minutes:.0f} minutes |
| machine | {machine}, bfloat16 autocast |
| held-out perplexity | {perplexity:.2f} over all tokens, {reply_perplexity:.3f} over the replies alone |
| held-out questions | {right} of {asked} answered rightly (greedy; none of them was ever trained on) |

## What it can do
It greets, remembers a name, knows small facts (animals, colours, tools, jobs, places, weather),
counts and adds up to twenty, finds opposites, plurals and rhymes, repeats what it is told, reads
notes and short stories and answers questions about them.

## What it cannot do
Everything else. It knows no person, place or event of the real world, no other language, and does
not reason. It has learned to say "I do not know that. I only know small things." but will often
answer an unknown question with a small fact that does not fit.
It is for trying things out; do not rely on it for anything.

Letters and pieces of words that its world never uses got vectors of their own after training
(noise, `unseen.py`), so that an adapter can tell them apart and learn a label or a word that holds
them.

Licence: Apache-2.0.
"""


@dataclass(frozen=True)
class Figures:
    parameters: int
    steps: int
    tokens: int
    minutes: float
    machine: str
    perplexity: float
    reply_perplexity: float
    right: int
    asked: int
    wrong: list[tuple[str, str]]


def card(model: LlamaForCausalLM, figures: Figures, size: int) -> str:
    config = model.config
    return CARD.format(
        layers=config.num_hidden_layers,
        width=config.hidden_size,
        vocabulary=config.vocab_size,
        context=config.max_position_embeddings,
        megabytes=size / 1e6,
        **{name: getattr(figures, name) for name in figures.__dataclass_fields__},
    )


def export(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path, figures: Figures
) -> None:
    """Every file is written beside its place and then put there in one move, so a reader never
    meets half a file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        beside = Path(name)
        shipped = copy.deepcopy(model).eval()
        spread(shipped)
        shipped = shipped.to(torch.bfloat16)
        shipped.generation_config = GenerationConfig(
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            max_new_tokens=120,
        )
        shipped.save_pretrained(beside)
        tokenizer.save_pretrained(beside)
        size = (beside / "model.safetensors").stat().st_size
        (beside / "README.md").write_text(card(model, figures, size), encoding="utf-8")
        for file in beside.iterdir():
            file.chmod(0o644)
            file.replace(folder / file.name)
