"""Encodes texts for a head that chooses their labels: by the tokenizer, without a chat format."""

from __future__ import annotations

from transformers import PreTrainedTokenizerBase

from engine.data.rows import Row, labelled_text
from engine.spec.run import DataSpec
from engine.work.encode.encode import IGNORE_INDEX, Encoded
from engine.work.encode.plain_text import without_own_marks


def encode_label_text(tokenizer: PreTrainedTokenizerBase, row: Row, data: DataSpec) -> Encoded:
    """A text as its head reads it, untruncated; no token of it is learned."""
    made = tokenizer(
        without_own_marks(tokenizer, labelled_text(row)),
        split_special_tokens="literal" in data.fixes,
        return_attention_mask=False,
        return_token_type_ids=False,
    )
    ids = list(made["input_ids"])
    return Encoded(ids, [IGNORE_INDEX] * len(ids), len(ids))
