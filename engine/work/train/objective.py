"""A training objective: what it is made from, its interface, and what the objectives share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from transformers import PreTrainedTokenizerBase, Trainer, TrainerCallback

from engine.data.messages import with_system
from engine.data.rows import Rows, read_rows
from engine.errors import DataError
from engine.model.info import ModelInfo
from engine.spec.objective import ObjectiveKind
from engine.spec.run import DataSpec, RunSpec
from engine.store.run_dir import RunDir
from engine.work.encode.questions import first_questions, prompt_ids
from engine.work.encode.tokenizer import load_tokenizer
from engine.work.encode.turn_ends import find_turn_ends
from engine.work.model.base_and_tuned import open_base
from engine.work.model.generate import greedy_replies
from engine.work.model.load import Head

SAMPLE_PROMPTS = 3  # asked at every check where the user names none

Sample = tuple[str, str]  # a prompt, and the model's reply


class TrainingInputs(NamedTuple):
    """What an objective is made from."""

    run: RunDir
    spec: RunSpec
    kind: ObjectiveKind
    info: ModelInfo
    head: Head | None
    tokenizer: PreTrainedTokenizerBase
    train: Rows
    held_out: Rows

    @property
    def plain_text(self) -> bool:
        """Whether the rows are texts to be continued, without turns."""
        return "text" in self.train[0]

    @property
    def context(self) -> int:
        """Tokens that the model reads at once, as far as this run needs to know."""
        return self.info.context or self.spec.data.max_length + self.spec.sampling.max_new_tokens


def load_inputs(run: RunDir) -> TrainingInputs:
    """Read a run's settings, base model and rows; raises HoneError where they do not fit."""
    spec = run.spec
    folder, info, kind, head = open_base(run)
    info.check_length(spec.data.max_length)
    train, held_out = read_rows(run.train_file), read_rows(run.held_out_file)
    if not len(train):
        raise DataError(
            "The rows of this run are missing: an earlier Hone kept them in another form. Start a "
            "new run."
        )
    tokenizer = load_tokenizer(folder, spec.data.template)
    return TrainingInputs(run, spec, kind, info, head, tokenizer, train, held_out)


class ExampleCounts(NamedTuple):
    """Counts of the examples as they are trained on; fields of the event Started."""

    rows: int
    held_out: int
    tokens: int
    learned: int  # target tokens; for labels, the examples
    cut: int  # examples that lose something at the length limit


class Objective(Protocol):
    """What a run trains. Its constructor raises DataError where nothing can be learned."""

    warnings: list[str]  # about the examples, for the user
    counts: ExampleCounts
    lengths: list[int]  # tokens of each training example, in the order of the trainer's dataset
    preference: str = ""  # dpo, orpo or kto; empty for other objectives
    reasons: Mapping[str, str] = MappingProxyType({})  # what was chosen automatically, and why
    packed: bool = False  # its batches have no padding
    # From the model to the run's fixed prompts with its replies.
    sample_replies: Callable[[Any], list[Sample]]

    def make_trainer(
        self, model: Any, arguments: dict[str, Any], callbacks: list[TrainerCallback]
    ) -> Trainer:
        """The trainer with its datasets; ``arguments``: TrainingArguments that all share."""


def require_examples(kept: int, lost: int, data: DataSpec) -> None:
    """Raise DataError where no example is left to learn from."""
    if kept:
        return
    if not lost:
        raise DataError(
            "None of the examples fits the model's chat format, so nothing can be learned. Choose "
            "another chat format (template) on the Data tab."
        )
    raise DataError(
        f"None of the {lost} examples keeps an answer within {data.max_length} tokens, so nothing "
        "can be learned. Raise the longest example on the Data tab, or shorten the prompts."
    )


def left_out_warnings(lost: int, refused: int, rows: int) -> list[str]:
    """What to tell the user about examples that are left out."""
    found = []
    if lost:
        found.append(f"{lost} of {rows} examples lose their whole answer at this length: left out.")
    if refused:
        found.append(f"{refused} of {rows} examples do not fit the model's chat format: left out.")
    return found


def endless_warnings(inputs: TrainingInputs) -> list[str]:
    """What to tell the user where training cannot teach where an answer stops."""
    if find_turn_ends(inputs.tokenizer, inputs.plain_text).taught:
        return []
    what = "The tokenizer has no end token"
    if not inputs.plain_text:
        what = "The chat format (template) writes no mark after the last answer"
    return [
        f"{what}, so training cannot teach the model where to stop, and replies may run on to "
        "their limit."
    ]


class SamplePrompts:
    """A run's fixed prompts: the user's, or the first held-out questions that are short enough."""

    def __init__(self, inputs: TrainingInputs) -> None:
        self.tokenizer = inputs.tokenizer
        self.plain_text = inputs.plain_text
        context = inputs.context
        # Tokens of a prompt: the reply needs room in the context, too.
        longest = min(inputs.spec.data.max_length, context // 2)
        self.max_new_tokens = min(inputs.spec.sampling.max_new_tokens, context - longest)
        self.prompts = _choose_prompts(inputs, longest)

    def sample_replies(self, model: Any) -> list[Sample]:
        """Each prompt with the model's greedy reply."""
        ids = [ids for _, ids in self.prompts]
        replies = greedy_replies(model, self.tokenizer, ids, self.max_new_tokens, self.plain_text)
        return list(zip([prompt for prompt, _ in self.prompts], replies, strict=True))


def _choose_prompts(inputs: TrainingInputs, longest: int) -> list[tuple[str, list[int]]]:
    """The prompts as texts and as token ids, of at most ``longest`` tokens."""
    spec, rows = inputs.spec, inputs.held_out or inputs.train
    if not spec.sampling.prompts:
        return first_questions(inputs.tokenizer, rows, SAMPLE_PROMPTS, longest, spec.data)
    plain, literal = inputs.plain_text, "literal" in spec.data.fixes
    system = "" if plain else spec.data.system
    found = []
    for prompt in spec.sampling.prompts:
        chat = with_system([{"role": "user", "content": prompt}], system)
        ids = prompt_ids(inputs.tokenizer, chat, plain, literal=literal)
        found.append((prompt, ids[:longest]))
    return found
