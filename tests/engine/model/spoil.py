"""Ways to spoil a model's folder; each takes the folder of a whole model in three shards."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

INDEX, CONFIG, TOKENS = "model.safetensors.index.json", "config.json", "tokenizer_config.json"
CANARY = "canary"  # a file beside the folder, which the folder's programs and pickles would write


def edit(name: str, **changes: Any) -> Callable[[Path], object]:
    """Change keys of a JSON file."""

    def spoil(folder: Path) -> None:
        path = folder / name
        path.write_text(
            json.dumps((json.loads(path.read_text()) if path.exists() else {}) | changes)
        )

    return spoil


def write(name: str, content: str | bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(
        content if isinstance(content, bytes) else content.encode()
    )


def cut(name: str, size: int) -> Callable[[Path], object]:
    """Change a file's length; of a file that grows, the new part takes no room on the disk."""
    return lambda folder: os.truncate(folder / name, size)


def cut_end(name: str, count: int) -> Callable[[Path], object]:
    return lambda folder: os.truncate(folder / name, (folder / name).stat().st_size - count)


def drop(*patterns: str) -> Callable[[Path], object]:
    return lambda folder: [path.unlink() for pattern in patterns for path in folder.glob(pattern)]


def both(*spoils: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda folder: [spoil(folder) for spoil in spoils]


def replaced(name: str, make: Callable[[Path], object]) -> Callable[[Path], object]:
    """Something else in a file's place."""

    def spoil(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        make(folder / name)

    return spoil


def link(name: str) -> Callable[[Path], object]:
    """A link to a file beside the folder."""

    def spoil(folder: Path) -> None:
        path, target = folder / name, folder.parent / "somebodys.txt"
        target.write_text("{}")
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(target)

    return spoil


def shards_to(name: str) -> Callable[[Path], object]:
    """The index's first weight is in another file."""

    def spoil(folder: Path) -> None:
        index = json.loads((folder / INDEX).read_text())
        index["weight_map"][min(index["weight_map"])] = name
        (folder / INDEX).write_text(json.dumps(index))

    return spoil


def pickled(name: str) -> Callable[[Path], object]:
    """A pickle that writes the canary when it is opened."""

    def spoil(folder: Path) -> None:
        call = f"open({str(folder.parent / CANARY)!r}, 'w').close()"
        (folder / name).write_bytes(b"cbuiltins\nexec\n(V" + call.encode() + b"\ntR.")

    return spoil


def program(name: str) -> Callable[[Path], object]:
    """A program that writes the canary when it is imported."""
    return lambda folder: (folder / name).write_text(
        f"open({str(folder.parent / CANARY)!r}, 'w').close()\n\n\nclass Own:\n    pass\n"
    )


def adapter(base: str) -> Callable[[Path], object]:
    return write(
        "adapter_config.json", json.dumps({"peft_type": "LORA", "base_model_name_or_path": base})
    )
