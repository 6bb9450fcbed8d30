"""Files to tables: what is accepted as it is, what is refused, and in which words."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.columns.cells import is_blank
from engine.data.readers.formats import read_table
from engine.errors import DataError
from tests.engine.data.readers.reading import read_made as table

NAMES = ["a.jsonl", "a.json", "a.csv", "a.tsv", "a.txt", "a", "a.parquet", "a.xlsx"]
ROW = '{"prompt": "a", "completion": "b"}'
PARTS = [*'{}[],:";1 \n\r\ufeff', '"a"', "1e999", "NaN", "\\ud800", "\\u0000"]


@pytest.mark.parametrize(
    ("name", "content", "rows", "note"),
    [
        ("a.jsonl", f"{ROW}\n\n{ROW}\n", 2, ""),
        ("a.jsonl", '{"text": "one\u2028two"}\n', 1, ""),
        ("a.jsonl", f"\ufeff{ROW}", 1, ""),
        ("a.jsonl", f"[{ROW}, {ROW}]", 2, "one JSON list"),
        ("a.json", f"[{ROW}]", 1, ""),
        ("a.json", f"\ufeff[{ROW}]", 1, ""),
        ("a.json", '{"version": 1, "data": [' + ROW + "]}", 1, "the list 'data'"),
        ("a.json", '{\n"data": [' + ROW + "]}", 1, "the list 'data'"),
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
        ("a.csv", "prompt,completion\na,b\n\n,\nc,d\n", 2, "Blank lines were skipped"),
        ("a.csv", "prompt,,\na,b,c\n", 1, "called so: 'column 2', 'column 3'"),
        ("a.json", f"[ {ROW} ,\n{ROW}\n]\n", 2, ""),
        ("a.csv", "text\r" + ("x" * 99 + "\r") * 60_000, 60_000, ""),
        ("a.jsonl", json.dumps([{"text": "x" * 2**20}] * 6), 6, "one JSON list"),
    ],
)
def test_accepted(tmp_path: Path, name: str, content: str | bytes, rows: int, note: str) -> None:
    found = table(tmp_path, name, content)
    assert len(found.rows) == rows and not found.bad
    assert note in " ".join(found.notes) and bool(note) == bool(found.notes)


def test_text_stays_text(tmp_path: Path) -> None:
    rows = table(tmp_path, "a.csv", "\ufeffprompt,completion\nNA,007\nnull,1e5\n,None\n").rows
    assert [list(row) for row in rows] == [["prompt", "completion"]] * 3
    assert [list(row.values()) for row in rows] == [["NA", "007"], ["null", "1e5"], ["", "None"]]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.jsonl", "", "is empty"),
        ("a.csv", "  \n ", "is empty"),
        ("a.docx", ROW, "this file type is not accepted: it is a Word document"),
        ("a.zip", b"PK\x03\x04", "archives are not accepted"),
        ("noending", b"\x80\x04K*.", "it looks like a pickle"),
        ("a.json", '{"a": 1}', "holds no list of examples"),
        ("a.json", "3", "holds one value, not a list"),
        ("a.json", '{"a": [{"x": 1}], "b": [{"x": 1}]}', "lists found: 'a', 'b'"),
        ("a.csv", 'p,c\n"a,b\nc,d\n', "quote opened on line 2 is never closed"),
        ("a.csv", "p,p\na,b\n", "column 'p' appears twice"),
        ("a.json", '[{"a": 1}, {"a": 1, "a": 2}]', "row 2 repeats the key 'a'"),
        ("a.json", '[{"a": 1}, {"a": NaN}]', "row 2 holds NaN"),
        ("a.json", '[{"a": 1},\n {"a": }]', "row 2 is not valid JSON (line 2, character 8"),
        ("a.json", '[{"a": 1}, {"a": "b', "may have been cut off"),
        ("a.json", '[{"a": 1} {"a": 2}]', "row 1 should be followed by ','"),
        ("a.json", '[{"a": 1}, ]', "row 2 is not valid JSON"),
        ("a.json", '[{"a": 1}] [{"a": 2}]', "goes on after the list's closing ']'"),
        ("a.json", "[" * 100_000, "row 1 is nested too deeply"),
    ],
)
def test_refused_in_plain_words(tmp_path: Path, name, content, words: str) -> None:
    with pytest.raises(DataError) as error:
        table(tmp_path, name, content)
    assert words in str(error.value) and f"'{name}'" in str(error.value)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"prompt,completion\n\xc3\xa4,b\nc,\xff\n", "Row 2 has bytes that are not UTF-8"),
        ("a.jsonl", '{"text": "a\\u0000b"}\n\x00', "Line 2 is not valid JSON"),
        ("a.jsonl", ROW + '\n{"prompt": "a", "comp', "Line 2, the last one, is incomplete"),
        ("a.jsonl", '{"a": x}\n' + ROW, "Line 1 is not valid JSON"),
        ("a.jsonl", ROW + '\n{"a": "b\n' + ROW, "Line 2 is not valid JSON"),
        ("a.jsonl", '{"a": 1, "a": 2}\n', "Line 1 repeats the key 'a'"),
        ("a.jsonl", '{"a": NaN}', "Line 1 holds NaN"),
        ("a.jsonl", '{"a": ' + "9" * 5000 + "}", "number of 5000 digits"),
        ("a.jsonl", '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deeply"),
        ("a.jsonl", '{"a": ' + "[" * 70 + "]" * 70 + "}", "Row 1 is nested too deeply"),
        ("a.jsonl", '{"a": "\\ud800"}', "Row 1 has a broken character"),
        ("a.jsonl", "[1, 2]", "Row 1 is not an object"),
        ("a.jsonl", f"{ROW}\n[1]", "Line 2 is not an object"),
        ("a.jsonl", '{"a": "' + "x" * (6 * 2**20) + '"}', "larger than the limit of 5 MB"),
        ("a.csv", "prompt,c\na,b,c\n", "Row 1 has 3 values, the header has 2"),
        ("a.csv", 'prompt,c\n"a"x,b\nc,d\n', "Line 2: its quotation marks are not right"),
        ("a.jsonl", f'{ROW}\n{{"a": "x\\u0000y"}}', "Row 2 contains binary data"),
        ("a.jsonl", '{"a": 1e999}', "Line 1 holds the number 1e999"),
        ("a.json", '[{"a": 1}, 3]', "Row 2 is not an object"),
        (
            "a.json",
            json.dumps([{"a": "x" * (6 * 2**20)}]),
            "Row 1 is larger than the limit of 5 MB",
        ),
    ],
)
def test_a_bad_row_comes_with_its_number(tmp_path: Path, name, content, words: str) -> None:
    found = table(tmp_path, name, content)
    assert any(words in problem for problem in found.bad), found.bad


@pytest.mark.parametrize(
    ("name", "content", "columns", "rows"),
    [
        ("SMSSpam", 'ham\tGo "there\nspam\tFree\nham\tOk\nham\tNo\n', ["column 1", "column 2"], 4),
        ("a.tsv", "fine, really\t1\nbad, so\t0\nso, so\t0\nwell\t1\n", ["column 1", "column 2"], 4),
        ("a.csv", '"3","Fears for T N","Unions"\n"4","The Race","TORONTO"\n',
         ["column 1", "column 2", "column 3"], 2),
        ("a.csv", "sep=;\nprompt;completion\na, b;c\n", ["prompt", "completion"], 1),
        ("a.csv", "prompt|completion\na, b|c\n", ["prompt", "completion"], 1),
        ("a.csv", "Frage,Antwort\na,b\nc,d\n", ["Frage", "Antwort"], 2),
        ("a.csv", "text\nOne, two\nthree\n", ["text"], 2),
        ("train.label", "DESC:def What is an atom ?\n" * 4, ["label", "fine_label", "text"], 4),
        ("train.txt", "__label__good Nice one.\n__label__bad Not so.\n" * 2, ["label", "text"], 4),
        ("reviews.pos", "a fine film\nanother\nso good\nwell\n", ["text"], 4),
        ("data", f"{ROW}\n{ROW}\n", ["prompt", "completion"], 2),
    ],
)  # fmt: skip
def test_tables_without_header_or_ending(tmp_path: Path, name, content, columns, rows) -> None:
    found = table(tmp_path, name, content)
    assert [list(row) for row in found.rows] == [columns] * rows and not found.bad


@pytest.mark.parametrize(
    ("split", "rows"),
    [
        ("paragraph", ["One. Two.\nThree.", "Four."]),
        ("line", ["One. Two.", "Three.", "Four."]),
        ("length", ["One. Two.", "Three. Four."]),
    ],
)
def test_text_is_split_as_the_user_chooses(tmp_path: Path, split: str, rows: list[str]) -> None:
    found = table(tmp_path, "a.txt", "One. Two.\nThree.\n\nFour.\n", parts=split, length=12)
    assert [row["text"] for row in found.rows] == rows


def test_the_user_may_choose_the_encoding_and_the_header(tmp_path: Path) -> None:
    found = table(tmp_path, "a.csv", "p,c\nä,ö\n".encode("cp1252"), encoding="cp1252", header=False)
    assert [list(row) for row in found.rows] == [["column 1", "column 2"]] * 2
    assert [list(row.values()) for row in found.rows] == [["p", "c"], ["ä", "ö"]]
    with pytest.raises(DataError, match="cannot be read as UTF-16"):
        table(tmp_path, "a.csv", "prompt,completion\nab,c\n", encoding="utf-16")
    with pytest.raises(DataError, match="not an encoding that Hone knows"):
        table(tmp_path, "a.csv", "prompt,completion\na,b\n", encoding="rot13")


@pytest.mark.slow
@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.text(), min_size=1), min_size=1))
def test_json_rows_come_back_as_they_are(tmp_path_factory, rows) -> None:
    clean = [
        row for row in rows
        if "\\u0000" not in json.dumps(row) and not all(map(is_blank, row.values()))
    ]  # fmt: skip
    if clean:
        folder = tmp_path_factory.mktemp("f")
        assert table(folder, "a.jsonl", "\n".join(map(json.dumps, clean))).rows == clean
        assert table(folder, "a.json", json.dumps(clean, indent=1)).rows == clean


def rows_or_data_error(folder: Path, name: str, content: str | bytes) -> None:
    try:
        found = table(folder, name, content)
    except DataError:
        return
    json.dumps(found.rows, allow_nan=False, ensure_ascii=False).encode()


@given(st.sampled_from(NAMES), st.binary(max_size=300))
def test_any_bytes_give_rows_or_a_data_error(tmp_path_factory, name: str, content: bytes) -> None:
    rows_or_data_error(tmp_path_factory.mktemp("f"), name, content)


@given(st.sampled_from(NAMES), st.lists(st.sampled_from(PARTS), max_size=40))
def test_any_pieces_of_json_give_rows_or_a_data_error(tmp_path_factory, name, parts) -> None:
    rows_or_data_error(tmp_path_factory.mktemp("f"), name, "".join(parts))


def test_a_huge_line_is_passed_over_without_reading_it_whole(tmp_path: Path) -> None:
    path = tmp_path / "upload"
    path.write_bytes(b'{"text": "' + b"x" * (60 * 2**20) + b'"}\n' + ROW.encode())
    tracemalloc.start()
    rows = list(read_table(path, "a.jsonl").rows)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(rows) == 2 and most < 40 * 2**20
    assert "Line 1 is larger than the limit of 5 MB" in rows[0].problem


def test_lines_within_quotes_stay_as_they_are(tmp_path: Path) -> None:
    cell = "first\n\nsecond\n\n\nthird"
    rows = "".join(f'"{cell} {n}",b{n}\n\n' for n in range(300))
    found = table(tmp_path, "a.csv", "prompt,completion\n" + rows)
    assert [row["prompt"] for row in found.rows] == [f"{cell} {n}" for n in range(300)]
    assert not found.bad
    rows = "".join(f'"one\n{n}"\tb\n' for n in range(20))
    found = table(tmp_path, "a.tsv", "prompt\tcompletion\n" + rows)
    assert [row["prompt"] for row in found.rows] == [f"one\n{n}" for n in range(20)]
    assert not found.bad


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Não é possível: a situação já está má.", "cp1252"),
        ("Ça coûte très cher, même à l'été.", "cp1252"),
        ("It costs £5 at the café.", "cp1252"),
        ("Zażółć gęślą jaźń, proszę bardzo dziękuję.", "cp1250"),
        ("Příliš žluťoučký kůň úpěl ďábelské ódy.", "cp1250"),
        ("Съешь же ещё этих мягких булок.", "cp1251"),
    ],
)
def test_encodings_of_short_texts(tmp_path: Path, text: str, encoding: str) -> None:
    found = table(tmp_path, "a.csv", f'prompt,completion\n"{text}","{text}"\n'.encode(encoding) * 3)
    assert found.rows[0]["prompt"] == text, found.notes
