"""Trainable weights from the config alone equal PEFT's count on the real structure."""

from __future__ import annotations

import random

import pytest

from engine.errors import ModelError, SpecError
from engine.model.info import ModelInfo
from engine.model.parameters import count_parameters
from engine.spec.method import MethodSpec
from tests.engine.tiny import ARCHITECTURES, config_of

pytestmark = pytest.mark.slow

ROBERTA = {
    "vocab_size": 50265,
    "max_position_embeddings": 514,
}  # the published ones, which are not the defaults


def info_of(config, task: str = "write", name: str = "m") -> ModelInfo:
    from engine.work.model.describe import info_from_config

    return info_from_config(config, task, name)


def tasks(kind: str) -> tuple[str, ...]:
    from engine.work.model.structure import tasks_of

    return tasks_of(config_of(kind))


def pefts(config, task: str, method: MethodSpec, info: ModelInfo, labels: int) -> tuple[int, int]:
    """What PEFT counts once the adapter really stands beside the model."""
    from engine.work.model.adapters import apply_method, parameter_counts
    from engine.work.model.structure import AUTO_CLASSES

    config.num_labels = labels
    return parameter_counts(apply_method(AUTO_CLASSES[task].from_config(config), method, info))


def draw_method(draw: random.Random, info: ModelInfo, task: str) -> MethodSpec:
    names = list(info.resolve_targets(("all-linear",)))
    kinds = ["lora", "lora", "dora", "full"] + (["head"] if task == "classify" else [])
    targets = tuple(draw.sample(names, draw.randint(1, len(names))))
    return MethodSpec(
        kind=draw.choice(kinds),
        rank=draw.randint(1, 16),
        targets=targets,
        bias=draw.choice(["none", "lora_only", "all"]),
        layers=draw.choice(["", "0-1", "2"]),
        rslora=draw.random() < 0.3,
        save=(draw.choice(list(info.saveable)),) if draw.random() < 0.3 and info.saveable else (),
        ranks={targets[0]: 3} if draw.random() < 0.3 else {},
    )


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_every_method_counts_as_peft_counts(kind: str) -> None:
    draw, compared = random.Random(kind), 0
    for task in tasks(kind):
        info = info_of(config_of(kind), task)
        for _ in range(8):
            method, labels = draw_method(draw, info, task), draw.randint(2, 5)
            try:
                ours = count_parameters(info, method, labels)
            except SpecError as error:  # the drawn targets are not in the drawn layers
                assert "none of them is in the chosen layers" in str(
                    error
                ) or "gets no adapter" in str(error)
                continue
            assert (ours.trainable, ours.total) == pefts(
                config_of(kind), task, method, info, labels
            ), method
            compared += 1
    assert compared >= 4


@pytest.mark.parametrize(
    ("kind", "shape", "task", "targets", "rank", "labels", "adapter", "trainable"),
    [
        ("roberta", ROBERTA, "classify", ("query", "value"), 8, 3, 294_912, 887_811),
        ("bert", {}, "classify", ("query", "value"), 8, 3, 294_912, 297_219),
        ("distilbert", {}, "classify", ("q_lin", "v_lin"), 4, 3, 73_728, 666_627),
        ("distilbert", {}, "classify", ("q_lin", "v_lin"), 8, 3, 147_456, 740_355),
        ("distilbert", {}, "classify", ("q_lin", "v_lin"), 16, 3, 294_912, 887_811),
        ("gpt2", {}, "write", ("c_attn",), 8, 0, 294_912, 294_912),
        ("gpt2", {}, "write", ("c_attn", "c_proj"), 8, 0, 811_008, 811_008),
        ("llama", {}, "write", ("q_proj", "v_proj"), 8, 0, 4_194_304, 4_194_304),
        ("llama", {}, "write", ("all-linear",), 16, 0, 39_976_960, 39_976_960),
    ],
)  # fmt: skip
def test_known_numbers(  # noqa: PLR0913  the columns of the table
    kind, shape, task, targets, rank, labels, adapter, trainable
) -> None:
    """The library's defaults are the published configs: RoBERTa, BERT, GPT-2, Llama 7B, others."""
    from transformers import AutoConfig

    info = info_of(AutoConfig.for_model(kind, **shape), task)
    found = count_parameters(info, MethodSpec(rank=rank, targets=targets), labels)
    assert (found.adapter, found.trainable) == (adapter, trainable)


def test_a_768_by_768_layer_at_rank_8_has_12288_weights() -> None:
    from engine.model.info import LinearModule

    layer = LinearModule(name="query", path="encoder.*.query", ins=768, outs=768, layers=(0,))
    assert layer.lora_parameters(8) == 12_288


def test_what_does_not_fit_the_model_is_named_all_at_once() -> None:
    info = info_of(config_of("llama"), name="Tiny")
    wrong = MethodSpec(rank=200, layers="1-7", ranks={"qproj": 4}, save=("norm",))
    with pytest.raises(SpecError) as error:
        count_parameters(info, wrong)
    text = str(error.value)
    assert "Tiny has 3 layers, counted from 0 to 2; '1-7' asks for others" in text
    assert "q_proj is only 64 wide, so a rank of 200 is no adapter for it" in text
    assert "qproj gets no adapter" in text
    assert "Tiny has no norm" in text and "It has: embed_tokens, lm_head" in text


def test_targets_that_match_nothing_are_named_with_those_that_there_are() -> None:
    with pytest.raises(ModelError, match=r"no module called c_attn\. It has: q_proj, k_proj"):
        count_parameters(info_of(config_of("llama")), MethodSpec(targets=("c_attn",)))


def test_an_encoder_cannot_write_and_says_what_it_can() -> None:
    with pytest.raises(ModelError, match=r"does not write one\. It can choose labels"):
        info_of(config_of("bert"))


def test_parts_add_up_to_the_published_totals() -> None:
    """Counts as published for these models; tied weights once."""
    from transformers import AutoConfig

    published = {
        "gpt2": 124_439_808,
        "llama": 6_738_415_616,
        "mistral": 7_241_732_096,
        "phi3": 3_821_079_552,
    }
    for kind, total in published.items():
        info = info_of(AutoConfig.for_model(kind))
        assert info.parameters == sum(info.parts.values()) == total, kind
