"""Warm start: a run that begins with another run's adapter; what must agree, and its files.

The files are copied into the new run's folder ``start/``, so that the other run may be deleted.
What the page calls "base" is still the base model.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from engine.coach.caution import start_about, was_trained_elsewhere
from engine.data.rows import read_rows
from engine.errors import ModelError, RunError, SpecError
from engine.model import config_json, local
from engine.model.fingerprint import require_same_base
from engine.spec.method import METHODS, MethodKind, MethodSpec
from engine.spec.naming import model_name
from engine.spec.objective import OBJECTIVE_NAMES, Task, head_outputs, resolve_objective
from engine.spec.run import DataSpec, RunSpec, Shape, make_spec, spec_field
from engine.store.files import link_or_copy, write_json
from engine.store.run_dir import START_ABOUT_FILE, DataSummary, RunDir, read_data_summary
from engine.store.workspace import Store

# What a model may be able to do.
POSSIBLE_TASKS: tuple[tuple[Task, ...], ...] = (("write", "classify"), ("classify",))
# Fields of an adapter's method that must agree.
SAME_FIELDS = ("rank", "alpha", "ranks", "targets", "layers", "rslora", "bias", "save")
PLAIN_LORA: set[MethodKind] = {"lora", "qlora", "lora8"}  # that differ in the base weights alone
LABELS_NAMED = 5  # in an error


def origin_run(store: Store, run_id: str) -> RunDir:
    """The run to start from; raises RunError where it is gone or has no result."""
    try:
        run = store.run(run_id)
    except RunError:
        raise RunError(
            "The run to start from is gone; it may have been deleted. Choose another on the Runs "
            "tab, or start from the base model (model.start empty)."
        ) from None
    if not run.is_readable or not run.has_result:
        raise RunError(
            f"The run to start from, '{run_id}', has not saved anything yet. Choose another."
        )
    return run


def spec_to_repeat(run: RunDir) -> RunSpec:
    """A run's settings with what it learned; raises HoneError where they cannot be read.

    Older versions left that to Automatic, which stands for something else in a new run.
    """
    spec, view = run.spec, run.view()
    began, labelled = view.started, read_data_summary(run.about_file).shape == Shape.LABEL
    # An adapter that was made elsewhere says by its head that it chooses labels.
    known = began is not None or bool(view.imported)
    if spec.data.goal != "auto" or not labelled or not known:
        return spec
    data = spec.data.model_copy(update={"goal": (began.goal if began else "") or "write"})
    return spec.model_copy(update={"data": data})


def warm_start_spec(run: RunDir) -> RunSpec:
    """The settings for a new run that starts from this one's result; raises HoneError."""
    spec = spec_to_repeat(run)
    method = spec.method.model_dump()
    if spec.method.adapts:
        # A result that began as PiSSA or OLoRA is a plain adapter of twice the rank.
        try:
            about = config_json.read_json_object(run.adapter / "adapter_config.json")
        except ModelError:
            raise RunError(
                f"The saved adapter of '{run.meta['name']}' is damaged. Choose another run."
            ) from None
        alpha = about.get("lora_alpha", spec.method.scale_alpha)
        if alpha != int(alpha):
            raise RunError(
                f"The adapter of '{run.meta['name']}' began with {spec.method.init.upper()} and "
                "rsLoRA, so its scale is not a whole number and no run can start from it. "
                "Merge it, and train the merged model."
            )
        method |= {"rank": about.get("r", spec.method.rank), "alpha": int(alpha)}
        method |= {"ranks": about.get("rank_pattern") or {}, "init": "zero"}
    model = {"source": spec.model.source, "start": run.id}
    return make_spec(spec.model_dump() | {"method": method, "model": model})


def require_compatible(store: Store, spec: RunSpec, rows: DataSummary) -> None:
    """Raise HoneError with everything that keeps a run from starting from ``spec.model.start``."""
    run = origin_run(store, spec.model.start)
    found = [*_model_differences(run, spec), *_objective_differences(run, spec.data, rows)]
    if found:
        name = run.meta["name"]
        raise SpecError("\n".join([f"It cannot start from '{name}' with these settings.", *found]))
    require_same_base(run.view().model_hash, local.checked_folder(spec.model.source))


def copy_result(store: Store, run: RunDir, new: RunDir) -> None:
    """Put a run's result into a new run's folder, as links where possible: no file is changed in
    place; and note what it knows of the new run's held-out rows.
    """
    new.start.mkdir()
    for file in run.adapter.iterdir():
        if file.is_file() and not file.name.startswith("."):
            link_or_copy(file, new.start / file.name)
    count, complete = _trained_on_held_out(store, run, new)
    about = {
        "run": run.id,
        "name": run.meta["name"],
        "trained_elsewhere": was_trained_elsewhere(run),
        "trained_on_held_out": count,
        "all_rows_known": complete,
    }
    write_json(new.start / START_ABOUT_FILE, about)


def _trained_on_held_out(store: Store, run: RunDir, new: RunDir) -> tuple[int, bool]:
    """How many held-out rows of a new run are training rows of one that its start goes back to,
    and whether the rows of all of those are there to look at.
    """
    held_out, complete = read_rows(new.held_out_file), True
    if not len(held_out):
        return 0, complete
    found = np.zeros(len(held_out), dtype=bool)
    for one in _runs_behind(store, run):
        if one is None or not one.train_file.is_file():
            complete = False
        elif not one.view().imported:  # an adapter made elsewhere learned other rows
            try:
                found |= held_out.are_in(read_rows(one.train_file))
            except (pa.ArrowException, OSError):
                complete = False
    return int(found.sum()), complete


def _runs_behind(store: Store, run: RunDir) -> Iterator[RunDir | None]:
    """A run and those that its result goes back to; at the end None where one is not known."""
    seen: set[str] = set()
    while run.is_readable and run.id not in seen:
        seen.add(run.id)
        yield run
        if not run.spec.model.start:
            return
        try:
            run = store.run(run.spec.model.start)
        except RunError:
            break
    yield None


def origin_name(run: RunDir) -> str:
    """The name of the run that this one started from; empty if it started from the base model."""
    return str(start_about(run).get("name", ""))


def _model_differences(run: RunDir, spec: RunSpec) -> Iterator[str]:
    """Where base model and method differ, and what to set."""
    old = warm_start_spec(run)
    if spec.model.source != old.model.source:
        name = model_name(old.model.source)
        yield f"Base model (model.source): it was made for '{name}'. Choose that one."
    kinds = {spec.method.kind, old.method.kind}
    # An adapter that was made elsewhere does not say in how many bits its base model was kept.
    if len(kinds) > 1 and not (run.view().imported and kinds <= PLAIN_LORA):
        yield f"Method (method.kind): it is {METHODS[old.method.kind].name}. Choose that one."
    elif spec.method.adapts:
        yield from _adapter_differences(spec.method, old.method)


def _adapter_differences(mine: MethodSpec, other: MethodSpec) -> Iterator[str]:
    for name in SAME_FIELDS:
        used = "scale_alpha" if name == "alpha" else name
        here, there = getattr(mine, used), getattr(other, used)
        if not _is_same(name, here, there):
            words = f"it is {_in_words(there)} in that run and {_in_words(here)} here"
            yield f"{spec_field(f'method.{name}').title} (method.{name}): {words}. Set the same."


def _is_same(name: str, here: Any, there: Any) -> bool:
    if not isinstance(here, tuple):
        return bool(here == there)
    if name == "targets" and ("all-linear" in here) != ("all-linear" in there):
        return True  # only the worker knows what the model's linear layers are called
    return set(here) == set(there)


def _in_words(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, dict):
        value = [f"{name}: {rank}" for name, rank in value.items()]
    return (", ".join(value) if isinstance(value, tuple | list) else str(value)) or "empty"


def _objective_differences(run: RunDir, data: DataSpec, rows: DataSummary) -> Iterator[str]:
    """Where objective or labels differ whatever the model can do, which is not known here."""
    about = read_data_summary(run.about_file)
    shape, old_shape = rows.shape or Shape.CHAT, about.shape or Shape.CHAT
    pairs = [
        (resolve_objective(data, shape, can), resolve_objective(run.spec.data, old_shape, can))
        for can in POSSIBLE_TASKS
    ]
    # A model that writes may learn to prefer, and the other way round.
    if not any(mine == other or {mine, other} == {"write", "prefer"} for mine, other in pairs):
        words = OBJECTIVE_NAMES[pairs[0][1]].lower()
        yield f"What to learn (data.goal): it learned to {words}. Choose that on the Data tab."
        return
    mine, other = pairs[-1]
    there = head_outputs(other, about.labels, about.each_label)
    if mine == other and there != head_outputs(mine, rows.labels, rows.each_label):
        more = " …" if len(there) > LABELS_NAMED else ""
        names = ", ".join(there[:LABELS_NAMED])
        yield f"Labels: it tells {names}{more} apart. These rows have others."
