"""How much data an owner may add; each function raises DataError in words that name the limit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from engine.errors import DataError, RunError
from engine.spec.limits import Limits
from engine.store.space import require_space
from engine.store.workspace import Store
from engine.text import format_bytes

Item = TypeVar("Item")
ELSEWHERE = {"demo": " Take a part of it, or run Hone on your own machine."}


def require_upload(store: Store, files: Iterable[Path]) -> None:
    """The files are not too large, and there is room for what is made of them."""
    size, limits = sum(file.stat().st_size for file in files), store.limits
    if size > limits.upload_bytes:
        raise DataError(
            f"This is {format_bytes(size)} of data. {limits.who} takes up to "
            f"{format_bytes(limits.upload_bytes)} at a time."
            f"{ELSEWHERE.get(limits.mode, ' Split the file.')}"
        )
    require_room(store, size)


def require_room(store: Store, size: float = 0.0) -> None:
    """There is room on the disk for so many more bytes of this owner's."""
    try:
        require_space(store, size)
    except RunError as error:
        raise DataError(str(error)) from None


def bounded_rows(rows: Iterable[Item], name: str, limits: Limits) -> Iterator[Item]:
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
    count = sum(1 for _ in store.datasets.glob("[!.]*"))
    if count >= store.limits.datasets:
        raise DataError(
            f"You have {count} datasets. {store.limits.who} keeps no more for each user. Delete "
            "some on the Data tab first."
        )
