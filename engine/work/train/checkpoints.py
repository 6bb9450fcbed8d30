"""Checkpoints of a run: written aside, read again and renamed; found again after a crash; the best as the result.

checkpoints/.saving/checkpoint-N   while the trainer writes it
checkpoints/checkpoint-N           whole: its files are on the disk and were read again; the newest two stay
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from engine.errors import RunError
from engine.model import fingerprint
from engine.runs.disk_space import CHECKPOINTS_KEPT
from engine.store import events as ev
from engine.store.files import link_or_copy
from engine.store.run_dir import RunDir
from engine.store.run_view import RunView
from engine.work.model import init_conversion
from engine.work.train.checkpoint_check import (
    MANIFEST,
    describe_files,
    find_problem,
    find_unreadable,
    step_of,
)

SAVING = ".saving"
DOOMED = ".old-"  # a folder that is being removed: half of it is no damaged checkpoint
RESULT_DRAFT = ".draft"
# What a result consists of: an adapter, or a whole model where all weights were trained. The weights come last: who
# finds them finds all. The template is how turns were written, the labels what a head's outputs stand for, for other
# programs.
RESULT_FILES = (
    "chat_template.jinja",
    "labels.json",
    "adapter_config.json",
    "config.json",
    "generation_config.json",
    "model.safetensors.index.json",
    "model-*.safetensors",
    "model.safetensors",
    "adapter_model.safetensors",
)


def draft_folder(run: RunDir) -> Path:
    """Where the trainer writes."""
    return run.checkpoints / SAVING


def commit(run: RunDir, step: int) -> None:
    """Make what the trainer has just written a checkpoint; raises RunError where it cannot be read again."""
    draft = draft_folder(run) / f"checkpoint-{step}"
    try:
        wrong, files = find_unreadable(draft), describe_files(draft)
    except OSError as error:
        wrong = error.strerror or str(error)
    if wrong:
        raise RunError(
            f"The checkpoint of step {step} was written and could not be read again ({wrong}). The one before is "
            "kept. The disk may be failing: look at it, then press Continue."
        )
    manifest = {"step": step, "files": files, "versions": fingerprint.library_versions()}
    for name in files:
        _sync_to_disk(draft / name)
    (draft / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    _sync_to_disk(draft / MANIFEST)
    for folder in (draft, *(path for path in draft.rglob("*") if path.is_dir())):
        _sync_to_disk(folder)
    final = run.checkpoints / draft.name
    _remove_checkpoint(final)
    os.rename(draft, final)
    _sync_to_disk(run.checkpoints)


def remove_old(run: RunDir) -> None:
    """Remove all but the newest checkpoints; the best version stands in adapter/."""
    for folder in _newest_first(run)[CHECKPOINTS_KEPT:]:
        _remove_checkpoint(folder)


def find_newest(run: RunDir) -> Path | None:
    """The newest checkpoint that can be used; damaged ones are told and removed, and what a crash left half-done.

    Raises RunError, and removes nothing, where none can be read now and one may be whole: a drive may be away.
    """
    partial = [
        folder
        for folder in draft_folder(run).glob("checkpoint-*")
        if not (run.checkpoints / folder.name).exists()
    ]
    found, bad = (
        None,
        [(step_of(folder), "it was cut off while it was written") for folder in partial],
    )
    damaged, hindered = [], ""
    for folder in _newest_first(run):
        try:
            wrong = find_problem(folder)
        except OSError as error:
            wrong = hindered = error.strerror or str(error)
        if not wrong:
            found = folder
            break
        damaged.append(folder)
        bad.append((step_of(folder), wrong))
    if hindered and not found:
        raise RunError(
            f"The checkpoints of this run cannot be read now ({hindered}). Nothing was removed. Look whether the drive "
            "is connected and whole, then press Continue."
        )
    for folder in damaged:
        _remove_checkpoint(folder)
    remove_partial(run)
    for step, wrong in sorted(bad):
        then = f"goes on from step {step_of(found)}" if found else "starts again from the beginning"
        run.emit(
            ev.Warned(
                text=f"The checkpoint of step {step} cannot be used ({wrong}). The run {then}."
            )
        )
    return found


def remove_partial(run: RunDir) -> None:
    """Remove what was cut off while it was written or removed."""
    for pattern in (SAVING, RESULT_DRAFT, f"{DOOMED}*"):
        for path in run.checkpoints.glob(pattern):
            shutil.rmtree(path, ignore_errors=True)


def recover(run: RunDir, folder: Path) -> None:
    """Do what a worker that was killed right after it had saved could not: make it the result, and say so."""
    view, step = run.view(), step_of(folder)
    if any(saved.step == step for saved in view.saved):
        return
    best = is_best(view, step)
    if best:
        publish_result(run, step)
    run.emit(ev.Saved(step=step, best=best))


def is_best(view: RunView, step: int) -> bool:
    """Whether the version of a step is the best so far; without held-out rows nothing tells, and the newest is taken.

    With held-out rows, a version that was not measured is never the best.
    """
    if not view.checks and not (view.started and view.started.held_out):
        return True
    losses = {check.step: check.loss for check in view.checks if 0 < check.step <= step}
    return step in losses and losses[step] <= min(losses.values())


def publish_result(run: RunDir, step: int) -> None:
    """Make a checkpoint's weights the run's result, file by file; what was merged from an older one goes."""
    source, draft = run.checkpoints / f"checkpoint-{step}", run.checkpoints / RESULT_DRAFT
    start = run.checkpoints / init_conversion.START_FILE
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    for pattern in RESULT_FILES:
        for file in source.glob(pattern):
            if start.is_file():  # it is changed, so it must be a file of its own
                shutil.copyfile(file, draft / file.name)
            else:
                link_or_copy(file, draft / file.name)
    if start.is_file():
        init_conversion.convert_to_plain_lora(draft, start)
    for file in draft.iterdir():
        _sync_to_disk(file)
    run.adapter.mkdir(exist_ok=True)
    for pattern in RESULT_FILES:
        for file in sorted(draft.glob(pattern)):
            os.replace(file, run.adapter / file.name)
    _sync_to_disk(run.adapter)
    shutil.rmtree(
        draft, ignore_errors=True
    )  # what is published already is the same file, which replacing leaves here
    shutil.rmtree(run.path / "merged", ignore_errors=True)


def _newest_first(run: RunDir) -> list[Path]:
    return sorted(run.checkpoints.glob("checkpoint-*"), key=step_of, reverse=True)


def _remove_checkpoint(path: Path) -> None:
    """Under another name first: a removal that is cut off leaves nothing that looks like a damaged checkpoint."""
    if path.is_dir():
        doomed = path.with_name(DOOMED + path.name)
        shutil.rmtree(doomed, ignore_errors=True)
        os.rename(path, doomed)
        shutil.rmtree(doomed, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _sync_to_disk(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    if path.is_dir() and os.name == "nt":  # Windows has no such call for folders
        return
    handle = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
