"""The memory estimate: what moves it and which way, what fits, and a real run to compare."""

from __future__ import annotations

import subprocess
import sys

import pytest

from engine.estimate import memory
from engine.estimate.case import MemoryInputs
from engine.estimate.memory import estimate_memory
from engine.hardware import GB
from engine.model.info import ModelInfo
from engine.spec.method import MethodSpec
from engine.store.files import PROJECT_FOLDER

pytestmark = pytest.mark.slow
SHAPES = {
    "llama": {"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
        "num_attention_heads": 32,
              "num_key_value_heads": 8, "vocab_size": 128_256},
    "bert": {},
    "gpt2": {},
}  # fmt: skip


def info_of(kind: str, task: str = "write") -> ModelInfo:
    from transformers import AutoConfig

    from engine.work.model.describe import info_from_config

    config = AutoConfig.for_model(kind, **SHAPES[kind])
    return info_from_config(config, task, kind)


@pytest.fixture(scope="module")
def llama() -> ModelInfo:
    return info_of("llama")


def setting(info: ModelInfo, **more: object) -> MemoryInputs:
    method = MethodSpec(kind=more.pop("kind", "lora"), rank=more.pop("rank", 16))
    return MemoryInputs(
        info, method, **({"batch": 2, "length": 1024, "precision": "bf16", "device": "cuda"} | more)
    )


def test_the_fixed_parts_follow_from_the_counts(llama) -> None:
    """Llama 3 8B at rank 16: 8.03 billion weights and 41.9 million in the adapter (published)."""
    found = estimate_memory(setting(llama))
    assert found.weights == 2 * 8_030_261_248
    assert found.adapter == found.gradients == 4 * 41_943_040
    assert found.optimizer == 8 * 41_943_040
    assert found.total == sum(found.model_dump().values())
    full = estimate_memory(setting(llama, kind="full", precision="fp32"))
    assert (full.weights, full.gradients, full.optimizer) == tuple(
        size * 8_030_261_248 for size in (4, 4, 8)
    )
    assert full.adapter == 0
    half = estimate_memory(setting(llama, kind="full"))
    assert (half.gradients, half.optimizer) == (2 * 8_030_261_248, 4 * 8_030_261_248)
    four = estimate_memory(setting(llama, kind="qlora"))
    # 6.98 billion are in linear layers and take half a byte, the embeddings and the head stay in
    # 16 bits.
    assert 5.4 * GB < four.weights < 5.8 * GB


@pytest.mark.parametrize(
    ("more", "part"),
    [
        ({"batch": 4}, "activations"),
        ({"length": 2048}, "activations"),
        ({"batch": 4, "prefer": "dpo"}, "logits"),
        ({"rank": 64}, "adapter"),
        ({"rank": 64}, "optimizer"),
        ({"kind": "dora"}, "activations"),
        ({"precision": "fp32"}, "weights"),
        ({"prefer": "dpo"}, "logits"),
    ],
)
def test_more_needs_more(llama, more: dict, part: str) -> None:
    assert getattr(estimate_memory(setting(llama, **more)), part) > getattr(
        estimate_memory(setting(llama)), part
    )


@pytest.mark.parametrize(
    ("more", "part"),
    [
        ({"checkpointing": True}, "activations"),
        ({"optimizer": "adamw_8bit"}, "optimizer"),
        ({"kind": "qlora"}, "weights"),
    ],
)
def test_what_saves_memory_saves_it_where_it_should(llama, more: dict, part: str) -> None:
    before, after = (
        estimate_memory(setting(llama)).model_dump(),
        estimate_memory(setting(llama, **more)).model_dump(),
    )
    assert after.pop(part) < before.pop(part)
    # Adapters beside 4-bit layers are PEFT's own, which keep more than those beside plain ones.
    for name in ("reserve", *(["activations"] if part == "weights" else [])):
        del before[name], after[name]
    assert all(after[name] <= before[name] for name in before)


@pytest.mark.parametrize("kind", ["lora", "full"])
@pytest.mark.parametrize("name", ["adamw", "adafactor"])
def test_optimizers_keep_as_much_as_the_table_says(kind: str, name: str) -> None:
    """Adafactor keeps a number for each row and column of a matrix, and none for each weight."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.optimization import Adafactor

    from engine.work.model.adapters import apply_method
    from engine.work.model.describe import info_from_config

    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
    config = AutoConfig.for_model("llama", **sizes, vocab_size=500, num_attention_heads=4)
    info = info_from_config(config, "write")
    model = apply_method(AutoModelForCausalLM.from_config(config), MethodSpec(kind=kind), info)
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    options = {"lr": 1e-3, "scale_parameter": False, "relative_step": False}
    optimizer = torch.optim.AdamW(weights) if name == "adamw" else Adafactor(weights, **options)
    for weight in weights:
        weight.grad = torch.ones_like(weight)
    optimizer.step()
    states = [one for state in optimizer.state.values() for one in state.values()]
    kept = sum(one.nbytes for one in states if torch.is_tensor(one))
    each = kept / sum(weight.numel() for weight in weights)
    assert each == pytest.approx(memory.OPTIMIZER_BYTES[name], abs=0.5)


def test_attention_dropout_costs_the_square_of_the_length() -> None:
    """With it the fast kernels cannot be used, so all scores are kept."""
    gpt2 = info_of("gpt2")
    assert gpt2.attention_dropout > 0
    one, two = (
        estimate_memory(setting(gpt2, batch=1, length=length)).activations for length in (512, 1024)
    )
    assert two > 2.5 * one


def test_a_head_alone_keeps_nothing_of_the_body() -> None:
    bert = info_of("bert", "classify")
    head, lora = (
        estimate_memory(setting(bert, kind=kind, length=512)) for kind in ("head", "lora")
    )
    assert head.activations < lora.activations / 4 and head.logits == 0


def test_four_methods_side_by_side_go_down(llama) -> None:
    sizes = [estimate_memory(one).total for one in memory.usual_methods(setting(llama)).values()]
    assert sizes == sorted(sizes, reverse=True) and len(set(sizes)) == 4


@pytest.mark.parametrize("free", [0, 20 * GB, 80 * GB, 10_000 * GB])
def test_the_largest_that_fits_fits_and_the_next_does_not(llama, free: int) -> None:
    asked = setting(llama)
    length, batch = memory.largest_length(asked, free), memory.largest_batch(asked, free)
    for found, name, most in ((length, "length", llama.context), (batch, "batch", 512)):
        assert found == 0 or estimate_memory(asked._replace(**{name: found})).total <= free
        assert found == most or estimate_memory(asked._replace(**{name: found + 1})).total > free


def test_the_peak_is_this_process_own() -> None:
    """A process that a larger one started has that one's peak in its resource usage."""
    words = "from engine.work.memory import memory_gb; print(memory_gb())"
    large = b"x" * GB
    found = subprocess.run(
        [sys.executable, "-c", words],
        capture_output=True,
        text=True,
        check=True,
        cwd=PROJECT_FOLDER,
    )
    assert 0.1 < float(found.stdout) < 0.9 and len(large) == GB


def test_a_real_run_needs_what_was_estimated(trained) -> None:
    """``python -m benchmarks.memory`` compares larger ones; here the libraries are most of it."""
    _, run = trained
    assert run.view().last.memory_gb == pytest.approx(run.view().estimated.memory_gb, rel=0.25)
