"""Several files as one dataset: texts beside their labels, a file per class, lists of class names, held-out files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from engine.data.readers import BadRow, ReadOptions, Row, Table, read_table
from engine.data.rows import HELD_OUT, TRAIN
from engine.errors import DataError

NAMES_SIZE = 200_000  # bytes of a list of class names at most
CLASS_LIST_NAME = re.compile(
    r"(^|[_. -])(class(es)?|categor(y|ies)|labels?|mapping|names)([_. -]|$)", re.IGNORECASE
)
CLASS_LIST_ONLY = re.compile(
    r"(class(es)?|categories|labels?|mapping)([_. -].*)?$", re.IGNORECASE
)  # such a file is nothing else
TEXT_HALF = re.compile(r"(.*?)[_.-]?(texts?|sentences?|inputs?)$", re.IGNORECASE)
LABEL_HALF = re.compile(r"(.*?)[_.-]?(labels?|targets?)$", re.IGNORECASE)
HELD_OUT_NAME = re.compile(
    r"(^|[_.\- ])(valid|validation|val|dev|test|eval|heldout|held-out|held_out)([_.\- ]|$)",
    re.IGNORECASE,
)
NOT_EXAMPLES = re.compile(
    r"(readme|licen[cs]e|changelog|notice|dataset_infos?)([_.-].*)?$", re.IGNORECASE
)
CLASS_FILE_NAMES = {
    "pos",
    "neg",
    "positive",
    "negative",
    "ham",
    "spam",
}  # file names or endings that are classes


@dataclass
class Upload:
    """A file as it came: where it lies, and what its user calls it."""

    path: Path
    name: str

    @property
    def stem(self) -> str:
        return Path(self.name).stem


@dataclass
class Arranged:
    """Files in their parts, and the names that class numbers stand for."""

    tables: list[tuple[Table, int]]  # with TRAIN or HELD_OUT
    names: dict[str, str]
    notes: list[str]


def arrange_uploads(uploads: list[Upload], options: ReadOptions) -> Arranged:
    """Find out how the files belong together; raises DataError where none of them holds examples."""
    notes: list[str] = []
    names: dict[str, str] = {}
    data: list[Upload] = []
    for upload in _without_papers_(uploads, notes):
        if (
            found := read_class_names(upload)
            if len(uploads) > 1 or CLASS_LIST_ONLY.match(upload.stem)
            else {}
        ):
            names = found
            notes.append(
                f"'{upload.name}' is a list of {len(found)} names; they stand for the class numbers."
            )
        else:
            data.append(upload)
    if not data:
        raise DataError(
            f"'{uploads[0].name}' is a list of {len(names)} names, not examples. Add it with the data."
        )
    tables: list[tuple[Table, str]] = []
    pairs = _text_label_pairs(data)
    for upload in data:
        if upload.name in pairs.values():
            continue
        if upload.name in pairs:
            label = next(one for one in data if one.name == pairs[upload.name])
            by_line = ReadOptions(options.encoding, parts="line")
            table = _join_lines(
                read_table(upload.path, upload.name, by_line),
                read_table(label.path, label.name, by_line),
            )
            notes.append(f"The labels of '{upload.name}' are the lines of '{label.name}'.")
        else:
            table = read_table(upload.path, upload.name, options)
            if label_of := _class_of(upload, data):
                table.rows = _with_label(table.rows, label_of)
        tables.append((table, upload.stem))
    if any(_class_of(upload, data) for upload in data):
        notes.append("Each file is a class: its name is the label.")
    return Arranged(_assign_parts(tables, notes), names, notes)


def _without_papers_(uploads: list[Upload], notes: list[str]) -> list[Upload]:
    """A folder's files without what only describes them: hidden files, readmes, licences."""
    papers = [
        upload
        for upload in uploads
        if upload.name.startswith(".") or NOT_EXAMPLES.match(upload.name)
    ]
    if not papers or len(papers) == len(uploads):
        return uploads
    notes.append(
        f"Not read, since no examples: {', '.join(repr(upload.name) for upload in papers)}."
    )
    return [upload for upload in uploads if upload not in papers]


def _assign_parts(tables: list[tuple[Table, str]], notes: list[str]) -> list[tuple[Table, int]]:
    """Files named valid, dev or test beside others are kept aside."""
    aside = [bool(HELD_OUT_NAME.search(stem)) for _, stem in tables]
    if all(aside):
        aside = [False] * len(tables)
    if any(aside):
        held = " and ".join(
            f"'{table.name}'" for (table, _), one in zip(tables, aside, strict=True) if one
        )
        notes.append(f"Kept aside because of the file's name (held out): {held}.")
    return [
        (table, HELD_OUT if one else TRAIN) for (table, _), one in zip(tables, aside, strict=True)
    ]


def read_class_names(upload: Upload) -> dict[str, str]:
    """The class names that a file lists, by the number they stand for; nothing where it is no such list."""
    suffix = Path(upload.name).suffix.lower()
    if (
        suffix not in (".txt", ".json")
        or upload.path.stat().st_size > NAMES_SIZE
        or not CLASS_LIST_NAME.search(upload.stem)
    ):
        return {}
    try:
        text = upload.path.read_text(encoding="utf-8-sig")
        values = (
            json.loads(text)
            if suffix == ".json"
            else [line for line in text.splitlines() if line.strip()]
        )
    except (ValueError, RecursionError):
        return {}
    if isinstance(values, dict):
        return (
            {key: one for key, one in values.items()}
            if all(isinstance(one, str) for one in values.values())
            else {}
        )
    if (
        not isinstance(values, list)
        or not all(isinstance(one, str) for one in values)
        or len(set(values)) < len(values)
    ):
        return {}
    numbered = [re.fullmatch(r"(-?\d+)[\t,;: ]\s*(\S.*)", one) for one in values]
    if all(numbered):
        return {found[1]: found[2] for found in numbered if found}
    if len(values) < 2 or any(len(one) > 60 or re.fullmatch(r"-?\d+", one) for one in values):
        return {}
    return {str(number): one for number, one in enumerate(values)}


def _text_label_pairs(data: list[Upload]) -> dict[str, str]:
    """Text file -> label file, by their names: train_text.txt and train_labels.txt."""
    labels = {found[1]: one.name for one in data if (found := LABEL_HALF.fullmatch(one.stem))}
    texts = {found[1]: one.name for one in data if (found := TEXT_HALF.fullmatch(one.stem))}
    return {texts[stem]: labels[stem] for stem in texts if stem in labels}


def _join_lines(texts: Table, labels: Table) -> Table:
    """A text and its label from two files, line by line."""

    def rows() -> Iterator[Row | BadRow]:
        for number, (text, label) in enumerate(zip_longest(texts.rows, labels.rows), start=1):
            if text is None or label is None:
                short = texts.name if text is None else labels.name
                raise DataError(
                    f"'{short}' has only {number - 1} lines, '{texts.name}' and '{labels.name}' must match."
                )
            if isinstance(text, BadRow) or isinstance(label, BadRow):
                yield text if isinstance(text, BadRow) else label
            else:
                yield {"text": text["text"], "label": label["text"]}

    return Table(texts.name, texts.kind, rows(), texts.notes, texts.options)


def _class_of(upload: Upload, data: list[Upload]) -> str:
    """The class that a file's name means, where several files of one kind differ in nothing else."""
    ends = {one.name: Path(one.name).suffix.lower().lstrip(".") for one in data}
    same_stem = [one for one in data if one.stem == upload.stem]
    if len(same_stem) > 1 and all(ends[one.name] in CLASS_FILE_NAMES for one in same_stem):
        return ends[upload.name]
    if len(data) > 1 and all(one.stem.lower() in CLASS_FILE_NAMES for one in data):
        return upload.stem.lower()
    return ""


def _with_label(rows: Iterator[Row | BadRow], label: str) -> Iterator[Row | BadRow]:
    return (row if isinstance(row, BadRow) else {**row, "label": label} for row in rows)
