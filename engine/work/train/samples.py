"""The fixed prompts of a run that writes, asked at every check."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from engine.data.messages import with_system
from engine.data.rows import Row
from engine.spec.run import RunSpec
from engine.work.encode.questions import first_questions, prompt_ids
from engine.work.model.generate import greedy_replies
from engine.work.train.objective import TrainingInputs

SAMPLE_PROMPTS = 3  # where the user names none


class SamplePrompts:
    """The fixed prompts of a run: the user's, or the first held-out ones that are short enough."""

    def __init__(self, made_of: TrainingInputs) -> None:
        self.tokenizer = made_of.tokenizer
        sampling, context = made_of.spec.sampling, made_of.context
        longest = min(
            made_of.spec.data.max_length, context // 2
        )  # tokens of a question: the reply needs room too
        self.new = min(sampling.max_new_tokens, context - longest)
        self.asked = _choose_prompts(
            made_of.spec, made_of.tokenizer, made_of.held or made_of.rows, longest
        )

    def ask(self, model: Any) -> list[tuple[str, str]]:
        """What is asked, and the model's greedy replies."""
        texts = greedy_replies(model, self.tokenizer, [ids for _, ids in self.asked], self.new)
        return list(zip([prompt for prompt, _ in self.asked], texts, strict=True))


def _choose_prompts(
    spec: RunSpec, tokenizer: PreTrainedTokenizerBase, rows: Sequence[Row], longest: int
) -> list[tuple[str, list[int]]]:
    if not spec.sampling.prompts:
        return first_questions(tokenizer, rows, SAMPLE_PROMPTS, longest, spec.data)
    plain, literal = "text" in rows[0], "literal" in spec.data.fixes
    asked = []
    for prompt in spec.sampling.prompts:
        chat = with_system([{"role": "user", "content": prompt}], "" if plain else spec.data.system)
        asked.append((prompt, prompt_ids(tokenizer, chat, plain, literal=literal)[:longest]))
    return asked
