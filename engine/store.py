"""The workspace on disk, and the only owner of paths in it.

    workspace/
      runs/<id>/       spec.yaml meta.json events.jsonl worker.log lock data/ start/ checkpoints/ adapter/ merged/
      datasets/<id>/   rows.arrow card.json     (id: a hash of the content)
      prepared/<key>/  rows as runs use them; may be deleted at any time
      tokens/<key>/    rows as tokens, for a model and its settings; may be deleted at any time
      models/          base models, put here or downloaded (.incoming/ while they come, .configs/ for looking)
      recipes/         settings that the user has saved under a name, a YAML file each
      queue.json       in which order runs wait (engine.queue)

Disk is the truth; there is no database and no cache of it here.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from engine import events as ev
from engine.errors import HoneError, RunError
from engine.follow import VIEWS
from engine.spec import run as specs
from engine.view import RunView, State

ROOT = Path(__file__).resolve().parent.parent
_PROBING = threading.Lock()
ID = re.compile(r"[a-z0-9-]{1,80}")


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader sees either the old or the new one, whole."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(
            file.fileno()
        )  # else, on some file systems, a power cut leaves the new name and nothing in it
    os.replace(temporary, path)


def write_json(path: Path, value: Any) -> None:
    """The same for a value as JSON."""
    write_whole(path, json.dumps(value, ensure_ascii=False, indent=1))


def link(source: Path, target: Path) -> None:
    """The same file under a second name, for files that are never changed; a copy where that cannot be."""
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copyfile(source, target)


class RunDir:
    """One run's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.id = path.name
        self.spec_file = path / "spec.yaml"
        self.events_file = path / "events.jsonl"
        self.log = path / "worker.log"
        self.data = path / "data"
        self.train_file = self.data / "train.arrow"
        self.held_out_file = self.data / "heldout.arrow"
        self.about_file = self.data / "about.json"
        self.checkpoints = path / "checkpoints"
        self.adapter = path / "adapter"
        self.start = (
            path / "start"
        )  # the result of another run that it starts from (engine.from_run)
        self.queue_mark = (
            path / "queued"
        )  # holds what to do: train, score, merge-fp32 or merge-bf16
        self.stop_mark = path / "stop"  # holds how: keep, pause or cancel
        self.ballast = path / ".ballast"  # room for the last words on a full disk
        self.lock = FileLock(path / "lock")

    def merged(self, precision: str) -> Path:
        """Where the merged model of this precision stands once it has been checked."""
        return self.path / "merged" / precision

    @property
    def spec(self) -> specs.RunSpec:
        return specs.make(specs.load_yaml(self.spec_file))

    @property
    def meta(self) -> dict[str, Any]:
        """``name`` and ``note``, which the user may change; ``created``, in seconds since 1970; ``data``, its name."""
        value: dict[str, Any] = json.loads((self.path / "meta.json").read_text(encoding="utf-8"))
        return value

    def set_spec(self, spec: specs.RunSpec) -> None:
        write_whole(self.spec_file, specs.dump_yaml(spec))

    def set_meta(self, **changes: str) -> None:
        write_json(self.path / "meta.json", self.meta | changes)

    @property
    def readable(self) -> bool:
        """Whether its settings can be read: people handle these folders, and older versions wrote them."""
        try:
            return bool(self.spec and {"name", "note", "created", "data"} <= self.meta.keys())
        except (HoneError, OSError, ValueError, AttributeError):
            return False

    @property
    def alive(self) -> bool:
        """Whether a worker holds the lock: the only truth about "running"."""
        probe = FileLock(self.path / "lock")
        # A probe holds the lock for an instant, and another one then takes it for a worker: probes of this process
        # wait for each other, and those of other processes are gone at the second try.
        with _PROBING:
            for pause in (0.01, 0.0):
                try:
                    with probe.acquire(timeout=0):
                        return False
                except Timeout:
                    time.sleep(pause)
        return True

    @property
    def queued(self) -> str:
        """What waits to be done, or an empty string."""
        try:
            return self.queue_mark.read_text()
        except FileNotFoundError:
            return ""

    def emit(self, event: ev.Event) -> None:
        ev.append(self.events_file, event)

    def view(self) -> RunView:
        return VIEWS.view(self.events_file)

    def state(self, view: RunView | None = None) -> State:
        # The lock is asked before the events are read: a worker that ends in between has written its last event.
        alive, queued = self.alive, self.queued == "train"
        return (view or self.view()).state(alive, queued)

    @property
    def has_result(self) -> bool:
        """Whether it has saved something that can be used: an adapter, or a whole model."""
        return any(
            (self.adapter / name).is_file()
            for name in ("adapter_model.safetensors", "model.safetensors")
        )

    @property
    def size(self) -> int:
        """Bytes on disk; a worker may move files meanwhile."""
        found = 0
        for folder, _, names in os.walk(self.path):
            for name in names:
                with contextlib.suppress(OSError):
                    found += os.path.getsize(os.path.join(folder, name))
        return found


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
        for folder in (
            self.runs,
            self.datasets,
            self.models,
            self.locks,
            self.prepared,
            self.recipes,
        ):
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

        ``about`` tells what the data is: at least its ``name`` and ``shape``. ``more`` adds to the folder before it
        is there for others.
        """
        stem = spec.name or spec.data.source.partition(":")[2]
        slug = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:24] or "run"
        run = RunDir(self.runs / f"{time.strftime('%Y%m%d-%H%M%S')}-{slug}-{secrets.token_hex(2)}")
        draft = RunDir(run.path.with_name(f".{run.id}"))
        draft.data.mkdir(parents=True)
        draft.set_spec(spec)
        link(train, draft.train_file)
        link(held_out, draft.held_out_file)
        write_json(draft.about_file, about)
        meta = {
            "name": spec.name or stem,
            "note": "",
            "created": time.time(),
            "data": about["name"],
        }
        write_json(draft.path / "meta.json", meta)
        more(draft)
        os.rename(draft.path, run.path)  # a run is there whole or not at all
        return run

    def run(self, run_id: str) -> RunDir:
        """An existing run; raises RunError. The id may come from a visitor, so it never reaches a path unchecked."""
        if (
            not isinstance(run_id, str)
            or not ID.fullmatch(run_id)
            or not (self.runs / run_id / "spec.yaml").is_file()
        ):
            raise RunError(
                f"There is no run '{str(run_id)[:80]}'. It may have been deleted; look at the Runs tab."
            )
        return RunDir(self.runs / run_id)

    def recipe(self, recipe_id: str) -> Path:
        """Where a recipe is kept, or will be; raises RunError. The id may come from a visitor."""
        if not isinstance(recipe_id, str) or not ID.fullmatch(recipe_id):
            raise RunError(f"There is no recipe '{str(recipe_id)[:80]}'.")
        return self.recipes / f"{recipe_id}.yaml"

    def all_runs(self) -> Iterator[RunDir]:
        """All runs, newest first."""
        folders = (
            path
            for path in self.runs.iterdir()
            if (path / "spec.yaml").is_file() and ID.fullmatch(path.name)
        )
        return (RunDir(path) for path in sorted(folders, key=lambda path: path.name, reverse=True))

    def delete_run(self, run_id: str) -> None:
        """Remove a run and all its files; raises RunError while a worker uses it."""
        run = self.run(run_id)
        if run.alive or run.queued:
            raise RunError("This run is still working or waiting. Stop it first, then delete it.")
        doomed = run.path.with_name(f".deleted-{run.id}")
        os.rename(run.path, doomed)
        shutil.rmtree(doomed)

    def sweep(self) -> None:
        """Remove what is left of runs whose deletion was cut off."""
        for doomed in self.runs.glob(".deleted-*"):
            shutil.rmtree(doomed, ignore_errors=True)
