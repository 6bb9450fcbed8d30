"""``events.jsonl``: one JSON line per event, appended by the worker and read as it grows."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from engine.store.events import Event

_EVENT: TypeAdapter[Event] = TypeAdapter(Event)


def append_event(path: Path, event: Event) -> None:
    """Add one event; it is on disk when this returns."""
    line = event.model_dump_json() + "\n"
    with path.open("a+b") as file:
        # A line that a killed worker left half-written is closed first.
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write(line.encode())
        file.flush()
        os.fsync(file.fileno())


def read_events(path: Path, offset: int = 0, most: int = -1) -> tuple[list[Event], int]:
    """The events from a byte offset on, and the offset to continue from.

    ``most`` bytes are read at once where it is given. A half-written last line stays for the next
    call; lines of a newer schema are skipped.
    """
    try:
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(most)
            if most > 0 and b"\n" not in data:  # one line that is longer
                data += file.read()
    except OSError:  # none yet, or the folder is damaged
        return [], 0
    whole = data[: data.rfind(b"\n") + 1]
    events: list[Event] = []
    for line in whole.splitlines():
        try:
            events.append(_EVENT.validate_json(line))
        except ValidationError:
            continue  # half-written by a killed worker, or of a newer schema
    return events, offset + len(whole)
