"""Work on data in a process of its own: a damaged or huge file can neither slow the page nor take it down.

The other side is engine.work.oneshot. One question as JSON on stdin, answers in JSON lines: ``{"tell": text}`` while it
works, then ``{"done": value}`` or ``{"error": text, "kind": class of the error}``. engine.model.hub asks here, too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from engine.data import datasets, hub
from engine.data.prepare import Prepared, prepare_dataset
from engine.data.readers import ReadOptions
from engine.errors import DataError, HoneError, ModelError, RunError, SpecError
from engine.spec.run import DataSpec
from engine.store.files import ROOT
from engine.store.workspace import Store

SMALL_ROWS = 20_000  # rows that are prepared at once, in this process: a new one takes half a second to start
SMALL_BYTES = 20 * 2**20
ONLINE = {"hub", "look", "models", "model", "download"}  # questions that want the network
ERROR_CLASSES = {kind.__name__: kind for kind in (DataError, ModelError, RunError, SpecError)}
ENDED_BY_SYSTEM = "Reading this data was ended by the system; memory may have run out. Split the file, or try again."

Tell = Callable[[str], None]


def ingest_files(
    store: Store,
    files: list[tuple[Path, str]],
    options: ReadOptions | None = None,
    tell: Tell = lambda _: None,
) -> str:
    """The source of files taken in together, given as (path, the user's name for it); raises DataError."""
    uploads = [[str(path), name] for path, name in files]
    return str(
        ask_oneshot(store, tell, do="add", files=uploads, options=asdict(options or ReadOptions()))
    )


def reread_files(
    store: Store, source: str, options: ReadOptions, tell: Tell = lambda _: None
) -> str:
    """The source of a dataset's files read in another way: encoding, header, split of a text; raises DataError."""
    return str(ask_oneshot(store, tell, do="again", source=source, options=asdict(options)))


def ingest_hub_dataset(store: Store, wanted: hub.HubSpec, tell: Tell = lambda _: None) -> str:
    """The source of a Hub dataset, downloaded and taken in; raises DataError."""
    return str(ask_oneshot(store, tell, do="hub", wanted=wanted.model_dump()))


def look_up_dataset(store: Store, name: str) -> hub.HubInfo:
    """What a Hub dataset holds; raises DataError."""
    return hub.HubInfo(**ask_oneshot(store, lambda _: None, do="look", name=name))


def prepared(store: Store, spec: DataSpec, tell: Tell = lambda _: None) -> Prepared:
    """The rows that a run learns from; a large dataset is worked on aside."""
    dataset = datasets.load_dataset(store, spec.source)
    if dataset.rows <= SMALL_ROWS and dataset.bytes <= SMALL_BYTES:
        return prepare_dataset(store, spec, tell)
    return Prepared.model_validate(
        ask_oneshot(store, tell, do="prepare", spec=spec.model_dump(mode="json"))
    )


def ask_oneshot(
    store: Store,
    tell: Tell,
    lost: HoneError | None = None,
    stop: threading.Event | None = None,
    **question: Any,
) -> Any:
    """What the process answers; raises its error, or ``lost`` if it ended without one, as it does on ``stop``."""
    # The app is offline by default; who asks for the Hub wants the network.
    env = online_environment(store.home / "hub") if question["do"] in ONLINE else dict(os.environ)
    env["PYTHONIOENCODING"] = "utf-8"
    with (store.home / "aside.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "engine.work.oneshot"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,  # a file, never a pipe that somebody must drain
            text=True,
            encoding="utf-8",
            cwd=ROOT,
            env=env,
        )
    assert process.stdin is not None and process.stdout is not None
    if stop:
        threading.Thread(target=_end, args=(process, stop), daemon=True).start()
    with process, process.stdin as pipe:
        pipe.write(json.dumps({"home": str(store.home), **question}))
        pipe.close()
        for line in process.stdout:
            if not line.endswith("\n"):  # ended in the middle of a word
                break
            answer = json.loads(line)
            if "tell" in answer:
                tell(answer["tell"])
            elif "error" in answer:
                raise ERROR_CLASSES[answer["kind"]](answer["error"])
            else:
                return answer["done"]
    raise lost or DataError(ENDED_BY_SYSTEM)


def _end(process: subprocess.Popen[str], stop: threading.Event) -> None:
    """End the process when somebody says so; it may be waiting for the network, and would not look."""
    while process.poll() is None:
        if stop.wait(0.2):
            process.terminate()
            return


OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")


def online_environment(cache: Path) -> dict[str, str]:
    """The environment for the child process: online, silent about the user, and with a cache of our own.

    HF_TOKEN, HF_HOME (where ``hf auth login`` keeps its token) and HF_ENDPOINT pass through.
    """
    kept = {key: value for key, value in os.environ.items() if key not in OFFLINE}
    return (
        kept
        | {
            "HF_HUB_CACHE": str(cache),
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_SYMLINKS_WARNING": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_XET": "1",  # plain HTTP: its breaks are seen, and it needs no cache of its own
            "HF_HUB_DOWNLOAD_TIMEOUT": "20",  # seconds without a byte
            "HF_HUB_ETAG_TIMEOUT": "10",
        }
    )
