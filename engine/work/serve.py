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
Report = Callable[[Any], None]  # sends a part of the answer
Operation = Callable[[Question, Report], Any]  # from a question to the end of its answer


def serve(
    operations: Mapping[str, Operation],
    describe_error: Callable[[Exception], HoneError],
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
        number = question["id"]

        def report(part: Any, number: int = number) -> None:
            out.write(json.dumps({"id": number, "part": part}) + "\n")

        out.write(_answer(operations, describe_error, question, report) + "\n")
        stopped.discard(number)


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
    describe_error: Callable[[Exception], HoneError],
    question: Question,
    report: Report,
) -> str:
    number = question["id"]
    try:
        return json.dumps({"id": number, "done": operations[question["op"]](question, report)})
    except HoneError as known:
        error = known
    except Exception as unexpected:
        print(time.strftime("%Y-%m-%d %H:%M:%S"))
        traceback.print_exc()
        error = describe_error(unexpected)
    kinds = (kind.__name__ for kind in type(error).__mro__ if hasattr(errors, kind.__name__))
    return json.dumps({"id": number, "error": str(error), "kind": next(kinds)})
