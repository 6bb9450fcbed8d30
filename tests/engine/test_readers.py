"""Files to tables: what is accepted as it is, what is refused, and in which words."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import DataError
from engine.readers import read_rows

ROW = '{"prompt": "a", "completion": "b"}'


def table(tmp_path: Path, name: str, content: str | bytes):
    path = tmp_path / "upload"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_rows(path, name)


@pytest.mark.parametrize(
    ("name", "content", "rows", "note"),
    [
        ("a.jsonl", f"{ROW}\n\n{ROW}\n", 2, ""),
        ("a.jsonl", '{"text": "one\u2028two"}\n', 1, ""),
        ("a.jsonl", f"\ufeff{ROW}", 1, ""),
        ("a.jsonl", f"[{ROW}, {ROW}]", 2, "one JSON list"),
        ("a.json", f"[{ROW}]", 1, ""),
        ("a.json", f"\ufeff[{ROW}]", 1, ""),
        ("a.json", '{"version": 1, "data": [' + ROW + "]}", 1, ""),
        ("a.json", '{\n"data": [' + ROW + "]}", 1, ""),
        ("a.json", f"{ROW}\n{ROW}", 2, "one example per line"),
        ("a.jsonl", f"{ROW}\n".encode("utf-16"), 1, "UTF-16"),
        ("a.csv", "prompt,completion\r\na,b\r\n", 1, ""),
        ("a.csv", "prompt,completion\ra,b\rc,d\r", 2, ""),
        ("a.csv", 'prompt;completion\n"a, b";c\n', 1, ""),
        ("a.tsv", "prompt\tcompletion\na\tb\n", 1, ""),
        ("a.csv", 'prompt,completion\n"two\nlines",b\n', 1, ""),
        ("a.csv", f"prompt,completion\n{'x' * 300_000},b\n", 1, ""),
        ("a.txt", "One.\nStill one.\n\nTwo.\n", 2, "one example per paragraph"),
        ("A.JSONL", ROW, 1, ""),
        ("a.csv", '"a, b, c";text\nx;y\n', 1, ""),
        ("a.csv", "prompt,completion\na,b\n\n,\n", 2, ""),
        ("a.json", f"[ {ROW} ,\n{ROW}\n]\n", 2, ""),
        ("a.csv", "text\r" + ("x" * 99 + "\r") * 60_000, 60_000, ""),
        ("a.jsonl", "[" + ", ".join([f'{{"text": "{"x" * 2**20}"}}'] * 6) + "]", 6, "one JSON list"),
    ],
)
def test_accepted(tmp_path: Path, name: str, content: str | bytes, rows: int, note: str) -> None:
    found = table(tmp_path, name, content)
    assert len(found.rows) == rows
    assert note in " ".join(found.notes) and bool(note) == bool(found.notes)


def test_text_stays_text(tmp_path: Path) -> None:
    rows = table(tmp_path, "a.csv", "\ufeffprompt,completion\nNA,007\nnull,1e5\n,None\n").rows
    assert [list(row.items()) for row in rows] == [
        [("prompt", "NA"), ("completion", "007")],
        [("prompt", "null"), ("completion", "1e5")],
        [("prompt", ""), ("completion", "None")],
    ]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.jsonl", "", "is empty"),
        ("a.csv", "  \n ", "is empty"),
        ("a.csv", "prompt,completion\n", "0 examples found"),
        ("a.json", "[]", "0 examples found"),
        ("a.docx", ROW, "file type '.docx' is not accepted"),
        ("noending", ROW, "file type 'none' is not accepted"),
        ("a.zip", b"PK\x03\x04", "file type '.zip' is not accepted"),
        ("a.jsonl", b'{"text": "gr\xfc\xdfe"}', "line 1 has bytes that are not UTF-8"),
        ("a.csv", b"prompt,completion\na,b\nc,\xff\n", "line 3 has bytes that are not UTF-8"),
        ("a.jsonl", '{"text": "a\\u0000b"}\n\x00', "line 2 contains binary data"),
        ("a.jsonl", ROW + '\n{"prompt": "a", "comp', "line 2, the last one, is incomplete"),
        ("a.jsonl", '{"a": x}\n' + ROW, "line 1 is not valid JSON"),
        ("a.jsonl", '{"a": 1, "a": 2}\n', "line 1 repeats the key 'a'"),
        ("a.jsonl", '{"a": NaN}', "line 1 holds NaN"),
        ("a.jsonl", '{"a": ' + "9" * 5000 + "}", "number of 5000 digits"),
        ("a.jsonl", '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deeply"),
        ("a.jsonl", '{"a": ' + "[" * 70 + "]" * 70 + "}", "row 1 is nested too deeply"),
        ("a.jsonl", '{"a": "\\ud800"}', "row 1 has a broken character"),
        ("a.jsonl", "[1, 2]", "row 1 is not an object"),
        ("a.jsonl", f"{ROW}\n[1]", "line 2 is not an object"),
        ("a.json", '{"a": 1}', "one list of examples"),
        ("a.json", '{"a": [{"x": 1}], "b": [{"x": 1}]}', "lists found: a, b"),
        ("a.jsonl", '{"a": "' + "x" * (6 * 2**20) + '"}', "larger than the limit of 5 MB"),
        ("a.csv", 'p,c\n"a,b\nc,d\n', "quote opened on line 2 is never closed"),
        ("a.csv", "p,c\na,b,c\n", "row 1 has 3 values, the header has 2"),
        ("a.csv", "p,p\na,b\n", "column 'p' appears twice"),
        ("a.csv", "p,,\na,b,c\n", "2 columns have no name"),
        ("a.jsonl", f'{ROW}\n{{"a": "x\\u0000y"}}', "row 2 contains binary data"),
        ("a.jsonl", '{"a": 1e999}', "line 1 holds the number 1e999"),
        ("a.json", '[{"a": 1}, {"a": 1, "a": 2}]', "row 2 repeats the key 'a'"),
        ("a.json", '[{"a": 1}, {"a": NaN}]', "row 2 holds NaN"),
        ("a.json", '[{"a": 1},\n {"a": }]', "row 2 is not valid JSON (line 2, character 8"),
        ("a.json", '[{"a": 1}, {"a": "b', "may have been cut off"),
        ("a.json", '[{"a": 1} {"a": 2}]', "row 1 should be followed by ','"),
        ("a.json", '[{"a": 1}, ]', "row 2 is not valid JSON"),
        ("a.json", '[{"a": 1}] [{"a": 2}]', "goes on after the list's closing ']'"),
        ("a.json", "[" * 100_000, "row 1 is nested too deeply"),
        ("a.jsonl", '{"a": "' + "漢" * (2 * 2**20) + '"}', "line 1 is larger than the limit of 5 MB"),
        ("a.json", '[{"a": "' + "漢" * (2 * 2**20) + '"}]', "row 1 is larger than the limit of 5 MB"),
    ],
)
def test_refused_in_plain_words(tmp_path: Path, name: str, content: str | bytes, words: str) -> None:
    with pytest.raises(DataError) as error:
        table(tmp_path, name, content)
    assert words in str(error.value)
    assert f"'{name}'" in str(error.value)


@given(st.sampled_from(["a.jsonl", "a.json", "a.csv", "a.txt"]), st.binary(max_size=300))
def test_whatever_bytes_come_either_rows_or_a_data_error(tmp_path_factory, name: str, content: bytes) -> None:
    try:
        found = table(tmp_path_factory.mktemp("f"), name, content)
    except DataError:
        return
    assert found.rows
    json.dumps(found.rows)


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.text(), min_size=1), min_size=1))
def test_json_rows_come_back_as_they_are(tmp_path_factory, rows) -> None:
    clean = [row for row in rows if "\\u0000" not in json.dumps(row)]
    content = "\n".join(json.dumps(row) for row in clean)
    if clean:
        assert table(tmp_path_factory.mktemp("f"), "a.jsonl", content).rows == clean
        assert table(tmp_path_factory.mktemp("f"), "a.json", json.dumps(clean, indent=1)).rows == clean


PARTS = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    '"',
    '"a"',
    "1",
    "1e999",
    "NaN",
    "\\ud800",
    "\\u0000",
    "\n",
    "\r",
    "\ufeff",
    ";",
    " ",
]


@given(st.sampled_from(["a.jsonl", "a.json", "a.csv", "a.txt"]), st.lists(st.sampled_from(PARTS), max_size=40))
def test_whatever_pieces_of_json_and_csv_come_either_rows_or_a_data_error(tmp_path_factory, name, parts) -> None:
    try:
        found = table(tmp_path_factory.mktemp("f"), name, "".join(parts))
    except DataError:
        return
    json.dumps(found.rows, allow_nan=False, ensure_ascii=False).encode()


def test_a_huge_line_is_refused_without_reading_it_whole(tmp_path: Path) -> None:
    path = tmp_path / "upload"
    path.write_bytes(b'{"text": "' + b"x" * (60 * 2**20) + b'"}')
    for name in ("a.jsonl", "a.csv", "a.txt"):
        tracemalloc.start()
        with pytest.raises(DataError, match="line 1 is larger than the limit of 5 MB"):
            read_rows(path, name)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert most < 20 * 2**20
