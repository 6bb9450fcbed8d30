"""Recommended and other well-known models build to what their authors published."""

from __future__ import annotations

import pytest

from benchmarks.inspect import methods, pefts, published
from engine.model.parameters import count_parameters
from engine.spec import presets
from tests.engine.model.test_parameters import info_of

pytestmark = pytest.mark.slow

KNOWN = {one.name: one for one in presets.known_models()}
PUBLISHED = {name: (task, parameters, config) for name, task, parameters, config in published()}
COUNTED = (
    "google/gemma-3-270m-it", "FacebookAI/roberta-large", "answerdotai/ModernBERT-base",
        "microsoft/deberta-v3-base",
    "Qwen/Qwen1.5-MoE-A2.7B", "mistralai/Mixtral-8x7B-Instruct-v0.1", "Qwen/Qwen2.5-72B-Instruct",
)  # fmt: skip


def config_of(name: str):
    from transformers import AutoConfig

    return AutoConfig.for_model(**PUBLISHED[name][2])


def unused_pooler(name: str, task: str) -> int:
    """Weights that RoBERTa's body publishes and its classifier does not have."""
    width = PUBLISHED[name][2].get("hidden_size", 0)
    return (
        width * (width + 1)
        if task == "classify" and "roberta" in PUBLISHED[name][2]["model_type"]
        else 0
    )


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_config_has_its_published_count(name: str) -> None:
    task, parameters, config = PUBLISHED[name]
    info = info_of(config_of(name), task, name)
    assert info.parameters == sum(info.parts.values()) == parameters - unused_pooler(name, task)
    assert not info.group_reason and set(info.groups["fewest"]) < set(info.groups["all"])
    assert info.layers == next(
        config[key] for key in ("num_hidden_layers", "n_layer", "n_layers") if key in config
    )
    assert info.hidden_size == next(
        config[key] for key in ("hidden_size", "n_embd", "dim") if key in config
    )
    assert info.layers == 1 + max(module.layers[-1] for module in info.modules)


@pytest.mark.parametrize("name", KNOWN)
def test_what_is_said_of_a_recommended_model_holds(name: str) -> None:
    one = KNOWN[name]
    info = info_of(config_of(name), one.task, name)
    assert one.licence and one.good_for.endswith(".") and "/" in one.name
    assert one.gated == (one.licence in ("gemma", "llama2", "llama3.1", "llama3.2"))
    assert one.task in info.tasks and info.dtype == one.config["dtype"]
    size = one.parameters * (4 if info.dtype == "float32" else 2) / 1e9
    assert size - 0.06 <= one.gigabytes <= 1.3 * size  # an encoder's file holds its head as well
    limit = one.config.get("max_position_embeddings", one.config.get("n_positions"))
    assert info.context == limit - (2 if "roberta" in info.model_type else 0)
    assert info.tied == (one.task == "write" and one.config.get("tie_word_embeddings", info.tied))


@pytest.mark.parametrize("name", COUNTED)
def test_published_models_count_as_peft_counts(name: str) -> None:
    info = info_of(config_of(name), PUBLISHED[name][0], name)
    for words, method in methods(info).items():
        assert count_parameters(info, method, 3)[:2] == pefts(config_of(name), info, method), words
