"""Client of the desk worker: inspects, previews, counts, measures, chats; needs no torch here.

The worker (engine.work.desk) starts at the first question and lives until ``close``. Unlike a run
it has no folder: nothing that it does needs to survive.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from engine.data.messages import Message
from engine.data.quality.token_report import PreviewRow, TokenReport
from engine.data.rows import Row, read_rows, spread_indices
from engine.errors import HoneError, RunError, SpecError
from engine.estimate.duration import BatchShape, MeasuredSpeed
from engine.hardware import Machine
from engine.model import catalog
from engine.model.info import ModelInfo
from engine.process.child import Child, Failures
from engine.spec.method import MethodSpec
from engine.spec.objective import Task
from engine.spec.run import DataSpec
from engine.store.workspace import Store

DESK_COMMAND = (sys.executable, "-m", "engine.work", "desk")
DESK_LOG = "desk.log"
DESK_FAILURES = Failures(
    RunError,
    ended="The process that holds the model was ended by the system. Try again.",
    silent="The model did not answer for three minutes, so it was unloaded. Try again.",
    deadline=180,
)
MEASURED_ROWS = 5_000  # rows that a token report reads at most
TEMPERATURES, REPLY_TOKENS = (0, 2), (1, 4096)  # bounds of a chat's settings


class Desk:
    """Questions to the worker; safe to use from several threads."""

    def __init__(self, store: Store, running_name: Callable[[], str] = lambda: "") -> None:
        self.store = store
        self.running_name = running_name  # of the run that uses the device now; empty for none
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._infos: dict[tuple[str, Task | None], ModelInfo] = {}

    def inspect_model(
        self, model: str, task: Task | None = None, folder: Path | None = None
    ) -> ModelInfo:
        """What a base model is, built for a task (the first that it can do); raises ModelError.

        ``folder`` holds the config of a model whose weights are not here; for hub:owner/name it is
        found.
        """
        key = (model, task)
        if key not in self._infos:
            folder = folder or catalog.config_folder(self.store, model)
            name = str(folder) if folder else ""
            answer = self._ask("inspect_model", model=model, task=task, folder=name)
            self._infos[key] = ModelInfo.model_validate(answer)
        return self._infos[key]

    def preview_rows(self, model: str, rows: list[Row], data: DataSpec) -> list[PreviewRow]:
        """These rows as the model will see them; raises ModelError."""
        spec = data.model_dump(mode="json")
        answer = self._ask("preview_rows", model=model, rows=rows, data=spec)
        return [PreviewRow.model_validate(row) for row in answer]

    def count_tokens(self, model: str, rows: Sequence[Row], data: DataSpec) -> TokenReport:
        """Token counts of these rows, or of 5,000 of them evenly spread; raises ModelError."""
        indices = spread_indices(len(rows), MEASURED_ROWS)
        asked = [rows[index] for index in indices]
        spec = data.model_dump(mode="json")
        answer = self._ask(
            "count_tokens", model=model, rows=asked, indices=indices, total=len(rows), data=spec
        )
        return TokenReport.model_validate(answer)

    def measure_speed(
        self, model: str, task: Task, method: MethodSpec, machine: Machine, shape: BatchShape
    ) -> MeasuredSpeed:
        """How fast this machine trains a model, measured in about a second; raises HoneError."""
        asked: dict[str, Any] = {"model": model, "task": task, "shape": shape}
        asked |= {"method": method.model_dump(mode="json"), "device": machine.device}
        asked |= {"bf16": machine.precision == "bf16", "autocast": machine.autocast}
        answer = self._ask("measure_speed", **asked)
        return MeasuredSpeed.model_validate(answer)

    def chat(
        self,
        run_id: str,
        base: list[Message],
        tuned: list[Message],
        temperature: float = 0.0,
        max_new_tokens: int = 128,
    ) -> Iterator[tuple[str, str]]:
        """Replies of base and tuned model as they grow; closing the iterator stops the model.

        Raises RunError while a run uses the device, or where the run has saved nothing; SpecError
        for settings out of bounds.
        """
        if not (
            TEMPERATURES[0] <= temperature <= TEMPERATURES[1]
            and REPLY_TOKENS[0] <= max_new_tokens <= REPLY_TOKENS[1]
        ):
            raise SpecError(
                "The temperature must be from 0 to 2, and the longest reply from 1 to 4096 tokens."
            )
        if name := self.running_name():
            raise RunError(
                f"'{name}' is using this machine now. Wait until it is done, or press Stop and "
                "keep; then ask again."
            )
        run = self.store.run(run_id)
        if not run.has_result:
            raise RunError(
                "This run has not saved anything yet. Let it reach its first check, then compare."
            )
        rows = read_rows(run.train_file)
        plain_text = len(rows) > 0 and "text" in rows[0]
        asked: dict[str, Any] = {"run": str(run.path), "plain_text": plain_text, "base": base}
        asked |= {"tuned": tuned, "temperature": temperature, "max_new_tokens": max_new_tokens}
        yield from self._stream("chat", **asked)

    def free_memory(self) -> None:
        """Make the worker unload its model and cut short what it says, before a run starts."""
        child = self._child
        if child is None or not child.alive:
            return
        try:
            child.stop_answers()
            self._ask("free_memory")
        except HoneError:
            self.close()  # a worker that hangs, or has just ended, must not keep a run waiting

    def close(self) -> None:
        """End the worker."""
        with self._lock:
            child, self._child = self._child, None
        if child is not None:
            child.end()

    def _ask(self, op: str, **values: Any) -> Any:
        return list(self._stream(op, **values))[-1]

    def _stream(self, op: str, **values: Any) -> Iterator[Any]:
        """The parts of an answer, then its end."""
        for answer in self._worker().ask(op, **values):
            yield answer.value

    def _worker(self) -> Child:
        """The worker, started anew where it has ended."""
        with self._lock:
            if self._child is not None and not self._child.alive:
                self._child.end()
                self._child = None
            if self._child is None:
                self._child = Child(DESK_COMMAND, self.store.home / DESK_LOG, DESK_FAILURES)
            return self._child
