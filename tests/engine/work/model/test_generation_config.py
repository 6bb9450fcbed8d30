"""Generation configs that transformers refuses to load, to save or to use: the rest is kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, GenerationConfig

from engine.work.model.generation_config import read_generation_config, set_ends
from tests.engine.tiny import config_of

ENDS = {"bos_token_id": 1, "eos_token_id": [2, 3]}


@pytest.fixture(scope="module")
def model() -> Any:
    return AutoModelForCausalLM.from_config(config_of("llama", 320, num_hidden_layers=1)).eval()


def read(folder: Path, values: Any, name: str = "generation_config.json") -> tuple[dict, list[str]]:
    (folder / name).write_text(values if isinstance(values, str) else json.dumps(values))
    config, left_out = read_generation_config(folder)
    set_ends(config, [4])
    config.save_pretrained(folder / "saved")  # raises for what it does not take
    again = GenerationConfig.from_pretrained(folder / "saved")
    saved = {key: value for key, value in again.to_diff_dict().items() if key in values}
    return saved, sorted(text.partition("=")[0] for text in left_out)


@pytest.mark.parametrize(
    ("values", "left_out"),
    [
        (
            {"do_sample": False, "temperature": 0.6, "top_p": 0.9, "top_k": 20},
            ["temperature", "top_k", "top_p"],
        ),
        ({"temperature": 0.6, "top_p": 0.9}, ["temperature", "top_p"]),
        ({"do_sample": True, "temperature": 0.6, "top_p": 0.9}, []),
        ({"do_sample": True, "temperature": -0.5, "top_p": 1.5}, ["temperature", "top_p"]),
        ({"do_sample": True, "temperature": "0.6"}, ["temperature"]),
        ({"do_sample": True, "temperature": 0.0}, ["temperature"]),
        ({"early_stopping": True, "length_penalty": 0.8}, ["early_stopping", "length_penalty"]),
        ({"num_beams": 4, "early_stopping": True, "length_penalty": 0.8}, []),
        ({"num_return_sequences": 3}, ["num_return_sequences"]),
        ({"max_new_tokens": 0}, ["max_new_tokens"]),
        ({"max_new_tokens": -5, "repetition_penalty": 1.2}, ["max_new_tokens"]),
        ({"repetition_penalty": 0}, ["repetition_penalty"]),
        ({"pad_token_id": -1}, ["pad_token_id"]),
        ({"cache_implementation": "unheard of"}, ["cache_implementation"]),
        ({"output_scores": True}, ["output_scores"]),
        ({"return_dict_in_generate": True}, ["return_dict_in_generate"]),
        ({"stop_strings": ["END"]}, ["stop_strings"]),
        ({"streamer": "x", "top_k": 50}, ["streamer"]),
        ({"suppress_tokens": [7], "forced_eos_token_id": 7}, ["suppress_tokens"]),
        ({"watermarking_config": {"odd": 1}}, ["watermarking_config"]),
        ({"do_sample": True, "temperature": 2, "repetition_penalty": 2}, []),
        ({"bad_words_ids": [], "suppress_tokens": [7]}, ["bad_words_ids"]),
        ({"penalty_alpha": 0.6, "repetition_penalty": 1.1}, ["penalty_alpha"]),
        ({"prompt_lookup_num_tokens": 3, "no_repeat_ngram_size": 3}, ["prompt_lookup_num_tokens"]),
        ({"num_beams": 4, "num_beam_groups": 2}, ["num_beam_groups"]),
        ({"do_sample": True, "top_k": -1}, ["top_k"]),
        ({"do_sample": True, "top_k": 0, "max_length": 20}, []),
    ],
)  # fmt: skip
def test_what_cannot_be_saved_is_left_out_and_the_rest_kept(
    tmp_path, model, values, left_out
) -> None:
    saved, found = read(tmp_path, ENDS | values)
    assert found == left_out
    kept = {key: value for key, value in values.items() if key not in left_out}
    assert saved == kept | ENDS | {"eos_token_id": [4, 2, 3]}
    model.generation_config = GenerationConfig.from_pretrained(tmp_path / "saved")
    ids = torch.tensor([[5, 6]])
    for options in ({}, {"do_sample": True}):
        made = model.generate(ids, attention_mask=ids > 0, **{"max_new_tokens": 3} | options)
        assert made.shape[0] == 1


@pytest.mark.parametrize("eos", ["</s>", -1, [], [2, "x"], {"id": 2}, True])
def test_an_end_that_is_no_token_is_left_out(tmp_path, eos) -> None:
    saved, found = read(tmp_path, {"eos_token_id": eos})
    assert saved == {"eos_token_id": [4]} and found == ["eos_token_id"]


@pytest.mark.parametrize("text", ["[]", "{", "null", ""])
def test_a_damaged_file_counts_as_none(tmp_path, text) -> None:
    (tmp_path / "generation_config.json").write_text(text)
    config, left_out = read_generation_config(tmp_path)
    assert config.to_diff_dict().keys() <= {"transformers_version"} and "damaged" in left_out[0]


@pytest.mark.parametrize("nested", [False, True])
def test_older_models_keep_their_settings_in_the_config(tmp_path, nested) -> None:
    values = {"num_beams": 1, "do_sample": False, "temperature": 0.7, "eos_token_id": 5}
    config = {"model_type": "llama", "hidden_size": 8} | ({} if nested else values)
    config |= {"text_config": values} if nested else {}
    (tmp_path / "config.json").write_text(json.dumps(config))
    found, left_out = read_generation_config(tmp_path)
    assert found.eos_token_id == 5 and left_out == ["temperature=0.7"]
    assert not hasattr(found, "hidden_size")
