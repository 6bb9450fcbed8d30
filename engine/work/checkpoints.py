"""Checkpoints of a run: which are whole, which is the newest, and the best one as the run's result."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from engine.store import RunDir, link, write_json
from engine.work import plain_lora

MARK = "complete.json"  # written last: a checkpoint without it was cut off while being written
# What a result consists of: an adapter, or a whole model where all weights were trained. The weights come last: who
# finds them finds all. The template is how turns were written, the labels what a head's outputs stand for, for other
# programs.
RESULT = (
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


def mark_complete(run: RunDir, step: int) -> None:
    """Say that all files of a checkpoint are written, with their sizes."""
    folder = run.checkpoints / f"checkpoint-{step}"
    sizes = {file.name: file.stat().st_size for file in folder.iterdir() if file.is_file()}
    write_json(folder / MARK, {"step": step, "sizes": sizes})


def is_whole(folder: Path) -> bool:
    """Whether a checkpoint was written to its end and its files still have their sizes."""
    try:
        sizes = json.loads((folder / MARK).read_text(encoding="utf-8"))["sizes"]
        return all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, KeyError):
        return False


def newest(run: RunDir) -> Path | None:
    """The whole checkpoint with the highest step; broken ones are removed, since a trainer would choose them."""
    best: Path | None = None
    for folder in run.checkpoints.glob("checkpoint-*"):
        if not is_whole(folder):
            shutil.rmtree(folder, ignore_errors=True)
        elif best is None or step_of(folder) > step_of(best):
            best = folder
    return best


def step_of(folder: Path) -> int:
    return int(folder.name.rpartition("-")[2])


def publish(run: RunDir, step: int) -> None:
    """Make a checkpoint's weights the run's result, file by file; what was merged from an older one goes."""
    source, draft = run.checkpoints / f"checkpoint-{step}", run.checkpoints / "draft"
    start = run.checkpoints / plain_lora.START
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    for pattern in RESULT:
        for file in source.glob(pattern):
            if start.is_file():  # it is changed, so it must be a file of its own
                shutil.copyfile(file, draft / file.name)
            else:
                link(file, draft / file.name)
    if start.is_file():
        plain_lora.convert(draft, start)
    run.adapter.mkdir(exist_ok=True)
    for pattern in RESULT:
        for file in sorted(draft.glob(pattern)):
            os.replace(file, run.adapter / file.name)
    draft.rmdir()
    shutil.rmtree(run.path / "merged", ignore_errors=True)
