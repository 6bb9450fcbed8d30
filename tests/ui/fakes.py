"""A desk without torch, and an engine on it: what the page needs to be tried in a second."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import gradio as gr

from engine.data.quality.token_report import PreviewRow, TokenReport
from engine.estimate.duration import MeasuredSpeed
from engine.hardware import Machine
from engine.model.info import LinearModule, ModelInfo
from engine.process.label_answer import HeadAnswer, LabelAnswer
from engine.runs.engine import Engine
from engine.spec.limits import LOCAL, Limits
from engine.spec.method import MethodSpec
from engine.spec.run import DataSpec
from engine.store.head_labels import read_head_labels
from engine.store.run_dir import RunDir
from tests.fake_backend import FakeBackend
from ui.access import downloads
from ui.context import Context

Made = TypeVar("Made")


def lay_out(build: Callable[[], Made]) -> Made:
    """Widgets on a page of their own. Gradio leaves event loops open; they are collected here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        with gr.Blocks():
            made = build()
        gc.collect()
    return made


def file_of(ctx: Context, link: str) -> Path:
    """The file that a visitor gets who follows a link."""
    answer = downloads.send_file(ctx.engine.store, link.removeprefix("download/"))
    assert answer.status_code == 200, link
    return Path(answer.path)


def linear(name: str, ins: int, outs: int, part: str) -> LinearModule:
    block = "self_attn" if part == "attention" else "mlp"
    path, layers = f"model.layers.*.{block}.{name}", tuple(range(6))
    return LinearModule(name=name, path=path, ins=ins, outs=outs, layers=layers, part=part)


INFO = ModelInfo(
    source="pocket", name="Pocket", model_type="llama", tasks=("write", "classify"), layers=6,
    hidden_size=256, heads=8, kv_heads=4, vocab_size=6000, context=512, parameters=5_000_000,
    dtype="float32", megabytes=20.0, has_template=True,
    modules=(
        linear("q_proj", 256, 256, "attention"),
        linear("k_proj", 256, 128, "attention"),
        linear("v_proj", 256, 128, "attention"),
        linear("o_proj", 256, 256, "attention"),
        linear("gate_proj", 256, 704, "mlp"),
        linear("up_proj", 256, 704, "mlp"),
        linear("down_proj", 704, 256, "mlp"),
    ),
    groups={
        "fewest": ("q_proj", "v_proj"),
        "attention": ("q_proj", "k_proj", "v_proj", "o_proj"),
        "all": ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
    },
)  # fmt: skip


class FakeDesk:
    """Words are tokens, and everything after the first message is learned."""

    def __init__(self) -> None:
        self.stopped = 0
        self.paced = 0

    def inspect_model(
        self, model: str, task: str | None = None, folder: Path | None = None
    ) -> ModelInfo:
        update: dict[str, Any] = {"source": model, "task": task or INFO.task}
        if task == "classify":
            update |= {"head": ("score",), "head_per_label": INFO.hidden_size}
        return INFO.model_copy(update=update)

    def preview_rows(
        self, model: str, rows: Sequence[dict[str, Any]], data: DataSpec
    ) -> list[PreviewRow]:
        shown = []
        for row in rows:
            parts = [(m["content"], m["role"] == "assistant") for m in row.get("messages", [])]
            reply = row.get("completion", row.get("text", ""))
            parts = parts or [(row.get("prompt", ""), False), (reply, True)]
            pairs = [(word + " ", learned) for text, learned in parts for word in text.split()]
            tokens, learned = [text for text, _ in pairs], [learned for _, learned in pairs]
            kept = min(len(pairs), data.max_length)
            shown.append(PreviewRow(tokens=tokens, learned=learned, kept=kept, length=len(pairs)))
        return shown

    def count_tokens(
        self, model: str, rows: Sequence[dict[str, Any]], data: DataSpec
    ) -> TokenReport:
        seen = self.preview_rows(model, rows, data)
        longest = max((row.length for row in seen), default=0)
        return TokenReport(
            rows=len(rows),
            measured=len(rows),
            tokens=sum(row.kept or 0 for row in seen),
            learned=sum(sum(row.learned[: row.kept]) for row in seen),
            cut=sum(row.cut > 0 for row in seen),
            lost=sum(not any(row.learned[: row.kept]) for row in seen),
            edges=[0, 10, 20],
            counts=[len(rows), 0],
            longest_rows=[at for at, row in enumerate(seen) if row.length == longest],
            cut_rows=[at for at, row in enumerate(seen) if row.cut > 0],
            lost_rows=[at for at, row in enumerate(seen) if not any(row.learned[: row.kept])],
            longest=longest,
        )

    def measure_speed(
        self, model: str, task: str, method: MethodSpec, machine: Machine, *how: int
    ) -> MeasuredSpeed:
        self.paced += 1
        return MeasuredSpeed(flops=1e11, token_seconds=0.005)

    def chat(
        self,
        run_id: str,
        base: list[dict[str, str]],
        tuned: list[dict[str, str]],
        temperature: float = 0.0,
        max_new_tokens: int = 128,
    ) -> Iterator[tuple[str, str]]:
        words = ["I", "am", "a", "small", "model", "and", "I", "hear", "you", "well"]
        try:
            for n in range(1, len(words) + 1):
                yield " ".join(words[:n]), "Arr! " + " ".join(words[:n])
        finally:
            self.stopped += 1

    def classify(self, run: RunDir, text: str) -> LabelAnswer:
        """The first label, surer with every word."""
        head = read_head_labels(run.adapter)
        assert head
        best = 1 - 0.5 / len(text.split())
        rest = [(1 - best) / (len(head.labels) - 1)] * (len(head.labels) - 1)
        tuned = HeadAnswer(probabilities=(best, *rest), chosen=head.labels[:1])
        return LabelAnswer(
            kind=head.kind, labels=head.labels, tuned=tuned, base=None, tokens=9, cut=False
        )

    def describe_asking(self, folder: Path, data: DataSpec, plain_text: bool) -> dict[str, str]:
        return {"asking.json": "{}"}

    def match_template(self, folder: Path, own: str) -> str:
        return "chatml" if "im_start" in own else ""

    def free_memory(self) -> None:
        pass

    def close(self) -> None:
        pass


def fake_engine(home: Path, backend: FakeBackend | None = None, limits: Limits = LOCAL) -> Engine:
    """An engine whose runs and replies are made up at once."""
    engine = Engine(home, backend or FakeBackend(seconds=0.005), limits=limits)
    engine.desk = FakeDesk()  # type: ignore[assignment]
    return engine


def shown(values: dict[str, Any]) -> tuple[tuple[str, str], str]:
    """What the start card names, and the data that the settings fit, of a page at rest."""
    return (values["data.source"], values["model.source"]), ""
