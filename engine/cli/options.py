"""What the commands share: their common options, the engine they work with, and how they print."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from typer.core import TyperCommand

from engine.errors import RunError
from engine.runs.engine import Engine
from engine.spec.run import PROBLEM_TEXTS
from engine.store.files import PROJECT_FOLDER
from engine.store.run_dir import RunDir

WORKSPACE = PROJECT_FOLDER / "workspace"
LEFT_SENTENCE = "You left. A worker that has started keeps running; 'show' says how far it is."

Home = Annotated[Path, typer.Option(help="The folder where Hone keeps its files.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of sentences.")]
RunId = Annotated[
    str, typer.Argument(metavar="RUN", help="The run's id, or 'last' for the newest run.")
]


class PlainCommand(TyperCommand):
    """A command that says in plain words why it does not take a value."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            if isinstance(error.__cause__, ValidationError):  # typer checks values with pydantic
                problem = error.__cause__.errors()[0]
                error.message = problem["msg"].removeprefix("Value error, ")
                if rule := PROBLEM_TEXTS.get(problem["type"]):
                    error.message = f"it {rule}, not {problem['input']!r}."
            raise


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


@contextmanager
def open_run(home: Path, run_id: str, supervise: bool = False) -> Iterator[tuple[Engine, RunDir]]:
    """An engine and the run with this id, or the newest one for 'last'; raises RunError."""
    with open_engine(home, supervise) as engine:
        runs = (run for run in engine.store.all_runs() if run.is_readable)
        run = next(runs, None) if run_id == "last" else engine.store.run(run_id)
        if run is None:
            raise RunError("There is no run yet. Train one first.")
        yield engine, run


def print_result(text: str, values: dict[str, Any] | list[dict[str, Any]], as_json: bool) -> None:
    """Print a result as sentences or as one line of JSON."""
    print(json.dumps(values, ensure_ascii=False) if as_json else text, flush=True)
