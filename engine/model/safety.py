"""The safety check of a model folder: transformers and torch open only what has passed it.

Reads names, JSON and safetensors headers alone; loads no weights and imports no torch. Everything
that it refuses is said in one ModelError.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from engine.errors import ModelError
from engine.model import config_json, weights
from engine.model.config_json import CONFIG_FILE, SETTINGS_FILES

# A tokenizer has one of these files.
VOCABULARIES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")
VOCABULARY_BYTES = 40 * 2**20  # of one of these files; the largest of real models has 33 MB
TEMPLATES_FOLDER = "additional_chat_templates"
ADAPTER_CONFIG = "adapter_config.json"
MOST_FILES = 10_000


def check_model_folder(path: Path) -> None:
    """Raise ModelError unless this is a complete transformers model in safetensors without code."""
    require_folder(path, "model")
    with _name_the_model(path):
        _check_files(path)
        if not (path / CONFIG_FILE).is_file():
            _refuse_other_folder(path)
        if (path / ADAPTER_CONFIG).exists():  # transformers would load it silently
            raise ModelError(
                f"It holds an adapter beside the model ({ADAPTER_CONFIG}). "
                "Move the adapter's files to a folder of their own, then choose this one again."
            )
        config_json.check_settings_files(path)
        weights.check_weights(path)
        _check_tokenizer(path)


def require_folder(path: Path, what: str) -> None:
    """Raise ModelError unless this is the whole path of a folder; ``what``: should be in it."""
    try:
        there = path.is_absolute() and path.is_dir()
    except (OSError, ValueError):  # too long for a path, or with a NUL
        there = False
    if not there:
        raise ModelError(
            f"'{path}' is not a folder on this machine. Give the whole path of the {what}'s folder."
        )


def check_settings_folder(path: Path) -> None:
    """Raise ModelError for what a model's small files must not say, before its weights are here."""
    with _name_the_model(path):
        config_json.check_settings_files(path)


@contextmanager
def _name_the_model(path: Path) -> Iterator[None]:
    """Put the model's name before what is wrong with it."""
    try:
        yield
    except ModelError as error:
        raise ModelError(f"'{path.name}' cannot be used. {error}") from None
    except OSError as error:
        raise ModelError(
            f"'{path.name}' cannot be read ({error.strerror or 'the disk failed'}). "
            "Check that you may read its files, or copy it to another place."
        ) from None


def _check_files(path: Path) -> None:
    """Raise ModelError for a file that would hang its reader, and for a link out of the folder."""
    files = list(path.iterdir())
    if (path / TEMPLATES_FOLDER).is_dir():
        files += (path / TEMPLATES_FOLDER).iterdir()
    if len(files) > MOST_FILES:
        raise ModelError(f"It holds {len(files):,} files. Choose the folder of one model.")
    homes = homes_of_links(path)
    for file in files:
        if file.is_symlink() and not file.exists():
            raise ModelError(
                f"'{file.name}' is a link to nothing. Put the file itself in its place."
            )
        if file.is_symlink() and not any(file.resolve().is_relative_to(home) for home in homes):
            raise ModelError(
                f"'{file.name}' is a link that leads out of the folder. Put the file itself in its "
                "place."
            )
        if not _is_readable(file):
            raise ModelError(
                f"'{file.name}' should be a file and is something else. Get the model again."
            )


def homes_of_links(path: Path) -> list[Path]:
    """The folders that links of a model may lead to; the Hub's cache keeps a model as links:

    models--OWNER--NAME/snapshots/COMMIT/FILE -> ../../blobs/HASH
    """
    real = path.resolve()
    cache = real.parent.parent
    if real.parent.name == "snapshots" and cache.name.startswith("models--"):
        return [real, cache / "blobs"]
    return [real]


def _is_readable(file: Path) -> bool:
    """Whether this is a file, or a folder where no file is expected; anything else may hang."""
    if not file.exists():
        return True
    kind = file.stat().st_mode
    if stat.S_ISDIR(kind):
        return file.name not in (*SETTINGS_FILES, *VOCABULARIES)
    return stat.S_ISREG(kind)


def _refuse_other_folder(path: Path) -> NoReturn:
    """Raise ModelError with what a folder is that has no config.json."""
    if (path / ADAPTER_CONFIG).is_file():
        base = config_json.read_json_object(path / ADAPTER_CONFIG).get("base_model_name_or_path")
        named = f": {base[:100]}" if isinstance(base, str) and base and base.isprintable() else ""
        raise ModelError(
            f"It is an adapter ({ADAPTER_CONFIG}), not a whole model. Choose the model that it was "
            f"made for{named}."
        )
    weights.refuse_gguf(file.name for file in path.iterdir())
    raise ModelError(
        f"It is not a model folder: it has no {CONFIG_FILE}. "
        f"Choose the folder that holds {CONFIG_FILE}, the tokenizer and the *.safetensors files."
    )


def _check_tokenizer(path: Path) -> None:
    found = [path / name for name in VOCABULARIES if (path / name).is_file()]
    if not found:
        raise ModelError(
            "It has no tokenizer. Copy tokenizer.json and tokenizer_config.json into its folder."
        )
    for file in found:
        if (size := file.stat().st_size) > VOCABULARY_BYTES:
            raise ModelError(
                f"Its {file.name} has {size / 2**20:,.0f} MB, and no vocabulary needs more than "
                f"{VOCABULARY_BYTES / 2**20:,.0f} MB. Choose another model."
            )
        with file.open("rb") as data:
            start = data.read(64)
            data.seek(max(0, file.stat().st_size - 64))
            end = data.read(64).rstrip()
        if start.startswith(weights.LFS_POINTER):
            weights.refuse_pointer(file.name)
        whole_json = start.lstrip().startswith(b"{") and end.endswith(b"}")
        if not start or (file.suffix == ".json" and not whole_json):
            raise ModelError(f"Its {file.name} is damaged or cut off. Get that file again.")
