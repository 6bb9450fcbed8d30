"""Asks a saved model with plain transformers, as any other program would.

``python -m engine.work.independent_check FOLDER`` reads a question from its input and writes the
answer:

    {"prompts": [[ids]], "new_tokens": n, "device": "cpu", "chat": [messages]}
    {"replies": [[ids]], "ends": [ids], "asked": [ids]}

It imports nothing of Hone, so it has only what is in the model's files.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def answer(folder: str, question: dict[str, Any]) -> dict[str, Any]:
    """The model's greedy replies, the tokens that end them, and the conversation as ids."""
    only = {"local_files_only": True, "trust_remote_code": False}
    tokenizer = AutoTokenizer.from_pretrained(folder, **only)
    model = AutoModelForCausalLM.from_pretrained(folder, **only).to(question["device"])
    asked, replies = [], []
    if chat := question["chat"]:
        asked = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=False)
    for prompt in question["prompts"]:
        ids = torch.tensor([prompt], device=model.device)
        options = {"max_new_tokens": question["new_tokens"], "do_sample": False, "num_beams": 1}
        made = model.generate(ids, attention_mask=torch.ones_like(ids), **options)
        replies.append(made[0, len(prompt) :].tolist())
    named = model.generation_config.eos_token_id
    ends = named if isinstance(named, list) else [named]
    return {"replies": replies, "ends": [end for end in ends if end is not None], "asked": asked}


if __name__ == "__main__":
    print(json.dumps(answer(sys.argv[1], json.load(sys.stdin))))
