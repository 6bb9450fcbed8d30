"""The goal "prefer": better answers are told from worse ones, by pairs (DPO, ORPO) or by marks (KTO)."""

from __future__ import annotations

import os
from typing import Any

from datasets import Dataset
from transformers import Trainer, TrainerCallback
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

from engine.errors import DataError, RunError, SpecError
from engine.spec.method import MethodSpec
from engine.spec.objective import preference_of
from engine.spec.run import Shape
from engine.text import plural
from engine.work.encode.encode import IGNORED
from engine.work.encode.preferences import marked, pairs, read
from engine.work.model.load import Head
from engine.work.train.objective import Material, Numbers, left_out, require
from engine.work.train.samples import Questions
from engine.work.train.trainer import HoneTrainer, exact

STEADY = 4  # examples at once, from where KTO's yardstick is of some use


class Preferring:
    """The lesson of a run that learns which answers are better."""

    head: Head | None = None

    def __init__(self, made_of: Material) -> None:
        self.of, self.spec = made_of, made_of.spec
        self.reasons: dict[str, str] = {}
        self.flat = False
        shape = Shape.PREFERENCE if "rejected" in made_of.rows[0] else Shape.FEEDBACK
        self.preference: str = preference_of(self.spec.method, shape)
        self._check(self.spec.method)
        found = read(made_of.tokenizer, made_of.rows, self.spec.data)
        require(len(found.sides), found.lost + found.same, self.spec.data)
        held = read(made_of.tokenizer, made_of.held, self.spec.data)
        self.weights = (1.0, 1.0)
        if self.preference == "kto":
            self.data, self.held = marked(found), marked(held)
            marks = [bool(one["label"]) for one in self.data]
            require_both(marks)
            self.weights = weights(marks)
        else:
            self.data, self.held = pairs(found), pairs(held)
        self.warnings = left_out(found.lost, found.refused, len(made_of.rows))
        if found.same:
            self.warnings.append(
                f"{found.same} of {len(made_of.rows)} examples have two answers that are the same at this length, so "
                "neither is better: left out."
            )
        self.warnings += self._about()
        sides = [side for row in found.sides for side in row]
        rows = [[side] for side in sides] if self.preference == "kto" else found.sides
        self.lengths = [max(len(side.ids) for side in row) for row in rows]
        self.numbers = Numbers(
            rows=len(self.data),
            held_out=len(self.held),
            tokens=sum(len(side.ids) for side in sides),
            learned=sum(side.learned for side in sides),
            cut=sum(any(side.cut > 0 for side in row) for row in rows),
        )
        self.questions = Questions(made_of)

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
        if self.preference == "kto" and self.spec.optim.batch_size < STEADY:
            found.append(
                f"KTO measures each answer against the others of its batch, and {self.spec.optim.batch_size} at once "
                f"are few. A batch size of {STEADY} or more is steadier."
            )
        if max(self.weights) > 1:
            good = sum(one["label"] for one in self.data)
            rarer = "good" if self.weights[0] > 1 else "bad"
            found.append(
                f"{plural(good, 'answer is', 'answers are')} good and {len(self.data) - good:,} bad, so each {rarer} "
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
        with exact(model):
            return trainer(
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


def require_both(marks: list[bool]) -> None:
    """Raise DataError where there is nothing to tell apart."""
    if len(set(marks)) < 2:
        raise DataError(
            f"All answers are marked {'good' if marks[0] else 'bad'}, so there is nothing to tell apart. Add answers "
            f"marked {'bad' if marks[0] else 'good'} on the Data tab"
            + (", or set what to learn to Write answers or text." if marks[0] else ".")
        )


def weights(marks: list[bool]) -> tuple[float, float]:
    """How much good and bad answers count, so that the rarer ones weigh as much together (KTO's equation 8)."""
    good, bad = sum(marks), len(marks) - sum(marks)
    return max(1.0, bad / good), max(1.0, good / bad)


# ORPO is one of TRL's experimental trainers, which say so at import; their documentation names this switch.
os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")

from datasets import Dataset
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

from engine.work.encode.encode import IGNORED
from engine.work.train.trainer import HoneTrainer

SURE = -1e-6  # log-probability of an answer that could hardly be likelier


class _Told:
    """Hands the share of right pairs, as TRL notes it, on with the other figures of a check."""

    noted, right = "_metrics", "rewards/accuracies"
    against_itself = True  # before the first step the model is its own reference: nothing is likelier than before

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the share to a check's figures; these go on to the callbacks."""
        found = getattr(self, self.noted)["eval"].get(self.right)
        first = self.against_itself and self.state.global_step == 0  # type: ignore[attr-defined]
        if "eval_loss" in logs and found and not first:
            logs["eval_accuracy"] = sum(map(float, found)) / len(found)
        super().log(logs, start_time)  # type: ignore[misc]


class Pairs(_Told, HoneTrainer, DPOTrainer):
    """DPO (Rafailov et al., arXiv:2305.18290)."""

    def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
        return dataset


class Marks(HoneTrainer, KTOTrainer):
    """KTO (Ethayarajh et al., arXiv:2402.01306)."""

    def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
        return dataset


class Odds(_Told, HoneTrainer, ORPOTrainer):
    """ORPO (Hong et al., arXiv:2403.07691)."""

    noted, right = "_stored_metrics", "eval_rewards/accuracies"
    against_itself = False

    @staticmethod
    def get_batch_logps(logits: Any, *args: Any, **options: Any) -> Any:
        """In fp32, and never quite certain: in 16 bits an answer can look certain, and its odds are infinite."""
        found = ORPOTrainer.get_batch_logps(logits.float(), *args, **options)
        return found.clamp(max=SURE)

    def tokenize_row(self, feature: dict[str, Any], model: Any = None) -> dict[str, Any]:
        """A row's tokens under the names that this trainer knows."""
        question: list[int] = feature["prompt_ids"]
        found: dict[str, Any] = {}
        for side in ("chosen", "rejected"):
            ids = question + feature[f"{side}_ids"]
            found |= {
                f"{side}_input_ids": ids,
                f"{side}_attention_mask": [1] * len(ids),
                f"{side}_labels": [IGNORED] * len(question) + feature[f"{side}_ids"],
            }
        return found | {"prompt_input_ids": question, "prompt_attention_mask": [1] * len(question)}


def trainer(
    method: str,
    beta: float,
    weights: tuple[float, float],
    switched_off: bool,
    arguments: dict[str, Any],
    train: list[dict[str, Any]],
    held: list[dict[str, Any]],
    **options: Any,
) -> Any:
    """The trainer of a preference method. Without a base to switch back to, it is asked once, before the first step."""
    data = {
        "train_dataset": Dataset.from_list(train),
        "eval_dataset": Dataset.from_list(held) if held else None,
    }
    common = {
        **arguments,
        "max_length": None,
        "beta": beta,
        "disable_dropout": True,
        "remove_unused_columns": False,
    }
    asked = {"precompute_ref_log_probs": not switched_off, "router_aux_loss_coef": 0.0}
    if method == "orpo":
        empty = {
            "prompt": "",
            "chosen": "",
            "rejected": "",
        }  # it looks for texts before it asks for tokens
        data = {
            name: rows and Dataset.from_list([one | empty for one in rows])
            for name, rows in data.items()
        }
        seen = {
            "include_num_input_tokens_seen": "no"
        }  # its batches have no name that the library knows
        return Odds(
            args=ORPOConfig(**(common | seen | {"max_length": longest(train, held)})),
            **data,
            **options,
        )
    if method == "kto":
        good, bad = weights
        return Marks(
            args=KTOConfig(**common, **asked, desirable_weight=good, undesirable_weight=bad),
            **data,
            **options,
        )
    return Pairs(args=DPOConfig(**common, **asked), **data, **options)


def longest(*parts: list[dict[str, Any]]) -> int:
    """Tokens of the longest side."""
    sides = (
        (one["prompt_ids"], one[f"{side}_ids"])
        for rows in parts
        for one in rows
        for side in ("chosen", "rejected")
    )
    return max(len(question) + len(answer) for question, answer in sides)
