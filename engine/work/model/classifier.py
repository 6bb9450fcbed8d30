"""What a classification head reads and says: texts in; labels with their chances, or a number, out.

Knows nothing about training. A text is read by the tokenizer alone: a new head knows no chat format, so neither the
chat template nor an instruction for all rows (system prompt) takes part.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import PreTrainedTokenizerBase

from engine.data.normalize import Row
from engine.spec.run import DataSpec
from engine.work.model.base_and_tuned import TrainedRun
from engine.work.model.load import Head
from engine.work.model.structure import load_config

LABELS_FILE = "labels.json"  # beside the weights of a result: what its outputs stand for
TEXTS_AT_ONCE = 32  # texts read together
MOST_LABELS_SHOWN = 5  # labels that a verdict names
REGRESSION = "regression"
MULTI_LABEL = "multi_label_classification"


class NumberScale(NamedTuple):
    """Numbers are learned as distances from their mean in units of their spread: no head reaches 250,000 by steps."""

    mean: float = 0.0
    spread: float = 1.0


def text_of(row: Row) -> str:
    """The text that is given a label."""
    if "messages" in row:  # an instruction for all rows makes turns of every row
        return "\n\n".join(
            str(turn["content"]) for turn in row["messages"] if turn["role"] == "user"
        )
    return str(row["prompt"])


def parse_number(label: str) -> float:
    """A label as a number; NaN where it is none."""
    try:
        value = float(label)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


class TokenizedTexts(NamedTuple):
    """Texts as tokens."""

    ids: list[list[int]]
    cut: int  # texts that lose something at the length limit


def tokenize_texts(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], data: DataSpec
) -> TokenizedTexts:
    """Texts as tokens, cut at the end in front of what the tokenizer puts behind each text."""
    if not texts:
        return TokenizedTexts([], 0)
    made = tokenizer(
        list(texts),
        truncation=True,
        max_length=data.max_length,
        split_special_tokens="literal" in data.fixes,
        return_attention_mask=False,
        # GPT-2 would look these up among its words; BERT takes zeros by itself.
        return_token_type_ids=False,
    )
    return TokenizedTexts(
        list(made["input_ids"]), sum(bool(one.overflowing) for one in made.encodings)
    )


def set_pad_token(model: Any, tokenizer: PreTrainedTokenizerBase) -> None:
    """Tell the model which tokens are padding: decoders read the last one that is not."""
    model.config.get_text_config().pad_token_id = tokenizer.pad_token_id


@torch.no_grad()
def compute_logits(
    model: Any, tokenizer: PreTrainedTokenizerBase, ids: Sequence[list[int]]
) -> torch.Tensor:
    """Texts x outputs in fp32, in the order of the texts; the model's train or eval mode is left as it was."""
    training = model.training
    model.eval()
    set_pad_token(model, tokenizer)
    order = sorted(
        range(len(ids)), key=lambda at: len(ids[at])
    )  # texts of like length together: less padding
    found: dict[int, torch.Tensor] = {}
    for start in range(0, len(order), TEXTS_AT_ONCE):
        part = order[start : start + TEXTS_AT_ONCE]
        batch = tokenizer.pad({"input_ids": [ids[at] for at in part]}, return_tensors="pt").to(
            model.device
        )
        found |= dict(zip(part, model(**batch).logits.float().cpu(), strict=True))
    model.train(training)
    return torch.stack([found[at] for at in range(len(ids))])


def label_probabilities(logits: torch.Tensor, head: Head) -> torch.Tensor:
    """What a head says of each label: shares of one where it chooses one, else each by itself."""
    return logits.sigmoid() if head.problem == MULTI_LABEL else logits.softmax(-1)


def predicted_labels(logits: torch.Tensor, head: Head) -> list[str]:
    """The labels that one text gets: the likeliest one, or all that are likelier than not."""
    if head.problem == MULTI_LABEL:
        return [name for name, value in zip(head.labels, logits.tolist(), strict=True) if value > 0]
    return [head.labels[int(logits.argmax())]]


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
    """A chance that is never quite none and never quite certain."""
    return "<1 %" if share < 0.01 else ">99 %" if share > 0.99 else f"{100 * share:.0f} %"


# --- kept with the result ---


def head_metadata(head: Head, scale: NumberScale) -> dict[str, Any]:
    """What another program needs beside the weights."""
    found: dict[str, Any] = {"labels": head.labels, "problem_type": head.problem}
    return found | ({"scale": scale._asdict()} if head.problem == REGRESSION else {})


def read_scale(result: Path) -> NumberScale:
    """The scale that a result's numbers are in."""
    found = json.loads((result / LABELS_FILE).read_text(encoding="utf-8"))
    return NumberScale(**found.get("scale", {}))


def has_new_head(of: TrainedRun) -> bool:
    """Whether the base model's head is new, so that it guesses; some base models come with a head of this size."""
    config = load_config(of.folder)
    built = any(name.endswith("ForSequenceClassification") for name in config.architectures or ())
    return of.head is not None and not (built and config.num_labels == len(of.head.labels))


def describe_both_outputs(
    model: Any, tokenizer: PreTrainedTokenizerBase, of: TrainedRun, text: str
) -> list[str]:
    """What the base and the tuned model say of a text."""
    assert of.head is not None
    ids, scale = tokenize_texts(tokenizer, [text], of.spec.data).ids, read_scale(of.run.adapter)
    with model.disable_adapter():
        base = describe_output(compute_logits(model, tokenizer, ids)[0], of.head, scale)
    tuned = describe_output(compute_logits(model, tokenizer, ids)[0], of.head, scale)
    return [
        f"{base} (a guess: before training its last layer is random)" if has_new_head(of) else base,
        tuned,
    ]


def row_texts(rows: Iterable[Row]) -> list[str]:
    """The texts of all rows."""
    return [text_of(row) for row in rows]
