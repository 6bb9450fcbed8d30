"""Adapter into base: the merged model is loaded again as a plain one and must agree with base plus adapter."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.pytorch_utils import Conv1D

from engine.data.rows import read_rows
from engine.hardware import GB, require_disk
from engine.spec.run import PlaceSpec
from engine.store import events as ev
from engine.store.run_dir import RunDir
from engine.work.encode.encode import encode_row
from engine.work.encode.questions import first_questions
from engine.work.encode.tokenizer import load_tokenizer
from engine.work.model.base_and_tuned import TrainedRun, is_whole_model, open_trained_run
from engine.work.model.classifier import (
    LABELS_FILE,
    compute_logits,
    predicted_labels,
    row_texts,
    set_pad_token,
    tokenize_texts,
)
from engine.work.model.generate import greedy_replies
from engine.work.model.load import DeviceSetup, Head, choose_device, load_adapter, load_model

COMPARED_PROMPTS = 8  # real held-out prompts that both are compared on
REPLY_TOKENS = 32
# Largest allowed difference of a logit, as a share of the largest logit. fp32 differs by rounding alone; in bf16
# the merged weights are rounded to 8 bits, which an adapter beside the base is not.
LOGIT_TOLERANCE = {"fp32": 1e-4, "bf16": 0.05}
INT8_TOLERANCE = 0.05  # training in 8 bits rounds what passes through the layers too, which a merged model does not


class _Outputs(NamedTuple):
    logits: torch.Tensor  # all tokens of all prompts x vocabulary, or all texts x labels; fp32
    replies: list[str]


def merge_run(run: RunDir, precision: str) -> None:
    """Write ``merged/<precision>`` and say how far it differs; beyond tolerance it is removed and refused."""
    of = open_trained_run(run)
    spec, folder = of.spec, of.folder
    weights = 2 * of.info.parameters * (2 if precision == "bf16" else 4)
    require_disk(run.path, weights / GB + 0.05, "the merged model")
    tokenizer = load_tokenizer(folder, spec.data.template)
    prompts = _comparison_prompts(of, tokenizer)
    place = choose_device(
        PlaceSpec.model_validate({"device": spec.place.device, "precision": precision})
    )

    # A whole model is compared with itself as it was trained, in fp32; an adapter with the base in this precision.
    whole = is_whole_model(run.adapter)
    tuned = of.load_models(place._replace(dtype=torch.float32) if whole else place)
    expected = _compute_outputs(tuned, tokenizer, prompts, of.head)
    draft = run.path / "merged" / f".{precision}"
    shutil.rmtree(draft, ignore_errors=True)
    plain = (tuned.tuned if whole else _merge_weights(of, tuned, place)).to(place.dtype)
    if of.head:
        set_pad_token(plain, tokenizer)
    plain.save_pretrained(draft)
    if of.head:
        shutil.copyfile(run.adapter / LABELS_FILE, draft / LABELS_FILE)
    tokenizer.save_pretrained(draft)
    del tuned, plain

    found = _compute_outputs(
        load_model(draft, place, None, of.head).eval(), tokenizer, prompts, of.head
    )
    largest = (expected.logits - found.logits).abs().max().item()
    share = largest / expected.logits.abs().max().item()
    agree = sum(a == b for a, b in zip(expected.replies, found.replies, strict=True))
    tolerance = max(LOGIT_TOLERANCE[precision], INT8_TOLERANCE if spec.method.bits == 8 else 0.0)
    ok = share <= tolerance
    final = run.merged(precision)
    shutil.rmtree(final, ignore_errors=True)
    if ok:
        draft.rename(final)
    else:
        shutil.rmtree(draft)
    run.emit(
        ev.Merged(
            ok=ok,
            precision=precision,
            largest=largest,
            share=share,
            tolerance=tolerance,
            agree=agree,
            prompts=len(prompts),
            megabytes=_folder_bytes(final) / 1e6 if ok else None,
            text="" if ok else _refusal_text(share, tolerance, precision),
        )
    )


def _comparison_prompts(of: TrainedRun, tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
    """Held-out texts or questions as tokens."""
    rows, data = read_rows(of.run.held_out_file) or read_rows(of.run.train_file), of.spec.data
    if of.head:
        return tokenize_texts(tokenizer, row_texts(rows[:COMPARED_PROMPTS]), data).ids
    limit = max(
        8, data.max_length - REPLY_TOKENS
    )  # question and reply together fit into the model's context
    found = [ids for _, ids in first_questions(tokenizer, rows, COMPARED_PROMPTS, limit, data)]
    short = data.model_copy(update={"max_length": limit})
    return found or [encode_row(tokenizer, rows[0], short).ids]  # where every question is longer


def _merge_weights(of: TrainedRun, tuned: Any, place: DeviceSetup) -> Any:
    """A plain model in this precision. Quantised weights are first made whole: added to, they would be rounded anew."""
    if of.spec.method.bits:
        quantised: Any = load_model(of.folder, place, of.spec.method, of.head)
        base = quantised.dequantize(place.dtype)
        tuned = load_adapter(
            _transpose_back(base, of, place) if of.info.transposed else base, of.run.adapter
        )
    return tuned.merge_and_unload()


def _transpose_back(base: Any, of: TrainedRun, place: DeviceSetup) -> Any:
    """Quantising turns GPT-2's layers round into plain linear ones; the model's own files want them as they were."""
    plain = load_model(of.folder, place, None, of.head)
    for name, layer in plain.named_modules():
        if isinstance(layer, Conv1D):
            layer.weight.data = base.get_submodule(name).weight.data.t().contiguous()
    return plain


def _refusal_text(share: float, tolerance: float, precision: str) -> str:
    advice = (
        "Try fp32, which does not round." if precision != "fp32" else "Take the adapter instead."
    )
    return (
        f"Its scores differ by up to {100 * share:.2g} % of the largest from those of base plus adapter, and at most "
        f"{100 * tolerance:.2g} % is allowed, so it was removed. {advice}"
    )


@torch.no_grad()
def _compute_outputs(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: list[list[int]],
    head: Head | None,
) -> _Outputs:
    """The logits at each token of each prompt, and the greedy replies; or what the head says of each text."""
    if head:
        outputs = compute_logits(model, tokenizer, prompts)
        return _Outputs(outputs, [", ".join(predicted_labels(one, head)) for one in outputs])
    logits = [
        model(input_ids=torch.tensor([ids], device=model.device), use_cache=False)
        .logits[0]
        .float()
        .cpu()
        for ids in prompts
    ]
    return _Outputs(torch.cat(logits), greedy_replies(model, tokenizer, prompts, REPLY_TOKENS))


def _folder_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())
