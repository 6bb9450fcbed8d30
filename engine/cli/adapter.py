"""The command that adds an adapter which another program made: import-adapter."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from engine.cli.options import WORKSPACE, AsJson, Home, open_engine, print_result
from engine.cli.progress import summarize_run
from engine.errors import SpecError
from engine.model import local
from engine.model.adapter_files import find_files
from engine.process import oneshot
from engine.runs.engine import Engine
from engine.runs.foreign.add import Choices, Models, add_adapter, find_base
from engine.runs.foreign.unpack import ZIP, adapter_files
from engine.spec.data import SOURCE_PATTERN, DataSpec


def import_adapter(  # noqa: PLR0913  options of a command
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="The adapter's folder, or a zip file of it.")
    ],
    base: Annotated[
        str,
        typer.Option(
            help="Its base model: 'pocket', a folder, or the name of a model that is here. Without "
            "it, the model that the adapter names."
        ),
    ] = "",
    data: Annotated[
        list[str] | None,
        typer.Option(help="Data to score it on: files, or a source such as sample:pirate."),
    ] = None,
    name: Annotated[str, typer.Option(help="What to call it.")] = "",
    home: Home = WORKSPACE,
    as_json: AsJson = False,
) -> None:
    """Add an adapter that PEFT saved, to compare, score, merge, export or train on.

    Of its files only adapter_config.json and adapter_model.safetensors are read; a pickle is never
    opened.
    """
    folder = folder.resolve()
    with open_engine(home) as engine:
        models = local.list_models(engine.model_roots)
        choices = Choices(name, _read_base(base, models), _read_data(engine, data or []))
        if folder.is_file() and folder.suffix.lower() == ZIP:
            scratch = engine.store.runs
            with adapter_files([(folder, folder.name)], scratch, float("inf")) as files:
                run = add_adapter(engine, files, folder.stem, choices, models)
        else:
            run = add_adapter(engine, find_files(folder), folder.name, choices, models)
        summary = summarize_run(run)
    print_result(f"Added as {run.id}. Its base model is {summary['model']}.", summary, as_json)


def _read_base(base: str, models: Models) -> str:
    """The source of the base model that was named; empty where none was."""
    if not base or base == "pocket":
        return base
    folder = Path(base)
    return str(folder.resolve()) if folder.is_dir() else find_base(base, models) or base


def _read_data(engine: Engine, data: list[str]) -> DataSpec | None:
    """The data to score on; files are added as those of an upload."""
    if not data:
        return None
    if len(data) == 1 and re.match(SOURCE_PATTERN, data[0]):
        return DataSpec(source=data[0])
    paths = [Path(one).resolve() for one in data]
    if missing := next((path for path in paths if not path.is_file()), None):
        raise SpecError(f"--data: there is no file '{missing}'. Check its name.")
    named = [(path, path.name) for path in paths]
    return DataSpec(source=oneshot.add_dataset_files(engine.store, named))
