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
from engine.process.allowance import Allowance, Failures
from engine.process.child import Child, LostQuestionError
from engine.process.environment import private_environment
from engine.process.label_answer import LabelAnswer
from engine.process.limits import child_limits
from engine.spec.limits import Limits
from engine.spec.method import MethodSpec
from engine.spec.objective import Task
from engine.spec.run import DataSpec
from engine.store.run_dir import RunDir
from engine.store.workspace import Store

DESK_COMMAND = (sys.executable, "-m", "engine.work", "desk")
DESK_LOG = "desk.log"
TOKENIZER_BYTES = 1.2 * 2**30  # that a tokenizer or a config may take
TEXT = Allowance(silence=15, memory=TOKENIZER_BYTES)  # for work on text, without a model's weights
DESK_FAILURES = Failures(
    RunError,
    ended="The process that holds the model was ended by the system. Try again.",
    silent="This took too long, so the process that holds the model was ended. The next question "
    "starts a new one. If it happens again, choose another model or another chat format.",
    deadline=120,
    memory="This took too much memory, so the process that holds the model was ended. The next "
    "question starts a new one. If it happens again, choose another model.",
    allowances={
        "inspect_model": TEXT,
        "preview_rows": TEXT,
        "count_tokens": TEXT._replace(cpu=1800),
        "match_template": TEXT,
        "describe_asking": TEXT,
        "classify": Allowance(silence=60),
        "chat": Allowance(silence=60),  # between two parts; the worker asks for more to load
        "free_memory": Allowance(silence=15, patience=10),
    },
)
# Questions for which the worker loads weights, and those whose weights stay for the next one.
NEEDS_WEIGHTS, KEEPS_WEIGHTS = {"chat", "measure_speed"}, {"chat"}
MEASURED_ROWS = 5_000  # rows that a token report reads at most
MOST_MESSAGES = 2000  # of a conversation


class Desk:
    """Questions to the worker; safe to use from several threads."""

    def __init__(self, store: Store, why_busy: Callable[[str], str] = lambda _: "") -> None:
        self.store = store
        # Why an owner has to wait while a run uses the device; empty where none does.
        self.why_busy = why_busy
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._infos: dict[tuple[str, Task | None], ModelInfo] = {}
        self._with_weights = set[str]()  # what was asked for which weights are in memory now
        self._closed = False

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

    def match_template(self, folder: Path, own: str) -> str:
        """Which setting (data.template) writes chats as a chat template does; empty for none.

        ``folder``: of the base model. Raises HoneError.
        """
        return str(self._ask("match_template", folder=str(folder), own=own))

    def describe_asking(self, folder: Path, data: DataSpec, plain_text: bool) -> dict[str, str]:
        """How a result is asked and where its replies end: names and texts of the files to save.

        ``folder``: of its base model. Raises HoneError.
        """
        spec = data.model_dump(mode="json")
        found = self._ask("describe_asking", folder=str(folder), data=spec, plain_text=plain_text)
        return dict(found)

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
        run: RunDir,
        base: list[Message],
        tuned: list[Message],
        temperature: float = 0.0,
        max_new_tokens: int = 128,
    ) -> Iterator[tuple[str, str]]:
        """Replies of base and tuned model as they grow; closing the iterator stops the model.

        Raises RunError while a run uses the device, or where the run has saved nothing; SpecError
        for settings out of bounds and for more text than is taken.
        """
        if not (0 <= temperature <= 2 and 1 <= max_new_tokens <= 4096):
            raise SpecError(
                "The temperature must be from 0 to 2, and the longest reply from 1 to 4096 tokens."
            )
        for messages in (base, tuned):
            require_readable_chat(self.store.limits, messages)
        self._require_askable(run)
        rows = read_rows(run.train_file)
        plain_text = len(rows) > 0 and "text" in rows[0]
        asked: dict[str, Any] = {"run": str(run.path), "plain_text": plain_text, "base": base}
        asked |= {"tuned": tuned, "temperature": temperature, "max_new_tokens": max_new_tokens}
        yield from self._stream("chat", **asked)

    def classify(self, run: RunDir, text: str) -> LabelAnswer:
        """What base and tuned model of a run that chooses labels say of a text; raises HoneError.

        As ``chat``, it is refused while a run uses the device, and for more text than is taken.
        """
        require_readable_chat(self.store.limits, [{"role": "user", "content": text}])
        self._require_askable(run)
        return LabelAnswer.model_validate(self._ask("classify", run=str(run.path), text=text))

    def _require_askable(self, run: RunDir) -> None:
        if why := self.why_busy(run.owner):
            raise RunError(why)
        if not run.has_result:
            raise RunError(
                "This run has not saved anything yet. Let it reach its first check, then compare."
            )

    @property
    def was_asked(self) -> bool:
        """Whether anybody has asked anything yet."""
        return self._child is not None

    def free_memory(self) -> None:
        """Make the worker unload its model and cut short what it says, before a run starts."""
        child = self._child
        if child is None or not child.alive:
            return
        try:
            child.stop_answers()
            if self._with_weights:  # else a run need not wait until others are answered
                list(child.ask("free_memory"))
                self._with_weights.clear()
        except HoneError:
            self._end_worker()  # one that hangs, or has just ended, must not keep a run waiting

    def close(self) -> None:
        """End the worker; what waits for an answer gets an error."""
        self._closed = True
        self._end_worker()

    def _end_worker(self) -> None:
        with self._lock:
            child, self._child = self._child, None
        if child is not None:
            child.end()

    def _ask(self, op: str, **values: Any) -> Any:
        return list(self._stream(op, **values))[-1]

    def _stream(self, op: str, **values: Any) -> Iterator[Any]:
        """The parts of an answer, then its end.

        What another's question ended the worker for is asked once more, of a new one.
        """
        try:
            yield from self._ask_worker(op, values)
        except LostQuestionError:
            if self._closed:
                raise
            yield from self._ask_worker(op, values)

    def _ask_worker(self, op: str, values: dict[str, Any]) -> Iterator[Any]:
        child = self._worker()
        if op in NEEDS_WEIGHTS:
            self._with_weights.add(op)
        try:
            for answer in child.ask(op, **values):
                yield answer.value
        except HoneError:
            if not child.alive and self._child is child:
                self._worker()  # it starts now, so that the next question need not wait for it
            raise
        finally:
            if op not in KEEPS_WEIGHTS:
                self._with_weights.discard(op)

    def _worker(self) -> Child:
        """The worker, started anew where it has ended."""
        with self._lock:
            if self._child is not None and not self._child.alive:
                self._child.end()
                self._child = None
            if self._child is None:
                limits = child_limits(self.store.limits)
                environment = private_environment() | limits.as_environment()
                allowances = {  # no more memory for any question than a process may have
                    op: one._replace(memory=min(one.memory, limits.memory))
                    for op, one in DESK_FAILURES.allowances.items()
                }
                failures = DESK_FAILURES._replace(allowances=allowances)
                log = self.store.root / DESK_LOG
                self._child = Child(DESK_COMMAND, log, failures, environment)
            return self._child


def require_readable_chat(limits: Limits, messages: Sequence[Message]) -> None:
    """Raise RunError for more text than is taken, before anybody reads it as tokens."""
    length = sum(len(str(message.get("content") or "")) for message in messages)
    if length > limits.chat_characters or len(messages) > MOST_MESSAGES:
        raise RunError(
            f"This conversation is too long: {limits.who} takes up to "
            f"{limits.chat_characters:,.0f} characters. Shorten the message, or press Clear and "
            "start again."
        )
