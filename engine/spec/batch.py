"""How a batch is laid out so that it fits: micro-batch, accumulation, gradient checkpointing.

Every layout of a run has the same effective batch, so stepping down changes the memory and not
what is learned; only KTO compares the examples of a batch with each other.
"""

from __future__ import annotations

from typing import NamedTuple

from engine.spec.optim import OptimSpec
from engine.text import count_of

KTO_COMPARES_FEWER = "KTO then compares fewer examples at once, which is less steady."


class BatchLayout(NamedTuple):
    """A layout of the effective batch."""

    batch: int  # examples in memory together
    accumulation: int  # batches that are added up before a step
    checkpointing: bool  # activations are computed again in the backward pass instead of kept

    @property
    def text(self) -> str:
        """8 examples at once, 2 batches added up before each step."""
        parts = [f"{count_of(self.batch, 'example')} at once"]
        if self.accumulation > 1:
            parts.append(f"{self.accumulation} batches added up before each step")
        if self.checkpointing:
            parts.append("computing again instead of keeping (gradient checkpointing)")
        return ", ".join(parts)


def initial_layout(optim: OptimSpec) -> BatchLayout:
    """The layout that the settings ask for."""
    return BatchLayout(optim.batch_size, optim.accumulation, optim.checkpointing == "on")


def smaller_layout(layout: BatchLayout, optim: OptimSpec, least: int = 1) -> BatchLayout | None:
    """The next layout that needs less memory, or None: a smaller batch, then checkpointing.

    ``least`` is the smallest micro-batch that the objective allows.
    """
    effective = layout.batch * layout.accumulation
    for batch in range(layout.batch // 2, least - 1, -1):
        if effective % batch == 0:
            return BatchLayout(batch, effective // batch, layout.checkpointing)
    if not layout.checkpointing and optim.checkpointing == "auto":
        return layout._replace(checkpointing=True)
    return None
