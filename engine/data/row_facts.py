"""Normal rows on their way to disk, and the few facts about each that cleaning and splitting need.

Memory: some numbers per row, never the rows themselves.
"""

from __future__ import annotations

import hashlib

from engine.data.columns.cells import is_blank
from engine.data.columns.paths import read_path
from engine.data.datasets import Dataset
from engine.data.ingest import PROBLEMS_KEPT
from engine.data.likeness.group_columns import group_columns, group_value
from engine.data.likeness.substance import SubstanceCollector
from engine.data.messages import make_message, with_system
from engine.data.normalize import last_answer, normalize_row
from engine.data.quality.deciding_columns import ValueCounts, leaves_out
from engine.data.quality.near_duplicates import COMPARED_ROWS, NearDuplicates
from engine.data.quality.pii import find_pii
from engine.data.quality.repairs import has_lost_letter, repair_row
from engine.data.rows import Row, RowWriter, row_to_json
from engine.data.schema import Schema
from engine.errors import DataError
from engine.spec.objective import has_preference, split_labels
from engine.spec.run import DataSpec, Fix, Shape
from engine.text import OnProgress

PROGRESS_ROWS = 5000
SAMPLED_ROWS = 50  # in which nested columns are looked for


class RowFacts:
    """Facts about each normal row, by its index."""

    def __init__(self) -> None:
        self.numbers: list[int] = []  # in the user's file
        self.parts: list[int] = []
        self.keys: list[bytes] = []  # hashes of the content
        self.groups: list[int] = []  # rows that are nearly the same share one
        self.clusters: list[int] = []  # rows that share their substance; found once all are there
        self.labels: list[str] = []
        self.label_lists: dict[int, tuple[str, ...]] = {}  # index -> labels, of rows that list them
        self.marks: list[bool] = []  # whether an answer is good
        self.personal: dict[int, tuple[str, str]] = {}  # index -> kind of personal data, the text
        # What a fix mends within rows -> number and example of each row that has it.
        self.repairs: dict[Fix, list[tuple[int, str]]] = {}
        self.lost: list[int] = []  # rows with letters that were lost when they were saved
        self.compared = 0  # rows among which near duplicates were looked for
        self.bad: list[str] = []  # problems of rows that are not normal, the first ones
        self.bad_count = 0
        self.bad_answers = 0  # rows left out since their answer is marked bad
        self.left_out = 0  # rows left out by the value of a column
        self.blank = 0  # rows skipped since nothing stands in the columns that are used

    def each_label(self, at: int) -> tuple[str, ...]:
        """A row's labels one by one; none where no row of the data holds a list of them."""
        if not self.label_lists:
            return ()
        return self.label_lists.get(at) or tuple(split_labels(self.labels[at]))


class RowCollector:
    """Writes the normal rows of datasets to one file and collects their facts."""

    def __init__(self, writer: RowWriter, spec: DataSpec, on_progress: OnProgress) -> None:
        self.facts = RowFacts()
        self._writer, self._spec, self._on_progress = writer, spec, on_progress
        self._near_duplicates = NearDuplicates()
        self._group_of: dict[bytes, int] = {}  # key of a row -> its group
        self.substance = SubstanceCollector()
        self.values: list[ValueCounts] = []  # of each dataset's unused columns

    def add_dataset(self, dataset: Dataset, schema: Schema, part: int | None = None) -> None:
        """Add every row; ``part`` overrides the one that the dataset says."""
        self.facts.bad_count += dataset.bad
        self.facts.bad += dataset.problems
        self.substance.expect(dataset.rows)
        grouping = group_columns(dataset.columns, schema.roles.values())
        values = ValueCounts(dataset.columns, dataset.read_rows()[:SAMPLED_ROWS], schema)
        self.values.append(values)
        for count, (raw, number, own_part) in enumerate(dataset.read_rows().items(), start=1):
            if count % PROGRESS_ROWS == 0:
                self._on_progress(f"{count:,} rows checked")
            if all(is_blank(read_path(raw, path)) for path in schema.roles.values()):
                self.facts.blank += 1
                continue
            values.add(raw)
            if leaves_out(raw, self._spec.left_out):
                self.facts.left_out += 1
                continue
            try:
                rows = normalize_row(raw, schema, dataset.labels)
            except DataError as error:
                self.facts.bad_count += 1
                if len(self.facts.bad) < PROBLEMS_KEPT:
                    self.facts.bad.append(f"{dataset.row_title(number)}: {error}")
                continue
            places = [(name, value) for name in grouping if (value := group_value(raw.get(name)))]
            for row in rows:
                place = number, own_part if part is None else part
                if added := self._add_row(row, *place, schema.shape):
                    said = _question_and_answer(added)
                    self.substance.add(*said, schema.shape == Shape.LABEL, places)

    def _add_row(self, row: Row, number: int, part: int, shape: Shape) -> Row | None:
        """Write a row and note its facts; return it with its repairs.

        None for one that is left out: its answer is marked bad, or nothing is left of it.
        """
        facts, at = self.facts, self._writer.count
        if "good" in row and not has_preference(self._spec, row) and row.pop("good") is False:
            facts.bad_answers += 1
            return None
        repaired, found = repair_row(row, self._spec.fixes, shape == Shape.LABEL)
        for fix, example in found.items():
            facts.repairs.setdefault(fix, []).append((number, example))
        if repaired is None:
            return None
        label = str(repaired.get("completion", "")) if shape == Shape.LABEL else ""
        row = _with_system_prompt(repaired, self._spec.system)
        written, text = row_to_json(row), row_text(row)
        self._writer.add(written, number, part)
        key = hashlib.blake2b(written.encode(), digest_size=8).digest()
        group = at
        if facts.compared < COMPARED_ROWS:
            group = self._near_duplicates.add(text, "" if "text" in row else last_answer(row))
            facts.compared += 1
        facts.numbers.append(number)
        facts.parts.append(part)
        facts.keys.append(key)
        # Equal rows are one group, however many there are.
        facts.groups.append(self._group_of.setdefault(key, group))
        facts.labels.append(label)
        if listed := row.get("labels"):
            facts.label_lists[at] = tuple(listed)
        facts.marks.append(row.get("good", True))
        if has_lost_letter(row):
            facts.lost.append(at)
        if private := find_pii(text):
            facts.personal[at] = private
        return repaired


def _with_system_prompt(row: Row, system: str) -> Row:
    """The row with the system prompt for all rows, unless it brings its own."""
    if not system.strip() or "text" in row:
        return row
    kept = dict(row)
    turns = kept.pop("messages", None) or [
        make_message("user", kept.pop("prompt")),
        make_message("assistant", kept.pop("completion")),
    ]
    return {"messages": with_system(turns, system), **kept}


def row_text(row: Row) -> str:
    """All that a row says, for comparing and searching."""
    if "messages" in row:
        return "\n".join(turn["content"] for turn in row["messages"] if turn["role"] != "system")
    return row.get("text") or f"{row['prompt']}\n{row['completion']}"


def _question_and_answer(row: Row) -> tuple[str, str]:
    """All that is asked in a row, and all that is answered; of plain text, the text and nothing."""
    if "text" in row:
        return row["text"], ""
    if "labels" in row:  # in any order
        return row["prompt"], "\n".join(sorted(row["labels"]))
    if "messages" not in row:
        return row["prompt"], str(row["completion"])
    said: dict[bool, list[str]] = {False: [], True: []}
    for turn in row["messages"]:
        if turn["role"] != "system":
            said[turn["role"] == "assistant"].append(turn["content"])
    return "\n".join(said[False]), "\n".join(said[True])
