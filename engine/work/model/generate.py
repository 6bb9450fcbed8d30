"""Replies from a model: greedy for samples and scores, streamed in pairs for Compare."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    StoppingCriteria,
    StoppingCriteriaList,
)
from transformers.generation.streamers import BaseStreamer

from engine.work.model.base_and_tuned import supports_mixed_batch

PROMPTS_AT_ONCE = 16  # replies generated together


def left_padded_batch(
    tokenizer: PreTrainedTokenizerBase, prompts: list[list[int]], device: torch.device
) -> dict[str, Any]:
    """Prompts of different lengths as one batch, padded on the left so that every reply starts at the end."""
    width = max(len(ids) for ids in prompts)
    ids = [[tokenizer.pad_token_id] * (width - len(one)) + one for one in prompts]
    mask = [[0] * (width - len(one)) + [1] * len(one) for one in prompts]
    return {
        "input_ids": torch.tensor(ids, device=device),
        "attention_mask": torch.tensor(mask, device=device),
    }


def end_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Tokens that end a reply: the tokenizer's, and those that the model names (Gemma ends turns by another)."""
    named = model.generation_config.eos_token_id if model.generation_config else None
    found = [tokenizer.eos_token_id, *(named if isinstance(named, list) else [named])]
    return list(dict.fromkeys(token for token in found if token is not None))


def generation_options(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    max_new_tokens: int,
    temperature: float = 0.0,
) -> dict[str, Any]:
    """Arguments of ``generate``; temperature 0 takes the most likely token each time."""
    chosen: dict[str, Any] = {
        "max_new_tokens": max_new_tokens,
        "pad_token_id": tokenizer.pad_token_id,
        "use_cache": True,
        "do_sample": temperature > 0,
        # A model's own generation config may bring settings for sampling that do not fit greedy decoding.
        "temperature": temperature if temperature > 0 else None,
        "top_p": 0.95 if temperature > 0 else None,
        "top_k": None,
    }
    if ends := end_tokens(model, tokenizer):
        chosen["eos_token_id"] = ends
    return chosen


@torch.no_grad()
def greedy_replies(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: list[list[int]],
    max_new_tokens: int,
) -> list[str]:
    """Greedy replies to tokenised prompts, in their order; the model's train or eval mode is left as it was."""
    training = model.training
    model.eval()
    texts: list[str] = []
    # Prompts of like length together: less padding.
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    found: dict[int, str] = {}
    for start in range(0, len(order), PROMPTS_AT_ONCE):
        part = order[start : start + PROMPTS_AT_ONCE]
        batch = left_padded_batch(tokenizer, [prompts[index] for index in part], model.device)
        out = model.generate(**batch, **generation_options(model, tokenizer, max_new_tokens))
        new = out[:, batch["input_ids"].shape[1] :]
        found |= {
            index: text.strip()
            for index, text in zip(
                part, tokenizer.batch_decode(new, skip_special_tokens=True), strict=True
            )
        }
    texts = [found[index] for index in range(len(prompts))]
    model.train(training)
    return texts


class _PairStreamer(BaseStreamer):
    """Hands on the texts of all rows of a batch after each token (TextStreamer refuses a batch)."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        rows: int,
        ends: list[int],
        tell: Callable[[list[str]], None],
    ) -> None:
        self.tokenizer, self.ends, self.tell = tokenizer, ends, tell
        self.ids: list[list[int]] = [[] for _ in range(rows)]
        self.done = [False] * rows
        self.prompt_seen = False

    def put(self, value: torch.Tensor) -> None:
        if not self.prompt_seen:
            self.prompt_seen = True
            return
        for row, token in enumerate(value.flatten().tolist()):
            if token in self.ends:
                self.done[row] = True
            if not self.done[row]:
                self.ids[row].append(token)
        # Bytes of an unfinished character decode to the replacement mark: they wait for the rest.
        self.tell(
            [
                self.tokenizer.decode(ids, skip_special_tokens=True).rstrip("\ufffd").lstrip()
                for ids in self.ids
            ]
        )

    def end(self) -> None:
        """Nothing is kept back."""


class _StopWhenAsked(StoppingCriteria):
    def __init__(self, asked: Callable[[], bool]) -> None:
        self.asked = asked

    def __call__(
        self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs: Any
    ) -> torch.Tensor:
        return torch.full(
            (input_ids.shape[0],), self.asked(), dtype=torch.bool, device=input_ids.device
        )


@torch.no_grad()
def stream_pair(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    prompts: tuple[list[int], list[int]],
    max_new_tokens: int,
    temperature: float,
    tell: Callable[[list[str]], None],
    stopped: Callable[[], bool],
) -> None:
    """Base and tuned replies from one copy of the weights: in one batch where PEFT can mix them, else in turn."""
    options = generation_options(model, tokenizer, max_new_tokens, temperature)
    options["stopping_criteria"] = StoppingCriteriaList([_StopWhenAsked(stopped)])

    def stream(rows: list[list[int]], hear: Callable[[list[str]], None], **more: Any) -> None:
        streamer = _PairStreamer(tokenizer, len(rows), end_tokens(model, tokenizer), hear)
        model.generate(
            **left_padded_batch(tokenizer, rows, model.device), **options, **more, streamer=streamer
        )

    if supports_mixed_batch(model):
        stream(list(prompts), tell, adapter_names=["__base__", "default"])
        return
    texts = ["", ""]

    def hear(which: int) -> Callable[[list[str]], None]:
        def note(now: list[str]) -> None:
            texts[which] = now[0]
            tell(list(texts))

        return note

    with model.disable_adapter():
        stream([prompts[0]], hear(0))
    if not stopped():
        stream([prompts[1]], hear(1))
