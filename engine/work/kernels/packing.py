"""How the batches of a run that writes are computed: the fast way where this model is proved to allow it.

The proof is made on the run's own examples: in one row without padding they must give what each gives alone, and
the loss in pieces what it gives whole. A model for which that does not hold goes the usual way, and the page says so.
"""

from __future__ import annotations

import inspect
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import nn

from engine.work.kernels import packed_attention as flat
from engine.work.kernels.cross_entropy import ChunkedCrossEntropy, hidden_states, shifted_targets
from engine.work.memory import out_of_memory

# Largest difference, as a share of the whole: the order of additions alone differs, in bf16 with 8 bits a number.
PACKING_TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.05}
HEAD_TOLERANCE = {
    torch.float32: 1e-5,
    torch.bfloat16: 4e-3,
}  # of the same numbers through the same head
COMPARED_TOKENS = 4  # tokens of each example that are compared
ATTENTION_LAYERS = {
    "full_attention",
    "sliding_attention",
}  # of layers that look at other tokens through attention alone

Example = dict[str, list[int]]  # input_ids and labels
MODEL_LOSS = "of all tokens, by the model's own code"


class Packing(NamedTuple):
    """What was chosen, and why."""

    flat: bool  # the examples of a batch in one row, and the head for learned tokens alone
    pieces: bool  # head and loss in pieces
    reasons: dict[str, str]


def choose_packing(model: Any, examples: Any, lengths: Sequence[int], batch: int) -> Packing:
    """The way for this model. ``examples``: by number, as Example; ``lengths``: their tokens; ``batch``: examples."""
    padding = f"{100 * padding_share(lengths, batch):.0f} % padding"
    few = [_label_last(examples[at]) for at in _test_indices(lengths)]
    if why := _why_not_packed(model, few):
        return Packing(
            False,
            False,
            {"batch": f"shorter examples are filled up ({padding}): {why}", "loss": MODEL_LOSS},
        )
    pieces = _head_is_plain(model, few[:1])
    how = (
        "in pieces"
        if pieces
        else "at once, since the model does more with them, or trains its last layer"
    )
    row = {
        "batch": f"examples stand in one row, which saves {padding}",
        "loss": f"of learned tokens alone, {how}",
    }
    return Packing(True, pieces, row)


def padding_share(lengths: Sequence[int], batch: int) -> float:
    """The share of padding where examples in random order are filled up to the longest of their batch."""
    mixed = random.Random(0).sample(list(lengths), len(lengths))
    filled = sum(
        len(part) * max(part)
        for part in (mixed[at : at + batch] for at in range(0, len(mixed), batch))
    )
    return 1 - sum(lengths) / filled


def packed_loss(
    model: Any, way: Packing, inputs: dict[str, Any], count: Any = None
) -> torch.Tensor:
    """The mean cross-entropy of the learned tokens of a row, or their sum divided by ``count``.

    ``inputs``: what ``flat.Rows`` made.
    """
    inputs = {name: value for name, value in inputs.items() if name != "attention_mask"}
    places, targets = shifted_targets(inputs.pop("labels"))
    with flat.packed():
        if way.pieces:
            head = model.get_output_embeddings()
            hidden = hidden_states(model, head, inputs, places)
            total = ChunkedCrossEntropy.apply(hidden, head.weight, head.bias, targets)
        else:
            logits = model(**inputs, logits_to_keep=places).logits[0]
            total = nn.functional.cross_entropy(logits.float(), targets, reduction="sum")
    found: torch.Tensor = total / (len(targets) if count is None else count)
    return found


def _why_not_packed(model: Any, few: Sequence[Example]) -> str:
    """Why the examples of a batch cannot stand in one row; empty where they can, and the model is set up for it."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    takes = inspect.signature(base.forward).parameters
    text = base.config.get_text_config()
    if base.config._attn_implementation != "sdpa" or not base._supports_attention_backend:
        return "this model has an attention of its own"
    if not {"position_ids", "logits_to_keep"} <= takes.keys():
        return "this model counts positions by itself"
    if (
        base._is_stateful
        or not set(getattr(text, "layer_types", None) or ATTENTION_LAYERS) <= ATTENTION_LAYERS
    ):
        return "this model carries a state from token to token"
    base.set_attn_implementation(flat.ATTENTION_NAME)
    if _logits_equal(model, few):
        return ""
    base.set_attn_implementation("sdpa")
    return "this model mixes examples that stand in one row"


def _test_indices(lengths: Sequence[int]) -> list[int]:
    """The longest example between two short ones."""
    short = longest_examples([-length for length in lengths], 2)
    return [short[0], longest_examples(lengths, 1)[0], short[-1]]


def _label_last(example: Example) -> Example:
    """An example of which the last tokens are compared."""
    ids = example["input_ids"]
    return {
        "input_ids": ids,
        "labels": [-100] * (len(ids) - COMPARED_TOKENS) + ids[-COMPARED_TOKENS:],
    }


def _logits_equal(model: Any, examples: Sequence[Example]) -> bool:
    """Whether the last tokens' logits in one row are those of each example alone."""
    try:
        with _evaluating(model):
            row = pack_examples(model, examples)
            places, _ = shifted_targets(row.pop("labels"))
            with flat.packed():
                together = model(**row, use_cache=False, logits_to_keep=places).logits[0]
            alone = []
            for example in examples:
                ids = torch.tensor([example["input_ids"]], device=model.device)
                own, _ = shifted_targets(torch.tensor([example["labels"]]))
                alone.append(
                    model(
                        input_ids=ids, use_cache=False, logits_to_keep=own.to(model.device)
                    ).logits[0]
                )
            return _is_close(together, torch.cat(alone), model.dtype, PACKING_TOLERANCE)
    except (RuntimeError, TypeError, ValueError, IndexError, KeyError) as error:
        if out_of_memory(error):
            raise
        print(f"No flat batches for this model: {error}", flush=True)
        return False


def _head_is_plain(model: Any, few: Sequence[Example]) -> bool:
    """Whether logits are the head's product with the hidden states and nothing more, in all that is to be learned."""
    head = model.get_output_embeddings()
    if type(head) is not nn.Linear:
        return False  # an adapter of its own, or quantised
    with _evaluating(model):
        row = pack_examples(model, few) | {"use_cache": False}
        places, _ = shifted_targets(row.pop("labels"))
        with flat.packed():
            whole = model(**row, logits_to_keep=places).logits[0]
            own = head(hidden_states(model, head, row, places))
    return whole.shape == own.shape and _is_close(own, whole, model.dtype, HEAD_TOLERANCE)


def _is_close(
    one: torch.Tensor, other: torch.Tensor, kind: torch.dtype, allowed: dict[torch.dtype, float]
) -> bool:
    apart = (one.float() - other.float()).norm() / other.float().norm()
    return bool(apart < allowed.get(kind, allowed[torch.bfloat16]))


def pack_examples(model: Any, examples: Sequence[Example]) -> dict[str, Any]:
    """What ``loss`` takes, for these examples."""
    found = flat.PackingCollator()(list(examples))
    del found["attention_mask"]
    return {
        name: value.to(model.device) if isinstance(value, torch.Tensor) else value
        for name, value in found.items()
    }


@contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    """Without dropout and gradients; afterwards the model is in the mode it was in."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)


def longest_examples(lengths: Sequence[int], count: int) -> list[int]:
    """The indices of the longest examples."""
    return sorted(range(len(lengths)), key=lambda at: -lengths[at])[:count]
