"""The own LoRA layers and RMS norms, and 4-bit layers, give what the libraries give."""

from __future__ import annotations

import warnings

import pytest
import torch
from peft.tuners.lora.layer import Linear
from torch.nn.functional import cosine_similarity

from engine.spec.method import MethodSpec
from engine.work.model.adapters import apply_method
from engine.work.model.describe import inspect_model
from engine.work.model.load import DeviceSetup, load_model
from tests.engine.tiny import save_model
from tests.engine.work.kernels.small_models import examples, gradient, model_loss, model_of


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
