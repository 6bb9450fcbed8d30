"""What one owner may use: one table for each mode. The engine enforces it; the page shows it."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from engine.text import count_of, format_bytes

MB, GB = 2**20, 2**30
UNLIMITED = math.inf
Mode = Literal["local", "users", "demo"]


class Limits(NamedTuple):
    """Bounds of one mode; ``UNLIMITED`` where there is none."""

    mode: Mode
    who: str  # sets these limits, at the beginning of a sentence
    upload_bytes: float  # of the files that are added as one dataset
    dataset_rows: float
    datasets: float  # of one owner
    runs: float  # of one owner
    recipes: int  # of one owner
    run_steps: float
    run_minutes: float  # of a run, a merge or a score, however often it is continued
    waiting_each: float  # jobs of one owner
    waiting_all: float  # jobs of all owners together
    owner_bytes: float  # on the disk
    forget_hours: float  # after an owner's last sign of life
    chat_characters: float  # of a conversation
    child_memory: float  # bytes of a process that reads, answers or trains
    child_cpu_seconds: float  # of processor time of a process that reads or asks the Hub
    child_file_bytes: float  # of one file that a process writes
    # What a page may send (ui.access keeps these).
    request_bytes: float  # of one request that is no upload; pasted rows are the largest
    requests_at_once: float  # of one owner: being read, or waiting for their turn
    open_pages: float  # of one owner
    upload_files: float  # of one owner that he has not used yet
    upload_seconds: float  # that one upload may take

    @property
    def forgets(self) -> bool:
        """Whether owners are removed some time after their last visit."""
        return self.forget_hours < UNLIMITED

    @property
    def data_in_words(self) -> str:
        """How much data is taken; empty where nothing but the machine limits it."""
        if self.mode == "local":
            return ""
        size, rows = format_bytes(self.upload_bytes), f"{self.dataset_rows:,.0f} rows"
        return f"Data: up to {size} and {rows} at a time."

    @property
    def in_words(self) -> tuple[str, ...]:
        """What a visitor should know before he begins; empty where nothing is limited."""
        if self.mode == "local":
            return ()
        found = [self.data_in_words]
        if self.run_steps < UNLIMITED:
            steps, minutes = f"{self.run_steps:.0f} steps", f"{self.run_minutes:.0f} minutes"
            found.append(f"A run: up to {steps} and {minutes}; what it has learned by then stays.")
        waiting = count_of(int(self.waiting_each), "job")
        found.append(f"Waiting: {waiting} of yours, {self.waiting_all:.0f} of all users.")
        found.append(f"Space: {format_bytes(self.owner_bytes)} for all that is yours.")
        if self.forgets:
            hours = count_of(int(self.forget_hours), "hour")
            found.append(f"All that is yours is deleted {hours} after your last visit.")
        return tuple(found)


LOCAL = Limits(
    mode="local",
    who="Hone",
    upload_bytes=8 * GB,
    dataset_rows=UNLIMITED,
    datasets=UNLIMITED,
    runs=UNLIMITED,
    recipes=200,
    run_steps=UNLIMITED,
    run_minutes=UNLIMITED,
    waiting_each=UNLIMITED,
    waiting_all=UNLIMITED,
    owner_bytes=UNLIMITED,
    forget_hours=UNLIMITED,
    chat_characters=400_000,
    child_memory=UNLIMITED,
    child_cpu_seconds=6 * 3600,
    child_file_bytes=500 * GB,
    request_bytes=16 * MB,
    requests_at_once=UNLIMITED,
    open_pages=UNLIMITED,
    upload_files=UNLIMITED,
    upload_seconds=10 * 60,
)
USERS = LOCAL._replace(
    mode="users",
    who="This machine is shared: it",
    upload_bytes=2 * GB,
    dataset_rows=2_000_000,
    datasets=200,
    runs=500,
    waiting_each=10,
    waiting_all=100,
    owner_bytes=100 * GB,
    child_cpu_seconds=3600,
    child_file_bytes=50 * GB,
    request_bytes=8 * MB,
    requests_at_once=30,
    open_pages=30,
    upload_files=500,
    upload_seconds=30 * 60,
)
DEMO = Limits(
    mode="demo",
    who="The public demo",
    upload_bytes=5 * MB,
    dataset_rows=2_000,
    datasets=20,
    runs=20,
    recipes=10,
    run_steps=60,
    run_minutes=3,
    waiting_each=1,
    waiting_all=8,
    owner_bytes=200 * MB,
    forget_hours=2,
    chat_characters=20_000,
    child_memory=4 * GB,
    child_cpu_seconds=120,
    child_file_bytes=200 * MB,
    request_bytes=4 * MB,
    requests_at_once=30,
    open_pages=30,
    upload_files=300,
    upload_seconds=2 * 60,
)
TABLES: dict[Mode, Limits] = {"local": LOCAL, "users": USERS, "demo": DEMO}
