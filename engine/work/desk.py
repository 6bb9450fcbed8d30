"""The desk worker, ``python -m engine.work desk``: answers what needs torch but no run."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import torch

from engine.data.messages import with_system
from engine.errors import HoneError, ModelError, RunError
from engine.estimate.duration import BatchShape
from engine.model import local
from engine.spec.method import MethodSpec
from engine.spec.run import DataSpec
from engine.store.run_dir import RunDir
from engine.work.encode import preview
from engine.work.encode.questions import prompt_ids
from engine.work.encode.tokenizer import load_tokenizer
from engine.work.encode.turn_ends import find_turn_ends
from engine.work.memory import release_memory
from engine.work.model.asking import find_asking, matching_template
from engine.work.model.base_and_tuned import TrainedRun, open_trained_run
from engine.work.model.describe import inspect_model
from engine.work.model.generate import Decoding, stream_pair
from engine.work.model.generation_config import read_generation_config, set_ends
from engine.work.model.load import DeviceSetup
from engine.work.serve import Operation, Question, Report, serve

REPORT_INTERVAL = 0.08  # seconds; a page that redraws for every token falls behind
LOAD_SECONDS = 600  # that a large model may take to be read from a slow disk


class DeskWorker:
    """Holds at most one tokenizer and one model with its adapter."""

    def __init__(self) -> None:
        self.stopped: set[int] = set()  # questions whose answer is not wanted any more
        self.tokenizers: dict[tuple[Path, str], Any] = {}
        self.model_key: tuple[Any, ...] = ()
        self.model: Any = None

    @property
    def operations(self) -> dict[str, Operation]:
        found = [self.inspect_model, self.preview_rows, self.count_tokens, self.measure_speed]
        found += [self.chat, self.classify, self.describe_asking, self.match_template]
        found += [self.free_memory]
        return {operation.__name__: operation for operation in found}

    def inspect_model(self, question: Question, report: Report) -> Any:
        folder = Path(question["folder"]) if question["folder"] else None
        return inspect_model(question["model"], question["task"] or None, folder).model_dump()

    def preview_rows(self, question: Question, report: Report) -> Any:
        """Rows as tokens, or why they cannot be shown."""
        data = DataSpec.model_validate(question["data"])
        tokenizer = self._tokenizer(local.checked_folder(question["model"]), data.template)
        return [preview.preview_row(tokenizer, row, data) for row in question["rows"]]

    def count_tokens(self, question: Question, report: Report) -> Any:
        """The token report, with progress: many rows take longer than the app waits in silence."""
        data = DataSpec.model_validate(question["data"])
        tokenizer = self._tokenizer(local.checked_folder(question["model"]), data.template)
        rows, indices, total = question["rows"], question["indices"], question["total"]
        return preview.token_report(tokenizer, rows, indices, total, data, report)

    def measure_speed(self, question: Question, report: Report) -> Any:
        """How fast this machine trains a model, for estimates of time."""
        from engine.work.model.speed import measure_speed  # it brings PEFT

        dtype = torch.bfloat16 if question["bf16"] else torch.float32
        setup = DeviceSetup(torch.device(question["device"]), dtype, autocast=question["autocast"])
        method = MethodSpec.model_validate(question["method"])
        shape = BatchShape(*question["shape"])
        try:
            return measure_speed(question["model"], question["task"], method, setup, shape)
        finally:
            release_memory()

    def match_template(self, question: Question, report: Report) -> Any:
        """The setting that writes chats as this chat template does; empty for none."""
        return matching_template(Path(question["folder"]), question["own"])

    def describe_asking(self, question: Question, report: Report) -> Any:
        """How a result of this model is asked and where its replies end, as files to be saved."""
        data, folder = DataSpec.model_validate(question["data"]), Path(question["folder"])
        tokenizer, plain_text = self._tokenizer(folder, data.template), question["plain_text"]
        config, _ = read_generation_config(folder)
        set_ends(config, find_turn_ends(tokenizer, plain_text).tokens)
        asking = find_asking(tokenizer, data, plain_text)
        return {
            "asking.json": json.dumps(asking._asdict(), ensure_ascii=False, indent=1),
            "generation_config.json": config.to_json_string(),
            "chat_template.jinja": tokenizer.get_chat_template(),
        }

    def chat(self, question: Question, report: Report) -> Any:
        """Both replies to one message, reported as they grow."""
        trained, tokenizer = self._open_run(question, report)
        data = trained.spec.data
        if trained.head:
            from engine.work.model.classifier import describe_both_outputs

            text = question["tuned"][-1]["content"]
            return describe_both_outputs(self.model, tokenizer, trained, text)
        plain, literal = question["plain_text"], "literal" in data.fixes
        system = "" if plain else data.system
        base, tuned = (
            prompt_ids(tokenizer, with_system(question[which], system), plain, literal=literal)
            for which in ("base", "tuned")
        )
        room = trained.context - max(len(base), len(tuned))
        if room < 1:
            raise HoneError(
                "This conversation is longer than the model can read. Press Clear and start again."
            )
        last_report, texts = 0.0, ["", ""]

        def on_text(now: list[str]) -> None:
            nonlocal last_report, texts
            texts = now
            if time.monotonic() - last_report >= REPORT_INTERVAL:
                last_report = time.monotonic()
                report(texts)

        length, temperature = min(question["max_new_tokens"], room), question["temperature"]
        asked = question["id"]
        decoding = Decoding(length, temperature, lambda: asked in self.stopped, plain)
        stream_pair(self.model, tokenizer, (base, tuned), decoding, on_text)
        return texts

    def classify(self, question: Question, report: Report) -> Any:
        """What the heads of base and tuned model say of a text."""
        from engine.work.model.classifier import answer_text

        trained, tokenizer = self._open_run(question, report)
        if trained.head is None:
            raise RunError("This run writes; it chooses no labels. Send it a message instead.")
        return answer_text(self.model, tokenizer, trained, question["text"]).model_dump()

    def free_memory(self, question: Question, report: Report) -> None:
        """Unload the model, before a run starts on the same device."""
        self._unload()

    def _tokenizer(self, folder: Path, template: str) -> Any:
        key = (folder, template)
        if key not in self.tokenizers:
            self.tokenizers = {key: load_tokenizer(folder, template)}
        return self.tokenizers[key]

    def _open_run(self, question: Question, report: Report) -> tuple[TrainedRun, Any]:
        """The run that is asked, its models in memory, and its tokenizer."""
        trained = open_trained_run(RunDir(Path(question["run"])))
        report.expect(LOAD_SECONDS)
        self._load(trained)
        report.expect(0)
        return trained, self._tokenizer(trained.folder, trained.spec.data.template)

    def _load(self, trained: Any) -> None:
        """Have this run's model in memory, and no other; a newer adapter is another model."""
        setup = trained.device_setup()
        files = trained.run.adapter.glob("*.safetensors")
        key = (trained.run.path, max(file.stat().st_mtime_ns for file in files), setup)
        if key != self.model_key:
            self._unload()
            self.model, self.model_key = trained.load_models(setup), key

    def _unload(self) -> None:
        if self.model is not None:
            self.model, self.model_key = None, ()
            release_memory()


def serve_desk() -> None:
    """Answer questions until the app ends."""
    desk = DeskWorker()
    serve(desk.operations, describe_desk_error, desk.stopped)


def describe_desk_error(error: BaseException) -> HoneError:
    """An unexpected error, as the user reads it."""
    if type(error).__name__ == "PanicException":  # of a library in Rust
        return ModelError(
            f"The tokenizer of this model fails on this text ({str(error)[:200]}). "
            "Choose another model."
        )
    if isinstance(error, MemoryError):
        return RunError("The machine's memory ran out. Close other programs, then try again.")
    return RunError(
        "Something unexpected went wrong in the model's process. The details are in desk.log."
    )
