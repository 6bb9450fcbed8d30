"""Commands that look before a run: check (data) and inspect (a model)."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from engine import hardware
from engine.cli.options import WORKSPACE, AsJson, Home, open_engine, print_result
from engine.data import datasets
from engine.data import report as data_report
from engine.data.goal import with_decided_goal
from engine.data.prepared import Prepared
from engine.data.readers.table import ReadOptions
from engine.errors import DataError, SpecError
from engine.estimate import report as model_report
from engine.estimate.case import Setup, case_of_model
from engine.process import oneshot
from engine.process.hub import locate_model
from engine.runs.engine import Engine
from engine.spec.method import MethodKind
from engine.spec.run import DataSpec, PlaceSpec, Shape, make_spec

DATA_VERDICTS = ("Usable.", "Usable, with warnings.", "Not usable as it is.")  # by exit code
NOT_USABLE = 2
Length = Annotated[int, typer.Option(help="Longest example in tokens.")]


def check_data(  # noqa: PLR0913  options of a command
    files: Annotated[
        list[Path], typer.Argument(metavar="FILES...", help="Data files that belong together.")
    ],
    home: Home = WORKSPACE,
    as_json: AsJson = False,
    model: Annotated[str, typer.Option(help="A base model: 'pocket' or a folder.")] = "pocket",
    length: Length = 256,
    template: Annotated[
        str, typer.Option(help="The chat template, if it is not the model's own.")
    ] = "model",
    encoding: Annotated[
        str, typer.Option(help="The files' text encoding, if it is detected wrongly.")
    ] = "",
) -> None:
    """Check data files: their shape, their tokens and what is wrong with them.

    Exit code 0: usable, 1: usable with warnings, 2: not usable. Nothing is kept in the workspace.
    """
    data, options = {"max_length": length, "template": template}, ReadOptions(encoding=encoding)
    with (
        tempfile.TemporaryDirectory(prefix="hone-") as scratch,
        open_engine(Path(scratch)) as engine,
    ):
        text, values, code = _report_on_files(engine, files, model, data, options)
    print_result(text, values, as_json)
    if code:
        raise typer.Exit(code)


def _report_on_files(
    engine: Engine, files: list[Path], model: str, data: dict[str, Any], options: ReadOptions
) -> tuple[str, dict[str, Any], int]:
    """The report in sentences and as values, and the exit code."""
    if missing := next((file for file in files if not file.is_file()), None):
        raise SpecError(f"There is no file '{missing}'. Check its name.")
    named = [(file.resolve(), file.name) for file in files]
    try:
        source = oneshot.add_dataset_files(engine.store, named, options)
    except DataError as error:
        return str(error), {"usable": False, "error": str(error)}, NOT_USABLE
    spec = make_spec({"data": {"source": source, **data}}).data
    prepared = oneshot.prepare_rows(engine.store, spec)
    if prepared.shape == Shape.LABEL:
        spec = with_decided_goal(spec, prepared, engine.desk.inspect_model(model).tasks)
    tokens = None
    if prepared.train:
        tokens = engine.desk.count_tokens(model, prepared.train_rows(), spec)
    dataset = datasets.load_dataset(engine.store, source)
    found = data_report.report_values(dataset, prepared, tokens, spec)
    found["readings"] = _show_readings(engine, model, prepared, spec)
    code = data_report.exit_code(found)
    text = f"{data_report.format_report(found)}\n{DATA_VERDICTS[code]}"
    return text, {"usable": code < NOT_USABLE, **found}, code


def _show_readings(
    engine: Engine, model: str, prepared: Prepared, spec: DataSpec
) -> list[dict[str, Any]]:
    """The readings between which to choose, each with a row as the model would see it."""
    shown = []
    for reading in (one for finding in prepared.findings for one in finding.readings):
        goal = "classify" if reading.shape == Shape.LABEL else spec.goal
        update = {"shape": reading.shape, "roles": reading.roles, "goal": goal}
        read = spec.model_copy(update=update)
        rows = [reading.row] if reading.row else []
        seen = engine.desk.preview_rows(model, rows, read) if rows else [None]
        shown.append(data_report.reading_values(reading, seen[0]))
    return shown


def show_model(  # noqa: PLR0913  options of a command
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="'pocket', a folder, or owner/name on the Hugging Face Hub (only its config is "
            "downloaded).",
        ),
    ],
    home: Home = WORKSPACE,
    as_json: AsJson = False,
    task: Annotated[
        Literal["write", "classify"] | None, typer.Option(help="What the model is built for.")
    ] = None,
    method: Annotated[MethodKind, typer.Option(help="What is trained.")] = "lora",
    rank: Annotated[int, typer.Option(help="Rank of the adapter.")] = 16,
    targets: Annotated[
        str, typer.Option(help="Target modules: fewest, attention, all, or names with commas.")
    ] = "all",
    length: Length = 256,
    batch: Annotated[int, typer.Option(help="Examples in memory together.")] = 8,
    labels: Annotated[int, typer.Option(help="Number of labels, with --task classify.")] = 2,
) -> None:
    """Show what a model consists of, what would be trained, and whether it fits into memory.

    Exit code 0: it fits, 1: it does not.
    """
    if min(length, batch, labels) < 1:
        raise SpecError("--length, --batch and --labels must be at least 1.")
    with open_engine(home) as engine:
        source, folder = locate_model(engine.store, model)
        info = engine.desk.inspect_model(source, task, folder)
        # Raises SpecError for a rank out of bounds; the method "head" needs a task to be valid.
        kind = "lora" if method == "head" else method
        make_spec({"method": {"kind": kind, "rank": rank}})
        chosen = model_report.method_from_words(info, method, rank, targets)
        machine = hardware.choose_machine(PlaceSpec(), chosen, engine.store.root)
        case = case_of_model(info, labels, machine)
        found = model_report.report_model(case, Setup(chosen, length, batch))
    print_result(model_report.report_text(found), found, as_json)
    if found["fits"] == "no":
        raise typer.Exit(1)
