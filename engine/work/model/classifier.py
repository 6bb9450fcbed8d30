"""What a classification head reads and says: texts in; labels with their chances, or a number, out.

A text is read by the tokenizer alone: a new head knows no chat format, so neither the chat template
nor an instruction for all rows (system prompt) takes part. Knows nothing about training.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import PreTrainedTokenizerBase

from engine.data.normalize import last_answer
from engine.data.rows import Row, labelled_text, read_rows
from engine.errors import DataError
from engine.process.label_answer import HeadAnswer, LabelAnswer
from engine.spec.objective import PROBLEM_TYPES
from engine.spec.run import DataSpec
from engine.store.head_labels import LABELS_FILE as LABELS_FILE
from engine.work.encode.plain_text import without_own_marks
from engine.work.encode.tokenizer import require_in_table
from engine.work.kernels.packing import evaluating
from engine.work.model.base_and_tuned import TrainedRun
from engine.work.model.batches import map_by_length, pad_rows
from engine.work.model.load import Head
from engine.work.model.structure import load_config

TEXTS_AT_ONCE = 32
MOST_LABELS_SHOWN = 5
REGRESSION = PROBLEM_TYPES["regress"]
MULTI_LABEL = PROBLEM_TYPES["multilabel"]


class NumberScale(NamedTuple):
    """A head gives numbers as distances from their mean, in standard deviations (z-scores)."""

    mean: float = 0.0
    spread: float = 1.0


def row_texts(rows: Iterable[Row]) -> list[str]:
    """The text of each row that is given a label."""
    return [labelled_text(row) for row in rows]


def parse_number(label: str) -> float:
    """A label as a number; NaN where it is none."""
    try:
        value = float(label)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


class TokenizedTexts(NamedTuple):
    """Texts as token ids."""

    ids: list[list[int]]
    cut: int  # texts that lose something at the length limit


def tokenize_texts(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], data: DataSpec
) -> TokenizedTexts:
    """Texts as token ids, truncated at their end, before the tokens that end every text.

    Raises DataError for a token that the model does not know.
    """
    if not texts:
        return TokenizedTexts([], 0)
    made = tokenizer(
        [without_own_marks(tokenizer, text) for text in texts],
        truncation=True,
        max_length=data.max_length,
        split_special_tokens="literal" in data.fixes,
        return_attention_mask=False,
        # GPT-2 would look these up among its words; BERT takes zeros by itself.
        return_token_type_ids=False,
    )
    for ids in made["input_ids"]:
        require_in_table(tokenizer, ids)
    cut = sum(bool(one.overflowing) for one in made.encodings)
    return TokenizedTexts(list(made["input_ids"]), cut)


def set_pad_token(model: Any, tokenizer: PreTrainedTokenizerBase) -> None:
    """Tell the model which tokens are padding: decoders read the last one that is not."""
    model.config.get_text_config().pad_token_id = tokenizer.pad_token_id


def compute_logits(
    model: Any, tokenizer: PreTrainedTokenizerBase, rows: Sequence[list[int]]
) -> torch.Tensor:
    """Logits in fp32 (texts x outputs), without dropout; the model's mode is left as it was."""
    set_pad_token(model, tokenizer)

    def compute(batch: list[list[int]]) -> torch.Tensor:
        ids, mask = (part.to(model.device) for part in pad_rows(batch, tokenizer.pad_token_id))
        return model(input_ids=ids, attention_mask=mask).logits.float().cpu()

    with evaluating(model):
        return torch.stack(map_by_length(rows, len, lambda _: TEXTS_AT_ONCE, compute))


def predicted_labels(logits: torch.Tensor, head: Head) -> list[str]:
    """The labels that one text gets: the likeliest one, or all that are likelier than not."""
    if head.problem == MULTI_LABEL:
        return [name for name, value in zip(head.labels, logits.tolist(), strict=True) if value > 0]
    return [head.labels[int(logits.argmax())]]


def label_probabilities(logits: torch.Tensor, head: Head) -> torch.Tensor:
    """Each label's probability: together 1 where one label is chosen, else each by itself."""
    return logits.sigmoid() if head.problem == MULTI_LABEL else logits.softmax(-1)


def describe_output(
    logits: torch.Tensor, head: Head, scale: NumberScale, shown: int = MOST_LABELS_SHOWN
) -> str:
    """One text's outputs as a short reply: the likeliest labels first, or the number."""
    if head.problem == REGRESSION:
        return f"{logits.item() * scale.spread + scale.mean:.4g}"
    best = label_probabilities(logits, head).topk(min(shown, len(head.labels)))
    ranked = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    return ", ".join(f"{head.labels[at]} {_percent_text(share)}" for at, share in ranked)


def _percent_text(share: float) -> str:
    """A probability in percent, which never reads as 0 or 100."""
    if share < 0.01:
        return "<1 %"
    return ">99 %" if share > 0.99 else f"{100 * share:.0f} %"


# --- kept with the result ---


def head_metadata(head: Head, scale: NumberScale) -> dict[str, Any]:
    """What labels.json holds: what another program needs beside the weights."""
    found: dict[str, Any] = {"labels": head.labels, "problem_type": head.problem}
    return found | ({"scale": scale._asdict()} if head.problem == REGRESSION else {})


def read_scale(result: Path) -> NumberScale:
    """The scale of the numbers that a result gives."""
    found = json.loads((result / LABELS_FILE).read_text(encoding="utf-8"))
    return NumberScale(**found.get("scale", {}))


def has_new_head(trained: TrainedRun) -> bool:
    """Whether the base model's head is new, so that it guesses; some bases have a fitting one."""
    config = load_config(trained.folder)
    built = any(name.endswith("ForSequenceClassification") for name in config.architectures or ())
    return trained.head is not None and not (
        built and config.num_labels == len(trained.head.labels)
    )


def describe_both_outputs(
    model: Any, tokenizer: PreTrainedTokenizerBase, trained: TrainedRun, text: str
) -> list[str]:
    """What base and tuned model say of a text."""
    assert trained.head is not None
    ids = tokenize_texts(tokenizer, [text], trained.spec.data).ids
    scale = read_scale(trained.run.adapter)
    with model.disable_adapter():
        base = describe_output(compute_logits(model, tokenizer, ids)[0], trained.head, scale)
    tuned = describe_output(compute_logits(model, tokenizer, ids)[0], trained.head, scale)
    if has_new_head(trained):
        base += " (a guess: before training its last layer is random)"
    return [base, tuned]


# --- one text ---


def answer_text(
    model: Any, tokenizer: PreTrainedTokenizerBase, trained: TrainedRun, text: str
) -> LabelAnswer:
    """What base and tuned head give for a text; nothing of a base whose head is new.

    Raises DataError for a text without tokens.
    """
    head, data = trained.head, trained.spec.data
    assert head is not None
    read = tokenize_texts(tokenizer, [text], data)
    if not read.ids[0]:
        raise DataError("The model's tokenizer reads nothing in this text. Write other words.")
    scale = read_scale(trained.run.adapter)

    def answer() -> HeadAnswer:
        return _head_answer(compute_logits(model, tokenizer, read.ids)[0], head, scale)

    base = None
    if not has_new_head(trained):
        with model.disable_adapter():
            base = answer()
    numbers = _training_range(trained) if head.problem == REGRESSION else None
    return LabelAnswer(
        kind=trained.kind,
        labels=head.labels,
        tuned=answer(),
        base=base,
        tokens=len(read.ids[0]),
        cut=read.cut > 0,
        numbers=numbers,
    )


def _head_answer(logits: torch.Tensor, head: Head, scale: NumberScale) -> HeadAnswer:
    if head.problem == REGRESSION:
        return HeadAnswer(value=logits.item() * scale.spread + scale.mean)
    probabilities = tuple(label_probabilities(logits, head).tolist())
    return HeadAnswer(probabilities=probabilities, chosen=tuple(predicted_labels(logits, head)))


def _training_range(trained: TrainedRun) -> tuple[float, float] | None:
    """The lowest and highest number of the training rows; None where there are no rows."""
    found = [parse_number(last_answer(row)) for row in read_rows(trained.run.train_file)]
    return (min(found), max(found)) if found else None
