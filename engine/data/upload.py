"""Several files as one dataset: texts and labels, a file per class, class names, held-out files."""

from __future__ import annotations

import re
from collections import ChainMap
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from pathlib import Path

from engine.data.columns.described import Described, read_described
from engine.data.readers.class_names import LIST_ONLY, info_file_names, listed_names, name_classes
from engine.data.readers.companions import find_companions
from engine.data.readers.formats import read_table
from engine.data.readers.table import BadRow, FileRows, ReadOptions, Table, change_rows
from engine.data.rows import HELD_OUT, TRAIN, Row
from engine.errors import DataError

TEXT_HALF = re.compile(
    r"(?i)(.*?)[_.-]?(texts?|sentences?|inputs?|prompts?|questions?|source|src)$"
)
LABEL_HALF = re.compile(
    r"(?i)(.*?)[_.-]?(labels?|targets?|completions?|responses?|answers?|outputs?|tgt)$"
)
LINE_SUFFIXES = {"", ".txt", ".text"}  # of files of lines
HALF_SUFFIXES = {".src", ".tgt", ".source", ".target"}  # of such files, as translators name them
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
    described: Described  # columns by their roles, where a file beside the data says them


def arrange_uploads(uploads: list[Upload], options: ReadOptions) -> Arranged:
    """Find out how the files belong together; raises DataError where none holds examples."""
    notes: list[str] = []
    names: dict[str, str] = {}
    data: list[Upload] = []
    beside = uploads if len(uploads) > 1 else []  # a file alone describes no other
    class_columns = dict(ChainMap(*(info_file_names(one.path, one.name) for one in beside)))
    for upload in _example_files(uploads, notes):
        may_list = len(uploads) > 1 or LIST_ONLY.match(upload.stem)
        if found := listed_names(upload.path, upload.name) if may_list else {}:
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
    data = _without_companions(data, options, notes)
    pairs = _text_label_pairs(data)
    tables: list[Table] = []
    for upload in data:
        if upload in pairs.values():
            continue
        if label := pairs.get(upload.name):
            table = _join_lines(upload, label, options)
            notes.append(f"The lines of '{upload.name}' are read with those of '{label.name}'.")
        else:
            table = read_table(upload.path, upload.name, options)
            if class_name := _class_of(upload, data):
                table.rows = change_rows(table.rows, partial(_with_label, label=class_name))
        if class_columns:
            table.rows = name_classes(table.rows, class_columns, table.notes)
        tables.append(table)
    if any(_class_of(upload, data) for upload in data):
        notes.append("Each file is a class: its name is the label.")
    files = {upload.name for upload in uploads}
    columns = (read_described(one.path, one.name, files) for one in beside)
    return Arranged(_assign_parts(tables, notes), names, notes, next(filter(None, columns), {}))


def _example_files(uploads: list[Upload], notes: list[str]) -> list[Upload]:
    """The files without hidden files, readmes and licences, unless there are no others."""
    # Hidden files, and the lock that Excel puts beside an open one.
    others = [one for one in uploads
              if one.name.startswith((".", "~$")) or NOT_EXAMPLES.match(one.name)]  # fmt: skip
    if not others or len(others) == len(uploads):
        return uploads
    names = ", ".join(repr(upload.name) for upload in others)
    notes.append(f"Not read, since they hold no examples: {names}.")
    return [upload for upload in uploads if upload not in others]


def _without_companions(data: list[Upload], options: ReadOptions, notes: list[str]) -> list[Upload]:
    """The files that hold the rows, without a report or a manifest beside them; those are named."""
    halves = [
        one for one in data
        if TEXT_HALF.fullmatch(_half_name(one)) or LABEL_HALF.fullmatch(_half_name(one))
    ]  # fmt: skip
    others = [(one.path, one.name) for one in data if one not in halves]
    aside = find_companions(others, options) if len(data) > 1 else []
    if not aside or len(aside) == len(data):
        return data
    names = ", ".join(map(repr, aside))
    notes.append(f"Not read, since the rows are in the other files: {names}.")
    return [one for one in data if one.name not in aside]


def _assign_parts(tables: list[Table], notes: list[str]) -> list[tuple[Table, int]]:
    """Hold out the files named valid, dev or test, unless there are no others."""
    held_out = [one.name for one in tables if HELD_OUT_NAME.search(Path(one.name).stem)]
    if len(held_out) == len(tables):
        held_out = []
    if held_out:
        names = " and ".join(f"'{name}'" for name in held_out)
        notes.append(f"Held out because of the file's name: {names}.")
    return [(table, HELD_OUT if table.name in held_out else TRAIN) for table in tables]


def _text_label_pairs(data: list[Upload]) -> dict[str, Upload]:
    """Name of a text file -> its label file: train_text.txt and train_labels.txt."""
    labels = {found[1]: one for one in data if (found := LABEL_HALF.fullmatch(_half_name(one)))}
    texts = {found[1]: one.name for one in data if (found := TEXT_HALF.fullmatch(_half_name(one)))}
    return {name: labels[stem] for stem, name in texts.items() if stem in labels}


def _half_name(upload: Upload) -> str:
    """The name of a file of lines, of which another may hold the labels or answers; else empty."""
    if upload.suffix in HALF_SUFFIXES:
        return upload.name
    return upload.stem if upload.suffix in LINE_SUFFIXES else ""


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


def _with_label(row: Row, label: str) -> Row:
    return row | {"label": label}
