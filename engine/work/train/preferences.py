"""The objective "prefer": which answers are better, by pairs (DPO, ORPO) or by marks (KTO)."""

from __future__ import annotations

from typing import Any

from transformers import Trainer, TrainerCallback

from engine.errors import DataError, RunError, SpecError
from engine.spec.method import MethodSpec
from engine.spec.objective import resolve_preference_method
from engine.spec.run import Shape
from engine.text import count_of
from engine.work.encode.preferences import encode_preferences, paired_examples, unpaired_examples
from engine.work.train import objective
from engine.work.train.preference_trainers import make_preference_trainer
from engine.work.train.trainer import preserved_precision

STEADY_KTO_BATCH = 4  # examples at once, from where KTO's estimate of the reference is of use


class PreferenceObjective(objective.Objective):
    """The objective of a run that learns which answers are better."""

    def __init__(self, inputs: objective.TrainingInputs) -> None:
        self.spec, self.tokenizer = inputs.spec, inputs.tokenizer
        shape = Shape.PREFERENCE if "rejected" in inputs.train[0] else Shape.FEEDBACK
        self.preference = resolve_preference_method(self.spec.method, shape)
        check_reference(self.preference, self.spec.method)
        found = encode_preferences(inputs.tokenizer, inputs.train, self.spec.data)
        objective.require_examples(len(found.sides), found.lost + found.same, self.spec.data)
        held_out = encode_preferences(inputs.tokenizer, inputs.held_out, self.spec.data)
        sides = [side for row in found.sides for side in row]
        rows = found.sides
        self.weights = (1.0, 1.0)
        if self.preference == "kto":
            rows = [[side] for side in sides]
            self.train, self.held_out = unpaired_examples(found), unpaired_examples(held_out)
            self.weights = mark_weights([bool(one["label"]) for one in self.train])
        else:
            self.train, self.held_out = paired_examples(found), paired_examples(held_out)
        self.warnings = objective.left_out_warnings(found.lost, found.refused, len(inputs.train))
        if found.same:
            self.warnings.append(
                f"{found.same} of {len(inputs.train)} examples have two answers that are the same "
                "at this length, so neither is better: left out."
            )
        self.warnings += objective.endless_warnings(inputs)
        self.warnings += self._setting_warnings()
        self.lengths = [max(len(side.ids) for side in row) for row in rows]
        self.counts = objective.ExampleCounts(
            rows=len(self.train),
            held_out=len(self.held_out),
            tokens=sum(len(side.ids) for side in sides),
            learned=sum(side.target_tokens for side in sides),
            cut=sum(any(side.cut_tokens > 0 for side in row) for row in rows),
        )
        self.sample_replies = objective.SamplePrompts(inputs).sample_replies

    def _setting_warnings(self) -> list[str]:
        """What the user should know of the settings and the marks."""
        found = []
        batch = self.spec.optim.batch_size
        if self.spec.method.dropout:
            found.append(
                "Dropout is not used: answers are compared token by token, so nothing is left out "
                "at random."
            )
        if self.spec.data.learn == "all":
            found.append("The setting Learn from is not used: only the last answers are compared.")
        if self.preference == "kto" and batch < STEADY_KTO_BATCH:
            found.append(
                f"KTO measures each answer against the others of its batch, and {batch} is a small "
                f"batch. With {STEADY_KTO_BATCH} or more, training is steadier."
            )
        if max(self.weights) > 1:
            good = sum(one["label"] for one in self.train)
            rarer = "good" if self.weights[0] > 1 else "bad"
            found.append(
                f"{count_of(good, 'answer is', 'answers are')} good and "
                f"{len(self.train) - good:,} bad, so each {rarer} one counts "
                f"{max(self.weights):.1f} times."
            )
        return found

    def make_trainer(
        self, model: Any, arguments: dict[str, Any], callbacks: list[TrainerCallback]
    ) -> Trainer:
        """TRL's trainer of this preference method."""
        if self.preference == "kto" and arguments["per_device_train_batch_size"] < 2:
            raise RunError(
                "KTO compares the examples of a batch with each other, so it needs at least two at "
                "once. Set the batch size to 2 or more, or the longest example lower on the Data "
                "tab."
            )
        with preserved_precision(model):
            return make_preference_trainer(
                self.preference,
                self.spec.method,
                self.weights,
                arguments,
                (self.train, self.held_out),
                model=model,
                processing_class=self.tokenizer,
                callbacks=callbacks,
            )


def check_reference(preference: str, method: MethodSpec) -> None:
    """Raise SpecError for a method that changes the base, which is DPO's and KTO's reference."""
    if preference == "orpo" or not method.adapts:
        return
    name = preference.upper()
    if method.bias != "none":
        raise SpecError(
            f"Biases (method.bias): {name} compares with the base model, whose biases would be "
            "trained too. Choose None, or the preference method ORPO."
        )
    if method.init in ("pissa", "olora"):
        raise SpecError(
            "How the adapter starts (method.init): PiSSA and OLoRA change the base weights that "
            f"{name} compares with. Choose Zero, or the preference method ORPO."
        )


def mark_weights(marks: list[bool]) -> tuple[float, float]:
    """Weights of good and bad answers by which the rarer ones weigh as much (KTO's equation 8).

    Raises DataError where all answers have the same mark.
    """
    good, bad = sum(marks), len(marks) - sum(marks)
    if not bad:
        raise DataError(
            "All answers are marked good, so there is nothing to tell apart. Add answers marked "
            "bad on the Data tab, or set what to learn to Write answers or text."
        )
    if not good:
        raise DataError(
            "All answers are marked bad, so there is nothing to tell apart. Add answers marked "
            "good on the Data tab."
        )
    return max(1.0, bad / good), max(1.0, good / bad)
