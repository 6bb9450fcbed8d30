"""What the commands share: their common options, the engine they work with, and how they print."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.errors import RunError
from engine.runs.engine import Engine
from engine.store.files import PROJECT_FOLDER
from engine.store.run_dir import RunDir

DEFAULT_HOME = PROJECT_FOLDER / "workspace"
LEFT_SENTENCE = "You left. A worker that has started keeps running; 'show' says how far it is."

Home = Annotated[Path, typer.Option(help="The folder where Hone keeps its files.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of sentences.")]
RunId = Annotated[
    str, typer.Argument(metavar="RUN", help="The run's id, or 'last' for the newest run.")
]


@contextmanager
def open_engine(home: Path, supervise: bool = False) -> Iterator[Engine]:
    """An engine that is closed at the end; ``supervise`` lets it start workers."""
    engine = Engine(home, supervise=supervise)
    try:
        yield engine
    except KeyboardInterrupt:
        print(LEFT_SENTENCE, file=sys.stderr)
        raise typer.Exit(130) from None
    finally:
        engine.close()


def find_run(engine: Engine, run_id: str) -> RunDir:
    """The run with this id, or the newest one for 'last'; raises RunError."""
    if run_id != "last":
        return engine.store.run(run_id)
    newest = next((run for run in engine.store.all_runs() if run.is_readable), None)
    if newest is None:
        raise RunError("There is no run yet. Train one first.")
    return newest


def print_result(text: str, values: dict[str, Any] | list[dict[str, Any]], as_json: bool) -> None:
    """Print a result as sentences or as one line of JSON."""
    print(json.dumps(values, ensure_ascii=False) if as_json else text, flush=True)


def exit_unless(done: bool, problem: str = "") -> None:
    """End the command with exit code 1 and a sentence on standard error, unless it is done."""
    if done:
        return
    if problem:
        print(problem, file=sys.stderr)
    raise typer.Exit(1)
