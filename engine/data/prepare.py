"""From rows as they came to the rows that are learned: one pure function of a dataset and its DataSpec.

    rows as they came -> normal rows -> what is noticed -> fixes -> split -> train.arrow, heldout.arrow

The result is kept by its key, so the page, the command line and a run see the very same rows; a run links to
the files. Memory: some numbers per row, never the rows themselves.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from engine.data.datasets import Dataset, load_dataset
from engine.data.ingest import MIN_EXAMPLES, PROBLEMS_KEPT
from engine.data.normalize import Row, last_answer, normalize_row, with_system
from engine.data.quality import findings as fd
from engine.data.quality import pii as personal
from engine.data.quality.cleaning import RowFacts, apply_fixes, row_words
from engine.data.quality.findings import Finding
from engine.data.quality.languages import LANGUAGE_TEXTS, language_shares, script_shares
from engine.data.quality.near_duplicates import COMPARED_ROWS, NearDuplicates
from engine.data.quality.split import choose_held_out
from engine.data.rows import (
    HELD_OUT,
    TRAIN,
    Rows,
    RowWriter,
    read_rows,
    row_to_json,
    spread_indices,
)
from engine.data.schema import SHAPE_TASKS, Schema
from engine.errors import DataError
from engine.spec.objective import compares
from engine.spec.run import DataSpec, Shape
from engine.store.files import write_json
from engine.store.workspace import Store

VERSION = 3  # raised when the same settings would give other rows
MAX_CLASSES = 20  # different labels: with more of them, and few rows of each, they are numbers or lists and no classes
PREPARED_SETS_KEPT = 24  # prepared sets on disk
# The fields of DataSpec that decide which rows there are.
KEY_FIELDS = {
    "source",
    "shape",
    "roles",
    "goal",
    "system",
    "fixes",
    "held_out",
    "held_out_source",
    "seed",
}
TOKEN_FIXES = {"refused", "literal", "shorten"}  # fixes that do not concern the rows

Tell = Callable[[str], None]


class Prepared(BaseModel):
    """What will be trained on, and what was noticed on the way."""

    model_config = ConfigDict(frozen=True)
    folder: Path
    name: str
    shape: Shape
    reason: str
    roles: dict[str, str]
    total: int  # rows as they came, readable or not
    train: int
    held_out: int
    labels: dict[str, int] = {}  # of the training rows, the most frequent first
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
    def task(self) -> str:
        """What the shape means for training, in one line."""
        return SHAPE_TASKS[self.shape]

    def rows(self) -> Rows:
        return read_rows(self.train_file)

    def about(self) -> dict[str, Any]:
        """What a run keeps of it beside the rows."""
        return self.model_dump(mode="json", exclude={"folder"}) | {"labels": list(self.labels)}

    def held_rows(self) -> Rows:
        return read_rows(self.held_out_file)

    def require_usable(self) -> None:
        """Raise DataError where something must be mended before training."""
        for finding in self.findings:
            if finding.level == "stop" and not finding.done:
                end = "" if finding.title.endswith("?") else "."
                raise DataError(
                    f"'{self.name}': {finding.title}{end} {finding.text}\n{finding.example}".strip()
                )
        if self.train < MIN_EXAMPLES:
            raise DataError(
                f"'{self.name}': {self.train} usable rows are left to learn from; at least {MIN_EXAMPLES} are needed. "
                "Add more, or undo what was left out."
            )


def prepare_dataset(store: Store, spec: DataSpec, tell: Tell = lambda _: None) -> Prepared:
    """The rows that a run with this DataSpec learns from; raises DataError where there is no such data."""
    dataset = load_dataset(store, spec.source)
    other = load_dataset(store, spec.held_out_source) if spec.held_out_source else None
    folder = store.prepared / _cache_key_of(spec, dataset, other)
    try:
        text = (folder / "prepared.json").read_text(encoding="utf-8")
        found = Prepared(folder=folder, **json.loads(text))
        os.utime(folder)
        return found
    except (OSError, ValueError, ValidationError):
        pass
    draft = store.prepared / f".draft-{secrets.token_hex(6)}"
    draft.mkdir(parents=True)
    try:
        made = _prepare_draft(draft, spec, dataset, other, tell)
        (
            draft / "normal.arrow"
        ).unlink()  # only here: a file that is still mapped cannot go on Windows
        write_json(draft / "prepared.json", made.model_dump(mode="json", exclude={"folder"}))
        try:
            draft.rename(folder)
        except OSError:  # another process has made the same at this moment; a damaged one gives way
            if not (folder / "prepared.json").is_file():
                shutil.rmtree(folder, ignore_errors=True)
                draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    for old in sorted(store.prepared.glob("[!.]*"), key=_last_used)[:-PREPARED_SETS_KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    return made.model_copy(update={"folder": folder})


def _last_used(folder: Path) -> float:
    """When it was last asked for; 0 where it has just gone."""
    try:
        return folder.stat().st_mtime
    except OSError:
        return 0.0


def _cache_key_of(spec: DataSpec, dataset: Dataset, other: Dataset | None) -> str:
    values = spec.model_dump(mode="json", include=KEY_FIELDS) | {
        "fixes": sorted({*spec.fixes} - TOKEN_FIXES)
    }
    content = [VERSION, dataset.content, other.content if other else "", values]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:20]


def _prepare_draft(
    draft: Path, spec: DataSpec, dataset: Dataset, other: Dataset | None, tell: Tell
) -> Prepared:
    recognised = dataset.schema_for(spec)
    facts, alike = RowFacts(), NearDuplicates()
    with RowWriter(draft / "normal.arrow") as writer:
        _collect_rows(
            writer, facts, alike, dataset, recognised, spec, None if other is None else TRAIN, tell
        )
        if other is not None:
            _collect_rows(
                writer,
                facts,
                alike,
                other,
                other.schema_for(DataSpec(source=other.source)),
                spec,
                HELD_OUT,
                tell,
            )
    rows, labelled = read_rows(draft / "normal.arrow"), recognised.shape == Shape.LABEL
    by_label = labelled and len(set(facts.labels)) <= max(MAX_CLASSES, len(rows) // 2)
    noticed, kept = apply_fixes(spec.fixes, facts, rows, len(alike), by_label)
    if not recognised.certain:
        noticed.insert(0, fd.unsure(recognised.reason, dataset.columns))
    if other and not _is_same_kind(other, recognised):
        noticed.insert(0, fd.misfit(other.name, other.shape, recognised.shape))
    fixed_part = HELD_OUT in facts.parts
    held = {at for at in kept if facts.parts[at] == HELD_OUT}
    if not fixed_part:
        held = choose_held_out(
            [
                (facts.groups[at], facts.keys[at], facts.labels[at] if by_label else "", at)
                for at in kept
            ],
            spec.held_out,
            spec.seed,
        )
        if spec.held_out > 0 and not held and len(kept) >= MIN_EXAMPLES:
            noticed.append(fd.no_check(len(kept)))
    train = _write_part(draft / "train.arrow", rows, facts, [at for at in kept if at not in held])
    _write_part(draft / "heldout.arrow", rows, facts, sorted(held))
    labels = Counter(facts.labels[at] for at in kept if at not in held) if labelled else Counter()
    learned = Counter(facts.marks[at] for at in kept if at not in held)
    if recognised.shape == Shape.FEEDBACK and spec.goal in ("auto", "prefer") and learned:
        noticed.append(fd.marks(learned[True], learned[False]))
    if recognised.shape == Shape.PREFERENCE and spec.goal == "write":
        noticed.append(fd.worse_answers(len(kept)))
    if train < 50:
        noticed.append(fd.few(train))
    texts = [row_words(rows[kept[at]]) for at in spread_indices(len(kept), LANGUAGE_TEXTS)]
    return Prepared(
        folder=draft,
        name=dataset.name,
        shape=recognised.shape,
        reason=recognised.reason,
        roles=recognised.roles,
        total=len(rows) + facts.bad_count + facts.bad_answers,
        train=train,
        held_out=len(held),
        labels=dict(labels.most_common()),
        languages=language_shares(texts) if texts else {},
        scripts=script_shares(texts) if texts else {},
        findings=noticed,
    )


def _is_same_kind(other: Dataset, recognised: Schema) -> bool:
    """Whether held-out data is of the kind that is trained on."""
    talks = {Shape.CHAT, Shape.ALPACA, Shape.COMPLETION}
    return other.certain and (
        other.shape == recognised.shape or {other.shape, recognised.shape} <= talks
    )


def _collect_rows(
    writer: RowWriter,
    facts: RowFacts,
    alike: NearDuplicates,
    dataset: Dataset,
    recognised: Schema,
    spec: DataSpec,
    part: int | None,
    tell: Tell,
) -> None:
    """Make every row normal and note what is needed of it; ``part`` where the file does not say."""
    facts.bad_count += dataset.bad
    facts.bad += dataset.problems
    for count, (raw, number, own_part) in enumerate(dataset.read_rows().items()):
        if count % 5000 == 4999:
            tell(f"{count + 1:,} rows checked")
        try:
            made = normalize_row(raw, recognised, dataset.labels)
        except DataError as error:
            facts.bad_count += 1
            if len(facts.bad) < PROBLEMS_KEPT:
                facts.bad.append(f"{dataset.place(number)}: {error}")
            continue
        for row in made:
            if "good" in row and not compares(spec, row) and row.pop("good") is False:
                facts.bad_answers += 1
                continue
            label = str(row.get("completion", "")) if recognised.shape == Shape.LABEL else ""
            row = _with_system(row, spec.system)
            text = row_to_json(row)
            words = row_words(row)
            at = writer.count
            writer.add(text, number, own_part if part is None else part)
            facts.numbers.append(number)
            facts.parts.append(own_part if part is None else part)
            facts.keys.append(hashlib.blake2b(text.encode(), digest_size=8).digest())
            answer = "" if "text" in row else last_answer(row)
            group = alike.add(words, answer) if len(alike) < COMPARED_ROWS else at
            # Rows that are the same are one group, however many there are.
            facts.groups.append(facts.first.setdefault(facts.keys[-1], group))
            facts.labels.append(label)
            facts.marks.append(row.get("good", True))
            if found := personal.find_pii(words):
                facts.personal[at] = found


def _with_system(row: Row, system: str) -> Row:
    """The row with the instruction for all rows, unless it brings its own."""
    if not system.strip() or "text" in row:
        return row
    turns = row.get("messages") or [
        {"role": "user", "content": row["prompt"]},
        {"role": "assistant", "content": row["completion"]},
    ]
    rest = {
        key: value for key, value in row.items() if key not in ("messages", "prompt", "completion")
    }
    return {"messages": with_system(turns, system), **rest}


def _write_part(path: Path, rows: Rows, facts: RowFacts, chosen: list[int]) -> int:
    with RowWriter(path) as writer:
        for at in chosen:
            writer.add(rows.row_json(at), facts.numbers[at])
    return len(chosen)
