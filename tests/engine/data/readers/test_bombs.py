"""Files made to do harm end soon, in little memory and with a plain sentence."""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path

import psutil
import pyarrow as pa
import pytest

from engine.data.ingest import ingest_files
from engine.data.readers.excel import archive
from engine.data.upload import Upload
from engine.errors import DataError
from engine.store.workspace import Store
from tests.engine.data.readers.bombs import BOMBS, book, cell, far, parquet, repeated
from tests.engine.data.readers.reading import read_made

pytestmark = pytest.mark.slow

SECONDS, BYTES = 20, 1.5 * 2**30


def most_memory() -> int:
    """Bytes that this process has had at most so far."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


@pytest.mark.parametrize("what", BOMBS)
def test_a_bomb_is_refused_soon(tmp_path: Path, home: Path, what: str) -> None:
    name, make, words = BOMBS[what]
    content = make()
    path = tmp_path / "upload"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    del content
    start, before = time.monotonic(), most_memory()
    with pytest.raises(DataError) as error:
        ingest_files(Store(home), [Upload(path, name)])
    assert time.monotonic() - start < SECONDS and most_memory() - before < BYTES
    assert words in str(error.value) and f"'{name}'" in str(error.value)
    assert not list(Store(home).datasets.glob("*"))


def test_cells_are_counted_while_they_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "CELL_LIMIT", 100)
    rows = "".join(f'<row r="{n}">{cell(f"A{n}", "a")}</row>' for n in range(1, 80))
    with pytest.raises(DataError, match="more than 100 cells"):
        read_made(tmp_path, "a.xlsx", book([rows, rows]))


def test_blank_rows_of_a_sheet_are_skipped_and_said(tmp_path: Path) -> None:
    """Those between rows: a sheet may go on for thousands below its last value."""
    names = row_of(1, cell("A1", "text"), cell("B1", "label"))
    lines = "".join(row_of(n, cell(f"A{n}", f"a{n}"), cell(f"B{n}", "b")) for n in (2, 3, 5, 8))
    blank = row_of(4, cell("A4", " "), cell("B4", "")) + row_of(12, cell("A12", " "))
    found = read_made(tmp_path, "a.xlsx", book([names + lines + blank]))
    assert len(found.rows) == 4 and not found.bad
    assert "Blank lines were skipped." in found.notes


def test_what_is_far_but_little_is_read(tmp_path: Path) -> None:
    names, rows = (
        row_of(1, cell("A1", "text"), cell("B1", "label")),
        far("B3000").split("</row>", 1)[1],
    )
    assert len(read_made(tmp_path, "a.xlsx", book([names + rows])).rows) == 1
    # Many rows that share their texts are usual, and no harm.
    table = {"text": repeated("A text that comes again.", 3000), "n": list(range(3000))}
    assert len(read_made(tmp_path, "a.parquet", parquet(pa.table(table))).rows) == 3000


def test_a_page_of_text_before_the_table_is_passed_over(tmp_path: Path) -> None:
    cover = row_of(1, cell("A1", "About this file")) + row_of(2, cell("A2", "Made in May"))
    table = "".join(row_of(n, cell(f"A{n}", f"a{n}"), cell(f"B{n}", "b")) for n in range(1, 9))
    found = read_made(tmp_path, "a.xlsx", book([cover, table]))
    assert len(found.rows) >= 7 and "Read from the sheet 'S1'. Not read: 'S0'" in found.said
    found = read_made(tmp_path, "a.xlsx", book([table, cover]))
    assert len(found.rows) >= 7 and "Read from the sheet 'S0'. Not read: 'S1'" in found.said


@pytest.mark.parametrize("at", [200, 400, 700])
def test_a_damaged_workbook_is_refused_or_read(tmp_path: Path, at: int) -> None:
    content = bytearray(book([far("B5")]))
    content[at : at + 40] = bytes(40)
    with contextlib.suppress(DataError):
        read_made(tmp_path, "a.xlsx", bytes(content))


def test_unusual_columns_of_parquet(tmp_path: Path) -> None:
    table = pa.table({
        "number": pa.array([1, 2, 1]).dictionary_encode(),
        "pair": pa.array([[1, 2], [3, 4], [5, 6]], pa.list_(pa.int8(), 2)),
        "bytes": pa.array([[b"1"], [b"2"], [b"3"]], pa.list_(pa.binary(), 1)),
        "view": pa.array(["x", "y", "z"], pa.string_view()),
        "half": pa.array([0.5, 1.5, 2.5], pa.float16()),
    })  # fmt: skip
    found = read_made(tmp_path, "a.parquet", parquet(table))
    assert found.rows[0] == {"number": 1, "pair": [1, 2], "view": "x", "half": 0.5}
    assert "'bytes'" in found.said


def row_of(number: int, *cells: str) -> str:
    return f'<row r="{number}">{"".join(cells)}</row>'


def test_a_formula_without_a_value_is_noted(tmp_path: Path) -> None:
    formula = '<c r="B{0}"><f>A{0}</f></c>'
    solved = '<c r="B5" t="str"><f>A5</f><v>done</v></c>'
    rows = [row_of(1, cell("A1", "text"), cell("B1", "label"))]
    rows += [row_of(n, cell(f"A{n}", f"Text {n}"), formula.format(n)) for n in range(2, 5)]
    rows.append(row_of(5, cell("A5", "Text 5"), solved))
    found = read_made(tmp_path, "a.xlsx", book(["".join(rows)]))
    assert [row["label"] for row in found.rows] == ["", "", "", "done"]
    assert "3 cells of 'S0' with a formula whose value is not stored" in found.said


@pytest.mark.parametrize(
    ("area", "labels"),
    [
        ("B2:B4", ["one", "one", "one", "four"]),
        ("A1:B1", ["one", "", "", "four"]),
        ("B3:B4", ["one", "", "", "four"]),
    ],
)
def test_a_merged_area_gives_its_value_to_each_row(
    tmp_path: Path, area: str, labels: list[str]
) -> None:
    rows = [row_of(1, cell("A1", "text"), cell("B1", "label"))]
    rows.append(row_of(2, cell("A2", "Text 2"), cell("B2", "one")))
    rows += [row_of(n, cell(f"A{n}", f"Text {n}")) for n in (3, 4)]
    rows.append(row_of(5, cell("A5", "Text 5"), cell("B5", "four")))
    merged = f'<mergeCells count="1"><mergeCell ref="{area}"/></mergeCells>'
    found = read_made(tmp_path, "a.xlsx", book(["".join(rows)], merged=merged))
    assert [row["label"] for row in found.rows] == labels
    assert ("merged area" in found.said) == (area[1] != area[4])
