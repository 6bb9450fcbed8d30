"""The contenders of ``benchmarks.train`` in Hone's own environment: ``python -m
benchmarks.contenders``.

All learn the same tokens with the same adapter, rate and examples in a step.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, load_from_disk
from peft import LoraConfig, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    Trainer,
    TrainingArguments,
)
from trl import SFTConfig, SFTTrainer

from benchmarks.gate import ALPHA, BATCH, COMMON, RANK, RATE, TARGETS, Gate
from engine.spec.method import MethodSpec
from engine.work.kernels import packing
from engine.work.model.adapters import apply_method
from engine.work.model.describe import info_from_config
from engine.work.model.structure import load_config
from engine.work.train.sft import SftData, make_sft_trainer


def lora() -> LoraConfig:
    """The adapter that everybody trains."""
    return LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=TARGETS, task_type="CAUSAL_LM")


def base(work: Path, kind: torch.dtype) -> Any:
    """The model."""
    return AutoModelForCausalLM.from_pretrained(work / "model", dtype=kind)


def plain(work: Path, rows: Dataset, tokenizer: Any, rounds: int) -> None:
    """Transformers' Trainer as tutorials have it: fp32, padded to the longest."""
    Trainer(
        model=get_peft_model(base(work, torch.float32), lora()),
        args=TrainingArguments(**COMMON, output_dir=str(work / "plain"), num_train_epochs=rounds),
        train_dataset=rows,
        data_collator=DataCollatorForSeq2Seq(tokenizer),
        callbacks=[Gate(work)],
    ).train()


def trl(work: Path, rows: Dataset, tokenizer: Any, rounds: int, best: bool = False) -> None:
    """SFTTrainer as it comes; ``best`` packs, has bf16 weights and no gradient checkpointing."""
    about = json.loads((work / "about.json").read_text())
    quick: dict[str, Any] = {}
    if best:
        quick = {
            "packing": True,
            "activation_checkpointing": False,
            "max_length": about["packed_to"],
        }
        quick["per_device_train_batch_size"] = about["packed"]
    SFTTrainer(
        model=base(work, torch.bfloat16 if best else torch.float32),
        args=SFTConfig(
            **COMMON | {"output_dir": str(work / "trl"), "num_train_epochs": rounds} | quick
        ),
        train_dataset=rows,
        processing_class=tokenizer,
        peft_config=lora(),
        callbacks=[Gate(work)],
    ).train()


def adapted(work: Path) -> Any:
    """The model with Hone's adapter."""
    torch.manual_seed(0)
    info = info_from_config(load_config(work / "model"), "write")
    return apply_method(base(work, torch.bfloat16), MethodSpec(rank=RANK, alpha=ALPHA), info)


def ours(work: Path, rows: Dataset, tokenizer: Any, rounds: int) -> None:
    """Hone's trainer."""
    options = COMMON | {"output_dir": str(work / "ours"), "num_train_epochs": rounds, "bf16": False}
    options |= {"activation_checkpointing": False, "optim": "adamw_torch_fused"}
    lengths = [len(ids) for ids in rows["input_ids"]]
    data = SftData(rows, rows.select([]), lengths)
    trainer = make_sft_trainer(adapted(work), tokenizer, data, options, [Gate(work)])
    print(trainer.packing.reasons, flush=True)
    trainer.train()


def bare(work: Path, rows: Dataset, tokenizer: Any, rounds: int) -> None:
    """The same tricks in a loop of PyTorch's: what a trainer costs beside them."""
    gate, model, collate = Gate(work), adapted(work), packing.PackingCollator()
    examples = list(rows)
    way = packing.choose_packing(
        model, examples, [len(one["input_ids"]) for one in examples], BATCH
    )
    trained = [weights for weights in model.parameters() if weights.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=RATE, weight_decay=0.0, fused=True)
    model.train()
    for turn in range(rounds):
        gate.begin()
        order = torch.randperm(
            len(examples), generator=torch.Generator().manual_seed(turn)
        ).tolist()
        for start in range(0, len(order), BATCH):
            row = collate([examples[at] for at in order[start : start + BATCH]])
            packing.packed_loss(model, way, row | {"use_cache": False}).backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        gate.end()
    gate.close(model, rounds * -(-len(examples) // BATCH))


def main(work: Path, kind: str, rounds: int) -> None:
    """Train as one contender, in turns."""
    tokens = load_from_disk(str(work / "kept"))
    tokenizer = AutoTokenizer.from_pretrained(work / "model")
    run = {"plain": plain, "trl": trl, "ours": ours, "bare": bare}.get(kind)
    if run:
        run(work, tokens, tokenizer, rounds)
    else:
        trl(work, tokens, tokenizer, rounds, best=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
