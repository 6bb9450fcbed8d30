"""Merges an adapter into its base; the result is loaded again and must give the same logits."""

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
from engine.work.model import classifier
from engine.work.model.base_and_tuned import TrainedRun, is_whole_model, open_trained_run
from engine.work.model.generate import greedy_replies
from engine.work.model.load import DeviceSetup, Head, choose_device, load_adapter, load_model

COMPARED_PROMPTS = 8  # held-out prompts that both are compared on
REPLY_TOKENS = 32
# Largest allowed difference of a logit, as a share of the largest logit. fp32 differs by rounding
# alone; in bf16 the merged weights are rounded to 8 bits, which an adapter beside the base is not.
LOGIT_TOLERANCE = {"fp32": 1e-4, "bf16": 0.05}
# Training in 8 bits rounds what passes through the layers too, which a merged model does not.
INT8_TOLERANCE = 0.05


class _Outputs(NamedTuple):
    logits: torch.Tensor  # all tokens of all prompts x vocabulary, or all texts x labels; fp32
    replies: list[str]


def merge_run(run: RunDir, precision: str) -> None:
    """Write ``merged/<precision>``, and compare it; a merge beyond tolerance is removed."""
    trained = open_trained_run(run)
    weights = 2 * trained.info.parameters * (2 if precision == "bf16" else 4)
    require_disk(run.path, weights / GB + 0.05, "the merged model")
    tokenizer = load_tokenizer(trained.folder, trained.spec.data.template)
    prompts = _comparison_prompts(trained, tokenizer)
    device = trained.spec.place.device
    setup = choose_device(PlaceSpec.model_validate({"device": device, "precision": precision}))
    draft, final = run.path / "merged" / f".{precision}", run.merged(precision)
    shutil.rmtree(draft, ignore_errors=True)
    expected = _write_merged(trained, tokenizer, setup, prompts, draft)
    plain = load_model(draft, setup, None, trained.head).eval()
    found = _compute_outputs(plain, tokenizer, prompts, trained.head)
    event = _compare_outputs(expected, found, precision, trained.spec.method.bits)
    shutil.rmtree(final, ignore_errors=True)
    if event.ok:
        draft.rename(final)
        size = sum(file.stat().st_size for file in final.iterdir())
        event = event.model_copy(update={"megabytes": size / 1e6})
    else:
        shutil.rmtree(draft)
    run.emit(event)


def _write_merged(
    trained: TrainedRun,
    tokenizer: PreTrainedTokenizerBase,
    setup: DeviceSetup,
    prompts: list[list[int]],
    draft: Path,
) -> _Outputs:
    """Merge and write the model to ``draft``; returns what it should give.

    A whole model is compared with itself as it was trained, in fp32; an adapter with base and
    adapter in the merge's precision.
    """
    whole = is_whole_model(trained.run.adapter)
    tuned = trained.load_models(setup._replace(dtype=torch.float32) if whole else setup)
    expected = _compute_outputs(tuned, tokenizer, prompts, trained.head)
    plain = tuned.tuned if whole else _merge_weights(trained, tuned, setup)
    plain = plain.to(setup.dtype)
    if trained.head:
        classifier.set_pad_token(plain, tokenizer)
    plain.save_pretrained(draft)
    if trained.head:
        labels = classifier.LABELS_FILE
        shutil.copyfile(trained.run.adapter / labels, draft / labels)
    tokenizer.save_pretrained(draft)
    return expected


def _compare_outputs(
    expected: _Outputs, found: _Outputs, precision: str, bits: int | None
) -> ev.Merged:
    largest = (expected.logits - found.logits).abs().max().item()
    share = largest / expected.logits.abs().max().item()
    tolerance = max(LOGIT_TOLERANCE[precision], INT8_TOLERANCE if bits == 8 else 0.0)
    ok = share <= tolerance
    return ev.Merged(
        ok=ok,
        precision=precision,
        largest=largest,
        share=share,
        tolerance=tolerance,
        agree=sum(a == b for a, b in zip(expected.replies, found.replies, strict=True)),
        prompts=len(found.replies),
        text="" if ok else _refusal_text(share, tolerance, precision),
    )


def _comparison_prompts(trained: TrainedRun, tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
    """Held-out texts or questions as tokens; training ones where nothing is held out."""
    run, data = trained.run, trained.spec.data
    rows = read_rows(run.held_out_file) or read_rows(run.train_file)
    if trained.head:
        texts = classifier.row_texts(rows[:COMPARED_PROMPTS])
        return classifier.tokenize_texts(tokenizer, texts, data).ids
    limit = max(8, data.max_length - REPLY_TOKENS)  # question and reply fit the context together
    found = [ids for _, ids in first_questions(tokenizer, rows, COMPARED_PROMPTS, limit, data)]
    short = data.model_copy(update={"max_length": limit})
    return found or [encode_row(tokenizer, rows[0], short).ids]  # where every question is longer


def _merge_weights(trained: TrainedRun, tuned: Any, setup: DeviceSetup) -> Any:
    """A plain model; quantised weights are dequantised first, or the sum would be rounded anew."""
    if trained.spec.method.bits:
        quantised: Any = load_model(trained.folder, setup, trained.spec.method, trained.head)
        base = quantised.dequantize(setup.dtype)
        if trained.info.transposed:
            base = _transpose_back(base, trained, setup)
        tuned = load_adapter(base, trained.run.adapter)
    return tuned.merge_and_unload()


def _transpose_back(base: Any, trained: TrainedRun, setup: DeviceSetup) -> Any:
    """Undo what quantising did to GPT-2's Conv1D layers: it made them plain, transposed ones."""
    plain = load_model(trained.folder, setup, None, trained.head)
    for name, layer in plain.named_modules():
        if isinstance(layer, Conv1D):
            layer.weight.data = base.get_submodule(name).weight.data.t().contiguous()
    return plain


def _refusal_text(share: float, tolerance: float, precision: str) -> str:
    advice = "Take the adapter instead."
    if precision != "fp32":
        advice = "Try fp32, which does not round."
    return (
        f"Its scores differ by up to {100 * share:.2g} % of the largest from those of base plus "
        f"adapter, and at most {100 * tolerance:.2g} % is allowed, so it was removed. {advice}"
    )


@torch.no_grad()
def _compute_outputs(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: list[list[int]],
    head: Head | None,
) -> _Outputs:
    """Logits and greedy replies; of a classification head, logits and labels (as a reply)."""
    if head:
        outputs = classifier.compute_logits(model, tokenizer, prompts)
        labels = [classifier.predicted_labels(one, head) for one in outputs]
        return _Outputs(outputs, [", ".join(names) for names in labels])
    logits = []
    for prompt in prompts:
        ids = torch.tensor([prompt], device=model.device)
        logits.append(model(input_ids=ids, use_cache=False).logits[0].float().cpu())
    return _Outputs(torch.cat(logits), greedy_replies(model, tokenizer, prompts, REPLY_TOKENS))
