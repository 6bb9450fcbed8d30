"""What the JSON of a model may say: no code, no files elsewhere, no packed weights, real sizes.

These files come from strangers, so they are read with limits. A problem is a ModelError whose
sentence begins with "It": engine.model.safety puts the model's name before it.
"""

from __future__ import annotations

import json
import math
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from engine.errors import ModelError

CONFIG_FILE, TOKENIZER_CONFIG = "config.json", "tokenizer_config.json"
# The small files of a model that libraries follow; vocabularies hold words, not settings.
SETTINGS_FILES = (
    CONFIG_FILE, TOKENIZER_CONFIG, "generation_config.json", "special_tokens_map.json",
    "added_tokens.json", "chat_template.json",
)  # fmt: skip
# Keys by which a file makes a library run code (facts: load-time attacks that work although
# trust_remote_code is off).
FORBIDDEN_KEYS = {
    "auto_map", "trust_remote_code", "_attn_implementation_internal", "auto_mapping",
    "custom_pipelines",
}  # fmt: skip
# Keys by which it names other files. Old tokenizers keep the path of a special_tokens_map_file,
# which nobody opens.
FILE_KEY = re.compile(
    r"(?!special_tokens_map_file$)\w*_files?|\w+_spm|vocab|merges|transformers_weights"
)
KERNEL_KEY = re.compile(r"_?(attn|experts)_implementation")
BUILT_IN_KERNELS = {
    "eager", "sdpa", "flash_attention_2", "flash_attention_3", "flash_attention_4",
    "flex_attention", "grouped_mm", "batched_mm",
}  # fmt: skip
PLAIN_NAME = re.compile(r"\w[\w. -]*")
# Formats of quantised weights: what configs call them, and people. None can be trained by what
# Hone brings.
PACKED_FORMATS = {
    "gptq": "GPTQ", "awq": "AWQ", "exl2": "EXL2", "exl3": "EXL3", "aqlm": "AQLM", "hqq": "HQQ",
    "mlx": "MLX", "compressed-tensors": "compressed tensors", "fp8": "FP8", "mxfp4": "MXFP4",
}  # fmt: skip
PACKED_ADVICE = "which cannot be trained here. Choose the model that it was made from."
# Of one file, and levels of nesting; real ones have about 2 MB, and 6.
JSON_BYTES, JSON_DEPTH = 8 * 2**20, 64
WIDTH_KEY = (
    "hidden_size|intermediate_size|n_embd|d_model|ffn_dim|dim|hidden_dim|head_dim|embedding_size"
)
SIZE_KEY = ".*(size|dim|embd|d_model|d_ff|width|inner|positions?|position_embeddings|ctx|length)"
# Counts are loops and sizes are memory: what no model has would hang the page. Real ones stay well
# below. The first key that matches counts.
CEILINGS = {
    "vocab_size": 10**7,
    WIDTH_KEY: 2**20,
    SIZE_KEY: 2**27,
    ".*(layers?|blocks|stages|depth)": 400,
    ".*(groups?|group_num)": 32,
    ".*heads?": 4096,
    ".*experts?": 4096,
    "num_labels|.*classes": 100_000,
}
MOST_LABELS_NAMED = 20_000  # that a config names; libraries take seconds over more
POSITIVE_KEYS = {
    "hidden_size", "n_embd", "num_hidden_layers", "n_layer", "n_layers", "num_attention_heads",
    "n_head", "n_heads", "vocab_size",
}  # fmt: skip


def read_json_object(path: Path, largest: int = JSON_BYTES) -> dict[str, Any]:
    """A JSON object from a file; raises ModelError for anything else."""
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise ModelError(f"Its {path.name} is not a file. Get the model again.")
        if about.st_size > largest:
            raise ModelError(
                f"Its {path.name} has {about.st_size / 2**20:,.0f} MB. Get the model again."
            )
        value = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_nan)
    except (ValueError, OSError, RecursionError):
        value = None
    if not isinstance(value, dict) or any(depth > JSON_DEPTH for *_, depth in nested_items(value)):
        raise ModelError(f"Its {path.name} is damaged. Get the model again.")
    return value


def _refuse_nan(word: str) -> float:
    if word == "NaN":  # Infinity is in real configs
        raise ValueError(word)
    return float(word)


def nested_items(value: Any) -> Iterator[tuple[str, Any, int]]:
    """Every key of nested JSON, its value and depth; no recursion, since it may be very deep."""
    todo = [(value, 1)]
    while todo:
        inner, depth = todo.pop()
        if isinstance(inner, dict):
            yield from ((key, one, depth) for key, one in inner.items())
            todo += [(one, depth + 1) for one in inner.values()]
        elif isinstance(inner, list):
            yield "", None, depth
            todo += [(one, depth + 1) for one in inner]


def check_settings_files(folder: Path) -> None:
    """Raise ModelError for what a model's settings must not say; reads the files that are there."""
    for name in SETTINGS_FILES:
        path = folder / name
        if path.exists():
            values = read_json_object(path)
            _check_keys(name, values)
            if name == CONFIG_FILE:
                _check_config(values)
            if name == TOKENIZER_CONFIG:
                _check_template_names(values.get("chat_template"))


def _check_keys(file: str, values: dict[str, Any]) -> None:
    for key, value, _ in nested_items(values):
        if key in FORBIDDEN_KEYS and value not in (None, False, {}):
            raise ModelError(
                f"It wants to run code of its own (the key '{key}' in {file}), and Hone never runs "
                "code of others. Choose a model of a standard architecture."
            )
        if KERNEL_KEY.fullmatch(key):
            _check_kernels(file, key, list(value.values()) if isinstance(value, dict) else [value])
        if FILE_KEY.fullmatch(key):
            for name in value if isinstance(value, list) else [value]:
                if isinstance(name, str) and not is_plain_name(name):
                    refuse_outside(f"'{key}' in {file}", name)
    other_weights = values.get("transformers_weights") not in (None, "model.safetensors")
    if "configuration_files" in values or other_weights:
        raise ModelError(
            f"Its {file} refers to other files, which Hone does not follow. Choose another model."
        )


def _check_kernels(file: str, key: str, named: list[Any]) -> None:
    for kernel in named:
        if kernel is not None and not (isinstance(kernel, str) and kernel in BUILT_IN_KERNELS):
            raise ModelError(
                f"It asks for program code from elsewhere ('{key}' in {file} is "
                f"'{excerpt(kernel)}'), and Hone never runs code of others. Take the line '{key}' "
                f"out of {file}, or choose another model."
            )


def is_plain_name(name: str) -> bool:
    """Whether this is the name of a file in the folder itself, on every operating system."""
    return bool(PLAIN_NAME.fullmatch(name)) and ".." not in name


def refuse_outside(what: str, name: str) -> NoReturn:
    """Raise ModelError for a path that leaves the folder."""
    raise ModelError(
        f"It points outside the folder: {what} is '{excerpt(name)}'. Do not use this model."
    )


def _check_template_names(templates: Any) -> None:
    """Templates with names become files of these names when the tokenizer is saved."""
    if isinstance(templates, dict):
        names = list(templates)
    else:
        names = [one.get("name") for one in templates or [] if isinstance(one, dict)]
    for name in names:
        if not isinstance(name, str) or not is_plain_name(name):
            refuse_outside(f"a chat template's name in {TOKENIZER_CONFIG}", str(name))


def _check_config(values: dict[str, Any]) -> None:
    kind = values.get("model_type")
    if not isinstance(kind, str) or not kind:
        raise ModelError(
            f"It is of an architecture that Hone cannot open: its {CONFIG_FILE} names no "
            "model_type. Choose a standard transformers model."
        )
    for key, value, _ in nested_items(values):
        if key in ("quantization_config", "compression_config") and value:
            raise ModelError(
                f"It is packed as {_packing_format(value)} ('{key}' in {CONFIG_FILE}), "
                f"{PACKED_ADVICE}"
            )
        labels = value if key in ("id2label", "label2id") else None
        if isinstance(labels, dict | list) and len(labels) > MOST_LABELS_NAMED:
            raise ModelError(
                f"Its {CONFIG_FILE} names {len(value):,} labels, where up to "
                f"{MOST_LABELS_NAMED:,} are possible. Choose another model."
            )
        for number in value if isinstance(value, list) else [value]:
            if is_number(number):
                _check_number(key, number)


def _packing_format(settings: Any) -> str:
    """The name of the format that a quantization_config describes."""
    if not isinstance(settings, dict):
        return "None"
    how = settings.get("quant_method")
    if how is None and (settings.get("load_in_4bit") or settings.get("load_in_8bit")):
        return "bitsandbytes"
    return PACKED_FORMATS.get(str(how), excerpt(how))


def _check_number(key: str, number: float) -> None:
    least = 1 if key in POSITIVE_KEYS else -math.inf
    most = next((most for keys, most in CEILINGS.items() if re.fullmatch(keys, key)), math.inf)
    if not least <= number <= most:
        raise ModelError(
            f"It cannot be a model: '{key}' in {CONFIG_FILE} is {number:,}, where {max(0, least)} "
            f"to {most:,} are possible. Get the model again, or choose another."
        )


def is_number(value: Any) -> bool:
    """Whether a value from JSON is a number; True and False are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def excerpt(value: Any) -> str:
    """A text or number from a file, short and printable enough for a sentence."""
    letters = (letter if letter.isprintable() else " " for letter in str(value))
    return " ".join("".join(letters).split())[:80]
