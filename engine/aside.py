"""Work on data in a process of its own: a damaged or huge file can neither slow the page nor take it down.

The other side is engine.work.aside. One question as JSON on stdin, answers in JSON lines: ``{"tell": text}`` while it
works, then ``{"done": value}`` or ``{"error": text}``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from engine import data, hub
from engine.errors import DataError
from engine.prepare import Prepared, prepare
from engine.read import Options
from engine.spec import DataSpec
from engine.store import ROOT, Store

SMALL = 20_000  # rows that are prepared at once, in this process: a new one takes half a second to start
SMALL_BYTES = 20 * 2**20

Tell = Callable[[str], None]


def add_files(
    store: Store, files: list[tuple[Path, str]], options: Options | None = None, tell: Tell = lambda _: None
) -> str:
    """The source of files taken in together, given as (path, the user's name for it); raises DataError."""
    uploads = [[str(path), name] for path, name in files]
    return str(_ask(store, tell, do="add", files=uploads, options=asdict(options or Options())))


def read_again(store: Store, source: str, options: Options, tell: Tell = lambda _: None) -> str:
    """The source of a dataset's files read in another way: encoding, header, split of a text; raises DataError."""
    return str(_ask(store, tell, do="again", source=source, options=asdict(options)))


def add_hub(store: Store, wanted: hub.HubSpec, tell: Tell = lambda _: None) -> str:
    """The source of a Hub dataset, downloaded and taken in; raises DataError."""
    return str(_ask(store, tell, do="hub", wanted=wanted.model_dump()))


def look_hub(store: Store, name: str) -> hub.HubInfo:
    """What a Hub dataset holds; raises DataError."""
    return hub.HubInfo(**_ask(store, lambda _: None, do="look", name=name))


def prepared(store: Store, spec: DataSpec, tell: Tell = lambda _: None) -> Prepared:
    """The rows that a run learns from; a large dataset is worked on aside."""
    dataset = data.load(store, spec.source)
    if dataset.rows <= SMALL and dataset.bytes <= SMALL_BYTES:
        return prepare(store, spec, tell)
    return Prepared.model_validate(_ask(store, tell, do="prepare", spec=spec.model_dump(mode="json")))


def _ask(store: Store, tell: Tell, **question: Any) -> Any:
    # The app is offline by default; who asks for the Hub wants the network.
    env = hub.environment(store.home / "hub") if question["do"] in ("hub", "look") else dict(os.environ)
    env["PYTHONIOENCODING"] = "utf-8"
    with (store.home / "aside.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "engine.work.aside"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,  # a file, never a pipe that somebody must drain
            text=True,
            encoding="utf-8",
            cwd=ROOT,
            env=env,
        )
    assert process.stdin is not None and process.stdout is not None
    with process, process.stdin as ask:
        ask.write(json.dumps({"home": str(store.home), **question}))
        ask.close()
        for line in process.stdout:
            answer = json.loads(line)
            if "tell" in answer:
                tell(answer["tell"])
            elif "error" in answer:
                raise DataError(answer["error"])
            else:
                return answer["done"]
    raise DataError("Reading this data was ended by the system; memory may have run out. Split the file, or try again.")
