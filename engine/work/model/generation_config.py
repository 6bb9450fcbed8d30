"""A model's generation config: read so that it loads, asks and can be saved, whatever it says.

transformers refuses to load or to save some settings of published models, such as a temperature
without sampling. Those are left out of the copy in memory; the rest stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from transformers import GenerationConfig

from engine.errors import ModelError
from engine.model import config_json

GENERATION_FILE = "generation_config.json"
# Settings that decide what others mean: they come first, so that of two that contradict each other
# the second is left out.
READ_FIRST = ("do_sample", "num_beams", "use_cache", "return_dict_in_generate")
TOKEN_IDS = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id")
# Numbers that the library accepts in the file and refuses when it generates, and their largest
# value; all are above 0, and floats.
LARGEST = {
    "temperature": float("inf"),
    "repetition_penalty": float("inf"),
    "top_p": 1.0,
    "typical_p": 1.0,
    "min_p": 1.0,
}
# Settings of the caller, and ways to generate that need a second model or code from elsewhere.
NEVER_KEPT = {
    "stop_strings", "return_dict_in_generate", "num_return_sequences", "max_time", "penalty_alpha",
    "dola_layers", "low_memory", "num_beam_groups", "diversity_penalty", "constraints",
    "force_words_ids", "prompt_lookup_num_tokens", "assistant_early_exit", "is_assistant",
    "speculation_type", "use_mtp", "watermarking_config", "compile_config", "token_healing",
    "continuous_batching_config", "guidance_scale", "cache_implementation", "cache_config",
}  # fmt: skip


def read_generation_config(folder: Path) -> tuple[GenerationConfig, list[str]]:
    """A folder's generation config, and the settings that were left out of it, as ``name=value``.

    Where it has none, the settings that older models keep in config.json count.
    """
    known = vars(GenerationConfig())
    try:
        if (folder / GENERATION_FILE).is_file():
            values = config_json.read_json_object(folder / GENERATION_FILE)
        else:
            values = config_json.read_json_object(folder / config_json.CONFIG_FILE)
            part = values.get("text_config")
            values |= part if isinstance(part, dict) else {}
            values = {name: value for name, value in values.items() if name in known}
    except ModelError:
        return GenerationConfig(), [f"all of {GENERATION_FILE}, which is damaged"]
    return make_generation_config(values)


def make_generation_config(values: dict[str, Any]) -> tuple[GenerationConfig, list[str]]:
    """A config of all the values that can be loaded, used and saved; and those that cannot."""
    kept: dict[str, Any] = {}
    left_out = []
    rest = sorted(name for name in values if name not in READ_FIRST and not name.startswith("_"))
    for name in (*READ_FIRST, *rest):
        value = values.get(name)
        if value is None or name == "transformers_version":
            continue
        if _is_usable(name, value) and _can_be_saved(kept | {name: value}):
            kept[name] = float(value) if name in LARGEST else value
        else:
            left_out.append(f"{name}={value!r}")
    return GenerationConfig(**kept), left_out


def set_ends(config: GenerationConfig, ends: Iterable[int]) -> None:
    """Make these tokens end a reply, beside those that the config has."""
    config.eos_token_id = list(dict.fromkeys([*ends, *end_ids(config)])) or None


def end_ids(config: GenerationConfig | None) -> list[int]:
    """The tokens that a config says end a reply."""
    named = config.eos_token_id if config else None
    return [token for token in (named if isinstance(named, list) else [named]) if token is not None]


def _is_usable(name: str, value: Any) -> bool:
    if name in NEVER_KEPT or value in ([], {}):
        return False
    if name in TOKEN_IDS:
        ids = value if isinstance(value, list) and name == "eos_token_id" else [value]
        return all(type(token) is int and token >= 0 for token in ids)
    if name in LARGEST:
        return type(value) in (int, float) and 0 < value <= LARGEST[name]
    return name != "top_k" or (type(value) is int and value >= 0)


def _can_be_saved(values: dict[str, Any]) -> bool:
    """Whether the library takes these values together; it raises whatever its checks meet."""
    try:
        GenerationConfig(**values).validate(strict=True)
    except Exception:
        return False
    return True
