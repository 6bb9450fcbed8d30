"""TRL's trainers of preferences on examples that are tokens already: DPO, ORPO, KTO.

What is trained is what the page shows, so their own tokenising is left out. The reference of DPO and KTO is the model
with its adapter switched off: no second model is loaded.
"""

from __future__ import annotations

import os
from typing import Any

# ORPO is one of TRL's experimental trainers, which say so at import; their documentation names this switch.
os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")

from datasets import Dataset
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

from engine.work.encode.encode import IGNORE_INDEX
from engine.work.train.trainer import HoneTrainer

MAX_LOG_PROBABILITY = -1e-6  # log-probability of an answer that could hardly be likelier


class _LogsAccuracy:
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


class DpoTrainer(_LogsAccuracy, HoneTrainer, DPOTrainer):
    """DPO (Rafailov et al., arXiv:2305.18290)."""

    def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
        return dataset


class KtoTrainer(HoneTrainer, KTOTrainer):
    """KTO (Ethayarajh et al., arXiv:2402.01306)."""

    def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
        return dataset


class OrpoTrainer(_LogsAccuracy, HoneTrainer, ORPOTrainer):
    """ORPO (Hong et al., arXiv:2403.07691)."""

    noted, right = "_stored_metrics", "eval_rewards/accuracies"
    against_itself = False

    @staticmethod
    def get_batch_logps(logits: Any, *args: Any, **options: Any) -> Any:
        """In fp32, and never quite certain: in 16 bits an answer can look certain, and its odds are infinite."""
        found = ORPOTrainer.get_batch_logps(logits.float(), *args, **options)
        return found.clamp(max=MAX_LOG_PROBABILITY)

    def tokenize_row(self, feature: dict[str, Any], model: Any = None) -> dict[str, Any]:
        """A row's tokens under the names that this trainer knows."""
        question: list[int] = feature["prompt_ids"]
        found: dict[str, Any] = {}
        for side in ("chosen", "rejected"):
            ids = question + feature[f"{side}_ids"]
            found |= {
                f"{side}_input_ids": ids,
                f"{side}_attention_mask": [1] * len(ids),
                f"{side}_labels": [IGNORE_INDEX] * len(question) + feature[f"{side}_ids"],
            }
        return found | {"prompt_input_ids": question, "prompt_attention_mask": [1] * len(question)}


def make_preference_trainer(
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
        return OrpoTrainer(
            args=ORPOConfig(**(common | seen | {"max_length": longest_side(train, held)})),
            **data,
            **options,
        )
    if method == "kto":
        good, bad = weights
        return KtoTrainer(
            args=KTOConfig(**common, **asked, desirable_weight=good, undesirable_weight=bad),
            **data,
            **options,
        )
    return DpoTrainer(args=DPOConfig(**common, **asked), **data, **options)


def longest_side(*parts: list[dict[str, Any]]) -> int:
    """Tokens of the longest side."""
    sides = (
        (one["prompt_ids"], one[f"{side}_ids"])
        for rows in parts
        for one in rows
        for side in ("chosen", "rejected")
    )
    return max(len(question) + len(answer) for question, answer in sides)
