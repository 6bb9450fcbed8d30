"""How much an owner may keep: datasets, rows, bytes on the disk; and what can be removed for room.

Functions that check raise errors in words that name the limit.
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from engine.errors import DataError, HoneError, RunError
from engine.spec.limits import Limits
from engine.store.files import bytes_below, last_used, paths_in
from engine.store.workspace import Store
from engine.text import format_bytes

AnyRow = TypeVar("AnyRow")
ELSEWHERE = {"demo": " Take a part of it, or run Hone on your own machine."}
KNOWN_SECONDS = 10.0
KEPT_SETS = 3  # that may be in use
_KNOWN: dict[Path, tuple[float, int]] = {}  # home -> when it was counted, bytes
DRAFT_SECONDS = 3600  # after which nobody writes a draft any more


def require_upload(store: Store, files: Iterable[Path]) -> None:
    """The files are not too large, and there is room for what is made of them."""
    size, limits = sum(file.stat().st_size for file in files), store.limits
    if size > limits.upload_bytes:
        raise DataError(
            f"This is {format_bytes(size)} of data. {limits.who} takes up to "
            f"{format_bytes(limits.upload_bytes)} at a time."
            f"{ELSEWHERE.get(limits.mode, ' Split the file.')}"
        )
    require_space(store, size, DataError)


def bounded_rows(rows: Iterable[AnyRow], name: str, limits: Limits) -> Iterator[AnyRow]:
    """The rows, of which there are not too many."""
    for number, row in enumerate(rows, start=1):
        if number > limits.dataset_rows:
            raise DataError(
                f"'{name}' has more rows than are taken: {limits.who} takes up to "
                f"{limits.dataset_rows:,.0f} rows at a time."
                f"{ELSEWHERE.get(limits.mode, ' Split the file.')}"
            )
        yield row


def require_dataset_place(store: Store) -> None:
    """The owner does not have too many datasets already."""
    count = len(paths_in(store.datasets, "[!.]*"))
    if count >= store.limits.datasets:
        raise DataError(
            f"You have {count} datasets. {store.limits.who} keeps no more for each user. Delete "
            "some on the Data tab first."
        )


def bytes_used(store: Store) -> int:
    return sum(map(bytes_below, store.own_folders()))


def require_space(store: Store, needed: float = 0.0, error: type[HoneError] = RunError) -> None:
    """Raise ``error`` where an owner's files would take more than he may have on the disk.

    What can be made again is removed first.
    """
    limit = store.limits.owner_bytes
    if math.isinf(limit) or _is_known_to_fit(store, needed):
        return
    used = bytes_used(store)
    if used + needed > limit:
        clear_caches(store, KEPT_SETS)
        used = bytes_used(store)
    _KNOWN[store.home] = (time.monotonic(), used)
    if used + needed > limit:
        more = f", and this needs about {format_bytes(needed)} more" if needed else ""
        raise error(
            f"Your data and runs take {format_bytes(used)}{more}. {store.limits.who} keeps up to "
            f"{format_bytes(limit)} for each user. Delete data or runs that you no longer need."
        )


def _is_known_to_fit(store: Store, needed: float) -> bool:
    """Whether there was much room a moment ago: large folders are not counted at every key."""
    at, used = _KNOWN.get(store.home, (-math.inf, 0))
    return time.monotonic() - at < KNOWN_SECONDS and used + needed < store.limits.owner_bytes / 2


def clear_caches(store: Store, keep: int = 0) -> None:
    """Remove what is made again when it is needed: prepared rows, tokens, parts of the Hub's data.

    ``keep`` sets of each kind stay, those that were used last. A worker that has such a file open
    keeps it until it ends.
    """
    for folder in (store.prepared, store.tokens, store.hub_cache):
        sets = sorted(paths_in(folder), key=last_used)
        for path in sets[: len(sets) - keep]:
            if path.name.startswith(".draft-") and time.time() - last_used(path) < DRAFT_SECONDS:
                continue  # somebody writes it
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
