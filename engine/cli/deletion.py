"""Commands that show and delete what is kept: data, delete, delete-data, delete-all."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from engine.cli.options import WORKSPACE, AsJson, Home, RunId, open_engine, open_run, print_result
from engine.data import datasets
from engine.errors import SpecError
from engine.runs import deletion
from engine.text import count_of, format_bytes

Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Source = Annotated[
    str, typer.Argument(metavar="DATA", help="A dataset, as 'data' lists them: dataset:ID.")
]
WithRuns = Annotated[
    bool, typer.Option("--with-runs", help="Delete the runs that trained on it, too.")
]


def list_data(home: Home = WORKSPACE, as_json: AsJson = False) -> None:
    """List the data that was added."""
    with open_engine(home) as engine:
        sources = [one for one, _ in datasets.list_datasets(engine.store)]
        uses = [deletion.find_use(engine.store, one) for one in sources if "dataset:" in one]
    rows = [
        {
            "data": use.dataset.source,
            "name": use.dataset.name,
            "rows": use.dataset.rows,
            "bytes": use.bytes,
            "runs": [run.id for run in use.runs],
        }
        for use in uses
    ]
    lines = [f"{row['data']:<26} {row['rows']:>9} rows  {row['name']}" for row in rows]
    print_result("\n".join(lines) or "No data has been added yet.", rows, as_json)


def delete_run(
    run: RunId, home: Home = WORKSPACE, as_json: AsJson = False, yes: Yes = False
) -> None:
    """Delete a run with its adapter and checkpoints."""
    with open_run(home, run) as (engine, found):
        _ask(f"Delete the run '{found.name}' ({format_bytes(found.size)}) for good?", yes)
        engine.delete(found.id)
    print_result(f"Deleted the run '{found.name}'.", {"run": found.id}, as_json)


def delete_data(
    data: Source,
    home: Home = WORKSPACE,
    as_json: AsJson = False,
    yes: Yes = False,
    with_runs: WithRuns = False,
) -> None:
    """Delete a dataset and all that is prepared from it."""
    with open_engine(home) as engine:
        use = deletion.find_use(engine.store, data)
        runs = [run.id for run in use.runs]
        copies = f"{count_of(len(runs), 'run')} trained on it, with a copy of its rows"
        said = f"{copies}: {', '.join(runs)}." if runs else ""
        if runs:
            kept = " They stay; --with-runs deletes them, too."
            said += " They are deleted, too." if with_runs else kept
        question = f"Delete '{use.dataset.name}' ({format_bytes(use.bytes)}) for good?"
        _ask(f"{said} {question}".strip(), yes)
        deletion.delete_dataset(engine, data, with_runs)
    values = {"data": data, "runs": runs if with_runs else []}
    print_result(f"Deleted '{use.dataset.name}'.", values, as_json)


def delete_all(home: Home = WORKSPACE, as_json: AsJson = False, yes: Yes = False) -> None:
    """Delete all runs, data and recipes; models stay."""
    with open_engine(home) as engine:
        found = deletion.count_belongings(engine.store)
        what = (
            f"{count_of(found.runs, 'run')}, {count_of(found.datasets, 'dataset')} and "
            f"{count_of(found.recipes, 'recipe')} ({format_bytes(found.bytes)})"
        )
        _ask(f"Delete {what} for good? Runs that still work are stopped first.", yes)
        deletion.delete_everything(engine)
    print_result(f"Deleted {what}.", found._asdict(), as_json)


def _ask(question: str, yes: bool) -> None:
    """Go on only where the user says so; raises SpecError where nobody can be asked."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise SpecError(f"{question} Nothing was deleted: add --yes.")
    typer.confirm(question, abort=True)
