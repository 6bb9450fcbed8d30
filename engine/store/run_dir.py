"""One run's folder: its files, its lock, its state."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, Timeout

from engine.errors import HoneError, RunError
from engine.spec.run import RunSpec, Shape, make_spec
from engine.spec.spec_file import dump_spec_yaml, load_spec_yaml
from engine.store import events as ev
from engine.store.event_log import append_event
from engine.store.files import bytes_below, write_json, write_whole
from engine.store.run_view import RunState, RunView
from engine.store.view_cache import VIEWS

_PROBING = threading.Lock()
OWNERS = "owners"  # the folder of the homes of all owners but one (engine.store.workspace)
START_ABOUT_FILE = "about.json"  # in a run's start/: which run that adapter is from
JOB_KINDS = ("train", "score", "merge-fp32", "merge-bf16")
LAST_SECOND = 2.0**37  # that every system can tell the date of
MOST_TAGS, LONGEST_TAG = 8, 24  # of a run; characters


class RunDir:
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
        # The result of another run that this one starts from (engine.runs.warm_start).
        self.start = path / "start"
        # Holds what to do, one of JOB_KINDS.
        self.queue_mark = path / "queued"
        self.stop_mark = path / "stop"  # holds how: keep, pause, cancel or end
        self.ballast = path / ".ballast"  # room for the last words on a full disk

    @cached_property  # a list of runs has no use for it, and it takes longer than all the rest
    def lock(self) -> FileLock:
        return FileLock(self.path / "lock")

    @property
    def home(self) -> Path:
        """The folder of the owner's files."""
        return self.path.parent.parent

    @property
    def root(self) -> Path:
        """The workspace that the owner's folder is in, or is."""
        home = self.home
        # Who keeps a workspace in a folder of that name has the locks in it.
        shared = home.parent.name == OWNERS and not (home / "locks").is_dir()
        return home.parent.parent if shared else home

    @property
    def owner(self) -> str:
        """Whose run it is; empty for the owner of the workspace itself."""
        return "" if self.root == self.home else self.home.name

    @property
    def name(self) -> str:
        """What the user calls it; its id where that cannot be read."""
        try:
            return str(self.meta["name"])
        except RunError:
            return self.id

    def merged(self, precision: str) -> Path:
        """The folder of the merged model of this precision, once it has been checked."""
        return self.path / "merged" / precision

    @property
    def spec(self) -> RunSpec:
        try:
            about = self.spec_file.stat()
        except OSError:
            return make_spec(load_spec_yaml(self.spec_file))  # says what is wrong
        return _load_spec(self.spec_file, (about.st_ino, about.st_mtime_ns, about.st_size))

    @property
    def meta(self) -> dict[str, Any]:
        """``name``, ``note`` and ``tags``, which the user may change, ``created`` and the name of
        ``data``.

        ``created`` is in seconds since 1970; older runs have no tags. Raises RunError where the
        file is damaged.
        """
        try:
            value: dict[str, Any] = json.loads(
                (self.path / "meta.json").read_text(encoding="utf-8")
            )
            if not all(isinstance(value[key], str) for key in ("name", "note", "data")):
                raise TypeError("a text is something else")
            if not 0 <= value["created"] < LAST_SECOND:
                raise ValueError("no such time")
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            raise RunError(
                f"The run '{self.id}' is damaged: meta.json in its folder cannot be read. Put the "
                "file back, or delete the folder."
            ) from None
        return value

    def set_spec(self, spec: RunSpec) -> None:
        write_whole(self.spec_file, dump_spec_yaml(spec))

    def set_meta(self, **changes: str | tuple[str, ...]) -> None:
        write_json(self.path / "meta.json", self.meta | changes)

    @property
    def tags(self) -> tuple[str, ...]:
        """What the user has marked it with."""
        return clean_tags(self.meta.get("tags"))

    @property
    def is_readable(self) -> bool:
        """Whether its settings can be read: the folder may be damaged, or from an older version."""
        try:
            return bool(self.spec and self.meta)
        except HoneError:
            return False

    @property
    def alive(self) -> bool:
        """Whether a worker holds the lock: the only truth about "running"."""
        if not self.path.is_dir():  # deleted; a probe would make the folder anew
            return False
        probe = FileLock(self.path / "lock")
        # A probe holds the lock for an instant, and another probe would take it for a worker:
        # probes of this process wait for each other, and those of other processes are gone at the
        # second try.
        with _PROBING:
            for pause in (0.01, 0.0):
                try:
                    with probe.acquire(timeout=0):
                        pass
                    self._remove_traces_of_probe()
                    return False
                except Timeout:
                    time.sleep(pause)
                except OSError:  # the folder is damaged, and no worker could hold it
                    return False
        return True

    def _remove_traces_of_probe(self) -> None:
        """Remove the folder that a probe made anew, where the run was deleted just before it."""
        if (self.path / "meta.json").exists():
            return
        with suppress(OSError):
            if {one.name for one in self.path.iterdir()} <= {"lock"}:
                (self.path / "lock").unlink(missing_ok=True)
                self.path.rmdir()

    @property
    def queued(self) -> str:
        """What waits to be done, or an empty string; a mark that cannot be read is none."""
        try:
            job = self.queue_mark.read_text(encoding="utf-8")
        except (OSError, ValueError):
            return ""
        return job if job in JOB_KINDS else ""

    @property
    def is_busy(self) -> bool:
        """Whether a job of it works or waits."""
        return self.alive or bool(self.queued)

    @property
    def end_request(self) -> str:
        """How it was asked to end: keep, pause, cancel, end or limit (both at once); else empty."""
        try:
            return self.stop_mark.read_text(encoding="utf-8").strip()
        except (OSError, ValueError):
            return ""

    def emit(self, event: ev.Event) -> None:
        append_event(self.events_file, event)

    def view(self) -> RunView:
        return VIEWS.view(self.events_file)

    def state(self, view: RunView | None = None) -> RunState:
        # The lock is probed before the events are read: a worker that ends in between has written
        # its last event.
        alive, queued = self.alive, self.queued == "train"
        return (view or self.view()).state(alive, queued)

    @property
    def has_result(self) -> bool:
        """Whether it has saved something that can be used: an adapter, or a whole model."""
        names = ("adapter_model.safetensors", "model.safetensors")
        return any((self.adapter / name).is_file() for name in names)

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return bytes_below(self.path)


def clean_tags(values: object) -> tuple[str, ...]:
    """Tags as they are kept: short, on one line, each once; what is no text is left out."""
    found: dict[str, str] = {}
    for value in values if isinstance(values, list | tuple) else ():
        tag = " ".join(value.split())[:LONGEST_TAG].strip() if isinstance(value, str) else ""
        if tag:
            found.setdefault(tag.casefold(), tag)
    return tuple(found.values())[:MOST_TAGS]


@lru_cache(maxsize=1000)  # to read YAML takes a list of runs its time
def _load_spec(file: Path, version: tuple[int, ...]) -> RunSpec:
    return make_spec(load_spec_yaml(file))


def is_whole_model(result: Path) -> bool:
    """Whether a result is a whole model rather than an adapter."""
    return any(result.glob("model*.safetensors"))


class DataSummary(NamedTuple):
    """The format and labels of a run's rows, as they were when it began."""

    shape: Shape | None = None
    labels: tuple[str, ...] = ()
    each_label: tuple[str, ...] = ()  # one by one, where rows hold lists of them
    overlap: Mapping[str, Any] | None = None  # of engine.data.likeness.overlap.Overlap


def read_data_summary(file: Path) -> DataSummary:
    """What ``about.json`` of a run says; empty for runs that are older than that file."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        labels, each = (tuple(map(str, found.get(key) or ())) for key in ("labels", "each_label"))
        return DataSummary(Shape(found["shape"]), labels, each, found.get("overlap"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return DataSummary()
