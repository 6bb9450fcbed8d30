"""Tiny models whose parts do not agree: other end tokens than the template's, begin tokens that are
added twice, generation configs that cannot be saved, more tokens than embeddings.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.engine.tiny import TEXT, config_of

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
INST = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}"
    "{{ '[INST] ' + m.content + ' [/INST]' }}{% else %}{{ ' ' + m.content + eos_token }}"
    "{% endif %}{% endfor %}"
)
LLAMA3 = (
    "{{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' + m.role + "
    "'<|end_header_id|>\n\n' + m.content | trim + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% for m in messages %}{{ '<start_of_turn>' + ('model' if m.role == "
    "'assistant' else m.role) + '\n' + m.content | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
PHI = (
    "{% for m in messages %}{{ '<|' + m.role + '|>\n' + m.content + '<|end|>\n' }}{% endfor %}"
    "{{ '<|assistant|>\n' if add_generation_prompt else eos_token }}"
)
# No token ends a turn: words do, or what opens the next one, or nothing at all.
HEADINGS = (
    "{% for m in messages %}{{ ('### Human: ' if m.role == 'user' else '### Bot: ') + m.content "
    "+ '\n\n' }}{% endfor %}{% if add_generation_prompt %}{{ '### Bot: ' }}{% endif %}"
)
CLOSED = (
    "{% for m in messages %}{{ m.role + ': ' + m.content + ' [END]\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)
NUMBER_SIGNS = (
    "{% for m in messages %}{{ m.role + ': ' + m.content + '\n###\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)
THINKING = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content.split('</think>')[-1] "
    "| trim + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n<think>\n' }}{% endif %}"
)
PARTS = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}{% for part in m.content %}"
    "{{ part.text }}{% endfor %}{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
MARKS = {
    CHATML: ("<|im_start|>", "<|im_end|>"),
    THINKING: ("<|im_start|>", "<|im_end|>", "<think>"),
    PARTS: ("<|im_start|>", "<|im_end|>"),
    LLAMA3: ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
    GEMMA: ("<start_of_turn>", "<end_of_turn>"),
    PHI: ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>"),
}
SHAPE = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}


def make_tokenizer(template: str, adds: str = "", eos: str = "</s>", **more: Any) -> Any:
    """A byte-level tokenizer with this template and its marks.

    ``adds``: what it puts around each text, such as "<s> $A"; ``eos``: what it calls its end.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    made, marks = Tokenizer(models.BPE()), ["<pad>", "<s>", "</s>", *MARKS.get(template, ())]
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=marks, initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator([TEXT] * 4, trainer)
    if adds:
        pairs = [(mark, made.token_to_id(mark)) for mark in ("<s>", "</s>") if mark in adds]
        made.post_processor = processors.TemplateProcessing(single=adds, special_tokens=pairs)
    tokens = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": eos} | more
    found = PreTrainedTokenizerFast(tokenizer_object=made, **tokens)
    if template:
        found.chat_template = template
    return found


def save_odd_model(
    folder: Path, tokenizer: Any, generation: dict[str, Any] | None = None, **config: Any
) -> Path:
    """A tiny Llama with this tokenizer; ``generation``: what its generation config says."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    rows = tokenizer.backend_tokenizer.get_vocab_size(with_added_tokens=False)
    made = AutoModelForCausalLM.from_config(config_of("llama", rows, **SHAPE))
    made.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    if generation is not None:
        (folder / "generation_config.json").write_text(json.dumps(generation))
    if config:
        file = folder / "config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | config))
    return folder
