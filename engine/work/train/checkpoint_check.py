"""Whether what stands in a checkpoint can be used: every file is opened as continuing would open it.

What may pass (a drive that is away, a lack of memory) is no damage: it is raised as OSError, MemoryError, RuntimeError.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from transformers.trainer_pt_utils import safe_globals

from engine.work.memory import out_of_memory

MANIFEST = "complete.json"  # written last: a checkpoint without it was cut off while being written
TRAINER_STATE = "trainer_state.json"
STATE_FILES = ("optimizer.pt", "scheduler.pt", "rng_state.pth", TRAINER_STATE)


def find_problem(folder: Path) -> str:
    """What is wrong with a checkpoint that should be whole, or an empty string."""
    if not folder.is_dir():
        return "it is no folder"
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        # Older versions wrote sizes alone.
        files: dict[str, Any] = manifest.get("files") or {
            name: {"size": n} for name, n in manifest["sizes"].items()
        }
        if manifest["step"] != step_of(folder):
            return f"{MANIFEST} is that of another step"
        for name, describe_files in files.items():
            if found := _find_difference(folder / name, describe_files):
                return found
    except FileNotFoundError:
        return f"{MANIFEST} is missing"
    except (IsADirectoryError, ValueError, KeyError, TypeError, AttributeError):
        return f"{MANIFEST} cannot be read"
    return find_unreadable(folder)


def find_unreadable(folder: Path) -> str:
    """What of a checkpoint cannot be read again, or an empty string."""
    weights = [
        file for file in folder.rglob("*.safetensors") if file.is_file()
    ]  # that of a reference lies deeper
    if not weights:
        return "its weights are missing"
    for file in weights:
        try:
            if not all(torch.isfinite(tensor).all() for tensor in _read_tensors(file)):
                return f"{file.name} holds numbers that are none (NaN)"
        except (SafetensorError, RuntimeError) as error:
            if out_of_memory(error):
                raise
            return f"{file.name} cannot be read"
    for name in STATE_FILES:
        if not (folder / name).is_file():
            return f"{name} is missing"
        try:
            if name == TRAINER_STATE:
                if json.loads((folder / name).read_text(encoding="utf-8"))[
                    "global_step"
                ] != step_of(folder):
                    return f"{name} is that of another step"
            else:
                with safe_globals():  # of numpy's random state; nothing else may be in there
                    torch.load(folder / name, map_location="cpu", weights_only=True, mmap=True)
        except Exception as error:  # torch raises whatever its readers meet
            if out_of_memory(error) or isinstance(error, OSError):
                raise
            return f"{name} cannot be read"
    return ""


def describe_files(folder: Path) -> dict[str, dict[str, Any]]:
    """Size and checksum of each file, for the manifest."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name != MANIFEST)
    return {
        file.relative_to(folder).as_posix(): {
            "size": file.stat().st_size,
            "sha256": _file_checksum(file),
        }
        for file in files
    }


def step_of(folder: Path) -> int:
    """The step in the folder's name; -1 for a name that Hone did not give."""
    number = folder.name.rpartition("-")[2]
    return int(number) if number.isdecimal() else -1


def _find_difference(file: Path, describe_files: dict[str, Any]) -> str:
    if not file.is_file():
        return f"{file.name} is missing"
    if file.stat().st_size != describe_files["size"]:
        return f"{file.name} is cut off"
    if "sha256" in describe_files and _file_checksum(file) != describe_files["sha256"]:
        return f"{file.name} is not as it was written"
    return ""


def _file_checksum(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _read_tensors(file: Path) -> Iterator[torch.Tensor]:
    with safe_open(file, framework="pt") as opened:
        for name in opened.keys():  # noqa: SIM118 (it is no dict)
            yield opened.get_tensor(name)
