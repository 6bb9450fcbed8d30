"""The trainer of preferences: DPO, ORPO and KTO as losses of one trainer.

The reference of DPO and KTO is the model with its adapter switched off: no second model is loaded, and what it says
of an example is asked once and kept. TRL's trainers, which the tests compare with, give the same losses, but on a CPU
take 1.5 to 9 times as long, since they compute the logits of the questions too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from peft import PeftModel
from torch import Tensor, nn
from torch.nn.functional import logsigmoid
from transformers import PreTrainedTokenizerBase

from engine.work.lesson import FasterSecondHalf
from engine.work.logps import Batch, learned, log_probabilities, padded
from engine.work.pairs import Example

SURE = -1e-6  # log-probability of an answer that could not be likelier: its odds would be infinite


class Said(NamedTuple):
    """What a model says of a batch: sums over an answer's tokens, better answers before worse ones."""

    answers: Tensor
    strays: Tensor  # the same of answers to other questions; empty where there are none


class Terms(NamedTuple):
    """What a loss depends on besides what is said."""

    beta: float
    tokens: Tensor  # of each answer
    good: Tensor  # marks, where answers are marked
    weights: tuple[float, float]  # of good answers and of bad ones


Loss = Callable[[Said, Said | None, Terms], Tensor]


def dpo(now: Said, before: Said | None, terms: Terms) -> Tensor:
    """How surely the better answer has gained more than the worse (Rafailov et al., arXiv:2305.18290, equation 7)."""
    assert before is not None
    better, worse = (now.answers - before.answers).chunk(2)
    return -logsigmoid(terms.beta * (better - worse)).mean()


def orpo(now: Said, before: Said | None, terms: Terms) -> Tensor:
    """Writing the better answer, and odds against the worse one (Hong et al., arXiv:2403.07691, equations 6 and 7)."""
    better, worse = (now.answers / terms.tokens).clamp(max=SURE).chunk(2)
    odds = (better - worse) - (torch.log(-torch.expm1(better)) - torch.log(-torch.expm1(worse)))
    written = -now.answers.chunk(2)[0].sum() / terms.tokens.chunk(2)[0].sum()
    return written - terms.beta * logsigmoid(odds).mean()


def kto(now: Said, before: Said | None, terms: Terms) -> Tensor:
    """How far good answers gain and bad ones lose, beyond what all do (Ethayarajh et al., arXiv:2402.01306, eq. 7)."""
    assert before is not None
    drift = (now.strays - before.strays).mean().clamp(min=0).detach()
    gain = now.answers - before.answers - drift
    good, bad = terms.weights
    wanted = torch.where(terms.good, gain, -gain)
    return (torch.where(terms.good, good, bad) * (1 - torch.sigmoid(terms.beta * wanted))).mean()


LOSSES: dict[str, Loss] = {"dpo": dpo, "orpo": orpo, "kto": kto}


class Collate:
    """Examples as one batch of tensors."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.pad = int(tokenizer.pad_token_id)

    def __call__(self, examples: Sequence[Example]) -> Batch:
        answers = [one.answer for one in examples] + [one.worse for one in examples if one.worse is not None]
        strays = [one.stray for one in examples if one.stray is not None]
        batch = {
            "numbers": torch.tensor([one.number for one in examples]),
            "good": torch.tensor([one.good for one in examples]),
            **padded(answers, self.pad),
        }
        if strays:
            batch |= {f"stray_{name}": value for name, value in padded(strays, self.pad).items()}
        return batch


class Comparing(FasterSecondHalf):
    """Learns which answers are better; its checks say how often it finds the better one the likelier."""

    loss_is_scaled_for_ga = False  # a batch's loss is a mean over its examples

    def __init__(self, method: str, beta: float, weights: tuple[float, float], switched: bool, **options: Any) -> None:
        super().__init__(**options)
        self.loss, self.beta, self.weights = LOSSES[method], beta, weights
        self.known: dict[int, tuple[float, ...]] = {}  # what the base says, by the example's number
        self.verdicts: list[tuple[float, bool]] = []  # of the check that is made now
        without_dropout(self.model)
        self.asks_base = method != "orpo"
        if self.asks_base and not switched:
            self._ask_base_now()

    def _ask_base_now(self) -> None:
        """Before the first step the model is the base, also where nothing could be switched off later."""
        for dataset in (self.train_dataset, self.eval_dataset or []):
            size = self.args.per_device_eval_batch_size
            for start in range(0, len(dataset), size):
                inputs = self._prepare_inputs(self.data_collator(dataset[start : start + size]))
                with torch.autocast(self.args.device.type, torch.bfloat16, enabled=self.args.bf16):
                    self._keep(inputs, self.model)

    def _keep(self, inputs: Batch, model: Any) -> None:
        with torch.no_grad():
            found = said(model, inputs)
        numbers = inputs["numbers"].tolist()
        columns = [*found.answers.view(-1, len(numbers)), *found.strays.view(-1, len(numbers))]
        self.known.update(zip(numbers, zip(*(column.tolist() for column in columns), strict=True), strict=True))

    def base(self, inputs: Batch, model: Any) -> Said:
        """What the base says of a batch."""
        numbers = inputs["numbers"].tolist()
        if not all(number in self.known for number in numbers):
            adapted: Any = self.model
            assert isinstance(adapted, PeftModel)
            with adapted.disable_adapter():
                self._keep(inputs, model)
        device = inputs["input_ids"].device
        columns = torch.tensor([self.known[number] for number in numbers], device=device).T
        sides = len(inputs["input_ids"]) // len(numbers)
        return Said(columns[:sides].reshape(-1), columns[sides:].reshape(-1))

    def compute_loss(
        self, model: Any, inputs: Batch, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The method's loss of one batch."""
        before = self.base(inputs, model) if self.asks_base else None
        now = said(model, inputs)
        tokens = learned(inputs["labels"]).sum(dim=1)
        if not self.model.training:
            self._note(now.answers / tokens, inputs)
        return self.loss(now, before, Terms(self.beta, tokens, inputs["good"], self.weights))

    def _note(self, likely: Tensor, inputs: Batch) -> None:
        pairs = len(likely) > len(inputs["numbers"])
        marks = [True] * (len(likely) // 2) + [False] * (len(likely) // 2) if pairs else inputs["good"].tolist()
        self.verdicts += zip(likely.tolist(), marks, strict=True)

    def prediction_step(
        self, model: Any, inputs: Batch, prediction_loss_only: bool, ignore_keys: list[str] | None = None
    ) -> tuple[Tensor, None, None]:
        """The loss of one batch of a check."""
        with torch.no_grad(), self.compute_loss_context_manager():
            return self.compute_loss(model, self._prepare_inputs(inputs)).detach(), None, None

    def evaluation_loop(self, *args: Any, **options: Any) -> Any:
        """One check, with the share of held-out pairs whose better answer is the likelier."""
        self.verdicts = []
        output = super().evaluation_loop(*args, **options)
        right, of = preferred(self.verdicts)
        if of:
            output.metrics["eval_accuracy"] = right / of
        return output


def said(model: Any, inputs: Batch) -> Said:
    """What a model says of a batch. Nothing is learned from answers to other questions."""
    answers = log_probabilities(model, inputs)
    if "stray_labels" not in inputs:
        return Said(answers, answers[:0])
    with torch.no_grad():
        strays = {name.removeprefix("stray_"): value for name, value in inputs.items() if name.startswith("stray_")}
        return Said(answers, log_probabilities(model, strays))


def preferred(verdicts: Sequence[tuple[float, bool]]) -> tuple[int, int]:
    """How often a better answer is the likelier, and of how many pairs: the first good one with the first bad one."""
    good, bad = ([likely for likely, mark in verdicts if mark == wanted] for wanted in (True, False))
    return sum(one > other for one, other in zip(good, bad, strict=False)), min(len(good), len(bad))


def without_dropout(model: nn.Module) -> None:
    """Base and trained model are compared token by token, so neither may leave anything out at random."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        for name in ("attention_dropout", "dropout", "activation_dropout"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)
