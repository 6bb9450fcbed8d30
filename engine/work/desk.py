"""The desk worker: answers at once what needs torch but no run. JSON lines on stdin and stdout.

Requests are ``{"id", "op", ...}``; answers ``{"id", "part"}`` while a reply streams, then ``{"id", "done"}``
or ``{"id", "error", "kind"}``. One request at a time; ``stop`` is heard while another is being answered.
"""

from __future__ import annotations

import json
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.data.normalize import with_system
from engine.errors import HoneError
from engine.model import local
from engine.spec.method import MethodSpec
from engine.spec.run import DataSpec
from engine.store.run_dir import RunDir
from engine.work.encode import preview
from engine.work.encode.encode import load_tokenizer, prompt_ids
from engine.work.model.base_and_tuned import open_trained_run
from engine.work.model.describe import inspect_model
from engine.work.model.generate import stream_pair

CHAT_EVERY = 0.08  # seconds; a page that redraws for every token falls behind

Tell = Callable[[Any], None]


class DeskWorker:
    """Holds at most one tokenizer and one model with its adapter."""

    def __init__(self) -> None:
        self.stopped: set[int] = set()
        self.tokenizers: dict[tuple[Path, str], Any] = {}
        self.model_key: tuple[Any, ...] = ()
        self.model: Any = None

    def tokenizer(self, folder: Path, template: str) -> Any:
        key = (folder, template)
        if key not in self.tokenizers:
            self.tokenizers = {key: load_tokenizer(folder, template)}
        return self.tokenizers[key]

    def inspect(self, ask: dict[str, Any], tell: Tell) -> Any:
        folder = Path(ask["folder"]) if ask["folder"] else None
        return inspect_model(ask["model"], ask["task"] or None, folder).model_dump()

    def preview(self, ask: dict[str, Any], tell: Tell) -> Any:
        """Rows as tokens, or why they cannot be shown."""
        data = DataSpec.model_validate(ask["data"])
        tokenizer = self.tokenizer(local.checked_folder(ask["model"]), data.template)
        return [preview.preview_row(tokenizer, row, data) for row in ask["rows"]]

    def measure(self, ask: dict[str, Any], tell: Tell) -> Any:
        """The token report; told as it goes, since many rows take longer than a silence may last."""
        data = DataSpec.model_validate(ask["data"])
        tokenizer = self.tokenizer(local.checked_folder(ask["model"]), data.template)
        return preview.token_report(
            tokenizer, ask["rows"], ask["indices"], ask["total"], data, tell
        )

    def pace(self, ask: dict[str, Any], tell: Tell) -> Any:
        """How fast this machine trains a model, for estimates of time."""
        from engine.work.model.speed import measure_speed  # it brings PEFT

        return measure_speed(
            ask["model"], ask["task"], MethodSpec.model_validate(ask["method"]), **ask["how"]
        )

    def chat(self, ask: dict[str, Any], tell: Tell) -> Any:
        """Both replies to one message, told as they grow."""
        of = open_trained_run(RunDir(Path(ask["run"])))
        place = of.place()
        key = (
            of.run.path,
            max(file.stat().st_mtime_ns for file in of.run.adapter.glob("*.safetensors")),
            place,
        )
        if key != self.model_key:
            self.free(ask, tell)
            self.model, self.model_key = of.load(place), key
        data = of.spec.data
        tokenizer = self.tokenizer(of.folder, data.template)
        if of.head:
            from engine.work.model.classifier import describe_both_outputs

            return describe_both_outputs(self.model, tokenizer, of, ask["tuned"][-1]["content"])
        plain, literal = ask["plain_text"], "literal" in data.fixes
        base, tuned = (
            prompt_ids(
                tokenizer,
                with_system(ask[which], "" if plain else data.system),
                plain,
                literal=literal,
            )
            for which in ("base", "tuned")
        )
        room = of.context - max(len(base), len(tuned))
        if room < 1:
            raise HoneError(
                "This conversation is longer than the model can read. Press Clear and start again."
            )
        last, texts = 0.0, ["", ""]

        def hear(now: list[str]) -> None:
            nonlocal last, texts
            texts = now
            if time.monotonic() - last >= CHAT_EVERY:
                last = time.monotonic()
                tell(texts)

        length = min(ask["max_new_tokens"], room)
        stream_pair(
            self.model,
            tokenizer,
            (base, tuned),
            length,
            ask["temperature"],
            hear,
            lambda: ask["id"] in self.stopped,
        )
        return texts

    def free(self, ask: dict[str, Any], tell: Tell) -> Any:
        """Give the model's memory back, before a run starts on the same device."""
        import gc

        import torch

        self.model, self.model_key = None, ()
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return None


def serve_desk() -> None:
    """Answer requests until stdin closes, which also happens when the app dies."""
    out = sys.stdout
    sys.stdout = sys.stderr  # whatever a library prints must not reach the pipe
    desk = DeskWorker()
    asks: queue.Queue[dict[str, Any] | None] = queue.Queue()

    def listen() -> None:
        for line in sys.stdin:
            ask = json.loads(line)
            if ask["op"] == "stop":
                desk.stopped.add(ask["which"])
            else:
                asks.put(ask)
        asks.put(None)

    def write(answer: dict[str, Any]) -> None:
        out.write(json.dumps(answer) + "\n")
        out.flush()

    threading.Thread(target=listen, daemon=True).start()
    operations = {
        name: getattr(desk, name)
        for name in ("inspect", "preview", "measure", "pace", "chat", "free")
    }
    while (ask := asks.get()) is not None:
        number = ask["id"]
        try:
            done = operations[ask["op"]](
                ask, lambda part, number=number: write({"id": number, "part": part})
            )
            write({"id": number, "done": done})
        except HoneError as error:
            write({"id": number, "error": str(error), "kind": type(error).__name__})
        except Exception:
            traceback.print_exc()
            write({"id": number, "error": "", "kind": "Unexpected"})
        desk.stopped.discard(number)
