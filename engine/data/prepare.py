"""From a dataset to the rows that a run trains on: a pure function of the dataset and its DataSpec.

    rows as they came -> normal rows -> findings -> fixes -> split -> train.arrow, heldout.arrow

The result is kept by its key, so the page, the command line and a run use the very same rows; a run
links to the files.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock
from pydantic import ValidationError

from engine.data.columns.paths import root_column
from engine.data.datasets import Dataset, load_dataset
from engine.data.likeness.overlap import overlap_findings
from engine.data.prepared import Prepared
from engine.data.quality.cleaning import Cleaner
from engine.data.quality.deciding_columns import deciding_findings
from engine.data.quality.findings import Finding, make_finding
from engine.data.quality.languages import LANGUAGE_TEXTS, language_shares, script_shares
from engine.data.quality.readings import list_readings
from engine.data.quality.split import choose_held_out, split_findings
from engine.data.row_facts import RowCollector, RowFacts, row_text
from engine.data.rows import HELD_OUT, TRAIN, Rows, RowWriter, read_rows, spread_indices
from engine.data.schema import Schema
from engine.errors import DataError
from engine.spec.run import DataSpec, Shape
from engine.store.data_limits import require_space
from engine.store.files import draft_folder, last_used, publish_folder, write_json
from engine.store.workspace import Store
from engine.text import OnProgress, count_of

VERSION = 7  # raised when the same settings would give other rows
# Different labels: with more of them, and few rows of each, they are numbers or lists, no classes.
MAX_CLASSES = 20
FEW_TRAINING_ROWS = 100  # below this a finding says so
FEW_OF_LABEL = 30  # of each label, on average
PREPARED_SETS_KEPT = 24  # on disk
# The fields of DataSpec that decide which rows there are.
KEY_FIELDS = {
    "source", "shape", "roles", "goal", "system", "fixes", "left_out", "held_out",
    "held_out_source", "seed",
}  # fmt: skip
TOKEN_FIXES = {"refused", "literal", "shorten"}  # made when rows become tokens, not here
CONVERSATIONS = {Shape.CHAT, Shape.ALPACA, Shape.COMPLETION}


def prepare_dataset(
    store: Store, spec: DataSpec, on_progress: OnProgress = lambda _: None
) -> Prepared:
    """Return the rows that a run with this DataSpec trains on; raises DataError for absent data.

    A sample as it comes is prepared once for all owners, in the sample's own folder.
    """
    dataset = load_dataset(store, spec.source)
    other = load_dataset(store, spec.held_out_source) if spec.held_out_source else None
    shared = spec.source.startswith("sample:") and _has_default_rows(spec)
    parent = dataset.folder / "prepared" if shared else store.prepared
    folder = parent / _prepared_key(spec, dataset, other)
    if found := _read_prepared(folder):
        return found
    if not shared:
        require_space(store, (dataset.folder / "rows.arrow").stat().st_size, DataError)
        return _prepare_in(folder, spec, dataset, other, on_progress)
    with FileLock(store.locks / f"{dataset.content}.lock"):  # of many pages that open at once
        found = _read_prepared(folder)
        return found or _prepare_in(folder, spec, dataset, other, on_progress)


def _read_prepared(folder: Path) -> Prepared | None:
    """What was prepared before; None where it is not there, or damaged."""
    try:
        text = (folder / "prepared.json").read_text(encoding="utf-8")
        found = Prepared(folder=folder, **json.loads(text))
        os.utime(folder)
    except (OSError, ValueError, ValidationError):
        return None
    return found


def _prepare_in(
    folder: Path, spec: DataSpec, dataset: Dataset, other: Dataset | None, on_progress: OnProgress
) -> Prepared:
    with draft_folder(folder.parent) as draft:
        made = _prepare_draft(draft, spec, dataset, other, on_progress)
        # Not before: a file that is still mapped cannot be removed on Windows.
        (draft / "normal.arrow").unlink()
        write_json(draft / "prepared.json", made.model_dump(mode="json", exclude={"folder"}))
        if not publish_folder(draft, folder) and not (folder / "prepared.json").is_file():
            shutil.rmtree(folder, ignore_errors=True)  # damaged
            publish_folder(draft, folder)
    for old in sorted(folder.parent.glob("[!.]*"), key=last_used)[:-PREPARED_SETS_KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    return made.model_copy(update={"folder": folder})


def _prepared_key(spec: DataSpec, dataset: Dataset, other: Dataset | None) -> str:
    content = [VERSION, dataset.content, other.content if other else "", _row_settings(spec)]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:20]


def _row_settings(spec: DataSpec) -> dict[str, Any]:
    """The settings that decide which rows there are."""
    values = spec.model_dump(mode="json", include=KEY_FIELDS)
    return values | {"fixes": sorted({*spec.fixes} - TOKEN_FIXES)}


def _has_default_rows(spec: DataSpec) -> bool:
    """Whether nothing that a user chose or wrote decides which rows there are."""
    return _row_settings(spec) == _row_settings(DataSpec(source=spec.source))


def _prepare_draft(
    draft: Path, spec: DataSpec, dataset: Dataset, other: Dataset | None, on_progress: OnProgress
) -> Prepared:
    schema = dataset.schema_for(spec)
    with RowWriter(draft / "normal.arrow") as writer:
        collector = RowCollector(writer, spec, on_progress)
        collector.add_dataset(dataset, schema, TRAIN if other else None)
        if other:
            collector.add_dataset(other, _held_out_schema(schema, other), HELD_OUT)
    rows, facts = read_rows(draft / "normal.arrow"), collector.facts
    labelled = schema.shape == Shape.LABEL
    with_labels = labelled and len(set(facts.labels)) <= max(MAX_CLASSES, len(rows) // 2)
    if HELD_OUT in facts.parts and spec.source.startswith("sample:") and not other:
        # A sample asks the same things in other forms on purpose; how alike they are is said.
        facts.clusters = facts.groups
    elif HELD_OUT in facts.parts:
        facts.clusters = collector.substance.find_repeated_questions(facts.groups, with_labels)
    else:
        facts.clusters = collector.substance.find_clusters(facts.groups, with_labels)
    cleaner = Cleaner(spec.fixes, facts, rows, collector.substance.contradictions)
    cleaner.find_all(with_labels)
    kept = cleaner.kept
    held_out = _held_out_rows(kept, facts, spec, with_labels)
    trained = [at for at in kept if at not in held_out]
    overlap, alike = collector.substance.measure_overlap(sorted(held_out), trained, with_labels)
    _write_part(draft / "train.arrow", rows, facts, trained)
    _write_part(draft / "heldout.arrow", rows, facts, sorted(held_out))
    findings = _schema_findings(schema, dataset, other)
    findings += deciding_findings(collector.values[0], spec.left_out, schema.shape)
    findings += cleaner.findings
    findings += split_findings(facts, kept, held_out, spec.held_out)
    findings += overlap_findings(overlap, [facts.numbers[at] for at in alike])
    marks = Counter(facts.marks[at] for at in trained)
    findings += _goal_findings(spec, schema.shape, marks, len(kept))
    texts = [row_text(rows[kept[at]]) for at in spread_indices(len(kept), LANGUAGE_TEXTS)]
    labels = Counter(facts.labels[at] for at in trained) if labelled else Counter[str]()
    each = Counter(one for at in trained for one in facts.each_label(at))
    findings += _few_rows(len(trained), (each or labels) if with_labels else Counter())
    return Prepared(
        folder=draft,
        name=dataset.name,
        shape=schema.shape,
        reason=schema.reason,
        roles=schema.roles,
        total=len(rows) + facts.bad_count + facts.bad_answers + facts.left_out,
        train=len(trained),
        held_out=len(held_out),
        blank=facts.blank,
        overlap=overlap,
        labels=dict(labels.most_common()),
        each_label=dict(each.most_common()),
        languages=language_shares(texts),
        scripts=script_shares(texts),
        findings=findings,
    )


def _few_rows(rows: int, each: Counter[str]) -> Iterator[Finding]:
    """That there is little to learn from; ``each``: rows of each label."""
    if each and (mean := each.total() / len(each)) < FEW_OF_LABEL:
        yield make_finding("few of each", rows, {"each": count_of(round(mean), "row")})
    elif rows < FEW_TRAINING_ROWS:
        yield make_finding("few", rows, {"more": max(10, FEW_TRAINING_ROWS - rows)})


def _held_out_rows(kept: list[int], facts: RowFacts, spec: DataSpec, with_labels: bool) -> set[int]:
    """The held-out rows of the dataset, or where it has none a share of all rows."""
    if HELD_OUT in facts.parts:
        return {at for at in kept if facts.parts[at] == HELD_OUT}
    items = (
        (facts.clusters[at], facts.keys[at], facts.labels[at] if with_labels else "", at)
        for at in kept
    )
    return choose_held_out(items, spec.held_out, spec.seed)


def _held_out_schema(schema: Schema, other: Dataset) -> Schema:
    """Held-out data is read as the training data, where its own reading would have to be asked."""
    own = other.schema_for(DataSpec())
    fits = all(root_column(path, other.columns) for path in schema.roles.values())
    return own if own.certain or not fits else schema


def _schema_findings(schema: Schema, dataset: Dataset, other: Dataset | None) -> list[Finding]:
    """What the user has to confirm about the columns, and whether held-out data fits."""
    found = []
    if other:
        own = _held_out_schema(schema, other)
        same = own.shape == schema.shape or {own.shape, schema.shape} <= CONVERSATIONS
        if not (same and (own.certain or own is schema)):
            values = {"name": other.name, "theirs": own.shape, "ours": schema.shape}
            found.append(make_finding("misfit", 0, values))
    if not schema.certain:
        columns = f"Columns: {', '.join(dataset.columns[:12])}"
        name = "two readings" if schema.alternative else "unsure"
        more: dict[str, Any] = {"example": columns, "readings": list_readings(schema, dataset)}
        found.append(make_finding(name, 0, {"reason": schema.reason}, **more))
    return found


def _goal_findings(spec: DataSpec, shape: Shape, marks: Counter[bool], kept: int) -> list[Finding]:
    """What the goal makes of better and worse answers."""
    if shape == Shape.PREFERENCE and spec.goal == "write":
        return [make_finding("worse answers", kept)]
    if shape != Shape.FEEDBACK or spec.goal not in ("auto", "prefer") or not marks:
        return []
    good, bad = marks[True], marks[False]
    if good and bad:
        values = {"good": good, "bad_answers": count_of(bad, "bad answer")}
        return [make_finding("marks", good + bad, values)]
    return [make_finding("all good" if good else "all bad", good + bad)]


def _write_part(path: Path, rows: Rows, facts: RowFacts, chosen: list[int]) -> None:
    with RowWriter(path) as writer:
        for at in chosen:
            writer.add(rows.row_json(at), facts.numbers[at])
