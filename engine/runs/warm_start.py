"""Starting from another run's adapter instead of from nothing: whether it fits, the settings that do, its files.

The files stand in the new run's folder ``start/``, so that the other run may be deleted. "Base" stays the base model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from engine.errors import ModelError, RunError, SpecError
from engine.model import config_json, local
from engine.model.fingerprint import require_same_base
from engine.spec.method import NAMES
from engine.spec.objective import WORDS, Goal, Task, goal_of, outputs, task_of
from engine.spec.run import DataSpec, RunSpec, Shape, make
from engine.store import run_dir
from engine.store.files import link, write_json
from engine.store.run_dir import RunDir
from engine.store.workspace import Store

ABOUT = "about.json"  # beside the files: which run they came from
TASKS: tuple[tuple[Task, ...], ...] = (
    ("write", "classify"),
    ("classify",),
)  # what a model may be able to do
SAME = {  # of an adapter that is gone on with, beside rank and alpha: field -> what it is called
    "targets": "Target modules",
    "layers": "Layers",
    "rslora": "Rank-stabilised scaling",
    "bias": "Biases",
    "save": "Parts trained whole",
}


def origin(store: Store, run_id: str) -> RunDir:
    """The run whose result is to be gone on with; raises RunError where it is gone or has none."""
    try:
        run = store.run(run_id)
    except RunError:
        raise RunError(
            "The run to start from is gone; it may have been deleted. Choose another on the Runs tab, or start from "
            "the base model (model.start empty)."
        ) from None
    if not run.readable or not run.has_result:
        raise RunError(
            f"The run to start from, '{run_id}', has not saved anything yet. Choose another."
        )
    return run


def settings(run: RunDir) -> RunSpec:
    """The settings of a run, such that a new one goes on from its result; raises HoneError where none can be."""
    spec = run.spec
    method = spec.method.model_dump()
    if spec.method.adapts:
        # A result that began as PiSSA or OLoRA is a plain adapter of twice the rank.
        about = _config(run)
        alpha = about.get("lora_alpha", spec.method.scale_alpha)
        if alpha != int(alpha):
            raise RunError(
                f"The adapter of '{run.meta['name']}' began with {spec.method.init.upper()} and rsLoRA, so that its "
                "scale is no whole number and it cannot be gone on from. Merge it, and train the merged model."
            )
        method |= {"rank": about.get("r", spec.method.rank), "alpha": int(alpha)}
        method |= {"ranks": about.get("rank_pattern") or {}, "init": "zero"}
    return make(
        spec.model_dump()
        | {"method": method, "model": {"source": spec.model.source, "start": run.id}}
    )


def require_fit(store: Store, spec: RunSpec, shape: Shape, labels: Iterable[str]) -> None:
    """Raise HoneError with all that keeps a run with these settings and rows from going on with the other's result."""
    run = origin(store, spec.model.start)
    found = [*_of_model(run, spec), *_of_goal(run, spec.data, shape, labels)]
    if found:
        raise SpecError(
            "\n".join([f"It cannot start from '{run.meta['name']}' with these settings.", *found])
        )
    began = run.view().started
    require_same_base(began.model_hash if began else "", local.checked_folder(spec.model.source))


def copy(run: RunDir, folder: Path) -> None:
    """A run's result as it is now, under a second name where the file system can; it is never changed in place."""
    folder.mkdir()
    for file in run.adapter.iterdir():
        if file.is_file() and not file.name.startswith("."):
            link(file, folder / file.name)
    write_json(folder / ABOUT, {"run": run.id, "name": run.meta["name"]})


def name_of(run: RunDir) -> str:
    """What the run was called that this one started from; empty for one that started from the base model."""
    try:
        return str(config_json.read_json_object(run.start / ABOUT)["name"])
    except (ModelError, KeyError):
        return ""


def _config(run: RunDir) -> dict[str, Any]:
    try:
        return config_json.read_json_object(run.adapter / "adapter_config.json")
    except ModelError:
        raise RunError(
            f"The saved adapter of '{run.meta['name']}' is damaged. Choose another run."
        ) from None


def _of_model(run: RunDir, spec: RunSpec) -> Iterator[str]:
    """What differs in base model and method, with what to set."""
    old = settings(run)
    if spec.model.source != old.model.source:
        yield f"Base model (model.source): it was made for '{Path(old.model.source).name}'. Choose that one."
    mine, other = spec.method, old.method
    if mine.kind != other.kind:
        yield f"Method (method.kind): it is {NAMES[other.kind]}. Choose that one."
        return
    if not mine.adapts:
        return
    if mine.rank != other.rank:
        yield f"Rank (method.rank): it has {other.rank}. Set that; now it is {mine.rank}."
    if mine.scale_alpha != other.scale_alpha:
        yield f"Alpha (method.alpha): it has {other.scale_alpha}. Set that; now it is {mine.scale_alpha}."
    if mine.ranks != other.ranks:
        yield f"Ranks of single modules (method.ranks): it has {_words(other.ranks)}. Set the same."
    for name, title in SAME.items():
        here, there = getattr(mine, name), getattr(other, name)
        if name == "targets" and ("all-linear" in here) != ("all-linear" in there):
            continue  # only the worker knows what the model's linear layers are called
        if (set(here) != set(there)) if isinstance(here, tuple) else (here != there):
            yield f"{title} (method.{name}): it has {_words(there)}. Set the same."


def _words(value: Any) -> str:
    if isinstance(value, dict):
        value = [f"{name}: {rank}" for name, rank in value.items()]
    if isinstance(value, bool):
        return "it on" if value else "it off"
    return (
        ", ".join(value)
        if isinstance(value, tuple | list) and value
        else f"'{value}'"
        if value
        else "none"
    )


def _of_goal(run: RunDir, data: DataSpec, shape: Shape, labels: Iterable[str]) -> Iterator[str]:
    """What differs in what is learned; only what differs whatever the model can do, which is not known here."""
    about, names = run_dir.about(run.about_file), list(labels)
    pairs = [
        (goal_of(data, shape, can), goal_of(run.spec.data, about.shape or Shape.CHAT, can))
        for can in TASKS
    ]
    if not any(_alike(mine, other) for mine, other in pairs):
        yield f"What to learn (data.goal): it learned to {WORDS[pairs[0][1]].lower()}. Choose that on the Data tab."
        return
    mine, other = pairs[-1]
    if mine == other and (there := outputs(other, about.labels)) != outputs(mine, names):
        yield f"Labels: it tells {', '.join(there[:5])}{' …' if len(there) > 5 else ''} apart. These rows have others."


def _alike(mine: Goal, other: Goal) -> bool:
    """Whether what learned the one can go on with the other: a model that writes may learn to prefer."""
    return mine == other or task_of(mine) == task_of(other) == "write"
