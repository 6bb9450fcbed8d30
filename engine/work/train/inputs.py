"""All that a run is trained on: its settings, base model, tokenizer and rows."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from transformers import PreTrainedTokenizerBase

from engine.data.rows import Rows, read_rows
from engine.errors import DataError
from engine.model.info import ModelInfo
from engine.spec.objective import ObjectiveKind
from engine.spec.run import RunSpec
from engine.store.run_dir import RunDir
from engine.work.encode.tokenizer import load_tokenizer
from engine.work.model.base_and_tuned import open_base


class TrainingInputs(NamedTuple):
    """What an objective is made from."""

    spec: RunSpec
    kind: ObjectiveKind
    info: ModelInfo
    tokenizer: PreTrainedTokenizerBase
    train: Rows
    held_out: Rows
    labels: tuple[str, ...]  # of the training rows, where they have any
    each_label: tuple[str, ...]  # one by one, where rows hold lists of them
    files: tuple[Path, Path]  # that hold the training rows and the held-out ones
    cache: Path  # where encoded rows are kept
    start: Path  # the result of the run that this one starts from, if any

    @property
    def plain_text(self) -> bool:
        """Whether the rows are texts to be continued, without turns."""
        return "text" in self.train[0]

    @property
    def context(self) -> int:
        """Tokens that the model reads at once, as far as this run needs to know."""
        return self.info.context or self.spec.data.max_length + self.spec.sampling.max_new_tokens


def load_inputs(run: RunDir) -> TrainingInputs:
    """Read a run's settings, base model and rows; raises HoneError where they do not fit."""
    spec, base = run.spec, open_base(run)
    base.info.check_length(spec.data.max_length)
    train, held_out = read_rows(run.train_file), read_rows(run.held_out_file)
    if not len(train):
        raise DataError(
            "The rows of this run are missing: an earlier Hone kept them in another form. Start a "
            "new run."
        )
    return TrainingInputs(
        spec=spec,
        kind=base.kind,
        info=base.info,
        tokenizer=load_tokenizer(base.folder, spec.data.template),
        train=train,
        held_out=held_out,
        labels=base.labels,
        each_label=base.each_label,
        files=(run.train_file, run.held_out_file),
        cache=run.home / "tokens",
        start=run.start,
    )
