"""One training run: read, load the model, test memory, train, save; with less memory, again.

The contents of this package, in the order in which they are used:
objective           the settings, base model and rows; what is trained: sft, classify, preferences
attempt             the batch layout, device and TrainingArguments
callback            events, checks, checkpoints (checkpoints, checkpoint_check) and the stop mark
memory_test         the longest examples, before the first step
trainer             the training loop itself, shared by all objectives
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import PrinterCallback, Trainer, TrainerCallback

from engine.errors import RunError
from engine.estimate.duration import replace_check_time
from engine.runs import disk_space
from engine.runs.step_down import current_layout, step_down
from engine.spec.batch import BatchLayout
from engine.spec.run import RunSpec
from engine.store import events as ev
from engine.store.files import write_whole
from engine.store.run_dir import RunDir
from engine.work.memory import memory_gb, out_of_memory
from engine.work.model import adapters
from engine.work.model.asking import find_asking
from engine.work.model.generate import reply_ends
from engine.work.model.generation_config import set_ends
from engine.work.model.load import choose_device, load_model, read_ahead
from engine.work.model.threads import suited_threads
from engine.work.train import checkpoints
from engine.work.train.attempt import Attempt, flops_of_pass, started_event, training_arguments
from engine.work.train.callback import CheckSchedule, LearningRateCallback, RunCallback
from engine.work.train.checkpoint_check import step_of
from engine.work.train.memory_test import estimate_run, run_memory_test
from engine.work.train.objective import Objective, TrainingInputs, load_inputs
from engine.work.train.trainer import HoneTrainer

EARLY_STOPPING_CHECKS = {"gentle": 5, "strict": 2}  # checks in a row without a gain


def train(run: RunDir) -> None:
    """Train a run to its end, or until its stop mark; resumes from its newest checkpoint."""
    run.emit(ev.Phase(text="Reading the examples.", stage="read"))
    inputs = load_inputs(run)
    # The weights are read from the disk while the rows become tokens.
    read_ahead(adapters.start_model_folder(run, inputs.spec))
    objective = make_objective(inputs)
    view = run.view()
    for text in objective.warnings:
        if not view.steps and text not in view.warnings:  # else an earlier attempt has said it
            run.emit(ev.Warned(text=text))
    if run.view().proving:
        # Where nothing smaller is left, the same is tried again: it may not have been memory.
        step_down(
            run, "The process ended while it tried the previous layout, perhaps for lack of memory."
        )
    layout = current_layout(run)
    try:
        setup = choose_device(inputs.spec.place, inputs.spec.method)
        attempt = Attempt(inputs, objective, setup, layout)
        with suited_threads(flops_of_pass(attempt), setup.device):
            _train_with_layout(attempt)
    except Exception as error:
        if not out_of_memory(error):
            raise
        reason = (str(error) or type(error).__name__).splitlines()[0]
        print(f"Out of memory with {layout.text}: {reason}", flush=True)
        _retry_with_less_memory(run, inputs.spec, layout)


def make_objective(inputs: TrainingInputs) -> Objective:
    """The run's objective. Imported here: each brings a trainer that the others do not need."""
    if inputs.kind == "prefer":
        from engine.work.train.preferences import PreferenceObjective

        return PreferenceObjective(inputs)
    if inputs.kind == "write":
        from engine.work.train.sft import SftObjective

        return SftObjective(inputs)
    from engine.work.train.classify import ClassificationObjective

    return ClassificationObjective(inputs)


# --- one attempt ---


def _train_with_layout(attempt: Attempt) -> None:
    run, spec, objective = attempt.inputs.run, attempt.inputs.spec, attempt.objective
    run.emit(ev.Phase(text="Loading the model.", stage="load"))
    model = _build_model(attempt)
    make_started = started_event(attempt, model)
    resume = checkpoints.find_newest(run)
    if resume:
        checkpoints.recover(run, resume)
    disk_space.require_room(run, adapters.parameter_counts(model)[0], before_start=True)
    steps = spec.optim.steps(objective.counts.rows)
    first = step_of(resume) if resume else 0
    schedule = CheckSchedule(
        spec.sampling.steps_between_checks(steps),
        60 * spec.sampling.save_minutes,
        EARLY_STOPPING_CHECKS.get(spec.optim.patience),
    )
    callback = RunCallback(run, schedule, make_started, lambda: objective.sample_replies(model))
    callback.restore(first)
    if first >= steps or callback.exhausted:
        # The worker was killed between its last checkpoint and the event that ends the run.
        run.emit(make_started(steps).model_copy(update={"resumed_from": first}))
        _report_end(run, callback, first, steps)
        return
    trainer = _make_trainer(attempt, model, callback, resume)
    trainer.rehearse_saving()
    tested = run.view().proved
    if tested is None or tested[0] != attempt.layout:
        _test_memory(attempt, trainer)
    trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    _report_end(run, callback, trainer.state.global_step, trainer.state.max_steps)


def _build_model(attempt: Attempt) -> Any:
    """The base model with only what the method trains left trainable."""
    inputs = attempt.inputs
    run, spec, info, head = inputs.run, inputs.spec, inputs.info, inputs.head
    torch.manual_seed(spec.data.seed)
    folder = adapters.start_model_folder(run, spec)
    try:
        base = load_model(folder, attempt.setup, spec.method, head)
    except Exception as error:
        if not out_of_memory(error):
            raise
        advice = " Choose the 4-bit method (QLoRA), or a smaller model."
        raise RunError(
            "The model's weights alone need more memory than there is."
            + ("" if spec.method.bits == 4 else advice)
        ) from error
    if head is None:  # what is saved says where a reply ends, and samples stop there
        ends = reply_ends(base, inputs.tokenizer, inputs.plain_text)
        set_ends(base.generation_config, ends.tokens)
    model = adapters.apply_method(base, spec.method, info, run.start)
    adapters.load_start_adapter(model, run)
    if attempt.layout.checkpointing and not model.supports_gradient_checkpointing:
        raise RunError(
            f"Models like '{info.name}' cannot recompute to save memory (gradient checkpointing). "
            "Set that to Never under More settings, and the longest example lower on the Data tab."
        )
    adapters.save_initial_adapter(model, spec.method, run.checkpoints)
    return model


def _make_trainer(
    attempt: Attempt, model: Any, callback: RunCallback, resume: Path | None
) -> HoneTrainer:
    inputs, method = attempt.inputs, attempt.inputs.spec.method
    arguments = training_arguments(attempt, fresh=not resume)
    callbacks: list[TrainerCallback] = [callback, LearningRateCallback()]
    trainer = attempt.objective.make_trainer(model, arguments, callbacks)
    assert isinstance(trainer, HoneTrainer)
    trainer.remove_callback(PrinterCallback)  # all that it would print is in the events
    if method.adapts:
        trainer.lora_plus_ratio = method.plus
    if inputs.head is None:
        trainer.asking = find_asking(inputs.tokenizer, inputs.spec.data, inputs.plain_text)
    return trainer


def _test_memory(attempt: Attempt, trainer: Trainer) -> None:
    """Run the longest examples, and report what the run will need."""
    run, objective = attempt.inputs.run, attempt.objective
    text = "Testing whether the longest examples fit into memory."
    run.emit(ev.Phase(text=text, stage="test"))
    run.emit(ev.Proving(**attempt.layout._asdict(), length=max(objective.lengths)))
    test = run_memory_test(trainer, attempt)
    run.emit(ev.Proved(memory_gb=test.memory_gb, seconds=test.seconds))
    # The time of checks is known from a layout that was given up: they take as long in this one.
    before = run.view().estimated
    checks = before.checks_seconds if before else 0.0
    run.emit(replace_check_time(estimate_run(attempt, test), checks, 1))


def _report_end(run: RunDir, callback: RunCallback, step: int, steps: int) -> None:
    checkpoints.remove_partial(run)
    if callback.stop == "pause":
        run.emit(ev.Paused(step=step))
    elif callback.stop:
        run.emit(ev.Stopped(step=step, kept=callback.stop == "keep"))
    else:
        seconds, checks = callback.seconds, callback.checks_seconds
        done = ev.Finished(step=step, seconds=seconds, memory_gb=memory_gb(), early=step < steps)
        run.emit(done.model_copy(update={"checks_seconds": checks}))


# --- out of memory ---


def _retry_with_less_memory(run: RunDir, spec: RunSpec, layout: BatchLayout) -> None:
    """Queue the run with the next smaller layout; raises RunError where there is none.

    A new process takes it: fragmented memory of this one is not given back.
    """
    if run.stop_mark.exists():  # who asked to stop meanwhile does not wait for another attempt
        step = run.view().step
        paused = run.stop_mark.read_text().strip() == "pause"
        run.emit(ev.Paused(step=step) if paused else ev.Stopped(step=step, kept=False))
        return
    if step_down(run) is None:
        quantises = spec.method.bits == 4 or not spec.method.adapts
        raise RunError(
            f"Even {layout.text} needs more memory than there is. Set the longest example below "
            f"{spec.data.max_length} tokens on the Data tab"
            + ("" if quantises else ", choose the 4-bit method (QLoRA)")
            + ", or take a smaller model."
        )
    write_whole(run.queue_mark, "train")
