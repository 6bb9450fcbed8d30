"""The files of an adapter that another program made: which are opened, and what the others tell."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from engine.errors import ModelError
from engine.model import config_json, weights
from engine.model.safety import ADAPTER_CONFIG, homes_of_links, require_folder

CONFIG_NAME, WEIGHTS_NAME = ADAPTER_CONFIG, "adapter_model.safetensors"
LABELS_NAME, TEMPLATE_NAME = "labels.json", "chat_template.jinja"
# All that is ever opened of an adapter.
ADAPTER_FILES = (
    CONFIG_NAME, WEIGHTS_NAME, LABELS_NAME, TEMPLATE_NAME, config_json.TOKENIZER_CONFIG,
)  # fmt: skip
CONFIG_BYTES = 2**20  # of each of them but the weights


def find_files(folder: Path) -> dict[str, Path]:
    """The files of a folder by name; raises ModelError where it is none.

    A link within the Hub's cache is the file that it leads to; any other stays one, and is refused.
    """
    require_folder(folder, "adapter")
    try:
        homes = homes_of_links(folder)
        return {one.name: _followed(one, homes) for one in folder.iterdir()}
    except (OSError, RuntimeError):  # links in a circle
        raise ModelError(f"'{folder}' cannot be read. Copy the adapter to another place.") from None


def _followed(file: Path, homes: Iterable[Path]) -> Path:
    real = file.resolve()
    inside = file.is_symlink() and any(real.is_relative_to(home) for home in homes)
    return real if inside else file


def require_files(files: Mapping[str, Path]) -> None:
    """Raise ModelError unless config and weights are there, as files."""
    for name in ADAPTER_FILES:
        if name in files and (files[name].is_symlink() or not files[name].is_file()):
            raise ModelError(f"Its {name} is a link or no file. Put the file itself in its place.")
    if CONFIG_NAME in files and WEIGHTS_NAME in files:
        return
    if any(re.fullmatch(r"model.*\.safetensors", name) for name in files):
        raise ModelError("It is a whole model, not an adapter. Choose it on the Model tab.")
    pickles = sorted(name for name in files if name.endswith(weights.PICKLES))
    adapter_pickles = [name for name in pickles if name.startswith("adapter_model")]
    if adapter_pickles and WEIGHTS_NAME not in files:
        raise ModelError(
            f"Its weights are in {adapter_pickles[0]}, a format (pickle) that can carry harmful "
            f"code. Save it as {WEIGHTS_NAME}, which PEFT's save_pretrained writes."
        )
    steps = sorted(name for name in files if re.fullmatch(r"checkpoint-\d+", name))
    if steps:
        raise ModelError(f"It holds checkpoints. Choose one of their folders, such as {steps[-1]}.")
    missing = CONFIG_NAME if CONFIG_NAME not in files else WEIGHTS_NAME
    raise ModelError(f"Its {missing} is missing. Add it together with the other files.")


def own_template(files: Mapping[str, Path]) -> str:
    """The chat template that lies beside an adapter, as trainers save it; empty for none."""
    file, settings = files.get(TEMPLATE_NAME), files.get(config_json.TOKENIZER_CONFIG)
    try:
        if file and file.stat().st_size <= CONFIG_BYTES:
            return file.read_text(encoding="utf-8")
        values = config_json.read_json_object(settings, CONFIG_BYTES) if settings else {}
    except (OSError, ValueError, ModelError):
        return ""
    found = values.get("chat_template")
    return found if isinstance(found, str) else ""
