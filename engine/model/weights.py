"""Whether a model folder's weights are complete, from names and headers; no weight is read.

A problem is a ModelError whose sentence begins with "It": engine.model.safety puts the model's
name before it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

from safetensors import SafetensorError, safe_open

from engine.errors import ModelError
from engine.model import config_json

SINGLE_FILE, INDEX_FILE = "model.safetensors", "model.safetensors.index.json"
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
LFS_POINTER = b"version https://git-lfs"
INDEX_BYTES, HEADER_BYTES = 32 * 2**20, 32 * 2**20  # at most; the largest real ones have 10 MB
LEAST_SHARE = 0.8  # of the weights: some are saved once and named twice, and a pooler may be new
GET_AGAIN = "Get that file again; if it came by download, start the download again."


def check_weights(folder: Path) -> None:
    """Raise ModelError unless all weights that the folder names are there, as whole safetensors."""
    named = weight_files(folder)
    if not named:
        _refuse_without_weights(folder)
    for name, wanted in named.items():
        path = folder / name
        if not path.is_file():
            missing = sum(not (folder / one).is_file() for one in named)
            raise ModelError(
                f"It lacks {missing} of its {len(named)} files of weights, such as {name}. "
                "Get the missing ones; if it came by download, start the download again."
            )
        if lacking := wanted - read_shapes(path).keys():
            raise ModelError(
                f"Its {name} lacks {len(lacking)} of the weights that {INDEX_FILE} names, "
                f"such as {min(lacking)[:80]}. {GET_AGAIN}"
            )


def check_weight_count(folder: Path, named: int) -> None:
    """Raise ModelError where far fewer weights are there than the config names.

    The library would first make all of them from random numbers, which can take minutes.
    """
    files = [folder / name for name in weight_files(folder)]
    there = sum(math.prod(shape) for file in files for shape in read_shapes(file).values())
    if there < named * LEAST_SHARE:
        raise ModelError(
            f"'{folder.name}' does not match its config.json: {there:,} weights are there, "
            f"and {named:,} are named. Get the model again, or choose another."
        )


def weight_files(folder: Path) -> dict[str, set[str]]:
    """The files that the library would read; with an index, the weights that each should hold."""
    named = read_index(folder) if (folder / INDEX_FILE).exists() else {}
    if (folder / SINGLE_FILE).exists():  # then the library reads this one alone
        return {SINGLE_FILE: set()}
    return named


def read_index(folder: Path) -> dict[str, set[str]]:
    """The files that the index names, and the weights that each should hold; raises ModelError."""
    index = config_json.read_json_object(folder / INDEX_FILE, INDEX_BYTES)
    named = index.get("weight_map")
    if not isinstance(named, dict) or not named or not isinstance(index.get("metadata", {}), dict):
        raise ModelError(f"Its {INDEX_FILE} is damaged. Get the model again.")
    found: dict[str, set[str]] = {}
    for weight, name in sorted(named.items(), key=str):
        if not isinstance(name, str) or not config_json.is_plain_name(name):
            config_json.refuse_outside(f"a file in {INDEX_FILE}", str(name))
        if not name.endswith(".safetensors"):
            raise ModelError(
                f"Its {INDEX_FILE} names {name[:80]}, which is not a safetensors file. Choose "
                "another model."
            )
        found.setdefault(name, set()).add(weight)
    return found


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of all tensors of a safetensors file; raises ModelError for a damaged file.

    The library checks that offsets, shapes and types agree and cover the file; it reads the header
    alone, 100,000 tensors in 0.6 s.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(len(LFS_POINTER))
    if start == LFS_POINTER:
        refuse_pointer(path.name)
    header = int.from_bytes(start[:8], "little")
    if size < 10 or header < 2 or header > HEADER_BYTES:
        raise ModelError(f"Its {path.name} is not a safetensors file, or is damaged. {GET_AGAIN}")
    try:
        with safe_open(path, framework="np") as tensors:
            names = tuple(tensors.keys())
            shapes = {name: tuple(tensors.get_slice(name).get_shape()) for name in names}
    except SafetensorError:
        _refuse_damaged(path, size, header)
    if not shapes:
        raise ModelError(f"Its {path.name} holds no weights. {GET_AGAIN}")
    return shapes


def _refuse_damaged(path: Path, size: int, header: int) -> NoReturn:
    """Raise ModelError with what is wrong with a file that the library does not open."""
    whole = _expected_size(path, header)
    if whole > size:
        raise ModelError(
            f"Its {path.name} is cut off: {size:,} of {whole:,} bytes are there. {GET_AGAIN}"
        )
    if 0 < whole < size:
        raise ModelError(
            f"Its {path.name} is damaged: more follows where it should end. {GET_AGAIN}"
        )
    raise ModelError(f"Its {path.name} is not a safetensors file, or is damaged. {GET_AGAIN}")


def _expected_size(path: Path, header: int) -> int:
    """Bytes of the whole file, as its header says; 0 where it does not say."""
    with path.open("rb") as file:
        file.seek(8)
        head = file.read(header)
    if len(head) < header:
        return 8 + header
    try:
        tensors = [about for name, about in json.loads(head).items() if name != "__metadata__"]
        return 8 + header + max(int(about["data_offsets"][1]) for about in tensors)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return 0


def refuse_pointer(name: str) -> NoReturn:
    """Raise ModelError for what git leaves in the place of a large file."""
    raise ModelError(
        f"Its {name} is only a pointer to the file: git did not bring the large ones (Git LFS). "
        "Download the model on the Model tab, or run 'git lfs pull' in its folder."
    )


def _refuse_without_weights(folder: Path) -> NoReturn:
    """Raise ModelError with what the folder holds instead of weights."""
    names = sorted(path.name for path in folder.iterdir())
    pickles = [name for name in names if name.endswith(PICKLES)]
    if pickles and (folder / config_json.CONFIG_FILE).is_file():
        raise ModelError(
            f"It has no *.safetensors weights, only {pickles[0]}, a format that can carry harmful "
            "code. Get the safetensors version of this model, or convert it first."
        )
    if other := [name for name in names if name.endswith(".safetensors")]:
        raise ModelError(
            f"It has {other[0]}, but neither {SINGLE_FILE} nor {INDEX_FILE}, which says what is in "
            "which file. Get the file that is missing, or the transformers version of this model."
        )
    refuse_gguf(names)
    raise ModelError(
        f"It has no *.safetensors weights: neither {SINGLE_FILE} nor {INDEX_FILE} is there. "
        "Get the safetensors version of this model."
    )


def refuse_gguf(names: Iterable[str]) -> None:
    """Raise ModelError if one of these files, none of which can be trained, is GGUF."""
    if gguf := sorted(name for name in names if name.endswith(".gguf")):
        raise ModelError(
            f"It has GGUF files only ({gguf[0]}), which are for running a model, not for training. "
            "Choose the model that they were made from."
        )
