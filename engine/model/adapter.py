"""An adapter that another program made with PEFT: what its files say, and whether a model fits it.

Only its config and the header of its weights are read, both with limits. Hone keeps a config of its
own (``plain_config``), made from the numbers and the known names in the original: no library
matches a pattern or imports a module that a stranger wrote there.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from engine.errors import ModelError
from engine.model import config_json, weights
from engine.model.adapter_files import CONFIG_BYTES, CONFIG_NAME, WEIGHTS_NAME, require_files
from engine.spec.objective import Task

MERGE_INSTEAD = (
    "Merge it with the program that made it, and choose the merged model on the Model tab."
)
# Fields of PEFT's LoraConfig that Hone follows; and those that it can do without, since the weights
# say the same or they matter during training only.
FOLLOWED = {
    "r", "lora_alpha", "lora_dropout", "bias", "use_rslora", "use_dora", "modules_to_save",
    "alpha_pattern", "ensure_weight_tying", "peft_type", "task_type", "init_lora_weights",
    "base_model_name_or_path", "peft_version",
}  # fmt: skip
NOT_NEEDED = {
    "auto_mapping", "revision", "inference_mode", "target_modules", "exclude_modules",
    "layers_to_transform", "layers_pattern", "rank_pattern", "fan_in_fan_out", "loftq_config",
    "eva_config", "megatron_config", "megatron_core", "runtime_config", "qalora_group_size",
}  # fmt: skip
# Starts that leave the base weights as they are; after any other the adapter fits changed ones.
PLAIN_STARTS = (True, False, None, "gaussian", "orthogonal", "eva")
TASKS: dict[str, Task] = {"CAUSAL_LM": "write", "SEQ_CLS": "classify"}
HEAD_NAMES = ("score", "classifier", "pre_classifier")
PLAIN_KEY = re.compile(r"\^?[\w.]{1,200}")  # a key of alpha_pattern that is a plain name
LARGEST_NUMBER = 2**31  # a JSON file may hold one that no float can
OUTER, MATRIX = "base_model.model.", re.compile(r"(.+)\.lora_(A|B)\.weight")
MAGNITUDE = re.compile(r"(.+)\.lora_magnitude_vector")


class Matrices(NamedTuple):
    """The sizes of the two small matrices beside one layer."""

    rank: int
    ins: int
    outs: int


class ForeignAdapter(NamedTuple):
    """An adapter as its files describe it."""

    base_name: str  # of its base model, as its config says; may be empty
    made_with: str  # the version of PEFT; may be empty
    task: Task
    rank: int
    alpha: int
    dropout: float
    rslora: bool
    dora: bool
    bias: str
    keeps_tied: bool  # embeddings and output head were trained as one
    matrices: dict[str, Matrices]  # path of a layer -> its matrices
    alphas: dict[str, float]  # path of a layer -> its own alpha, where it has one
    saved: dict[str, int]  # modules that were trained in full -> their numbers


def read_adapter(files: Mapping[str, Path], name: str) -> ForeignAdapter:
    """What these files, by name, hold; raises ModelError for what Hone cannot use."""
    try:
        require_files(files)
        config = config_json.read_json_object(files[CONFIG_NAME], CONFIG_BYTES)
        shapes = weights.read_shapes(files[WEIGHTS_NAME])
        return _describe(config, shapes)
    except ModelError as error:
        text = str(error).replace("Get the model again", "Get the adapter again")
        raise ModelError(f"'{name}' cannot be added. {text}") from None
    except OSError as error:
        why = error.strerror or "the disk failed"
        raise ModelError(f"'{name}' cannot be read ({why}). Copy it to another place.") from None


def _describe(config: dict[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> ForeignAdapter:
    _refuse_other_kinds(config)
    matrices, rest = _read_matrices(shapes, bool(config.get("use_dora")))
    saved = _read_saved(rest, config)
    alpha, dropout = _whole(config, "lora_alpha", 8), config.get("lora_dropout", 0.0)
    guessed: Task = "classify" if any(name in saved for name in HEAD_NAMES) else "write"
    return ForeignAdapter(
        base_name=_text(config, "base_model_name_or_path"),
        made_with=_text(config, "peft_version")[:20],
        task=TASKS.get(_text(config, "task_type"), guessed),
        rank=_whole(config, "r", 8),
        alpha=alpha,
        dropout=float(min(max(dropout, 0), 0.5)) if config_json.is_number(dropout) else 0.0,
        rslora=config.get("use_rslora") is True,
        dora=config.get("use_dora") is True,
        bias=_bias(config),
        keeps_tied=config.get("ensure_weight_tying") is True,
        matrices=matrices,
        alphas=_read_alphas(config.get("alpha_pattern") or {}, matrices, alpha),
        saved=saved,
    )


def _refuse_other_kinds(config: dict[str, Any]) -> None:
    kind, task = config.get("peft_type"), config.get("task_type")
    if kind != "LORA":
        said = config_json.excerpt(kind or "not named")
        raise ModelError(f"It is an adapter of the kind '{said}'; Hone opens LoRA. {MERGE_INSTEAD}")
    if task is not None and str(task) not in TASKS:
        raise ModelError(
            f"It was made for a task that Hone does not train ('{config_json.excerpt(task)}'). "
            "Choose another adapter."
        )
    start = config.get("init_lora_weights", True)
    if not any(start is one or start == one for one in PLAIN_STARTS):
        raise ModelError(
            f"It began by changing the weights of its base model ('{config_json.excerpt(start)}'), "
            f"so it does not fit the base model as it is. {MERGE_INSTEAD}"
        )
    for key, value in config.items():
        if value and key not in FOLLOWED and key not in NOT_NEEDED:
            raise ModelError(
                f"It uses '{config_json.excerpt(key)}', which Hone does not know how to follow. "
                f"{MERGE_INSTEAD}"
            )


def _read_matrices(
    shapes: Mapping[str, tuple[int, ...]], dora: bool
) -> tuple[dict[str, Matrices], dict[str, tuple[int, ...]]]:
    """The pairs of matrices by layer, and the tensors that are none."""
    pairs: dict[str, dict[str, tuple[int, ...]]] = {}
    rest: dict[str, tuple[int, ...]] = {}
    sizes: set[str] = set()
    for key, shape in shapes.items():
        name = key.removeprefix(OUTER)
        if found := MATRIX.fullmatch(name):
            pairs.setdefault(found[1], {})[found[2]] = shape
        elif found := MAGNITUDE.fullmatch(name):
            sizes.add(found[1])
        else:
            rest[name] = shape
    if embedded := [name for name in rest if ".lora_embedding_" in name]:
        layer = embedded[0].partition(".lora_")[0].rpartition(".")[2][:60]
        raise ModelError(
            f"It changes the embeddings by LoRA ({layer}), which Hone cannot merge correctly. "
            f"{MERGE_INSTEAD}"
        )
    if dora and sizes != set(pairs):
        raise ModelError("Some of its sizes (DoRA) are missing. Get the adapter again.")
    matrices = {}
    for path, both in pairs.items():
        a, b = both.get("A", ()), both.get("B", ())
        if len(a) != 2 or len(b) != 2 or a[0] != b[1]:
            raise ModelError(
                f"Its two matrices beside {path[:100]} do not fit each other. Get the adapter "
                "again."
            )
        matrices[path] = Matrices(a[0], a[1], b[0])
    if not matrices:
        raise ModelError(f"Its {WEIGHTS_NAME} holds no LoRA matrices. Get the adapter again.")
    return matrices, rest


def _read_saved(rest: Mapping[str, tuple[int, ...]], config: dict[str, Any]) -> dict[str, int]:
    """The modules trained in full; raises ModelError for tensors that belong to nothing."""
    named = config.get("modules_to_save")
    named = named if isinstance(named, list) else []
    found = Counter[str]()
    for key, shape in rest.items():
        path, _, leaf = key.rpartition(".")
        if module := next((part for part in path.split(".") if part in named), ""):
            found[module] += math.prod(shape)
        elif leaf != "bias" or _bias(config) == "none":
            raise ModelError(
                f"It brings its own '{(path or key)[:100]}' (tokens may have been added to its "
                f"base model), so it does not fit that model as it is. {MERGE_INSTEAD}"
            )
    return found


def _read_alphas(patterns: Any, matrices: Mapping[str, Matrices], alpha: int) -> dict[str, float]:
    """The alpha of each layer that has one of its own, by PEFT's rule: the first name that fits."""
    if not isinstance(patterns, dict):
        raise ModelError("Its alpha_pattern is no list of names and numbers.")
    for key, value in patterns.items():
        usable = config_json.is_number(value) and 0 < value <= 1024
        if not usable or not PLAIN_KEY.fullmatch(key):
            raise ModelError(
                f"Its alpha_pattern says '{config_json.excerpt(key)}', which is no plain name of a "
                f"layer with a number. {MERGE_INSTEAD}"
            )
    own = {}
    for path in matrices:
        fits = (float(value) for key, value in patterns.items() if _is_named(path, key))
        own[path] = next(fits, float(alpha))
    return {path: value for path, value in own.items() if value != alpha}


def _is_named(path: str, key: str) -> bool:
    return path == key[1:] if key.startswith("^") else f".{path}".endswith(f".{key}")


def _whole(config: dict[str, Any], key: str, default: int) -> int:
    value = config.get(key, default)
    usable = config_json.is_number(value) and abs(value) < LARGEST_NUMBER
    if not usable or value != int(value):
        raise ModelError(
            f"Its {key} is '{config_json.excerpt(value)}' and should be a whole number. "
            f"{MERGE_INSTEAD}"
        )
    return int(value)


def _bias(config: dict[str, Any]) -> str:
    value = config.get("bias", "none")
    return value if value in ("none", "all", "lora_only") else "none"


def _text(config: dict[str, Any], key: str) -> str:
    value = config.get(key)
    return value[:300] if isinstance(value, str) and value.isprintable() else ""
