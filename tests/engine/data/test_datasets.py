"""Every real dataset: its shape is inferred, and its rows are counted as others count them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from python_calamine import CalamineWorkbook

from engine.data import datasets, ingest
from engine.data.prepare import prepare_dataset
from engine.data.upload import Upload
from engine.errors import DataError
from engine.spec.run import DataSpec, Shape
from engine.store.workspace import Store

pytestmark = pytest.mark.slow  # hundreds of megabytes of real files


def jsonl(path: Path) -> int:
    return len(pd.read_json(path, lines=True, dtype=False))


def whole(path: Path) -> int:
    return len(json.loads(path.read_text(encoding="utf-8")))


def table(path: Path) -> int:
    with path.open(newline="", encoding="utf-8") as file:
        return sum(1 for _ in csv.reader(file)) - 1


def bare(path: Path) -> int:
    return table(path) + 1


def lines(path: Path) -> int:
    return sum(1 for line in path.read_bytes().split(b"\n") if line.strip())


def paragraphs(path: Path) -> int:
    blank = True
    found = 0
    for line in path.read_text(encoding="utf-8").split("\n"):
        found += blank and bool(line.strip())
        blank = not line.strip()
    return found


def parquet(path: Path) -> int:
    return len(pd.read_parquet(path))


def workbook(path: Path) -> int:
    return len(CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python()) - 1


# Files, shape, an independent count of their rows, and how many of those cannot be learned.
KNOWN: list[tuple[str, Shape, Callable[[Path], int], int]] = [
    ("ag_news/AG_news_samples.csv", Shape.LABEL, table, 0),
    ("ag_news/test.csv", Shape.LABEL, bare, 0),
    ("alpaca/alpaca_small.json", Shape.ALPACA, whole, 0),
    ("alpaca/alpaca_tiny_torchtune.json", Shape.ALPACA, whole, 0),
    ("alpaca/stanford_seed_tasks.jsonl", Shape.ALPACA, jsonl, 0),
    ("banking77/train.csv", Shape.LABEL, table, 0),
    ("banking77/test.csv", Shape.LABEL, table, 0),
    ("dolly/dolly_litgpt_fixture.json", Shape.ALPACA, whole, 0),
    ("gsm8k/train.jsonl", Shape.COMPLETION, jsonl, 0),
    ("gsm8k/test.jsonl", Shape.COMPLETION, jsonl, 0),
    ("llamafactory/README.md", Shape.TEXT, paragraphs, 0),
    ("llamafactory/alpaca_en_demo.json", Shape.ALPACA, whole, 0),
    ("llamafactory/alpaca_zh_demo.json", Shape.ALPACA, whole, 0),
    ("llamafactory/c4_demo.jsonl", Shape.TEXT, jsonl, 0),
    ("llamafactory/dpo_en_demo.json", Shape.PREFERENCE, whole, 0),
    ("llamafactory/glaive_toolcall_en_demo.json", Shape.CHAT, whole, 0),
    ("llamafactory/identity.json", Shape.ALPACA, whole, 0),
    ("llamafactory/kto_en_demo.json", Shape.FEEDBACK, whole, 0),
    ("llamafactory/mllm_demo.json", Shape.CHAT, whole, 6),  # every row needs its pictures
    ("llamafactory/reason_tool_use_demo_50.jsonl", Shape.CHAT, jsonl, 0),
    ("llamafactory/v1_sft_demo.jsonl", Shape.CHAT, jsonl, 0),
    ("llamafactory/wiki_demo.txt", Shape.TEXT, lines, 0),
    ("mlx_prompt_completion/train.jsonl", Shape.COMPLETION, jsonl, 0),
    ("mlx_prompt_completion/valid.jsonl", Shape.COMPLETION, jsonl, 0),
    ("mlx_wikisql_text/train.jsonl", Shape.TEXT, jsonl, 0),
    ("mlx_wikisql_text/valid.jsonl", Shape.TEXT, jsonl, 0),
    ("mlx_wikisql_text/test.jsonl", Shape.TEXT, jsonl, 0),
    ("openai_chat/toy_chat_fine_tuning.jsonl", Shape.CHAT, jsonl, 0),
    ("openai_chat/weather_chat_fine_tuning.jsonl", Shape.CHAT, jsonl, 0),
    ("parquet/spider_train.parquet", Shape.COMPLETION, parquet, 0),
    ("rotten_tomatoes/rt-polarity.neg", Shape.TEXT, lines, 0),
    ("rotten_tomatoes/rt-polarity.pos", Shape.TEXT, lines, 0),
    ("sharegpt/dummy_conversation.json", Shape.CHAT, whole, 0),
    ("sms_spam/SMSSpamCollection", Shape.LABEL, lines, 0),
    ("sst2/train.tsv", Shape.LABEL, lines, 0),
    ("sst2/dev.tsv", Shape.LABEL, lines, 0),
    ("sst2/test.tsv", Shape.LABEL, lines, 0),
    ("text/tinyshakespeare.txt", Shape.TEXT, paragraphs, 0),
    ("trec/train_5500.label", Shape.LABEL, lines, 0),
    ("trec/TREC_10.en.label", Shape.LABEL, lines, 0),
    ("tweet_emotion/train_text.txt", Shape.TEXT, lines, 0),
    ("tweet_emotion/val_text.txt", Shape.TEXT, lines, 0),
    ("tweet_emotion/test_text.txt", Shape.TEXT, lines, 0),
    ("xlsx/career_faq.xlsx", Shape.COMPLETION, workbook, 0),
]
# Files that are no examples by themselves, and what is said.
REFUSED = {
    "ag_news/classes.txt": "is a list of 4 names",
    "banking77/categories.json": "is a list of 77 names",
    "llamafactory/dataset_info.json": "holds no list of examples",
    "openai_chat/drone_training.excerpt3.jsonl": "3 examples found; at least 4",
    "tweet_emotion/mapping.txt": "is a list of 4 names",
    "tweet_emotion/train_labels.txt": "nothing but numbers",
    "tweet_emotion/val_labels.txt": "nothing but numbers",
    "tweet_emotion/test_labels.txt": "nothing but numbers",
}


def take(store: Store, *files: Path) -> datasets.Dataset:
    uploads = [Upload(file, file.name) for file in files]
    return datasets.load_dataset(store, ingest.ingest_files(store, uploads))


def test_every_file_is_known_here(shared_data: Path) -> None:
    folder = shared_data / "datasets"
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert there == {name for name, *_ in KNOWN} | set(REFUSED)


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known[0])
def test_real_files_are_recognised_and_counted(shared_data: Path, home: Path, known) -> None:
    name, shape, count, bad = known
    path, store = shared_data / "datasets" / name, Store(home)
    dataset = take(store, path)
    assert dataset.shape == shape and dataset.certain
    assert (dataset.rows, dataset.bad) == (count(path), 0)
    prepared = prepare_dataset(store, DataSpec(source=dataset.source))
    found = next((finding.count for finding in prepared.findings if finding.kind == "unusable"), 0)
    assert found == bad
    if not bad:
        prepared.require_usable()


@pytest.mark.parametrize("name", REFUSED)
def test_real_files_that_are_no_examples_say_so(shared_data: Path, home: Path, name: str) -> None:
    with pytest.raises(DataError, match=REFUSED[name]):
        take(Store(home), shared_data / "datasets" / name)


@pytest.mark.parametrize(
    ("folder", "train", "held", "labels"),
    [
        ("tweet_emotion", 3257, 1795, {"anger", "joy", "optimism", "sadness"}),
        ("rotten_tomatoes", 9596, 1066, {"pos", "neg"}),
        ("sst2", 6920, 2693, {"0", "1"}),
        ("trec", 5349, 594, {"ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM"}),
        ("mlx_wikisql_text", 1000, 200, set()),
        ("gsm8k", 7473, 1319, set()),
    ],
)
def test_real_folders_are_put_together(  # noqa: PLR0913  fixtures and parameters
    shared_data: Path, home: Path, folder: str, train: int, held: int, labels: set
) -> None:
    store = Store(home)
    dataset = take(store, *sorted((shared_data / "datasets" / folder).iterdir()))
    prepared = prepare_dataset(store, DataSpec(source=dataset.source))
    assert (prepared.train, prepared.held_out, set(prepared.labels)) == (train, held, labels)


def test_real_tool_calls_keep_their_names_and_arguments(shared_data: Path, home: Path) -> None:
    store = Store(home)
    dataset = take(store, shared_data / "datasets/openai_chat/weather_chat_fine_tuning.jsonl")
    row = prepare_dataset(store, DataSpec(source=dataset.source, held_out=0.0)).train_rows()[0]
    call = row["messages"][1]["tool_calls"][0]["function"]
    arguments = {"location": "San Francisco, CA", "unit": "celsius"}
    assert call == {"name": "get_current_weather", "arguments": arguments}
    roles = [turn["role"] for turn in row["messages"]]
    assert roles == ["user", "assistant", "tool", "tool", "tool", "assistant"]
    assert row["tools"][0]["function"]["name"] == "get_current_weather"
