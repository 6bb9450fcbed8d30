"""Replies from a model: greedy ones for samples and scores, streamed pairs for Compare."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase, StoppingCriteriaList
from transformers.generation.streamers import BaseStreamer

from engine.work.encode.tokenizer import is_in_table
from engine.work.encode.turn_ends import TurnEnds, find_turn_ends
from engine.work.kernels.packing import evaluating
from engine.work.model.base_and_tuned import supports_mixed_batch
from engine.work.model.batches import map_by_length, pad_rows
from engine.work.model.generation_config import end_ids

PROMPTS_AT_ONCE = 16

OnTexts = Callable[[list[str]], None]  # called with the replies so far, after each token


class Decoding(NamedTuple):
    """How replies are generated."""

    max_new_tokens: int
    temperature: float = 0.0  # 0 takes the most likely token each time
    stopped: Callable[[], bool] = lambda: False  # asked after each token
    plain_text: bool = False  # a text is continued; else a conversation


def left_padded_batch(
    tokenizer: PreTrainedTokenizerBase, prompts: Sequence[list[int]], device: torch.device
) -> dict[str, torch.Tensor]:
    """Prompts as one batch, padded on the left so that every reply starts at the end."""
    ids, mask = pad_rows(prompts, tokenizer.pad_token_id, left=True)
    return {"input_ids": ids.to(device), "attention_mask": mask.to(device)}


def reply_ends(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, plain_text: bool
) -> TurnEnds:
    """What ends a reply: what the template writes after an answer, or what the model names."""
    ends = find_turn_ends(tokenizer, plain_text)
    named = [token for token in end_ids(model.generation_config) if is_in_table(tokenizer, token)]
    return ends._replace(tokens=tuple(dict.fromkeys([*ends.tokens, *named])))


def reply_text(tokenizer: PreTrainedTokenizerBase, ids: list[int], ends: TurnEnds) -> str:
    """A reply's tokens as text, up to what ends it (which need not be a special token)."""
    stop = next((at for at, token in enumerate(ids) if token in ends.tokens), len(ids))
    text = str(tokenizer.decode(ids[:stop], skip_special_tokens=True))
    for words in ends.texts:
        text = text.partition(words)[0]
    return text


def generation_options(
    tokenizer: PreTrainedTokenizerBase, decoding: Decoding, ends: TurnEnds
) -> dict[str, Any]:
    """Arguments of ``generate``."""
    sampled = decoding.temperature > 0
    options: dict[str, Any] = {
        "max_new_tokens": decoding.max_new_tokens,
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": list(ends.tokens) or None,
        "use_cache": True,
        "do_sample": sampled,
        # A model's own generation config may bring sampling settings that greedy decoding refuses.
        "temperature": decoding.temperature if sampled else None,
        "top_p": 0.95 if sampled else None,
        "top_k": None,
        # One reply at a time, token by token: beams cannot be streamed.
        "num_beams": 1,
    }
    if ends.texts:
        options |= {"stop_strings": list(ends.texts), "tokenizer": tokenizer}
    return options


def greedy_replies(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: list[list[int]],
    max_new_tokens: int,
    plain_text: bool = False,
) -> list[str]:
    """Greedy replies to tokenised prompts, in their order; the model's mode is left as it was."""
    ends = reply_ends(model, tokenizer, plain_text)
    options = generation_options(tokenizer, Decoding(max_new_tokens), ends)

    def reply(part: list[list[int]]) -> list[str]:
        batch = left_padded_batch(tokenizer, part, model.device)
        new = model.generate(**batch, **options)[:, batch["input_ids"].shape[1] :]
        return [reply_text(tokenizer, ids, ends).strip() for ids in new.tolist()]

    with evaluating(model):
        return map_by_length(prompts, len, lambda _: PROMPTS_AT_ONCE, reply)


class _PairStreamer(BaseStreamer):
    """Hands on the texts of all rows of a batch after each token (TextStreamer refuses a batch)."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, rows: int, ends: TurnEnds, on_texts: OnTexts
    ) -> None:
        self.tokenizer, self.ends, self.on_texts = tokenizer, ends, on_texts
        self.ids: list[list[int]] = [[] for _ in range(rows)]
        self.done = [False] * rows
        self.prompt_seen = False

    def put(self, value: torch.Tensor) -> None:
        if not self.prompt_seen:
            self.prompt_seen = True
            return
        for row, token in enumerate(value.flatten().tolist()):
            self.done[row] |= token in self.ends.tokens
            if not self.done[row]:
                self.ids[row].append(token)
        texts = [reply_text(self.tokenizer, ids, self.ends) for ids in self.ids]
        # Bytes of an unfinished character decode to the replacement mark: they wait for the rest.
        self.on_texts([text.rstrip("\ufffd").lstrip() for text in texts])

    def end(self) -> None:
        """Nothing is kept back."""


@torch.no_grad()
def stream_pair(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    prompts: tuple[list[int], list[int]],
    decoding: Decoding,
    on_texts: OnTexts,
) -> None:
    """Base and tuned replies from one copy of the weights; in one batch where PEFT can mix them."""
    ends = reply_ends(model, tokenizer, decoding.plain_text)
    options = generation_options(tokenizer, decoding, ends)

    def stop_if_asked(ids: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
        return torch.full((len(ids),), decoding.stopped(), dtype=torch.bool, device=ids.device)

    options["stopping_criteria"] = StoppingCriteriaList([stop_if_asked])

    def stream(rows: Sequence[list[int]], on_rows: OnTexts, **more: Any) -> None:
        streamer = _PairStreamer(tokenizer, len(rows), ends, on_rows)
        batch = left_padded_batch(tokenizer, rows, model.device)
        model.generate(**batch, **options, **more, streamer=streamer)

    if supports_mixed_batch(model):
        stream(prompts, on_texts, adapter_names=["__base__", "default"])
        return
    base_reply = ""

    def on_base(texts: list[str]) -> None:
        nonlocal base_reply
        base_reply = texts[0]
        on_texts([base_reply, ""])

    with model.disable_adapter():
        stream(prompts[:1], on_base)
    if not decoding.stopped():
        stream(prompts[1:], lambda texts: on_texts([base_reply, texts[0]]))
