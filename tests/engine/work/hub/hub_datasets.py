"""Datasets for the stand-in of the Hub, one of every sort."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from tests.engine.work.hub.hub_repo import jsonl, parquet
from tests.engine.work.hub.hub_server import PARQUET_COPY, Hub

NUMBERS = [{"text": f"row {at}", "when": "2024-01-01", "code": "007"} for at in range(30)]
PROGRAM = b"import pathlib\npathlib.Path('/tmp/hone-was-here').write_text('run')\n"
OUTSIDE: list[dict[str, Any]] = [
    {"data_files": "/etc/passwd"},
    {"data_files": "../../x.csv"},
    {"data_files": "https://example.org/x.csv"},
    {"data_files": "zip://a.csv::b.zip"},
    {"data_files": "hf://datasets/hone/private/train.jsonl"},
    {"data_files": [{"split": "train", "path": ["file:///etc/passwd", "/**/passwd"]}]},
    {"data_dir": "/etc"},
    {"data_dir": "../.."},
]
ODD: list[dict[str, Any]] = [
    {"configs": "x"},
    {"configs": [{"config_name": ["a"]}]},
    {"configs": [{"data_files": 3}]},
    {"configs": [{"data_files": "**/" * 3000}]},
    {"dataset_info": [{"features": "ab"}]},
]
CLASSES = {"class_label": {"names": {"0": "neg", "1": "pos"}}}
COLUMNS = [{"name": "text", "dtype": "string"}, {"name": "label", "dtype": CLASSES}]
LABELS = {"dataset_info": {"features": COLUMNS}}
TAGS = {"features": [{"name": "tags", "sequence": {"class_label": {"names": ["O", "B"]}}}]}
TEXTS = [f"{at:05d} " + "x" * 994 for at in range(5000)]
MOMENT = dt.datetime(2024, 5, 6, 7, 8, 9, tzinfo=dt.UTC)
ODD_VALUES = {
    "at": [MOMENT],
    "day": [MOMENT.date()],
    "nan": [float("nan")],
    "tree": [{"a": [1, 2]}],
    "photo": [{"bytes": b"\0", "path": "a.png"}],  # as ``datasets`` writes an image
}
FILES: dict[str, dict[str, bytes]] = {
    "tables": {
        "en/train-0.parquet": parquet({"text": TEXTS[:3000]}),
        "en/train-1.parquet": parquet({"text": TEXTS[3000:]}),
        "en/test-0.parquet": parquet({"text": ["one", "two"]}),
        "de/train-0.parquet": parquet({"text": ["eins", "zwei", "drei"]}),
        "de/test-0.parquet": parquet({"text": ["vier"]}),
    },
    "lines": {"train.jsonl": jsonl(NUMBERS), "test.jsonl": jsonl(NUMBERS[:4])},
    "list": {
        "train.json": json.dumps(NUMBERS, indent=1).encode(),
        "test.json": b'{"data": [{"a": 1}]}',
    },
    "sheet": {"data.csv": b'id,text\n007,"a, b"\n008,NA\n'},
    "plain": {"train.txt": "one\ntwo \u2028 still two\n".encode()},
    "classes": {"train.parquet": parquet({"text": ["a", "b", "c"], "label": [1, 0, -1]})},
    "classes-csv": {"train.csv": b"text,label\ngood,1\nbad,0\nfair,pos\n"},
    "tags": {"train.jsonl": jsonl([{"tags": [0, 1, 0]}])},
    "odd": {"train.parquet": parquet(ODD_VALUES)},
    "gated": {"train.jsonl": jsonl(NUMBERS)},
    "private": {"train.jsonl": jsonl(NUMBERS)},
    "program": {"program.py": PROGRAM, "train.jsonl": jsonl(NUMBERS)},
    "copied": {"copied.py": PROGRAM},
    "pickles": {"train.pkl": b"\x80\x04.", "weights.bin": b"\0"},
    "archive": {"train.zip": b"PK\x05\x06" + b"\0" * 18},
    "zipped": {"train.jsonl.gz": b"\x1f\x8b", "train.arrow": b"ARROW1"},
    "cut": {"train.jsonl": jsonl(NUMBERS)},
    "broken": {"train.parquet": b"PAR1 not really"},
    "mixed": {
        "train.parquet": parquet({"a": [1]}),
        "train.csv": b"a\n2\n",
        "test.csv": b"a\n3\n",
    },
    "shards": {f"train-{at}.jsonl": jsonl(NUMBERS[at * 10 : at * 10 + 10]) for at in range(3)},
    "bad": {
        "train-0.jsonl": b'{"a": 1}\n{"a": oops}\n{"a": 3}\n',
        "train-1.jsonl": b'{"a": 4}\n',
    },
    "options": {"train.csv": b"a\n1\n"},
}
CARDS: dict[str, dict[str, Any]] = {
    "tables": {
        "license": "cc-by-4.0",
        "configs": [
            {"config_name": one, "default": one == "en",
             "data_files": [
                {"split": split, "path": f"{one}/{split}-*.parquet"} for split in ("train", "test")
             ]}
            for one in ("en", "de")
        ],
        "dataset_info": [
            {"config_name": "en",
             "splits": [{"name": "train", "num_bytes": 1, "num_examples": 5000}]}
        ],
    },
    "classes": LABELS,
    "classes-csv": LABELS,
    "tags": {"dataset_info": [TAGS]},
    "gated": {"license": "other"},
    "options": {
        "configs": [{"config_name": "default", "data_files": "train.csv", "skiprows": 1}]
    },
}  # fmt: skip
BEHAVIOUR: dict[str, dict[str, Any]] = {
    "gated": {"gated": True},
    "private": {"private": True},
    "cut": {"cut": {"train.jsonl": 700}},
}


def fill_datasets(hub: Hub) -> None:
    """Put one dataset of every sort on the Hub."""
    for name, files in FILES.items():
        card = {"card": CARDS[name]} if name in CARDS else {}
        hub.add("datasets", f"hone/{name}", files, **card, **BEHAVIOUR.get(name, {}))
    outside = [{"configs": [{"config_name": "default", **where}]} for where in OUTSIDE]
    for sort, cards in (("outside", outside), ("odd-card", ODD)):
        for number, card in enumerate(cards):
            hub.add("datasets", f"hone/{sort}{number}", {"train.csv": b"a\n1\n"}, card=card)
    copy = {"default/train/0000.parquet": parquet({"text": ["safe"]})}
    hub.repos["datasets", "hone/copied"].branches[PARQUET_COPY] = copy
    hub.moved["old"] = "hone/lines"
