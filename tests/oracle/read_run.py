"""Reads a run's folder with plain transformers and PEFT, as a program would that knows no Hone.

What it works out itself, from the saved files alone: the token ids of the rows and which of them
are learned, the held-out loss before and after training, greedy replies.

``python -m tests.oracle.read_run RUN_FOLDER ...`` prints one line of JSON for each run.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    BitsAndBytesConfig,
    GenerationConfig,
)

from tests.oracle.losses import held_out_loss, share_right
from tests.oracle.saved_run import SavedRun

HEADS = ["classifier", "pre_classifier", "score", "head", "pooler"]  # are never in 4 bits
ASKED = 3  # rows


def read_run(folder: Path) -> dict[str, Any]:
    """All that this program finds out about a run."""
    run = SavedRun(folder)
    begin, tuned = load_models(run)
    found: dict[str, Any] = {"run": folder.name, "goal": run.goal, "method": run.method["kind"]}
    if run.held_out:
        found["loss"] = held_out_loss(run, tuned, begin)
        if not run.head or run.start.is_dir():  # else it began with a head of random weights
            found["first_loss"] = held_out_loss(run, begin, begin)
    if run.head:
        found["right"] = share_right(run, tuned)
        return found
    questions = [run.question(row) for row in run.held_out or run.train]
    short = [one for one in questions if len(one) <= run.data["max_length"]]
    found["replies"] = [reply(run, tuned, one) for one in short[:ASKED]]
    return found


def load_models(run: SavedRun) -> tuple[Any, Any]:
    """What the run began with, and what it made of it; in fp32, each with weights of its own."""
    begin = open_weights(run, run.base)
    if run.start.is_dir():
        begin = open_result(run, begin, run.start)
    return begin, open_result(run, open_weights(run, run.base), run.result)


def open_result(run: SavedRun, base: Any, folder: Path) -> Any:
    """A result: an adapter beside the base, or a whole model in its place."""
    if any(folder.glob("model*.safetensors")):
        return open_weights(run, folder)
    return PeftModel.from_pretrained(base, folder).eval()


def open_weights(run: SavedRun, folder: Path) -> Any:
    """A model of the run's task; in 4 bits where the run kept it so."""
    options: dict[str, Any] = {"dtype": torch.float32, "use_safetensors": True}
    if run.method["kind"] == "qlora":
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.float32,
            llm_int8_skip_modules=HEADS if run.head else None,
        )
    if run.head:
        names = dict(enumerate(run.head["labels"]))
        options |= {"id2label": names, "label2id": {one: at for at, one in names.items()}}
        options |= {"problem_type": run.head["problem_type"], "ignore_mismatched_sizes": True}
        model = AutoModelForSequenceClassification.from_pretrained(folder, **options)
    else:
        model = AutoModelForCausalLM.from_pretrained(folder, **options)
    for layer in model.modules():  # on a processor the faster kernel rounds to 16 bits
        if type(layer).__name__ == "Linear4bit":
            layer.support_avx512bf16_for_cpu = False
    return model.eval()


@torch.no_grad()
def reply(run: SavedRun, model: Any, question: list[int]) -> str:
    """The greedy reply, ended by the generation config that was saved with the result or base."""
    saved = run.result if (run.result / "generation_config.json").is_file() else run.base
    settings = GenerationConfig.from_pretrained(saved)
    settings.update(
        do_sample=False,
        temperature=None,
        top_p=None,
        top_k=None,
        max_new_tokens=run.spec["sampling"]["max_new_tokens"],
        pad_token_id=run.tokenizer.pad_token_id,
    )
    ids = torch.tensor([question])
    made = model.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=settings
    )
    return str(run.tokenizer.decode(made[0][len(question) :], skip_special_tokens=True)).strip()


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(json.dumps(read_run(Path(name))), flush=True)
