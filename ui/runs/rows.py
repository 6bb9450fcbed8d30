"""One run as a row of the table: what each column shows of it, and what it is sorted by.

A run's files are read once for each state that they are in, and what they say of a run that has
ended stays in its folder (``row.json``, which may be deleted at any time): to read the settings and
events of five hundred runs anew would take the page ten seconds after each start of the app.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from engine.coach.caution import short_caution
from engine.coach.scores import short_score
from engine.spec.method import METHODS
from engine.spec.naming import model_name
from engine.spec.run import RunSpec
from engine.store.files import bytes_below
from engine.store.run_dir import RunDir
from engine.store.run_view import RunState, RunView
from engine.text import (
    format_bytes,
    format_count,
    format_date,
    format_drop,
    format_duration,
    format_rate,
)
from ui.text import state_label

FILES = ("spec.yaml", "meta.json", "events.jsonl", "data/about.json")  # that a row is made of
KEPT, VERSION = "row.json", 3  # the file, and what its content means
ROWS_KEPT = 4000  # in memory, of all visitors


class Cell(NamedTuple):
    """What a column shows of a run."""

    figure: str = "–"
    sort: float | str = ""  # an empty one comes after all others
    aside: str = ""  # beside the figure
    note: str = ""  # below it
    hint: str = ""  # where there is room, or when somebody points at it


class Column(NamedTuple):
    """A column that the person may choose."""

    title: str
    shown: bool = True  # until somebody chooses
    number: bool = True
    lower_first: bool = False  # the first click on its header sorts that way


COLUMNS: dict[str, Column] = {
    "state": Column("State", number=False, lower_first=True),
    "loss": Column("Held-out loss", lower_first=True),
    "score": Column("Score"),
    "rate": Column("Learning rate"),
    "epochs": Column("Epochs"),
    "rank": Column("Rank"),
    "rows": Column("Rows"),
    "model": Column("Model", number=False, lower_first=True),
    "data": Column("Data", shown=False, number=False, lower_first=True),
    "method": Column("Method", shown=False, number=False, lower_first=True),
    "batch": Column("Batch", shown=False),
    "time": Column("Time"),
    "disk": Column("On disk", shown=False),
    "started": Column("Started"),
}
Version = tuple[tuple[int, int] | None, ...]  # of the files: when each was changed, and its size


class _Facts(NamedTuple):
    """What the files say, whoever works on the run."""

    row: dict[str, Any]
    cells: dict[str, Cell]
    ended: str  # the state it ended in; empty where it goes on, or was cut off
    bare: RunView = RunView()  # of a run that has not ended: its view without the curves


def run_row(run: RunDir) -> dict[str, Any] | None:
    """A run as the page's script takes it; None where its files are damaged."""
    job = run.queued
    facts = _read_facts(run.path, _version(run.path))
    alive = False
    if facts and not facts.ended:
        # Again after the lock: a worker that has just ended has written its last event.
        alive = run.alive
        facts = _read_facts(run.path, _version(run.path))
    if facts is None:
        return None
    state = _state_of(facts, alive, job == "train")
    note = ""
    if state == RunState.TRAINING and facts.bare.total_steps:
        note = f"{100 * facts.bare.step / facts.bare.total_steps:.0f} %"
    label = state_label(state, facts.row["worse"])
    # Those that work come first, then as their names go.
    cells = facts.cells | {"state": Cell(label, f"{int(not state.live)} {label}", note)}
    own = {"state": state.value, "label": label, "live": state.live or alive or bool(job)}
    return facts.row | own | {"cells": [cells.get(key, Cell()) for key in COLUMNS]}


def run_version(run: RunDir) -> str:
    """Of all that the page shows of a run: another text once anything of it has changed."""
    return f"{run.id} {run.alive} {run.queued} {_version(run.path)}"


def _state_of(facts: _Facts, alive: bool, queued: bool) -> RunState:
    if not facts.ended:
        return facts.bare.state(alive, queued)
    return RunState.QUEUED if queued else RunState(facts.ended)


def _version(path: Path) -> Version:
    found: list[tuple[int, int] | None] = []
    for name in FILES:
        try:
            about = os.stat(f"{path}{os.sep}{name}")  # noqa: PTH116  a text is quicker than a path
            found.append((about.st_mtime_ns, about.st_size))
        except OSError:
            found.append(None)
    return tuple(found)


@lru_cache(maxsize=ROWS_KEPT)
def _read_facts(path: Path, version: Version) -> _Facts | None:
    return _kept_facts(path, version) or _fresh_facts(path, version)


def _kept_facts(path: Path, version: Version) -> _Facts | None:
    """Those that an earlier app left in the folder, where its files are still the same."""
    try:
        kept = json.loads((path / KEPT).read_bytes())
        if kept["version"] != [VERSION, *(one and list(one) for one in version)]:
            return None
        return _Facts(kept["row"], kept["cells"], kept["ended"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None


def _fresh_facts(path: Path, version: Version) -> _Facts | None:
    run = RunDir(path)
    if not run.is_readable:
        return None
    spec, meta, view = run.spec, run.meta, run.view()
    row = {
        "id": run.id,
        "name": meta["name"],
        "note": meta["note"],
        "tags": list(run.tags),
        "model": model_name(spec.model.source),
        "data": meta["data"],
        "worse": view.got_worse,
    }
    cells = _setting_cells(spec, view, row) | _result_cells(run, view)
    cells["started"] = Cell(format_date(meta["created"]), float(meta["created"]))
    if view.ended is None:
        bare = RunView(
            started=view.started, last=view.last, preparing=view.preparing, interlude=view.interlude
        )
        return _Facts(row, cells, "", bare)
    facts = _Facts(row, cells, view.state(alive=False, queued=False).value)
    kept = {"version": [VERSION, *version], **facts._asdict()}
    del kept["bare"]
    with suppress(OSError):  # a full disk, or a folder that is just being deleted
        (path / KEPT).write_text(json.dumps(kept), encoding="utf-8")
    return facts


def _setting_cells(spec: RunSpec, view: RunView, row: dict[str, Any]) -> dict[str, Cell]:
    method, optim = spec.method, spec.optim
    cells = {"model": _text(row["model"]), "method": _text(METHODS[method.kind].name)}
    if row["data"]:
        cells["data"] = _text(row["data"])
    if method.adapts:
        cells["rank"] = Cell(str(method.rank), method.rank)
    if view.imported:  # what else is in its settings is nobody's choice
        return cells
    epochs = view.started.epochs if view.started else optim.epochs
    cells["rate"] = Cell(format_rate(optim.learning_rate, 6), optim.learning_rate)
    cells["epochs"] = Cell(f"{epochs:g}", epochs)
    cells["batch"] = Cell(str(optim.effective_batch), optim.effective_batch)
    if began := view.started:
        held = f"{format_count(began.held_out)} held out" if began.held_out else ""
        cells["rows"] = Cell(format_count(began.rows), began.rows, hint=held)
    return cells


def _text(words: str) -> Cell:
    return Cell(words, words.casefold())


def _result_cells(run: RunDir, view: RunView) -> dict[str, Cell]:
    cells: dict[str, Cell] = {}
    mind = short_caution(run)
    if view.kept:
        kept, first = view.kept.loss, view.first_loss
        start = "" if first is None else f"from {loss_figure(first)}"
        drop = "" if first is None or kept >= first else f"↓ {format_drop(first, kept)}"
        cells["loss"] = Cell(loss_figure(kept), kept, drop, mind, start)
    if view.scored:
        score = short_score(view.scored)
        cells["score"] = Cell(score.figure, score.rank, score.what, mind, score.base)
    elif right := _accuracy(view):
        cells["score"] = right._replace(note=mind)
    if view.last:
        cells["time"] = Cell(format_duration(view.last.seconds), view.last.seconds)
    saved = (len(view.saved), view.attempt, len(view.merged), type(view.ended).__name__)
    size = _size(run.path, saved)
    cells["disk"] = Cell(format_bytes(size), size)
    return cells


def _accuracy(view: RunView) -> Cell | None:
    """The right labels of the version that is kept, of a run that has not been scored."""
    kept, began = view.kept, view.started
    if kept is None or began is None or kept.accuracy is None:
        return None
    right = f"{round(kept.accuracy * began.held_out)} of {began.held_out}"
    return Cell(f"{100 * kept.accuracy:.0f} %", kept.accuracy, right, hint="at its best check")


@lru_cache(maxsize=ROWS_KEPT)
def _size(path: Path, saved: tuple[object, ...]) -> int:
    """The bytes of a run's folder, counted anew once it has saved something or ended."""
    return bytes_below(path)


def loss_figure(loss: float) -> str:
    """A loss with three decimals, or with two digits where it is very small."""
    if loss >= 0.01 or loss == 0:
        return f"{loss:.3f}"
    return f"{loss:.2g}" if loss >= 0.0001 else "< 0.0001"
