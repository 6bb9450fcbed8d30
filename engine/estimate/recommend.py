"""The settings that suit a model, data and machine, each with its reason."""

from __future__ import annotations

from typing import Any, NamedTuple

from engine.estimate.case import Case
from engine.estimate.methods import MethodOption, explain_method, method_options
from engine.estimate.settings import (
    Setting,
    recommend_batch,
    recommend_epochs,
    recommend_learning_rate,
    recommend_length,
    recommend_rank,
)
from engine.spec.method import MethodKind, MethodSpec


class Recommendation(NamedTuple):
    """Values by the path of their setting, and the reason for each."""

    values: dict[str, Any]
    reasons: dict[str, str]
    options: tuple[MethodOption, ...]
    words: str  # why this method, in a sentence or two

    @property
    def kind(self) -> MethodKind:
        return next(option.kind for option in self.options if option.recommended)


def recommend_settings(case: Case, kind: MethodKind | None = None) -> Recommendation:
    """Settings for this case, with the method that the user chose or the recommended one."""
    options = method_options(case)
    best = next(option for option in options if option.recommended)
    words = explain_method(case, best)
    method = MethodSpec(kind=kind or best.kind)
    found: list[Setting] = [("method.kind", method.kind, words)]
    if method.adapts:
        rank, reason = recommend_rank(case)
        found.append(("method.rank", rank, reason))
        method = method.model_copy(update={"rank": rank})
    length, reason = recommend_length(case, method)
    found.append(("data.max_length", length, reason))
    found += recommend_batch(case, method, length)
    found.append(("optim.learning_rate", *recommend_learning_rate(case, method.kind)))
    found.append(("optim.epochs", *recommend_epochs(case)))
    return Recommendation(
        {path: value for path, value, _ in found},
        {path: text for path, _, text in found},
        options,
        words,
    )
