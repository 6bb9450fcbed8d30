"""The workspace on disk, and the only owner of paths in it.

    workspace/
      runs/<id>/       spec.yaml meta.json events.jsonl worker.log lock data/ start/ checkpoints/
                       adapter/ merged/
      datasets/<id>/   rows.arrow card.json     (id: a hash of the content)
      prepared/<key>/  rows as runs use them; may be deleted at any time
      tokens/<key>/    rows as tokens, for a model and its settings; may be deleted at any time
      models/          base models, put here or downloaded (.incoming/ while they are downloaded,
                       .configs/ the configs of models that were looked at)
      recipes/         settings that the user has saved under a name, a YAML file each
      queue.json       in which order runs wait (engine.store.run_queue)

Disk is the truth; there is no database and no cache of it here.
"""

from __future__ import annotations

import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from engine.errors import RunError
from engine.spec import run as specs
from engine.store.files import link_or_copy, remove_whole, whole_folder, write_json
from engine.store.run_dir import RunDir

ID_PATTERN = re.compile(r"[a-z0-9-]{1,80}")


class Store:
    """All of a workspace."""

    def __init__(self, home: Path) -> None:
        self.home = home.resolve()
        self.runs = self.home / "runs"
        self.datasets = self.home / "datasets"
        self.models = self.home / "models"
        self.locks = self.home / "locks"
        self.prepared = self.home / "prepared"
        self.recipes = self.home / "recipes"
        folders = (self.runs, self.datasets, self.models, self.locks, self.prepared, self.recipes)
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)

    def create_run(
        self,
        spec: specs.RunSpec,
        train: Path,
        held_out: Path,
        about: dict[str, Any],
        more: Callable[[RunDir], None] = lambda _: None,
    ) -> RunDir:
        """A new run's folder with its spec and the exact rows it will use, the split frozen.

        ``about`` describes the data, at least its ``name`` and ``shape``. ``more`` adds to the
        folder before others can see it.
        """
        stem = spec.name or spec.data.source.partition(":")[2]
        slug = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:24] or "run"
        run = RunDir(self.runs / f"{time.strftime('%Y%m%d-%H%M%S')}-{slug}-{secrets.token_hex(2)}")
        with whole_folder(run.path) as folder:
            draft = RunDir(folder)
            draft.data.mkdir()
            draft.set_spec(spec)
            link_or_copy(train, draft.train_file)
            link_or_copy(held_out, draft.held_out_file)
            write_json(draft.about_file, about)
            meta = {"name": spec.name or stem, "note": "", "created": time.time()}
            write_json(draft.path / "meta.json", meta | {"data": about["name"]})
            more(draft)
        return run

    def run(self, run_id: str) -> RunDir:
        """An existing run; raises RunError.

        The id may come from a visitor, so it never reaches a path unchecked.
        """
        valid = isinstance(run_id, str) and ID_PATTERN.fullmatch(run_id)
        if not valid or not (self.runs / run_id / "spec.yaml").is_file():
            raise RunError(
                f"There is no run '{str(run_id)[:80]}'. It may have been deleted; look at the Runs "
                "tab."
            )
        return RunDir(self.runs / run_id)

    def recipe_file(self, recipe_id: str) -> Path:
        """The file of a recipe, which need not exist; raises RunError for an id that is none."""
        if not isinstance(recipe_id, str) or not ID_PATTERN.fullmatch(recipe_id):
            raise RunError(f"There is no recipe '{str(recipe_id)[:80]}'.")
        return self.recipes / f"{recipe_id}.yaml"

    def all_runs(self) -> Iterator[RunDir]:
        """All runs, newest first."""
        for path in sorted(self.runs.iterdir(), reverse=True):
            if (path / "spec.yaml").is_file() and ID_PATTERN.fullmatch(path.name):
                yield RunDir(path)

    def delete_run(self, run_id: str) -> None:
        """Remove a run and all its files; raises RunError while a worker uses it."""
        run = self.run(run_id)
        if run.alive or run.queued:
            raise RunError("This run is still working or waiting. Stop it first, then delete it.")
        remove_whole(run.path)

    def remove_leftovers(self) -> None:
        """Finish deletions that were cut off."""
        for doomed in self.runs.glob(".deleted-*"):
            shutil.rmtree(doomed, ignore_errors=True)
