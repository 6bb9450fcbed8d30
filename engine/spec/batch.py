"""How a run's batch is laid out so that it fits: micro-batch, accumulation, recomputation; and what to try next.

Every layout of a run has the same effective batch, so stepping down changes the memory and not what is learned; only
KTO compares the examples of a batch with each other.
"""

from __future__ import annotations

from typing import NamedTuple

from engine.spec.run import OptimSpec

KTO_COMPARES_FEWER = "KTO then compares fewer examples at once: it is less steady."


class BatchLayout(NamedTuple):
    """A layout of the effective batch."""

    batch: int  # examples in memory together
    accumulation: int  # batches that are added up before a step
    checkpointing: bool  # activations are computed again in the backward pass instead of kept

    @property
    def text(self) -> str:
        """In words."""
        again = (
            ", computing again instead of keeping (gradient checkpointing)"
            if self.checkpointing
            else ""
        )
        added = (
            f", {self.accumulation} batches added up before each step"
            if self.accumulation > 1
            else ""
        )
        return f"{self.batch} example{'s' if self.batch > 1 else ''} at once{added}{again}"


def initial_layout(optim: OptimSpec) -> BatchLayout:
    """The layout that the settings ask for."""
    return BatchLayout(optim.batch_size, optim.accumulation, optim.checkpointing == "on")


def smaller_layout(fit: BatchLayout, optim: OptimSpec, least: int = 1) -> BatchLayout | None:
    """The next layout, which needs less memory: half the micro-batch, then recomputation; None where none is left."""
    effective = fit.batch * fit.accumulation
    for batch in range(fit.batch // 2, least - 1, -1):
        if effective % batch == 0:
            return BatchLayout(batch, effective // batch, fit.checkpointing)
    if not fit.checkpointing and optim.checkpointing == "auto":
        return fit._replace(checkpointing=True)
    return None
