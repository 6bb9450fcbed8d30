"""One training run: read, load, adapt, prove that it fits, train; step down and go on where memory runs out."""

from __future__ import annotations

import os
from typing import Any

import torch
from transformers import PrinterCallback, Trainer, TrainerCallback

from engine.data.rows import read_rows
from engine.errors import DataError, RunError
from engine.estimate.case import MemoryInputs
from engine.estimate.duration import replace_check_time
from engine.estimate.memory import estimate_memory
from engine.hardware import GB
from engine.model import fingerprint, local, parameters
from engine.runs import disk_space
from engine.runs.step_down import current_layout, step_down
from engine.spec.batch import BatchLayout
from engine.spec.objective import resolve_objective, task_for_objective
from engine.spec.run import RunSpec, Shape
from engine.store import events as ev
from engine.store import run_dir
from engine.store.files import write_whole
from engine.store.run_dir import RunDir
from engine.work.encode.tokenizer import load_tokenizer
from engine.work.kernels.packing import padding_share
from engine.work.memory import memory_gb, out_of_memory
from engine.work.model.adapters import apply_method, parameter_counts
from engine.work.model.describe import inspect_model
from engine.work.model.init_conversion import save_initial_adapter
from engine.work.model.load import DeviceSetup, choose_device, load_model, read_ahead
from engine.work.model.warm_start import load_start_adapter, start_model_folder
from engine.work.train import checkpoints
from engine.work.train.callback import (
    EARLY_STOPPING_CHECKS,
    CheckSchedule,
    LearningRateCallback,
    RunCallback,
)
from engine.work.train.checkpoint_check import step_of
from engine.work.train.memory_test import MemoryTest, run_memory_test
from engine.work.train.objective import TrainingInputs, TrainingObjective
from engine.work.train.trainer import HoneTrainer

TRAINING_TIME_RANGE = (
    0.75,
    1.4,
)  # of the time that training was foretold to take, on eleven runs of the pocket model
BATCH_SECONDS = (
    0.02  # that a batch takes beside its tokens: short ones cost more for each than the longest did
)


def train(run: RunDir) -> None:
    """Train a run to its end, or until its stop mark; goes on from its newest whole checkpoint."""
    run.emit(ev.Phase(text="Reading the examples."))
    made_of = load_inputs(run)
    read_ahead(
        start_model_folder(run) or local.checked_folder(made_of.spec.model.source)
    )  # while rows become tokens
    lesson = make_objective(made_of)
    if not run.view().steps:
        for text in lesson.warnings:
            if (
                text not in run.view().warnings
            ):  # an attempt before, which found too little memory, said it
                run.emit(ev.Warned(text=text))
    if (
        run.view().proving
    ):  # where nothing smaller is left, the same is tried again: it may not have been memory
        step_down(
            run, "The process ended while it tried the layout before, perhaps for want of memory."
        )
    fit = current_layout(run)
    try:
        _attempt(run, made_of, lesson, fit)
    except Exception as error:
        if not out_of_memory(error):
            raise
        print(
            f"Out of memory with {fit.text}: {(str(error) or type(error).__name__).splitlines()[0]}",
            flush=True,
        )
        if run.stop_mark.exists():  # who asked to stop meanwhile does not wait for another attempt
            step = run.view().step
            paused = run.stop_mark.read_text().strip() == "pause"
            run.emit(ev.Paused(step=step) if paused else ev.Stopped(step=step, kept=False))
            return
        smaller_layout(run, made_of.spec)
        write_whole(
            run.queue_mark, "train"
        )  # by a new process: what this one has in pieces is not given back


def load_inputs(run: RunDir) -> TrainingInputs:
    """All that a run learns from; raises HoneError for what does not fit together."""
    spec = run.spec
    folder = local.checked_folder(spec.model.source)
    about = run_dir.read_data_summary(run.about_file)
    goal = resolve_objective(
        spec.data, about.shape or Shape.CHAT, inspect_model(spec.model.source).tasks
    )
    info = inspect_model(spec.model.source, task_for_objective(goal))
    info.check_length(spec.data.max_length)
    began = run.view().started
    fingerprint.require_same_base(began.model_hash if began else "", folder)
    rows, held = read_rows(run.train_file), read_rows(run.held_out_file)
    if not len(rows):
        raise DataError(
            "The rows of this run are not there; an earlier Hone kept them otherwise. Start a new run."
        )
    tokenizer, files = (
        load_tokenizer(folder, spec.data.template),
        (run.train_file, run.held_out_file),
    )
    cache = run.path.parent.parent / "tokens"
    return TrainingInputs(
        spec, goal, info, tokenizer, rows, held, tuple(about.labels), files, cache, run.start
    )


def make_objective(made_of: TrainingInputs) -> TrainingObjective:
    """The lesson of the run's goal. Imported here: each brings a trainer that the others do not need."""
    if made_of.goal == "prefer":
        from engine.work.train.preferences import PreferenceObjective

        return PreferenceObjective(made_of)
    if made_of.goal == "write":
        from engine.work.train.sft import SftObjective

        return SftObjective(made_of)
    from engine.work.train.classify import ClassificationObjective

    return ClassificationObjective(made_of)


def smaller_layout(run: RunDir, spec: RunSpec) -> BatchLayout:
    """The next layout; raises RunError with what else would help where there is none."""
    fit = current_layout(run)
    smaller = step_down(run)
    if smaller is None:
        bits = (
            ""
            if spec.method.bits == 4 or not spec.method.adapts
            else ", choose the 4-bit method (QLoRA)"
        )
        raise RunError(
            f"Even {fit.text} needs more memory than there is. Set the longest example below "
            f"{spec.data.max_length} tokens on the Data tab{bits}, or take a smaller model."
        )
    return smaller


def _attempt(
    run: RunDir, made_of: TrainingInputs, lesson: TrainingObjective, fit: BatchLayout
) -> None:
    spec, info = made_of.spec, made_of.info
    run.emit(ev.Phase(text="Loading the model."))
    place = choose_device(spec.place, spec.method)
    torch.manual_seed(spec.data.seed)
    model = apply_method(_load_base(run, made_of, lesson, place), spec.method, info)
    load_start_adapter(model, run)
    if fit.checkpointing and not model.supports_gradient_checkpointing:
        raise RunError(
            f"Models like '{info.name}' cannot compute again instead of keeping (gradient checkpointing). Set that to "
            "Never under More settings, and the longest example lower on the Data tab."
        )
    save_initial_adapter(model, spec.method, run.checkpoints)
    trainable, total = parameter_counts(model)
    base = fingerprint.hash_model(local.checked_folder(spec.model.source))

    def started(steps: int) -> ev.Started:
        return ev.Started(
            pid=os.getpid(),
            device=torch.cuda.get_device_name() if place.device.type == "cuda" else "CPU",
            precision=place.precision,
            reasons={"precision": place.reason} | lesson.reasons,
            trainable=trainable,
            total=total,
            steps=steps,
            epochs=spec.optim.epochs,
            goal=made_of.goal,
            preference=lesson.preference,
            rank=spec.method.rank if spec.method.adapts else 0,
            versions=fingerprint.library_versions(),
            data_hash=fingerprint.hash_files((run.train_file, run.held_out_file)),
            model_hash=base,
            **lesson.numbers._asdict(),
        )

    steps = spec.optim.steps(lesson.numbers.rows)
    resume = checkpoints.find_newest(run)
    if resume:
        checkpoints.recover(run, resume)
    disk_space.require_room(run, trainable, before_start=True)
    report = RunCallback(run, check_schedule(spec, steps), started, lambda: lesson.ask(model))
    begun = step_of(resume) if resume else 0
    report.recall(begun)
    if (
        begun >= steps or report.exhausted
    ):  # it was killed between its last checkpoint and the word that it is done
        run.emit(started(steps).model_copy(update={"resumed_from": begun}))
        _report_end(run, report, begun, steps)
        return
    options = training_arguments(
        run, spec, place, fit, bool(lesson.numbers.held_out), fresh=not resume
    )
    callbacks: list[TrainerCallback] = [report, LearningRateCallback()]
    trainer = lesson.trainer(model, options, callbacks)
    trainer.remove_callback(PrinterCallback)  # all that it would print stands in the events
    if isinstance(trainer, HoneTrainer):
        trainer.plus = spec.method.plus if spec.method.adapts else 1.0
    proven = run.view().proved
    if proven is None or proven[0] != fit:
        _test_memory(run, made_of, lesson, place, fit, trainer)
    trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    _report_end(run, report, trainer.state.global_step, trainer.state.max_steps)


def _test_memory(
    run: RunDir,
    made_of: TrainingInputs,
    lesson: TrainingObjective,
    place: DeviceSetup,
    fit: BatchLayout,
    trainer: Trainer,
) -> None:
    """Try the longest examples, and say what the run will need."""
    run.emit(ev.Phase(text="Proving that the longest examples fit into memory."))
    run.emit(ev.Proving(**fit._asdict(), length=max(lesson.lengths)))
    proof = run_memory_test(trainer, lesson, fit, place, made_of.spec)
    run.emit(ev.Proved(memory_gb=proof.memory_gb, seconds=proof.seconds))
    before = (
        run.view().estimated
    )  # of a layout that was given up; a check takes as long under this one
    checks = before.checks_seconds if before else 0.0
    run.emit(replace_check_time(estimate_run(made_of, lesson, place, fit, proof), checks, 1))


def _report_end(run: RunDir, report: RunCallback, step: int, steps: int) -> None:
    checkpoints.remove_partial(run)
    if report.stop == "pause":
        run.emit(ev.Paused(step=step))
    elif report.stop:
        run.emit(ev.Stopped(step=step, kept=report.stop == "keep"))
    else:
        done = ev.Finished(
            step=step, seconds=report.seconds, memory_gb=memory_gb(), early=step < steps
        )
        run.emit(done.model_copy(update={"checks_seconds": report.checks_seconds}))


def check_schedule(spec: RunSpec, steps: int) -> CheckSchedule:
    """How often the run is checked and saved, and when it has waited long enough for a gain."""
    return CheckSchedule(
        spec.sampling.steps_between_checks(steps),
        60 * spec.sampling.save_minutes,
        EARLY_STOPPING_CHECKS.get(spec.optim.patience),
    )


def _load_base(
    run: RunDir, made_of: TrainingInputs, lesson: TrainingObjective, place: DeviceSetup
) -> Any:
    try:
        spec = made_of.spec
        folder = local.checked_folder(spec.model.source)
        return load_model(start_model_folder(run) or folder, place, spec.method, lesson.head)
    except Exception as error:
        if not out_of_memory(error):
            raise
        bits = (
            ""
            if made_of.spec.method.bits == 4
            else " Choose the 4-bit method (QLoRA), or a smaller model."
        )
        raise RunError(
            f"The model's weights alone need more memory than there is.{bits}"
        ) from error


def estimate_run(
    made_of: TrainingInputs,
    lesson: TrainingObjective,
    place: DeviceSetup,
    fit: BatchLayout,
    proof: MemoryTest,
) -> ev.Estimated:
    """What the config says of count and memory, and what the measured pass says of time."""
    spec, info = made_of.spec, made_of.info
    labels = len(lesson.head.labels) if lesson.head else 0
    expected = estimate_memory(
        MemoryInputs(
            info=info,
            method=spec.method,
            batch=fit.batch,
            length=max(lesson.lengths),
            precision="bf16" if place.precision == "bf16" else "fp32",
            device="cuda" if place.device.type == "cuda" else "cpu",
            checkpointing=fit.checkpointing,
            optimizer=spec.optim.optimizer,
            labels=labels,
            autocast=place.autocast,
            prefer=lesson.preference,
        )
    )
    mean = sum(lesson.lengths) / len(lesson.lengths)
    each = mean if lesson.flat else mean / (1 - padding_share(lesson.lengths, fit.batch))
    batches = spec.optim.steps(lesson.numbers.rows) * fit.accumulation
    seconds = batches * (proof.seconds * fit.batch * each / proof.tokens + BATCH_SECONDS)
    return ev.Estimated(
        trainable=parameters.count_parameters(info, spec.method, labels).trainable,
        memory_gb=expected.total / GB,
        parts={name: size / GB for name, size in expected.model_dump().items()},
        seconds_low=seconds * TRAINING_TIME_RANGE[0],
        seconds_high=seconds * TRAINING_TIME_RANGE[1],
    )


def training_arguments(
    run: RunDir, spec: RunSpec, place: DeviceSetup, fit: BatchLayout, has_held: bool, fresh: bool
) -> dict[str, Any]:
    """The trainer's arguments; everything that the spec does not say is off or as the library has it."""
    return {
        "output_dir": str(checkpoints.draft_folder(run)),
        "num_train_epochs": spec.optim.epochs,
        "learning_rate": spec.optim.learning_rate,
        "per_device_train_batch_size": fit.batch,
        "per_device_eval_batch_size": fit.batch,
        "gradient_accumulation_steps": fit.accumulation,
        "activation_checkpointing": fit.checkpointing,
        "activation_checkpointing_kwargs": {"use_reentrant": False} if fit.checkpointing else None,
        "optim": {"adamw": "adamw_torch_fused"}.get(spec.optim.optimizer, spec.optim.optimizer),
        "lr_scheduler_type": spec.optim.schedule,
        "warmup_steps": spec.optim.warmup,  # below 1 it is a share
        "weight_decay": spec.optim.weight_decay,
        "seed": spec.data.seed,
        "bf16": place.autocast,  # elsewhere the weights are bf16 where it pays, without autocast on top
        "use_cpu": place.device.type == "cpu",
        "eval_strategy": "steps" if has_held else "no",  # when, says the report
        "eval_on_start": has_held and fresh,
        "prediction_loss_only": True,
        "save_strategy": "no",  # when, says the report
        "logging_steps": 1,
        "logging_nan_inf_filter": False,  # a NaN must be seen
        "include_num_input_tokens_seen": "non_padding",
        "dataloader_pin_memory": place.device.type == "cuda",
        "disable_tqdm": True,
        "report_to": "none",
    }
