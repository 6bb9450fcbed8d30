"""Private parts of other libraries that Hone uses: after an upgrade, this says what moved."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch.nn import functional
from transformers import AutoModelForCausalLM, Trainer

from engine.work import compat
from engine.work.train.checkpoint_check import find_state_problem
from tests.engine.tiny import config_of

JINJA = (
    "{% for message in messages %}{% generation %}{{ message.content }}{% endgeneration %}"
    "{% endfor %}"
)

# Methods of other libraries' classes that Hone's trainers override. Where the library renames
# one, nothing fails: the override is simply never called again.
OVERRIDDEN: dict[str, tuple[str, ...]] = {
    "transformers.Trainer": (
        "_get_grad_norm",  # a gradient that is not finite ends the run before the step
        "_load_from_checkpoint",  # whole models keep the names that saving gave them
        "_save",  # how the result is asked, or what the outputs of its head stand for
        "create_model_card",  # written at export, not with each checkpoint
        "evaluation_loop",
        "prediction_step",
        "training_step",
    ),
    "trl.DPOTrainer": ("_prepare_dataset", "log"),  # the examples are tokens already
    "trl.KTOTrainer": ("_prepare_dataset",),
    "trl.experimental.orpo.ORPOTrainer": (
        "concatenated_forward",  # the loss of the chosen answer, without its question
        "get_batch_logps",
        "log",
        "tokenize_row",
    ),
}


@pytest.mark.parametrize("name", OVERRIDDEN)
def test_every_method_that_is_overridden_is_still_there(name: str) -> None:
    module, _, kind = name.rpartition(".")
    owner = getattr(import_module(module), kind)
    missing = [method for method in OVERRIDDEN[name] if not hasattr(owner, method)]
    assert not missing, f"{name} no longer calls {missing}: Hone's overrides have no effect"


def test_trainer_calls_what_is_overridden_as_before() -> None:
    expected = {
        "_get_grad_norm": ["self", "model", "grad_norm"],
        "_load_from_checkpoint": ["self", "resume_from_checkpoint", "model"],
        "_save": ["self", "output_dir", "state_dict"],
    }
    for method, names in expected.items():
        found = list(inspect.signature(getattr(Trainer, method)).parameters)
        assert found == names, f"transformers.Trainer.{method} takes {found}"
    source = inspect.getsource(Trainer)
    for method in expected:
        assert source.count(f"self.{method}(") >= 1, f"transformers.Trainer never calls {method}"


def test_a_template_compiles_with_generation_marks() -> None:
    messages = [{"role": "assistant", "content": "Hi.", "reasoning": "It is polite."}]
    template = compat.compile_chat_template(JINJA)
    assert template.render(messages=compat.template_messages(messages)) == "Hi."
    assert template.environment.sandboxed, "a template may run any code"
    assert compat.template_data([{"name": "search"}]) == [{"name": "search"}]
    reasons = compat.template_messages(messages)[0]
    assert reasons["reasoning_content"] == "It is polite.", "the families' names for reasoning"


def test_a_model_says_how_it_attends() -> None:
    config = config_of("llama")
    config._attn_implementation = "eager"
    compat.use_default_attention(config)
    model = AutoModelForCausalLM.from_config(config)
    assert compat.attention_of(model) == "sdpa"
    assert compat.takes_own_attention(model) and not compat.is_stateful(model)
    assert compat.is_stateful(AutoModelForCausalLM.from_config(config_of("mamba")))


def test_peft_refuses_layers_of_mamba_and_knows_an_adapter_without_matrices() -> None:
    model = AutoModelForCausalLM.from_config(config_of("mamba"))
    with pytest.raises(ValueError, match="Mamba"):
        compat.convert_targets(LoraConfig(target_modules=["out_proj"]), model, "out_proj")
    llama = AutoModelForCausalLM.from_config(config_of("llama"))
    wanted = LoraConfig(target_modules=["q_proj"])
    compat.convert_targets(wanted, llama, "q_proj")
    assert wanted.target_modules == {"q_proj"}
    empty = LoraConfig(target_modules=compat.no_target_modules(), modules_to_save=["lm_head"])
    tuned = get_peft_model(llama, empty)
    names = [name for name, one in tuned.named_parameters() if one.requires_grad]
    assert all("lm_head" in name for name in names) and names


def test_four_bit_layers_have_the_switch_that_is_turned_off() -> None:
    from bitsandbytes.nn import Linear4bit

    layer = Linear4bit(8, 8)
    assert hasattr(layer, "support_avx512bf16_for_cpu")
    compat.keep_differentiable(torch.nn.Sequential(layer))
    assert layer.support_avx512bf16_for_cpu is False


def test_the_softmax_gradient_is_that_of_softmax() -> None:
    torch.manual_seed(0)
    scores, above = torch.randn(3, 5, requires_grad=True), torch.randn(3, 5)
    shares = functional.softmax(scores, -1)
    (expected,) = torch.autograd.grad(shares, scores, above)
    assert torch.equal(compat.softmax_gradient(above, shares.detach()), expected)


def test_rates_that_are_set_are_the_last_ones() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)
    compat.set_last_rates(scheduler, [0.25])
    assert scheduler.get_last_lr() == [0.25]


def test_numpys_random_state_is_read_and_nothing_else(tmp_path: Path) -> None:
    torch.save(np.random.get_state(), tmp_path / "rng_state.pth")
    assert find_state_problem(tmp_path, "rng_state.pth") == ""
    torch.save(tmp_path, tmp_path / "rng_state.pth")
    assert find_state_problem(tmp_path, "rng_state.pth") == "rng_state.pth cannot be read"


def test_trainers_note_metrics_by_mode_and_place_batches() -> None:
    from trl import DPOTrainer
    from trl.experimental.orpo import ORPOTrainer

    assert "inputs" in inspect.signature(Trainer._prepare_inputs).parameters
    for trainer, name in ((DPOTrainer, "_metrics"), (ORPOTrainer, "_stored_metrics")):
        source = inspect.getsource(trainer)
        assert f"self.{name}" in source, f"{trainer.__name__} no longer notes {name}"
        assert 'rewards/accuracies"' in source, f"{trainer.__name__} notes another figure"
    assert compat.noted_metrics(object()) == {}
