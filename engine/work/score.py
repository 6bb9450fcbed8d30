"""Base against tuned on a sample's held-out rows, checked by the sample's own scoring function."""

from __future__ import annotations

import json

from engine import events as ev
from engine import models, presets, scores
from engine.errors import RunError
from engine.store import RunDir, read_rows
from engine.work.data import load_tokenizer, prompt_ids, question_of
from engine.work.generate import replies
from engine.work.load import attach, choose_place, load_model


def score(run: RunDir) -> None:
    """Count right replies of both and report them; raises RunError for data without a score."""
    spec = run.spec
    kind, _, key = spec.data.source.partition(":")
    scorer = scores.SCORES.get(key) if kind == "sample" else None
    if scorer is None:
        raise RunError("Only bundled samples have a score; this run's data has none.")
    if not (run.adapter / "adapter_model.safetensors").is_file():
        raise RunError("This run has saved no adapter yet. Train it first.")
    folder = models.folder(spec.model.source)
    tokenizer = load_tokenizer(folder)
    rows = read_rows(run.data / "heldout.jsonl")
    sample = next(sample for sample in presets.samples() if sample.id == key)
    # The raw rows hold what the score needs beside prompt and answer, in the same order.
    raw = [json.loads(line) for line in sample.held_out_file.read_text(encoding="utf-8").split("\n") if line]
    prompts = [prompt_ids(tokenizer, question_of(row), False) for row in rows]
    model = attach(load_model(folder, choose_place(spec.place)), run.adapter)
    tuned = replies(model, tokenizer, prompts, scorer.max_new_tokens)
    with model.disable_adapter():
        base = replies(model, tokenizer, prompts, scorer.max_new_tokens)
    right = [sum(scorer.right(reply, row) for reply, row in zip(found, raw, strict=True)) for found in (base, tuned)]
    run.emit(ev.Scored(what=scorer.what, base=right[0], tuned=right[1], rows=len(rows)))
