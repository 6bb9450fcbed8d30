"""Packing and the chunked loss give the loss and gradient of each example by itself."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from datasets import Dataset
from torch.nn.functional import cosine_similarity, scaled_dot_product_attention
from transformers import AutoConfig, AutoModelForCausalLM

from engine.model import local
from engine.spec.method import MethodSpec
from engine.work.encode.tokenizer import load_tokenizer
from engine.work.kernels import cross_entropy as head_loss
from engine.work.kernels import layers, packed_attention, packing
from engine.work.train.sft import SftData, make_sft_trainer
from tests.engine.tiny import ARCHITECTURES
from tests.engine.work.kernels.small_models import examples, gradient, model_loss, model_of

WRITES = sorted(
    set(ARCHITECTURES)
    - {"bert", "roberta", "distilbert", "electra", "albert", "deberta-v2", "modernbert"}
)
PADDED = {"bloom", "falcon"}  # positions come from the mask


def packed_loss(model, rows: list[dict[str, list[int]]]) -> tuple[packing.Packing, torch.Tensor]:
    chosen = packing.choose_packing(model, rows, [len(row["input_ids"]) for row in rows], len(rows))
    return chosen, packing.packed_loss(
        model, chosen, packing.PackingCollator()(rows) | {"use_cache": False}
    )


def packed_like_alone(
    model, rows: list[dict[str, list[int]]], rel: float = 1e-5, least: float = 0.9999
) -> packing.Packing:
    """Loss and gradient of the packed row are those of each example by itself."""
    expected = model_loss(model, rows)
    wanted = gradient(model, expected)
    chosen, found = packed_loss(model, rows)
    assert found.item() == pytest.approx(expected.item(), rel=rel)
    assert cosine_similarity(gradient(model, found), wanted, dim=0) > least
    return chosen


@pytest.mark.parametrize("kind", WRITES)
def test_rows_without_padding_give_the_same_loss_and_gradient(kind: str) -> None:
    model, rows = model_of(kind), examples()
    if kind in PADDED:
        chosen = packing.choose_packing(model, rows, [60] * 5, 5)
        assert not chosen.packed and "are padded" in chosen.reasons["batch"]
        assert model.config._attn_implementation != packed_attention.ATTENTION_NAME
        return
    chosen = packed_like_alone(model, rows)
    assert chosen.packed and chosen.chunked_loss, chosen.reasons


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", ["mistral", "gemma3_text"])
def test_layers_that_look_back_only_so_far_do_so_in_a_row_too(
    kind: str, dtype: torch.dtype
) -> None:
    model, rows = model_of(kind, sliding_window=16, dtype=dtype), examples()
    rel, least = (1e-5, 0.9999) if dtype == torch.float32 else (2e-3, 0.99)
    assert packed_like_alone(model, rows, rel, least).packed


def test_in_bf16_the_gradient_is_that_of_the_usual_way_but_for_rounding() -> None:
    packed_like_alone(model_of("llama", dtype=torch.bfloat16), examples(), rel=2e-3, least=0.99)


def test_examples_longer_than_the_plain_products_suit_give_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, rows = model_of("llama", dtype=torch.bfloat16), examples()
    _, short = packed_loss(model, rows)
    monkeypatch.setattr(packed_attention, "SHORT_EXAMPLE", 32)
    packed_attention._causal_bias.cache_clear()
    _, found = packed_loss(model, rows)
    packed_attention._causal_bias.cache_clear()
    assert found.item() == pytest.approx(short.item(), rel=2e-3)


@pytest.mark.parametrize("window", [0, 7])
def test_products_that_reach_beyond_their_example_leave_nothing_of_what_they_find_there(
    window: int,
) -> None:
    torch.manual_seed(0)
    lengths = [5, 33, 64, 1]  # together 103 tokens, with 3 heads
    given = [torch.randn(1, 3, sum(lengths), 16, requires_grad=True) for _ in range(3)]
    found = packed_attention._EagerAttention.apply(*given, lengths, window, 0.25)
    parts = []
    for q, k, v in zip(*(one.split(lengths, dim=2) for one in given), strict=True):
        seen = packed_attention._causal_bias(q.shape[2], window, q.dtype)
        parts.append(scaled_dot_product_attention(q, k, v, seen, scale=0.25).transpose(1, 2))
    wanted = torch.cat(parts, dim=1)
    weights = torch.randn_like(wanted)
    torch.testing.assert_close(found, wanted)
    for one, other in zip(
        *(torch.autograd.grad((out * weights).sum(), given) for out in (found, wanted)), strict=True
    ):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("lengths", [[30, 5, 64, 31, 33, 150, 29], [1, 1], [130, 200, 131]])
@pytest.mark.parametrize("window", [0, 16])
def test_examples_that_go_together_give_the_numbers_of_each_alone(
    lengths: list[int], window: int
) -> None:
    """To the last bit: a run that continues may have other examples beside it."""
    torch.manual_seed(1)
    row = [torch.randn(1, 4, sum(lengths), 64, dtype=torch.bfloat16) for _ in range(3)]
    above = torch.randn(1, sum(lengths), 4, 64, dtype=torch.bfloat16)
    given = [part.clone().requires_grad_() for part in row]
    found = packed_attention._EagerAttention.apply(*given, lengths, window, 0.125)
    found.backward(above)
    for at, length in enumerate(lengths):
        own = slice(sum(lengths[:at]), sum(lengths[: at + 1]))
        alone = [part[:, :, own].clone().requires_grad_() for part in row]
        reply = packed_attention._EagerAttention.apply(*alone, [length], window, 0.125)
        reply.backward(above[:, own])
        assert torch.equal(found[:, own], reply)
        for part, one in zip(given, alone, strict=True):
            assert torch.equal(part.grad[:, :, own], one.grad)


def test_weights_in_fp32_that_are_computed_with_in_bf16_have_their_head_in_bf16_too() -> None:
    model, rows = model_of("llama", MethodSpec(kind="full")), examples()
    with torch.autocast("cpu", torch.bfloat16):
        assert packed_like_alone(model, rows, rel=2e-3, least=0.99).chunked_loss


def test_a_row_that_leaks_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """An attention that goes over the borders gives other logits than each example alone."""
    model, rows = model_of("llama"), examples()
    honest = torch.Tensor.diff
    # One long example.
    monkeypatch.setattr(torch.Tensor, "diff", lambda borders: honest(borders[[0, -1]]))
    chosen = packing.choose_packing(model, rows, [60] * 5, 5)
    assert not chosen.packed and "mixes examples" in chosen.reasons["batch"]
    assert model.config._attn_implementation == "sdpa"


@pytest.mark.parametrize("kind", ["llama", "qwen3"])
def test_one_switch_turns_all_kernels_off(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, rows = model_of(kind), examples()
    _, found = packed_loss(model, rows)
    monkeypatch.setattr(layers, "ENABLED", False)
    model = model_of(kind)
    assert not any("forward" in vars(module) for module in model.modules())
    chosen = packing.choose_packing(model, rows, [60] * 5, 5)
    assert chosen[:2] == (False, False) and "HONE_KERNELS=0" in chosen.reasons["batch"]
    assert found.item() == pytest.approx(model_loss(model, rows).item(), rel=1e-5)


def test_a_model_that_carries_a_state_goes_the_usual_way() -> None:
    config = AutoConfig.for_model(
        "mamba", vocab_size=500, hidden_size=32, num_hidden_layers=2, state_size=8
    )
    chosen = packing.choose_packing(
        AutoModelForCausalLM.from_config(config), examples(), [60] * 5, 5
    )
    assert not chosen.packed


def test_scores_that_the_model_changes_after_its_head_are_computed_at_once() -> None:
    model, rows = model_of("gemma3_text", final_logit_softcapping=0.5), examples()
    chosen = packed_like_alone(model, rows)
    assert chosen.packed and not chosen.chunked_loss


def test_scores_that_are_scaled_after_the_head_may_be_scaled_before_it() -> None:
    model, rows = model_of("granite", logits_scaling=4.0), examples()
    assert packed_like_alone(model, rows).chunked_loss


def test_all_weights_the_head_among_them_get_their_gradient_in_pieces(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(head_loss, "LEAST_LOGIT_ROWS", 64)  # tokens at once
    monkeypatch.setattr(head_loss, "LOGITS_AT_ONCE", 1)
    model, rows = model_of("phi", MethodSpec(kind="full")), examples()  # its head has a bias
    assert packed_like_alone(model, rows).chunked_loss


def test_a_head_that_is_trained_whole_is_trained_in_a_row_too() -> None:
    packed_like_alone(model_of("llama", MethodSpec(rank=4, save=("lm_head",))), examples())


def test_computing_again_instead_of_keeping_goes_with_rows() -> None:
    model, rows = model_of("llama"), examples()
    _, found = packed_loss(model, rows)
    wanted = gradient(model, found)
    model.activation_checkpointing_enable({"use_reentrant": False})
    _, again = packed_loss(model, rows)
    assert cosine_similarity(gradient(model, again), wanted, dim=0) > 0.999999


@pytest.mark.parametrize("kind", ["llama", "bloom"])
def test_the_held_out_loss_is_that_of_all_tokens_in_whatever_batches_they_come(
    kind: str, tmp_path: Path
) -> None:
    rows = [{"input_ids": one["input_ids"], "labels": one["labels"]} for one in examples(5)]
    tokenizer, found = load_tokenizer(local.checked_folder("pocket")), []
    for batch in (1, 2, 5):
        options = {
            "output_dir": str(tmp_path),
            "use_cpu": True,
            "bf16": False,
            "report_to": "none",
            "disable_tqdm": True,
            "activation_checkpointing": False,
        }
        options |= {
            "per_device_train_batch_size": 1,
            "per_device_eval_batch_size": batch,
            "prediction_loss_only": True,
        }
        data = Dataset.from_list(rows)
        trainer = make_sft_trainer(
            model_of(kind),
            tokenizer,
            SftData(data, data, [len(one["input_ids"]) for one in rows]),
            options,
            [],
        )
        found.append(trainer.evaluate()["eval_loss"])
    assert found == pytest.approx([model_loss(model_of(kind).eval(), rows).item()] * 3, rel=1e-5)


def test_batches_in_random_order_waste_what_is_said() -> None:
    assert packing.padding_share([10, 10, 10, 10], 2) == 0
    assert packing.padding_share([30, 10], 2) == pytest.approx(1 / 3)
