"""The goal "prefer": better answers are told from worse ones, by pairs (DPO, ORPO) or by marks (KTO)."""

from __future__ import annotations

from typing import Any

from transformers import Trainer, TrainerCallback

from engine.errors import DataError, RunError, SpecError
from engine.spec.method import MethodSpec
from engine.spec.objective import resolve_preference_method
from engine.spec.run import Shape
from engine.text import count_of
from engine.work.encode.preferences import encode_preferences, paired_examples, unpaired_examples
from engine.work.model.load import Head
from engine.work.train.objective import (
    ExampleCounts,
    TrainingInputs,
    left_out_warnings,
    require_examples,
)
from engine.work.train.preference_trainers import make_preference_trainer
from engine.work.train.samples import SamplePrompts
from engine.work.train.trainer import preserved_precision

STEADY_KTO_BATCH = 4  # examples at once, from where KTO's yardstick is of some use


class PreferenceObjective:
    """The lesson of a run that learns which answers are better."""

    head: Head | None = None

    def __init__(self, made_of: TrainingInputs) -> None:
        self.of, self.spec = made_of, made_of.spec
        self.reasons: dict[str, str] = {}
        self.flat = False
        shape = Shape.PREFERENCE if "rejected" in made_of.rows[0] else Shape.FEEDBACK
        self.preference: str = resolve_preference_method(self.spec.method, shape)
        self._check(self.spec.method)
        found = encode_preferences(made_of.tokenizer, made_of.rows, self.spec.data)
        require_examples(len(found.sides), found.lost + found.same, self.spec.data)
        held = encode_preferences(made_of.tokenizer, made_of.held, self.spec.data)
        self.weights = (1.0, 1.0)
        if self.preference == "kto":
            self.data, self.held = unpaired_examples(found), unpaired_examples(held)
            marks = [bool(one["label"]) for one in self.data]
            require_both_marks(marks)
            self.weights = mark_weights(marks)
        else:
            self.data, self.held = paired_examples(found), paired_examples(held)
        self.warnings = left_out_warnings(found.lost, found.refused, len(made_of.rows))
        if found.same:
            self.warnings.append(
                f"{found.same} of {len(made_of.rows)} examples have two answers that are the same at this length, so "
                "neither is better: left out."
            )
        self.warnings += self._about()
        sides = [side for row in found.sides for side in row]
        rows = [[side] for side in sides] if self.preference == "kto" else found.sides
        self.lengths = [max(len(side.ids) for side in row) for row in rows]
        self.numbers = ExampleCounts(
            rows=len(self.data),
            held_out=len(self.held),
            tokens=sum(len(side.ids) for side in sides),
            learned=sum(side.target_tokens for side in sides),
            cut=sum(any(side.cut_tokens > 0 for side in row) for row in rows),
        )
        self.questions = SamplePrompts(made_of)

    def _check(self, method: MethodSpec) -> None:
        """Raise SpecError for what TRL's reference does not go with: it puts a second adapter beside the first."""
        if self.preference == "orpo" or not method.adapts:
            return
        if method.bias != "none":
            raise SpecError(
                f"Biases (method.bias): {self.preference.upper()} compares with the base model, whose biases would be "
                "trained too. Choose None, or the preference method ORPO."
            )
        if method.init in ("pissa", "olora"):
            raise SpecError(
                f"How the adapter starts (method.init): PiSSA and OLoRA change the base weights that "
                f"{self.preference.upper()} compares with. Choose Zero, or the preference method ORPO."
            )

    def _about(self) -> list[str]:
        """What the user should know of the settings and the marks."""
        method, found = self.spec.method, []
        if method.dropout:
            found.append(
                "Dropout is not used: answers are compared token by token, so nothing is left out at random."
            )
        if self.spec.data.learn == "all":
            found.append(
                "Learn from: what is compared is the last answer alone, whatever is chosen there."
            )
        if self.preference == "kto" and self.spec.optim.batch_size < STEADY_KTO_BATCH:
            found.append(
                f"KTO measures each answer against the others of its batch, and {self.spec.optim.batch_size} at once "
                f"are few. A batch size of {STEADY_KTO_BATCH} or more is steadier."
            )
        if max(self.weights) > 1:
            good = sum(one["label"] for one in self.data)
            rarer = "good" if self.weights[0] > 1 else "bad"
            found.append(
                f"{count_of(good, 'answer is', 'answers are')} good and {len(self.data) - good:,} bad, so each {rarer} "
                f"one counts {max(self.weights):.1f} times."
            )
        return found

    def trainer(
        self, model: Any, arguments: dict[str, Any], callbacks: list[TrainerCallback]
    ) -> Trainer:
        """The trainer of preferences, on examples that are tokens already."""
        method = self.spec.method
        if self.preference == "kto" and arguments["per_device_train_batch_size"] < 2:
            raise RunError(
                "KTO compares the examples of a batch with each other, so it needs at least two at once. Set the "
                "batch size to 2 or more, or the longest example lower on the Data tab."
            )
        with preserved_precision(model):
            return make_preference_trainer(
                self.preference,
                method.beta,
                self.weights,
                switched_off(method),
                arguments,
                self.data,
                self.held,
                model=model,
                processing_class=self.of.tokenizer,
                callbacks=callbacks,
            )

    def ask(self, model: Any) -> list[tuple[str, str]]:
        """Greedy replies."""
        return self.questions.ask(model)


def switched_off(method: MethodSpec) -> bool:
    """Whether the model is the base again once its adapter is switched off: some methods change the base itself."""
    return method.adapts


def require_both_marks(marks: list[bool]) -> None:
    """Raise DataError where there is nothing to tell apart."""
    if len(set(marks)) < 2:
        raise DataError(
            f"All answers are marked {'good' if marks[0] else 'bad'}, so there is nothing to tell apart. Add answers "
            f"marked {'bad' if marks[0] else 'good'} on the Data tab"
            + (", or set what to learn to Write answers or text." if marks[0] else ".")
        )


def mark_weights(marks: list[bool]) -> tuple[float, float]:
    """How much good and bad answers count, so that the rarer ones weigh as much together (KTO's equation 8)."""
    good, bad = sum(marks), len(marks) - sum(marks)
    return max(1.0, bad / good), max(1.0, good / bad)
