"""Packs examples into one row, after checking on real examples that the logits stay the same.

The chunked loss is checked against the model's own logits in the same way. A model that fails a
check is trained on padded batches, or with its whole logits, and the run's report says why.
"""

from __future__ import annotations

import inspect
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import nn
from transformers import DataCollatorWithFlattening

from engine.work import compat
from engine.work.encode.encode import IGNORE_INDEX
from engine.work.kernels import layers
from engine.work.kernels.cross_entropy import ChunkedCrossEntropy, hidden_states, shifted_targets
from engine.work.kernels.packed_attention import ATTENTION_NAME, ROW_MULTIPLE, packed
from engine.work.memory import out_of_memory

# The largest difference allowed, relative to the whole. Only the order of additions differs, but
# bf16 has 8 bits.
PACKING_TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.05}
# The same numbers through the same head differ less.
HEAD_TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 4e-3}
COMPARED_TOKENS = 4  # at the end of each example
# Layers that mix tokens through attention alone.
ATTENTION_LAYERS = {"full_attention", "sliding_attention"}
MODEL_LOSS = "of all tokens, by the model's own code"

Example = dict[str, list[int]]  # input_ids and labels


class PackingCollator(DataCollatorWithFlattening):
    """Joins the examples of a batch into one row, with position ids and example borders.

    The row is filled up to a multiple of ROW_MULTIPLE with an example that has no targets. The
    attention mask only marks which tokens are real, for whoever counts them.
    """

    def __init__(self) -> None:
        super().__init__(return_flash_attn_kwargs=True)

    def __call__(
        self, features: list[dict[str, Any]], *args: Any, **options: Any
    ) -> dict[str, Any]:
        """``features``: input_ids and labels of each example."""
        real = sum(len(one["input_ids"]) for one in features)
        if filler := -real % ROW_MULTIPLE:
            empty = {"input_ids": [0] * filler, "labels": [IGNORE_INDEX] * filler}
            features = [*features, empty]
        found: dict[str, Any] = super().__call__(features, *args, **options)
        found["attention_mask"] = (torch.arange(real + filler) < real).long()[None]
        return found


class Packing(NamedTuple):
    """How the batches of a run are computed, and why."""

    packed: bool  # the examples of a batch in one row, and the head only where there are targets
    chunked_loss: bool  # head and loss in chunks
    reasons: dict[str, str]


def choose_packing(model: Any, examples: Any, lengths: Sequence[int], batch: int) -> Packing:
    """Check what the model allows, and set it up for that.

    ``examples[number]`` is an Example; ``lengths`` are their tokens, ``batch`` the examples in a
    batch.
    """
    padding = f"{100 * padding_share(lengths, batch):.0f} % padding"
    short = longest_examples([-length for length in lengths], 2)
    tried = short[0], longest_examples(lengths, 1)[0], short[-1]  # a long one between short ones
    few = [_label_last(examples[at]) for at in tried]
    if why := _why_not_packed(model, few):
        batches = f"shorter examples are padded ({padding}): {why}"
        return Packing(False, False, {"batch": batches, "loss": MODEL_LOSS})
    chunked = _head_is_plain(model, few[:1])
    how = "at once, since the model does more with them, or trains its last layer"
    batches = f"examples are packed into one row, which saves {padding}"
    loss = f"of target tokens only, {'in chunks' if chunked else how}"
    return Packing(True, chunked, {"batch": batches, "loss": loss})


def padding_share(lengths: Sequence[int], batch: int) -> float:
    """The share of padding if examples in random order are padded to their batch's longest."""
    mixed = random.Random(0).sample(list(lengths), len(lengths))
    batches = [mixed[at : at + batch] for at in range(0, len(mixed), batch)]
    return 1 - sum(lengths) / sum(len(part) * max(part) for part in batches)


def packed_loss(
    model: Any, packing: Packing, inputs: dict[str, Any], count: Any = None
) -> torch.Tensor:
    """The mean cross-entropy of a row of PackingCollator, or the summed one over ``count``."""
    inputs = {name: value for name, value in inputs.items() if name != "attention_mask"}
    positions, targets = shifted_targets(inputs.pop("labels"))
    with packed():
        if packing.chunked_loss:
            head = model.get_output_embeddings()
            hidden = hidden_states(model, head, inputs, positions)
            total = ChunkedCrossEntropy.apply(hidden, head.weight, head.bias, targets)
        else:
            logits = model(**inputs, logits_to_keep=positions).logits[0]
            total = nn.functional.cross_entropy(logits.float(), targets, reduction="sum")
    return total / (len(targets) if count is None else count)


def pack_examples(model: Any, examples: Sequence[Example]) -> dict[str, Any]:
    """One packed row of these examples on the model's device, as ``packed_loss`` takes it."""
    row = PackingCollator()(list(examples))
    del row["attention_mask"]
    return {
        name: value.to(model.device) if isinstance(value, torch.Tensor) else value
        for name, value in row.items()
    }


def longest_examples(lengths: Sequence[int], count: int) -> list[int]:
    """The indices of the longest examples, longest first."""
    return sorted(range(len(lengths)), key=lambda at: -lengths[at])[:count]


def _why_not_packed(model: Any, few: Sequence[Example]) -> str:
    """Why examples cannot be packed; empty where they can, and then the model is set up for it."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    inputs = inspect.signature(base.forward).parameters
    kinds = getattr(base.config.get_text_config(), "layer_types", None) or ATTENTION_LAYERS
    if not layers.ENABLED:
        return "HONE_KERNELS=0 turns packing off"
    if compat.attention_of(base) != "sdpa" or not compat.takes_own_attention(base):
        return "this model has an attention of its own"
    if not {"position_ids", "logits_to_keep"} <= inputs.keys():
        return "this model counts positions by itself"
    if compat.is_stateful(base) or not set(kinds) <= ATTENTION_LAYERS:
        return "this model carries a state from token to token"
    base.set_attn_implementation(ATTENTION_NAME)
    if _logits_equal(model, few):
        return ""
    base.set_attn_implementation("sdpa")
    return "this model mixes examples that stand in one row"


def _label_last(example: Example) -> Example:
    """The example with its last tokens as the only labels."""
    ids = example["input_ids"]
    ignored = [IGNORE_INDEX] * (len(ids) - COMPARED_TOKENS)
    return {"input_ids": ids, "labels": ignored + ids[-COMPARED_TOKENS:]}


def _logits_equal(model: Any, examples: Sequence[Example]) -> bool:
    """Whether the last tokens' logits in a packed row are those of each example alone."""
    try:
        with evaluating(model):
            row = pack_examples(model, examples)
            positions, _ = shifted_targets(row.pop("labels"))
            with packed():
                together = model(**row, use_cache=False, logits_to_keep=positions).logits[0]
            alone = torch.cat([_logits_alone(model, example) for example in examples])
            return _is_close(together, alone, model.dtype, PACKING_TOLERANCE)
    except (RuntimeError, TypeError, ValueError, IndexError, KeyError) as error:
        if out_of_memory(error):
            raise
        print(f"No packing for this model: {error}", flush=True)
        return False


def _logits_alone(model: Any, example: Example) -> torch.Tensor:
    """Logits at the positions of an example that have targets (positions x vocabulary)."""
    ids = torch.tensor([example["input_ids"]], device=model.device)
    positions, _ = shifted_targets(torch.tensor([example["labels"]]))
    kept = positions.to(model.device)
    return model(input_ids=ids, use_cache=False, logits_to_keep=kept).logits[0]


def _head_is_plain(model: Any, few: Sequence[Example]) -> bool:
    """Whether logits are the head's product with the hidden states and nothing more."""
    head = model.get_output_embeddings()
    # A head of another class has an adapter of its own, or is quantised.
    if type(head) is not nn.Linear:
        return False
    with evaluating(model):
        row = pack_examples(model, few) | {"use_cache": False}
        positions, _ = shifted_targets(row.pop("labels"))
        with packed():
            whole = model(**row, logits_to_keep=positions).logits[0]
            own = head(hidden_states(model, head, row, positions))
    return whole.shape == own.shape and _is_close(own, whole, model.dtype, HEAD_TOLERANCE)


def _is_close(
    one: torch.Tensor, other: torch.Tensor, dtype: torch.dtype, allowed: dict[torch.dtype, float]
) -> bool:
    difference = (one.float() - other.float()).norm() / other.float().norm()
    return bool(difference < allowed.get(dtype, allowed[torch.bfloat16]))


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """No dropout and no gradients inside the block; afterwards the model's mode is restored."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)
