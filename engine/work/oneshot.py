"""The process that engine.process.oneshot starts: adds and prepares data, or asks the Hub.

``python -m engine.work.oneshot``; it needs no torch and imports none.
"""

from __future__ import annotations

import contextlib
import errno
from pathlib import Path
from typing import Any

import psutil

from engine.data import datasets, hub, ingest
from engine.data.prepare import prepare_dataset
from engine.data.readers.table import ReadOptions
from engine.data.rows import TRAIN
from engine.data.upload import Upload
from engine.errors import DataError, HoneError
from engine.hardware import GB, free_memory_gb
from engine.process.limits import hold_to_files, hold_to_processor_time, own_limits
from engine.spec.limits import Limits
from engine.spec.run import DataSpec
from engine.store.files import keep_private
from engine.store.workspace import Store
from engine.text import format_bytes
from engine.work.serve import Operation, Question, Report, serve

LEAST_MEMORY = 2 * GB  # libraries reserve more than they use


def ingest_uploads(question: Question, report: Report) -> str:
    uploads = [Upload(Path(path), name) for path, name in question["files"]]
    options = ReadOptions(**question["options"])
    return ingest.ingest_files(_store(question), uploads, options, report)


def reread_uploads(question: Question, report: Report) -> str:
    store = _store(question)
    folder = datasets.load_dataset(store, question["source"]).folder
    return ingest.reread_files(store, folder, ReadOptions(**question["options"]), report)


def prepare_data(question: Question, report: Report) -> dict[str, Any]:
    spec = DataSpec.model_validate(question["spec"])
    return prepare_dataset(_store(question), spec, report).model_dump(mode="json")


def describe_dataset(question: Question, report: Report) -> dict[str, Any]:
    from engine.work.hub.datasets import describe_hub_dataset

    return describe_hub_dataset(question["name"]).model_dump()


def ingest_slice(question: Question, report: Report) -> str:
    """Add a slice of a Hub dataset; returns the source."""
    from engine.work.hub.dataset_rows import read_slice

    def report_share(text: str, share: float) -> None:
        report(f"{text} ({share:.0%})" if 0 <= share <= 1 else text)

    store, wanted = _store(question), hub.HubSpec(**question["wanted"])
    slice_name = _slice_name(wanted)
    notes = [f"From the Hugging Face Hub: {wanted.name}, {slice_name}."]
    rows = read_slice(wanted, store.hub_cache, report_share, notes)
    items = ((row, TRAIN) for row in rows)
    name = f"{wanted.name} ({slice_name})"
    return ingest.ingest_rows(store, name, items, notes, report, files=[wanted.name])


def find_models(question: Question, report: Report) -> list[dict[str, Any]]:
    from engine.work.hub.models import search_hub_models

    asked = {key: value for key, value in question.items() if key not in ("id", "op", "workspace")}
    return [one.model_dump() for one in search_hub_models(**asked)]


def describe_model(question: Question, report: Report) -> dict[str, Any]:
    from engine.work.hub.models import describe_hub_model

    return describe_hub_model(_store(question), question["name"]).model_dump(mode="json")


def fetch_model(question: Question, report: Report) -> str:
    from engine.work.hub.download import download_hub_model

    store, name, revision = _store(question), question["name"], question["revision"]
    return str(download_hub_model(store, name, revision, lambda now: report(now.model_dump())))


OPERATIONS: dict[str, Operation] = {
    "ingest_files": ingest_uploads,
    "reread_files": reread_uploads,
    "prepare_dataset": prepare_data,
    "describe_dataset": describe_dataset,
    "ingest_dataset": ingest_slice,
    "search_models": find_models,
    "describe_model": describe_model,
    "download_model": fetch_model,
}


def _store(question: Question) -> Store:
    root, owner, limits = question["workspace"]
    return Store(Path(root), owner, Limits(*limits))


def _slice_name(wanted: hub.HubSpec) -> str:
    """A slice in words: CONFIG SPLIT [FIRST:END], without what is not stated."""
    name = " ".join(part for part in (wanted.config, wanted.split) if part)
    if not wanted.first and wanted.count is None:
        return name
    end = "" if wanted.count is None else wanted.first + wanted.count
    return f"{name} [{wanted.first}:{end}]"


def describe_data_error(error: BaseException) -> HoneError:
    """An unexpected error, as the user reads it."""
    if isinstance(error, MemoryError):
        return DataError(
            "The machine's memory ran out while this data was read. Split the file into smaller "
            "ones."
        )
    if not isinstance(error, OSError):
        return DataError(
            "This data could not be read because of a bug in Hone. The details are in aside.log."
        )
    if error.errno == errno.EFBIG:
        most = format_bytes(own_limits().file_bytes)
        return DataError(
            f"This data takes more room than the {most} that are allowed. Split the file into "
            "smaller ones."
        )
    if error.errno == errno.ENOSPC:
        return DataError(
            "The data could not be kept: The disk is full. Make room, then add it again."
        )
    return DataError(f"The data could not be kept: {error.strerror}.")


def limit_memory() -> None:
    """Bound this process's memory by what is free, so that it fails before the system kills one."""
    with contextlib.suppress(ImportError):  # not on Windows
        import resource

        bytes_free = int(free_memory_gb("cpu") * GB) + psutil.swap_memory().free
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        limit = int(min(max(LEAST_MEMORY, bytes_free), own_limits().memory))
        if hard == resource.RLIM_INFINITY or limit < hard:
            resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


if __name__ == "__main__":
    keep_private()
    limit_memory()
    hold_to_files()
    hold_to_processor_time()
    serve(OPERATIONS, describe_data_error)
