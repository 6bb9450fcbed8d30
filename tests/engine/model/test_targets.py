"""Target groups: the table holds for every architecture, or a fallback states its reason."""

from __future__ import annotations

import pytest

from engine.errors import ModelError, SpecError
from engine.model.info import LinearModule, _load_architectures, target_groups
from engine.model.parameters import count_parameters
from engine.spec.method import MethodSpec
from tests.engine.model.test_parameters import info_of, pefts, tasks
from tests.engine.tiny import ARCHITECTURES, config_of

pytestmark = pytest.mark.slow

LLAMA = ("q_proj v_proj", "q_proj k_proj v_proj o_proj")
BERT = ("query value", "query key value dense")
FUSED = ("query_key_value", "query_key_value dense")
USUAL = {
    **dict.fromkeys(["llama", "mistral", "qwen2", "qwen3", "gemma", "gemma3_text", "glm"], LLAMA),
    **dict.fromkeys(["mixtral", "qwen3_moe"], LLAMA),
    "phi3": ("qkv_proj", "qkv_proj o_proj"),
    "phi": ("q_proj v_proj", "q_proj k_proj v_proj dense"),
    "gpt2": ("c_attn", "c_attn c_proj"),
    **dict.fromkeys(["gpt_neox", "falcon", "bloom"], FUSED),
    "opt": ("q_proj v_proj", "q_proj k_proj v_proj out_proj"),
    **dict.fromkeys(["bert", "roberta", "electra", "albert"], BERT),
    "distilbert": ("q_lin v_lin", "q_lin k_lin v_lin out_lin"),
    "deberta-v2": ("query_proj value_proj", "query_proj key_proj value_proj dense"),
    "modernbert": ("Wqkv", "Wqkv Wo"),
}
# Not in the tiny collection: the library's defaults.
OTHERS = {
    **dict.fromkeys(["gemma2", "smollm3", "cohere", "olmo2", "qwen3_5_text"], LLAMA),
    "gptj": ("q_proj v_proj", "q_proj k_proj v_proj out_proj"),
    "mpt": ("Wqkv", "Wqkv out_proj"),
    "deepseek_v3": ("q_b_proj kv_b_proj", "q_a_proj q_b_proj kv_a_proj_with_mqa kv_b_proj o_proj"),
    "mpnet": ("q v", "q k v o"),
    "deberta": ("in_proj", "in_proj dense"),
    "ctrl": ("Wq Wv", "Wq Wk Wv dense"),
    "xlm-roberta": BERT,
}


def names(groups: dict[str, tuple[str, ...]], name: str) -> set[str]:
    return set(groups[name])


def default_info(kind: str, **more):
    from transformers import AutoConfig

    from engine.work.model.structure import tasks_of

    config = AutoConfig.for_model(kind, **more)
    return info_of(config, tasks_of(config)[0], kind)


def test_the_table_names_every_tiny_architecture() -> None:
    assert set(USUAL) == set(ARCHITECTURES)


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_the_usual_groups_work_out_of_the_box(kind: str) -> None:
    fewest, attention = USUAL[kind]
    for task in tasks(kind):
        info = info_of(config_of(kind), task)
        assert names(info.groups, "fewest") == set(fewest.split())
        assert names(info.groups, "attention") == set(attention.split())
        assert info.groups["all"] == info.resolve_targets(("all-linear",))
        assert names(info.groups, "attention") <= {module.name for module in info.modules}
        assert not info.group_reason


@pytest.mark.parametrize("kind", OTHERS)
def test_and_for_others(kind: str) -> None:
    fewest, attention = OTHERS[kind]
    info = default_info(kind)
    assert names(info.groups, "fewest") >= set(fewest.split())
    assert names(info.groups, "attention") >= set(attention.split())
    assert not info.group_reason


def test_every_entry_of_the_table_is_of_a_real_architecture() -> None:
    table = _load_architectures()
    for kind in set(table) - {"default"}:
        info = default_info(kind)
        missing = {name for group in table[kind].values() for name in group} - {
            module.name for module in info.modules
        }
        assert not missing, kind
        assert set(table[kind]["fewest"]) <= set(table[kind]["attention"])


@pytest.mark.parametrize("kind", ["mamba", "xlnet", "fnet"])
def test_what_is_unknown_falls_back_to_all_linear_with_the_reason(kind: str) -> None:
    info = default_info(kind, num_hidden_layers=2)
    assert info.groups["fewest"] == info.groups["attention"] == info.groups["all"] != ()
    assert f"does not know the attention layers of this architecture ({kind})" in info.group_reason
    assert "all linear layers" in info.group_reason


def test_names_outside_the_attention_do_not_count() -> None:
    strange = [
        LinearModule(name="value", path="h.*.mixer.value", ins=8, outs=8, layers=(0,), part="mlp")
    ]
    groups, reason = target_groups("strange", strange)
    assert groups == dict.fromkeys(("fewest", "attention", "all"), ("value",))
    assert "(strange)" in reason


# Layers that PEFT cannot adapt alone


@pytest.mark.parametrize(
    ("kind", "name", "why"),
    [
        ("mamba", "out_proj", "would skip an adapter"),
        ("deepseek_v3", "gate_proj", "would mean the experts"),
        ("qwen2_moe", "shared_expert_gate", "only 1 wide"),
        ("phimoe", "router", "only 16 wide"),
        ("reformer", "dense", "other parts of the model have the same name"),
    ],
)
def test_layers_that_can_get_no_adapter_are_left_out_and_say_why(
    kind: str, name: str, why: str
) -> None:
    info = default_info(kind, num_hidden_layers=4) if kind != "reformer" else default_info(kind)
    assert name not in info.resolve_targets(("all-linear",)) and name not in info.groups["all"]
    assert why in next(module.refused for module in info.modules if module.name == name)
    with pytest.raises(ModelError, match=why):
        info.resolve_targets([name])


@pytest.mark.parametrize(
    "kind", ["deepseek_v3", "qwen2_moe", "mamba", "ctrl", "blt", "zamba2", "reformer"]
)
def test_all_linear_counts_as_peft_counts_where_names_mean_more(kind: str) -> None:
    import torch
    from transformers import AutoConfig

    info, method = default_info(kind), MethodSpec(rank=8)
    ours = count_parameters(info, method, 3)
    with torch.device("meta"):
        assert pefts(AutoConfig.for_model(kind), info.task, method, info, 3) == (
            ours.trainable,
            ours.total,
        )


def test_experts_that_every_token_passes_count_as_the_mlp() -> None:
    info = default_info("deepseek_v3", num_hidden_layers=4)
    assert {module.part for module in info.modules if "shared_experts" in module.path} == {"mlp"}
    assert info.parts["experts"] > info.parts["mlp"] > 0 and info.experts == 256


@pytest.mark.parametrize("kind", ["roformer", "afmoe"])
def test_weights_that_never_train_are_not_counted_as_training(kind: str) -> None:
    import torch
    from transformers import AutoConfig

    info, full = default_info(kind), MethodSpec(kind="full")
    ours = count_parameters(info, full, 3)
    with torch.device("meta"):
        assert pefts(AutoConfig.for_model(kind), info.task, full, info, 3) == (
            ours.trainable,
            ours.total,
        )
    assert 0 < info.frozen == ours.total - ours.trainable


def test_layers_of_a_plain_list_are_called_by_their_list() -> None:
    assert {"ffn.0", "ffn.2"} <= set(default_info("ctrl").groups["all"])


def test_a_model_without_linear_layers_says_what_to_choose() -> None:
    with pytest.raises(SpecError, match="no linear layers for an adapter"):
        count_parameters(default_info("ibert"), MethodSpec())
