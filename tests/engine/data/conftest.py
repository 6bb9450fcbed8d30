"""A workspace, and ways to add data to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.data.ingest import ingest_files
from engine.data.prepare import prepare_dataset
from engine.data.prepared import Prepared
from engine.data.upload import Upload
from engine.spec.run import DataSpec
from engine.store.workspace import Store
from tests.engine.data.made_rows import to_jsonl


@pytest.fixture
def store(home: Path) -> Store:
    return Store(home)


@pytest.fixture
def add_files(store: Store, tmp_path: Path) -> Callable[[dict[str, str]], str]:
    """Adds files, by name, as one dataset; returns its source."""

    def add(contents: dict[str, str]) -> str:
        for name, content in contents.items():
            (tmp_path / name).write_text(content, encoding="utf-8")
        return ingest_files(store, [Upload(tmp_path / name, name) for name in contents])

    return add


@pytest.fixture
def add_rows(add_files) -> Callable[[list], str]:
    """Adds rows, or lines as they are, as one dataset; returns its source."""

    def add(rows: list) -> str:
        return add_files({"rows.jsonl": to_jsonl(rows)})

    return add


@pytest.fixture
def prepare(store: Store) -> Callable[..., Prepared]:
    """Prepares a source with these settings."""
    return lambda source, **values: prepare_dataset(store, DataSpec(source=source, **values))
