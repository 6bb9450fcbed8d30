"""Batches of packed rows. A batch is a pure function of the seed and the step, so resuming needs no
saved state.
"""

import random
from dataclasses import dataclass

import torch
from tokens import ASSISTANT, CONTEXT, END, START
from transformers import PreTrainedTokenizerFast
from world import Exchange, Message, conversation, exchange

USER_WEIGHT = 0.3
"""What the user says is mostly drawn by chance, so guessing it counts for less than the reply."""


@dataclass(frozen=True)
class Batch:
    tokens: torch.Tensor
    positions: (
        torch.Tensor
    )  # restart at every conversation: transformers then keeps conversations apart
    weights: torch.Tensor  # 0 for padding, USER_WEIGHT or 1


def encode(
    tokenizer: PreTrainedTokenizerFast, messages: list[Message]
) -> tuple[list[int], list[float]]:
    parts = [START]
    for message in messages:
        parts.append(f"<|{message['role']}|>{message['content']}{END}")
    ids = tokenizer("".join(parts), add_special_tokens=False)["input_ids"]
    reply, stop = tokenizer.convert_tokens_to_ids([ASSISTANT, END])
    weights, inside = [], False
    for token in ids:
        weights.append(1.0 if inside else USER_WEIGHT)
        inside = token == reply or (inside and token != stop)
    return ids, weights


def batch(tokenizer: PreTrainedTokenizerFast, seed: int, step: int, rows: int) -> Batch:
    """Rows of half the context are the fastest; every eighth step has half as many, of the whole
    context.
    """
    rng = random.Random(f"{seed} {step}")
    rows, length = (-(-rows // 2), CONTEXT) if step % 8 == 7 else (rows, CONTEXT // 2)
    shape = (rows, length)
    tokens = torch.full(shape, tokenizer.pad_token_id)
    positions = torch.arange(length).repeat(rows, 1)
    weights = torch.zeros(shape)
    for row in range(rows):
        at = 0
        while at < length - 8:
            ids, weight = encode(tokenizer, conversation(rng))
            end = min(at + len(ids), length)
            tokens[row, at:end] = torch.tensor(ids[: end - at])
            weights[row, at:end] = torch.tensor(weight[: end - at])
            weights[row, at] = 0.0  # nothing before a conversation foretells it
            positions[row, at:] = torch.arange(length - at)
            at = end
    return Batch(tokens, positions, weights)


def held_out_texts(
    tokenizer: PreTrainedTokenizerFast, count: int, seed: int = 11
) -> list[tuple[list[int], list[float]]]:
    rng, found = random.Random(seed), []
    while len(found) < count:
        turn: Exchange = exchange(rng)
        if turn.held_out:
            found.append(
                encode(
                    tokenizer,
                    [
                        {"role": "user", "content": turn.ask},
                        {"role": "assistant", "content": turn.reply},
                    ],
                )
            )
    return found
