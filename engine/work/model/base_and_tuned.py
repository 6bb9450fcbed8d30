"""Base and tuned model as one: an adapter that is switched off, or two sets of weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from torch import nn

from engine.data.rows import read_rows
from engine.errors import ModelError, RunError
from engine.model import local
from engine.model.fingerprint import require_same_base
from engine.model.info import ModelInfo
from engine.spec.objective import (
    PROBLEM_TYPES,
    ObjectiveKind,
    head_outputs,
    resolve_objective,
    task_for_objective,
)
from engine.spec.run import DataSpec, RunSpec, Shape
from engine.store.run_dir import RunDir, is_whole_model, read_data_summary
from engine.work.encode.tokenizer import load_tokenizer
from engine.work.model.describe import inspect_model
from engine.work.model.load import (
    DEFAULT_CONTEXT,
    DeviceSetup,
    Head,
    choose_device,
    load_adapter,
    load_model,
)

Measured = TypeVar("Measured")


class BaseAndTuned(nn.Module):
    """A fully tuned model beside its base, with PeftModel's way to switch between the two."""

    def __init__(self, base: Any, tuned: Any) -> None:
        super().__init__()
        self.base, self.tuned, self.active = base, tuned, tuned

    @contextmanager
    def disable_adapter(self) -> Iterator[None]:
        """Within it, the base answers."""
        self.active = self.base
        try:
            yield
        finally:
            self.active = self.tuned

    def forward(self, *args: Any, **options: Any) -> Any:
        return self.active(*args, **options)

    def generate(self, *args: Any, **options: Any) -> Any:
        return self.active.generate(*args, **options)

    def __getattr__(self, name: str) -> Any:  # config, generation_config, device
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("active"), name)


class TrainedRun(NamedTuple):
    """The result of a run, and what is needed to load it."""

    run: RunDir
    spec: RunSpec
    folder: Path  # of the base model
    info: ModelInfo
    kind: ObjectiveKind
    head: Head | None

    @property
    def context(self) -> int:
        """Tokens that the model reads at once."""
        return self.info.context or max(self.spec.data.max_length, DEFAULT_CONTEXT)

    @property
    def plain_text(self) -> bool:
        """Whether it continues texts, without turns."""
        rows = read_rows(self.run.train_file)
        return len(rows) > 0 and "text" in rows[0]

    def device_setup(self) -> DeviceSetup:
        """The device and precision that it was trained with."""
        return choose_device(self.spec.place, self.spec.method)

    def load_models(self, setup: DeviceSetup) -> Any:
        """Base and tuned model in eval mode, quantised as in training; raises HoneError."""
        with torch.random.fork_rng():
            torch.manual_seed(self.spec.data.seed)  # a new head guesses as when the run began
            base = load_model(self.folder, setup, self.spec.method, self.head)
        if not is_whole_model(self.run.adapter):
            return load_adapter(base, self.run.adapter)
        try:
            return BaseAndTuned(base, load_model(self.run.adapter, setup, None, self.head)).eval()
        except ModelError as error:
            raise RunError(
                "The saved model of this run cannot be loaded. Continue the run, or choose another."
            ) from error


class Pair(NamedTuple):
    """Base and tuned model as one, with what is needed to ask them."""

    model: Any
    tokenizer: Any
    data: DataSpec
    context: int  # tokens that it reads at once

    def measure_both(self, measure: Callable[[], Measured]) -> tuple[Measured, Measured]:
        """What ``measure`` gives with the base model, and with the tuned one."""
        with self.model.disable_adapter():
            base = measure()
        return base, measure()


def load_pair(trained: TrainedRun) -> Pair:
    """Load the base and tuned model of a run; raises HoneError."""
    model = trained.load_models(trained.device_setup())
    tokenizer = load_tokenizer(trained.folder, trained.spec.data.template)
    return Pair(model, tokenizer, trained.spec.data, trained.context)


class RunBase(NamedTuple):
    """The base model of a run, and what the run's rows make it learn."""

    folder: Path
    info: ModelInfo  # built for the objective's task
    kind: ObjectiveKind
    head: Head | None  # for the labels of the training rows


def open_base(run: RunDir) -> RunBase:
    """The base model of a run, not loaded; raises HoneError where it is missing or has changed."""
    spec, summary = run.spec, read_data_summary(run.about_file)
    folder = local.checked_folder(spec.model.source)
    require_same_base(run.view().model_hash, folder)
    tasks = inspect_model(spec.model.source).tasks
    kind = resolve_objective(spec.data, summary.shape or Shape.CHAT, tasks)
    info = inspect_model(spec.model.source, task_for_objective(kind))
    if kind not in PROBLEM_TYPES:
        return RunBase(folder, info, kind, None)
    labels = head_outputs(kind, summary.labels, summary.each_label)
    return RunBase(folder, info, kind, Head(labels, PROBLEM_TYPES[kind]))


def open_trained_run(run: RunDir) -> TrainedRun:
    """A run's result, not loaded yet; raises HoneError where there is none or its base changed."""
    if not run.has_result:
        raise RunError("This run has saved nothing yet. Train it first.")
    return TrainedRun(run, run.spec, *open_base(run))


def supports_mixed_batch(model: Any) -> bool:
    """Whether one batch may hold rows for base and tuned model: PEFT mixes plain LoRA alone."""
    config = getattr(model, "peft_config", {}).get("default")
    if config is None or config.use_dora or config.modules_to_save or config.bias != "none":
        return False
    return bool(config.target_modules)
