"""One training run: TRL's SFTTrainer with a PEFT LoRA adapter."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from transformers import PreTrainedTokenizerBase, Trainer
from trl import SFTConfig, SFTTrainer

from engine import events as ev
from engine import models
from engine.errors import DataError
from engine.normal import with_system
from engine.rows import read_rows
from engine.spec import RunSpec
from engine.store import RunDir
from engine.work import checkpoints
from engine.work.data import Encoded, Row, encode_all, load_tokenizer, prompt_ids, questions
from engine.work.generate import replies
from engine.work.inspect import inspect
from engine.work.load import Place, choose_place, load_model
from engine.work.report import Report, memory_gb

QUESTIONS = 3  # asked at every check where the user names none


class LoraTrainer(SFTTrainer):
    """SFTTrainer with the model's own loss: TRL's chunked one takes two to three times as long on a CPU."""

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        inputs["use_cache"] = False
        return Trainer.compute_loss(self, model, inputs, return_outputs, num_items_in_batch)


def train(run: RunDir) -> None:
    """Train a run to its end, or until its stop mark; goes on from its newest whole checkpoint."""
    spec = run.spec
    run.emit(ev.Phase(text="Reading the examples."))
    folder = models.folder(spec.model.source)
    info = inspect(spec.model.source)
    info.check_length(spec.data.max_length)
    tokenizer = load_tokenizer(folder, spec.data.template)
    rows, held_rows = read_rows(run.train_file), read_rows(run.held_out_file)
    if not len(rows):
        raise DataError("The rows of this run are not there; an earlier Hone kept them otherwise. Start a new run.")
    data, lost, refused = encode_all(tokenizer, rows, spec.data)
    held = encode_all(tokenizer, held_rows, spec.data).kept
    _require(data, lost, spec)
    if lost:
        run.emit(ev.Warned(text=f"{lost} of {len(rows)} examples lose their whole answer at this length: left out."))
    if refused:
        run.emit(ev.Warned(text=f"{refused} of {len(rows)} examples do not fit the model's chat format: left out."))

    run.emit(ev.Phase(text="Loading the model."))
    place = choose_place(spec.place)
    torch.manual_seed(spec.data.seed)
    base = load_model(folder, place)
    model = get_peft_model(base, lora_config(spec, info.targets(spec.method.targets)))
    trainable, total = model.get_nb_trainable_parameters()

    def started(steps: int) -> ev.Started:
        return ev.Started(
            pid=os.getpid(),
            device=torch.cuda.get_device_name() if place.device.type == "cuda" else "CPU",
            precision=place.precision,
            reasons={"precision": place.reason},
            trainable=trainable,
            total=total,
            steps=steps,
            epochs=spec.optim.epochs,
            rows=len(data),
            held_out=len(held),
            tokens=sum(len(one.ids) for one in data),
            learned=sum(one.learned for one in data),
            cut=sum(one.cut > 0 for one in data),
        )

    context = info.context or spec.data.max_length + spec.sampling.max_new_tokens
    longest = min(spec.data.max_length, context // 2)  # tokens of a question: the reply needs room too
    asked = _questions(spec, tokenizer, held_rows or rows, longest)

    def ask() -> list[tuple[str, str]]:
        new = min(spec.sampling.max_new_tokens, context - longest)
        texts = replies(model, tokenizer, [ids for _, ids in asked], new)
        return list(zip([prompt for prompt, _ in asked], texts, strict=True))

    report = Report(run, started, ask)
    resume = checkpoints.newest(run)
    trainer = LoraTrainer(
        model=model,
        args=arguments(run, spec, place, len(data), bool(held), fresh=resume is None),
        train_dataset=_dataset(data),
        eval_dataset=_dataset(held) if held else None,
        processing_class=tokenizer,
        callbacks=[report],
    )
    trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    step = trainer.state.global_step
    if report.stop and step < trainer.state.max_steps:
        run.emit(ev.Stopped(step=step, kept=report.stop == "keep"))
    else:
        run.emit(ev.Finished(step=step, seconds=report.seconds, memory_gb=memory_gb()))


def lora_config(spec: RunSpec, targets: tuple[str, ...]) -> LoraConfig:
    """The PEFT form of a spec's method."""
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=spec.method.rank,
        lora_alpha=spec.method.scale_alpha,
        lora_dropout=spec.method.dropout,
        target_modules=list(targets),
    )


def arguments(run: RunDir, spec: RunSpec, place: Place, rows: int, has_held: bool, fresh: bool) -> SFTConfig:
    """The trainer's arguments; everything that the spec does not say is off or as the library has it."""
    every = max(1, round(spec.optim.steps(rows) / spec.sampling.checks))
    return SFTConfig(
        output_dir=str(run.checkpoints),
        num_train_epochs=spec.optim.epochs,
        learning_rate=spec.optim.learning_rate,
        per_device_train_batch_size=spec.optim.batch_size,
        per_device_eval_batch_size=spec.optim.batch_size,
        gradient_accumulation_steps=spec.optim.accumulation,
        lr_scheduler_type=spec.optim.schedule,
        warmup_steps=spec.optim.warmup,  # below 1 it is a share
        weight_decay=spec.optim.weight_decay,
        seed=spec.data.seed,
        max_length=None,  # rows are cut already, so that the page can show where
        packing=False,
        bf16=False,  # the weights are bf16 where it pays; no autocast on top
        use_cpu=place.device.type == "cpu",
        gradient_checkpointing=False,
        eval_strategy="steps" if has_held else "no",
        eval_steps=every,
        eval_on_start=has_held and fresh,
        prediction_loss_only=True,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=2,
        metric_for_best_model="eval_loss" if has_held else None,
        greater_is_better=False if has_held else None,
        logging_steps=1,
        logging_nan_inf_filter=False,  # a NaN must be seen
        include_num_input_tokens_seen="non_padding",
        dataloader_pin_memory=place.device.type == "cuda",
        disable_tqdm=True,
        report_to="none",
    )


def _require(data: list[Encoded], lost: int, spec: RunSpec) -> None:
    if not data and not lost:
        raise DataError(
            "None of the examples fits the model's chat format, so nothing can be learned. Choose another chat format "
            "(template) on the Data tab."
        )
    if not data:
        raise DataError(
            f"None of the {lost} examples keeps an answer within {spec.data.max_length} tokens, so nothing can be "
            "learned. Raise the longest example on the Data tab, or shorten the prompts."
        )


def _dataset(encoded: list[Encoded]) -> Dataset:
    return Dataset.from_dict({"input_ids": [one.ids for one in encoded], "labels": [one.labels for one in encoded]})


def _questions(
    spec: RunSpec, tokenizer: PreTrainedTokenizerBase, rows: Sequence[Row], longest: int
) -> list[tuple[str, list[int]]]:
    """The fixed prompts: the user's, or the first held-out ones that are short enough; as shown and as ids."""
    if not spec.sampling.prompts:
        return questions(tokenizer, rows, QUESTIONS, longest, spec.data)
    plain, literal = "text" in rows[0], "literal" in spec.data.fixes
    asked = []
    for prompt in spec.sampling.prompts:
        chat = with_system([{"role": "user", "content": prompt}], "" if plain else spec.data.system)
        asked.append((prompt, prompt_ids(tokenizer, chat, plain, literal=literal)[:longest]))
    return asked
