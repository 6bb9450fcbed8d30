"""Small files that would fill the memory or the disk if they were read as they ask."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SCHEMAS = "http://schemas.openxmlformats.org"
MAIN = f"{SCHEMAS}/spreadsheetml/2006/main"
RELATIONS = f"{SCHEMAS}/package/2006/relationships"
OFFICE = f"{SCHEMAS}/officeDocument/2006/relationships"
TYPES = f"{SCHEMAS}/package/2006/content-types"
KIND = "application/vnd.openxmlformats-officedocument.spreadsheetml"


def book(sheets: list[str], shared: str = "", merged: str = "", before: str = "") -> bytes:
    """A workbook of these sheets, each given as its rows in XML."""
    numbers = range(len(sheets))
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{TYPES}"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{KIND}.sheet.main+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{RELATIONS}"><Relationship Id="r1" '
        f'Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>'
        + "".join(f'<sheet name="S{n}" sheetId="{n + 1}" r:id="r{n}"/>' for n in numbers)
        + "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{RELATIONS}">'
        + "".join(
            f'<Relationship Id="r{n}" Type="{OFFICE}/worksheet" Target="worksheets/s{n}.xml"/>'
            for n in numbers
        )
        + f'<Relationship Id="x" Type="{OFFICE}/sharedStrings" Target="sharedStrings.xml"/>'
        "</Relationships>",
        "xl/sharedStrings.xml": f'<sst xmlns="{MAIN}">{shared}</sst>',
    }
    for n, body in enumerate(sheets):
        parts[f"xl/worksheets/s{n}.xml"] = (
            f'{before}<worksheet xmlns="{MAIN}"><sheetData>{body}</sheetData>{merged}</worksheet>'
        )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return out.getvalue()


def cell(place: str, text: str) -> str:
    return f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>'


def far(place: str) -> str:
    """A sheet with two cells, the second of which is here."""
    number = "".join(filter(str.isdigit, place))
    return f'<row r="1">{cell("A1", "text")}</row><row r="{number}">{cell(place, "x")}</row>'


def shared_cells(count: int) -> str:
    return "".join(
        f'<row r="{n}"><c r="A{n}" t="s"><v>0</v></c></row>' for n in range(1, count + 1)
    )


def parquet(table: pa.Table, **options: object) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, **options)
    return out.getvalue()


def repeated(value: str, rows: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(np.zeros(rows, dtype=np.int32), [value])


def in_lists(values: pa.Array, rows: int) -> pa.Table:
    size = len(values) // rows
    offsets = pa.array(range(0, len(values) + 1, size), pa.int32())
    return pa.table({"text": pa.ListArray.from_arrays(offsets, values)})


def wide(mark: str, count: int, rows: int = 3) -> str:
    names = mark.join(f"c{n}" for n in range(count))
    return f"{names}\n" + f"{mark.join('1' * count)}\n" * rows


def keys(count: int) -> dict[str, str]:
    return {f"k{n}": "v" for n in range(count)}


# What it is -> the file's name, its content, and what has to be said.
BOMBS: dict[str, tuple[str, Callable[[], str | bytes], str]] = {
    "two far cells": ("a.xlsx", lambda: book([far("ET1048576")]), "reaches to the cell ET1048576"),
    "two cells as far as can be": ("a.xlsx", lambda: book([far("XFD1048576")]), "17,179,869,184"),
    "a wide row": ("a.xlsx", lambda: book([far("XFD200")]), ""),
    "300 sheets of far cells": ("a.xlsx", lambda: book([far("XFD1048576")] * 300), "reaches to"),
    "600 sheets": ("a.xlsx", lambda: book([far("A2")] * 600), "has 600 sheets; at most 500"),
    "one text in many cells": (
        "a.xlsx",
        lambda: book([shared_cells(20_000)], f"<si><t>{'ab' * 15_000}</t></si>"),
        "hold 572 MB of text; at most 256 MB",
    ),
    "deep XML": ("a.xlsx", lambda: book(["<x>" * 90_000 + "</x>" * 90_000]), "has no rows"),
    "entities": (
        "a.xlsx",
        lambda: book([far("A2")], before='<!DOCTYPE x [<!ENTITY e "eeee">]>'),
        "declares entities",
    ),
    "no end": ("a.xlsx", lambda: book(["<row>" * 10]), "cannot be read as an Excel file"),
    "a dictionary of one large text": (
        "a.parquet",
        lambda: parquet(pa.table({"text": repeated("ab " * 700_000, 20_000)})),
        "would unpack to",
    ),
    "a dictionary of one short text": (
        "a.parquet",
        lambda: parquet(pa.table({"text": repeated("x" * 900, 4_000_000)})),
        "would unpack to",
    ),
    "millions of empty fields": (
        "a.parquet",
        lambda: parquet(pa.table({"text": pa.nulls(6_000_000, pa.string())})),
        "but 6,000,000 values",
    ),
    "lists of millions of empty fields": (
        "a.parquet",
        lambda: parquet(in_lists(pa.nulls(8_000_000, pa.string()), 4)),
        "but 8,000,000 values",
    ),
    "lists of one text": (
        "a.parquet",
        lambda: parquet(in_lists(repeated("y" * 5000, 400_000), 4)),
        "would unpack to",
    ),
    "one text that is too large": (
        "a.parquet",
        lambda: parquet(pa.table({"text": repeated("y" * 6_000_000, 20)})),
        "Row 1 is larger than the limit of 5 MB",
    ),
    "20,000 columns of Parquet": (
        "a.parquet",
        lambda: parquet(pa.table({f"c{n}": ["a"] for n in range(20_000)})),
        "has 20000 columns; at most 16384",
    ),
    "200,000 columns": ("a.csv", lambda: wide(",", 200_000), "has 200000 columns; at most 16384"),
    "200,000 columns by tabs": (
        "a.tsv",
        lambda: wide("\t", 200_000).replace("c0", '"c0"'),
        "has 200000 columns",
    ),
    "200,000 columns without names": ("a.csv", lambda: ";1" * 200_000, "has 200001 columns"),
    "200,000 keys": ("a.jsonl", lambda: json.dumps(keys(200_000)), "Row 1 has 200,000 fields"),
    "200,000 keys in a list": (
        "a.json",
        lambda: json.dumps([keys(200_000)]),
        "Row 1 has 200,000 fields",
    ),
    "200,000 keys, one of them twice": (
        "a.jsonl",
        lambda: json.dumps(keys(200_000))[:-1] + ', "k199999": "v"}',
        "repeats the key 'k199999'",
    ),
    "other keys in each row": (
        "a.jsonl",
        lambda: "\n".join(json.dumps({f"k{n}-{m}": "v" for m in range(100)}) for n in range(200)),
        "more than 16,384 different fields",
    ),
    "a deep list": ("a.json", lambda: "[" * 100_000 + "]" * 100_000, "nested too deeply"),
    "deep objects": (
        "a.json",
        lambda: '{"a":' * 100_000 + "1" + "}" * 100_000,
        "nested too deeply",
    ),
    "deep objects in a line": (
        "a.jsonl",
        lambda: '{"a":' * 100_000 + "1" + "}" * 100_000,
        "nested too deeply",
    ),
}
