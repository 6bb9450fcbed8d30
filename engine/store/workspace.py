"""The workspace on disk, and the only place that decides whose files somebody sees or changes.

    workspace/
      runs/<id>/       spec.yaml meta.json events.jsonl worker.log lock data/ start/ checkpoints/
                       adapter/ merged/ row.json (ui.runs.rows; may be deleted at any time)
      datasets/<id>/   rows.arrow card.json     (id: a hash of the content)
      prepared/<key>/  rows as runs use them; may be deleted at any time
      tokens/<key>/    rows as tokens, for a model and its settings; may be deleted at any time
      recipes/         settings that the user has saved under a name, a YAML file each
      choices.json     what is chosen on the page: data, model, settings, run
      tmp/             uploads and files that are being made
      models/          base models, put here or downloaded (.incoming/ while they are downloaded,
                       .configs/ the configs of models that were looked at)
      queue.json       in which order runs wait (engine.store.run_queue)
      owners/<name>/   the same for one more owner, without models and queue, which all share

A view of one owner finds nothing of another: every id is looked up below the owner's own folder.
Disk is the truth; there is no database and no cache of it here.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from engine.errors import RunError
from engine.spec.limits import LOCAL, Limits
from engine.spec.run import RunSpec
from engine.store.files import link_or_copy, remove_whole, whole_folder, write_json
from engine.store.run_dir import OWNERS, RunDir

ID_PATTERN = re.compile(r"[a-z0-9-]{1,80}")
OWNER_PATTERN = re.compile(r"[a-z0-9-]{1,40}")
SEEN = "seen"  # its time is that of an owner's last sign of life
SEEN_SECONDS = 60  # how exactly that time is known
ROOT_NAMES = (
    "runs", "datasets", "prepared", "tokens", "recipes", "tmp", "hub", "models", "locks", OWNERS,
    "queue.json", "turns.json", "choices.json", "app.log", "aside.log", "desk.log",
)  # fmt: skip


class Store:
    """All that one owner has of a workspace; the owner "" is the only one of a local workspace."""

    def __init__(self, root: Path, owner: str = "", limits: Limits = LOCAL) -> None:
        if owner and not OWNER_PATTERN.fullmatch(owner):
            raise RunError(f"There is no user '{owner[:40]}'.")
        self.root, self.owner, self.limits = root.resolve(), owner, limits
        self.home = self.root / OWNERS / owner if owner else self.root
        self.runs = self.home / "runs"
        self.datasets = self.home / "datasets"
        self.prepared = self.home / "prepared"
        self.tokens = self.home / "tokens"
        self.recipes = self.home / "recipes"
        self.choices_file = self.home / "choices.json"  # what is chosen on the page
        self.hub_cache = self.home / "hub"  # parts of the Hub's datasets
        # Uploads of all owners stand in tmp/ itself.
        self.tmp = self.home / "tmp" / "own"
        self.samples = self.root / "datasets"  # the bundled ones, for all owners
        self.models = self.root / "models"
        self.locks = self.root / "locks"
        if not owner:
            folders = (self.runs, self.datasets, self.models, self.locks)
            self.root.mkdir(0o700, parents=True, exist_ok=True)
            for folder in (*folders, self.prepared, self.recipes):
                folder.mkdir(exist_ok=True)

    def own_folders(self) -> tuple[Path, ...]:
        found = (self.runs, self.datasets, self.recipes, self.prepared, self.tokens)
        return (*found, self.hub_cache, self.tmp)

    def own_paths(self) -> list[Path]:
        """What stands in the folder of the workspace, which may hold other things too."""
        return [self.root / name for name in ROOT_NAMES]

    def for_owner(self, owner: str) -> Store:
        """The same workspace as another owner has it; a folder is made once there is a file."""
        return Store(self.root, owner, self.limits)

    # --- runs ---

    def create_run(
        self,
        spec: RunSpec,
        train: Path,
        held_out: Path,
        about: dict[str, Any],
        more: Callable[[RunDir], None] = lambda _: None,
    ) -> RunDir:
        """A new run's folder with its spec and the exact rows it will use, the split frozen.

        ``about`` describes the data, at least its ``name`` and ``shape``. ``more`` adds to the
        folder before others can see it.
        """
        data_name = str(about["name"]).rsplit(".", 1)[0]
        stem = spec.name or data_name or spec.data.source.partition(":")[2]
        slug = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:24] or "run"
        run = RunDir(self.runs / f"{time.strftime('%Y%m%d-%H%M%S')}-{slug}-{secrets.token_hex(2)}")
        with whole_folder(run.path) as folder:
            draft = RunDir(folder)
            draft.data.mkdir()
            draft.set_spec(spec)
            link_or_copy(train, draft.train_file)
            link_or_copy(held_out, draft.held_out_file)
            write_json(draft.about_file, about)
            meta = {"name": stem, "note": "", "created": time.time()}
            write_json(draft.path / "meta.json", meta | {"data": about["name"]})
            more(draft)
        return run

    def run(self, run_id: str) -> RunDir:
        """An existing run of this owner; raises RunError.

        The id may come from a visitor, so it never reaches a path unchecked.
        """
        valid = isinstance(run_id, str) and ID_PATTERN.fullmatch(run_id)
        if not valid or not _is_there(self.runs / run_id / "spec.yaml"):
            raise RunError(
                f"There is no run '{str(run_id)[:80]}'. It may have been deleted; look at the Runs "
                "tab."
            )
        return RunDir(self.runs / run_id)

    def run_to_end(self, run_id: str) -> RunDir:
        """A run that this owner may end: one of his own; for the owner "", anybody's."""
        try:
            return self.run(run_id)
        except RunError:
            others = () if self.owner else self.every_run()
            if found := next((run for run in others if run.id == run_id), None):
                return found
            raise

    def all_runs(self) -> Iterator[RunDir]:
        """All runs of this owner, newest first."""
        yield from sorted(_runs_in(self.runs), key=lambda run: run.id, reverse=True)

    def every_run(self, having: str = "spec.yaml") -> list[RunDir]:
        """The runs of all owners that have this file, newest first.

        For the queue, the supervisor and estimates; never for what an owner is shown.
        """
        folders = (home / "runs" for home in self.all_homes())
        found = [run for folder in folders for run in _runs_in(folder, having)]
        return sorted(found, key=lambda run: run.id, reverse=True)

    def delete_run(self, run_id: str) -> None:
        """Remove a run and all its files; raises RunError while a worker uses it."""
        run = self.run(run_id)
        if run.is_busy:
            raise RunError("This run is still working or waiting. Stop it first, then delete it.")
        remove_whole(run.path)

    def recipe_file(self, recipe_id: str) -> Path:
        """The file of a recipe, which need not exist; raises RunError for an id that is none."""
        if not isinstance(recipe_id, str) or not ID_PATTERN.fullmatch(recipe_id):
            raise RunError(f"There is no recipe '{str(recipe_id)[:80]}'.")
        return self.recipes / f"{recipe_id}.yaml"

    # --- owners ---

    def all_owners(self) -> list[str]:
        """The owners beside "" that have files."""
        return [name for name in _entry_names(self.root / OWNERS) if OWNER_PATTERN.fullmatch(name)]

    def all_homes(self) -> list[Path]:
        return [self.root, *(self.root / OWNERS / owner for owner in self.all_owners())]

    def touch_owner(self) -> None:
        """Note a sign of life; cheap, so that every request may call it."""
        mark = self.home / SEEN
        try:
            if abs(time.time() - mark.stat().st_mtime) > SEEN_SECONDS:  # a clock may be set back
                os.utime(mark)
        except FileNotFoundError:
            if self.owner and self.home.is_dir():  # who has no files needs no mark
                mark.touch()

    def last_seen(self) -> float:
        """The time of this owner's last sign of life, in seconds since 1970."""
        times = [mark.stat().st_mtime for mark in (self.home / SEEN, self.home) if mark.exists()]
        return times[0] if times else time.time()

    def remove_owner(self) -> None:
        """Remove all files of this owner, who must not be "" and have no run at work."""
        if not self.owner:
            raise RunError("The owner of the workspace cannot be removed.")
        if self.home.is_dir():
            remove_whole(self.home)

    def remove_leftovers(self) -> None:
        """Finish deletions that were cut off."""
        parts = ("runs", "datasets", "prepared", "tokens")
        folders = [home / part for home in self.all_homes() for part in parts]
        for folder in (self.root / OWNERS, *folders):
            for doomed in folder.glob(".deleted-*"):
                shutil.rmtree(doomed, ignore_errors=True)


def _entry_names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries]
    except OSError:
        return []


def _runs_in(folder: Path, having: str = "spec.yaml") -> Iterator[RunDir]:
    for name in _entry_names(folder):
        if not ID_PATTERN.fullmatch(name):
            continue
        # Texts, not paths: the queue is looked through for every page, every other second.
        inside = f"{folder}{os.sep}{name}{os.sep}"
        if _is_there(inside + having) and _is_there(f"{inside}spec.yaml"):
            yield RunDir(folder / name)


def _is_there(path: str | Path) -> bool:
    """Whether this is a file; False in a folder that may not even be looked into."""
    return os.path.isfile(path)  # noqa: PTH113  Path.is_file raises PermissionError there
