"""TRL's trainers of preferences on examples that are tokens already: DPO, ORPO, KTO.

What is trained is what the page shows, so their own tokenising is left out. The reference of DPO
and KTO is the model with its adapter switched off: no second model is loaded.
"""

from __future__ import annotations

import os
from typing import Any

# ORPO is one of TRL's experimental trainers, which say so at import; this switch is documented.
os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")

from datasets import Dataset
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

from engine.spec.method import MethodSpec
from engine.work import compat
from engine.work.encode.encode import IGNORE_INDEX
from engine.work.train.trainer import HoneTrainer

MAX_LOG_PROBABILITY = -1e-6  # of an answer that could hardly be likelier

Examples = list[dict[str, Any]]


class _LogsAccuracy:
    """Adds the share of rightly ordered pairs, which TRL notes by batch, to a check's figures."""

    metrics_name, accuracy_name = "_metrics", "rewards/accuracies"
    # Before the first step the model is its own reference: no answer is likelier than before.
    starts_at_reference = True

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the share to a check's figures, which go on to the callbacks."""
        found = compat.noted_metrics(self, self.metrics_name)["eval"].get(self.accuracy_name)
        step = self.state.global_step  # type: ignore[attr-defined]
        first = self.starts_at_reference and step == 0
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

    metrics_name, accuracy_name = "_stored_metrics", "eval_rewards/accuracies"
    starts_at_reference = False

    @staticmethod
    def get_batch_logps(logits: Any, *args: Any, **options: Any) -> Any:
        """In fp32 and never quite certain: in 16 bits an answer can look so, with infinite odds."""
        found = ORPOTrainer.get_batch_logps(logits.float(), *args, **options)
        return found.clamp(max=MAX_LOG_PROBABILITY)

    def concatenated_forward(self, model: Any, batch: Any) -> Any:
        """With the loss of the chosen answers alone: TRL's runs over the questions too.

        As in the paper, it is the mean over each answer's tokens, then over the answers.
        """
        chosen, rejected, chosen_logits, rejected_logits, _, *more = super().concatenated_forward(
            model, batch
        )
        return chosen, rejected, chosen_logits, rejected_logits, -chosen.mean(), *more

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
    kind: str,
    method: MethodSpec,
    weights: tuple[float, float],
    arguments: dict[str, Any],
    data: tuple[Examples, Examples],
    **options: Any,
) -> Any:
    """The trainer of ``kind`` (dpo, orpo or kto); ``data``: training and held-out examples.

    ``weights``: of good and of bad answers (KTO). Where all weights are trained there is no base to
    switch back to: its log-probabilities are computed once, before the first step.
    """
    common = arguments | {
        "max_length": None,
        "beta": method.beta,
        "disable_dropout": True,
        "remove_unused_columns": False,
    }
    if kind == "orpo":
        return _make_orpo_trainer(common, data, options)
    common |= {"precompute_ref_log_probs": not method.adapts, "router_aux_loss_coef": 0.0}
    options |= _to_datasets(data)
    if kind == "kto":
        good, bad = weights
        config = KTOConfig(**common, desirable_weight=good, undesirable_weight=bad)
        return KtoTrainer(args=config, **options)
    return DpoTrainer(args=DPOConfig(**common), **options)


def _make_orpo_trainer(
    common: dict[str, Any], data: tuple[Examples, Examples], options: dict[str, Any]
) -> OrpoTrainer:
    texts = {"prompt": "", "chosen": "", "rejected": ""}  # it looks for texts before it tokenises
    train, held_out = ([one | texts for one in rows] for rows in data)
    longest = max(
        len(one["prompt_ids"]) + max(len(one["chosen_ids"]), len(one["rejected_ids"]))
        for one in train + held_out
    )
    # Trainer does not know the names in its batches, so it cannot count their tokens.
    config = ORPOConfig(**common | {"max_length": longest, "include_num_input_tokens_seen": "no"})
    return OrpoTrainer(args=config, **_to_datasets((train, held_out)), **options)


def _to_datasets(data: tuple[Examples, Examples]) -> dict[str, Dataset | None]:
    train, held_out = data
    return {
        "train_dataset": Dataset.from_list(train),
        "eval_dataset": Dataset.from_list(held_out) if held_out else None,
    }
