"""The worker's side of engine.process.child: answers questions in JSON lines until the app ends."""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from engine import errors
from engine.errors import HoneError

Question = dict[str, Any]
Operation = Callable[[Question, "Report"], Any]  # from a question to the end of its answer


class Report:
    """Tells the app how the answer to one question comes along."""

    def __init__(self, out: TextIO, number: int) -> None:
        self.out, self.number = out, number

    def __call__(self, part: Any) -> None:
        """Send a part of the answer."""
        self._write(part=part)

    def expect(self, seconds: float) -> None:
        """Say that the next part may take this many seconds; 0: the app's own limit holds."""
        self._write(seconds=seconds)

    def _write(self, **values: Any) -> None:
        self.out.write(json.dumps({"id": self.number, **values}) + "\n")


def serve(
    operations: Mapping[str, Operation],
    describe_error: Callable[[BaseException], HoneError],
    stopped: set[int] | None = None,
) -> None:
    """Answer one question after the other; does not return.

    ``describe_error`` says what an unexpected error means. ``stopped`` receives the numbers of
    questions whose answer is not wanted any more; the operations look into it.
    """
    out = _take_stdout()
    stopped = set() if stopped is None else stopped
    questions: queue.Queue[Question] = queue.Queue()
    threading.Thread(target=_listen, args=(questions, stopped), daemon=True).start()
    while True:
        question = questions.get()
        report = Report(out, question["id"])
        report.expect(0)
        out.write(_answer(operations, describe_error, question, report) + "\n")
        stopped.discard(question["id"])


def _take_stdout() -> TextIO:
    """The pipe to the app, line by line; whatever a library prints from now on goes to the log."""
    out = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return out


def _listen(questions: queue.Queue[Question], stopped: set[int]) -> None:
    for line in sys.stdin:
        question = json.loads(line)
        if question["op"] == "stop":
            stopped.add(question["which"])
        else:
            questions.put(question)
    os._exit(0)  # the app has ended, so nobody waits for an answer


def _answer(
    operations: Mapping[str, Operation],
    describe_error: Callable[[BaseException], HoneError],
    question: Question,
    report: Report,
) -> str:
    number = question["id"]
    try:
        return json.dumps({"id": number, "done": operations[question["op"]](question, report)})
    except HoneError as known:
        error = known
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as unexpected:  # a library in Rust panics with one that is no Exception
        print(time.strftime("%Y-%m-%d %H:%M:%S"))
        traceback.print_exc()
        error = describe_error(unexpected)
    kinds = (kind.__name__ for kind in type(error).__mro__ if hasattr(errors, kind.__name__))
    return json.dumps({"id": number, "error": str(error), "kind": next(kinds)})
