"""The process that engine.process.oneshot starts: takes data in, prepares it, or asks the Hub, and tells how far it is.

``python -m engine.work.oneshot``; it needs no torch and imports none.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.data import datasets, hub, ingest
from engine.data.prepare import prepare_dataset
from engine.data.readers import ReadOptions
from engine.data.rows import TRAIN
from engine.data.upload import Upload
from engine.errors import DataError, HoneError
from engine.spec.run import DataSpec
from engine.store.workspace import Store

Tell = Callable[[str], None]


def _answer_question(question: dict[str, Any], tell: Tell) -> Any:
    store = Store(Path(question["home"]))
    match question["do"]:
        case "add":
            uploads = [Upload(Path(path), name) for path, name in question["files"]]
            return ingest.ingest_files(store, uploads, ReadOptions(**question["options"]), tell)
        case "again":
            dataset = datasets.load_dataset(store, question["source"])
            return ingest.reread_files(
                store, dataset.folder, ReadOptions(**question["options"]), tell
            )
        case "prepare":
            return prepare_dataset(
                store, DataSpec.model_validate(question["spec"]), tell
            ).model_dump(mode="json")
        case "look":
            from engine.work.hub.datasets import describe_hub_dataset

            return describe_hub_dataset(question["name"]).model_dump()
        case "hub":
            return _take_from_hub(store, hub.HubSpec(**question["wanted"]), tell)
        case "models" | "model" | "download":
            return _base_models(store, question, tell)
    raise ValueError(question["do"])


def _take_from_hub(store: Store, wanted: hub.HubSpec, tell: Tell) -> str:
    def progress(text: str, share: float) -> None:
        tell(f"{text} ({share:.0%})" if 0 <= share <= 1 else text)

    part = " ".join(one for one in (wanted.config, wanted.split) if one)
    end = "" if wanted.count is None else str(wanted.first + wanted.count)
    part += f" [{wanted.first}:{end}]" if wanted.first or end else ""
    notes: list[str] = [f"From the Hugging Face Hub: {wanted.name}, {part}."]
    from engine.work.hub.datasets import read_slice as hub_rows

    rows = hub_rows(wanted, store.home / "hub", progress, notes)
    items = ((row, TRAIN) for row in rows)
    return ingest.ingest_rows(
        store, f"{wanted.name} ({part})", items, notes, tell, files=[wanted.name]
    )


def _base_models(store: Store, question: dict[str, Any], tell: Tell) -> Any:
    from engine.work.hub import download, models

    do, asked = (
        question["do"],
        {key: value for key, value in question.items() if key not in ("do", "home")},
    )
    if do == "models":
        return [one.model_dump() for one in models.search_models(**asked)]
    if do == "model":
        return models.describe_hub_model(store, **asked).model_dump(mode="json")
    return str(download.download_model(store, **asked, tell=tell))


def main() -> int:
    """Answer one question."""
    out, sys.stdout = sys.stdout, sys.stderr  # whatever a library prints must not reach the pipe

    def write(answer: dict[str, Any]) -> None:
        out.write(json.dumps(answer) + "\n")
        out.flush()

    def fail(text: str, kind: str = DataError.__name__) -> None:
        write({"error": text, "kind": kind})

    try:
        write(
            {
                "done": _answer_question(
                    json.loads(sys.stdin.read()), lambda text: write({"tell": text})
                )
            }
        )
    except HoneError as error:
        fail(str(error), type(error).__name__)
    except MemoryError:
        fail(
            "The machine's memory ran out while this data was read. Split the file into smaller ones."
        )
    except OSError as error:
        traceback.print_exc()
        full = (
            "The disk is full. Make room, then add it again."
            if error.errno == 28
            else f"{error.strerror}."
        )
        fail(f"The data could not be kept: {full}")
    except Exception:
        print(time.strftime("%Y-%m-%d %H:%M:%S"))
        traceback.print_exc()
        fail("This data could not be read, by a mistake in Hone. The details are in aside.log.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
