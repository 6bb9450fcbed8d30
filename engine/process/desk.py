"""Client of the desk worker: inspect, preview, measure and chat without torch in this process.

The worker starts at the first question and lives until ``close``. It is told apart from runs by having
no run folder: nothing it does needs to survive.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from engine import errors
from engine.data.quality.token_report import PreviewRow, TokenReport
from engine.data.rows import read_rows, spread_indices
from engine.estimate.duration import MeasuredSpeed
from engine.hardware import Machine
from engine.model import catalog
from engine.model.info import ModelInfo
from engine.spec.method import MethodSpec
from engine.spec.objective import Task
from engine.spec.run import DataSpec
from engine.store.files import ROOT
from engine.store.workspace import Store

Row = dict[str, Any]
Message = dict[str, str]
DESK_SILENCE = 180  # seconds without any answer after which the worker counts as hung
MEASURED_ROWS = 5_000  # rows that a token report reads at most


class Desk:
    """Questions to the worker; safe to use from several threads."""

    def __init__(self, store: Store, busy: Callable[[], str] = lambda: "") -> None:
        self.store = store
        self.busy = busy  # the name of the run that uses the device now, or nothing
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._answers: dict[int, queue.Queue[dict[str, Any]]] = {}
        self._asked: dict[int, subprocess.Popen[str]] = {}  # which worker has to answer
        self._infos: dict[tuple[str, Task | None], ModelInfo] = {}

    def inspect(
        self, model: str, task: Task | None = None, folder: Path | None = None
    ) -> ModelInfo:
        """What a base model is, built for a task (the first that it can do); raises ModelError.

        ``folder`` holds the config of a model whose weights are not here; that of hub:owner/name is found by itself.
        """
        key = (model, task)
        if key not in self._infos:
            folder = folder or catalog.config_folder(self.store, model)
            answer = self._ask(
                "inspect", model=model, task=task, folder=str(folder) if folder else ""
            )
            self._infos[key] = ModelInfo.model_validate(answer)
        return self._infos[key]

    def preview(self, model: str, rows: list[Row], data: DataSpec) -> list[PreviewRow]:
        """These rows as the model will see them; raises ModelError."""
        answer = self._ask("preview", model=model, rows=rows, data=data.model_dump(mode="json"))
        return [PreviewRow.model_validate(row) for row in answer]

    def measure(self, model: str, rows: Sequence[Row], data: DataSpec) -> TokenReport:
        """Token counts over these rows, or over 5,000 of them evenly spread; raises ModelError."""
        indices = spread_indices(len(rows), MEASURED_ROWS)
        answer = self._ask(
            "measure",
            model=model,
            rows=[rows[index] for index in indices],
            indices=indices,
            total=len(rows),
            data=data.model_dump(mode="json"),
        )
        return TokenReport.model_validate(answer)

    def pace(
        self,
        model: str,
        task: Task,
        method: MethodSpec,
        machine: Machine,
        batch: int,
        length: int,
        flat: bool,
    ) -> MeasuredSpeed:
        """How fast this machine trains a model, measured in about a second; raises HoneError.

        ``flat``: batches without padding, where the model allows them.
        """
        how: dict[str, Any] = {
            "device": machine.device,
            "batch": batch,
            "length": length,
            "flat": flat,
        }
        how |= {"bf16": machine.precision == "bf16", "autocast": machine.autocast}
        answer = self._ask(
            "pace", model=model, task=task, method=method.model_dump(mode="json"), how=how
        )
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

        Raises RunError while a run uses the device, or where the run has saved nothing; SpecError for settings
        that make no sense.
        """
        if not 0 <= temperature <= 2 or not 1 <= max_new_tokens <= 4096:
            raise errors.SpecError(
                "The temperature must be from 0 to 2, and the longest reply from 1 to 4096 tokens."
            )
        if name := self.busy():
            raise errors.RunError(
                f"'{name}' is using this machine now. Wait until it is done, or press Stop and keep; then ask again."
            )
        run = self.store.run(run_id)
        if not run.has_result:
            raise errors.RunError(
                "This run has not saved anything yet. Let it reach its first check, then compare."
            )
        rows = read_rows(run.train_file)
        plain = len(rows) > 0 and "text" in rows[0]
        yield from self._stream(
            "chat",
            run=str(run.path),
            plain_text=plain,
            base=base,
            tuned=tuned,
            temperature=temperature,
            max_new_tokens=max_new_tokens,
        )

    def free(self) -> None:
        """Make the worker give its memory back, and cut short what it says; nothing to do where none runs."""
        if self._process is None or self._process.poll() is not None:
            return
        try:
            for number in list(self._answers):
                self._send({"op": "stop", "which": number})
            self._ask("free")
        except (errors.HoneError, OSError):
            self.close()  # a worker that hangs, or has just ended, must not keep a run waiting

    def close(self) -> None:
        """End the worker."""
        with self._lock:
            process, self._process = self._process, None
            if process is not None:
                assert process.stdin is not None
                with contextlib.suppress(
                    OSError
                ):  # it has ended by itself, with something still to be sent
                    process.stdin.close()
                process.terminate()
                process.wait()

    def _ask(self, op: str, **values: Any) -> Any:
        return list(self._stream(op, **values))[-1]

    def _stream(self, op: str, **values: Any) -> Any:
        """The parts of an answer and then its end, as a generator."""
        number = next(self._numbers)
        answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self._answers[number] = answers
        finished = False
        try:
            self._send({"id": number, "op": op, **values})
            while True:
                answer = answers.get(timeout=DESK_SILENCE)
                if "part" in answer:
                    yield answer["part"]
                    continue
                finished = True
                if "error" in answer:
                    raise _error(answer, self.store.home / "desk.log")
                yield answer["done"]
                return
        except queue.Empty:
            raise errors.RunError(
                "The model did not answer for three minutes. Press Send again."
            ) from None
        finally:
            self._answers.pop(number, None)
            self._asked.pop(number, None)
            if not finished:
                self._send({"op": "stop", "which": number})

    def _send(self, ask: dict[str, Any]) -> None:
        with self._lock:
            process = self._process
            if process is None or process.poll() is not None:
                if ask["op"] == "stop":
                    return
                process = self._start()
            if "id" in ask:
                self._asked[ask["id"]] = process
            assert process.stdin is not None
            process.stdin.write(json.dumps(ask) + "\n")
            process.stdin.flush()

    def _start(self) -> subprocess.Popen[str]:
        with (self.store.home / "desk.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "engine.work", "desk"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,  # a file, never a pipe that somebody must drain
                text=True,
                encoding="utf-8",
                cwd=ROOT,
                env=os.environ | {"PYTHONIOENCODING": "utf-8"},
                start_new_session=True,  # Ctrl-C in the terminal is the app's to handle
            )
        self._process = process
        threading.Thread(target=self._listen, args=(process,), daemon=True).start()
        return process

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                answer = json.loads(line)
                if waiting := self._answers.get(answer["id"]):
                    waiting.put(answer)
        # The pipe is closed: the worker has ended. Whoever still waits for it must hear of it, and nobody else: the
        # next worker may have been asked meanwhile.
        gone = {
            "error": "The process that holds the model was ended by the system. Try again.",
            "kind": "RunError",
        }
        with self._lock:
            left = [number for number, asked in list(self._asked.items()) if asked is process]
        for number in left:
            if waiting := self._answers.get(number):
                waiting.put(gone)


def _error(answer: dict[str, Any], log: Path) -> errors.HoneError:
    kind = getattr(errors, answer["kind"], None)
    if kind is None:
        return errors.RunError(
            f"Something unexpected went wrong in the model's process. The details are in {log.name}."
        )
    error: errors.HoneError = kind(answer["error"])
    return error
