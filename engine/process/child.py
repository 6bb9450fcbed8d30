"""The app's side of a worker that answers questions in JSON lines; the other is engine.work.serve.

    question   {"id", "op", ...}                {"op": "stop", "which": id} cuts an answer short
    answer     {"id", "part"} while it works, then {"id", "done"} or {"id", "error", "kind"}

The worker ends with the app, since its stdin closes then. Knows nothing about what is asked.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import queue
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from engine import errors
from engine.errors import HoneError
from engine.store.files import PROJECT_FOLDER

OBEDIENCE_SECONDS = 5  # between the request to end and the kill
ENDED: dict[str, Any] = {}  # stands in the queue of an answer that will not come


class Failures(NamedTuple):
    """What is raised where no answer comes."""

    kind: type[HoneError]
    ended: str  # message: the process has ended
    silent: str  # message: it said nothing at all for ``deadline``, and was ended for it
    deadline: float  # seconds


class AnswerPart(NamedTuple):
    """A part of an answer, or its end."""

    value: Any
    final: bool


class Child:
    """One worker process. Several threads may ask; it answers one question after the other."""

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        failures: Failures,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.failures = failures
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,  # a file, never a pipe that somebody must drain
                text=True,
                encoding="utf-8",
                cwd=PROJECT_FOLDER,
                env={**(environment or os.environ), "PYTHONIOENCODING": "utf-8"},
                start_new_session=True,  # Ctrl-C in the terminal is the app's to handle
            )
        self._numbers = itertools.count(1)
        self._waiting: dict[int, queue.Queue[dict[str, Any]]] = {}
        self._ended = False
        self._last_line = time.monotonic()
        self._lock = threading.Lock()  # of _waiting and _ended
        self._pipe_lock = threading.Lock()
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def alive(self) -> bool:
        return not self._ended and self._process.poll() is None

    def ask(self, op: str, **values: Any) -> Iterator[AnswerPart]:
        """The parts of an answer as they come, then its end; closing the iterator stops the worker.

        Raises the worker's own error, or what ``failures`` says.
        """
        number, answers = next(self._numbers), queue.Queue[dict[str, Any]]()
        with self._lock:
            if self._ended:
                raise self._ended_error()
            self._waiting[number] = answers
        final = False
        try:
            self._send({"id": number, "op": op, **values})
            while not final:
                answer = self._wait_for(answers)
                final = "part" not in answer
                yield AnswerPart(answer["done" if final else "part"], final)
        finally:
            with self._lock:
                del self._waiting[number]
            if not final:
                self._stop(number)

    def stop_answers(self) -> None:
        """Cut short whatever the worker is saying."""
        with self._lock:
            numbers = list(self._waiting)
        for number in numbers:
            self._stop(number)

    def end(self) -> None:
        """End the process, with force where it does not obey, and wait for it."""
        self._process.terminate()
        try:
            self._process.wait(OBEDIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # it ended with something still to be sent
            self._process.stdin.close()

    def _stop(self, number: int) -> None:
        with contextlib.suppress(HoneError):  # it has ended
            self._send({"op": "stop", "which": number})

    def _ended_error(self) -> HoneError:
        return self.failures.kind(self.failures.ended)

    def _send(self, question: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            with self._pipe_lock:
                self._process.stdin.write(json.dumps(question) + "\n")
                self._process.stdin.flush()
        except (OSError, ValueError):  # a broken pipe, or one that ``end`` has closed
            raise self._ended_error() from None

    def _wait_for(self, answers: queue.Queue[dict[str, Any]]) -> dict[str, Any]:
        """The next line of an answer. Other answers count as signs of life, too."""
        asked, answer = time.monotonic(), None
        while answer is None:
            left = max(asked, self._last_line) + self.failures.deadline - time.monotonic()
            if left <= 0:
                self.end()
                raise self.failures.kind(self.failures.silent)
            with contextlib.suppress(queue.Empty):
                answer = answers.get(timeout=left)
        if answer is ENDED:
            raise self._ended_error()
        if "error" in answer:
            raise getattr(errors, answer["kind"])(answer["error"])
        return answer

    def _listen(self) -> None:
        """Hand out answers until the process ends; then wait for it, so that no zombie is left."""
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                try:
                    answer = json.loads(line)
                except ValueError:  # it ended in the middle of a line
                    continue
                self._last_line = time.monotonic()
                if waiting := self._waiting.get(answer["id"]):
                    waiting.put(answer)
        with self._lock:
            self._ended = True
            left = list(self._waiting.values())
        for waiting in left:
            waiting.put(ENDED)
        self._process.wait()
