"""A spec's method on a loaded model: LoRA and its relatives, the head alone, or all weights."""

from __future__ import annotations

from typing import Any

from peft import LoraConfig, PeftModel, get_peft_model
from transformers import PreTrainedModel

from engine.model.check_method import check_method
from engine.model.info import ModelInfo
from engine.spec.method import MethodSpec
from engine.work import compat
from engine.work.kernels.patch import patch_model

PEFT_INIT: dict[str, Any] = {"zero": True}  # PEFT's names of initialisations, where not Hone's


def lora_config(method: MethodSpec, info: ModelInfo, inference: bool = False) -> LoraConfig:
    """The PEFT config of a method; the head alone is an adapter without matrices."""
    task = "SEQ_CLS" if info.task == "classify" else "CAUSAL_LM"
    if method.kind == "head":
        return LoraConfig(
            task_type=task,
            target_modules=compat.no_target_modules(),
            modules_to_save=list(info.head),
            inference_mode=inference,
        )
    layers = method.layer_numbers
    return LoraConfig(
        task_type=task,
        r=method.rank,
        lora_alpha=method.scale_alpha,
        lora_dropout=method.dropout,
        target_modules=list(info.resolve_targets(method.targets)),
        use_dora=method.kind == "dora",
        use_rslora=method.rslora,
        init_lora_weights=PEFT_INIT.get(method.init, method.init),
        bias=method.bias,
        layers_to_transform=None if layers is None else list(layers),
        layers_pattern=None if layers is None else info.blocks,
        modules_to_save=[*method.save, *info.head] or None,
        ensure_weight_tying=bool(method.save) and info.tied,
        rank_pattern=dict(method.ranks),
        alpha_pattern={name: _alpha_for_rank(method, rank) for name, rank in method.ranks.items()},
        fan_in_fan_out=info.transposed,
        inference_mode=inference,
    )


def _alpha_for_rank(method: MethodSpec, rank: int) -> int:
    """The alpha that scales a module of another rank as strongly as the others."""
    return max(1, round(method.scale_alpha * rank / method.rank))


def apply_method(
    model: PreTrainedModel, method: MethodSpec, info: ModelInfo
) -> PreTrainedModel | PeftModel:
    """The model with only what the method trains left trainable; raises SpecError for a misfit."""
    if method.kind == "full":
        return model.train()
    if method.adapts:
        check_method(info, method)
    if method.bits:
        # prepare_model_for_kbit_training would also make fp32 copies of norms and head.
        for weights in model.parameters():
            weights.requires_grad = False
    tuned = get_peft_model(model, lora_config(method, info), autocast_adapter_dtype=True)
    for name, weights in tuned.named_parameters():
        # Small steps vanish when they are added to 16-bit weights: what is trained is fp32.
        if weights.requires_grad and ("lora_" in name or "modules_to_save" in name):
            weights.data = weights.data.float()
    patch_model(tuned)
    return tuned


def parameter_counts(model: Any) -> tuple[int, int]:
    """Trainable parameters and all of them, as PEFT counts."""
    if isinstance(model, PeftModel):
        trainable, total = model.get_nb_trainable_parameters()
        return int(trainable), int(total)
    weights = list(model.parameters())
    return sum(one.numel() for one in weights if one.requires_grad), sum(w.numel() for w in weights)
