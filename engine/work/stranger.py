"""Asks a saved model as a program would that knows nothing of Hone: plain transformers, its files.

``python -m engine.work.stranger FOLDER`` reads questions from its input and writes what it replied:

    {"prompts": [[ids]], "new_tokens": n, "device": "cpu"}
    {"replies": [[ids]], "texts": [text], "ends": [ids]}
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from engine.errors import RunError
from engine.store.files import PROJECT_FOLDER

MODULE = "engine.work.stranger"
DEADLINE = 3600  # seconds; a large model takes minutes to load


class StrangerReplies(NamedTuple):
    """What a saved model replies by itself."""

    replies: list[list[int]]  # greedy, with the token that ended each
    texts: list[str]
    ends: list[int]  # tokens at which it stops


def ask_as_stranger(
    folder: Path, prompts: list[list[int]], new_tokens: int, device: str
) -> StrangerReplies:
    """Greedy replies of a model folder in a process of its own; raises RunError if it cannot."""
    question = {"prompts": prompts, "new_tokens": new_tokens, "device": device}
    try:
        done = subprocess.run(
            [sys.executable, "-m", MODULE, str(folder)],
            input=json.dumps(question),
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            cwd=PROJECT_FOLDER,
            env=os.environ | {"PYTHONIOENCODING": "utf-8"},
            timeout=DEADLINE,
            check=True,
        )
        return StrangerReplies(**json.loads(done.stdout.splitlines()[-1]))
    except (subprocess.SubprocessError, ValueError, IndexError) as error:
        raise RunError(
            "The saved model could not be loaded and asked by a program of its own, so it was "
            "removed. The log has the details."
        ) from error


def answer(folder: str, question: dict[str, Any]) -> dict[str, Any]:
    """In the child: the replies of the model in a folder, by its own files alone."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder).to(question["device"])
    import torch

    replies = []
    for prompt in question["prompts"]:
        ids = torch.tensor([prompt], device=model.device)
        options = {"max_new_tokens": question["new_tokens"], "do_sample": False}
        made = model.generate(ids, attention_mask=torch.ones_like(ids), **options)
        replies.append(made[0, len(prompt) :].tolist())
    named = model.generation_config.eos_token_id
    return {
        "replies": replies,
        "texts": tokenizer.batch_decode(replies, skip_special_tokens=True),
        "ends": named if isinstance(named, list) else [named] if named is not None else [],
    }


if __name__ == "__main__":
    print(json.dumps(answer(sys.argv[1], json.load(sys.stdin))))
