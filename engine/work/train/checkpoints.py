"""Checkpoints of a run: committed, checked, found again after a crash; the best is the result.

checkpoints/.saving/checkpoint-N   while the trainer writes it
checkpoints/checkpoint-N           committed: its files are on the disk and were read again; the
                                   newest two stay
adapter/                           the result: the best checkpoint's weights
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from engine.errors import RunError
from engine.model import fingerprint
from engine.runs.disk_space import CHECKPOINTS_KEPT
from engine.store import events as ev
from engine.store.files import link_or_copy
from engine.store.run_dir import RunDir
from engine.store.run_view import RunView
from engine.work.model import adapters
from engine.work.train import checkpoint_check
from engine.work.train.checkpoint_check import MANIFEST, step_of

SAVING = ".saving"
REMOVED = ".old-"  # a folder that is being removed: half of it is no damaged checkpoint
RESULT_DRAFT = ".draft"
# What a result consists of: an adapter, or a whole model where all weights were trained. The
# weights come last, so where they are, everything is. The tokenizer, the generation config and
# asking.json are there for other programs, which then ask and stop as Hone does (docs/exports.md).
RESULT_FILES = (
    "chat_template.jinja",
    "additional_chat_templates/*.jinja",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "labels.json",
    "asking.json",
    "adapter_config.json",
    "config.json",
    "generation_config.json",
    "model.safetensors.index.json",
    "model-*.safetensors",
    "model.safetensors",
    "adapter_model.safetensors",
)


def saving_folder(run: RunDir) -> Path:
    """Where the trainer writes checkpoints."""
    return run.checkpoints / SAVING


# --- saved ---


def commit(run: RunDir, step: int) -> None:
    """Make what the trainer has just written a checkpoint; raises RunError if it cannot be read."""
    draft = saving_folder(run) / f"checkpoint-{step}"
    try:
        problem = checkpoint_check.find_unreadable(draft)
        files = checkpoint_check.describe_files(draft)
    except OSError as error:
        problem = error.strerror or str(error)
    if problem:
        raise RunError(
            f"The checkpoint of step {step} was written and could not be read again ({problem}). "
            "The one before is kept. The disk may be failing: check it, then press Continue."
        )
    for name in files:
        _sync_to_disk(draft / name)
    manifest = {"step": step, "files": files, "versions": fingerprint.library_versions()}
    (draft / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    for path in (draft / MANIFEST, *filter(Path.is_dir, draft.rglob("*")), draft):
        _sync_to_disk(path)
    final = run.checkpoints / draft.name
    _remove_checkpoint(final)
    draft.rename(final)
    _sync_to_disk(run.checkpoints)


def remove_old(run: RunDir) -> None:
    """Remove all but the newest checkpoints; the best version is in adapter/."""
    for folder in _newest_first(run)[CHECKPOINTS_KEPT:]:
        _remove_checkpoint(folder)


def publish_result(run: RunDir, step: int) -> None:
    """Make a checkpoint's weights the run's result, file by file; merged models are removed."""
    source, draft = run.checkpoints / f"checkpoint-{step}", run.checkpoints / RESULT_DRAFT
    start = run.checkpoints / adapters.START_FILE
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    # What is converted is changed, so it must be a file of its own.
    copy = shutil.copyfile if start.is_file() else link_or_copy
    for name in _result_files(source):
        (draft / name).parent.mkdir(exist_ok=True)
        copy(source / name, draft / name)
    if start.is_file():
        adapters.convert_to_plain_lora(draft, start)
    names = list(_result_files(draft))
    for name in names:
        _sync_to_disk(draft / name)
    for name in names:
        (run.adapter / name).parent.mkdir(parents=True, exist_ok=True)
        (draft / name).replace(run.adapter / name)
    _sync_to_disk(run.adapter)
    # Replacing a file by a link to itself leaves the link: the draft may not be empty.
    shutil.rmtree(draft, ignore_errors=True)
    shutil.rmtree(run.path / "merged", ignore_errors=True)


def _result_files(folder: Path) -> Iterator[Path]:
    """The files of a result in a folder, as paths below it."""
    for pattern in RESULT_FILES:
        yield from (file.relative_to(folder) for file in sorted(folder.glob(pattern)))


# --- found again ---


def find_newest(run: RunDir) -> Path | None:
    """The newest checkpoint that can be used; damaged and partial ones are reported and removed.

    Raises RunError, and removes nothing, where none can be read now and one may be whole: a drive
    may be away.
    """
    damaged: dict[Path, str] = {}  # and what is wrong with each
    found, hindrance, then = None, "", "starts again from the beginning"
    for folder in _newest_first(run):
        try:
            problem = checkpoint_check.find_problem(folder)
        except OSError as error:  # it may be whole
            problem = hindrance = error.strerror or str(error)
        if not problem:
            found, then = folder, f"goes on from step {step_of(folder)}"
            break
        damaged[folder] = problem
    if hindrance and not found:
        raise RunError(
            f"The checkpoints of this run cannot be read now ({hindrance}). Nothing was "
            "removed. Check that the drive is connected and works, then press Continue."
        )
    drafts = saving_folder(run).glob("checkpoint-*")
    partial = [folder for folder in drafts if not (run.checkpoints / folder.name).exists()]
    for folder in damaged:
        _remove_checkpoint(folder)
    remove_partial(run)
    problems = dict.fromkeys(partial, "it was cut off while it was written") | damaged
    for folder in sorted(problems, key=step_of):
        text = f"The checkpoint of step {step_of(folder)} cannot be used ({problems[folder]}). "
        run.emit(ev.Warned(text=f"{text}The run {then}."))
    return found


def recover(run: RunDir, folder: Path) -> None:
    """Publish and report a checkpoint whose worker was killed right after it was committed."""
    view, step = run.view(), step_of(folder)
    if any(saved.step == step for saved in view.saved):
        return
    best = is_best(view, step)
    if best:
        publish_result(run, step)
    run.emit(ev.Saved(step=step, best=best))


def is_best(view: RunView, step: int) -> bool:
    """Whether the version of a step is the best so far: one that was not measured never is.

    Without held-out rows nothing tells, and the newest is taken.
    """
    if not view.checks and not (view.started and view.started.held_out):
        return True
    losses = {check.step: check.loss for check in view.checks if 0 < check.step <= step}
    return step in losses and losses[step] <= min(losses.values())


def remove_partial(run: RunDir) -> None:
    """Remove what was cut off while it was written or removed."""
    for pattern in (SAVING, RESULT_DRAFT, f"{REMOVED}*"):
        for path in run.checkpoints.glob(pattern):
            shutil.rmtree(path, ignore_errors=True)


def _newest_first(run: RunDir) -> list[Path]:
    return sorted(run.checkpoints.glob("checkpoint-*"), key=step_of, reverse=True)


def _remove_checkpoint(path: Path) -> None:
    """Rename, then remove: a removal that is cut off leaves nothing like a damaged checkpoint."""
    if path.is_dir():
        doomed = path.with_name(REMOVED + path.name)
        shutil.rmtree(doomed, ignore_errors=True)
        path.rename(doomed)
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
