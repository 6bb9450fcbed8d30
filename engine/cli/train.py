"""Commands that train and wait for the end of the run: train, again, continue, extend."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from engine.cli.options import WORKSPACE, AsJson, Home, RunId, open_engine, open_run
from engine.cli.progress import follow_run
from engine.errors import SpecError
from engine.process import oneshot
from engine.runs.engine import Engine
from engine.runs.warm_start import spec_to_repeat
from engine.spec.run import RunSpec, make_spec
from engine.spec.spec_file import changed_spec, load_spec_yaml
from engine.store.run_dir import RunDir

SpecFile = Annotated[
    Path, typer.Argument(metavar="SPEC", help="A YAML file such as presets/samples/pirate.yaml.")
]
SettingChanges = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="SETTING=VALUE",
        help="A setting to change, such as optim.learning_rate=5e-4. Can be repeated.",
    ),
]


def train_from_file(spec: SpecFile, home: Home = WORKSPACE, as_json: AsJson = False) -> None:
    """Train with the settings in a YAML file, and wait until the run ends."""
    with open_engine(home, supervise=True) as engine:
        follow_run(engine, _start_run(engine, _spec_from_file(engine, spec)), as_json)


def train_again(
    run: RunId, set_: SettingChanges = None, home: Home = WORKSPACE, as_json: AsJson = False
) -> None:
    """Train again with the settings of a run, some of them changed."""
    with open_run(home, run, supervise=True) as (engine, found):
        spec = changed_spec(spec_to_repeat(found), set_ or [])
        follow_run(engine, _start_run(engine, spec), as_json)


def continue_run(run: RunId, home: Home = WORKSPACE, as_json: AsJson = False) -> None:
    """Continue a run that was paused or ended early."""
    with open_run(home, run, supervise=True) as (engine, found):
        engine.resume(found.id)
        follow_run(engine, found, as_json)


def train_longer(
    run: RunId,
    epochs: Annotated[float, typer.Argument(metavar="EPOCHS", help="How many more epochs.")],
    home: Home = WORKSPACE,
    as_json: AsJson = False,
) -> None:
    """Train a finished run for more epochs."""
    with open_run(home, run, supervise=True) as (engine, found):
        engine.extend(found.id, epochs)
        follow_run(engine, found, as_json)


def _start_run(engine: Engine, spec: RunSpec) -> RunDir:
    """Queue a run after all checks; raises SpecError that names every problem."""
    plan = engine.plan(spec)
    engine.desk.close()  # its memory is the run's
    return engine.start_plan(plan)


def _spec_from_file(engine: Engine, file: Path) -> RunSpec:
    """The settings in a spec file; a data file that it names is ingested like an upload."""
    values = load_spec_yaml(file)
    values.pop("about", None)  # the title and summary of a bundled sample
    data: Any = values.get("data")
    if isinstance(data, dict) and "file" in data:
        name = data.pop("file")
        if not isinstance(name, str) or not (path := file.parent / name).is_file():
            raise SpecError(
                f"data.file: there is no file '{name}' beside {file.name}. Check its name."
            )
        data["source"] = oneshot.add_dataset_files(engine.store, [(path, path.name)])
    return make_spec(values)
