"""Whether a checkpoint can be used: every file is opened as continuing would open it.

What may pass (a drive that is away, a lack of memory) is no damage: it is raised as OSError,
MemoryError or RuntimeError.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from engine.work import compat
from engine.work.memory import out_of_memory

MANIFEST = "complete.json"  # written last: a checkpoint without it was cut off while being written
TRAINER_STATE = "trainer_state.json"
STATE_FILES = ("optimizer.pt", "scheduler.pt", "rng_state.pth", TRAINER_STATE)


def find_problem(folder: Path) -> str:
    """What is wrong with a committed checkpoint, or an empty string."""
    if not folder.is_dir():
        return "it is no folder"
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if manifest["step"] != step_of(folder):
            return f"{MANIFEST} is that of another step"
        # Older versions wrote sizes alone.
        files = manifest.get("files") or {key: {"size": n} for key, n in manifest["sizes"].items()}
        for name, expected in files.items():
            if problem := _find_difference(folder / name, expected):
                return problem
    except FileNotFoundError:
        return f"{MANIFEST} is missing"
    except (IsADirectoryError, ValueError, KeyError, TypeError, AttributeError):
        return f"{MANIFEST} cannot be read"
    return find_unreadable(folder)


def find_unreadable(folder: Path) -> str:
    """What of a checkpoint cannot be read again, or an empty string."""
    # The weights of a preference run's reference are in a folder of their own.
    weights = [file for file in folder.rglob("*.safetensors") if file.is_file()]
    if not weights:
        return "its weights are missing"
    states = (find_state_problem(folder, name) for name in STATE_FILES)
    return next(filter(None, chain(map(find_weights_problem, weights), states)), "")


def find_weights_problem(file: Path) -> str:
    """What is wrong with a file of weights, or an empty string."""
    try:
        finite = all(torch.isfinite(tensor).all() for tensor in _read_tensors(file))
    except (SafetensorError, RuntimeError) as error:
        if out_of_memory(error):
            raise
        return f"{file.name} cannot be read"
    return "" if finite else f"{file.name} holds values that are not numbers (NaN)"


def find_state_problem(folder: Path, name: str) -> str:
    """What is wrong with one of STATE_FILES, or an empty string."""
    if not (folder / name).is_file():
        return f"{name} is missing"
    try:
        if name == TRAINER_STATE:
            state = json.loads((folder / name).read_text(encoding="utf-8"))
            if state["global_step"] != step_of(folder):
                return f"{name} is that of another step"
        else:
            with compat.allow_numpy_state():
                torch.load(folder / name, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # torch raises whatever its readers meet
        if out_of_memory(error) or isinstance(error, OSError):
            raise
        return f"{name} cannot be read"
    return ""


def describe_files(folder: Path) -> dict[str, dict[str, Any]]:
    """Size and checksum of each file, for the manifest."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name != MANIFEST)
    names = [file.relative_to(folder).as_posix() for file in files]
    found = [{"size": file.stat().st_size, "sha256": _file_checksum(file)} for file in files]
    return dict(zip(names, found, strict=True))


def step_of(folder: Path) -> int:
    """The step in the folder's name; -1 for a name that Hone did not give."""
    number = folder.name.rpartition("-")[2]
    return int(number) if number.isdecimal() else -1


def _find_difference(file: Path, expected: dict[str, Any]) -> str:
    if not file.is_file():
        return f"{file.name} is missing"
    if file.stat().st_size != expected["size"]:
        return f"{file.name} is cut off"
    if "sha256" in expected and _file_checksum(file) != expected["sha256"]:
        return f"{file.name} is not as it was written"
    return ""


def _file_checksum(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _read_tensors(file: Path) -> Iterator[torch.Tensor]:
    with safe_open(file, framework="pt") as opened:
        for name in opened.keys():  # noqa: SIM118  (it is no dict)
            yield opened.get_tensor(name)
