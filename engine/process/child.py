"""The app's side of a worker that answers questions in JSON lines; the other is engine.work.serve.

    question   {"id", "op", ...}                {"op": "stop", "which": id} cuts an answer short
    answer     {"id", "seconds"} as it is taken up, and wherever what comes may take so long;
               {"id", "part"} while it works, then {"id", "done"} or {"id", "error", "kind"}

The worker ends with the app, since its stdin closes then; and it is ended where a question takes
more than its allowance. Knows nothing about what is asked.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import queue
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from engine import errors
from engine.errors import HoneError, RunError
from engine.process.allowance import Failures, Watch
from engine.process.end import OBEDIENCE_SECONDS
from engine.process.environment import private_environment
from engine.process.usage import usage_of
from engine.store.files import PROJECT_FOLDER

LOOK_SECONDS = 0.1  # between two looks at what a process uses, while somebody waits for it
ENDED: dict[str, Any] = {}  # stands in the queue of an answer that will not come


class LostQuestionError(RunError):
    """The process ended before it took this question up, so it can be asked again in another."""


class AnswerPart(NamedTuple):
    """A part of an answer, or its end."""

    value: Any
    final: bool


class PendingQuestion:
    """A question that waits for its answer."""

    def __init__(self, number: int, watch: Watch) -> None:
        self.number, self.watch = number, watch
        self.answers = queue.Queue[dict[str, Any]]()
        self.next_look = time.monotonic() + LOOK_SECONDS


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
                env={**(environment or private_environment()), "PYTHONIOENCODING": "utf-8"},
                start_new_session=True,  # Ctrl-C in the terminal is the app's to handle
            )
        self._watched = _process_of(self._process.pid)
        self._numbers = itertools.count(1)
        self._waiting: dict[int, PendingQuestion] = {}
        self._ended = False
        self._why = failures.ended  # the message of every error once it has ended
        self._stage = 0.0  # seconds that the question may take which is being answered
        self._lock = threading.Lock()  # of _waiting and _ended
        self._pipe_lock = threading.Lock()
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def alive(self) -> bool:
        return not self._ended and self._process.poll() is None

    def ask(self, op: str, **values: Any) -> Iterator[AnswerPart]:
        """The parts of an answer as they come, then its end; closing the iterator stops the worker.

        Raises the worker's own error, what ``failures`` says, or LostQuestionError.
        """
        allowance = self.failures.allowance_of(op)
        question = PendingQuestion(next(self._numbers), Watch(allowance, self._usage()))
        with self._lock:
            if self._ended:
                raise LostQuestionError(self._why)
            self._waiting[question.number] = question
        final = False
        try:
            self._send(question, {"id": question.number, "op": op, **values})
            while not final:
                answer = self._wait_for(question)
                final = "part" not in answer
                yield AnswerPart(answer["done" if final else "part"], final)
        finally:
            with self._lock:
                del self._waiting[question.number]
            if not final:
                self._stop(question)

    def stop_answers(self) -> None:
        """Cut short whatever the worker is saying."""
        with self._lock:
            waiting = list(self._waiting.values())
        for question in waiting:
            self._stop(question)

    def end(self) -> None:
        """End the process, with force where it does not obey, and wait for it."""
        self._process.terminate()
        try:
            self._process.wait(OBEDIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdin is not None
        # One at a time: a pipe that two threads close writes from memory that is freed already.
        with self._pipe_lock, contextlib.suppress(OSError):  # something was still to be sent
            self._process.stdin.close()

    def _usage(self) -> Any:
        return usage_of(self._watched) if self._watched else None

    def _stop(self, question: PendingQuestion) -> None:
        with contextlib.suppress(HoneError):  # it has ended
            self._send(question, {"op": "stop", "which": question.number})

    def _ended_error(self, question: PendingQuestion) -> HoneError:
        kind = self.failures.kind if question.watch.begun else LostQuestionError
        return kind(self._why)

    def _send(self, question: PendingQuestion, values: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            with self._pipe_lock:
                self._process.stdin.write(json.dumps(values) + "\n")
                self._process.stdin.flush()
        except (OSError, ValueError):  # a broken pipe, or one that ``end`` has closed
            raise self._ended_error(question) from None

    def _wait_for(self, question: PendingQuestion) -> dict[str, Any]:
        """The next line of an answer; ends the process where the allowance is used up."""
        answer = None
        while answer is None:
            with contextlib.suppress(queue.Empty):
                answer = question.answers.get(timeout=LOOK_SECONDS)
            if answer is None or "part" in answer:
                self._look(question)
        if answer is ENDED:
            raise self._ended_error(question)
        if "error" in answer:
            raise getattr(errors, answer["kind"])(answer["error"])
        return answer

    def _look(self, question: PendingQuestion) -> None:
        """End the process, and raise, where it uses more than it may or does not get on."""
        if time.monotonic() < question.next_look:
            return
        question.next_look = time.monotonic() + LOOK_SECONDS
        usage = self._usage()
        if usage and (met := question.watch.look(usage, time.monotonic(), self._stage)):
            self._why = self.failures.words[met]
            self._process.kill()  # it would not listen
            self.end()
            raise self._ended_error(question)

    def _listen(self) -> None:
        """Hand out answers until the process ends; then wait for it, so that no zombie is left."""
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                try:
                    answer = json.loads(line)
                except ValueError:  # it ended in the middle of a line
                    continue
                self._hand_out(answer)
        with self._lock:
            self._ended = True
            left = list(self._waiting.values())
        for question in left:
            question.answers.put(ENDED)
        self._process.wait()

    def _hand_out(self, answer: dict[str, Any]) -> None:
        seconds = answer.get("seconds")
        if seconds is not None:
            self._stage = seconds
        with self._lock:
            waiting = list(self._waiting.values())
        for question in waiting:
            question.watch.heard = time.monotonic()  # others' answers are signs of life, too
            if question.number != answer["id"]:
                continue
            if seconds is None:
                question.answers.put(answer)
            else:
                question.watch.allow(seconds, self._usage())


def _process_of(pid: int) -> psutil.Process | None:
    with contextlib.suppress(psutil.Error):  # it has ended at once
        return psutil.Process(pid)
    return None
