"""How good a pocket model is: perplexity on held-out text, and how many held-out questions it
answers rightly.
"""

import math
import re
from dataclasses import dataclass

import torch
from corpus import USER_WEIGHT
from torch.nn.functional import cross_entropy
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast
from world import Exchange


@dataclass(frozen=True)
class Answer:
    exchange: Exchange
    said: str

    @property
    def right(self) -> bool:
        return all(
            re.search(rf"(?<!\w){re.escape(part.strip())}(?!\w)", self.said, re.IGNORECASE)
            for part in self.exchange.check
        )


@torch.inference_mode()
def perplexity(
    model: LlamaForCausalLM, texts: list[tuple[list[int], list[float]]]
) -> tuple[float, float]:
    """Of all tokens, and of the replies alone."""
    losses, replies = [], []
    for ids, weights in texts:
        tokens = torch.tensor([ids])
        loss = cross_entropy(
            model(input_ids=tokens).logits[0, :-1].float(), tokens[0, 1:], reduction="none"
        )
        losses.append(loss)
        replies.append(loss[torch.tensor(weights[1:]) > USER_WEIGHT])
    return math.exp(torch.cat(losses).mean()), math.exp(torch.cat(replies).mean())


@torch.inference_mode()
def ask(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    questions: list[str],
    new_tokens: int = 90,
) -> list[str]:
    said: list[str] = []
    for start in range(0, len(questions), 40):
        chats = [[{"role": "user", "content": text}] for text in questions[start : start + 40]]
        texts = [
            tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
            for chat in chats
        ]
        inputs = tokenizer(
            texts, return_tensors="pt", padding=True, padding_side="left", add_special_tokens=False
        )
        out = model.generate(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            max_new_tokens=new_tokens,
            do_sample=False,
        )
        said += tokenizer.batch_decode(
            out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True
        )
    return said


def sit_exam(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, exam: list[Exchange]
) -> list[Answer]:
    said = ask(model, tokenizer, [turn.ask for turn in exam], 60)
    return [Answer(turn, text) for turn, text in zip(exam, said, strict=True)]
