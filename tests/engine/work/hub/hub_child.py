"""A process that asks the stand-in for the Hub, as the app's own processes ask the real one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.model.hub import INCOMING
from engine.process.environment import online_environment
from engine.store.files import PROJECT_FOLDER
from engine.store.workspace import Store

Ask = Callable[..., dict[str, Any]]
WRONG_NAMES = [
    "", "a/b/c", "../b", "/etc/passwd", "a/..", "https://x.org/a", "a b", ".", "a\\b", "a--b/c",
    "x/", "é/a", "x" * 99,
]  # fmt: skip
# Questions arrive as JSON lines, for one child serves many tests: its imports take longer than they
# do. What was read before an error is part of the answer, too.
CHILD = """
import errno, json, os, shutil, sys, time, warnings
from pathlib import Path
from types import SimpleNamespace
from huggingface_hub import constants
from engine.data.hub import HubSpec
from engine.errors import HoneError
from engine.work import oneshot
from engine.work.hub import dataset_rows, download, models
warnings.simplefilter("error")
time.sleep = lambda seconds: None
endpoint, limit = constants.ENDPOINT, dataset_rows.LARGEST_DOWNLOAD
fetch = dataset_rows.hf_hub_download

def fail(*args, **options):
    raise OSError(errno.ENOSPC, "No space left on device")

def read_slice(ask, report):
    spec = HubSpec(**{key: value for key, value in ask.items() if key in HubSpec.model_fields})
    on_share = lambda *part: report(part)
    cache = Path(ask["workspace"][0], "hub")
    for row in dataset_rows.read_slice(spec, cache, on_share, answer["notes"]):
        bad = isinstance(row, dataset_rows.BadRow)
        answer["rows"].append({"bad": row.problem} if bad else row)

for line in sys.stdin:
    ask, answer = json.loads(line), {"progress": [], "rows": [], "notes": []}
    os.environ["HF_TOKEN"] = ask.pop("token", "")
    constants.ENDPOINT = ask.pop("endpoint", endpoint)
    shutil.disk_usage = lambda path, free=ask.pop("free", 10**12): SimpleNamespace(free=free)
    dataset_rows.LARGEST_DOWNLOAD = ask.pop("largest_download", limit)
    dataset_rows.hf_hub_download = fail if ask.pop("disk_full", False) else fetch
    begun = time.monotonic()
    try:
        operation = (oneshot.OPERATIONS | {"read_slice": read_slice})[ask["op"]]
        answer["done"] = operation(ask, answer["progress"].append)
    except HoneError as error:
        answer |= {"error": str(error), "kind": type(error).__name__}
    heavy = sorted({"torch", "datasets"} & sys.modules.keys())
    print(json.dumps(answer | {"seconds": time.monotonic() - begun, "heavy": heavy}), flush=True)
"""


def incoming_folder(store: Store, name: str = "hone--two") -> Path:
    """Where a download that broke off is kept."""
    return store.models / INCOMING / name


class Child:
    """The process; it has its own workspace for each question."""

    def __init__(self, url: str, home: Path) -> None:
        own = {"HF_ENDPOINT": url, "HF_HOME": str(home), "PYTHONIOENCODING": "utf8"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD],
            cwd=PROJECT_FOLDER,
            env=online_environment(home / "cache") | own,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def ask(self, store: Store, op: str, **what: Any) -> dict[str, Any]:
        assert self.process.stdin and self.process.stdout
        workspace = (str(store.root), store.owner, store.limits)
        question = {"workspace": workspace, "op": op, **what}
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the child has ended"
        answer: dict[str, Any] = json.loads(line)
        assert not answer["heavy"]
        return answer

    def close(self) -> None:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()
