"""What a run saved: its settings, rows and tokenizer; each row as token ids. No import of Hone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml
from transformers import AutoTokenizer

POCKET = Path(__file__).resolve().parents[2] / "presets" / "pocket" / "model"
NOT_LEARNED = -100

Row = dict[str, Any]


@dataclass
class Tokens:
    """A row as token ids, the same ids again where they are learned, and how many are asked."""

    ids: list[int]
    labels: list[int]
    asked: int = 0  # tokens before the last reply

    @property
    def learns(self) -> bool:
        return any(label != NOT_LEARNED for label in self.labels[1:])

    @property
    def shifted(self) -> list[tuple[int, int]]:
        """Each learned token with the place that predicts it."""
        return [(at - 1, one) for at, one in enumerate(self.labels) if at and one != NOT_LEARNED]


class SavedRun:
    """A run's files, and what they say of its rows."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.result, self.start = folder, folder / "adapter", folder / "start"
        self.spec = yaml.safe_load((folder / "spec.yaml").read_text(encoding="utf-8"))
        self.data, self.method = self.spec["data"], self.spec["method"]
        self.train = read_rows(folder / "data" / "train.arrow")
        self.held_out = read_rows(folder / "data" / "heldout.arrow")
        source = self.spec["model"]["source"]
        self.base = POCKET if source == "pocket" else Path(source)
        labels = self.result / "labels.json"
        self.head = json.loads(labels.read_text(encoding="utf-8")) if labels.is_file() else None

    @property
    def goal(self) -> str:
        """classify, multilabel, regress, dpo, orpo, kto or write."""
        if self.head:
            return str(self.data["goal"])
        row = (self.train or self.held_out)[0]
        if self.data["goal"] == "write" or not {"rejected", "good"} & row.keys():
            return "write"
        auto = "dpo" if "rejected" in row else "kto"
        return auto if self.method["preference"] == "auto" else str(self.method["preference"])

    @cached_property
    def tokenizer(self) -> Any:
        tokenizer = AutoTokenizer.from_pretrained(self.base)
        template = self.result / "chat_template.jinja"
        if template.is_file():
            tokenizer.chat_template = template.read_text(encoding="utf-8")
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        return tokenizer

    def tokens(self, row: Row, answer: str | None = None) -> Tokens:
        """A row as it is learned, cut at the longest length; ``answer`` replaces its last one."""
        longest = self.data["max_length"]
        if self.head:
            ids = self.tokenizer(text_of(row), truncation=True, max_length=longest).input_ids
            return Tokens(ids, [NOT_LEARNED] * len(ids))
        if "text" in row:
            ids, end = self.tokenizer(row["text"]).input_ids, self.tokenizer.eos_token_id
            ids = (ids if ids[-1:] == [end] else [*ids, end])[:longest]
            return Tokens(ids, ids)
        found = self.conversation(row, answer)
        return Tokens(found.ids[:longest], found.labels[:longest], found.asked)

    def conversation(self, row: Row, answer: str | None = None) -> Tokens:
        """A row's messages, cut into tokens at each place where a reply begins.

        A reply is learned up to the mark that ends its turn, without blanks behind that.
        """
        messages = messages_of(row, self.data["system"], answer)
        text = self.render(messages)
        replies = [at for at, one in enumerate(messages) if one["role"] == "assistant"]
        starts = [len(self.render(messages[:at], prompt=True)) for at in replies]
        ends = [len(self.render(messages[: at + 1]).rstrip()) for at in replies]
        learned = list(zip(starts, ends, strict=True))
        if self.goal != "write" or self.data["learn"] == "last":
            learned = learned[-1:]
        found = Tokens([], [])
        for first, last in zip([0, *starts], [*starts, len(text)], strict=True):
            found.asked = len(found.ids)
            made = self.tokenizer(
                text[first:last], add_special_tokens=False, return_offsets_mapping=True
            )
            for token, (begin, end) in zip(made.input_ids, made.offset_mapping, strict=True):
                inside = any(a <= first + begin < b for a, b in learned) and end > begin
                found.ids.append(token)
                found.labels.append(token if inside else NOT_LEARNED)
        if self.goal == "write" and self.data["learn"] == "all":
            found.labels = list(found.ids)
        return found

    def render(self, messages: list[Row], prompt: bool = False) -> str:
        write = self.tokenizer.apply_chat_template
        return str(write(messages, tokenize=False, add_generation_prompt=prompt))

    def question(self, row: Row) -> list[int]:
        """The ids that a reply to a row's last question continues."""
        if "text" in row:
            half = row["text"][: max(8, len(row["text"]) // 2)]
            return list(self.tokenizer(half.rsplit(" ", 1)[0].strip() or half).input_ids)
        found = self.conversation(row)
        return found.ids[: found.asked]


def read_rows(file: Path) -> list[Row]:
    """A file of rows, each a JSON text; none where the file is absent."""
    if not file.is_file():
        return []
    with pa.memory_map(str(file)) as source, pa.ipc.open_stream(source) as stream:
        return [json.loads(one) for one in stream.read_all().column("row").to_pylist()]


def messages_of(row: Row, system: str, answer: str | None) -> list[Row]:
    """A row as messages."""
    found = row.get("messages") or [
        {"role": "user", "content": row["prompt"]},
        {"role": "assistant", "content": row["completion"]},
    ]
    if system.strip() and found[0]["role"] != "system":
        found = [{"role": "system", "content": system.strip()}, *found]
    if answer is not None:
        found = [*found[:-1], {"role": "assistant", "content": answer}]
    return [{key: one[key] for key in ("role", "content")} for one in found]


def text_of(row: Row) -> str:
    """The text that a head reads."""
    turns = row.get("messages") or [{"role": "user", "content": row["prompt"]}]
    return "\n\n".join(one["content"] for one in turns if one["role"] == "user")


def labels_of(row: Row) -> list[str]:
    """The labels of a row that may have several."""
    found = answer_of(row)
    return found if isinstance(found, list) else [one.strip() for one in found.split(",")]


def answer_of(row: Row) -> Any:
    """The last answer of a row."""
    return row["messages"][-1]["content"] if "messages" in row else row["completion"]
