"""The run that uses the device now, whoever owns it, and what others may know of it."""

from __future__ import annotations

from engine.store.run_dir import RunDir
from engine.store.run_queue import name_for
from engine.store.workspace import Store


class BusyRun:
    """Finds it, and remembers it: to look at the runs of all owners takes a while."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._last: RunDir | None = None  # where it was found

    def find(self) -> RunDir | None:
        """The run at work; None where nothing works."""
        last = self._last
        if last is None or not last.alive:
            working = (run for run in self.store.every_run("lock") if run.alive)
            self._last = last = next(working, None)
        return last

    def name_for(self, owner: str) -> str:
        """Its name, as an owner may know it; empty where nothing works."""
        run = self.find()
        return name_for(owner, run) if run else ""

    def why_busy(self, owner: str) -> str:
        """Why nothing else can be computed now; empty where nothing works."""
        run = self.find()
        if run is None:
            return ""
        if run.owner != owner:
            return "Another user's run is using this machine now. Ask again when it is done."
        return (
            f"'{run.name}' is using this machine now. Wait until it is done, or press Stop and "
            "keep; then ask again."
        )
