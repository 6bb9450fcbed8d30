"""Names of classes in a file's own metadata, and in the files beside it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.store.files import PROJECT_FOLDER
from tests.engine.data.made_rows import to_jsonl
from tests.engine.data.readers.reading import read_made

CASE = PROJECT_FOLDER.parent / "shared" / "cases" / "66-parquet-class-names" / "reviews.parquet"
NAMES = ["bad", "good", "odd, or so"]
CLASSES = {"names": NAMES, "_type": "ClassLabel"}
TEXT = {"dtype": "string", "_type": "Value"}
NUMBERS = [0, 1, 2, 1, 0]
WORDS = [NAMES[number] for number in NUMBERS]


def parquet(rows: list[dict[str, Any]], features: dict[str, Any]) -> bytes:
    table = pa.Table.from_pylist(rows)
    about = json.dumps({"info": {"features": features}})
    out = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({"huggingface": about}), out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("feature", "make", "wanted"),
    [
        (CLASSES, lambda n: n, lambda w: w),
        ({"feature": CLASSES, "_type": "Sequence"}, lambda n: [n, 2], lambda w: [w, NAMES[2]]),
        ({"feature": CLASSES, "_type": "List"}, lambda n: [n], lambda w: [w]),
        ([CLASSES], lambda n: [n], lambda w: [w]),
        ({"tag": CLASSES, "word": TEXT}, lambda n: {"tag": n, "word": "a"},
         lambda w: {"tag": w, "word": "a"}),
        ({"feature": {"tag": CLASSES}, "_type": "Sequence"}, lambda n: {"tag": [n, 0]},
         lambda w: {"tag": [w, "bad"]}),
        (TEXT | {"dtype": "int64"}, lambda n: n, None),
    ],
)  # fmt: skip
def test_names_in_the_metadata_of_parquet(tmp_path: Path, feature: Any, make, wanted) -> None:
    rows = [{"text": f"Text {n}", "label": make(number)} for n, number in enumerate(NUMBERS)]
    found = read_made(tmp_path, "a.parquet", parquet(rows, {"text": TEXT, "label": feature}))
    values = [row["label"] for row in found.rows]
    assert values == ([*map(wanted, WORDS)] if wanted else NUMBERS)
    assert ("as their names: bad, good" in found.said) == bool(wanted)


def test_a_row_without_a_label_has_none(tmp_path: Path) -> None:
    rows = [{"text": "a", "label": -1}, {"text": "b", "label": 1}]
    found = read_made(tmp_path, "a.parquet", parquet(rows, {"label": CLASSES}))
    assert [row["label"] for row in found.rows] == [None, "good"]


def test_the_given_case(tmp_path: Path) -> None:
    if not CASE.is_file():
        pytest.skip("needs the shared case 66")
    found = read_made(tmp_path, "a.parquet", CASE.read_bytes())
    assert {row["label"] for row in found.rows} == {"negative", "positive"}


CARD = f"""---
dataset_info:
  features:
  - name: text
    dtype: string
  - name: label
    dtype:
      class_label:
        names:
          '0': {NAMES[0]}
          '1': {NAMES[1]}
          '2': '{NAMES[2]}'
---
# Reviews
"""


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("dataset_info.json", json.dumps({"features": {"text": TEXT, "label": CLASSES}})),
        ("dataset_infos.json", json.dumps({"default": {"features": {"label": CLASSES}}})),
        ("README.md", CARD),
        ("dataset_info.json", json.dumps({"reviews": {"file_name": "a.jsonl"}})),
        ("dataset_info.json", "no JSON at all"),
    ],
)
def test_names_in_a_file_beside_the_rows(add_files, prepare, name: str, content: str) -> None:
    rows = [{"text": f"Some text number {n}", "label": n % 3} for n in range(24)]
    prepared = prepare(add_files({"rows.jsonl": to_jsonl(rows), name: content}))
    named = NAMES[0] in content
    assert set(prepared.labels) == (set(NAMES) if named else {"0", "1", "2"})
