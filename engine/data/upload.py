"""Several files as one dataset: texts and labels, a file per class, class names, held-out files."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from engine.data.readers.formats import read_table
from engine.data.readers.table import BadRow, FileRows, ReadOptions, Table
from engine.data.rows import HELD_OUT, TRAIN
from engine.errors import DataError

CLASS_LIST_SIZE = 200_000  # bytes of a list of class names at most
CLASS_NAME_LENGTH = 60
# The name of a file that may list class names, and of one that holds nothing else.
CLASS_LIST_NAME = re.compile(
    r"(?i)(^|[_. -])(class(es)?|categor(y|ies)|labels?|mapping|names)([_. -]|$)"
)
CLASS_LIST_ONLY = re.compile(r"(?i)(class(es)?|categories|labels?|mapping)([_. -].*)?$")
TEXT_HALF = re.compile(r"(?i)(.*?)[_.-]?(texts?|sentences?|inputs?)$")
LABEL_HALF = re.compile(r"(?i)(.*?)[_.-]?(labels?|targets?)$")
HELD_OUT_NAME = re.compile(
    r"(?i)(^|[_. -])(val|valid(ation)?|dev|test|eval|held[_-]?out)([_. -]|$)"
)
NOT_EXAMPLES = re.compile(r"(?i)(readme|licen[cs]e|changelog|notice|dataset_infos?)([_.-].*)?$")
# File names or suffixes that are classes.
CLASS_FILE_NAMES = {"pos", "neg", "positive", "negative", "ham", "spam"}


@dataclass
class Upload:
    """A file that was added: its path, and its name as the user knows it."""

    path: Path
    name: str

    @property
    def stem(self) -> str:
        return Path(self.name).stem

    @property
    def suffix(self) -> str:
        return Path(self.name).suffix.lower()


@dataclass
class Arranged:
    """Files in their parts, and the names that class numbers stand for."""

    tables: list[tuple[Table, int]]  # with TRAIN or HELD_OUT
    names: dict[str, str]
    notes: list[str]


def arrange_uploads(uploads: list[Upload], options: ReadOptions) -> Arranged:
    """Find out how the files belong together; raises DataError where none holds examples."""
    notes: list[str] = []
    names: dict[str, str] = {}
    data: list[Upload] = []
    for upload in _example_files(uploads, notes):
        may_list = len(uploads) > 1 or CLASS_LIST_ONLY.match(upload.stem)
        if found := read_class_names(upload) if may_list else {}:
            names = found
            notes.append(
                f"'{upload.name}' is a list of {len(found)} names; "
                "they stand for the class numbers."
            )
        else:
            data.append(upload)
    if not data:
        raise DataError(
            f"'{uploads[0].name}' is a list of {len(names)} names, not examples. "
            "Add it with the data."
        )
    pairs = _text_label_pairs(data)
    tables: list[Table] = []
    for upload in data:
        if upload in pairs.values():
            continue
        if label := pairs.get(upload.name):
            table = _join_lines(upload, label, options)
            notes.append(f"The labels of '{upload.name}' are the lines of '{label.name}'.")
        else:
            table = read_table(upload.path, upload.name, options)
            if class_name := _class_of(upload, data):
                table.rows = _with_label(table.rows, class_name)
        tables.append(table)
    if any(_class_of(upload, data) for upload in data):
        notes.append("Each file is a class: its name is the label.")
    return Arranged(_assign_parts(tables, notes), names, notes)


def _example_files(uploads: list[Upload], notes: list[str]) -> list[Upload]:
    """The files without hidden files, readmes and licences, unless there are no others."""
    others = [one for one in uploads if one.name.startswith(".") or NOT_EXAMPLES.match(one.name)]
    if not others or len(others) == len(uploads):
        return uploads
    names = ", ".join(repr(upload.name) for upload in others)
    notes.append(f"Not read, since they hold no examples: {names}.")
    return [upload for upload in uploads if upload not in others]


def _assign_parts(tables: list[Table], notes: list[str]) -> list[tuple[Table, int]]:
    """Hold out the files named valid, dev or test, unless there are no others."""
    held_out = [one.name for one in tables if HELD_OUT_NAME.search(Path(one.name).stem)]
    if len(held_out) == len(tables):
        held_out = []
    if held_out:
        names = " and ".join(f"'{name}'" for name in held_out)
        notes.append(f"Held out because of the file's name: {names}.")
    return [(table, HELD_OUT if table.name in held_out else TRAIN) for table in tables]


def read_class_names(upload: Upload) -> dict[str, str]:
    """The class names that a file lists, by their numbers; empty where it is no such list."""
    if upload.suffix not in (".txt", ".json") or not CLASS_LIST_NAME.search(upload.stem):
        return {}
    if upload.path.stat().st_size > CLASS_LIST_SIZE:
        return {}
    try:
        text = upload.path.read_text(encoding="utf-8-sig")
        lines = [line for line in text.splitlines() if line.strip()]
        found: Any = json.loads(text) if upload.suffix == ".json" else lines
    except (ValueError, RecursionError):
        return {}
    values = found.values() if isinstance(found, dict) else found
    if not isinstance(found, list | dict) or not all(isinstance(one, str) for one in values):
        return {}
    return found if isinstance(found, dict) else _number_names(found)


def _number_names(lines: list[str]) -> dict[str, str]:
    """Class names by number: numbered in the lines themselves ("0 World"), or counted from 0."""
    if len(set(lines)) < len(lines):
        return {}
    numbered = [re.fullmatch(r"(-?\d+)[\t,;: ]\s*(\S.*)", line) for line in lines]
    if all(numbered):
        return {found[1]: found[2] for found in numbered if found}
    unlike = (len(line) > CLASS_NAME_LENGTH or re.fullmatch(r"-?\d+", line) for line in lines)
    if len(lines) < 2 or any(unlike):
        return {}
    return {str(number): line for number, line in enumerate(lines)}


def _text_label_pairs(data: list[Upload]) -> dict[str, Upload]:
    """Name of a text file -> its label file: train_text.txt and train_labels.txt."""
    labels = {found[1]: one for one in data if (found := LABEL_HALF.fullmatch(one.stem))}
    texts = {found[1]: one.name for one in data if (found := TEXT_HALF.fullmatch(one.stem))}
    return {name: labels[stem] for stem, name in texts.items() if stem in labels}


def _join_lines(text_file: Upload, label_file: Upload, options: ReadOptions) -> Table:
    """Texts and their labels from two files, line by line."""
    by_line = ReadOptions(options.encoding, parts="line")
    texts = read_table(text_file.path, text_file.name, by_line)
    labels = read_table(label_file.path, label_file.name, by_line)

    def rows() -> FileRows:
        for number, (text, label) in enumerate(zip_longest(texts.rows, labels.rows), start=1):
            if text is None or label is None:
                short = texts.name if text is None else labels.name
                raise DataError(
                    f"'{short}' has only {number - 1} lines, "
                    f"'{texts.name}' and '{labels.name}' must match."
                )
            if isinstance(text, BadRow):
                yield text
            elif isinstance(label, BadRow):
                yield label
            else:
                yield {"text": text["text"], "label": label["text"]}

    return Table(texts.name, texts.kind, rows(), texts.notes, texts.options)


def _class_of(upload: Upload, data: list[Upload]) -> str:
    """The class that a file's name stands for, where the files differ in nothing else."""
    same_stem = [one for one in data if one.stem == upload.stem]
    suffixes = {one.suffix.lstrip(".") for one in same_stem}
    if len(same_stem) > 1 and suffixes <= CLASS_FILE_NAMES:
        return upload.suffix.lstrip(".")
    if len(data) > 1 and all(one.stem.lower() in CLASS_FILE_NAMES for one in data):
        return upload.stem.lower()
    return ""


def _with_label(rows: FileRows, label: str) -> FileRows:
    return (row if isinstance(row, BadRow) else {**row, "label": label} for row in rows)
