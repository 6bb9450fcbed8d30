"""The own kernels give what the libraries give: packing, chunked loss, LoRA and RMSNorm."""

from __future__ import annotations

import random
import warnings
from pathlib import Path

import pytest
import torch
from datasets import Dataset
from peft.tuners.lora.layer import Linear
from torch.nn.functional import cosine_similarity, cross_entropy, scaled_dot_product_attention
from transformers import AutoConfig, AutoModelForCausalLM

from engine.model import local
from engine.spec.method import MethodSpec
from engine.work.encode.tokenizer import load_tokenizer
from engine.work.kernels import cross_entropy as head_loss
from engine.work.kernels import packed_attention, packing, patch
from engine.work.model.adapters import apply_method
from engine.work.model.describe import info_from_config, inspect_model
from engine.work.model.load import DeviceSetup, load_model
from engine.work.train.sft import SftData, make_sft_trainer
from tests.engine.tiny import ARCHITECTURES, config_of, save_model

WRITES = sorted(
    set(ARCHITECTURES)
    - {"bert", "roberta", "distilbert", "electra", "albert", "deberta-v2", "modernbert"}
)
PADDED = {"bloom", "falcon"}  # positions come from the mask


def model_of(
    kind: str, method: MethodSpec | None = None, dtype: torch.dtype = torch.float32, **more
):
    """A small model of an architecture with an adapter that does something."""
    torch.manual_seed(0)
    still = {name: 0.0 for name in vars(config_of(kind)) if "dropout" in name or "pdrop" in name}
    config = config_of(kind, **still | more)
    model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    info = info_from_config(config, "write", kind)
    model = apply_method(model, method or MethodSpec(rank=4), info)
    for name, weights in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights, std=0.05)
    return model.train()


def examples(count: int = 5, longest: int = 60) -> list[dict[str, list[int]]]:
    chance = random.Random(1)
    made = []
    for at in range(count):
        ids = [
            chance.randrange(3, 500)
            for _ in range(longest if at == 1 else chance.randrange(6, longest))
        ]
        made.append({"input_ids": ids, "labels": [-100] * 4 + ids[4:]})
    return made


def model_loss(model, rows: list[dict[str, list[int]]]) -> torch.Tensor:
    """The mean loss over all target tokens, each example by itself, by the model's own code."""
    total, count = torch.zeros(()), 0
    for row in rows:
        logits = (
            model(input_ids=torch.tensor([row["input_ids"]]), use_cache=False)
            .logits[0, :-1]
            .float()
        )
        wanted = torch.tensor(row["labels"][1:])
        total = total + cross_entropy(logits, wanted, ignore_index=-100, reduction="sum")
        count += int((wanted != -100).sum())
    return total / count


def gradient(model, found: torch.Tensor) -> torch.Tensor:
    """All gradients as one vector."""
    model.zero_grad(set_to_none=True)
    found.backward()
    return torch.cat(
        [
            w.grad.flatten().float()
            for w in model.parameters()
            if w.requires_grad and w.grad is not None
        ]
    )


def packed_loss(model, rows: list[dict[str, list[int]]]) -> tuple[packing.Packing, torch.Tensor]:
    chosen = packing.choose_packing(model, rows, [len(row["input_ids"]) for row in rows], len(rows))
    return chosen, packing.packed_loss(
        model, chosen, packed_attention.PackingCollator()(rows) | {"use_cache": False}
    )


@pytest.mark.parametrize("kind", WRITES)
def test_rows_without_padding_give_the_same_loss_and_gradient(kind: str) -> None:
    model, rows = model_of(kind), examples()
    expected = model_loss(model, rows)
    wanted = gradient(model, expected)
    if kind in PADDED:
        chosen = packing.choose_packing(model, rows, [60] * 5, 5)
        assert not chosen.packed and "are padded" in chosen.reasons["batch"]
        assert model.config._attn_implementation != packed_attention.ATTENTION_NAME
        return
    chosen, found = packed_loss(model, rows)
    assert chosen.packed and chosen.chunked_loss, chosen.reasons
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    assert cosine_similarity(gradient(model, found), wanted, dim=0) > 0.9999


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", ["mistral", "gemma3_text"])
def test_layers_that_look_back_only_so_far_do_so_in_a_row_too(
    kind: str, dtype: torch.dtype
) -> None:
    model, rows = model_of(kind, sliding_window=16, dtype=dtype), examples()
    expected = model_loss(model, rows)
    wanted = gradient(model, expected)
    chosen, found = packed_loss(model, rows)
    exact = dtype == torch.float32
    assert chosen.packed
    assert found.item() == pytest.approx(expected.item(), rel=1e-5 if exact else 2e-3)
    assert cosine_similarity(gradient(model, found), wanted, dim=0) > (0.9999 if exact else 0.99)


def test_in_bf16_the_gradient_is_that_of_the_usual_way_but_for_rounding() -> None:
    model, rows = model_of("llama", dtype=torch.bfloat16), examples()
    expected = model_loss(model, rows)
    wanted = gradient(model, expected)
    _, found = packed_loss(model, rows)
    assert found.item() == pytest.approx(expected.item(), rel=2e-3)
    assert cosine_similarity(gradient(model, found), wanted, dim=0) > 0.99


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


@pytest.mark.parametrize(
    ("kind", "taken"), [("llama", 7), ("qwen3", 13), ("gemma", 0), ("gpt2", 0)]
)
def test_norms_that_are_what_they_seem_are_quick_and_say_the_same(kind: str, taken: int) -> None:
    model = model_of(kind)
    quick_ones = [module for module in model.modules() if hasattr(module, "own")]
    assert len(quick_ones) == taken, (
        "two in each of three layers, with qwen3 two more, and one at the end"
    )
    for norm in quick_ones:
        torch.nn.init.uniform_(norm.weight)
        x = torch.randn(2, 7, len(norm.weight), requires_grad=True)
        found, wanted = (torch.autograd.grad(one(x).pow(3).sum(), x)[0] for one in (norm, norm.own))
        torch.testing.assert_close(norm(x), norm.own(x))
        torch.testing.assert_close(found, wanted)


def test_norms_that_are_trained_keep_their_own_way() -> None:
    assert not any(
        hasattr(module, "own") for module in model_of("llama", MethodSpec(kind="full")).modules()
    )


def test_weights_in_fp32_that_are_computed_with_in_bf16_have_their_head_in_bf16_too() -> None:
    model, rows = model_of("llama", MethodSpec(kind="full")), examples()
    with torch.autocast("cpu", torch.bfloat16):
        expected = model_loss(model, rows)
        wanted = gradient(model, expected)
        chosen, found = packed_loss(model, rows)
        got = gradient(model, found)
    assert chosen.chunked_loss
    assert found.item() == pytest.approx(expected.item(), rel=2e-3)
    assert cosine_similarity(got, wanted, dim=0) > 0.99


def test_a_row_that_leaks_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """An attention that goes over the borders gives other logits than each example alone."""
    model, rows = model_of("llama"), examples()
    honest = torch.Tensor.diff
    monkeypatch.setattr(
        torch.Tensor, "diff", lambda borders: honest(borders[[0, -1]])
    )  # one long example
    chosen = packing.choose_packing(model, rows, [60] * 5, 5)
    assert not chosen.packed and "mixes examples" in chosen.reasons["batch"]
    assert model.config._attn_implementation == "sdpa"


@pytest.mark.parametrize("kind", ["llama", "qwen3"])
def test_one_switch_turns_all_kernels_off(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, rows = model_of(kind), examples()
    _, found = packed_loss(model, rows)
    monkeypatch.setattr(patch, "ENABLED", False)
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
    expected = model_loss(model, rows)
    chosen, found = packed_loss(model, rows)
    assert chosen.packed and not chosen.chunked_loss
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)


def test_scores_that_are_scaled_after_the_head_may_be_scaled_before_it() -> None:
    model, rows = model_of("granite", logits_scaling=4.0), examples()
    expected = model_loss(model, rows)
    chosen, found = packed_loss(model, rows)
    assert chosen.chunked_loss
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)


def test_all_weights_the_head_among_them_get_their_gradient_in_pieces(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(head_loss, "LEAST_LOGIT_ROWS", 64)  # tokens at once
    monkeypatch.setattr(head_loss, "LOGITS_AT_ONCE", 1)
    model, rows = model_of("phi", MethodSpec(kind="full")), examples()  # its head has a bias
    expected = model_loss(model, rows)
    wanted = gradient(model, expected)
    chosen, found = packed_loss(model, rows)
    assert chosen.chunked_loss
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    assert cosine_similarity(gradient(model, found), wanted, dim=0) > 0.9999


def test_a_head_that_is_trained_whole_is_trained_in_a_row_too() -> None:
    model, rows = model_of("llama", MethodSpec(rank=4, save=("lm_head",))), examples()
    expected = model_loss(model, rows)
    wanted = gradient(model, expected)
    _, found = packed_loss(model, rows)
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    assert cosine_similarity(gradient(model, found), wanted, dim=0) > 0.9999


def test_computing_again_instead_of_keeping_goes_with_rows() -> None:
    model, rows = model_of("llama"), examples()
    _, found = packed_loss(model, rows)
    wanted = gradient(model, found)
    model.activation_checkpointing_enable({"use_reentrant": False})
    _, again = packed_loss(model, rows)
    assert cosine_similarity(gradient(model, again), wanted, dim=0) > 0.999999


@pytest.mark.parametrize("options", [{}, {"dropout": 0.3}, {"rslora": True}, {"kind": "dora"}])
def test_the_quick_adapter_computes_what_pefts_own_does(options: dict) -> None:
    model, row = model_of("llama", MethodSpec.model_validate({"rank": 4} | options)), examples(1)

    def twice() -> list[torch.Tensor]:
        torch.manual_seed(3)  # of dropout
        found = model_loss(model, row)
        return [found.detach(), gradient(model, found)]

    quickly = twice()
    with model.disable_adapter():
        without = model_loss(model, row).item()
    for module in model.modules():
        if isinstance(module, Linear):
            module.__dict__.pop("forward", None)  # PEFT's own again
    own = twice()
    assert quickly[0].item() == pytest.approx(own[0].item(), rel=1e-6)
    assert cosine_similarity(quickly[1], own[1], dim=0) > 0.999999
    with model.disable_adapter():
        assert model_loss(model, row).item() == without != quickly[0].item()


def test_biases_that_are_trained_learn() -> None:
    model, row = model_of("qwen2", MethodSpec(rank=4, bias="all")), examples(1)
    model_loss(model, row).backward()
    biases = [
        weights
        for name, weights in model.named_parameters()
        if name.endswith("q_proj.base_layer.bias")
    ]
    assert biases and all(bias.grad is not None and bias.grad.abs().sum() > 0 for bias in biases)


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


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory):
    return save_model(
        tmp_path_factory.mktemp("models") / "llama", "llama", hidden_size=128, intermediate_size=256
    )


def steps_in_4_bits(folder, evaluate: bool, keep: bool = True) -> list[float]:
    """Losses of three steps, with or without an evaluation after the first."""
    place, method = (
        DeviceSetup(torch.device("cpu"), torch.bfloat16, ""),
        MethodSpec(kind="qlora", rank=4),
    )
    model = load_model(folder, place, method)
    if not keep:  # as the library has it
        for module in model.modules():
            if type(module).__name__ == "Linear4bit":
                module.support_avx512bf16_for_cpu = True
    torch.manual_seed(0)
    model = apply_method(model, method, inspect_model(str(folder))).train()
    row, found = torch.tensor([examples(1)[0]["input_ids"]]), []
    optimizer = torch.optim.AdamW([w for w in model.parameters() if w.requires_grad], lr=0.05)
    for step in range(3):
        loss = model(input_ids=row, labels=row, use_cache=False).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        found.append(loss.item())
        if evaluate and step == 0:
            model.eval()
            with torch.no_grad():
                model(input_ids=row, use_cache=False)
            model.train()
    return found


def test_in_4_bits_training_after_an_evaluation_goes_on_as_without_one(folder) -> None:
    """On a CPU bitsandbytes repacks weights in eval mode, and that gives wrong gradients."""
    assert steps_in_4_bits(folder, evaluate=True) == steps_in_4_bits(folder, evaluate=False)


def test_the_layout_that_is_kept_away_is_the_one_that_goes_wrong(folder) -> None:
    if not torch.cpu.get_capabilities().get("avx512_bf16"):
        pytest.skip("this processor has no bf16 units, so bitsandbytes repacks nothing")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's, that this layout has no backward pass
        found = steps_in_4_bits(folder, evaluate=True, keep=False)
    assert found != steps_in_4_bits(folder, evaluate=False)
