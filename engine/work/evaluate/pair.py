"""Base and tuned scores of the same rows, paired row by row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from engine.spec.run import DataSpec
from engine.work.encode.tokenizer import load_tokenizer
from engine.work.model.base_and_tuned import TrainedRun

Measured = TypeVar("T")


class Pair(NamedTuple):
    """Base and tuned model as one, with what is needed to ask them."""

    model: Any
    tokenizer: Any
    data: DataSpec
    context: int  # tokens that it reads at once

    def both(self, measure: Callable[[], Measured]) -> tuple[Measured, Measured]:
        """The same of the base and of the tuned model."""
        with self.model.disable_adapter():
            base = measure()
        return base, measure()


def load_pair(of: TrainedRun) -> Pair:
    """Base and tuned model of a run, in memory."""
    return Pair(
        of.load_models(of.device_setup()),
        load_tokenizer(of.folder, of.spec.data.template),
        of.spec.data,
        of.context,
    )
