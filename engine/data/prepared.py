"""Prepared data: the rows that a run trains on and holds out, and what was noticed on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from engine.data.ingest import MIN_EXAMPLES
from engine.data.likeness.overlap import Overlap
from engine.data.quality.findings import Finding
from engine.data.rows import Rows, read_rows
from engine.data.schema import SHAPE_TASKS
from engine.errors import DataError
from engine.spec.run import Shape
from engine.text import count_of


class Prepared(BaseModel):
    """What will be trained on, and what was noticed on the way."""

    model_config = ConfigDict(frozen=True)
    folder: Path
    name: str
    shape: Shape
    reason: str
    roles: dict[str, str]
    total: int  # rows of the dataset, readable or not, but for those that are skipped
    train: int
    held_out: int
    blank: int = 0  # rows skipped since nothing stands in the columns that are used
    overlap: Overlap | None = None  # of held-out rows with training rows
    labels: dict[str, int] = {}  # of the training rows, the most frequent first
    each_label: dict[str, int] = {}  # the same one by one, where rows hold lists of them
    languages: dict[str, float] = {}
    scripts: dict[str, float] = {}
    findings: list[Finding] = []

    @property
    def train_file(self) -> Path:
        return self.folder / "train.arrow"

    @property
    def held_out_file(self) -> Path:
        return self.folder / "heldout.arrow"

    @property
    def unusable(self) -> int:
        """Rows that cannot be used, until the user leaves them out: no run starts with them."""
        found = (one.count for one in self.findings if one.kind == "unusable" and not one.done)
        return sum(found)

    @property
    def skipped(self) -> str:
        """What was skipped without a word more, as a sentence; empty where nothing was."""
        if not self.blank:
            return ""
        columns = " and ".join(f"'{path}'" for path in list(self.roles.values())[:3])
        are = "is" if len(self.roles) == 1 else "are"
        were = "was" if self.blank == 1 else "were"
        return f"{count_of(self.blank, 'row')} {were} skipped: {columns} {are} empty there."

    @property
    def task(self) -> str:
        """What the shape means for training, in one line."""
        return SHAPE_TASKS[self.shape]

    def train_rows(self) -> Rows:
        return read_rows(self.train_file)

    def held_out_rows(self) -> Rows:
        return read_rows(self.held_out_file)

    def summary(self) -> dict[str, Any]:
        """What a run's folder keeps of it beside the rows."""
        lists = {"labels": list(self.labels), "each_label": list(self.each_label)}
        return self.model_dump(mode="json", exclude={"folder"}) | lists

    def require_usable(self) -> None:
        """Raise DataError where something must be fixed before training."""
        for finding in self.findings:
            if finding.level == "stop" and not finding.done:
                end = "" if finding.title.endswith("?") else "."
                text = f"'{self.name}': {finding.title}{end} {finding.text}\n{finding.example}"
                raise DataError(text.strip())
        if self.train < MIN_EXAMPLES:
            raise DataError(
                f"'{self.name}': {self.train} usable rows are left to learn from; "
                f"at least {MIN_EXAMPLES} are needed. Add more, or undo what was left out."
            )
