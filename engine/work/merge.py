"""Adapter into base: the merged model is loaded again as a plain one and must agree with base plus adapter."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from engine import events as ev
from engine import models
from engine.errors import RunError
from engine.hardware import GB, require_disk
from engine.rows import read_rows
from engine.spec import PlaceSpec
from engine.store import RunDir
from engine.work.data import encode, load_tokenizer, questions
from engine.work.generate import replies
from engine.work.load import attach, choose_place, load_model

PROMPTS = 8  # real held-out prompts that both are compared on
REPLY_TOKENS = 32
# Largest allowed difference of a logit, as a share of the largest logit. fp32 differs by rounding alone; in bf16
# the merged weights are rounded to 8 bits, which an adapter beside the base is not.
TOLERANCE = {"fp32": 1e-4, "bf16": 0.05}


class _Answers(NamedTuple):
    logits: torch.Tensor  # all tokens of all prompts x vocabulary, fp32
    replies: list[str]


def merge(run: RunDir, precision: str) -> None:
    """Write ``merged/<precision>`` and say how far it differs; beyond tolerance it is removed and refused."""
    if not run.has_adapter:
        raise RunError("This run has saved no adapter yet, so there is nothing to merge. Train it first.")
    spec = run.spec
    folder = models.folder(spec.model.source)
    weights = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    require_disk(run.path, 2 * weights / GB + 0.05, "the merged model")
    tokenizer = load_tokenizer(folder, spec.data.template)
    rows = read_rows(run.held_out_file) or read_rows(run.train_file)
    limit = max(8, spec.data.max_length - REPLY_TOKENS)  # question and reply together fit into the model's context
    prompts = [ids for _, ids in questions(tokenizer, rows, PROMPTS, limit, spec.data)]
    short = spec.data.model_copy(update={"max_length": limit})
    prompts = prompts or [encode(tokenizer, rows[0], short).ids]  # where every question is longer
    place = choose_place(PlaceSpec.model_validate({"device": spec.place.device, "precision": precision}))

    tuned = attach(load_model(folder, place), run.adapter)
    expected = _answers(tuned, tokenizer, prompts)
    draft = run.path / "merged" / f".{precision}"
    shutil.rmtree(draft, ignore_errors=True)
    plain: Any = tuned.merge_and_unload()
    plain.save_pretrained(draft)
    tokenizer.save_pretrained(draft)
    del tuned, plain

    found = _answers(load_model(draft, place).eval(), tokenizer, prompts)
    largest = (expected.logits - found.logits).abs().max().item()
    share = largest / expected.logits.abs().max().item()
    agree = sum(a == b for a, b in zip(expected.replies, found.replies, strict=True))
    ok = share <= TOLERANCE[precision]
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
            tolerance=TOLERANCE[precision],
            agree=agree,
            prompts=len(prompts),
            megabytes=_size(final) / 1e6 if ok else None,
            text="" if ok else _refusal(share, precision),
        )
    )


def _refusal(share: float, precision: str) -> str:
    advice = "Try fp32, which does not round." if precision != "fp32" else "Take the adapter instead."
    return (
        f"Its scores differ by up to {100 * share:.2g} % of the largest from those of base plus adapter, and at most "
        f"{100 * TOLERANCE[precision]:.2g} % is allowed, so it was removed. {advice}"
    )


@torch.no_grad()
def _answers(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: list[list[int]]) -> _Answers:
    """The logits at each token of each prompt, and the greedy replies."""
    logits = [
        model(input_ids=torch.tensor([ids], device=model.device), use_cache=False).logits[0].float().cpu()
        for ids in prompts
    ]
    return _Answers(torch.cat(logits), replies(model, tokenizer, prompts, REPLY_TOKENS))


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())
