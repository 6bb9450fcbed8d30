"""The fixed prompts of a run that writes, and the model's replies to them at every check."""

from __future__ import annotations

from typing import Any

from engine.data.messages import with_system
from engine.work.encode.questions import first_questions, prompt_ids
from engine.work.model.generate import greedy_replies
from engine.work.train.inputs import TrainingInputs
from engine.work.train.objective import SAMPLE_PROMPTS, Sample


class SamplePrompts:
    """A run's fixed prompts: the user's, or the first held-out questions that are short enough."""

    def __init__(self, inputs: TrainingInputs) -> None:
        self.tokenizer = inputs.tokenizer
        context = inputs.context
        # Tokens of a prompt: the reply needs room in the context, too.
        longest = min(inputs.spec.data.max_length, context // 2)
        self.max_new_tokens = min(inputs.spec.sampling.max_new_tokens, context - longest)
        self.prompts = _choose_prompts(inputs, longest)

    def sample_replies(self, model: Any) -> list[Sample]:
        """Each prompt with the model's greedy reply."""
        ids = [ids for _, ids in self.prompts]
        replies = greedy_replies(model, self.tokenizer, ids, self.max_new_tokens)
        return list(zip([prompt for prompt, _ in self.prompts], replies, strict=True))


def _choose_prompts(inputs: TrainingInputs, longest: int) -> list[tuple[str, list[int]]]:
    """The prompts as texts and as token ids, of at most ``longest`` tokens."""
    spec, rows = inputs.spec, inputs.held_out or inputs.train
    if not spec.sampling.prompts:
        return first_questions(inputs.tokenizer, rows, SAMPLE_PROMPTS, longest, spec.data)
    plain, literal = "text" in rows[0], "literal" in spec.data.fixes
    system = "" if plain else spec.data.system
    found = []
    for prompt in spec.sampling.prompts:
        chat = with_system([{"role": "user", "content": prompt}], system)
        ids = prompt_ids(inputs.tokenizer, chat, plain, literal=literal)
        found.append((prompt, ids[:longest]))
    return found
