"""The workspace's datasets: which there are, and what is known of each without reading its rows."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, ValidationError

from engine.data import ingest
from engine.data.rows import Rows, read_rows
from engine.data.schema import Schema, check_schema, schema_from_card
from engine.data.upload import Upload
from engine.errors import DataError
from engine.spec import presets
from engine.spec.run import DataSpec, Shape
from engine.store.files import draft_folder, write_json
from engine.store.workspace import Store


class Dataset(BaseModel):
    """A dataset's card: its rows as they came, the schema inferred from them, and why."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    source: str  # sample:NAME or dataset:HASH, as in DataSpec
    folder: Path
    name: str
    created: float = 0.0
    kind: str = ""  # of the first file: jsonl, csv, txt ...
    files: list[str] = []
    starts: list[tuple[str, int]] = []  # each file that holds rows, and the number of its first
    bytes: int = 0
    rows: int  # that could be read
    held_out: int = 0  # of them, in held-out files
    bad: int = 0  # rows that could not be read
    problems: list[str] = []  # why, the first ones
    columns: list[str]
    shape: Shape
    reason: str
    roles: dict[str, str]
    certain: bool = True
    alternative: dict[str, Any] | None = None  # the other reading, as Schema.as_card gives it
    nested: list[str] = []  # paths to what lies in the columns, as far as they are offered
    labels: dict[str, str] = {}  # names that class numbers stand for
    notes: list[str] = []
    options: dict[str, str | int | bool | None] = {}  # how the files were read
    parent: str = ""  # the dataset that this one was edited from

    @property
    def content(self) -> str:
        """A key of its rows."""
        return self.folder.name.lstrip(".")

    def row_title(self, number: int) -> str:
        """A row in the user's words, with its file where there are several."""
        if len(self.starts) < 2:
            return f"Row {number}"
        name, first = [start for start in self.starts if start[1] <= number][-1]
        return f"'{name}', row {number - first + 1}"

    def read_rows(self) -> Rows:
        return read_rows(self.folder / "rows.arrow")

    def schema_for(self, spec: DataSpec) -> Schema:
        """Return the user's schema, else the inferred one; raises DataError for a bad choice."""
        if not spec.shape and not spec.roles:
            return schema_from_card(self.model_dump())
        shape = spec.shape or self.shape
        roles = spec.roles or (self.roles if shape == self.shape else {})
        return check_schema(shape, roles, self.columns, self.name)


def load_dataset(store: Store, source: str) -> Dataset:
    """Load a bundled sample or an added dataset; raises DataError where it is absent."""
    kind, _, key = source.partition(":")
    folder = _sample_folder(store, key) if kind == "sample" else store.datasets / key
    known = kind in ("sample", "dataset") and key.replace("-", "").isalnum()
    if not known or not (folder / "card.json").is_file():
        raise DataError(f"There is no dataset '{source}'. Add the file again on the Data tab.")
    try:
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
        return Dataset(source=source, folder=folder, **card)
    except (ValueError, TypeError, ValidationError):
        raise DataError(
            f"The dataset '{source}' was made by another version of Hone. Add the file again."
        ) from None


def _sample_folder(store: Store, key: str) -> Path:
    """A bundled sample's folder, made at its first use; a changed sample is another folder."""
    sample = next((sample for sample in presets.bundled_samples() if sample.id == key), None)
    if sample is None:
        names = ", ".join(sample.id for sample in presets.bundled_samples())
        raise DataError(f"There is no sample '{key}'. The samples are: {names}.")
    files = (sample.train_file, sample.held_out_file)
    folder = store.samples / f".sample-{key}-{_files_digest(files)}"
    if (folder / "card.json").is_file():
        return folder
    # A page that is opened asks for it several times at once. It is made in a workspace of its own,
    # since the user may have added the same files.
    with FileLock(store.locks / f"sample-{key}.lock"), draft_folder(store.samples) as draft:
        if not (folder / "card.json").is_file():
            uploads = [Upload(file, file.name) for file in files]
            made = load_dataset(Store(draft), ingest.ingest_files(Store(draft), uploads))
            card = json.loads((made.folder / "card.json").read_text(encoding="utf-8"))
            write_json(made.folder / "card.json", card | {"name": sample.title, "notes": []})
            made.folder.rename(folder)
    return folder


@cache
def _files_digest(files: tuple[Path, ...]) -> str:
    """A key of what bundled files hold; they do not change while Hone runs."""
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def list_samples() -> list[tuple[str, str]]:
    """Return (source, label) of every sample."""
    return [(f"sample:{one.id}", f"Sample: {one.title}") for one in presets.bundled_samples()]


def list_datasets(store: Store) -> list[tuple[str, str]]:
    """Return (source, label) of every sample, then of every added dataset, the newest first."""
    found = list_samples()
    added: list[Dataset] = []
    for path in store.datasets.glob("[!.]*/card.json"):
        try:
            added.append(load_dataset(store, f"dataset:{path.parent.name}"))
        except (OSError, DataError):
            continue  # a folder that somebody has changed by hand
    added.sort(key=lambda one: -one.created)
    names = [one.name for one in added]
    for one in added:
        several = names.count(one.name) > 1
        label = f"{one.name} ({one.rows:,} rows)" if several else one.name
        found.append((one.source, label))
    return found
