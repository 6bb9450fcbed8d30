"""The goal "write": answers or plain text are learned token by token (TRL's SFTTrainer)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from datasets import Dataset
from transformers import PreTrainedTokenizerBase, Trainer, TrainerCallback
from trl import SFTConfig, SFTTrainer

from engine.errors import DataError
from engine.normal import with_system
from engine.spec import RunSpec
from engine.work.data import Encoded, Row, encode_all, prompt_ids, questions
from engine.work.generate import replies
from engine.work.lesson import FasterSecondHalf, Material, Numbers
from engine.work.load import Head

QUESTIONS = 3  # asked at every check where the user names none


class WritingTrainer(FasterSecondHalf, SFTTrainer):
    """SFTTrainer with the model's own loss: TRL's chunked one takes two to three times as long on a CPU."""

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        inputs["use_cache"] = False
        return Trainer.compute_loss(self, model, inputs, return_outputs, num_items_in_batch)


class Writing:
    """The lesson of a run that learns to write."""

    head: Head | None = None
    preference = ""

    def __init__(self, made_of: Material) -> None:
        self.of = made_of
        data, spec = made_of.spec.data, made_of.spec
        self.data, lost, refused = encode_all(made_of.tokenizer, made_of.rows, data)
        self.held = encode_all(made_of.tokenizer, made_of.held, data).kept
        require(len(self.data), lost, spec)
        self.warnings = left_out(lost, refused, len(made_of.rows))
        self.lengths = [len(one.ids) for one in self.data]
        self.numbers = Numbers(
            rows=len(self.data),
            held_out=len(self.held),
            tokens=sum(self.lengths),
            learned=sum(one.learned for one in self.data),
            cut=sum(one.cut > 0 for one in self.data),
        )
        self.questions = Questions(made_of)

    def trainer(self, model: Any, arguments: dict[str, Any], callbacks: list[TrainerCallback]) -> Trainer:
        """SFTTrainer on rows that are tokens already."""
        return WritingTrainer(
            model=model,
            # Rows are cut already, so that the page can show where. The loss is that of the tokens alone: what keeps
            # the experts of a mixture evenly used is no concern of an adapter, and would hide what is learned.
            args=SFTConfig(**arguments, max_length=None, packing=False, router_aux_loss_coef=0.0),
            train_dataset=_dataset(self.data),
            eval_dataset=_dataset(self.held) if self.held else None,
            processing_class=self.of.tokenizer,
            callbacks=callbacks,
        )

    def ask(self, model: Any) -> list[tuple[str, str]]:
        """Greedy replies."""
        return self.questions.ask(model)


class Questions:
    """The fixed prompts of a run: the user's, or the first held-out ones that are short enough."""

    def __init__(self, made_of: Material) -> None:
        self.tokenizer = made_of.tokenizer
        sampling, context = made_of.spec.sampling, made_of.context
        longest = min(made_of.spec.data.max_length, context // 2)  # tokens of a question: the reply needs room too
        self.new = min(sampling.max_new_tokens, context - longest)
        self.asked = _asked(made_of.spec, made_of.tokenizer, made_of.held or made_of.rows, longest)

    def ask(self, model: Any) -> list[tuple[str, str]]:
        """What is asked, and the model's greedy replies."""
        texts = replies(model, self.tokenizer, [ids for _, ids in self.asked], self.new)
        return list(zip([prompt for prompt, _ in self.asked], texts, strict=True))


def _asked(
    spec: RunSpec, tokenizer: PreTrainedTokenizerBase, rows: Sequence[Row], longest: int
) -> list[tuple[str, list[int]]]:
    if not spec.sampling.prompts:
        return questions(tokenizer, rows, QUESTIONS, longest, spec.data)
    plain, literal = "text" in rows[0], "literal" in spec.data.fixes
    asked = []
    for prompt in spec.sampling.prompts:
        chat = with_system([{"role": "user", "content": prompt}], "" if plain else spec.data.system)
        asked.append((prompt, prompt_ids(tokenizer, chat, plain, literal=literal)[:longest]))
    return asked


def require(kept: int, lost: int, spec: RunSpec) -> None:
    """Raise DataError where no example is left to learn from."""
    if not kept and not lost:
        raise DataError(
            "None of the examples fits the model's chat format, so nothing can be learned. Choose another chat format "
            "(template) on the Data tab."
        )
    if not kept:
        raise DataError(
            f"None of the {lost} examples keeps an answer within {spec.data.max_length} tokens, so nothing can be "
            "learned. Raise the longest example on the Data tab, or shorten the prompts."
        )


def left_out(lost: int, refused: int, rows: int) -> list[str]:
    """What to say about examples that are not learned."""
    found = []
    if lost:
        found.append(f"{lost} of {rows} examples lose their whole answer at this length: left out.")
    if refused:
        found.append(f"{refused} of {rows} examples do not fit the model's chat format: left out.")
    return found


def _dataset(encoded: list[Encoded]) -> Dataset:
    return Dataset.from_dict({"input_ids": [one.ids for one in encoded], "labels": [one.labels for one in encoded]})
