"""LLaMA-Factory as a contender, run by the Python of its own environment: ``python factory.py WORK
KIND``.

KIND is ``tokens`` (write the rows as its own tokens, which everybody then learns), ``plain`` (as it
comes), ``packing``, or ``best`` (packed, bf16, without checkpointing).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from llamafactory.train.tuner import run_exp

from benchmarks.gate import ALPHA, COMMON, RANK, Gate


def options(work: Path, kind: str, rounds: int) -> dict[str, Any]:
    """Its settings for this kind."""
    about = json.loads((work / "about.json").read_text())
    found = COMMON | {
        "model_name_or_path": str(work / "model"),
        "stage": "sft",
        "do_train": True,
        "finetuning_type": "lora",
        "lora_rank": RANK,
        "lora_alpha": ALPHA,
        "lora_dropout": 0.0,
        "lora_target": "all",
        "dataset_dir": str(work),
        "dataset": "rows",
        "template": "default",
        "cutoff_len": about["cutoff"],
        "train_on_prompt": about["all"],
        "output_dir": str(work / f"factory-{kind}"),
        "overwrite_output_dir": True,
        "num_train_epochs": rounds,
        "overwrite_cache": True,
    }
    if kind == "tokens":
        return found | {"tokenized_path": str(work / "tokens")}
    if kind != "plain":
        found |= {"packing": True, "neat_packing": True, "cutoff_len": about["packed_to"]}
        found["per_device_train_batch_size"] = about["packed"]
    if kind == "best":
        found |= {"bf16": True, "pure_bf16": False, "disable_gradient_checkpointing": True}
    return found


if __name__ == "__main__":
    folder, how = Path(sys.argv[1]), sys.argv[2]
    if how == "tokens":
        run_exp(options(folder, how, 1))
    else:
        run_exp(options(folder, how, int(sys.argv[3])), callbacks=[Gate(folder)])
