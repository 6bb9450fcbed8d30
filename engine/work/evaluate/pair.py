"""Base and tuned model, to be measured on the same rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from engine.spec.run import DataSpec
from engine.work.encode.tokenizer import load_tokenizer
from engine.work.model.base_and_tuned import TrainedRun

Measured = TypeVar("Measured")


class Pair(NamedTuple):
    """Base and tuned model as one, with what is needed to ask them."""

    model: Any
    tokenizer: Any
    data: DataSpec
    context: int  # tokens that it reads at once

    def measure_both(self, measure: Callable[[], Measured]) -> tuple[Measured, Measured]:
        """What ``measure`` gives with the base model, and with the tuned one."""
        with self.model.disable_adapter():
            base = measure()
        return base, measure()


def load_pair(trained: TrainedRun) -> Pair:
    """Load the base and tuned model of a run; raises HoneError."""
    model = trained.load_models(trained.device_setup())
    tokenizer = load_tokenizer(trained.folder, trained.spec.data.template)
    return Pair(model, tokenizer, trained.spec.data, trained.context)
